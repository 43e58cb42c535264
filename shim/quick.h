/* The short way of the calls that are made most often: read, recv, write and send.  Nearly
 * all of them need not wait, and are on a descriptor of which there is nothing to say but
 * what it is; what an op would find out of that is told by a few words of its cell here.
 * Each way is a function of its own, lest the shorter pay for the registers of the longer:
 *
 *     enum way way = quick_way(fd, PHASE_READ, flags);
 *     if (way == WAY_TRY)
 *         return recv_by_try(fd, buf, len, flags);
 *     return way == WAY_PLAIN ? recv_plainly(fd, buf, len, flags) : recv_by_op(fd, buf, len, flags); */
#ifndef QUICK_H
#define QUICK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fdtab.h"
#include "habit.h"
#include "interruption.h"
#include "op.h"
#include "policy.h"

enum way {
    WAY_OP,         /* begin an op (op.h) */
    WAY_PLAIN,      /* make the call plainly */
    WAY_TRY,        /* try it, told not to wait; begin an op only if that has not settled it */
};

/* `flags` are those of recv(2) and send(2). */
static inline enum way quick_way(int fd, enum phase phase, int flags)
{
    if (!policy_is_armed())
        return WAY_PLAIN;
    if ((unsigned)fd >= SPARSE_LEAF_SIZE || interruption_is_noted(fd) || (phase == PHASE_READ && habit.fd == fd))
        return WAY_OP;
    const struct cell *cell = &fdtab_first[fd];
    uint32_t state = cell_state(cell);
    if (state_kind(state) == KIND_OTHER)
        return WAY_PLAIN;
    if (state_kind(state) != KIND_TCP || state & CELL_LOWAT || !op_is_ordinary(cell, state))
        return WAY_OP;
    if (fdtab_is_nonblock(state) || !policy_limits(KIND_TCP, phase))
        return WAY_PLAIN;
    return flags ? WAY_OP : WAY_TRY;
}

#define WAY_FUNCTION __attribute__((noinline)) static

/* What was so before a try: the descriptor, which is one of the first, and errno. */
struct quick_try {
    uint32_t state;
    int saved_errno;
};

static inline struct quick_try quick_begin(int fd)
{
    return (struct quick_try){cell_state(&fdtab_first[fd]), errno};
}

enum outcome {
    SETTLED,        /* the try is the answer of the call */
    WOULD_WAIT,     /* an op is to go on from it */
    NO_SOCKET,      /* it was not right to be made: begin an op */
};

/* errno is what it was before, unless the try is the answer. */
static inline enum outcome quick_judge(ssize_t n, struct quick_try try)
{
    if (n >= 0 || (errno != EAGAIN && errno != ENOTSOCK))
        return SETTLED;
    enum outcome outcome = errno == EAGAIN ? WOULD_WAIT : NO_SOCKET;
    errno = try.saved_errno;
    return outcome;
}

/* Whether the number still means the descriptor that was tried: another one has nothing to do
 * with the call. */
static inline bool quick_is_same(int fd, struct quick_try try)
{
    return cell_same(&fdtab_first[fd], try.state);
}

#endif
