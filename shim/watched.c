#include "watched.h"

#include "connection.h"
#include "deadline.h"
#include "wheel.h"

#define UNKNOWN (-1)        /* cell->epoll */

/* When an instance is closed its registrations end without a word.  With several instances, or
 * several numbers for one, that cannot be told. */
uint32_t watched_by_epoll(const struct cell *cell)
{
    uint32_t watched = atomic_load(&cell->watched);
    int epoll = atomic_load_explicit(&cell->epoll, memory_order_relaxed);
    if (!watched_instances(watched))
        return 0;
    if (epoll == UNKNOWN || watched_instances(watched) > 1 || fdtab_epolls_have_copies())
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

/* The time as cell->mark has it: in steps of 8 ms, which is less than a TICK.  They come round in
 * a year. */
static uint32_t mark_of_now(void)
{
    return (uint32_t)(clock_lately() >> 23);
}

/* Whether something has moved meanwhile is asked when somebody waits for it again. */
static void leave(struct cell *cell)
{
    atomic_store_explicit(&cell->watched, WATCHED_GONE, memory_order_relaxed);
}

/* A connection that is taken out and put in again, as some programs do with each answer, need not
 * be asked about twice in one step: by nothing finer the kernel tells when something has moved. */
static bool has_been_asked(const struct cell *cell)
{
    return atomic_load_explicit(&cell->watched, memory_order_relaxed) == WATCHED_GONE &&
           state_kind(cell_state(cell)) == KIND_TCP &&
           atomic_load_explicit(&cell->mark, memory_order_relaxed) == mark_of_now();
}

static void add_again(int fd, struct cell *cell)
{
    if (has_been_asked(cell))
        return;
    begin_anew(fd, cell);
    atomic_store_explicit(&cell->mark, mark_of_now(), memory_order_relaxed);
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

/* A connect that is over, though nobody has waited for that.  That it is has been an event. */
static void note_connected(int fd, struct cell *cell)
{
    uint32_t state = cell_state(cell);
    if (state & CELL_CONNECTING && connection_has_peer(fd) && cell_change(cell, state, CELL_CONNECTING, 0))
        atomic_store(&cell->since, 0);
}

struct arming watched_arm(int fd, uint32_t events)
{
    struct arming arming = {0};
    struct cell *cell = fdtab_cell(fd);
    short asked = (short)(events & WATCHED_EVENTS);
    if (!cell)
        return arming;
    note_connected(fd, cell);
    if (!watched_takes_one_event(cell, events))
        return arming;
    uint32_t before = watched_by_epoll(cell);
    int64_t since = atomic_load(&cell->since);
    bool armed = before & WATCHED_ONESHOT && since && watched_is_armed(fd, cell, asked, atomic_load(&cell->mark));
    arming.since = armed ? since : clock_now();
    if (!connection_mark(fd, asked, &arming.mark) || connection_ready(fd, asked))
        arming.since = NEVER;
    return arming;
}

static uint32_t generation_of(const struct cell *instance)
{
    return cell_state(instance) & STATE_GENERATION;
}

/* in: the instance's generation, and how many there are. */
static void note_events(struct cell *cell, int epoll, uint32_t in, uint32_t events)
{
    uint32_t flags = (events & EPOLLONESHOT ? WATCHED_ONESHOT : 0) | (events & EPOLLET ? WATCHED_EDGE : 0);
    atomic_store_explicit(&cell->epoll, epoll, memory_order_relaxed);
    atomic_store(&cell->watched, in | flags | (events & WATCHED_EVENTS));     /* before wheel_considers */
}

/* Whether an instance is the only one to have it, and for more than one event. */
static bool is_only_in(const struct cell *cell, int epoll, uint32_t in)
{
    uint32_t watched = atomic_load_explicit(&cell->watched, memory_order_relaxed);
    return !((watched ^ in) & (STATE_GENERATION | WATCHED_COUNT | WATCHED_ONESHOT)) &&
           atomic_load_explicit(&cell->epoll, memory_order_relaxed) == epoll;
}

/* Whether a descriptor that is in no instance waits as it did when it was in one.  While it is
 * connecting it does (begin_anew). */
static bool goes_on(const struct cell *cell)
{
    if (cell_state(cell) & CELL_CONNECTING)
        return !watched_instances(atomic_load_explicit(&cell->watched, memory_order_relaxed));
    return has_been_asked(cell);
}

bool watched_change(int epoll, int op, int fd, const struct epoll_event *event)
{
    struct cell *cell = fdtab_cell(fd);
    const struct cell *instance = fdtab_cell(epoll);
    if (!cell || !instance || state_kind(cell_state(instance)) != KIND_EPOLL || fdtab_epolls_have_copies() ||
        !wheel_considers(cell))
        return false;
    uint32_t in = generation_of(instance) | WATCHED_ONE;
    if (op == EPOLL_CTL_ADD ? !goes_on(cell) : !is_only_in(cell, epoll, in))
        return false;
    if (op == EPOLL_CTL_DEL) {
        leave(cell);
        return true;
    }
    note_events(cell, epoll, in, event->events);
    wheel_consider(fd);
    return true;
}

/* What is changed has been added, whether we saw that or not. */
static uint32_t instances_after(const struct cell *cell, bool added)
{
    uint32_t before = watched_by_epoll(cell) & WATCHED_COUNT;
    if (!before)
        return WATCHED_ONE;
    return added && before < WATCHED_COUNT ? before + WATCHED_ONE : before;
}

void watched_register(int epoll, int fd, uint32_t events, bool added, struct arming arming)
{
    struct cell *cell = fdtab_cell(fd);
    if (!cell || !fdtab_cell(epoll))
        return;
    if (!fdtab_is_epoll(epoll))
        fdtab_reset(epoll, KIND_EPOLL, 0);
    bool one = events & EPOLLONESHOT;
    if (one)
        atomic_store(&cell->mark, arming.mark);
    else if (!added)
        atomic_store(&cell->mark, 0);   /* it may be that of a one-shot registration */
    if (watched_takes_one_event(cell, events))
        atomic_store(&cell->since, arming.since);
    else if (added && !one)
        add_again(fd, cell);
    else if (atomic_load(&cell->since) == NEVER)
        begin_anew(fd, cell);
    note_events(cell, epoll, generation_of(fdtab_cell(epoll)) | instances_after(cell, added), events);
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
    } else if (watched & WATCHED_ONESHOT) {
        watched_end(fd, cell);
    } else {
        leave(cell);
    }
}
