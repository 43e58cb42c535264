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

INTERPOSE ssize_t sendfile64(int out, int in, off64_t *at, size_t count)
{
    struct op op;
    if (!op_begin_timed(&op, PHASE_WRITE, out, 0))
        return REAL(sendfile64)(out, in, at, count);
    return bounded_sendfile(&op, in, at, count);
}

INTERPOSE ssize_t sendfile(int out, int in, off_t *at, size_t count)
{
    struct op op;
    if (!op_begin_timed(&op, PHASE_WRITE, out, 0))
        return REAL(sendfile)(out, in, at, count);
    off64_t place = at ? *at : 0;
    ssize_t n = bounded_sendfile(&op, in, at ? &place : NULL, count);
    if (at)
        *at = (off_t)place;
    return n;
}

/* The end that is limited; the other one is a pipe. */
static bool begin_splice(struct op *op, int in, int out)
{
    return op_begin_timed(op, PHASE_READ, in, 0) || op_begin_timed(op, PHASE_WRITE, out, 0);
}

INTERPOSE ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    struct op op;
    if (!begin_splice(&op, in, out))
        return REAL(splice)(in, in_at, out, out_at, len, flags);
    ssize_t n;
    do n = TRY(&op, REAL(splice)(in, in_at, out, out_at, len, flags));
    while (n < 0 && op_wait(&op, 0));
    return op_end(&op, n);
}
