/* Every sending call: write writev send sendto sendmsg sendmmsg and their variants.
 *
 * On a stream a blocking send returns only when all is queued.  The first try is the call's
 * own; if it could queue only a part, the rest goes on from there by sendmsg. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/uio.h>

#include "connect.h"
#include "any.h"
#include "op.h"
#include "quick.h"
#include "real.h"
#include "vector.h"

/* write() and writev() on a pipe; RWF_NOWAIT as in receive.c.  A pipe that poll calls
 * writable has room for PIPE_BUF bytes. */
static ssize_t try_pipe(struct op *op, const struct iovec *iov, int count)
{
    if (!op->dontwait)
        return REAL(writev)(op->fd, iov, count);
    ssize_t n = REAL(pwritev2)(op->fd, iov, count, -1, RWF_NOWAIT);
    if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
        return n;
    if (!connection_ready(op->fd, POLLOUT)) {
        errno = EAGAIN;
        return -1;
    }
    if (vector_total(iov, (size_t)count) <= PIPE_BUF || REAL(fcntl)(op->fd, F_GETFL) & O_NONBLOCK)
        return REAL(writev)(op->fd, iov, count);
    struct vector rest;         /* no empty piece is the first: to write nothing for ever would spin */
    vector_rest(&rest, iov, (size_t)count, 0);
    const struct iovec *first = rest.pieces;
    return REAL(write)(op->fd, first->iov_base, first->iov_len < PIPE_BUF ? first->iov_len : PIPE_BUF);
}

static ssize_t try_msg(struct op *op, const struct msghdr *msg, int flags)
{
    if (op_is_pipe(op))
        return try_pipe(op, msg->msg_iov, (int)msg->msg_iovlen);
    return REAL(sendmsg)(op->fd, msg, flags | op->dontwait);
}

/* Control data belongs to the first bytes.  MSG_NOSIGNAL: the kernel returns what it has
 * queued and raises SIGPIPE at the next call. */
static ssize_t try_rest(struct op *op, const struct msghdr *msg, size_t done, int flags)
{
    struct vector rest;
    vector_rest(&rest, msg->msg_iov, msg->msg_iovlen, done);
    struct msghdr more = {.msg_iov = rest.pieces, .msg_iovlen = (size_t)rest.count};
    return try_msg(op, &more, flags | MSG_NOSIGNAL);
}

/* Goes on after a first try that has moved n bytes or failed (-1). */
static ssize_t finish(struct op *op, ssize_t n, const struct msghdr *msg, int flags)
{
    size_t done = 0;
    for (;;) {
        if (n >= 0) {
            done += (size_t)n;
            if (op_is_record(op) || done == vector_total(msg->msg_iov, msg->msg_iovlen) || !op_goes_on(op))
                return op_end(op, (ssize_t)done);
        }
        if (!op_wait(op, POLLOUT))
            return done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1);
        n = done ? try_rest(op, msg, done, flags) : try_msg(op, msg, flags);
    }
}

/* write() on a SOCK_SEQPACKET socket marks the end of a record (sock_write_iter()). */
static int write_flags(const struct op *op)
{
    return op->state & CELL_PACKET ? MSG_EOR : 0;
}

static ssize_t bounded_writev(struct op *op, const struct iovec *iov, int count)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    ssize_t n = TRY(op, try_msg(op, &msg, write_flags(op)));
    if (n < 0 && !op->error && op_was_stale(op))
        return op_end(op, REAL(writev)(op->fd, iov, count));
    return finish(op, n, &msg, write_flags(op));
}

WAY_FUNCTION ssize_t write_by_op(int fd, const void *buf, size_t len)
{
    struct op op;
    if (!op_begin(&op, PHASE_WRITE, fd, 0))
        return REAL(write)(fd, buf, len);
    struct iovec iov = {(void *)buf, len};
    if (op.error || op_is_pipe(&op))
        return bounded_writev(&op, &iov, 1);
    ssize_t n = REAL(send)(fd, buf, len, write_flags(&op) | MSG_DONTWAIT);
    if (n < 0 && op_was_stale(&op))
        return op_end(&op, REAL(write)(fd, buf, len));
    return finish(&op, n, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, write_flags(&op));
}

/* The limit is gone since n bytes were sent. */
static ssize_t send_rest_plainly(int fd, const char *buf, size_t len, int flags, ssize_t n)
{
    int saved_errno = errno;
    ssize_t rest = REAL(send)(fd, buf + n, len - (size_t)n, flags | MSG_NOSIGNAL);
    errno = saved_errno;
    return rest < 0 ? n : n + rest;
}

/* The try has sent n bytes, or -1 because there was no room. */
WAY_FUNCTION ssize_t send_after_try(int fd, const void *buf, size_t len, int flags, ssize_t n, struct quick_try try)
{
    struct op op;
    struct iovec iov = {(void *)buf, len};
    if (!quick_is_same(fd, try)) {
        errno = n < 0 ? EBADF : errno;
        return n;
    }
    if (!op_begin(&op, PHASE_WRITE, fd, flags))
        return n < 0 ? REAL(send)(fd, buf, len, flags) : send_rest_plainly(fd, buf, len, flags, n);
    op_skip_try(&op, try.state);
    return finish(&op, n, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, flags);
}

/* False: it is no socket. */
static inline bool try_to_send(int fd, const void *buf, size_t len, int flags, ssize_t *n)
{
    struct quick_try try = quick_begin(fd);
    *n = REAL(send)(fd, buf, len, flags | MSG_DONTWAIT);
    enum outcome outcome = *n >= 0 && (size_t)*n < len ? WOULD_WAIT : quick_judge(*n, try);
    if (outcome == WOULD_WAIT)
        *n = send_after_try(fd, buf, len, flags, *n, try);
    return outcome != NO_SOCKET;
}

WAY_FUNCTION ssize_t write_by_try(int fd, const void *buf, size_t len)
{
    ssize_t n;
    return try_to_send(fd, buf, len, 0, &n) ? n : write_by_op(fd, buf, len);
}

WAY_FUNCTION ssize_t write_plainly(int fd, const void *buf, size_t len)
{
    return REAL(write)(fd, buf, len);
}

ssize_t any_write(int fd, const void *buf, size_t len)
{
    enum way way = len ? quick_way(fd, PHASE_WRITE, 0) : WAY_PLAIN;
    if (way == WAY_TRY)
        return write_by_try(fd, buf, len);
    return way == WAY_PLAIN ? write_plainly(fd, buf, len) : write_by_op(fd, buf, len);
}

INTERPOSE ssize_t write(int fd, const void *buf, size_t len)
{
    return any_write(fd, buf, len);
}
ALIAS_OF(write, ssize_t, __write, (int fd, const void *buf, size_t len))

/* A bad count is the kernel's to refuse. */
static bool begin_writev(struct op *op, int fd, int count)
{
    return count > 0 && count <= IOV_MAX && op_begin(op, PHASE_WRITE, fd, 0);
}

INTERPOSE ssize_t writev(int fd, const struct iovec *iov, int count)
{
    struct op op;
    return begin_writev(&op, fd, count) ? bounded_writev(&op, iov, count) : REAL(writev)(fd, iov, count);
}

/* At -1, the current position, pwritev2 is writev with flags, and those are for files. */
INTERPOSE ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
    struct op op;
    if (at != -1 || flags || !begin_writev(&op, fd, count))
        return REAL(pwritev2)(fd, iov, count, at, flags);
    return bounded_writev(&op, iov, count);
}

INTERPOSE ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t at, int flags)
{
    struct op op;
    if (at != -1 || flags || !begin_writev(&op, fd, count))
        return REAL(pwritev64v2)(fd, iov, count, at, flags);
    return bounded_writev(&op, iov, count);
}

/* A send in pieces would set several urgent marks, or need several completions where the
 * program expects one. */
static bool is_for_kernel(int flags)
{
    return flags & (MSG_OOB | MSG_ZEROCOPY);
}

/* MSG_OOB is masked because op_begin takes it for a receiving call's. */
static bool begin_send(struct op *op, int fd, int flags)
{
    return op_begin(op, PHASE_WRITE, fd, flags & ~MSG_OOB) && (!is_for_kernel(flags) || op_leave_to_kernel(op));
}

static ssize_t bounded_sendto(struct op *op, const void *buf, size_t len, int flags, const struct sockaddr *to,
                              socklen_t to_len)
{
    struct iovec iov = {(void *)buf, len};
    struct msghdr msg = {.msg_name = (void *)to, .msg_namelen = to_len, .msg_iov = &iov, .msg_iovlen = 1};
    return finish(op, TRY(op, REAL(sendto)(op->fd, buf, len, flags | op->dontwait, to, to_len)), &msg, flags);
}

WAY_FUNCTION ssize_t send_by_op(int fd, const void *buf, size_t len, int flags)
{
    struct op op;
    return begin_send(&op, fd, flags) ? bounded_sendto(&op, buf, len, flags, NULL, 0) : REAL(send)(fd, buf, len, flags);
}

WAY_FUNCTION ssize_t send_by_try(int fd, const void *buf, size_t len, int flags)
{
    ssize_t n;
    return try_to_send(fd, buf, len, flags, &n) ? n : send_by_op(fd, buf, len, flags);
}

WAY_FUNCTION ssize_t send_plainly(int fd, const void *buf, size_t len, int flags)
{
    return REAL(send)(fd, buf, len, flags);
}

INTERPOSE ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    enum way way = quick_way(fd, PHASE_WRITE, flags & ~MSG_NOSIGNAL);
    if (way == WAY_TRY)
        return send_by_try(fd, buf, len, flags);
    return way == WAY_PLAIN ? send_plainly(fd, buf, len, flags) : send_by_op(fd, buf, len, flags);
}
ALIAS_OF(send, ssize_t, __send, (int fd, const void *buf, size_t len, int flags))

INTERPOSE ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
    struct op op;
    if (flags & MSG_FASTOPEN)
        return connect_sendto(fd, buf, len, flags, to, to_len);
    if (!begin_send(&op, fd, flags))
        return REAL(sendto)(fd, buf, len, flags, to, to_len);
    return bounded_sendto(&op, buf, len, flags, to, to_len);
}

INTERPOSE ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct op op;
    if (flags & MSG_FASTOPEN)
        return connect_sendmsg(fd, msg, flags);
    if (!begin_send(&op, fd, flags))
        return REAL(sendmsg)(fd, msg, flags);
    return finish(&op, TRY(&op, try_msg(&op, msg, flags)), msg, flags);
}
ALIAS_TIME64_OF(sendmsg, ssize_t, __sendmsg64, (int fd, const struct msghdr *msg, int flags))

/* The last message that a try has sent may be a part of one.  False: it stays one. */
static bool complete(struct op *op, struct mmsghdr *last, int flags)
{
    last->msg_len = (unsigned)finish(op, (ssize_t)last->msg_len, &last->msg_hdr, flags);
    return op_is_record(op) || last->msg_len == vector_total(last->msg_hdr.msg_iov, last->msg_hdr.msg_iovlen);
}

static int bounded_sendmmsg(struct op *op, struct mmsghdr *msgs, unsigned count, int flags)
{
    unsigned done = 0;
    for (;;) {
        unsigned most = op->dontwait ? count - done : 1;    /* the kernel's timer runs anew for each message */
        int n = TRY(op, REAL(sendmmsg)(op->fd, msgs + done, most, flags | op->dontwait));
        if (n > 0) {
            done += (unsigned)n;
            if (!complete(op, &msgs[done - 1], flags) || done == count)
                return (int)done;
            op_goes_on(op);
        }
        if (!op_wait(op, POLLOUT))
            return (int)(done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1));
    }
}

/* The first message is the connect; to the kernel the next one would be a second. */
static int send_first(int fd, struct mmsghdr *msgs, int flags)
{
    ssize_t n = connect_sendmsg(fd, &msgs->msg_hdr, flags);
    if (n >= 0)
        msgs->msg_len = (unsigned)n;
    return n < 0 ? -1 : 1;
}

INTERPOSE int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, mmsg_flags flags)
{
    struct op op;
    if (count && flags & MSG_FASTOPEN)
        return send_first(fd, msgs, flags);
    if (!count || !begin_send(&op, fd, flags))
        return REAL(sendmmsg)(fd, msgs, count, flags);
    return bounded_sendmmsg(&op, msgs, count, flags);
}
ALIAS_TIME64_OF(sendmmsg, int, __sendmmsg64, (int fd, struct mmsghdr *msgs, unsigned count, mmsg_flags flags))
