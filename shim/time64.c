/* What a program compiled with _TIME_BITS=64 calls where time_t is 32 bits wide otherwise,
 * as in this library.  What a call does with its time is the same: it is handed over in the
 * shorter form, in which a wait of more than 68 years becomes one of 68 years. */
#include <sys/time.h>

#include "any.h"
#include "policy.h"

static time_t narrow_seconds(int64_t seconds)
{
    return (time_t)(seconds > INT32_MAX ? INT32_MAX : seconds < INT32_MIN ? INT32_MIN : seconds);
}

static struct timespec *narrow(const struct timespec64 *wide, struct timespec *t)
{
    if (!wide)
        return NULL;
    t->tv_sec = narrow_seconds(wide->seconds);
    t->tv_nsec = (int32_t)wide->nanoseconds;
    return t;
}

static struct timespec64 widened(const struct timespec *t)
{
    return (struct timespec64){t->tv_sec, t->tv_nsec};
}

/* Microseconds may be any number; what is left over at the end has less than a second. */
static struct timeval *narrow_timeval(const struct timeval64 *wide, struct timeval *t)
{
    if (!wide)
        return NULL;
    bool negative = wide->seconds < 0 || wide->microseconds < 0;
    int64_t carry = negative ? 0 : wide->microseconds / 1000000;
    t->tv_sec = negative ? -1 : narrow_seconds(wide->seconds > INT32_MAX ? INT32_MAX : wide->seconds + carry);
    t->tv_usec = (suseconds_t)(wide->microseconds % 1000000);
    return t;
}

static int any_ppoll64(struct pollfd *fds, nfds_t count, const struct timespec64 *timeout, const sigset_t *mask)
{
    struct timespec t;
    return policy_is_armed() ? any_ppoll(fds, count, narrow(timeout, &t), mask)
                             : REAL(__ppoll64)(fds, count, timeout, mask);
}

INTERPOSE int __ppoll64(struct pollfd *fds, nfds_t count, const struct timespec64 *timeout, const sigset_t *mask)
{
    return any_ppoll64(fds, count, timeout, mask);
}

INTERPOSE int __ppoll64_chk(struct pollfd *fds, nfds_t count, const struct timespec64 *timeout, const sigset_t *mask,
                            size_t room)
{
    return room / sizeof *fds < count ? REAL(__ppoll64_chk)(fds, count, timeout, mask, room)
                                      : any_ppoll64(fds, count, timeout, mask);
}

INTERPOSE int __select64(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval64 *timeout)
{
    struct timeval t;
    if (!policy_is_armed())
        return REAL(__select64)(count, in, out, except, timeout);
    int ready = any_select(count, in, out, except, narrow_timeval(timeout, &t));
    if (timeout && timeout->seconds >= 0 && timeout->microseconds >= 0)
        *timeout = (struct timeval64){t.tv_sec, t.tv_usec};
    return ready;
}

INTERPOSE int __pselect64(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec64 *timeout,
                          const sigset_t *mask)
{
    struct timespec t;
    return policy_is_armed() ? any_pselect(count, in, out, except, narrow(timeout, &t), mask)
                             : REAL(__pselect64)(count, in, out, except, timeout, mask);
}

INTERPOSE int __epoll_pwait2_time64(int epoll, struct epoll_event *events, int most,
                                    const struct timespec64 *timeout, const sigset_t *mask)
{
    struct timespec t;
    return policy_is_armed() ? any_epoll_pwait2(epoll, events, most, narrow(timeout, &t), mask)
                             : REAL(__epoll_pwait2_time64)(epoll, events, most, timeout, mask);
}

/* glibc adds 64-bit time stamps to a message that came with 32-bit ones. */
INTERPOSE ssize_t __recvmsg64(int fd, struct msghdr *msg, int flags)
{
    return any_recvmsg(REAL(__recvmsg64), fd, msg, flags);
}

static int recvmmsg64(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
    if (!timeout)
        return REAL(__recvmmsg64)(fd, msgs, count, flags, NULL);
    struct timespec64 wide = widened(timeout);
    int n = REAL(__recvmmsg64)(fd, msgs, count, flags, &wide);
    narrow(&wide, timeout);
    return n;
}

INTERPOSE int __recvmmsg64(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec64 *timeout)
{
    struct timespec t;
    if (!policy_is_armed())
        return REAL(__recvmmsg64)(fd, msgs, count, flags, timeout);
    struct message_calls calls = {REAL(__recvmsg64), recvmmsg64};
    int n = any_recvmmsg(calls, fd, msgs, count, flags, narrow(timeout, &t));
    if (timeout)
        *timeout = widened(&t);
    return n;
}
