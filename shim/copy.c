/* sendfile and splice: they take no MSG_DONTWAIT, so the kernel's timer bounds them.  It
 * runs anew for each portion that the kernel hands to the socket (splice_to_socket(), at
 * most 16 pages), so a long transfer is made portion by portion, each with what is left. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>

#include "op.h"
#include "real.h"

#define PORTION (16 * 4096)

static ssize_t bounded_sendfile(struct op *op, int in, off64_t *at, size_t count)
{
    size_t done = 0;
    for (;;) {
        size_t portion = count - done < PORTION ? count - done : PORTION;
        ssize_t n = TRY(op, REAL(sendfile64)(op->fd, in, at, portion));
        if (n > 0) {
            done += (size_t)n;
            bool stopped = !op_goes_on(op) && (size_t)n < portion;
            if (stopped || done == count)
                return op_end(op, (ssize_t)done);
        }
        if (n == 0)
            return op_end(op, (ssize_t)done);
        if (!op_wait(op, 0))
            return done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1);
    }
}

/* To a pipe with room sendfile moves what fits and does not wait. */
static ssize_t sendfile_to_pipe(struct op *op, int in, off64_t *at, size_t count)
{
    ssize_t n = -1;
    do {
        errno = EAGAIN;
        if (!op->error && connection_ready(op->fd, POLLOUT))
            n = REAL(sendfile64)(op->fd, in, at, count);
    } while (n < 0 && op_wait(op, POLLOUT));
    return op_end(op, n);
}

static ssize_t any_sendfile(int out, int in, off64_t *at, size_t count)
{
    struct op op;
    if (!op_begin(&op, PHASE_WRITE, out, 0))
        return REAL(sendfile64)(out, in, at, count);
    if (op_is_pipe(&op))
        return sendfile_to_pipe(&op, in, at, count);
    if (!op_leave_to_kernel(&op))
        return REAL(sendfile64)(out, in, at, count);
    return bounded_sendfile(&op, in, at, count);
}

INTERPOSE ssize_t sendfile64(int out, int in, off64_t *at, size_t count)
{
    return any_sendfile(out, in, at, count);
}

/* off_t may be shorter than off64_t. */
INTERPOSE ssize_t sendfile(int out, int in, off_t *at, size_t count)
{
    off64_t place = at ? *at : 0;
    ssize_t n = any_sendfile(out, in, at ? &place : NULL, count);
    if (at)
        *at = (off_t)place;
    return n;
}

struct splice {
    int in;
    off64_t *in_at;
    int out;
    off64_t *out_at;
    size_t len;
    unsigned flags;
};

static ssize_t call(const struct splice *s, unsigned more_flags)
{
    return REAL(splice)(s->in, s->in_at, s->out, s->out_at, s->len, s->flags | more_flags);
}

/* An EAGAIN before the deadline is the pipe's. */
static ssize_t bound_by_timer(struct op *op, const struct splice *s)
{
    ssize_t n;
    do n = TRY(op, call(s, 0));
    while (n < 0 && (op->error || errno != EAGAIN || op_time_is_up(op)) && op_wait(op, 0));
    return op_end(op, n);
}

static ssize_t bound_by_poll(struct op *op, const struct splice *s, short events)
{
    ssize_t n;
    do n = TRY(op, call(s, SPLICE_F_NONBLOCK));
    while (n < 0 && (op->error || !(s->flags & SPLICE_F_NONBLOCK)) && op_wait(op, events));
    return op_end(op, n);
}

/* One end is a pipe.  The other one's limit goes first, because a socket cannot be told
 * not to wait. */
INTERPOSE ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    struct op op;
    struct splice s = {in, in_at, out, out_at, len, flags};
    if (op_begin_timed(&op, PHASE_READ, in, 0) || op_begin_timed(&op, PHASE_WRITE, out, 0))
        return bound_by_timer(&op, &s);
    if (op_begin(&op, PHASE_READ, in, 0))
        return bound_by_poll(&op, &s, POLLIN);
    if (op_begin(&op, PHASE_WRITE, out, 0))
        return bound_by_poll(&op, &s, POLLOUT);
    return call(&s, 0);
}
