#include "fdtab.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

/* A radix tree covers every number that the kernel can hand out (31 bits); its first
 * leaf, enough for nearly every program, needs no memory of its own. */
#define LEAF_BITS 10
#define NODE_BITS 10
#define ROOT_BITS 11
#define LEAF_SIZE (1 << LEAF_BITS)
#define NODE_SIZE (1 << NODE_BITS)

typedef void *_Atomic branch;       /* to a node or a leaf; NULL until it is needed */

struct node {
    branch leaf[NODE_SIZE];
};

static struct cell first_leaf[LEAF_SIZE];
static branch root[1 << ROOT_BITS];

/* The process whose memory this is.  A child of vfork() has another pid and the same
 * memory: what it does to its descriptors must not be written into its parent's table.  The
 * word lies in a page that fork() empties, so that a child made by whatever means (clone(2),
 * _Fork()) finds 0 in its copy and makes it its own. */
static _Atomic pid_t *_Atomic owner;

static void *new_pages(size_t size)
{
    int saved_errno = errno;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = saved_errno;
    return pages == MAP_FAILED ? NULL : pages;
}

void fdtab_own(void)
{
    _Atomic pid_t *page = atomic_load(&owner);
    if (!page && (page = new_pages(sizeof *page))) {
        madvise((void *)page, sizeof *page, MADV_WIPEONFORK);
        atomic_store(&owner, page);
    }
    if (page)
        atomic_store(page, getpid());
}

/* At once after fork(), lest the child's own vfork() child makes the copy its own first. */
static void own_copy(void)
{
    if (atomic_load(&owner))
        fdtab_own();
}

void fdtab_init(void)
{
    pthread_atfork(NULL, NULL, own_copy);
}

bool fdtab_is_ours(void)
{
    _Atomic pid_t *page = atomic_load_explicit(&owner, memory_order_relaxed);
    pid_t self = getpid(), nobody = 0;
    if (!page)
        return false;
    return atomic_load_explicit(page, memory_order_relaxed) == self || atomic_compare_exchange_strong(page, &nobody, self);
}

/* What a branch leads to.  Two threads may find it missing at once: the later one drops
 * its pages.  NULL: no memory. */
static void *follow(branch *from, size_t size)
{
    void *there = atomic_load_explicit(from, memory_order_acquire);
    if (there)
        return there;
    void *pages = new_pages(size);
    if (!pages)
        return NULL;
    if (atomic_compare_exchange_strong(from, &there, pages))
        return pages;
    munmap(pages, size);
    return there;
}

static struct cell *distant_cell(int fd)
{
    struct node *node = follow(&root[fd >> (LEAF_BITS + NODE_BITS)], sizeof *node);
    if (!node)
        return NULL;
    struct cell *leaf = follow(&node->leaf[fd >> LEAF_BITS & (NODE_SIZE - 1)], LEAF_SIZE * sizeof *leaf);
    return leaf ? &leaf[fd & (LEAF_SIZE - 1)] : NULL;
}

struct cell *fdtab_cell(int fd)
{
    if (fd < 0)
        return NULL;
    return fd < LEAF_SIZE ? &first_leaf[fd] : distant_cell(fd);
}

enum kind socket_kind(int domain, int type, int protocol, uint32_t *flags)
{
    enum { TYPE = 0xf };    /* without SOCK_NONBLOCK and SOCK_CLOEXEC */
    bool stream = (type & TYPE) == SOCK_STREAM;
    bool internet = domain == AF_INET || domain == AF_INET6;
    *flags = stream ? 0 : CELL_RECORD | ((type & TYPE) == SOCK_SEQPACKET ? CELL_PACKET : 0);
    if (internet && stream && (!protocol || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP))
        return KIND_TCP;
    if (internet && (type & TYPE) == SOCK_DGRAM && (!protocol || protocol == IPPROTO_UDP))
        return KIND_UDP;
    if (domain == AF_UNIX)
        return KIND_UNIX;
    return domain == AF_VSOCK ? KIND_VSOCK : KIND_SOCKET;
}

bool fdtab_is_epoll(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    return cell && state_kind(cell_state(cell)) == KIND_EPOLL;
}

static int option(int fd, int name)
{
    int value = 0;
    socklen_t length = sizeof value;
    return REAL(getsockopt)(fd, SOL_SOCKET, name, &value, &length) < 0 ? -1 : value;
}

static bool has_timeout(int fd, int name)
{
    struct timeval t = {0};
    socklen_t length = sizeof t;
    return !REAL(getsockopt)(fd, SOL_SOCKET, name, &t, &length) && (t.tv_sec || t.tv_usec);
}

static uint32_t ask_about_socket(int fd, int domain)
{
    uint32_t flags;
    enum kind kind = socket_kind(domain, option(fd, SO_TYPE), option(fd, SO_PROTOCOL), &flags);
    if (has_timeout(fd, SO_RCVTIMEO) || has_timeout(fd, SO_SNDTIMEO))
        flags |= CELL_TIMER;
    if (option(fd, SO_RCVLOWAT) > 1)
        flags |= CELL_LOWAT;
    return kind | flags;
}

static uint32_t ask_kernel(int fd)
{
    int domain = option(fd, SO_DOMAIN);
    if (domain >= 0)
        return ask_about_socket(fd, domain);
    struct stat file;
    if (errno != ENOTSOCK || fstat(fd, &file) < 0)
        return KIND_UNKNOWN;
    return S_ISFIFO(file.st_mode) ? KIND_PIPE : KIND_OTHER;
}

uint32_t fdtab_learn(int fd, struct cell *cell)
{
    uint32_t state = cell_state(cell);
    if (state_kind(state) != KIND_UNKNOWN)
        return state;
    int saved_errno = errno;
    uint32_t learned = state | ask_kernel(fd);
    errno = saved_errno;
    if (fdtab_is_ours())
        atomic_compare_exchange_strong(&cell->state, &state, learned);
    return learned;
}

uint32_t fdtab_verify(int fd, struct cell *cell)
{
    int saved_errno = errno;
    uint32_t state = cell_state(cell);
    if (state_kind(state) != KIND_UNKNOWN && state_kind(ask_kernel(fd)) != state_kind(state))
        cell_drop(cell);
    errno = saved_errno;
    return fdtab_learn(fd, cell);
}

/* A new generation; the words are cleared before the state tells of it. */
static void renew(struct cell *cell, uint32_t content, uint32_t own)
{
    atomic_store_explicit(&cell->own, own, memory_order_relaxed);
    atomic_store_explicit(&cell->since, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->watched, 0, memory_order_relaxed);
    uint32_t next = (cell_state(cell) & STATE_GENERATION) + STATE_GENERATION_ONE;
    atomic_store_explicit(&cell->state, next | content, memory_order_release);
}

void fdtab_reset(int fd, enum kind kind, uint32_t flags)
{
    struct cell *cell = fdtab_cell(fd);
    if (cell && fdtab_is_ours())
        renew(cell, kind | flags, 0);
}

/* The cell of fd if there has ever been something to say of it. */
static struct cell *known_cell(int fd)
{
    if (fd < LEAF_SIZE)
        return fdtab_cell(fd);
    struct node *node = atomic_load_explicit(&root[fd >> (LEAF_BITS + NODE_BITS)], memory_order_acquire);
    bool known = node && atomic_load_explicit(&node->leaf[fd >> LEAF_BITS & (NODE_SIZE - 1)], memory_order_acquire);
    return known ? fdtab_cell(fd) : NULL;
}

void fdtab_forget(int fd)
{
    struct cell *cell = known_cell(fd);
    if (cell && state_kind(cell_state(cell)) > KIND_OTHER)
        fdtab_reset(fd, KIND_UNKNOWN, 0);
}

/* O_NONBLOCK and the timers belong to the open file description, which copies share.  Once a
 * socket has been copied and some descriptor made blocking again, hints are no longer
 * believed; once it has been copied and some timer set, each may have one. */
static atomic_bool copied, hints_are_void, timers_are_shared;

void fdtab_copy(int from, int to)
{
    struct cell *source = fdtab_cell(from), *copy = fdtab_cell(to);
    if (!source || !copy || source == copy || !fdtab_is_ours())
        return;
    uint32_t state = cell_state(source);
    renew(copy, state & ~STATE_GENERATION, atomic_load(&source->own));
    if (state_kind(state) != KIND_OTHER)
        atomic_store(&copied, true);
}

void fdtab_set_nonblock(int fd, bool nonblock)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell || !fdtab_is_ours())
        return;
    if (nonblock)
        cell_set(cell, CELL_NONBLOCK);
    else
        cell_clear(cell, CELL_NONBLOCK);
    if (!nonblock && atomic_load(&copied))
        atomic_store(&hints_are_void, true);
}

void fdtab_note_timer(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    if (cell)
        cell_set(cell, CELL_TIMER);
    if (atomic_load(&copied))
        atomic_store(&timers_are_shared, true);
}

bool fdtab_has_timer(uint32_t state)
{
    return state & CELL_TIMER || atomic_load_explicit(&timers_are_shared, memory_order_relaxed);
}

bool fdtab_is_nonblock(uint32_t state)
{
    return state & CELL_NONBLOCK && !atomic_load_explicit(&hints_are_void, memory_order_relaxed);
}

void cell_drop(struct cell *cell)
{
    if (fdtab_is_ours())
        renew(cell, KIND_UNKNOWN, 0);
}

void cell_set(struct cell *cell, uint32_t flags)
{
    atomic_fetch_or_explicit(&cell->state, flags, memory_order_relaxed);
}

void cell_clear(struct cell *cell, uint32_t flags)
{
    atomic_fetch_and_explicit(&cell->state, ~flags, memory_order_relaxed);
}

bool cell_post_error(struct cell *cell, uint32_t state, int error, uint32_t flags)
{
    uint32_t now = cell_state(cell), then;
    do {
        if ((now ^ state) & STATE_GENERATION)
            return false;
        then = (now & ~STATE_ERROR) | (uint32_t)error << STATE_ERROR_SHIFT | flags;
    } while (!atomic_compare_exchange_weak(&cell->state, &now, then));
    return true;
}

int cell_take_error(struct cell *cell)
{
    uint32_t before = atomic_fetch_and(&cell->state, ~STATE_ERROR);
    return (int)((before & STATE_ERROR) >> STATE_ERROR_SHIFT);
}
