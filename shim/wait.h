/* How poll and select wait: the program's own call, cut at the nearest expiry.  The two
 * differ only in how their descriptors are written down. */
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
    /* The first descriptor at or behind item->at. */
    bool (*next)(const void *set, struct wait_item *item);
    /* The program's call, for `span` at most. */
    int (*call)(void *set, int64_t span);
    /* After a call: whether it has reported the item; and reporting it, if that is news. */
    bool (*is_ready)(const void *set, const struct wait_item *item);
    bool (*report)(void *set, const struct wait_item *item);
    /* Nothing is ready. */
    void (*clear)(void *set);
};

#define EACH_ITEM(form, set, item) \
    for (struct wait_item item = {0}; (form).next(set, &item); item.at++)

#define WAIT_INLINE static inline __attribute__((always_inline))

/* An epoll instance is ready when one of its descriptors is, an expired one too. */
WAIT_INLINE int64_t wait_item_begin(const struct wait_item *item, int64_t now)
{
    return fdtab_is_epoll(item->fd) ? wheel_turn(now) : watch_begin(item->fd, item->events, now);
}

WAIT_INLINE int64_t wait_begin(struct wait_form form, const void *set, int64_t now)
{
    int64_t wake = NEVER;
    EACH_ITEM(form, set, item)
        wake = earlier(wake, wait_item_begin(&item, now));
    return wake;
}

/* Adds what only we can report; returns how many have become ready by that. */
WAIT_INLINE int wait_report(struct wait_form form, void *set)
{
    int count = 0;
    EACH_ITEM(form, set, item)
        if (watch_is_over(item.fd) && form.report(set, &item))
            count++;
    return count;
}

WAIT_INLINE void wait_end(struct wait_form form, const void *set)
{
    EACH_ITEM(form, set, item)
        if (form.is_ready(set, &item))
            watch_ready(item.fd);
}

WAIT_INLINE void wait_expire(struct wait_form form, const void *set, int64_t now)
{
    EACH_ITEM(form, set, item)
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

/* Waits for `span`; returns what the call does.  errno stays unless that is -1. */
WAIT_INLINE int wait_run(struct wait_form form, void *set, int64_t span)
{
    int saved_errno = errno;
    int64_t now = clock_now(), own_end = deadline_after(now, span), scope = scope_deadline();
    int64_t end = earlier(own_end, scope);
    if (span && scope <= now)
        return wait_too_late(form, set);
    for (bool last = false;; last = end <= now) {
        int64_t wake = wait_begin(form, set, now), until = earlier(wake, end);
        int ready = form.call(set, left_until(until, now));
        if (ready < 0)
            return ready;
        if (!wake)
            ready += wait_report(form, set);
        if (ready && wake != NEVER)
            wait_end(form, set);
        now = clock_now();
        if (ready || (end <= now && (last || wake > now))) {
            errno = saved_errno;
            if (!ready && span && scope < own_end)
                scope_note_expiry();
            return ready;
        }
        if (wake <= now)
            wait_expire(form, set, now);
    }
}

#endif
