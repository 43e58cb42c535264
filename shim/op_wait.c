/* The waiting half of an op: by poll or by the kernel's timer, and what a signal or the deadline
 * makes of it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>

#include "deadline.h"
#include "interruption.h"
#include "op.h"
#include "op_clock.h"
#include "op_timer.h"
#include "real.h"
#include "restart.h"
#include "scope.h"

enum mode { BLOCKING, NONBLOCKING, UNKNOWN_MODE };

static enum mode mode_of(int fd)
{
    int flags = REAL(fcntl)(fd, F_GETFL);
    return flags < 0 ? UNKNOWN_MODE : flags & O_NONBLOCK ? NONBLOCKING : BLOCKING;
}

/* It may have waited before.  The caller's errno is that of the failed try and stays, unless the
 * op begins to wait. */
static enum mode start_waiting(struct op *op, int64_t waited)
{
    int error = errno;
    enum mode mode = mode_of(op->fd);
    if (mode == BLOCKING)
        op_start_clock(op, waited);
    else if (mode == NONBLOCKING)
        cell_set(op->cell, CELL_NONBLOCK);
    if (op->phase == PHASE_READ)
        habit_note_wait(op->fd);
    errno = error;
    return mode;
}

bool op_leave_to_kernel(struct op *op)
{
    if (op->error)
        return true;
    if (op->never_waits || op_is_pipe(op) || start_waiting(op, 0) != BLOCKING) {
        errno = op->saved_errno;
        return false;
    }
    op_use_kernel_timer(op);
    return true;
}

bool op_trust_to_kernel(struct op *op)
{
    if (op->error || op->state & CELL_NONBLOCK)
        return op_leave_to_kernel(op);
    op_start_clock(op, 0);
    op_use_kernel_timer(op);
    errno = op->saved_errno;
    op->trusted = true;
    return true;
}

bool op_guard(struct op *op)
{
    bool guarded = op_leave_to_kernel(op);
    op->dontwait = MSG_DONTWAIT;
    return guarded;
}

/* An imposed limit is there to end what hangs.  A send for which there is no room yet, because
 * the kernel is busy with what was sent before, does not while that moves. */
static bool goes_on_sending(struct op *op)
{
    if (op->phase != PHASE_WRITE || op->moved || op->timer_is_own || !op->limit.imposed)
        return false;
    int64_t left = op_rest_of_limit(op), now = clock_now();
    if (left) {
        op->deadline = deadline_after(now, op_bound_by_outer(op, now, left));
        op_note_acked(op);
    }
    return left;
}

static bool expire(struct op *op)
{
    if (op->timer_first) {      /* errno is what the kernel says when its timer ends the call */
        if (op->in_progress)
            errno = EINPROGRESS;
        return false;
    }
    if (goes_on_sending(op)) {
        errno = EAGAIN;
        return true;
    }
    op->expired = true;
    if (op_ended_by_scope(op)) {
        scope_note_expiry();
        errno = ETIMEDOUT;
        return false;
    }
    if (limit_ends_connection(op->limit) && !(op->moved && op_rest_of_limit(op)) && connection_has_peer(op->fd))
        connection_shut(op->fd, op->cell, op->state);
    errno = limit_error(op->limit, op->phase == PHASE_CONNECT);
    return false;
}

/* What has moved already is the answer of an interrupted call, whatever the handler.
 * signal(7): with a timer of the program's own on the socket the kernel never restarts. */
static bool resume(struct op *op)
{
    if (!op->moved && !op->timer_is_own && signal_restarts())
        return true;
    int64_t now = clock_now();
    if (!op->timer_first && !op->outer_first)
        interruption_note(op->fd, op->phase, op->state, now, left_until(op->deadline, now));
    errno = EINTR;
    return false;
}

/* A call that is restarted finds what the handler, or another thread, has made of the
 * descriptor. */
static bool is_blocking_still(struct op *op)
{
    bool blocking = mode_of(op->fd) != NONBLOCKING;
    if (errno != EALREADY)
        errno = EAGAIN;
    return blocking;
}

static bool still_same(struct op *op, short events)
{
    if (!(events & POLLNVAL) && cell_same(op->cell, op->state))
        return true;
    errno = EBADF;
    return false;
}

/* ppoll fails where poll fails: EINVAL if RLIMIT_NOFILE is 0, as in vsftpd's sandbox. */
static bool poll_until_deadline(struct op *op, short events)
{
    int error = errno;
    for (;;) {
        struct pollfd p = {op->fd, events, 0};
        struct timespec t;
        int64_t left = left_until(op->deadline, clock_now());
        int ready = REAL(ppoll)(&p, 1, span_to_timespec(left, &t), NULL);
        if (ready > 0) {
            op->ready = true;
            if (op->timed)
                op_set_timer(op);
            return still_same(op, p.revents);
        }
        if (ready == 0) {
            errno = error;
            return expire(op);
        }
        if (errno != EINTR) {
            op_use_kernel_timer(op);
            return true;
        }
        if (!resume(op) || !is_blocking_still(op))
            return false;
    }
}

/* A call on a non-blocking descriptor fails at once.  What has failed at its deadline has
 * waited, whatever has become of the descriptor meanwhile.  errno is that of the failed call and
 * stays. */
static bool is_found_nonblock(struct op *op)
{
    bool at_once = op->trusted && (op->span < TICK || !op_time_is_up(op));
    op->trusted = false;
    if (!at_once || mode_of(op->fd) != NONBLOCKING)
        return false;
    cell_set(op->cell, CELL_NONBLOCK);
    return true;
}

/* Before the deadline, an EAGAIN is not our timer's: the descriptor has been made
 * non-blocking, or another thread's shorter timer was there, or the kernel's ticks have leapt. */
static bool goes_on_in_kernel(struct op *op)
{
    if (!still_same(op, 0))
        return false;
    bool interrupted = errno == EINTR;
    op->in_progress |= errno == EINPROGRESS;
    if (interrupted ? !resume(op) : is_found_nonblock(op))
        return false;
    /* Signals may come faster than the timer runs out. */
    return op_time_is_up(op) ? expire(op) : interrupted || is_blocking_still(op);
}

/* EINPROGRESS: connect's timer has run out, or a send goes along with TCP Fast Open.
 * EALREADY: the same for a connect that was under way before; where the kernel's ticks lag
 * behind its clock, it says so before the deadline. */
static bool would_wait(const struct op *op)
{
    return errno == EAGAIN || errno == EINPROGRESS || (errno == EINTR && !op->dontwait) ||
           (errno == EALREADY && op->timed);
}

/* The next try is the call as the program has made it, and is the last one. */
static bool leave_to_host(struct op *op)
{
    op->dontwait = 0;
    return op->never_waits = true;
}

/* More than a tick of the kernel's: for what ends before the next one, the processor's timer has
 * to be set anew, which took a microsecond on a virtual machine. */
#define GLANCE TICK

/* Without an fcntl(2) and a clock: what answers a conversation does so at once.  If it does not,
 * this is an op like any other that has been tried; but one whose descriptor is non-blocking,
 * by another process's doing perhaps, has not, and is. */
static bool wait_first(struct op *op, short events)
{
    struct pollfd p = {op->fd, events, 0};
    int ready = REAL(poll)(&p, 1, GLANCE / MILLISECOND);
    op->error = 0;
    if (ready > 0) {
        op->ready = true;
        habit_note_wait(op->fd);
        return still_same(op, p.revents);
    }
    bool interrupted = ready < 0 && errno == EINTR;
    errno = EAGAIN;
    if (start_waiting(op, ready ? 0 : GLANCE) != BLOCKING)
        return true;
    if (interrupted)
        return resume(op) && is_blocking_still(op);
    return poll_until_deadline(op, events);
}

bool op_wait(struct op *op, short events)
{
    if (op->error == WAIT_FIRST)
        return wait_first(op, events);
    if (op->error == TRIED) {
        op->error = 0;
        errno = EAGAIN;
    }
    if (op->error) {
        errno = op->error;
        return false;
    }
    if (op->never_waits || !would_wait(op))
        return false;
    if (!op->deadline) {
        enum mode mode = start_waiting(op, 0);
        if (mode != BLOCKING)
            return mode == UNKNOWN_MODE && leave_to_host(op);
    }
    if (!op->dontwait) {
        bool again = goes_on_in_kernel(op);
        if (again)
            op_use_kernel_timer(op);
        return again;
    }
    /* Poll said ready and the try found nothing: another reader was faster, or poll cannot
     * tell for this call (a full datagram queue, a filled error queue).  Asking it again
     * might spin.  A pipe has only other readers, and a guarded call waits itself. */
    if (!op->ready || op_is_pipe(op) || op->timed)
        return poll_until_deadline(op, events);
    op_use_kernel_timer(op);
    return true;
}

bool op_time_is_up(const struct op *op)
{
    return clock_now() >= op->deadline;
}

bool op_goes_on(struct op *op)
{
    op->ready = false;
    op->moved = true;
    errno = EAGAIN;
    return op->dontwait || op_time_is_up(op);
}
