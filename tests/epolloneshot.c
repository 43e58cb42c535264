/* One-shot registrations in epoll: the program waits while one is armed.  One whose event
 * was delivered is disarmed until epoll_ctl arms it again, and the program may take all the
 * time it likes to work out its answer. */
#include "../shim/timeoutsock.h"
#include "epolls.h"
#include "suites.h"

#define LIMIT 120

START_TEST(expiry_is_the_one_event)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLONESHOT);
    ck_expires_after(LIMIT, p.here, epoll);
    ck_silent_for(30, epoll);
}
END_TEST

START_TEST(many_that_were_armed_right_after_connecting_all_expire)
{
    struct pair pairs[20];
    int epoll = epoll_create1(0);
    for (size_t i = 0; i < COUNT(pairs); i++)
        add(epoll, (pairs[i] = tcp_pair()).here, EPOLLIN | EPOLLONESHOT);
    for (size_t i = 0; i < COUNT(pairs); i++)
        ck_assert_msg(ready_in(epoll, 3 * LIMIT) >= 0, "only %zu have expired", i);
}
END_TEST

START_TEST(disarmed_by_data_that_came_later_never_expires)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLONESHOT);
    ck_silent_for(60, epoll);
    receive(p.here, p.there, epoll);
    ck_silent_for(3 * LIMIT, epoll);
    ck_is_alive(p.here);
}
END_TEST

START_TEST(disarmed_by_data_that_were_there_before_never_expires)
{
    struct pair p = tcp_pair();
    put_byte(p.there);
    int epoll = instance_of(p.here, EPOLLIN | EPOLLONESHOT);
    ck_reports(p.here, epoll);
    take_byte(p.here);
    ck_silent_for(3 * LIMIT, epoll);
    ck_is_alive(p.here);
}
END_TEST

START_TEST(armed_for_room_expires_although_data_have_come)
{
    struct pair p = full_pair();
    int epoll = instance_of(p.here, EPOLLOUT | EPOLLONESHOT);
    ck_silent_for(60, epoll);
    put_byte(p.there);
    ck_assert_int_eq(ready_in(epoll, 5 * LIMIT), p.here);
    ck_fails(ETIMEDOUT, send(p.here, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
}
END_TEST

START_TEST(armed_again_it_expires_at_its_limit)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLONESHOT);
    receive(p.here, p.there, epoll);
    ck_silent_for(2 * LIMIT, epoll);
    modify(epoll, p.here, EPOLLIN | EPOLLONESHOT);
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

START_TEST(disarmed_taken_out_and_added_again_at_once_it_has_the_whole_limit)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLONESHOT);
    receive(p.here, p.there, epoll);
    ck_silent_for(LIMIT / 2, epoll);
    delete(epoll, p.here);
    add(epoll, p.here, EPOLLIN);
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

START_TEST(many_that_were_armed_again_at_once_all_expire)
{
    struct pair pairs[20];
    int epoll = epoll_create1(0);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        add(epoll, (pairs[i] = tcp_pair()).here, EPOLLIN | EPOLLONESHOT);
        receive(pairs[i].here, pairs[i].there, epoll);
        modify(epoll, pairs[i].here, EPOLLIN | EPOLLONESHOT);
    }
    for (size_t i = 0; i < COUNT(pairs); i++)
        ck_assert_msg(ready_in(epoll, 3 * LIMIT) >= 0, "only %zu have expired", i);
}
END_TEST

START_TEST(arming_what_is_armed_does_not_put_expiry_off)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLONESHOT), fd = -1;
    for (int rounds = 10; rounds-- && fd < 0;) {
        fd = ready_in(epoll, LIMIT / 2);
        modify(epoll, p.here, EPOLLIN | EPOLLONESHOT);
    }
    ck_assert_int_eq(fd, p.here);
}
END_TEST

/* That it has been made nobody has waited for. */
START_TEST(armed_while_connecting_and_again_after_data_it_expires)
{
    int listener = tcp_listener(1), fd = connect_without_waiting(listener);
    int epoll = instance_of(fd, EPOLLIN | EPOLLONESHOT), there = accept(listener, NULL, NULL);
    receive(fd, there, epoll);
    modify(epoll, fd, EPOLLIN | EPOLLONESHOT);
    ck_expires_after(LIMIT, fd, epoll);
}
END_TEST

/* What a connection before it was armed with is not taken for its own. */
START_TEST(armed_while_connecting_it_expires_whatever_its_number_was_before)
{
    int listener = tcp_listener(1);
    struct pair before = tcp_pair();
    put_byte(before.there);
    int epoll = instance_of(before.here, EPOLLIN | EPOLLONESHOT);
    take_byte(before.here);
    close(before.here);
    int fd = connect_without_waiting(listener);
    ck_assert_int_eq(fd, before.here);
    add(epoll, fd, EPOLLIN | EPOLLONESHOT);
    ck_assert_int_eq(ready_in(epoll, 5 * LIMIT), fd);
    ck_has_expired(fd);
}
END_TEST

START_TEST(armed_while_a_connect_hangs_it_expires_at_the_limit_of_that)
{
    int fd = connect_without_waiting(full_listener()), epoll = instance_of(fd, EPOLLOUT | EPOLLONESHOT), error = 0;
    ck_took_ms(LIMIT, ck_assert_int_eq(ready_in(epoll, 5 * LIMIT), fd));
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}));
    ck_assert_int_eq(error, ETIMEDOUT);
}
END_TEST

START_TEST(arming_that_the_kernel_refuses_changes_nothing)
{
    struct pair p = tcp_pair();
    struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT};
    int epoll = instance_of(p.here, EPOLLIN);
    ck_fails(EEXIST, epoll_ctl(epoll, EPOLL_CTL_ADD, p.here, &event));
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

START_TEST(made_level_triggered_it_expires)
{
    struct pair p = tcp_pair();
    put_byte(p.there);
    int epoll = instance_of(p.here, EPOLLIN | EPOLLONESHOT);
    ck_reports(p.here, epoll);
    take_byte(p.here);
    modify(epoll, p.here, EPOLLIN);
    ck_assert_int_eq(ready_in(epoll, 5 * LIMIT), p.here);
    ck_has_expired(p.here);
}
END_TEST

/* KINDS=all: nothing but the waiting time tells of the connection. */
START_TEST(disarmed_connections_of_the_added_kinds_never_expire)
{
    struct pair pairs[] = {udp_pair(), unix_pair(SOCK_STREAM)};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        int epoll = instance_of(pairs[i].here, EPOLLIN | EPOLLONESHOT);
        receive(pairs[i].here, pairs[i].there, epoll);
        ck_silent_for(3 * LIMIT, epoll);
        ck_is_alive(pairs[i].here);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const limit = "TIMEOUTSOCK_DEFAULT=120ms";
    const struct suite suites[] = {
        {"one-shot", SETTINGS(limit),
         TESTS(expiry_is_the_one_event, many_that_were_armed_right_after_connecting_all_expire,
               disarmed_by_data_that_came_later_never_expires,
               disarmed_by_data_that_were_there_before_never_expires,
               armed_for_room_expires_although_data_have_come,
               armed_again_it_expires_at_its_limit,
               disarmed_taken_out_and_added_again_at_once_it_has_the_whole_limit,
               many_that_were_armed_again_at_once_all_expire,
               arming_what_is_armed_does_not_put_expiry_off, armed_while_connecting_and_again_after_data_it_expires,
               armed_while_connecting_it_expires_whatever_its_number_was_before,
               armed_while_a_connect_hangs_it_expires_at_the_limit_of_that,
               arming_that_the_kernel_refuses_changes_nothing, made_level_triggered_it_expires), NULL},
        {"one-shot, KINDS=all", SETTINGS(limit, "TIMEOUTSOCK_KINDS=all"),
         TESTS(disarmed_connections_of_the_added_kinds_never_expire), NULL},
        {0}};
    return run_suites(argv, suites);
}
