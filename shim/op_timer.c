#include "op_timer.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "deadline.h"
#include "libc.h"
#include "real.h"

/* glibc's own names of what pthread_cleanup_push and pop, which must stand in one block,
 * are made of; the buffer is found through the stack frame that it lies in. */
void _pthread_cleanup_push(struct _pthread_cleanup_buffer *, void (*)(void *), void *);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *, int execute);

/* A connect of vsock looks at a timer of its own, which is never 0: 2 s by default. */
static bool is_vsock_connect(const struct op *op)
{
    return op->phase == PHASE_CONNECT && state_kind(op->state) == KIND_VSOCK;
}

static int timer_level(const struct op *op)
{
    return is_vsock_connect(op) ? AF_VSOCK : SOL_SOCKET;
}

static int timer_option(const struct op *op)
{
    if (is_vsock_connect(op))
        return SO_VM_SOCKETS_CONNECT_TIMEOUT;
    return op->phase == PHASE_READ || op->phase == PHASE_ACCEPT ? SO_RCVTIMEO : SO_SNDTIMEO;
}

struct timeval op_own_timer(const struct op *op)
{
    struct timeval t = {0};
    socklen_t length = sizeof t;
    if (is_vsock_connect(op) || fdtab_has_timer(op->state))
        REAL(getsockopt)(op->fd, timer_level(op), timer_option(op), &t, &length);
    return t;
}

static void restore_timer(void *argument)
{
    struct op *op = argument;
    if (cell_same(op->cell, op->state))
        REAL(setsockopt)(op->fd, timer_level(op), timer_option(op), &op->timer, sizeof op->timer);
}

void op_restore_timer(struct op *op)
{
    int error = errno;
    _pthread_cleanup_pop(&op->cleanup, 0);
    restore_timer(op);
    op->timed = false;
    errno = error;
}

/* The kernel may be one tick early. */
void op_set_timer(struct op *op)
{
    struct timeval t;
    span_to_timeval(left_until(op->deadline, clock_now()) + TICK, &t);
    if (cell_same(op->cell, op->state))
        REAL(setsockopt)(op->fd, timer_level(op), timer_option(op), &t, sizeof t);
}

void op_use_kernel_timer(struct op *op)
{
    op->dontwait = 0;
    if (op_is_pipe(op))
        return;
    if (!op->timed) {
        op->timer = op_own_timer(op);
        op->timed = true;
        _pthread_cleanup_push(&op->cleanup, restore_timer, op);
    }
    op_set_timer(op);
}
