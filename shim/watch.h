/* The rule of event waits, the same for poll, select and epoll:
 *
 *   A connection expires when the program has been waiting for it and nothing has moved on
 *   it, in either direction, for its limit.  (While it is connecting: when the connect
 *   limit has passed since connect().)
 *
 * "Waiting" begins when the fd is first handed to a wait and is not ready, and ends when
 * it is reported ready; so short waits in a loop add up.  What has moved is asked of the
 * kernel when the time is up, not kept on the way.
 *
 * An expired connection is shut down, so that the kernel itself reports it ready to whoever
 * waits in whatever way; the next call on it answers ETIMEDOUT, once.  Where the limit ends
 * no connection (the program's own, TIMEOUTSOCK_ACTION=error, a pipe) it is reported by the
 * wait itself, for as long as nobody has taken that answer. */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "deadline.h"
#include "fdtab.h"

/* Nearly all descriptors of a set are alike: what of a descriptor's state and events, and nothing
 * else, has told how long it may be waited for. */
struct watch_alike {
    uint32_t state;         /* without the generation */
    short events;
    int64_t span;
};
#define WATCH_ALIKE_NONE ((struct watch_alike){.state = STATE_GENERATION})     /* no state is that */

/* When fd expires, waited for from `now` on unless it already was, for these poll events;
 * NEVER if it does not.  0: it has, and the wait is to report it (watch_is_over). */
int64_t watch_begin(int fd, short events, int64_t now, struct watch_alike *alike);

static inline bool watch_is_alike(const struct cell *cell, short events, const struct watch_alike *alike)
{
    return (cell_state(cell) & ~STATE_GENERATION) == alike->state && events == alike->events &&
           !atomic_load_explicit(&cell->own, memory_order_relaxed) &&
           !atomic_load_explicit(&cell->watched, memory_order_relaxed);
}

/* When it expires that may be waited for so long. */
static inline int64_t watch_expiry(struct cell *cell, int64_t span, int64_t now)
{
    if (span == NEVER)
        return NEVER;
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    if (!since)
        atomic_store_explicit(&cell->since, since = now, memory_order_relaxed);
    return deadline_after(since, span);
}

/* The same as watch_begin, but sooner. */
static inline int64_t watch_begin_alike(int fd, short events, int64_t now, struct watch_alike *alike)
{
    struct cell *cell = fdtab_cell(fd);
    return cell && watch_is_alike(cell, events, alike) ? watch_expiry(cell, alike->span, now)
                                                       : watch_begin(fd, events, now, alike);
}

/* It was reported ready. */
void watch_ready(int fd);

/* If its time is up: holds that against the kernel and, if nothing has moved, expires it. */
void watch_expire(int fd, short events, int64_t now);

/* Whether it has expired and nobody but the wait reports it. */
bool watch_is_over(int fd);

/* The same for a wait in epoll, which knows its events since epoll_ctl (watched.h).  epoll can
 * be told by the kernel alone, so there every expiry shuts down, and pipes are left alone.
 *
 * When fd expires; NEVER if it does not. */
int64_t watch_by_epoll(int fd, int64_t now);
void watch_expire_by_epoll(int fd, int64_t now);

#endif
