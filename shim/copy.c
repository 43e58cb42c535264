/* sendfile and splice: they take no MSG_DONTWAIT.  So the socket is asked by poll before
 * each portion, and the kernel's timer guards the portion itself, which may not fit wholly
 * although poll says that there is room. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>

#include "op.h"
#include "real.h"

/* The kernel's timer runs anew for each piece that it hands to the socket, at most 16 pages
 * (splice_to_socket()). */
#define PORTION ((size_t)16 * 4096)

struct copy {
    enum { SPLICE, SENDFILE, SENDFILE64 } call;
    int in;
    off64_t *in_at;
    int out;
    off64_t *out_at;
    size_t len;
    unsigned flags;             /* splice's */
    off_t *at;                  /* sendfile's, which may be shorter */
};

static ssize_t copy_plainly(const struct copy *c, size_t len, unsigned flags)
{
    switch (c->call) {
    case SENDFILE: return REAL(sendfile)(c->out, c->in, c->at, len);
    case SENDFILE64: return REAL(sendfile64)(c->out, c->in, c->in_at, len);
    default: return REAL(splice)(c->in, c->in_at, c->out, c->out_at, len, c->flags | flags);
    }
}

/* Returns whether it was tried: an EAGAIN without a try is the socket's, whatever another poll
 * says of it later. */
static bool copy_if_ready(struct op *op, const struct copy *c, size_t len, short events, ssize_t *n)
{
    bool ready = !op->error && !connection_busy(op->fd, events);
    errno = EAGAIN;
    *n = ready ? copy_plainly(c, len, 0) : -1;
    return ready;
}

/* Whether the source, a pipe, has nothing now: then splice returns what it has moved. */
static bool source_is_empty(const struct copy *c)
{
    return c->call == SPLICE && connection_busy(c->in, POLLIN);
}

/* After a portion of which n bytes were moved: short before the time is up, it was not the
 * socket that held it up, but the source's end or a signal. */
static bool is_all(const struct op *op, const struct copy *c, size_t done, size_t n, size_t portion)
{
    return done == c->len || (n < portion ? !op_time_is_up(op) : source_is_empty(c));
}

/* The call does not begin to wait before the first portion that is short. */
static ssize_t copy_into_socket(struct op *op, const struct copy *c)
{
    size_t done = 0;
    for (bool waited = false;;) {
        size_t portion = c->len - done < PORTION ? c->len - done : PORTION;
        if (!waited)
            op_restart_clock(op);
        ssize_t n;
        bool tried = copy_if_ready(op, c, portion, POLLOUT, &n);
        if (n >= 0 && is_all(op, c, done += (size_t)n, (size_t)n, portion))
            return op_end(op, (ssize_t)done);
        if (n >= 0)
            op_goes_on(op);
        if (n == (ssize_t)portion)
            continue;
        waited = true;
        if (n < 0 && tried && errno == EAGAIN && !connection_busy(op->fd, POLLOUT) && source_is_empty(c))
            return op_end(op, done ? (ssize_t)done : -1);
        if (!op_wait(op, POLLOUT))
            return done ? op_end_partly(op, (ssize_t)done) : op_end(op, -1);
    }
}

/* EAGAIN is the pipe's if the socket has data, unless they came after the try: then another
 * one takes them. */
static ssize_t splice_from_socket(struct op *op, const struct copy *c)
{
    for (bool had_data = false;;) {
        ssize_t n;
        bool tried = copy_if_ready(op, c, c->len, POLLIN, &n);
        if (n >= 0)
            return op_end(op, n);
        bool empty = !tried || op_time_is_up(op) || connection_busy(op->fd, POLLIN);
        if (empty ? !op_wait(op, POLLIN) : had_data || errno != EAGAIN)
            return op_end(op, -1);
        had_data = !empty;
    }
}

/* To a pipe with room sendfile moves what fits and does not wait. */
static ssize_t sendfile_to_pipe(struct op *op, const struct copy *c)
{
    ssize_t n;
    do copy_if_ready(op, c, c->len, POLLOUT, &n);
    while (n < 0 && op_wait(op, POLLOUT));
    return op_end(op, n);
}

/* The other end is no limited socket. */
static ssize_t splice_pipe(struct op *op, const struct copy *c, short events)
{
    ssize_t n;
    do n = TRY(op, copy_plainly(c, c->len, SPLICE_F_NONBLOCK));
    while (n < 0 && (op->error || !(c->flags & SPLICE_F_NONBLOCK)) && op_wait(op, events));
    return op_end(op, n);
}

static ssize_t any_sendfile(const struct copy *c)
{
    struct op op;
    if (!op_begin(&op, PHASE_WRITE, c->out, 0))
        return copy_plainly(c, c->len, 0);
    if (op_is_pipe(&op))
        return sendfile_to_pipe(&op, c);
    return op_guard(&op) ? copy_into_socket(&op, c) : copy_plainly(c, c->len, 0);
}

INTERPOSE ssize_t sendfile64(int out, int in, off64_t *at, size_t count)
{
    return any_sendfile(&(struct copy){.call = SENDFILE64, .in = in, .in_at = at, .out = out, .len = count});
}

INTERPOSE ssize_t sendfile(int out, int in, off_t *at, size_t count)
{
    return any_sendfile(&(struct copy){.call = SENDFILE, .in = in, .at = at, .out = out, .len = count});
}

/* A call that takes its limit from the socket at one end waits for a limited pipe at the
 * other first. */
static bool wait_for_pipe(int fd, enum phase phase, short events)
{
    struct op op;
    if (!op_begin(&op, phase, fd, 0) || (!op.error && !connection_busy(fd, events)))
        return true;
    errno = EAGAIN;
    return op_end(&op, op_wait(&op, events) ? 0 : -1) == 0;
}

/* One end is a pipe.  A limited socket at the other goes first: it cannot be told not to
 * wait, a pipe can. */
INTERPOSE ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    struct op op;
    struct copy c = {SPLICE, in, in_at, out, out_at, len, flags, NULL};
    bool waits = !(flags & SPLICE_F_NONBLOCK);
    if (op_begin(&op, PHASE_READ, in, 0) && op_guard(&op))
        return waits && !wait_for_pipe(out, PHASE_WRITE, POLLOUT) ? op_end(&op, -1) : splice_from_socket(&op, &c);
    if (op_begin(&op, PHASE_WRITE, out, 0) && op_guard(&op))
        return waits && !wait_for_pipe(in, PHASE_READ, POLLIN) ? op_end(&op, -1) : copy_into_socket(&op, &c);
    if (op_begin(&op, PHASE_READ, in, 0) && op_is_pipe(&op))
        return splice_pipe(&op, &c, POLLIN);
    if (op_begin(&op, PHASE_WRITE, out, 0) && op_is_pipe(&op))
        return splice_pipe(&op, &c, POLLOUT);
    return copy_plainly(&c, len, 0);
}
