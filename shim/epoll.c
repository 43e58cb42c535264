/* epoll: the program's own wait, cut at the next time at which a registered descriptor may
 * expire.  An expired one is shut down, and the kernel reports it: with the right data,
 * mask, edge and one-shot state. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "any.h"
#include "deadline.h"
#include "fdtab.h"
#include "policy.h"
#include "real.h"
#include "scope.h"
#include "watch.h"
#include "wheel.h"

/* Adds or changes fd. */
static int arm(int epoll, int op, int fd, struct epoll_event *event)
{
    int saved_errno = errno;
    struct arming arming = watch_arm(fd, event->events);
    errno = saved_errno;
    int r = REAL(epoll_ctl)(epoll, op, fd, event);
    if (r)
        return r;
    watch_register(epoll, fd, event->events, op == EPOLL_CTL_ADD, arming);
    wheel_consider(fd);
    errno = saved_errno;
    return r;
}

INTERPOSE int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    bool watched = policy_is_armed() && kind_has_limits(fdtab_kind(fd));
    if (watched && event && (op == EPOLL_CTL_ADD || op == EPOLL_CTL_MOD))
        return arm(epoll, op, fd, event);
    int r = REAL(epoll_ctl)(epoll, op, fd, event);
    if (!r && watched && op == EPOLL_CTL_DEL)
        watch_unregister(epoll, fd);
    return r;
}

struct epoll_wait {
    int epoll;
    struct epoll_event *events;
    int most;
    const sigset_t *mask;
};

typedef int epoll_call(const struct epoll_wait *wait, int64_t span);

static int call_wait(const struct epoll_wait *w, int64_t span)
{
    return REAL(epoll_wait)(w->epoll, w->events, w->most, span_to_poll(span));
}

static int call_pwait(const struct epoll_wait *w, int64_t span)
{
    return REAL(epoll_pwait)(w->epoll, w->events, w->most, span_to_poll(span), w->mask);
}

static int call_pwait2(const struct epoll_wait *w, int64_t span)
{
    struct timespec t;
    return REAL(epoll_pwait2)(w->epoll, w->events, w->most, span_to_timespec(span, &t), w->mask);
}

static inline __attribute__((always_inline)) int run(const struct epoll_wait *w, epoll_call *call, int64_t span)
{
    int saved_errno = errno;
    int64_t now = clock_now(), own_end = deadline_after(now, span), scope = scope_deadline();
    int64_t end = earlier(own_end, scope);
    if (span && scope <= now) {         /* as in wait.h; an event that is asked for may be gone then */
        scope_note_expiry();
        return 0;
    }
    for (;;) {
        int64_t wake = wheel_turn(now);
        errno = saved_errno;
        int ready = call(w, left_until(earlier(wake, end), now));
        if (ready)
            return ready;
        now = clock_now();
        if (end <= now && wake > now) {
            if (span && scope < own_end)
                scope_note_expiry();
            return 0;
        }
    }
}

INTERPOSE int epoll_wait(int epoll, struct epoll_event *events, int most, int ms)
{
    if (!policy_is_armed())
        return REAL(epoll_wait)(epoll, events, most, ms);
    struct epoll_wait w = {epoll, events, most, NULL};
    return run(&w, call_wait, ms < 0 ? NEVER : ms * MILLISECOND);
}

INTERPOSE int epoll_pwait(int epoll, struct epoll_event *events, int most, int ms, const sigset_t *mask)
{
    if (!policy_is_armed())
        return REAL(epoll_pwait)(epoll, events, most, ms, mask);
    struct epoll_wait w = {epoll, events, most, mask};
    return run(&w, call_pwait, ms < 0 ? NEVER : ms * MILLISECOND);
}

int any_epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *timeout,
                     const sigset_t *mask)
{
    if (!policy_is_armed() || !is_timespec(timeout))
        return REAL(epoll_pwait2)(epoll, events, most, timeout, mask);
    struct epoll_wait w = {epoll, events, most, mask};
    return run(&w, call_pwait2, timespec_to_span(timeout));
}

INTERPOSE int epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *timeout,
                           const sigset_t *mask)
{
    return any_epoll_pwait2(epoll, events, most, timeout, mask);
}
