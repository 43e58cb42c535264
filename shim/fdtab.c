#include "fdtab.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kind.h"
#include "real.h"

struct cell fdtab_first[SPARSE_LEAF_SIZE] LARGE;
SPARSE_ARRAY(cells, struct cell);

/* The process whose memory this is.  A child of vfork() has another pid and the same
 * memory: what it does to its descriptors must not be written into its parent's table.  The
 * word lies in a page that fork() empties, so that a child made by whatever means (clone(2),
 * _Fork()) finds 0 in its copy and makes it its own. */
static _Atomic pid_t *_Atomic owner;
static _Atomic pid_t owner_without_page;

/* Without such a page only the child of fork() makes its copy its own, as it does anyhow. */
static _Atomic pid_t *owner_page(void)
{
    _Atomic pid_t *page = sparse_pages(sizeof *page);
    if (!page)
        return &owner_without_page;
    madvise((void *)page, sizeof *page, MADV_WIPEONFORK);
    return page;
}

void fdtab_own(void)
{
    _Atomic pid_t *page = atomic_load(&owner);
    if (!page) {
        page = owner_page();
        atomic_store(&owner, page);
    }
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
    _Atomic pid_t *page = atomic_load_explicit(&owner, memory_order_acquire);
    pid_t self = getpid(), nobody = 0;
    if (!page)
        return false;
    return atomic_load_explicit(page, memory_order_relaxed) == self || atomic_compare_exchange_strong(page, &nobody, self);
}

struct cell *fdtab_further_cell(int fd)
{
    return fd < 0 ? NULL : sparse_make(&cells, fd);
}

uint32_t fdtab_ask(int fd, struct cell *cell)
{
    int saved_errno = errno;
    uint32_t state = cell_state(cell), learned = state | kind_ask(fd);
    errno = saved_errno;
    if (fdtab_is_ours())
        atomic_compare_exchange_strong(&cell->state, &state, learned);
    return learned;
}

uint32_t fdtab_verify(int fd, struct cell *cell)
{
    int saved_errno = errno;
    uint32_t state = cell_state(cell);
    if (state_kind(state) != KIND_UNKNOWN && state_kind(kind_ask(fd)) != state_kind(state))
        cell_drop(fd, cell);
    errno = saved_errno;
    return fdtab_learn(fd, cell);
}

/* A new generation; the words are cleared before the state tells of it. */
static void renew(int fd, struct cell *cell, uint32_t content, uint32_t own)
{
    if (atomic_load_explicit(&cell->own, memory_order_relaxed) == OWN_TERMS)
        terms_clear(fd);
    atomic_store_explicit(&cell->own, own, memory_order_relaxed);
    atomic_store_explicit(&cell->since, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->watched, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->mark, 0, memory_order_relaxed);
    uint32_t next = (cell_state(cell) & STATE_GENERATION) + STATE_GENERATION_ONE;
    atomic_store_explicit(&cell->state, next | content, memory_order_release);
}

void fdtab_reset(int fd, enum kind kind, uint32_t flags)
{
    struct cell *cell = fdtab_cell(fd);
    if (cell && fdtab_is_ours())
        renew(fd, cell, kind | flags, 0);
}

/* The cell of fd if there has ever been something to say of it. */
static struct cell *known_cell(int fd)
{
    return fd < SPARSE_LEAF_SIZE ? fdtab_cell(fd) : sparse_find(&cells, fd);
}

void fdtab_forget(int fd)
{
    struct cell *cell = known_cell(fd);
    if (cell && state_kind(cell_state(cell)) > KIND_OTHER)
        fdtab_reset(fd, KIND_UNKNOWN, 0);
}

void fdtab_outdate(int fd)
{
    struct cell *cell = known_cell(fd);
    if (cell && kind_has_limits(state_kind(cell_state(cell))) && fdtab_is_ours())
        atomic_fetch_add(&cell->state, STATE_GENERATION_ONE);
}

struct terms *fdtab_terms(int fd, const struct cell *cell)
{
    return atomic_load_explicit(&cell->own, memory_order_acquire) == OWN_TERMS ? terms_find(fd) : NULL;
}

struct terms *fdtab_make_terms(int fd, struct cell *cell)
{
    struct terms *terms = fdtab_terms(fd, cell);
    if (terms || !fdtab_is_ours())
        return terms;
    terms = terms_make(fd);
    uint32_t before = 0, own = atomic_load(&cell->own);
    while (terms && own != OWN_TERMS) {
        terms_begin(terms, before, own);
        before = own;
        if (atomic_compare_exchange_weak(&cell->own, &own, OWN_TERMS))
            break;
    }
    return terms;
}

/* O_NONBLOCK and the timers belong to the open file description, which copies share.  Once a
 * socket has been copied and some descriptor made blocking again, hints are no longer
 * believed; once it has been copied and some timer set, each may have one. */
static atomic_bool copied, timers_are_shared;
atomic_bool fdtab_hints_are_void, fdtab_epolls_are_copied;

void fdtab_copy(int from, int to)
{
    struct cell *source = fdtab_cell(from), *copy = fdtab_cell(to);
    if (!source || !copy || source == copy || !fdtab_is_ours())
        return;
    uint32_t state = cell_state(source), own = atomic_load(&source->own);
    renew(to, copy, state & ~STATE_GENERATION, own == OWN_TERMS ? 0 : own);
    if (own == OWN_TERMS && terms_copy(from, to))
        atomic_store(&copy->own, OWN_TERMS);
    if (state_kind(state) == KIND_EPOLL)
        atomic_store(&fdtab_epolls_are_copied, true);
    else if (state_kind(state) != KIND_OTHER)
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
        atomic_store(&fdtab_hints_are_void, true);
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

void cell_drop(int fd, struct cell *cell)
{
    if (fdtab_is_ours())
        renew(fd, cell, KIND_UNKNOWN, 0);
}

void cell_set(struct cell *cell, uint32_t flags)
{
    atomic_fetch_or_explicit(&cell->state, flags, memory_order_relaxed);
}

void cell_clear(struct cell *cell, uint32_t flags)
{
    atomic_fetch_and_explicit(&cell->state, ~flags, memory_order_relaxed);
}

static bool change_unless(struct cell *cell, uint32_t state, uint32_t unless, uint32_t clear, uint32_t set)
{
    uint32_t now = cell_state(cell);
    do {
        if ((now ^ state) & STATE_GENERATION || now & unless)
            return false;
    } while (!atomic_compare_exchange_weak(&cell->state, &now, (now & ~clear) | set));
    return true;
}

bool cell_change(struct cell *cell, uint32_t state, uint32_t clear, uint32_t set)
{
    return change_unless(cell, state, 0, clear, set);
}

bool cell_post_error(struct cell *cell, uint32_t state, int error, uint32_t flags)
{
    return change_unless(cell, state, flags, STATE_ERROR, (uint32_t)error << STATE_ERROR_SHIFT | flags);
}

int cell_take_error(struct cell *cell)
{
    uint32_t before = atomic_fetch_and(&cell->state, ~STATE_ERROR);
    return (int)((before & STATE_ERROR) >> STATE_ERROR_SHIFT);
}
