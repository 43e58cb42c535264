/* Every receiving call: read recv readv recvmsg recvmmsg and their variants. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "deadline.h"
#include "files.h"
#include "io.h"
#include "op.h"
#include "real.h"
#include "vector.h"

/* A call with several names has its body in any_NAME: a plain name, called from here, would
 * go to the first library that is preloaded. */

/* MSG_PEEK begins anew at each call, control data ends a MSG_WAITALL where the sender has
 * attached it, and SO_RCVLOWAT is known to the kernel alone: only its timer bounds these. */
static bool is_for_kernel(const struct op *op, int flags, const struct msghdr *msg)
{
    return op->state & CELL_LOWAT || (flags & MSG_WAITALL && (flags & MSG_PEEK || (msg && msg->msg_control)));
}

/* msg: recvmsg's, or NULL. */
static bool begin_receive(struct op *op, int fd, int flags, const struct msghdr *msg)
{
    return op_begin(op, PHASE_READ, fd, flags) && (!is_for_kernel(op, flags, msg) || op_leave_to_kernel(op));
}

/* read() and readv() on a pipe.  RWF_NOWAIT is known to pipes since Linux 6.4; before, the
 * answer is EOPNOTSUPP, and poll is asked instead. */
static ssize_t try_pipe(struct op *op, const struct iovec *iov, int count)
{
    if (!op->dontwait)
        return REAL(readv)(op->fd, iov, count);
    ssize_t n = REAL(preadv2)(op->fd, iov, count, -1, RWF_NOWAIT);
    if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
        return n;
    if (connection_ready(op->fd, POLLIN))
        return REAL(readv)(op->fd, iov, count);
    errno = EAGAIN;
    return -1;
}

static ssize_t try_read(struct op *op, void *buf, size_t len)
{
    if (op_is_pipe(op))
        return try_pipe(op, &(struct iovec){buf, len}, 1);
    ssize_t n = REAL(recv)(op->fd, buf, len, op->dontwait);
    return n < 0 && op_was_stale(op) ? REAL(read)(op->fd, buf, len) : n;
}

ssize_t io_read(int fd, void *buf, size_t len)
{
    struct op op;
    if (!len || !begin_receive(&op, fd, 0, NULL))
        return REAL(read)(fd, buf, len);
    ssize_t n;
    do n = TRY(&op, try_read(&op, buf, len));
    while (n < 0 && op_wait(&op, POLLIN));
    return op_end(&op, n);
}

INTERPOSE ssize_t read(int fd, void *buf, size_t len)
{
    return io_read(fd, buf, len);
}
ALIAS_OF(read, ssize_t, __read, (int fd, void *buf, size_t len))

INTERPOSE ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    return len > room ? REAL(__read_chk)(fd, buf, len, room) : io_read(fd, buf, len);
}

static ssize_t try_readv(struct op *op, const struct iovec *iov, int count)
{
    if (op_is_pipe(op))
        return try_pipe(op, iov, count);
    /* Without room a readv of a socket returns at once; a recvmsg takes a record, or waits.
     * A stream's iov is looked at only when the kernel has done so (EFAULT). */
    if (op_is_record(op) && !vector_total(iov, (size_t)count))
        return REAL(readv)(op->fd, iov, count);
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    ssize_t n = REAL(recvmsg)(op->fd, &msg, op->dontwait);
    bool plain = n < 0 && (errno == EAGAIN ? !vector_total(iov, (size_t)count) : op_was_stale(op));
    return plain ? REAL(readv)(op->fd, iov, count) : n;
}

static ssize_t bounded_readv(struct op *op, const struct iovec *iov, int count)
{
    ssize_t n;
    do n = TRY(op, try_readv(op, iov, count));
    while (n < 0 && op_wait(op, POLLIN));
    return op_end(op, n);
}

/* A bad count is the kernel's to refuse. */
static bool begin_readv(struct op *op, int fd, int count)
{
    return count > 0 && count <= IOV_MAX && begin_receive(op, fd, 0, NULL);
}

INTERPOSE ssize_t readv(int fd, const struct iovec *iov, int count)
{
    struct op op;
    return begin_readv(&op, fd, count) ? bounded_readv(&op, iov, count) : REAL(readv)(fd, iov, count);
}

/* At -1, the current position, preadv2 is readv with flags, and those are for files. */
INTERPOSE ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
    struct op op;
    if (at != -1 || flags || !begin_readv(&op, fd, count))
        return REAL(preadv2)(fd, iov, count, at, flags);
    return bounded_readv(&op, iov, count);
}

INTERPOSE ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t at, int flags)
{
    struct op op;
    if (at != -1 || flags || !begin_readv(&op, fd, count))
        return REAL(preadv64v2)(fd, iov, count, at, flags);
    return bounded_readv(&op, iov, count);
}

static bool wants_more(struct op *op, size_t done, size_t total, int flags)
{
    return flags & MSG_WAITALL && !op_is_record(op) && done < total && op_goes_on(op);
}

/* recv() is its own call, and not recvfrom(): another preloaded library may count on it. */
static ssize_t try_recvfrom(struct op *op, char *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len)
{
    if (!from && !from_len)
        return REAL(recv)(op->fd, buf, len, flags);
    return REAL(recvfrom)(op->fd, buf, len, flags, from, from_len);
}

/* recvfrom() until it has something or, with MSG_WAITALL, everything. */
static ssize_t bounded_recvfrom(struct op *op, char *buf, size_t len, int flags, struct sockaddr *from,
                                socklen_t *from_len)
{
    size_t done = 0;
    for (;;) {
        ssize_t n = TRY(op, try_recvfrom(op, buf + done, len - done, flags | op->dontwait, from, from_len));
        if (n > 0)
            done += (size_t)n;
        if (n == 0 || (n > 0 && !wants_more(op, done, len, flags)))
            return op_end(op, (ssize_t)done);
        if (!op_wait(op, POLLIN))
            return done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1);
    }
}

static ssize_t any_recv(int fd, void *buf, size_t len, int flags)
{
    struct op op;
    if (!begin_receive(&op, fd, flags, NULL))
        return REAL(recv)(fd, buf, len, flags);
    return bounded_recvfrom(&op, buf, len, flags, NULL, NULL);
}

INTERPOSE ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    return any_recv(fd, buf, len, flags);
}

INTERPOSE ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
    return len > room ? REAL(__recv_chk)(fd, buf, len, room, flags) : any_recv(fd, buf, len, flags);
}

static ssize_t any_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len)
{
    struct op op;
    if (!begin_receive(&op, fd, flags, NULL))
        return REAL(recvfrom)(fd, buf, len, flags, from, from_len);
    return bounded_recvfrom(&op, buf, len, flags, from, from_len);
}

INTERPOSE ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len)
{
    return any_recvfrom(fd, buf, len, flags, from, from_len);
}

INTERPOSE ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from,
                                 socklen_t *from_len)
{
    return len > room ? REAL(__recvfrom_chk)(fd, buf, len, room, flags, from, from_len)
                      : any_recvfrom(fd, buf, len, flags, from, from_len);
}

/* The first try fills the caller's msghdr; what MSG_WAITALL wants beyond goes into the
 * rest of its buffers. */
static ssize_t try_recvmsg(struct op *op, struct msghdr *msg, size_t done, int flags)
{
    if (!done)
        return REAL(recvmsg)(op->fd, msg, flags | op->dontwait);
    struct vector rest;
    vector_rest(&rest, msg->msg_iov, msg->msg_iovlen, done);
    struct msghdr more = {.msg_iov = rest.pieces, .msg_iovlen = (size_t)rest.count};
    return REAL(recvmsg)(op->fd, &more, flags | op->dontwait);
}

static ssize_t bounded_recvmsg(struct op *op, struct msghdr *msg, int flags)
{
    size_t done = 0;
    for (;;) {
        ssize_t n = TRY(op, try_recvmsg(op, msg, done, flags));
        if (n > 0)
            done += (size_t)n;
        if (n == 0 || (n > 0 && !wants_more(op, done, vector_total(msg->msg_iov, msg->msg_iovlen), flags)))
            return op_end(op, (ssize_t)done);
        if (!op_wait(op, POLLIN))
            return done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1);
    }
}

INTERPOSE ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct op op;
    bool bounded = begin_receive(&op, fd, flags, msg);
    ssize_t n = bounded ? bounded_recvmsg(&op, msg, flags) : REAL(recvmsg)(fd, msg, flags);
    if (n >= 0)
        files_received(msg);
    return n;
}

/* recvmmsg's own timeout is looked at only after each message (recvmmsg(2), BUGS), and so
 * it is here.  What is left of it is written back if anything was received. */
struct own_timeout {
    struct timespec *left;
    int64_t deadline;
};

static void own_timeout_begin(struct own_timeout *own, struct timespec *left)
{
    own->left = left;
    own->deadline = left ? deadline_after(clock_now(), timespec_to_span(left)) : NEVER;
}

static bool own_timeout_over(struct own_timeout *own)
{
    if (!own->left)
        return false;
    int64_t left = left_until(own->deadline, clock_now());
    span_to_timespec(left, own->left);
    return !left;
}

static int bounded_recvmmsg(struct op *op, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
    struct own_timeout own;
    own_timeout_begin(&own, timeout);
    unsigned done = 0;
    for (;;) {
        int mode = op->dontwait ? MSG_DONTWAIT : MSG_WAITFORONE;   /* the kernel's timer runs anew for each message */
        int n = TRY(op, REAL(recvmmsg)(op->fd, msgs + done, count - done, flags | mode, NULL));
        if (n > 0)
            done += (unsigned)n;
        if (n >= 0 && (n == 0 || done == count || flags & MSG_WAITFORONE || own_timeout_over(&own)))
            return (int)op_end(op, (ssize_t)done);
        if (n > 0)
            op_goes_on(op);
        if (!op_wait(op, POLLIN))
            return (int)(done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1));
    }
}

/* With MSG_WAITALL each message of a stream is filled before the next; one that is not ends
 * the call. */
static int fill_messages(struct op *op, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
    struct own_timeout own;
    own_timeout_begin(&own, timeout);
    for (unsigned done = 0;;) {
        struct msghdr *msg = &msgs[done].msg_hdr;
        ssize_t n = bounded_recvmsg(op, msg, flags & ~MSG_WAITFORONE);
        if (n < 0)
            return (int)(done ? op_end_partly(op, (ssize_t)done) : -1);
        msgs[done++].msg_len = (unsigned)n;
        bool filled = n && (size_t)n == vector_total(msg->msg_iov, msg->msg_iovlen);
        if (!filled || done == count || flags & MSG_WAITFORONE || own_timeout_over(&own))
            return (int)done;
    }
}

INTERPOSE int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
    struct op op;
    int n;
    if (count && policy_is_armed() && is_timespec(timeout) && begin_receive(&op, fd, flags, NULL))
        n = (flags & MSG_WAITALL && !op_is_record(&op) ? fill_messages : bounded_recvmmsg)(&op, msgs, count, flags, timeout);
    else
        n = REAL(recvmmsg)(fd, msgs, count, flags, timeout);
    for (int i = 0; i < n; i++)
        files_received(&msgs[i].msg_hdr);
    return n;
}
