#include "waits.h"

#include <sys/select.h>

#include "suites.h"

/* Names that glibc has beside those of its headers. */
int __poll(struct pollfd *fds, nfds_t count, int ms);
int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct plain_time *timeout, const sigset_t *mask, size_t room);
int __select(int count, fd_set *in, fd_set *out, fd_set *except, struct plain_time *timeout);

static struct timespec *timespec_of(int ms, struct timespec *t)
{
    *t = (struct timespec){ms / 1000, ms % 1000 * 1000000L};
    return ms < 0 ? NULL : t;
}

static struct timeval *timeval_of(int ms, struct timeval *t)
{
    *t = (struct timeval){ms / 1000, ms % 1000 * 1000L};
    return ms < 0 ? NULL : t;
}

static struct plain_time *plain_of(int ms, long unit, struct plain_time *t)
{
    *t = (struct plain_time){ms / 1000, ms % 1000 * unit};
    return ms < 0 ? NULL : t;
}

static int by_poll(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    (void)mask;
    return poll(fds, count, ms);
}

static int by_poll_alias(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    (void)mask;
    return __poll(fds, count, ms);
}

static int by_poll_chk(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    (void)mask;
    return __poll_chk(fds, count, ms, count * sizeof *fds);
}

static int by_ppoll(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    struct timespec t;
    return ppoll(fds, count, timespec_of(ms, &t), mask);
}

static int by_ppoll_chk(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    struct plain_time t;
    return __ppoll_chk(fds, count, plain_of(ms, 1000000, &t), mask, count * sizeof *fds);
}

struct sets {
    int count;
    fd_set in, out, except;
};

static struct sets sets_of(const struct pollfd *fds, nfds_t count)
{
    struct sets sets = {0};
    for (const struct pollfd *p = fds; p < fds + count; p++) {
        if (p->fd < 0)
            continue;
        if (p->events & POLLIN)
            FD_SET(p->fd, &sets.in);
        if (p->events & POLLOUT)
            FD_SET(p->fd, &sets.out);
        if (p->events & POLLPRI)
            FD_SET(p->fd, &sets.except);
        if (p->fd >= sets.count)
            sets.count = p->fd + 1;
    }
    return sets;
}

static short events_in(struct sets *sets, int fd)
{
    return (short)((FD_ISSET(fd, &sets->in) ? POLLIN : 0) | (FD_ISSET(fd, &sets->out) ? POLLOUT : 0) |
                   (FD_ISSET(fd, &sets->except) ? POLLPRI : 0));
}

static int answer(struct sets *sets, struct pollfd *fds, nfds_t count, int result)
{
    int ready = 0;
    for (struct pollfd *p = fds; result >= 0 && p < fds + count; p++) {
        p->revents = p->fd < 0 ? 0 : events_in(sets, p->fd);
        ready += p->revents != 0;
    }
    return result < 0 ? result : ready;
}

static int by_select(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    (void)mask;
    struct sets s = sets_of(fds, count);
    struct timeval t;
    return answer(&s, fds, count, select(s.count, &s.in, &s.out, &s.except, timeval_of(ms, &t)));
}

static int by_select_alias(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    (void)mask;
    struct sets s = sets_of(fds, count);
    struct plain_time t;
    return answer(&s, fds, count, __select(s.count, &s.in, &s.out, &s.except, plain_of(ms, 1000, &t)));
}

static int by_pselect(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    struct sets s = sets_of(fds, count);
    struct timespec t;
    return answer(&s, fds, count, pselect(s.count, &s.in, &s.out, &s.except, timespec_of(ms, &t), mask));
}

static const struct way ways[] = {
    {"poll", by_poll, 0},
    {"__poll", by_poll_alias, 0},
    {"__poll_chk", by_poll_chk, 0},
    {"ppoll", by_ppoll, WAY_MASK},
    {"__ppoll_chk", by_ppoll_chk, WAY_MASK},
    {"select", by_select, 0},
    {"__select", by_select_alias, 0},
    {"pselect", by_pselect, WAY_MASK},
};

const char *const *way_names(unsigned takes)
{
    static const char *lists[WAY_ALL + 1][COUNT(ways) + 1];
    const char **next = lists[takes];
    for (const struct way *way = ways; way < ways + COUNT(ways); way++)
        if ((way->takes & takes) == takes)
            *next++ = way->name;
    return lists[takes];
}

int wait_masked(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask)
{
    for (const struct way *way = ways; way < ways + COUNT(ways); way++)
        if (!strcmp(way->name, test_variant()))
            return way->wait(fds, count, ms, mask);
    ck_abort_msg("no way to wait is called %s", test_variant());
}

int wait_on(struct pollfd *fds, nfds_t count, int ms)
{
    return wait_masked(fds, count, ms, NULL);
}

int wait_for(int fd, short events, int ms)
{
    struct pollfd p = {fd, events, 0};
    return wait_on(&p, 1, ms);
}
