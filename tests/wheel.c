/* The wheel itself, linked into the test: what is linked into it, and when that expires, is told
 * here, and so is the time. */
#include "../shim/wheel.h"

#include <stdlib.h>

#include "../shim/deadline.h"
#include "../shim/policy.h"
#include "../shim/watch.h"
#include "harness.h"

#define LIMIT (30 * SECOND)
#define MANY 1000
#define LATE (17 * MILLISECOND)     /* two ticks of the wheel */
#define BEGIN (1000 * SECOND)

struct cell fdtab_first[SPARSE_LEAF_SIZE];
static int64_t expiries[MANY];
static int left;

struct cell *fdtab_further_cell(int fd)
{
    ck_abort_msg("%d is none of ours", fd);
}

int64_t policy_smallest(void)
{
    return LIMIT;
}

int64_t watch_by_epoll(int fd, int64_t now)
{
    (void)now;
    return expiries[fd];
}

void watch_expire_by_epoll(int fd, int64_t now)
{
    ck_assert_msg(now - expiries[fd] <= LATE, "%d is %lld ns late", fd, (long long)(now - expiries[fd]));
    expiries[fd] = NEVER;
    left--;
}

static int64_t random_below(int64_t span)
{
    return rand() % (int)(span / MICROSECOND) * MICROSECOND;
}

static void link_at(int64_t now, int fd, int64_t span)
{
    expiries[fd] = now + span;
    wheel_link(fd, &fdtab_first[fd], now);
    left++;
}

static void link_many(void)
{
    for (int fd = 0; fd < MANY; fd++)
        link_at(BEGIN, fd, random_below(LIMIT));
}

/* Returns the time at which all have expired. */
static int64_t sleep_until_told(int64_t now)
{
    for (int64_t next; left; now = next) {
        next = wheel_turn(now);
        ck_assert_int_gt(next, now);
    }
    return now;
}

START_TEST(whoever_sleeps_until_the_wheel_says_finds_each_in_time)
{
    link_many();
    sleep_until_told(BEGIN);
}
END_TEST

START_TEST(whoever_comes_often_finds_each_in_time)
{
    link_many();
    for (int64_t now = BEGIN; now < BEGIN + LIMIT + LATE; now += MILLISECOND)
        wheel_turn(now);
    ck_assert_int_eq(left, 0);
}
END_TEST

/* Those who link it read a finer clock. */
START_TEST(what_is_linked_by_a_clock_that_is_ahead_is_found_in_time)
{
    int64_t now = BEGIN;
    for (int i = 0; i < 2000; i++) {
        wheel_turn(now);
        link_at(now + random_below(300 * MILLISECOND), 0, random_below(LIMIT - SECOND));
        now = sleep_until_told(now) + random_below(SECOND);
    }
}
END_TEST

START_TEST(where_nothing_is_linked_nobody_sleeps_longer_than_the_smallest_limit)
{
    ck_assert_int_eq(wheel_turn(BEGIN), BEGIN + LIMIT);
}
END_TEST

int main(void)
{
    return run_tests("wheel", TESTS(whoever_sleeps_until_the_wheel_says_finds_each_in_time,
                                    whoever_comes_often_finds_each_in_time,
                                    what_is_linked_by_a_clock_that_is_ahead_is_found_in_time,
                                    where_nothing_is_linked_nobody_sleeps_longer_than_the_smallest_limit));
}
