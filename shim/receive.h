/* What all receiving calls have in common. */
#ifndef RECEIVE_H
#define RECEIVE_H

#include "op.h"

/* MSG_PEEK begins anew at each call, control data ends a MSG_WAITALL where the sender has
 * attached it, and SO_RCVLOWAT is known to the kernel alone: only its timer bounds these. */
static inline bool receive_is_for_kernel(const struct op *op, int flags, const struct msghdr *msg)
{
    return op->state & CELL_LOWAT || (flags & MSG_WAITALL && (flags & MSG_PEEK || (msg && msg->msg_control)));
}

/* msg: recvmsg's, or NULL. */
static inline bool receive_begins(struct op *op, int fd, int flags, const struct msghdr *msg)
{
    if (!op_begin(op, PHASE_READ, fd, flags))
        return false;
    if (receive_is_for_kernel(op, flags, msg))
        return op_leave_to_kernel(op);
    op_expect_wait(op);
    return true;
}

/* MSG_WAITALL: whether a stream's reader is to get more than it has. */
static inline bool receive_wants_more(struct op *op, size_t done, size_t total, int flags)
{
    return flags & MSG_WAITALL && !op_is_record(op) && done < total && op_goes_on(op);
}

#endif
