/* How poll and select wait: the program's own call, cut at the nearest expiry.  The two
 * differ only in how their descriptors are written down.
 *
 * Looking at each descriptor costs as much as the kernel's own look.  So a set that the thread
 * has just waited for is looked at again only if the call sleeps, or after a tick: no wait, and
 * no expiry, is noticed later than that and what the kernel's ticks are apart. */
#ifndef WAIT_H
#define WAIT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deadline.h"
#include "fdtab.h"
#include "scope.h"
#include "watch.h"
#include "wheel.h"

struct wait_item {
    size_t at;
    int fd;
    short events;
};

struct wait_form {
    /* The first descriptor at or behind item->at; and the first that a call has reported. */
    bool (*next)(const void *set, struct wait_item *item);
    bool (*next_ready)(const void *set, struct wait_item *item);
    /* A number for what is asked; two sets hardly ever have the same. */
    uint64_t (*digest)(const void *set);
    /* The program's call, for `span` at most. */
    int (*call)(void *set, int64_t span);
    /* After a call: reports the item, if that is news. */
    bool (*report)(void *set, const struct wait_item *item);
    /* Nothing is ready. */
    void (*clear)(void *set);
};

#define EACH_ITEM(next, set, item) \
    for (struct wait_item item = {0}; next(set, &item); item.at++)

/* To be added up for a digest. */
static inline uint64_t wait_mix(uint64_t what)
{
    uint64_t mixed = what * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 32;
}

#define WAIT_INLINE static inline __attribute__((always_inline))

/* An epoll instance is ready when one of its descriptors is, an expired one too. */
WAIT_INLINE int64_t wait_item_begin(const struct wait_item *item, int64_t now, struct watch_alike *alike)
{
    return fdtab_is_epoll(item->fd) ? wheel_turn(now) : watch_begin_alike(item->fd, item->events, now, alike);
}

WAIT_INLINE int64_t wait_begin(struct wait_form form, const void *set, int64_t now)
{
    int64_t wake = NEVER;
    struct watch_alike alike = WATCH_ALIKE_NONE;
    EACH_ITEM(form.next, set, item)
        wake = earlier(wake, wait_item_begin(&item, now, &alike));
    return wake;
}

/* Adds what only we can report; returns how many have become ready by that. */
WAIT_INLINE int wait_report(struct wait_form form, void *set)
{
    int count = 0;
    EACH_ITEM(form.next, set, item)
        if (watch_is_over(item.fd) && form.report(set, &item))
            count++;
    return count;
}

/* `ready`: at most so many are. */
WAIT_INLINE void wait_end(struct wait_form form, const void *set, int ready)
{
    EACH_ITEM(form.next_ready, set, item) {
        watch_ready(item.fd);
        if (!--ready)
            return;
    }
}

WAIT_INLINE void wait_expire(struct wait_form form, const void *set, int64_t now)
{
    EACH_ITEM(form.next, set, item)
        watch_expire(item.fd, item.events, now);
}

/* A wait in a scope whose deadline has passed, whatever is ready: a peer that always has
 * something to say could go on for ever.  What the call itself refuses is refused. */
WAIT_INLINE int wait_too_late(struct wait_form form, void *set)
{
    int ready = form.call(set, 0);
    if (ready < 0)
        return ready;
    form.clear(set);
    scope_note_expiry();
    return 0;
}

/* The set that the calling thread has looked at last, and when; and whether there was something
 * ready each time it has been asked since. */
extern _Thread_local struct wait_look {
    uint64_t digest;
    int64_t time;
    bool at_once;
} wait_last_look;

WAIT_INLINE struct wait_look wait_look_at(struct wait_form form, const void *set)
{
    return (struct wait_look){form.digest(set), clock_lately(), true};
}

WAIT_INLINE bool wait_is_known(struct wait_look look)
{
    return look.digest == wait_last_look.digest && look.time < wait_last_look.time + TICK;
}

/* Whether the set need not be looked at; then *ready is the answer of the call. */
WAIT_INLINE bool wait_is_quick(struct wait_form form, void *set, int64_t span, struct wait_look look, int *ready)
{
    if (scope_holds() || !wait_is_known(look) || (span && !wait_last_look.at_once))
        return false;
    *ready = form.call(set, 0);
    if (*ready > 0)
        wait_end(form, set, *ready);
    wait_last_look.at_once = *ready;
    return *ready || !span;
}

#define LONG_AGO (-TICK)

/* What only we report is not left to the kernel. */
WAIT_INLINE void wait_note_look(struct wait_look look, bool reported_by_us)
{
    if (reported_by_us)
        wait_last_look.time = LONG_AGO;
    else if (!wait_is_known(look))
        wait_last_look = look;
}

WAIT_INLINE int wait_in_full(struct wait_form form, void *set, int64_t span, struct wait_look look)
{
    int saved_errno = errno;
    int64_t now = clock_now(), own_end = deadline_after(now, span), scope = scope_deadline();
    int64_t end = earlier(own_end, scope);
    if (span && scope <= now)
        return wait_too_late(form, set);
    for (bool last = false;; last = end <= now) {
        int64_t wake = wait_begin(form, set, now), until = earlier(wake, end);
        wait_note_look(look, !wake);
        int ready = form.call(set, left_until(until, now));
        if (ready < 0)
            return ready;
        if (!wake)
            ready += wait_report(form, set);
        if (ready && wake != NEVER)
            wait_end(form, set, ready);
        now = clock_now();
        if (wake && wake <= now)
            wait_expire(form, set, now);
        if (ready || (end <= now && (last || wake > now))) {
            errno = saved_errno;
            if (!ready && span && scope < own_end)
                scope_note_expiry();
            return ready;
        }
    }
}

/* Waits for `span`; returns what the call does.  errno stays unless that is -1. */
WAIT_INLINE int wait_run(struct wait_form form, void *set, int64_t span)
{
    int ready;
    struct wait_look look = wait_look_at(form, set);
    return wait_is_quick(form, set, span, look, &ready) ? ready : wait_in_full(form, set, span, look);
}

#endif
