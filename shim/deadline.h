/* Time is an absolute, monotonic deadline in nanoseconds, handed down; it is turned
 * into what is left only at the system call that needs it, rounded up to that call's
 * unit, so that nothing ever ends early. */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define NEVER  INT64_MAX
#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)
#define MICROSECOND INT64_C(1000)

/* What the kernel counts by its clock is off by up to a tick; none is longer than this. */
#define TICK (10 * MILLISECOND)

static inline int64_t clock_read(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static inline int64_t clock_now(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* The same at the kernel's last tick, for a quarter of the time. */
static inline int64_t clock_lately(void)
{
    return clock_read(CLOCK_MONOTONIC_COARSE);
}

/* The deadline that lies `span` after `from`. */
static inline int64_t deadline_after(int64_t from, int64_t span)
{
    return span > NEVER - from ? NEVER : from + span;
}

static inline int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t left_until(int64_t deadline, int64_t now)
{
    if (deadline == NEVER)
        return NEVER;
    return deadline > now ? deadline - now : 0;
}

static inline int64_t divide_up(int64_t span, int64_t unit)
{
    return span / unit + (span % unit != 0);
}

/* For poll(2): -1 is for ever.  A wait longer than an int of milliseconds (24 days)
 * is cut; whoever waits looks at the clock again afterwards. */
static inline int span_to_poll(int64_t span)
{
    if (span == NEVER)
        return -1;
    int64_t ms = divide_up(span, MILLISECOND);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* For ppoll(2) and pselect(2): NULL is for ever. */
static inline struct timespec *span_to_timespec(int64_t span, struct timespec *t)
{
    if (span == NEVER)
        return NULL;
    t->tv_sec = (time_t)(span / SECOND);
    t->tv_nsec = (long)(span % SECOND);
    return t;
}

/* For select(2), where NULL is for ever. */
static inline struct timeval *span_to_timeval(int64_t span, struct timeval *t)
{
    if (span == NEVER)
        return NULL;
    int64_t us = divide_up(span, MICROSECOND);
    t->tv_sec = (time_t)(us / 1000000);
    t->tv_usec = (suseconds_t)(us % 1000000);
    return t;
}

/* A timeval or timespec of the program's may hold anything; what is too large for
 * nanoseconds (292 years) is for ever. */
static inline int64_t span_of(int64_t seconds, int64_t nanoseconds)
{
    return seconds > NEVER / SECOND - 1 ? NEVER : seconds * SECOND + nanoseconds;
}

/* The program's own timeout; NULL is for ever. */
static inline int64_t timespec_to_span(const struct timespec *t)
{
    return t ? span_of(t->tv_sec, t->tv_nsec) : NEVER;
}

/* What the kernel would not refuse with EINVAL. */
static inline bool is_timespec(const struct timespec *t)
{
    return !t || (t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < SECOND);
}

#endif
