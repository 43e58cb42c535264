#include "op.h"

#include <errno.h>

#include "deadline.h"
#include "interruption.h"
#include "real.h"
#include "scope.h"

_Thread_local struct habit habit = {.fd = -1};

static bool needs_op(const struct op *op, uint32_t state, int flags, bool limited)
{
    if (flags & (MSG_ERRQUEUE | MSG_OOB))
        return false;
    /* Success must be noticed where the kernel cannot be asked afterwards what moved. */
    if (fdtab_is_nonblock(state) || flags & MSG_DONTWAIT)
        return state_kind(state) != KIND_TCP && atomic_load_explicit(&op->cell->since, memory_order_relaxed);
    return limited;
}

/* A listener outlives its connections. */
void op_set_outer_deadline(struct op *op, uint32_t state)
{
    int64_t scope = scope_deadline();
    int64_t end = op->phase == PHASE_ACCEPT ? NEVER : connection_end(op->fd, op->cell, state);
    op->outer_is_scope = scope < end;
    op->outer_deadline = earlier(scope, end);
}

static bool is_nonblock(int fd)
{
    int flags = REAL(fcntl)(fd, F_GETFL);
    return flags >= 0 && flags & O_NONBLOCK;
}

/* Once it has passed a call is not tried, if the cell is right; a scope leaves those alone
 * that never wait. */
static int error_of_outer_deadline(struct op *op, uint32_t state, int flags)
{
    if (op->outer_deadline == NEVER || flags & (MSG_ERRQUEUE | MSG_OOB))
        return 0;
    if (op->outer_is_scope && (fdtab_is_nonblock(state) || flags & MSG_DONTWAIT))
        return 0;
    if (clock_now() < op->outer_deadline || state_kind(fdtab_verify(op->fd, op->cell)) != state_kind(state))
        return 0;
    if (!op->outer_is_scope)
        return connection_over(op->fd, op->cell, state);
    if (is_nonblock(op->fd))
        return 0;
    scope_note_expiry();
    op->outer_first = true;
    return ETIMEDOUT;
}

/* What a time-out that was found before answers now. */
static int error_of_earlier(const struct op *op, uint32_t state, int flags)
{
    int error = state & STATE_ERROR && !(flags & (MSG_ERRQUEUE | MSG_OOB)) ? cell_take_error(op->cell) : 0;
    return error == EAGAIN && op->phase == PHASE_CONNECT ? ETIMEDOUT : error;
}

/* How a pipe is read would not suit what may have got its number. */
static bool is_limited_pipe(const struct op *op, uint32_t state)
{
    return state_kind(state) == KIND_PIPE &&
           (policy_limits(KIND_PIPE, op->phase) || policy_limits(KIND_PIPE, PHASE_TOTAL) ||
            atomic_load_explicit(&op->cell->own, memory_order_relaxed) || scope_holds());
}

/* The state of an fd that is not ordinary, and whether the call is limited or has its answer.
 * Cold: each ready call pays for what op_begin_armed saves of its registers. */
__attribute__((cold, noinline))
static uint32_t look_closer(struct op *op, int flags, bool *limited)
{
    uint32_t state = fdtab_learn(op->fd, op->cell);
    if (state & STATE_ERROR || is_limited_pipe(op, state))
        state = fdtab_verify(op->fd, op->cell);
    *limited = false;
    if (!kind_has_limits(state_kind(state)))
        return state;
    op_set_outer_deadline(op, state);
    op->error = error_of_earlier(op, state, flags);
    if (!op->error)
        op->error = error_of_outer_deadline(op, state, flags);
    *limited = op->outer_deadline != NEVER || connection_limit(op->fd, op->cell, state, op->phase).span != NEVER;
    return state;
}

/* What only a call that waits needs to know is found out when it does (op_wait). */
bool op_begin_armed(struct op *op, enum phase phase, int fd, int flags)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return false;
    op->fd = fd;
    op->phase = phase;
    op->cell = cell;
    op->error = 0;
    op->outer_first = false;
    uint32_t state = cell_state(cell);
    bool limited = policy_limits(state_kind(state), phase);
    if (!op_is_ordinary(cell, state))
        state = look_closer(op, flags, &limited);
    if (!op->error && !needs_op(op, state, flags, limited)) {
        interruption_forget(fd);
        return false;
    }
    op->state = state;
    op->deadline = 0;
    op->saved_errno = errno;
    op->dontwait = MSG_DONTWAIT;
    op->never_waits = flags & MSG_DONTWAIT;
    op->moved = op->ready = op->trusted = op->in_progress = op->timer_is_own = op->timer_first = op->expired = op->timed = false;
    return true;
}

bool op_may_wait_first(const struct op *op)
{
    return !op->error && !op->never_waits && !op_is_pipe(op) && !fdtab_is_nonblock(op->state) &&
           !interruption_is_noted(op->fd);
}

static void note_success(struct op *op)
{
    errno = op->saved_errno;
    interruption_forget(op->fd);
    if (op->phase == PHASE_READ && !op->ready && !op->deadline)
        habit_note_no_wait(op->fd);
    if (state_kind(op->state) != KIND_TCP && atomic_load_explicit(&op->cell->since, memory_order_relaxed))
        connection_moved(op->cell);
}

/* Of errors that a call answers untried, EAGAIN is ours alone (limit_error). */
static bool has_timed_out(const struct op *op)
{
    return op->expired || op->error == ETIMEDOUT || op->error == EAGAIN;
}

ssize_t op_end(struct op *op, ssize_t n)
{
    if (op->timed)
        op_restore_timer(op);
    if (has_timed_out(op))
        connection_clean_up(op->fd, op->cell);
    if (n >= 0)
        note_success(op);
    return n;
}

/* EAGAIN, EINTR and EPIPE come again by themselves. */
static bool is_told_once(int error)
{
    return error != EAGAIN && error != EINTR && error != EINPROGRESS && error != EPIPE;
}

ssize_t op_end_partly(struct op *op, ssize_t n)
{
    int error = errno;
    bool ended = op->expired && cell_state(op->cell) & CELL_EXPIRED;
    if (ended || (!op->expired && is_told_once(error)))
        cell_post_error(op->cell, op->state, error, 0);
    /* A connection on which bytes still move has not ended, but the program's next call may
     * only wait for what is left since they last did. */
    int64_t left = op->expired && !ended && limit_ends_connection(op->limit) ? op_rest_of_limit(op) : 0;
    op_end(op, n);
    if (left)
        interruption_note(op->fd, op->phase, op->state, clock_now(), left);
    return n;
}

/* What the kernel sends again, or to probe a closed window, does not count. */
static bool peer_has_more(const struct op *op)
{
    uint32_t acked;
    return connection_mark(op->fd, POLLOUT, &acked) && acked != op->acked;
}

int64_t op_rest_of_limit(const struct op *op)
{
    if (op->outer_first || (op->phase == PHASE_WRITE && !peer_has_more(op)))
        return 0;
    int64_t quiet = connection_quiet(op->fd);
    return quiet < op->limit.span / 2 ? op->limit.span - quiet : 0;
}

bool op_was_stale(struct op *op)
{
    if (errno != ENOTSOCK)
        return false;
    if (op->deadline) {
        errno = EBADF;
        return false;
    }
    cell_drop(op->fd, op->cell);
    return true;
}
