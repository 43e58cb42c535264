/* poll and ppoll. */
#include <poll.h>
#include <stdatomic.h>

#include "any.h"
#include "policy.h"
#include "real.h"
#include "wait.h"

_Thread_local struct wait_look wait_last_look;

struct poll_set {
    struct pollfd *fds;
    nfds_t count;
    const sigset_t *mask;       /* ppoll's */
};

static bool next(const void *poll_set, struct wait_item *item)
{
    const struct poll_set *set = poll_set;
    for (; item->at < set->count; item->at++) {
        item->fd = set->fds[item->at].fd;
        item->events = set->fds[item->at].events;
        if (item->fd >= 0)
            return true;
    }
    return false;
}

static bool next_ready(const void *poll_set, struct wait_item *item)
{
    const struct poll_set *set = poll_set;
    for (; item->at < set->count; item->at++)
        if (set->fds[item->at].revents) {
            item->fd = set->fds[item->at].fd;
            return true;
        }
    return false;
}

static uint64_t digest(const void *poll_set)
{
    const struct poll_set *set = poll_set;
    uint64_t sum = 0;
    for (nfds_t i = 0; i < set->count; i++)
        sum += wait_mix((uint64_t)(uint32_t)set->fds[i].fd << 16 | (uint16_t)set->fds[i].events);
    return sum;
}

/* Ready for what was asked, so that the program makes the call that answers. */
static bool report(void *poll_set, const struct wait_item *item)
{
    struct pollfd *p = &((struct poll_set *)poll_set)->fds[item->at];
    bool news = !p->revents;
    short asked = p->events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
    p->revents = (short)(p->revents | (asked ? asked : POLLERR));
    return news;
}

static void clear(void *poll_set)
{
    struct poll_set *set = poll_set;
    for (nfds_t i = 0; i < set->count; i++)
        set->fds[i].revents = 0;
}

static int call_poll(void *poll_set, int64_t span)
{
    struct poll_set *set = poll_set;
    return REAL(poll)(set->fds, set->count, span_to_poll(span));
}

static int call_ppoll(void *poll_set, int64_t span)
{
    struct poll_set *set = poll_set;
    struct timespec t;
    return REAL(ppoll)(set->fds, set->count, span_to_timespec(span, &t), set->mask);
}

static const struct wait_form poll_form = {next, next_ready, digest, call_poll, report, clear};
static const struct wait_form ppoll_form = {next, next_ready, digest, call_ppoll, report, clear};

static bool is_watched(const struct pollfd *fds, nfds_t count)
{
    return policy_is_armed() && fds && count;
}

static int any_poll(struct pollfd *fds, nfds_t count, int ms)
{
    if (!is_watched(fds, count))
        return REAL(poll)(fds, count, ms);
    struct poll_set set = {fds, count, NULL};
    return wait_run(poll_form, &set, ms < 0 ? NEVER : ms * MILLISECOND);
}

INTERPOSE int poll(struct pollfd *fds, nfds_t count, int ms)
{
    return any_poll(fds, count, ms);
}
ALIAS_OF(poll, int, __poll, (struct pollfd *fds, nfds_t count, int ms))

INTERPOSE int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room)
{
    return room / sizeof *fds < count ? REAL(__poll_chk)(fds, count, ms, room) : any_poll(fds, count, ms);
}

int any_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    if (!is_watched(fds, count) || !is_timespec(timeout))
        return REAL(ppoll)(fds, count, timeout, mask);
    struct poll_set set = {fds, count, mask};
    return wait_run(ppoll_form, &set, timespec_to_span(timeout));
}

INTERPOSE int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return any_ppoll(fds, count, timeout, mask);
}

INTERPOSE int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                          size_t room)
{
    if (room / sizeof *fds < count)
        return REAL(__ppoll_chk)(fds, count, timeout, mask, room);
    return any_ppoll(fds, count, timeout, mask);
}
