/* Whatever creates a descriptor resets its cell, so that a close we never see does no
 * harm; the calls below are here for that, and pass through otherwise.  Nothing is noted
 * until something is limited. */
#include "files.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "connection.h"
#include "deadline.h"
#include "fdtab.h"
#include "any.h"
#include "kind.h"
#include "linger.h"
#include "real.h"
#include "wheel.h"

static uint32_t nonblock_flag(int flags)
{
    return flags & SOCK_NONBLOCK ? CELL_NONBLOCK : 0;
}

INTERPOSE int socket(int domain, int type, int protocol)
{
    int fd = REAL(socket)(domain, type, protocol);
    if (fd >= 0 && policy_is_armed()) {
        uint32_t flags;
        enum kind kind = kind_of_socket(domain, type, protocol, &flags);
        fdtab_reset(fd, kind, flags | nonblock_flag(type));
    }
    return fd;
}

INTERPOSE int socketpair(int domain, int type, int protocol, int fds[2])
{
    int r = REAL(socketpair)(domain, type, protocol, fds);
    if (r == 0 && policy_is_armed()) {
        uint32_t flags;
        enum kind kind = kind_of_socket(domain, type, protocol, &flags);
        for (int i = 0; i < 2; i++)
            fdtab_reset(fds[i], kind, flags | CELL_OPENED | nonblock_flag(type));
    }
    return r;
}

static int note_pipe(const int fds[2], int result)
{
    if (result == 0 && policy_is_armed())
        for (int i = 0; i < 2; i++)
            fdtab_reset(fds[i], KIND_PIPE, CELL_OPENED);
    return result;
}

INTERPOSE int pipe(int fds[2])
{
    return note_pipe(fds, REAL(pipe)(fds));
}

ALIAS_OF(pipe, int, __pipe, (int fds[2]))

INTERPOSE int pipe2(int fds[2], int flags)
{
    return note_pipe(fds, REAL(pipe2)(fds, flags));
}

static int note_epoll(int fd)
{
    if (fd >= 0 && policy_is_armed())
        fdtab_reset(fd, KIND_EPOLL, 0);
    return fd;
}

INTERPOSE int epoll_create(int size)
{
    return note_epoll(REAL(epoll_create)(size));
}

INTERPOSE int epoll_create1(int flags)
{
    return note_epoll(REAL(epoll_create1)(flags));
}

static void note_birth(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    if (cell)
        connection_begin(fd, cell, cell_state(cell));
}

int files_accepted(int listener, int result, int flags)
{
    struct cell *cell;
    if (result >= 0 && policy_is_armed() && (cell = fdtab_cell(listener))) {
        uint32_t state = cell_state(cell);
        fdtab_reset(result, state_kind(state), (state & (CELL_RECORD | CELL_PACKET | CELL_LOWAT | CELL_TIMER)) | nonblock_flag(flags));
        note_birth(result);
    }
    return result;
}

void files_received(const struct msghdr *msg)
{
    if (!policy_is_armed() || !msg->msg_control)
        return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            fdtab_reset(fd, KIND_UNKNOWN, 0);
        }
    }
}

/* The cell says what a wait for this socket means from now on. */
static void note_connect(struct cell *cell, const struct sockaddr *to, int result)
{
    if (result < 0 && (errno == EALREADY || errno == EISCONN))
        return;
    bool begun = result < 0 && (errno == EINPROGRESS || errno == EINTR);
    cell_clear(cell, CELL_OPENED | CELL_CONNECTING | CELL_PASSIVE | CELL_EXPIRED);
    atomic_store(&cell->since, begun ? clock_now() : 0);
    if (begun)
        cell_set(cell, CELL_OPENED | CELL_CONNECTING);
    else if (!result && to && to->sa_family != AF_UNSPEC)
        cell_set(cell, CELL_OPENED);
}

/* Not where it changes nothing: a connection that there is already stays, but for datagrams. */
static bool begins_life(int fd, const struct cell *cell, uint32_t state)
{
    if (state & CELL_CONNECTING || connection_limit(fd, cell, state, PHASE_TOTAL).span == NEVER)
        return false;
    bool datagrams = state & CELL_RECORD && !(state & CELL_PACKET);
    int saved_errno = errno;
    bool connected = !datagrams && connection_has_peer(fd);
    errno = saved_errno;
    return !connected;
}

uint32_t files_connecting(int fd)
{
    struct cell *cell = policy_is_armed() ? fdtab_cell(fd) : NULL;
    if (!cell)
        return 0;
    uint32_t state = cell_state(cell);
    if (begins_life(fd, cell, state))
        connection_begin(fd, cell, state);
    return state;
}

int files_connected(int fd, uint32_t before, const struct sockaddr *to, int result)
{
    struct cell *cell;
    if (policy_is_armed() && (cell = fdtab_cell(fd)) && cell_same(cell, before)) {
        int error = errno;
        note_connect(cell, to, result);
        wheel_consider(fd);
        errno = error;
    }
    return result;
}

/* Before the close, because the number may be another thread's new descriptor after it. */
int any_close(int fd)
{
    if (policy_is_armed()) {
        linger_bound(fd);
        fdtab_forget(fd);
    }
    return REAL(close)(fd);
}

INTERPOSE int close(int fd)
{
    return any_close(fd);
}
ALIAS_OF(close, int, __close, (int fd))

/* Copying over an open descriptor closes it. */
static void note_end(int from, int to)
{
    if (from != to && policy_is_armed()) {
        linger_bound(to);
        fdtab_outdate(to);
    }
}

static int note_copy(int from, int to)
{
    if (to >= 0 && policy_is_armed())
        fdtab_copy(from, to);
    return to;
}

INTERPOSE int dup(int fd)
{
    return note_copy(fd, REAL(dup)(fd));
}

INTERPOSE int dup2(int fd, int to)
{
    note_end(fd, to);
    return note_copy(fd, REAL(dup2)(fd, to));
}
ALIAS_OF(dup2, int, __dup2, (int fd, int to))

INTERPOSE int dup3(int fd, int to, int flags)
{
    note_end(fd, to);
    return note_copy(fd, REAL(dup3)(fd, to, flags));
}

static int note_fcntl(int fd, int what, void *argument, int result)
{
    if (what == F_DUPFD || what == F_DUPFD_CLOEXEC)
        return note_copy(fd, result);
    if (what == F_SETFL && result == 0 && policy_is_armed())
        fdtab_set_nonblock(fd, (intptr_t)argument & O_NONBLOCK);
    return result;
}

INTERPOSE int fcntl(int fd, int what, ...)
{
    va_list rest;
    va_start(rest, what);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return note_fcntl(fd, what, argument, REAL(fcntl)(fd, what, argument));
}
ALIAS_OF(fcntl, int, __fcntl, (int fd, int what, ...))

INTERPOSE int fcntl64(int fd, int what, ...)
{
    va_list rest;
    va_start(rest, what);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return note_fcntl(fd, what, argument, REAL(fcntl64)(fd, what, argument));
}
ALIAS_TIME64_OF(fcntl64, int, __fcntl_time64, (int fd, int what, ...))

INTERPOSE int ioctl(int fd, ioctl_request what, ...)
{
    va_list rest;
    va_start(rest, what);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    int r = REAL(ioctl)(fd, what, argument);
    if (what == FIONBIO && r == 0 && policy_is_armed())
        fdtab_set_nonblock(fd, *(int *)argument);
    return r;
}
ALIAS_TIME64_OF(ioctl, int, __ioctl_time64, (int fd, ioctl_request what, ...))

INTERPOSE int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int r = REAL(setsockopt)(fd, level, name, value, len);
    if (r == 0 && level == SOL_SOCKET && name == SO_LINGER)
        linger_note(value, len);
    if (r == 0 && level == SOL_SOCKET && policy_is_armed()) {
        struct cell *cell = fdtab_cell(fd);
        if (name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW || name == SO_SNDTIMEO_OLD || name == SO_SNDTIMEO_NEW)
            fdtab_note_timer(fd);
        if (name == SO_RCVLOWAT && cell)
            cell_set(cell, CELL_LOWAT);
    }
    return r;
}
ALIAS_TIME64_OF(setsockopt, int, __setsockopt64, (int fd, int level, int name, const void *value, socklen_t len))

/* A connect that we have ended leaves the kernel without an error, or with another one. */
INTERPOSE int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int r = REAL(getsockopt)(fd, level, name, value, len);
    struct cell *cell;
    if (r == 0 && level == SOL_SOCKET && name == SO_ERROR && policy_is_armed() && (cell = fdtab_cell(fd))) {
        int error = connection_take_answer(fd, cell);
        if (error && *len >= sizeof error)
            memcpy(value, &error, sizeof error);
    }
    return r;
}
ALIAS_TIME64_OF(getsockopt, int, __getsockopt64, (int fd, int level, int name, void *value, socklen_t *len))
