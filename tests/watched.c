/* What is noted of registrations in epoll, and the wheel, linked into the test: of the kernel only
 * this is known, that bytes have moved just now, or long ago. */
#include "../shim/watched.h"

#include <pthread.h>
#include <stdlib.h>

#include "../shim/connection.h"
#include "../shim/deadline.h"
#include "../shim/watch.h"
#include "../shim/wheel.h"
#include "harness.h"

#define EPOLL 3
#define FD 5

struct cell fdtab_first[SPARSE_LEAF_SIZE] = {[EPOLL] = {.state = KIND_EPOLL}, [FD] = {.state = KIND_TCP}};
atomic_bool fdtab_epolls_are_copied;

struct cell *fdtab_further_cell(int fd)
{
    ck_abort_msg("%d is none of ours", fd);
}

void fdtab_reset(int fd, enum kind kind, uint32_t flags)
{
    ck_abort_msg("%d is no longer %d, %u", fd, kind, flags);
}

bool cell_change(struct cell *cell, uint32_t state, uint32_t clear, uint32_t set)
{
    (void)cell, (void)state, (void)clear, (void)set;
    return false;
}

bool connection_has_peer(int fd)
{
    return fd == FD;
}

static int64_t quiet;

int64_t connection_quiet(int fd)
{
    return fd == FD ? quiet : NEVER;
}

bool connection_mark(int fd, short events, uint32_t *mark)
{
    (void)events;
    *mark = 0;
    return fd == FD;
}

bool connection_ready(int fd, short events)
{
    (void)fd, (void)events;
    return false;
}

int64_t policy_smallest(void)
{
    return MILLISECOND;
}

/* It is looked at in each turn, and never expires. */
int64_t watch_by_epoll(int fd, int64_t now)
{
    return watched_by_epoll(fdtab_cell(fd)) ? now + SECOND : NEVER;
}

void watch_expire_by_epoll(int fd, int64_t now)
{
    ck_abort_msg("%d has expired at %lld", fd, (long long)now);
}

static void is_waited_for_since(int64_t time)
{
    atomic_store(&fdtab_first[FD].since, time);
}

static void add(void)
{
    watched_register(EPOLL, FD, EPOLLIN, true, (struct arming){0});
    wheel_consider(FD);
}

static void delete(void)
{
    watched_unregister(EPOLL, FD);
}

static void arm_and_disarm(uint32_t mark)
{
    watched_register(EPOLL, FD, EPOLLIN | EPOLLONESHOT, false, (struct arming){1, mark});
    watched_register(EPOLL, FD, EPOLLIN, false, (struct arming){0});
}

/* In the next step of time that would be told by the mark; a few are enough to meet that. */
START_TEST(what_had_moved_when_it_was_armed_is_not_taken_for_the_time_when_the_kernel_was_asked)
{
    for (int i = 0; i < 100; i++) {
        add();
        arm_and_disarm(atomic_load(&fdtab_first[FD].mark));
        delete();
        is_waited_for_since(1);
        add();
        ck_assert_int_eq(atomic_load(&fdtab_first[FD].since), 0);
        delete();
    }
}
END_TEST

static atomic_bool stop;
static pthread_mutex_t turning = PTHREAD_MUTEX_INITIALIZER;

static void *turn(void *unused)
{
    for (int64_t now = SECOND; !atomic_load(&stop); now += 10 * MILLISECOND) {
        pthread_mutex_lock(&turning);
        wheel_turn(now);
        pthread_mutex_unlock(&turning);
    }
    return unused;
}

static bool is_linked(void)
{
    return atomic_load(&fdtab_first[FD].next) != WHEEL_UNLINKED;
}

/* While a slot is emptied it is for a moment in none. */
static bool stays_linked(void)
{
    if (is_linked())
        return true;
    pthread_mutex_lock(&turning);
    bool linked = is_linked();
    pthread_mutex_unlock(&turning);
    return linked;
}

/* Of two million times it was some dozens, when it could be. */
START_TEST(what_is_taken_out_and_put_in_again_while_another_thread_turns_is_not_lost)
{
    pthread_t turner;
    quiet = NEVER - 1;
    is_waited_for_since(1);
    ck_assert_int_eq(pthread_create(&turner, NULL, turn, NULL), 0);
    for (int i = 0; i < 2000000; i++) {
        add();
        ck_assert_msg(stays_linked(), "lost at the %dth time", i);
        delete();
        for (volatile int pause = rand() % 16; pause > 0;)
            pause--;
    }
    atomic_store(&stop, true);
    pthread_join(turner, NULL);
}
END_TEST

int main(void)
{
    return run_tests("watched", TESTS(what_is_taken_out_and_put_in_again_while_another_thread_turns_is_not_lost,
                                      what_had_moved_when_it_was_armed_is_not_taken_for_the_time_when_the_kernel_was_asked));
}
