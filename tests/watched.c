/* What is noted of registrations in epoll, linked into the test: of the kernel only this is known,
 * that bytes have moved just now. */
#include "../shim/watched.h"

#include "../shim/connection.h"
#include "../shim/deadline.h"
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

int64_t connection_quiet(int fd)
{
    return fd == FD ? 0 : NEVER;
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

void wheel_consider(int fd)
{
    ck_assert_int_eq(fd, FD);
}

static void is_waited_for_since(int64_t time)
{
    atomic_store(&fdtab_first[FD].since, time);
}

static void add(void)
{
    watched_register(EPOLL, FD, EPOLLIN, true, (struct arming){0});
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

int main(void)
{
    return run_tests("watched", TESTS(what_had_moved_when_it_was_armed_is_not_taken_for_the_time_when_the_kernel_was_asked));
}
