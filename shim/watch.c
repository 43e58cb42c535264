#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>

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
    if (!kind_has_limits(state_kind(state)) || state & (CELL_PASSIVE | CELL_EXPIRED))
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

static int64_t expiry_of(struct cell *cell, uint32_t state, short events, int64_t now)
{
    struct limit limit = wait_limit(cell, state, events);
    if (limit.span == NEVER)
        return NEVER;
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    if (!since)
        atomic_store_explicit(&cell->since, since = now, memory_order_relaxed);
    return deadline_after(since, limit.span);
}

int64_t watch_begin(int fd, short events, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return NEVER;
    uint32_t state = fdtab_learn(fd, cell);
    if (is_reported_by_us(state) && is_reported_by_us(state = fdtab_verify(fd, cell)))
        return 0;
    return expiry_of(cell, state, events, now);
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
    if (!(state & CELL_CONNECTING) || !connection_has_peer(fd))
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

/* by_kernel: whoever waits learns of it from the kernel alone. */
static void expire(int fd, struct cell *cell, uint32_t state, bool by_kernel)
{
    if (!cell_post_error(cell, state, ETIMEDOUT, by_kernel ? CELL_EXPIRED : 0))
        return;
    atomic_store_explicit(&cell->since, 0, memory_order_relaxed);
    if (!by_kernel)
        return;
    connection_shut(fd, cell, state);
    if (state & CELL_CONNECTING)
        connection_take_error(fd);
}

static bool is_due(const struct cell *cell, int64_t span, int64_t now)
{
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
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

void watch_expire(int fd, short events, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell)
        return;
    uint32_t state = cell_state(cell);
    struct limit limit = wait_limit(cell, state, events);
    if (is_due(cell, limit.span, now) && is_silent(fd, cell, state, events, limit.span, now))
        expire(fd, cell, state, limit_ends_connection(limit) && state_kind(state) != KIND_PIPE);
}

/* cell->watched: the events, which are those of poll; whether one event ends the
 * registration's interest; that it is one; and the generation of the epoll instance, whose
 * descriptor is cell->epoll.  Of several instances the last one counts. */
#define WATCHED_EVENTS  UINT32_C(0x0000ffff)
#define WATCHED_ONESHOT UINT32_C(0x00010000)
#define WATCHED         UINT32_C(0x00020000)

/* What fd is registered for; 0 if it is not, or not any more: when an epoll instance is
 * closed its registrations end without a word. */
static uint32_t watched_by_epoll(const struct cell *cell)
{
    uint32_t watched = atomic_load_explicit(&cell->watched, memory_order_relaxed);
    const struct cell *epoll = watched ? fdtab_cell(atomic_load_explicit(&cell->epoll, memory_order_relaxed)) : NULL;
    return epoll && cell_same(epoll, watched) ? watched : 0;
}

static short events_of(uint32_t watched)
{
    return (short)(watched & WATCHED_EVENTS);
}

/* An event that nothing but arriving data can have caused has disarmed an EPOLLONESHOT
 * registration; the program is not waiting until it arms it again. */
static bool is_disarmed(int fd, const struct cell *cell, uint32_t watched, int64_t now)
{
    int64_t since = atomic_load_explicit(&cell->since, memory_order_relaxed);
    return watched & WATCHED_ONESHOT && connection_received(fd) <= now - since;
}

int64_t watch_by_epoll(int fd, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    uint32_t watched = cell ? watched_by_epoll(cell) : 0;
    if (!watched)
        return NEVER;
    uint32_t state = fdtab_learn(fd, cell);
    return state_kind(state) == KIND_PIPE ? NEVER : expiry_of(cell, state, events_of(watched), now);
}

static void note_events(struct cell *cell, int epoll, uint32_t events)
{
    uint32_t oneshot = events & EPOLLONESHOT ? WATCHED_ONESHOT : 0;
    uint32_t generation = cell_state(fdtab_cell(epoll)) & STATE_GENERATION;
    atomic_store(&cell->epoll, epoll);
    atomic_store(&cell->watched, generation | WATCHED | oneshot | (events & WATCHED_EVENTS));
}

/* Arming a one-shot registration begins a wait, unless its event is there already. */
static void arm_oneshot(int fd, struct cell *cell, uint32_t events, int64_t now)
{
    bool ready = connection_ready(fd, (short)(events & WATCHED_EVENTS));
    atomic_store(&cell->since, ready ? NEVER : now);
}

void watch_register(int epoll, int fd, uint32_t events)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell || !fdtab_cell(epoll))
        return;
    if (!fdtab_is_epoll(epoll))
        fdtab_reset(epoll, KIND_EPOLL, 0);
    note_events(cell, epoll, events);
    if (events & EPOLLONESHOT && !(cell_state(cell) & CELL_CONNECTING))
        arm_oneshot(fd, cell, events, clock_now());
}

void watch_unregister(int epoll, int fd)
{
    struct cell *cell = fdtab_cell(fd);
    if (cell && atomic_load(&cell->epoll) == epoll)
        atomic_store(&cell->watched, 0);
}

void watch_expire_by_epoll(int fd, int64_t now)
{
    struct cell *cell = fdtab_cell(fd);
    uint32_t state = cell_state(cell), watched = watched_by_epoll(cell);
    short events = events_of(watched);
    int64_t span = wait_limit(cell, state, events).span;
    if (!is_due(cell, span, now))
        return;
    if (is_disarmed(fd, cell, watched, now))
        atomic_store(&cell->since, NEVER);
    else if (is_silent(fd, cell, state, events, span, now))
        expire(fd, cell, state, true);
}
