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
#include "watched.h"
#include "wheel.h"

/* What has been registered by a call that succeeded.  Cold, as what follows: most calls would pay
 * for their registers. */
__attribute__((cold, noinline))
static void note_change(int epoll, int op, int fd, const struct epoll_event *event, struct arming arming)
{
    int saved_errno = errno;
    if (!kind_has_limits(fdtab_kind(fd)))
        return;
    if (op == EPOLL_CTL_DEL) {
        watched_unregister(epoll, fd);
    } else {
        watched_register(epoll, fd, event->events, op == EPOLL_CTL_ADD, arming);
        wheel_consider(fd);
    }
    errno = saved_errno;
}

/* Adds or changes fd for one event. */
__attribute__((cold, noinline))
static int arm(int epoll, int op, int fd, struct epoll_event *event)
{
    int saved_errno = errno;
    struct arming arming = watched_arm(fd, event->events);
    errno = saved_errno;
    int r = REAL(epoll_ctl)(epoll, op, fd, event);
    if (!r)
        note_change(epoll, op, fd, event, arming);
    return r;
}

INTERPOSE int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (!policy_is_armed())
        return REAL(epoll_ctl)(epoll, op, fd, event);
    if (op != EPOLL_CTL_DEL && event && kind_has_limits(fdtab_kind(fd)) && event->events & EPOLLONESHOT)
        return arm(epoll, op, fd, event);
    int r = REAL(epoll_ctl)(epoll, op, fd, event);
    if (!r && !watched_change(epoll, op, fd, event))
        note_change(epoll, op, fd, event, (struct arming){0});
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

#define RUN_INLINE static inline __attribute__((always_inline))

/* Waits for `left`.  What may expire earlier is looked at up to a tick late, so that whoever
 * waits no longer than that needs no exact time. */
RUN_INLINE int run_for(const struct epoll_wait *w, epoll_call *call, int64_t left)
{
    int saved_errno = errno;
    int64_t end = left == NEVER ? NEVER : 0;
    for (;;) {
        int64_t lately = clock_lately(), cut = left_until(wheel_turn(lately), lately);
        errno = saved_errno;
        if (left <= cut)
            return call(w, left);
        if (!end)
            end = deadline_after(clock_now(), left);
        int ready = call(w, cut);
        if (ready)
            return ready;
        if (end != NEVER)
            left = left_until(end, clock_now());
    }
}

RUN_INLINE int run_in_scope(const struct epoll_wait *w, epoll_call *call, int64_t span)
{
    int64_t left = left_until(scope_deadline(), clock_now());
    if (span && !left) {                /* as in wait.h; an event that is asked for may be gone then */
        scope_note_expiry();
        return 0;
    }
    int ready = run_for(w, call, earlier(span, left));
    if (!ready && left < span)
        scope_note_expiry();
    return ready;
}

RUN_INLINE int run(const struct epoll_wait *w, epoll_call *call, int64_t span)
{
    return scope_holds() ? run_in_scope(w, call, span) : run_for(w, call, span);
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
