/* What changes and ends of registrations in epoll do to its rules (tests/epoll.c). */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../shim/timeoutsock.h"
#include "epolls.h"
#include "suites.h"

#define LIMIT 120

static void modify_twice(int epoll, int fd)
{
    modify(epoll, fd, EPOLLIN | EPOLLRDHUP);
    modify(epoll, fd, EPOLLIN);
}

static void add_again(int epoll, int fd)
{
    delete(epoll, fd);
    add(epoll, fd, EPOLLIN);
}

static void ck_not_put_off_by(void (*change)(int epoll, int fd))
{
    struct pair p = tcp_pair();
    int64_t began = now_ns();
    int epoll = instance_of(p.here, EPOLLIN);
    for (int fd = -1, rounds = 20; rounds-- && fd < 0;) {
        fd = ready_in(epoll, 25);
        change(epoll, p.here);
    }
    assert_took_ms(LIMIT, now_ns() - began);
    ck_has_expired(p.here);
}

START_TEST(changing_a_registration_does_not_put_expiry_off)
{
    ck_not_put_off_by(modify_twice);
}
END_TEST

START_TEST(taking_a_connection_out_and_adding_it_again_at_once_does_not_put_expiry_off)
{
    ck_not_put_off_by(add_again);
}
END_TEST

START_TEST(a_removed_connection_does_not_expire)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    ck_silent_for(20, epoll);
    delete(epoll, p.here);
    ck_silent_for(2 * LIMIT, epoll);
    ck_is_alive(p.here);
}
END_TEST

START_TEST(a_connection_answered_removed_idle_and_added_again_has_the_whole_limit)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    receive(p.here, p.there, epoll);
    delete(epoll, p.here);
    ck_silent_for(2 * LIMIT, epoll);
    add(epoll, p.here, EPOLLIN);
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

/* The answer ended the wait. */
START_TEST(a_connection_answered_worked_on_and_added_again_has_the_whole_limit)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    receive(p.here, p.there, epoll);
    plain_sleep_ms(2 * LIMIT);
    add_again(epoll, p.here);
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

/* KINDS=all */
START_TEST(a_connection_of_a_kind_that_tells_nothing_has_the_whole_limit_when_added_again)
{
    struct pair p = unix_pair(SOCK_STREAM);
    int epoll = instance_of(p.here, EPOLLIN);
    ck_silent_for(LIMIT / 2, epoll);
    put_byte(p.there);
    ck_reports(p.here, epoll);
    ck_assert_int_eq(plain_read(p.here, &(char){0}, 1), 1);
    add_again(epoll, p.here);
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

static void use_up_the_first_numbers(void)
{
    struct rlimit limit;
    ck_ok(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    ck_ok(setrlimit(RLIMIT_NOFILE, &limit));
    for (int fd = 0; fd < 1023; ck_ok(fd))
        fd = dup(STDIN_FILENO);
}

/* Of the first 1,024 numbers what is known is found sooner. */
START_TEST(with_high_numbers_a_connection_expires_and_a_removed_one_does_not)
{
    use_up_the_first_numbers();
    struct pair p = tcp_pair(), removed = tcp_pair();
    int epoll = instance_of(removed.here, EPOLLIN);
    ck_assert_int_gt(p.here, 1023);
    add(epoll, p.here, EPOLLIN);
    delete(epoll, removed.here);
    ck_expires_after(LIMIT, p.here, epoll);
    delete(epoll, p.here);
    ck_silent_for(LIMIT, epoll);
    ck_is_alive(removed.here);
}
END_TEST

/* The library has not seen that. */
START_TEST(changed_after_it_was_registered_unseen_a_connection_expires)
{
    struct pair p = tcp_pair();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {EPOLLOUT, {.fd = p.here}};
    ck_ok((int)syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, p.here, &event));
    event.events = EPOLLIN;
    ck_took_ms(LIMIT, ck_ok(epoll_ctl(epoll, EPOLL_CTL_MOD, p.here, &event));
                      ck_returns(1, wait_on(epoll, &event, 1, 2000)));
    ck_has_expired(p.here);
}
END_TEST

START_TEST(an_event_that_cannot_be_read_is_efault)
{
    int counter = eventfd(0, EFD_CLOEXEC), epoll = epoll_create1(EPOLL_CLOEXEC);
    ck_fails(EFAULT, epoll_ctl(epoll, EPOLL_CTL_ADD, counter, (struct epoll_event *)8));
}
END_TEST

START_TEST(with_its_instance_closed_a_connection_does_not_expire)
{
    struct pair p = tcp_pair(), other = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN), another = instance_of(other.here, EPOLLIN);
    close(epoll);
    ck_expires_after(LIMIT, other.here, another);
    delete(another, other.here);
    ck_silent_for(2 * LIMIT, another);
    ck_is_alive(p.here);
}
END_TEST

START_TEST(through_a_copy_of_its_instance_a_connection_expires)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN), copy = dup(epoll);
    ck_ok(copy);
    close(epoll);
    ck_assert_int_eq(ready_in(copy, 5 * LIMIT), p.here);
    ck_has_expired(p.here);
}
END_TEST

START_TEST(removed_through_a_copy_of_its_instance_a_connection_does_not_expire)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN), copy = dup(epoll);
    delete(copy, p.here);
    ck_silent_for(2 * LIMIT, epoll);
    ck_is_alive(p.here);
}
END_TEST

/* A number that is used again: by a limit that is smaller than its predecessor's, or larger. */
static const struct reuse {
    const char *name;
    int before, after;
} reuses[] = {{"smaller", 300, 60}, {"larger", 60, 300}};

static struct pair pair_numbered(int fd)
{
    struct pair p = tcp_pair();
    if (p.here != fd) {
        ck_assert_int_eq(dup2(p.here, fd), fd);
        close(p.here);
    }
    return (struct pair){fd, p.there};
}

START_TEST(a_number_used_again_while_registered_has_the_limit_of_its_new_socket)
{
    const struct reuse *reuse = VARIANT_IN(reuses);
    struct pair first = tcp_pair(), next;
    ck_ok(tsock_set_timeout(first.here, reuse->before));
    int epoll = instance_of(first.here, EPOLLIN);
    ck_silent_for(20, epoll);
    close(first.here);
    next = pair_numbered(first.here);
    ck_ok(tsock_set_timeout(next.here, reuse->after));
    add(epoll, next.here, EPOLLIN);
    ck_expires_after(reuse->after, next.here, epoll);
}
END_TEST

START_TEST(a_number_used_again_and_not_registered_does_not_expire)
{
    struct pair first = tcp_pair(), next;
    int epoll = instance_of(first.here, EPOLLIN);
    ck_ok(tsock_set_timeout(first.here, VARIANT_IN(reuses)->before));
    close(first.here);
    next = pair_numbered(first.here);
    ck_silent_for(350, epoll);
    ck_is_alive(next.here);
}
END_TEST

/* And it was idle for longer than its limit: nobody waited for it. */
static void ck_poll_has_the_whole_limit(struct pair p)
{
    plain_sleep_ms(2 * LIMIT);
    struct pollfd fd = {p.here, POLLIN, 0};
    ck_took_ms(LIMIT, ck_assert_int_eq(poll(&fd, 1, -1), 1));
    ck_has_expired(p.here);
}

START_TEST(a_connection_answered_and_removed_has_the_whole_limit_in_poll)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    ck_silent_for(LIMIT / 4, epoll);
    receive(p.here, p.there, epoll);
    delete(epoll, p.here);
    ck_poll_has_the_whole_limit(p);
}
END_TEST

START_TEST(a_connection_answered_has_the_whole_limit_in_poll_once_its_instance_is_closed)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    ck_silent_for(LIMIT / 4, epoll);
    receive(p.here, p.there, epoll);
    close(epoll);
    ck_poll_has_the_whole_limit(p);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const limit = "TIMEOUTSOCK_DEFAULT=120ms";
    const struct suite suites[] = {
        {"registrations", SETTINGS(limit),
         TESTS(changing_a_registration_does_not_put_expiry_off,
               taking_a_connection_out_and_adding_it_again_at_once_does_not_put_expiry_off,
               a_removed_connection_does_not_expire, with_high_numbers_a_connection_expires_and_a_removed_one_does_not,
               a_connection_answered_removed_idle_and_added_again_has_the_whole_limit,
               a_connection_answered_worked_on_and_added_again_has_the_whole_limit,
               changed_after_it_was_registered_unseen_a_connection_expires, an_event_that_cannot_be_read_is_efault,
               with_its_instance_closed_a_connection_does_not_expire,
               through_a_copy_of_its_instance_a_connection_expires,
               removed_through_a_copy_of_its_instance_a_connection_does_not_expire,
               a_connection_answered_and_removed_has_the_whole_limit_in_poll,
               a_connection_answered_has_the_whole_limit_in_poll_once_its_instance_is_closed), NULL},
        {"registrations, KINDS=all", SETTINGS(limit, "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_connection_of_a_kind_that_tells_nothing_has_the_whole_limit_when_added_again), NULL},
        {"reuse", SETTINGS(limit),
         TESTS(a_number_used_again_while_registered_has_the_limit_of_its_new_socket,
               a_number_used_again_and_not_registered_does_not_expire), NAMES_IN(reuses)},
        {0}};
    return run_suites(argv, suites);
}
