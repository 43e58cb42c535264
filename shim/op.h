/* An op is one call in flight: the one place where table, policy, clock and signals meet.
 * Every wrapper reads
 *
 *     struct op op;
 *     if (!op_begin(&op, PHASE_READ, fd, flags))
 *         return REAL(recv)(fd, buf, len, flags);
 *     ssize_t n;
 *     do n = TRY(&op, REAL(recv)(fd, buf, len, flags | op.dontwait));
 *     while (n < 0 && op_wait(&op, POLLIN));
 *     return op_end(&op, n);
 *
 * The first try is the call's own system call, told not to wait; so a call that need not
 * wait costs what it costs without us, and those that are made most often are tried even
 * before there is an op (quick.h).  Only then are fcntl(2), the clock and ppoll(2) asked.  (A
 * receive that most likely has to wait is not tried in vain: op_expect_wait.)  The caller's
 * O_NONBLOCK is never changed: it belongs to the open file description, which other threads
 * and processes share.
 *
 * Where poll cannot bound a call, the kernel's own timer does: SO_RCVTIMEO or SO_SNDTIMEO
 * is set for the call and put back by op_end, or by the thread's cancellation.  (A thread
 * that jumps out of a signal handler leaves it set, and so may a thread that puts the timer
 * of a shared listener back while another is just about to enter accept, unbounded.) */
#ifndef OP_H
#define OP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "connection.h"
#include "fdtab.h"
#include "habit.h"
#include "libc.h"
#include "policy.h"
#include "scope.h"

struct op {
    int fd;
    enum phase phase;
    struct cell *cell;
    uint32_t state;             /* the cell's, when the call came in */
    int64_t deadline;           /* 0 until the call first has to wait; then also: */
    struct limit limit;
    int64_t span;               /* how long it may wait */
    uint32_t acked;             /* of a sending call then: how much the peer had (connection_mark) */
    int64_t outer_deadline;     /* that of the scope or of the connection's whole life; NEVER: neither */
    bool outer_is_scope;
    int saved_errno;
    int error;                  /* what the call answers without being tried; 0: try; or one of those below */
    bool never_waits;           /* the caller has said MSG_DONTWAIT */
    int dontwait;               /* MSG_DONTWAIT, or 0 once the kernel's timer bounds the call */
    bool moved;                 /* a try has moved a part */
    bool ready;                 /* poll said so, but the try found nothing */
    bool trusted;               /* to be blocking, unasked */
    bool in_progress;           /* a connect was, by what a try has answered; tried again, it is EALREADY */
    bool timer_is_own;          /* the program has set SO_RCVTIMEO or SO_SNDTIMEO itself */
    bool timer_first;           /* ... and it runs out before our limit */
    bool outer_first;           /* the outer deadline comes before the limit's */
    bool expired;
    bool timed;                 /* the kernel's timer is set */
    struct timeval timer;       /* ... and this was there before */
    struct _pthread_cleanup_buffer cleanup;
};

#define WAIT_FIRST (-1)         /* before it is tried */
#define TRIED (-2)              /* before there was an op: it would have to wait */
#define TRY(op, call) ((op)->error ? -1 : (call))

/* Whether all that there is to say of a socket is its kind. */
static inline bool op_is_ordinary(const struct cell *cell, uint32_t state)
{
    enum kind kind = state_kind(state);
    return kind_has_limits(kind) && kind != KIND_PIPE && !(state & STATE_ERROR) &&
           !atomic_load_explicit(&cell->own, memory_order_relaxed) && !scope_holds() &&
           !policy_limits(kind, PHASE_TOTAL);
}

bool op_begin_armed(struct op *op, enum phase phase, int fd, int flags);

/* False: the call is none of our business, is not limited or does not wait; make it
 * plainly.  `flags` are those of recv(2) and send(2), 0 for other calls. */
static inline bool op_begin(struct op *op, enum phase phase, int fd, int flags)
{
    return policy_is_armed() && op_begin_armed(op, phase, fd, flags);
}

/* When an op begins, and again when it first has to wait. */
void op_set_outer_deadline(struct op *op, uint32_t state);

/* Leaves an op that has just begun to the kernel's timer.  Costs an fcntl(2).  False: the
 * descriptor is non-blocking or a pipe, make the call plainly. */
bool op_leave_to_kernel(struct op *op);

/* op_leave_to_kernel, but the op goes on waiting by poll: the timer only guards a call that
 * cannot be told not to wait, and is made when poll says that it need not. */
bool op_guard(struct op *op);

/* op_leave_to_kernel, but whether the descriptor is non-blocking is asked only when the call has
 * failed as if it was, unless there is a hint: nearly all of the calls for which this is meant
 * succeed. */
bool op_trust_to_kernel(struct op *op);

/* A guarded op has not waited yet: its deadline counts from now. */
void op_restart_clock(struct op *op);

static inline bool op_begin_timed(struct op *op, enum phase phase, int fd, int flags)
{
    return op_begin(op, phase, fd, flags) && op_trust_to_kernel(op);
}

/* After a try has failed: waits until `events` or the deadline.  True: try again.  False:
 * the call has failed, errno says how. */
bool op_wait(struct op *op, short events);

bool op_may_wait_first(const struct op *op);

/* Of a receive on a socket that has just begun: if the last ones on it all had to wait, so may
 * this one, and it waits before it is tried. */
static inline void op_expect_wait(struct op *op)
{
    if (habit_is_to_wait(op->fd) && op_may_wait_first(op))
        op->error = WAIT_FIRST;
}

/* It has just begun, but its first try was made before that, when the cell said this (quick.h). */
static inline void op_skip_try(struct op *op, uint32_t state)
{
    op->state = state;
    if (!op->error)
        op->error = TRIED;
}

/* Whether what has ended it, if something has, is the scope's deadline. */
static inline bool op_ended_by_scope(const struct op *op)
{
    return op->outer_first && op->outer_is_scope;
}

/* Puts the kernel's timer back to what it was. */
void op_restore_timer(struct op *op);

/* Ends the op: puts things back and returns n.  errno is what it was before, if n >= 0.  A
 * call that sends several messages may go on after that, with the same deadline. */
ssize_t op_end(struct op *op, ssize_t n);

/* Ends an op that has moved `n` > 0 bytes or messages and then failed: returns n, and what
 * the failure was is answered by the next call, as the kernel does.  A limit that passes while
 * bytes still move ends the call, but not the connection. */
ssize_t op_end_partly(struct op *op, ssize_t n);

/* After a try that has moved a part: whether op_wait is to be asked for the rest.  False:
 * the kernel, bounded by its timer, has stopped for a reason of its own (a signal, an
 * error) and the part is the answer. */
bool op_goes_on(struct op *op);

/* When its limit has passed: what is left of it since bytes last moved on the connection, in
 * nanoseconds; 0 if none have in the second half of it, or the limit is an outer deadline. */
int64_t op_rest_of_limit(const struct op *op);

/* Whether the deadline of an op that is waiting has passed. */
bool op_time_is_up(const struct op *op);

static inline bool op_is_record(const struct op *op)
{
    return op->state & CELL_RECORD;
}

static inline bool op_is_pipe(const struct op *op)
{
    return state_kind(op->state) == KIND_PIPE;
}

/* A read or write found that the fd is no socket any more: the cell was stale and the call
 * is to be made plainly.  False once we have waited: then the socket was closed meanwhile,
 * and a plain call would take another file's data. */
bool op_was_stale(struct op *op);

#endif
