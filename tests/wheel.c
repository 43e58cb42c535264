/* The wheel itself, linked into the test: who is linked into it, and when that is over, is told
 * here, and time is what the test says. */
#include "../shim/wheel.h"

#include <stdlib.h>

#include "../shim/deadline.h"
#include "../shim/policy.h"
#include "../shim/watch.h"
#include "harness.h"

#define LIMIT (30 * SECOND)
#define MANY 1000
#define LATE (17 * MILLISECOND)     /* two ticks of the wheel */

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

/* At random times from now on. */
static int64_t link_many(void)
{
    int64_t now = clock_now();
    srand(1);
    for (int fd = 0; fd < MANY; fd++) {
        expiries[fd] = now + rand() % (int)(LIMIT / MILLISECOND) * MILLISECOND;
        atomic_store(&fdtab_first[fd].watched, 1);
        wheel_consider(fd);
    }
    left = MANY;
    return now;
}

START_TEST(whoever_sleeps_until_the_wheel_says_finds_each_in_time)
{
    for (int64_t now = link_many(), next; left; now = next) {
        next = wheel_turn(now);
        ck_assert_int_gt(next, now);
    }
}
END_TEST

START_TEST(whoever_comes_often_finds_each_in_time_too)
{
    for (int64_t now = link_many(), last = now + LIMIT + LATE; now < last; now += MILLISECOND)
        wheel_turn(now);
    ck_assert_int_eq(left, 0);
}
END_TEST

START_TEST(where_nothing_is_linked_nobody_sleeps_longer_than_the_smallest_limit)
{
    int64_t now = clock_now();
    ck_assert_int_eq(wheel_turn(now), now + LIMIT);
}
END_TEST

int main(void)
{
    return run_tests("wheel", TESTS(whoever_sleeps_until_the_wheel_says_finds_each_in_time,
                                    whoever_comes_often_finds_each_in_time_too,
                                    where_nothing_is_linked_nobody_sleeps_longer_than_the_smallest_limit));
}
