#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>

#include "connection.h"
#include "deadline.h"
#include "fdtab.h"

static bool events_are_watched(uint32_t state)
{
    switch (policy_events()) {
    case EVENTS_ALL: return true;
    case EVENTS_CONNECTED: return state & CELL_OPENED;
    default: return false;
    }
}

static const struct limit no_limit = {NEVER, true};

/* The limit of a wait for these events.  One that the program has set on the fd itself
 * holds whoever opened the connection. */
static struct limit wait_limit(const struct cell *cell, uint32_t state, short events)
{
    if (state_kind(state) <= KIND_OTHER || state & (CELL_PASSIVE | CELL_EXPIRED))
        return no_limit;
    if (!events_are_watched(state) && !atomic_load_explicit(&cell->own, memory_order_relaxed))
        return no_limit;
    if (state & CELL_CONNECTING)
        return connection_limit(cell, state, PHASE_CONNECT);
    bool in = events & (POLLIN | POLLRDNORM | POLLRDHUP), out = events & (POLLOUT | POLLWRNORM);
    struct limit read = in || !out ? connection_limit(cell, state, PHASE_READ) : no_limit;
    struct limit write = out ? connection_limit(cell, state, PHASE_WRITE) : no_limit;
    return read.span <= write.span ? read : write;
}

static bool is_reported_by_us(uint32_t state)
{
    return state & STATE_ERROR && !(state & CELL_EXPIRED);
}

int64_t watch_begin(int fd, short events, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return NEVER;
    uint32_t state = fdtab_learn(fd, cell);
    if (is_reported_by_us(state))
        return 0;
    struct limit limit = wait_limit(cell, state, events);
    if (limit.span == NEVER)
        return NEVER;
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    if (!since)
        atomic_store_explicit(&cell->since, since = now, memory_order_relaxed);
    return deadline_after(since, limit.span);
}

void watch_ready(int fd)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell || !atomic_load_explicit(&cell->since, memory_order_relaxed))
        return;
    atomic_store_explicit(&cell->since, 0, memory_order_relaxed);
    if (cell_state(cell) & CELL_CONNECTING)
        cell_clear(cell, CELL_CONNECTING);
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
    if (!(state & CELL_CONNECTING) || !connection_ready(fd, POLLOUT))
        return false;
    wait_since(cell, connection_quiet(fd), now);
    cell_clear(cell, CELL_CONNECTING);
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
    cell_set(cell, CELL_PASSIVE);
    return true;
}

static void expire(int fd, struct cell *cell, uint32_t state, struct limit limit)
{
    bool ends = limit_ends_connection(limit) && state_kind(state) != KIND_PIPE;
    if (!cell_post_error(cell, state, ETIMEDOUT, ends ? CELL_EXPIRED : 0))
        return;
    atomic_store_explicit(&cell->since, 0, memory_order_relaxed);
    if (ends)
        connection_shut(fd, cell, state);
}

void watch_expire(int fd, short events, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return;
    uint32_t state = cell_state(cell);
    struct limit limit = wait_limit(cell, state, events);
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    if (!since || limit.span == NEVER || deadline_after(since, limit.span) > now)
        return;
    if (!has_no_peer(fd, cell, state) && !has_connected(fd, cell, state, now) &&
        !has_moved(fd, cell, state, limit.span, now) && !connection_ready(fd, events))
        expire(fd, cell, state, limit);
}
