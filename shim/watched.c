#include "watched.h"

#include <errno.h>
#include <sys/epoll.h>

#include "connection.h"
#include "deadline.h"

#define UNKNOWN (-1)        /* cell->epoll */

/* When an instance is closed its registrations end without a word.  With several instances, or
 * several numbers for one, that cannot be told. */
uint32_t watched_by_epoll(const struct cell *cell)
{
    uint32_t watched = atomic_load_explicit(&cell->watched, memory_order_acquire);
    int epoll = atomic_load_explicit(&cell->epoll, memory_order_relaxed);
    if (!watched || epoll == UNKNOWN || watched_instances(watched) > 1 || fdtab_epolls_have_copies())
        return watched;
    const struct cell *instance = fdtab_cell(epoll);
    return instance && cell_same(instance, watched) ? watched : 0;
}

/* Waits in vain add up, in epoll and elsewhere.  But what epoll has reported or has moved since
 * a wait began ended it; where the kernel cannot tell, so does a change of the registration. */
static void begin_anew(int fd, struct cell *cell)
{
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    if (!since || (since != NEVER && cell_state(cell) & CELL_CONNECTING))
        return;
    int64_t quiet = since == NEVER ? NEVER : connection_quiet(fd);
    if (quiet == NEVER || quiet < clock_now() - since)
        atomic_store_explicit(&cell->since, 0, memory_order_relaxed);
}

void watched_end(int fd, struct cell *cell)
{
    atomic_store_explicit(&cell->watched, 0, memory_order_relaxed);
    begin_anew(fd, cell);
}

bool watched_takes_one_event(const struct cell *cell, uint32_t events)
{
    return events & EPOLLONESHOT && !(cell_state(cell) & CELL_CONNECTING);
}

/* Which event is whose cannot be seen; but if one is there already, or bytes have moved since, it
 * was this one's.  Where the kernel cannot tell, nobody waits. */
bool watched_is_armed(int fd, const struct cell *cell, short events, uint32_t mark)
{
    uint32_t now;
    return atomic_load(&cell->since) != NEVER && connection_mark(fd, events, &now) && now == mark;
}

struct arming watched_arm(int fd, uint32_t events)
{
    struct arming arming = {0};
    struct cell *cell = fdtab_cell(fd);
    short asked = (short)(events & WATCHED_EVENTS);
    if (!cell || !watched_takes_one_event(cell, events))
        return arming;
    uint32_t before = watched_by_epoll(cell);
    int64_t since = atomic_load(&cell->since);
    bool armed = before & WATCHED_ONESHOT && since && watched_is_armed(fd, cell, asked, atomic_load(&cell->mark));
    arming.since = armed ? since : clock_now();
    if (!connection_mark(fd, asked, &arming.mark) || connection_ready(fd, asked))
        arming.since = NEVER;
    return arming;
}

static void note_events(struct cell *cell, int epoll, uint32_t events, bool added)
{
    uint32_t count = watched_instances(watched_by_epoll(cell)) + added;
    uint32_t flags = (events & EPOLLONESHOT ? WATCHED_ONESHOT : 0) | (events & EPOLLET ? WATCHED_EDGE : 0);
    uint32_t generation = cell_state(fdtab_cell(epoll)) & STATE_GENERATION;
    uint32_t most = WATCHED_COUNT / WATCHED_ONE;
    uint32_t watched = generation | (count < most ? count : most) * WATCHED_ONE | flags | (events & WATCHED_EVENTS);
    atomic_store_explicit(&cell->epoll, epoll, memory_order_relaxed);
    atomic_store_explicit(&cell->watched, watched, memory_order_release);
}

void watched_register(int epoll, int fd, uint32_t events, bool added, struct arming arming)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell || !fdtab_cell(epoll))
        return;
    if (!fdtab_is_epoll(epoll))
        fdtab_reset(epoll, KIND_EPOLL, 0);
    if (watched_takes_one_event(cell, events)) {
        atomic_store(&cell->mark, arming.mark);
        atomic_store(&cell->since, arming.since);
    } else if (added || atomic_load(&cell->since) == NEVER) {
        begin_anew(fd, cell);
    }
    note_events(cell, epoll, events, added);
}

void watched_unregister(int epoll, int fd)
{
    struct cell *cell = fdtab_cell(fd);
    uint32_t watched = cell ? watched_by_epoll(cell) : 0;
    if (!watched)
        return;
    if (watched_instances(watched) > 1) {
        atomic_store(&cell->watched, watched - WATCHED_ONE);
        if (atomic_load(&cell->epoll) == epoll)
            atomic_store(&cell->epoll, UNKNOWN);
    } else {
        int saved_errno = errno;
        watched_end(fd, cell);
        errno = saved_errno;
    }
}
