/* Which connections expire in a wait of epoll, and when.  Every test runs for every such
 * call.  What the kinds of registration add is in tests/epollrules.c. */
#include <netinet/in.h>

#include "../shim/timeoutsock.h"
#include "epolls.h"
#include "suites.h"

#define LIMIT 150

START_TEST(a_silent_connection_expires_at_its_limit)
{
    struct pair p = tcp_pair();
    ck_took_ms(LIMIT, ck_assert_int_eq(ready_in(instance_of(p.here, EPOLLIN), -1), p.here));
    ck_has_expired(p.here);
}
END_TEST

START_TEST(an_expired_connection_is_ready_for_what_was_asked)
{
    struct pair p = tcp_pair();
    struct epoll_event event = {0};
    ck_took_ms(LIMIT, ck_returns(1, wait_on(instance_of(p.here, EPOLLIN | EPOLLRDHUP), &event, 1, -1)));
    ck_assert_uint_eq(event.events & (EPOLLIN | EPOLLRDHUP), EPOLLIN | EPOLLRDHUP);
    ck_fails(ETIMEDOUT, send(p.here, "x", 1, MSG_NOSIGNAL));
    ck_fails(EPIPE, send(p.here, "x", 1, MSG_NOSIGNAL));
}
END_TEST

START_TEST(a_connection_without_room_to_send_expires_at_its_limit)
{
    struct pair p = full_pair();
    ck_expires_after(LIMIT, p.here, instance_of(p.here, EPOLLOUT));
}
END_TEST

static int hurried(int epoll, int ms)
{
    int fd;
    while ((fd = ready_in(epoll, ms)) < 0);
    return fd;
}

START_TEST(short_waits_in_a_loop_add_up)
{
    struct pair p = tcp_pair();
    ck_took_ms(LIMIT, ck_assert_int_eq(hurried(instance_of(p.here, EPOLLIN), 20), p.here));
    ck_has_expired(p.here);
}
END_TEST

START_TEST(looks_without_waiting_add_up_too)
{
    struct pair p = tcp_pair();
    ck_took_ms(LIMIT, ck_assert_int_eq(hurried(instance_of(p.here, EPOLLIN), 0), p.here));
    ck_has_expired(p.here);
}
END_TEST

START_TEST(a_timeout_of_the_programs_own_ends_the_wait_exactly)
{
    static const int own[] = {0, 1, 20, 50};
    for (size_t i = 0; i < COUNT(own); i++)
        ck_silent_for(own[i], instance_of(tcp_pair().here, EPOLLIN));
}
END_TEST

START_TEST(a_longer_timeout_of_the_programs_own_does_not_put_expiry_off)
{
    struct pair p = tcp_pair();
    ck_took_ms(LIMIT, ck_assert_int_eq(ready_in(instance_of(p.here, EPOLLIN), 2000), p.here));
    ck_has_expired(p.here);
}
END_TEST

START_TEST(a_timeout_longer_than_the_limit_is_kept_where_nothing_expires)
{
    struct pair p = unix_pair(SOCK_STREAM);
    ck_silent_for(2 * LIMIT, instance_of(p.here, EPOLLIN));
    ck_is_alive(p.here);
}
END_TEST

START_TEST(waiting_does_not_use_the_processor)
{
    int epoll = instance_of(tcp_pair().here, EPOLLIN);
    ck_idles(ck_returns(1, wait_on(epoll, &(struct epoll_event){0}, 1, -1)));
}
END_TEST

START_TEST(data_in_time_are_reported_and_the_wait_begins_anew)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    ck_silent_for(40, epoll);
    receive(p.here, p.there, epoll);
    ck_expires_after(LIMIT - 10, p.here, epoll);        /* the kernel counts in ticks */
}
END_TEST

START_TEST(data_that_nobody_takes_are_reported_for_as_long_as_they_are_there)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    put_byte(p.there);
    plain_sleep_ms(2 * LIMIT);
    for (int looks = 3; looks--;)
        ck_reports(p.here, epoll);
    take_byte(p.here);
}
END_TEST

START_TEST(an_accepted_connection_does_not_expire)
{
    struct pair p = tcp_pair();
    ck_silent_for(2 * LIMIT, instance_of(p.there, EPOLLIN));
    ck_is_alive(p.there);
}
END_TEST

START_TEST(an_accepted_connection_expires_at_a_limit_of_its_own)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.there, 60));
    ck_expires_after(60, p.there, instance_of(p.there, EPOLLIN));
}
END_TEST

START_TEST(a_limit_smaller_than_any_before_holds_for_what_is_registered_already)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    ck_silent_for(0, epoll);
    ck_ok(tsock_set_timeout(p.here, 30));
    ck_expires_after(30, p.here, epoll);
}
END_TEST

START_TEST(a_connection_whose_limit_is_lifted_never_expires)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    ck_ok(tsock_set_timeout(p.here, TSOCK_NONE));
    ck_silent_for(2 * LIMIT, epoll);
    ck_is_alive(p.here);
}
END_TEST

/* and with EVENTS=all, KINDS=all */

START_TEST(a_listening_socket_never_expires)
{
    int listener = tcp_listener(1), epoll = instance_of(listener, EPOLLIN);
    ck_silent_for(2 * LIMIT, epoll);
    ck_ok(tcp_connect(listener));
    ck_reports(listener, epoll);
    ck_ok(accept(listener, NULL, NULL));
}
END_TEST

START_TEST(an_unconnected_socket_never_expires)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_silent_for(2 * LIMIT, instance_of(fd, EPOLLIN));
    ck_is_alive(fd);
}
END_TEST

/* EVENTS=all, KINDS=all */

START_TEST(an_accepted_connection_expires_like_any_other)
{
    struct pair p = tcp_pair();
    ck_expires_after(LIMIT, p.there, instance_of(p.there, EPOLLIN));
}
END_TEST

START_TEST(connections_of_the_added_kinds_expire)
{
    struct pair pairs[] = {udp_pair(), unix_pair(SOCK_STREAM), unix_pair(SOCK_SEQPACKET)};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        ck_took_ms(LIMIT, ck_assert_int_eq(ready_in(instance_of(pairs[i].here, EPOLLIN), 2000), pairs[i].here));
        ck_fails(ETIMEDOUT, recv(pairs[i].here, &(char){0}, 1, MSG_DONTWAIT));
    }
}
END_TEST

START_TEST(a_wait_of_the_added_kinds_begins_anew_after_data)
{
    struct pair pairs[] = {udp_pair(), unix_pair(SOCK_STREAM)};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        int epoll = instance_of(pairs[i].here, EPOLLIN);
        ck_silent_for(100, epoll);
        receive(pairs[i].here, pairs[i].there, epoll);
        ck_took_ms(LIMIT - 5, ck_assert_int_eq(ready_in(epoll, 2000), pairs[i].here));
    }
}
END_TEST

/* A limit so long that a wait which begins anew only when the next look is due is late. */
START_TEST(a_wait_of_the_added_kinds_begins_anew_after_sending)
{
    struct pair pairs[] = {udp_pair(), unix_pair(SOCK_STREAM), unix_pair(SOCK_SEQPACKET)};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        int epoll = instance_of(pairs[i].here, EPOLLIN);
        ck_silent_for(10, epoll);
        ck_returns(1, send(pairs[i].here, "x", 1, MSG_DONTWAIT));
        ck_took_ms(4 * LIMIT - 5, ck_assert_int_eq(ready_in(epoll, 2000), pairs[i].here));
    }
}
END_TEST

START_TEST(pipes_are_left_alone)
{
    int fds[2];
    ck_ok(pipe(fds));
    int epoll = instance_of(fds[0], EPOLLIN);
    ck_silent_for(2 * LIMIT, epoll);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_reports(fds[0], epoll);
    ck_returns(1, read(fds[0], &(char){0}, 1));
}
END_TEST

/* EVENTS=off */

START_TEST(nothing_expires)
{
    struct pair idle = tcp_pair(), full = full_pair();
    int epoll = instance_of(idle.here, EPOLLIN);
    add(epoll, full.here, EPOLLOUT);
    ck_silent_for(2 * LIMIT, epoll);
    ck_is_alive(idle.here);
    ck_is_alive(full.here);
}
END_TEST

START_TEST(a_limit_of_its_own_expires_a_connection_all_the_same)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, 60));
    ck_expires_after(60, p.here, instance_of(p.here, EPOLLIN));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"epoll", SETTINGS("TIMEOUTSOCK_DEFAULT=150ms"),
         TESTS(a_silent_connection_expires_at_its_limit, an_expired_connection_is_ready_for_what_was_asked,
               a_connection_without_room_to_send_expires_at_its_limit, short_waits_in_a_loop_add_up,
               looks_without_waiting_add_up_too, a_timeout_of_the_programs_own_ends_the_wait_exactly,
               a_longer_timeout_of_the_programs_own_does_not_put_expiry_off,
               a_timeout_longer_than_the_limit_is_kept_where_nothing_expires, waiting_does_not_use_the_processor,
               data_in_time_are_reported_and_the_wait_begins_anew,
               data_that_nobody_takes_are_reported_for_as_long_as_they_are_there,
               an_accepted_connection_does_not_expire, an_accepted_connection_expires_at_a_limit_of_its_own,
               a_limit_smaller_than_any_before_holds_for_what_is_registered_already,
               a_connection_whose_limit_is_lifted_never_expires, a_listening_socket_never_expires),
         epoll_names},
        {"epoll, EVENTS=all", SETTINGS("TIMEOUTSOCK_DEFAULT=150ms", "TIMEOUTSOCK_EVENTS=all", "TIMEOUTSOCK_KINDS=all"),
         TESTS(an_accepted_connection_expires_like_any_other, a_listening_socket_never_expires,
               an_unconnected_socket_never_expires, connections_of_the_added_kinds_expire,
               a_wait_of_the_added_kinds_begins_anew_after_data, pipes_are_left_alone),
         epoll_names},
        {"epoll, KINDS=all", SETTINGS("TIMEOUTSOCK_DEFAULT=600ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_wait_of_the_added_kinds_begins_anew_after_sending), epoll_names},
        {"epoll, EVENTS=off", SETTINGS("TIMEOUTSOCK_DEFAULT=150ms", "TIMEOUTSOCK_EVENTS=off"),
         TESTS(nothing_expires, a_limit_of_its_own_expires_a_connection_all_the_same), epoll_names},
        {0}};
    return run_suites(argv, suites);
}
