/* recvmsg and recvmmsg. */
#include <errno.h>
#include <poll.h>

#include "any.h"
#include "deadline.h"
#include "files.h"
#include "op.h"
#include "real.h"
#include "receive.h"
#include "vector.h"

/* The first try fills the caller's msghdr; what MSG_WAITALL wants beyond goes into the
 * rest of its buffers. */
static ssize_t try_recvmsg(struct op *op, real_recvmsg *call, struct msghdr *msg, size_t done, int flags)
{
    if (!done)
        return call(op->fd, msg, flags | op->dontwait);
    struct vector rest;
    vector_rest(&rest, msg->msg_iov, msg->msg_iovlen, done);
    struct msghdr more = {.msg_iov = rest.pieces, .msg_iovlen = (size_t)rest.count};
    return call(op->fd, &more, flags | op->dontwait);
}

static ssize_t bounded_recvmsg(struct op *op, real_recvmsg *call, struct msghdr *msg, int flags)
{
    size_t done = 0;
    for (;;) {
        ssize_t n = TRY(op, try_recvmsg(op, call, msg, done, flags));
        if (n > 0)
            done += (size_t)n;
        if (n == 0 || (n > 0 && !receive_wants_more(op, done, vector_total(msg->msg_iov, msg->msg_iovlen), flags)))
            return op_end(op, (ssize_t)done);
        if (!op_wait(op, POLLIN))
            return done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1);
    }
}

ssize_t any_recvmsg(real_recvmsg *call, int fd, struct msghdr *msg, int flags)
{
    struct op op;
    bool bounded = receive_begins(&op, fd, flags, msg);
    ssize_t n = bounded ? bounded_recvmsg(&op, call, msg, flags) : call(fd, msg, flags);
    if (n >= 0)
        files_received(msg);
    return n;
}

INTERPOSE ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    return any_recvmsg(REAL(recvmsg), fd, msg, flags);
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

static int bounded_recvmmsg(struct op *op, struct message_calls calls, struct mmsghdr *msgs, unsigned count, int flags,
                            struct timespec *timeout)
{
    struct own_timeout own;
    own_timeout_begin(&own, timeout);
    unsigned done = 0;
    for (;;) {
        int mode = op->dontwait ? MSG_DONTWAIT : MSG_WAITFORONE;   /* the kernel's timer runs anew for each message */
        int n = TRY(op, calls.several(op->fd, msgs + done, count - done, flags | mode, NULL));
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
static int fill_messages(struct op *op, struct message_calls calls, struct mmsghdr *msgs, unsigned count, int flags,
                         struct timespec *timeout)
{
    struct own_timeout own;
    own_timeout_begin(&own, timeout);
    for (unsigned done = 0;;) {
        struct msghdr *msg = &msgs[done].msg_hdr;
        ssize_t n = bounded_recvmsg(op, calls.one, msg, flags & ~MSG_WAITFORONE);
        if (n < 0)
            return (int)(done ? op_end_partly(op, (ssize_t)done) : -1);
        msgs[done++].msg_len = (unsigned)n;
        bool filled = n && (size_t)n == vector_total(msg->msg_iov, msg->msg_iovlen);
        if (!filled || done == count || flags & MSG_WAITFORONE || own_timeout_over(&own))
            return (int)done;
    }
}

int any_recvmmsg(struct message_calls calls, int fd, struct mmsghdr *msgs, unsigned count, int flags,
                 struct timespec *timeout)
{
    struct op op;
    int n;
    if (!count || !policy_is_armed() || !is_timespec(timeout) || !receive_begins(&op, fd, flags, NULL))
        n = calls.several(fd, msgs, count, flags, timeout);
    else if (flags & MSG_WAITALL && !op_is_record(&op))
        n = fill_messages(&op, calls, msgs, count, flags, timeout);
    else
        n = bounded_recvmmsg(&op, calls, msgs, count, flags, timeout);
    for (int i = 0; i < n; i++)
        files_received(&msgs[i].msg_hdr);
    return n;
}

INTERPOSE int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, mmsg_flags flags, struct timespec *timeout)
{
    struct message_calls calls = {REAL(recvmsg), REAL(recvmmsg)};
    return any_recvmmsg(calls, fd, msgs, count, flags, timeout);
}
