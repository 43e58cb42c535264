/* connect and accept: poll cannot bound them.  A connect to an AF_UNIX socket with a full
 * backlog cannot be polled for, and between a poll and an accept another process may take
 * the connection.  So both are left to the kernel's timer. */
#include <errno.h>

#include "connect.h"
#include "files.h"
#include "op.h"
#include "real.h"

/* A timed-out TCP connect is still under way (EINPROGRESS); without this the next
 * connect() on the socket would not start a new attempt, as it does after the kernel's own
 * ETIMEDOUT. */
static void abort_connect(const struct op *op)
{
    int error = errno;
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (!cell_same(op->cell, op->state))
        return;
    REAL(connect)(op->fd, &nowhere, sizeof nowhere);
    connection_take_error(op->fd);
    errno = error;
}

static int bounded_connect(struct op *op, const struct sockaddr *to, socklen_t to_len)
{
    int r;
    do r = TRY(op, REAL(connect)(op->fd, to, to_len));
    while (r < 0 && op_wait(op, 0));
    if (op->expired)
        abort_connect(op);
    return (int)op_end(op, r);
}

INTERPOSE int connect(int fd, const struct sockaddr *to, socklen_t to_len)
{
    struct op op;
    uint32_t before = files_connecting(fd);
    bool bounded = op_begin_timed(&op, PHASE_CONNECT, fd, 0);
    int r = bounded ? bounded_connect(&op, to, to_len) : REAL(connect)(fd, to, to_len);
    if (bounded && op.error && op_ended_by_scope(&op))
        return r;
    return files_connected(fd, before, to, r);
}
ALIAS_OF(connect, int, __connect, (int fd, const struct sockaddr *to, socklen_t to_len))

static ssize_t bounded_sendmsg(struct op *op, const struct msghdr *msg, int flags)
{
    ssize_t n;
    do n = TRY(op, REAL(sendmsg)(op->fd, msg, flags));
    while (n < 0 && op_wait(op, 0));
    if (op->expired)
        abort_connect(op);
    return op_end(op, n);
}

ssize_t connect_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct op op;
    uint32_t before = files_connecting(fd);
    bool bounded = op_begin_timed(&op, PHASE_CONNECT, fd, 0);
    ssize_t n = bounded ? bounded_sendmsg(&op, msg, flags) : REAL(sendmsg)(fd, msg, flags);
    if (n >= 0 || errno == EINPROGRESS)
        files_connected(fd, before, msg->msg_name, n < 0 ? -1 : 0);
    return n;
}

ssize_t connect_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
    struct iovec iov = {(void *)buf, len};
    struct msghdr msg = {.msg_name = (void *)to, .msg_namelen = to_len, .msg_iov = &iov, .msg_iovlen = 1};
    return connect_sendmsg(fd, &msg, flags);
}

/* A TCP socket inherits the listener's timer when the connection comes, which may have been
 * ours then, whoever accepts it now: give it the program's. */
static void clear_inherited_timer(int listener, int fd)
{
    struct cell *cell = policy_is_armed() ? fdtab_cell(listener) : NULL;
    uint32_t state = cell ? cell_state(cell) : 0;
    if (!(state & CELL_GUARDED) || state_kind(state) != KIND_TCP)
        return;
    int saved_errno = errno;
    struct timeval t = {0};
    socklen_t length = sizeof t;
    if (fdtab_has_timer(state))
        REAL(getsockopt)(listener, SOL_SOCKET, SO_RCVTIMEO, &t, &length);
    REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    errno = saved_errno;
}

static int accepted(int listener, int result, int flags)
{
    if (result >= 0)
        clear_inherited_timer(listener, result);
    return files_accepted(listener, result, flags);
}

static int bounded_accept(struct op *op, struct sockaddr *from, socklen_t *from_len, int flags)
{
    int r;
    cell_set(op->cell, CELL_GUARDED);
    do r = TRY(op, REAL(accept4)(op->fd, from, from_len, flags));
    while (r < 0 && op_wait(op, 0));
    return (int)op_end(op, r);
}

INTERPOSE int accept4(int fd, struct sockaddr *from, socklen_t *from_len, int flags)
{
    struct op op;
    if (op_begin_timed(&op, PHASE_ACCEPT, fd, 0))
        return accepted(fd, bounded_accept(&op, from, from_len, flags), flags);
    return accepted(fd, REAL(accept4)(fd, from, from_len, flags), flags);
}

INTERPOSE int accept(int fd, struct sockaddr *from, socklen_t *from_len)
{
    struct op op;
    if (op_begin_timed(&op, PHASE_ACCEPT, fd, 0))
        return accepted(fd, bounded_accept(&op, from, from_len, 0), 0);
    return accepted(fd, REAL(accept)(fd, from, from_len), 0);
}
