#include "op.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>

#include "deadline.h"
#include "real.h"
#include "restart.h"

/* glibc's own names of what pthread_cleanup_push and pop, which must stand in one block,
 * are made of; the buffer is found through the stack frame that it lies in. */
void _pthread_cleanup_push(struct _pthread_cleanup_buffer *, void (*)(void *), void *);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *, int execute);

/* An op that a signal has ended leaves what is left of its limit to the same thread's next
 * op on that descriptor and phase: a program that retries after EINTR (Python does) must
 * not get the whole limit again at each signal.  What is left, not the deadline: what the
 * program does in between is not waiting. */
static _Thread_local struct {
    int fd;
    enum phase phase;
    uint32_t state;
    int64_t left;
} interrupted = {.fd = -1};

static bool needs_op(struct op *op, uint32_t state, int flags)
{
    if (!kind_has_limits(state_kind(state)) || flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB))
        return false;
    /* Success must be noticed where the kernel cannot be asked afterwards what moved. */
    if (fdtab_is_nonblock(state))
        return state_kind(state) != KIND_TCP && atomic_load_explicit(&op->cell->since, memory_order_relaxed);
    return true;
}

bool op_begin_armed(struct op *op, enum phase phase, int fd, int flags)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return false;
    uint32_t state = fdtab_learn(fd, cell);
    op->cell = cell;
    op->error = state & STATE_ERROR && !(flags & (MSG_ERRQUEUE | MSG_OOB)) ? cell_take_error(cell) : 0;
    if (!op->error) {
        if (!needs_op(op, state, flags))
            return false;
        op->limit = connection_limit(cell, state, phase);
        if (op->limit.span == NEVER)
            return false;
    }
    op->fd = fd;
    op->phase = phase;
    op->state = state;
    op->deadline = 0;
    op->saved_errno = errno;
    op->dontwait = MSG_DONTWAIT;
    op->ready = op->own = op->expired = op->timed = false;
    return true;
}

static int timer_option(const struct op *op)
{
    return op->phase == PHASE_READ || op->phase == PHASE_ACCEPT ? SO_RCVTIMEO : SO_SNDTIMEO;
}

/* The program's own timer, {0} if it has none. */
static struct timeval own_timer(const struct op *op)
{
    struct timeval t = {0};
    socklen_t length = sizeof t;
    if (atomic_load_explicit(&fdtab_own_timeouts, memory_order_relaxed))
        REAL(getsockopt)(op->fd, SOL_SOCKET, timer_option(op), &t, &length);
    return t;
}

/* How long this op may wait: its limit, what is left of it after EINTR, or less if the
 * program itself says so. */
static int64_t span_of_op(struct op *op)
{
    int64_t span = op->limit.span;
    if (interrupted.fd == op->fd) {
        if (interrupted.phase == op->phase && cell_same(op->cell, interrupted.state))
            span = earlier(span, interrupted.left);
        interrupted.fd = -1;
    }
    struct timeval own = own_timer(op);
    if (own.tv_sec || own.tv_usec) {
        int64_t own_span = span_of(own.tv_sec, own.tv_usec * MICROSECOND);
        op->own = own_span < span;
        span = earlier(span, own_span);
    }
    return span;
}

/* The caller's errno is that of the failed try and stays, unless the op begins to wait. */
static bool start_waiting(struct op *op)
{
    int error = errno;
    int flags = REAL(fcntl)(op->fd, F_GETFL);
    bool blocking = flags >= 0 && !(flags & O_NONBLOCK);
    if (blocking)
        op->deadline = deadline_after(clock_now(), span_of_op(op));
    else if (flags >= 0)
        cell_set(op->cell, CELL_NONBLOCK);
    errno = error;
    return blocking;
}

static void restore_timer(void *argument)
{
    struct op *op = argument;
    REAL(setsockopt)(op->fd, SOL_SOCKET, timer_option(op), &op->timer, sizeof op->timer);
}

/* If the timer cannot be set, the call is made without. */
static bool use_kernel_timer(struct op *op)
{
    op->dontwait = 0;
    if (op_is_pipe(op))
        return true;
    if (!op->timed) {
        op->timer = own_timer(op);
        op->timed = true;
        _pthread_cleanup_push(&op->cleanup, restore_timer, op);
    }
    int64_t left = left_until(op->deadline, clock_now());
    struct timeval t;
    span_to_timeval(left ? left : 1, &t);   /* a timer of 0 is none */
    REAL(setsockopt)(op->fd, SOL_SOCKET, timer_option(op), &t, sizeof t);
    return true;
}

bool op_leave_to_kernel(struct op *op)
{
    if (op->error)
        return true;
    if (start_waiting(op))
        return use_kernel_timer(op);
    errno = op->saved_errno;
    return false;
}

static bool expire(struct op *op)
{
    if (op->own)
        return false;       /* errno is what the kernel says when its timer ends the call */
    op->expired = true;
    if (limit_ends_connection(op->limit) && connection_has_peer(op->fd))
        connection_shut(op->fd, op->cell, op->state);
    errno = ETIMEDOUT;
    return false;
}

/* signal(7): with a timer of the program's own on the socket the kernel never restarts. */
static bool resume(struct op *op)
{
    if (!op->own && signal_restarts())
        return true;
    if (!op->own) {
        interrupted.fd = op->fd;
        interrupted.phase = op->phase;
        interrupted.state = op->state;
        interrupted.left = left_until(op->deadline, clock_now());
    }
    errno = EINTR;
    return false;
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
            return still_same(op, p.revents);
        }
        if (ready == 0) {
            errno = error;
            return expire(op);
        }
        if (errno != EINTR)
            return use_kernel_timer(op);
        if (!resume(op))
            return false;
    }
}

static bool timer_ran_out(struct op *op)
{
    return clock_now() >= op->deadline;
}

/* The kernel counts in ticks and may be one early. */
static bool wait_again_in_kernel(struct op *op)
{
    if (errno == EINTR)
        return resume(op) && use_kernel_timer(op);
    return timer_ran_out(op) ? expire(op) : use_kernel_timer(op);
}

/* EINPROGRESS: connect's timer has run out, or a send goes along with TCP Fast Open. */
static bool would_wait(const struct op *op)
{
    return errno == EAGAIN || errno == EINPROGRESS || (errno == EINTR && !op->dontwait);
}

bool op_wait(struct op *op, short events)
{
    if (op->error) {
        errno = op->error;
        return false;
    }
    if (!would_wait(op))
        return false;
    if (!op->deadline && !start_waiting(op))
        return false;
    if (!op->dontwait)
        return wait_again_in_kernel(op);
    /* Poll said ready and the try found nothing: another reader was faster, or poll cannot
     * tell for this call (a full datagram queue, a filled error queue).  Asking it again
     * might spin. */
    if (op->ready)
        return use_kernel_timer(op);
    return poll_until_deadline(op, events);
}

bool op_goes_on(struct op *op)
{
    op->ready = false;
    errno = EAGAIN;
    return op->dontwait || timer_ran_out(op);
}

static void note_success(struct op *op)
{
    errno = op->saved_errno;
    if (interrupted.fd == op->fd)
        interrupted.fd = -1;
    if (state_kind(op->state) != KIND_TCP && atomic_load_explicit(&op->cell->since, memory_order_relaxed))
        atomic_store_explicit(&op->cell->since, 0, memory_order_relaxed);
}

ssize_t op_end(struct op *op, ssize_t n)
{
    if (op->timed) {
        int error = errno;
        _pthread_cleanup_pop(&op->cleanup, 0);
        restore_timer(op);
        op->timed = false;
        errno = error;
    }
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
    if (op->expired ? limit_ends_connection(op->limit) : is_told_once(error))
        cell_post_error(op->cell, op->state, error, 0);
    return op_end(op, n);
}

bool op_was_stale(struct op *op)
{
    if (errno != ENOTSOCK)
        return false;
    if (op->deadline) {
        errno = EBADF;
        return false;
    }
    cell_drop(op->cell);
    return true;
}
