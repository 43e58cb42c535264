/* read recv recvfrom readv and their variants; recvmsg and recvmmsg are in messages.c. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "any.h"
#include "op.h"
#include "quick.h"
#include "real.h"
#include "receive.h"
#include "vector.h"

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
        if (n == 0 || (n > 0 && !receive_wants_more(op, done, len, flags)))
            return op_end(op, (ssize_t)done);
        if (!op_wait(op, POLLIN))
            return done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1);
    }
}

/* The try would have had to wait. */
WAY_FUNCTION ssize_t recv_after_try(int fd, void *buf, size_t len, int flags, struct quick_try try)
{
    struct op op;
    if (!quick_is_same(fd, try)) {
        errno = EBADF;
        return -1;
    }
    if (!receive_begins(&op, fd, flags, NULL))
        return REAL(recv)(fd, buf, len, flags);
    op_skip_try(&op, try.state);
    return bounded_recvfrom(&op, buf, len, flags, NULL, NULL);
}

/* False: it is no socket. */
static inline bool try_to_receive(int fd, void *buf, size_t len, int flags, ssize_t *n)
{
    struct quick_try try = quick_begin(fd);
    *n = REAL(recv)(fd, buf, len, flags | MSG_DONTWAIT);
    enum outcome outcome = quick_judge(*n, try);
    if (outcome == WOULD_WAIT)
        *n = recv_after_try(fd, buf, len, flags, try);
    return outcome != NO_SOCKET;
}

static ssize_t try_read(struct op *op, void *buf, size_t len)
{
    if (op_is_pipe(op))
        return try_pipe(op, &(struct iovec){buf, len}, 1);
    ssize_t n = REAL(recv)(op->fd, buf, len, op->dontwait);
    return n < 0 && op_was_stale(op) ? REAL(read)(op->fd, buf, len) : n;
}

WAY_FUNCTION ssize_t read_by_op(int fd, void *buf, size_t len)
{
    struct op op;
    if (!receive_begins(&op, fd, 0, NULL))
        return REAL(read)(fd, buf, len);
    ssize_t n;
    do n = TRY(&op, try_read(&op, buf, len));
    while (n < 0 && op_wait(&op, POLLIN));
    return op_end(&op, n);
}

WAY_FUNCTION ssize_t read_by_try(int fd, void *buf, size_t len)
{
    ssize_t n;
    return try_to_receive(fd, buf, len, 0, &n) ? n : read_by_op(fd, buf, len);
}

WAY_FUNCTION ssize_t read_plainly(int fd, void *buf, size_t len)
{
    return REAL(read)(fd, buf, len);
}

ssize_t any_read(int fd, void *buf, size_t len)
{
    enum way way = len ? quick_way(fd, PHASE_READ, 0) : WAY_PLAIN;
    if (way == WAY_TRY)
        return read_by_try(fd, buf, len);
    return way == WAY_PLAIN ? read_plainly(fd, buf, len) : read_by_op(fd, buf, len);
}

INTERPOSE ssize_t read(int fd, void *buf, size_t len)
{
    return any_read(fd, buf, len);
}
ALIAS_OF(read, ssize_t, __read, (int fd, void *buf, size_t len))

INTERPOSE ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    return len > room ? REAL(__read_chk)(fd, buf, len, room) : any_read(fd, buf, len);
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
    return count > 0 && count <= IOV_MAX && receive_begins(op, fd, 0, NULL);
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

WAY_FUNCTION ssize_t recv_by_op(int fd, void *buf, size_t len, int flags)
{
    struct op op;
    if (!receive_begins(&op, fd, flags, NULL))
        return REAL(recv)(fd, buf, len, flags);
    return bounded_recvfrom(&op, buf, len, flags, NULL, NULL);
}

WAY_FUNCTION ssize_t recv_by_try(int fd, void *buf, size_t len, int flags)
{
    ssize_t n;
    return try_to_receive(fd, buf, len, flags, &n) ? n : recv_by_op(fd, buf, len, flags);
}

WAY_FUNCTION ssize_t recv_plainly(int fd, void *buf, size_t len, int flags)
{
    return REAL(recv)(fd, buf, len, flags);
}

static ssize_t any_recv(int fd, void *buf, size_t len, int flags)
{
    enum way way = quick_way(fd, PHASE_READ, flags);
    if (way == WAY_TRY)
        return recv_by_try(fd, buf, len, flags);
    return way == WAY_PLAIN ? recv_plainly(fd, buf, len, flags) : recv_by_op(fd, buf, len, flags);
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
    if (!receive_begins(&op, fd, flags, NULL))
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
