#include "op_clock.h"

#include <poll.h>
#include <stddef.h>

#include "deadline.h"
#include "interruption.h"
#include "op_timer.h"

int64_t op_bound_by_outer(struct op *op, int64_t now, int64_t span)
{
    int64_t outer_span = left_until(op->outer_deadline, now);
    op->outer_first = outer_span < span;
    if (op->outer_first && !op->outer_is_scope)
        op->limit = connection_limit(op->fd, op->cell, op->state, PHASE_TOTAL);
    return earlier(span, outer_span);
}

/* How long this op may wait: its limit, what is left of it after EINTR, or less if the
 * program itself says so. */
static int64_t span_of_op(struct op *op, int64_t now)
{
    int64_t span = interruption_left(op->fd, op->phase, op->cell, now, op->limit.span);
    interruption_forget(op->fd);
    span = op_bound_by_outer(op, now, span);
    struct timeval own = op_own_timer(op);
    op->timer_is_own = own.tv_sec || own.tv_usec;
    if (op->timer_is_own) {
        int64_t own_span = span_of(own.tv_sec, own.tv_usec * MICROSECOND);
        op->timer_first = own_span < span;
        span = earlier(span, own_span);
    }
    return span;
}

void op_note_acked(struct op *op)
{
    if (op->phase == PHASE_WRITE && op->limit.imposed && !connection_mark(op->fd, POLLOUT, &op->acked))
        op->acked = 0;
}

void op_start_clock(struct op *op, int64_t waited)
{
    int64_t now = clock_now() - waited;
    op->limit = connection_limit(op->fd, op->cell, op->state, op->phase);
    op_set_outer_deadline(op, op->state);
    op->deadline = deadline_after(now, op->span = span_of_op(op, now));
    op_note_acked(op);
}

void op_restart_clock(struct op *op)
{
    op->deadline = earlier(deadline_after(clock_now(), op->span), op->outer_deadline);
}
