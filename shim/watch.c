#include "watch.h"

#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "connection.h"
#include "deadline.h"
#include "fdtab.h"
#include "watched.h"

static bool is_reported_by_us(uint32_t state)
{
    return state & STATE_ERROR && !(state & CELL_EXPIRED);
}

static int64_t expiry_of(int fd, struct cell *cell, uint32_t state, int64_t span, int64_t now)
{
    return earlier(watch_expiry(cell, span, now), connection_wait_end(fd, cell, state));
}

static void note_alike(struct watch_alike *alike, const struct cell *cell, uint32_t state, short events, int64_t span)
{
    if (state_kind(state) == KIND_UNKNOWN || state & STATE_ERROR || policy_limits(state_kind(state), PHASE_TOTAL) ||
        atomic_load_explicit(&cell->own, memory_order_relaxed))
        return;
    *alike = (struct watch_alike){state & ~STATE_GENERATION, events, span};
}

int64_t watch_begin(int fd, short events, int64_t now, struct watch_alike *alike)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return NEVER;
    uint32_t state = fdtab_learn(fd, cell);
    if (is_reported_by_us(state) && is_reported_by_us(state = fdtab_verify(fd, cell)))
        return 0;
    if (atomic_load_explicit(&cell->watched, memory_order_relaxed) && !watched_by_epoll(cell))
        watched_end(fd, cell);
    int64_t span = connection_wait_limit(fd, cell, state, events).span;
    note_alike(alike, cell, state, events, span);
    return expiry_of(fd, cell, state, span, now);
}

void watch_ready(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell || !atomic_load_explicit(&cell->since, memory_order_relaxed))
        return;
    uint32_t state = cell_state(cell);
    connection_moved(cell);
    if (state & CELL_CONNECTING)
        cell_change(cell, state, CELL_CONNECTING, 0);
}

bool watch_is_over(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    return cell && is_reported_by_us(cell_state(cell));
}

/* The wait counts from when something last moved. */
static void wait_since(struct cell *cell, int64_t quiet, int64_t now)
{
    atomic_store_explicit(&cell->since, quiet == NEVER ? now : now - quiet, memory_order_relaxed);
}

/* A connect that is over although nobody was waiting for that: from now on it is a
 * connection like any other. */
static bool has_connected(int fd, struct cell *cell, uint32_t state, int64_t now)
{
    if (!(state & CELL_CONNECTING) || !connection_has_peer(fd))
        return false;
    wait_since(cell, connection_quiet(fd), now);
    cell_change(cell, state, CELL_CONNECTING, 0);
    return true;
}

static bool has_moved(int fd, struct cell *cell, uint32_t state, int64_t span, int64_t now)
{
    int64_t quiet = state & CELL_CONNECTING ? NEVER : connection_quiet(fd);
    if (quiet >= span)
        return false;
    wait_since(cell, quiet, now);
    return true;
}

static bool has_no_peer(int fd, struct cell *cell, uint32_t state)
{
    if (state_kind(state) == KIND_PIPE || state & CELL_CONNECTING || connection_has_peer(fd))
        return false;
    cell_change(cell, state, 0, CELL_PASSIVE);
    return true;
}

/* by_kernel: whoever waits learns of it from the kernel alone. */
static void expire(int fd, struct cell *cell, uint32_t state, struct limit limit, bool by_kernel)
{
    if (!cell_post_error(cell, state, limit_error(limit, state & CELL_CONNECTING), by_kernel ? CELL_EXPIRED : 0))
        return;
    atomic_store_explicit(&cell->since, 0, memory_order_relaxed);
    if (!by_kernel)
        return;
    connection_shut(fd, cell, state);
    if (state & CELL_CONNECTING)
        connection_take_error(fd);
}

static bool is_due(int64_t since, int64_t span, int64_t now)
{
    return since && span != NEVER && deadline_after(since, span) <= now;
}

/* The kernel reports it at the next opportunity, and that ends the wait. */
static bool is_ready(int fd, struct cell *cell, short events, int64_t now)
{
    if (!connection_ready(fd, events))
        return false;
    wait_since(cell, 0, now);
    return true;
}

static bool is_silent(int fd, struct cell *cell, uint32_t state, short events, int64_t span, int64_t now)
{
    return !has_no_peer(fd, cell, state) && !has_connected(fd, cell, state, now) &&
           !has_moved(fd, cell, state, span, now) && !is_ready(fd, cell, events, now);
}

/* Of the threads that have waited for it and found it silent, one expires it: otherwise the last
 * of them might, after the answer to the first one's has been taken, have it answered again. */
static bool claim(struct cell *cell, int64_t since)
{
    return atomic_compare_exchange_strong(&cell->since, &since, 0);
}

void watch_expire(int fd, short events, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return;
    uint32_t state = cell_state(cell);
    struct limit limit = connection_wait_limit(fd, cell, state, events);
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    bool over = connection_wait_end(fd, cell, state) <= now;
    if (over)
        limit = connection_limit(fd, cell, state, PHASE_TOTAL);
    if (over || (is_due(since, limit.span, now) && is_silent(fd, cell, state, events, limit.span, now) && claim(cell, since)))
        expire(fd, cell, state, limit, limit_ends_connection(limit) && state_kind(state) != KIND_PIPE);
}

int64_t watch_by_epoll(int fd, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    uint32_t watched = cell ? watched_by_epoll(cell) : 0;
    if (!watched)
        return NEVER;
    uint32_t state = fdtab_learn(fd, cell);
    if (state_kind(state) == KIND_PIPE)
        return NEVER;
    return expiry_of(fd, cell, state, connection_wait_limit(fd, cell, state, watched_events(watched)).span, now);
}

void watch_expire_by_epoll(int fd, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    uint32_t state = cell_state(cell), watched = watched_by_epoll(cell);
    short events = watched_events(watched);
    struct limit limit = connection_wait_limit(fd, cell, state, events);
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    bool over = connection_wait_end(fd, cell, state) <= now;
    if (!over && !is_due(since, limit.span, now))
        return;
    if (over)
        expire(fd, cell, state, connection_limit(fd, cell, state, PHASE_TOTAL), true);
    else if (watched_takes_one_event(cell, watched & WATCHED_ONESHOT ? EPOLLONESHOT : 0) &&
             !watched_is_armed(fd, cell, events, atomic_load(&cell->mark)))
        atomic_store(&cell->since, NEVER);
    else if (is_silent(fd, cell, state, watched_awaited(watched), limit.span, now) && claim(cell, since))
        expire(fd, cell, state, limit, true);
}
