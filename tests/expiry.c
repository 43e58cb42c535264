/* Which connections expire in an event wait, and when.  Every test runs for every way to
 * wait (tests/waits.h). */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "../shim/timeoutsock.h"
#include "suites.h"
#include "waits.h"

#define LIMIT 150

static void ck_expires_after(int ms, int fd, short events)
{
    ck_took_ms(ms, ck_returns(1, wait_for(fd, events, -1)));
}

static void ck_silent_for(int ms, int fd, short events)
{
    ck_took_ms(ms, ck_returns(0, wait_for(fd, events, ms)));
}

START_TEST(a_silent_connection_expires_at_its_limit)
{
    ck_expires_after(LIMIT, tcp_pair().here, POLLIN);
}
END_TEST

START_TEST(a_silent_non_blocking_connection_expires_at_its_limit)
{
    struct pair p = tcp_pair();
    ck_ok(fcntl(p.here, F_SETFL, O_NONBLOCK));
    ck_expires_after(LIMIT, p.here, POLLIN);
    char byte;
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
    ck_returns(0, recv(p.here, &byte, 1, 0));
}
END_TEST

START_TEST(a_connection_without_room_to_send_expires_at_its_limit)
{
    struct pair p = full_pair();
    ck_expires_after(LIMIT, p.here, POLLOUT);
    ck_fails(ETIMEDOUT, send(p.here, "x", 1, 0));
}
END_TEST

START_TEST(a_connection_waited_for_in_both_directions_expires_at_its_limit)
{
    struct pair p = full_pair();
    ck_expires_after(LIMIT, p.here, POLLIN | POLLOUT);
}
END_TEST

static int hurried(int fd)
{
    int ready;
    while (!(ready = wait_for(fd, POLLIN, 20)));
    return ready;
}

START_TEST(short_waits_in_a_loop_add_up)
{
    struct pair p = tcp_pair();
    ck_took_ms(LIMIT, ck_assert_int_eq(hurried(p.here), 1));
    char byte;
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
}
END_TEST

START_TEST(looks_without_waiting_add_up_too_and_return_at_once)
{
    struct pair p = tcp_pair();
    ck_silent_for(0, p.here, POLLIN);
    plain_sleep_ms(LIMIT);
    ck_expires_after(0, p.here, POLLIN);
}
END_TEST

static void ck_begins_anew_after_data(struct pair p)
{
    ck_silent_for(40, p.here, POLLIN);
    ck_assert_int_eq(write(p.there, "x", 1), 1);
    ck_expires_after(0, p.here, POLLIN);
    char byte;
    ck_returns(1, recv(p.here, &byte, 1, MSG_DONTWAIT));
    ck_expires_after(LIMIT, p.here, POLLIN);
}

START_TEST(a_wait_begins_anew_after_data)
{
    ck_begins_anew_after_data(tcp_pair());
}
END_TEST

START_TEST(a_timeout_of_the_programs_own_ends_the_wait_exactly)
{
    static const int own[] = {0, 1, 40, 90};
    for (size_t i = 0; i < COUNT(own); i++)
        ck_silent_for(own[i], tcp_pair().here, POLLIN);
}
END_TEST

START_TEST(a_longer_timeout_of_the_programs_own_does_not_put_expiry_off)
{
    ck_took_ms(LIMIT, ck_returns(1, wait_for(tcp_pair().here, POLLIN, 2000)));
}
END_TEST

START_TEST(a_timeout_longer_than_the_limit_is_kept_where_nothing_expires)
{
    struct pair p = unix_pair(SOCK_STREAM);
    ck_silent_for(2 * LIMIT, p.here, POLLIN);
}
END_TEST

static void wait_until_all_have_expired(struct pollfd *fds, nfds_t count)
{
    for (int left = (int)count; left;) {
        int ready = wait_on(fds, count, -1);
        ck_assert_int_gt(ready, 0);
        left -= ready;
        for (struct pollfd *p = fds; p < fds + count; p++)
            if (p->fd >= 0 && p->revents)
                p->fd = -1;
    }
}

START_TEST(connections_that_are_waited_for_together_expire_together)
{
    struct pollfd fds[5];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = (struct pollfd){tcp_pair().here, POLLIN, 0};
    ck_took_ms(LIMIT, wait_until_all_have_expired(fds, COUNT(fds)));
}
END_TEST

START_TEST(each_connection_has_the_limit_that_is_set_on_it)
{
    struct pair slow = tcp_pair(), quick = tcp_pair(), never = tcp_pair();
    ck_ok(tsock_set_timeout(never.here, TSOCK_NONE));
    ck_ok(tsock_set_timeout(quick.here, 40));
    struct pollfd fds[] = {{slow.here, POLLIN, 0}, {quick.here, POLLIN, 0}, {never.here, POLLIN, 0}};
    int64_t began = now_ns();
    ck_returns(1, wait_on(fds, COUNT(fds), -1));
    assert_took_ms(40, now_ns() - began);
    ck_assert_int_ne(fds[1].revents, 0);
    fds[1].fd = -1;
    ck_returns(1, wait_on(fds, COUNT(fds), -1));
    assert_took_ms(LIMIT, now_ns() - began);
    ck_assert_int_ne(fds[0].revents, 0);
    ck_silent_for(2 * LIMIT, never.here, POLLIN);
}
END_TEST

START_TEST(an_accepted_connection_does_not_expire)
{
    ck_silent_for(2 * LIMIT, tcp_pair().there, POLLIN);
}
END_TEST

START_TEST(an_accepted_connection_expires_at_a_limit_of_its_own)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.there, 60));
    ck_expires_after(60, p.there, POLLIN);
}
END_TEST

/* EVENTS=all */

START_TEST(an_accepted_connection_expires_like_any_other)
{
    struct pair p = tcp_pair();
    ck_expires_after(LIMIT, p.there, POLLIN);
    char byte;
    ck_fails(ETIMEDOUT, recv(p.there, &byte, 1, 0));
}
END_TEST

START_TEST(a_listening_socket_never_expires)
{
    int listener = tcp_listener(1);
    ck_silent_for(2 * LIMIT, listener, POLLIN);
    ck_ok(tcp_connect(listener));
    ck_expires_after(0, listener, POLLIN);
    ck_ok(accept(listener, NULL, NULL));
}
END_TEST

START_TEST(an_unconnected_socket_never_expires)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_ok(bind(fd, (struct sockaddr *)&any, sizeof any));
    ck_silent_for(2 * LIMIT, fd, POLLIN);
}
END_TEST

START_TEST(connections_of_the_added_kinds_expire)
{
    struct pair pairs[] = {udp_pair(), unix_pair(SOCK_STREAM), unix_pair(SOCK_SEQPACKET)};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        ck_expires_after(LIMIT, pairs[i].here, POLLIN);
        char byte;
        ck_fails(ETIMEDOUT, recv(pairs[i].here, &byte, 1, 0));
    }
}
END_TEST

START_TEST(a_wait_of_the_added_kinds_begins_anew_after_data)
{
    ck_begins_anew_after_data(udp_pair());
    ck_begins_anew_after_data(unix_pair(SOCK_STREAM));
}
END_TEST

/* EVENTS=off */

START_TEST(nothing_expires)
{
    ck_silent_for(2 * LIMIT, tcp_pair().here, POLLIN);
    struct pair p = full_pair();
    ck_silent_for(2 * LIMIT, p.here, POLLOUT);
}
END_TEST

START_TEST(a_limit_of_its_own_expires_a_connection_all_the_same)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, 60));
    ck_expires_after(60, p.here, POLLIN);
}
END_TEST

/* TIMEOUTSOCK_READ and _WRITE differ; both are shorter than the kernel waits before it
 * tries to send something to a full peer. */

static int ms_of(const char *setting)
{
    return atoi(getenv(setting));
}

START_TEST(silence_has_the_limit_of_the_direction_that_is_waited_for)
{
    int read = ms_of("TIMEOUTSOCK_READ"), write = ms_of("TIMEOUTSOCK_WRITE");
    struct pair reading = tcp_pair(), writing = full_pair(), both = full_pair();
    ck_expires_after(write, writing.here, POLLOUT);
    ck_expires_after(read, reading.here, POLLIN);
    ck_expires_after(read < write ? read : write, both.here, POLLIN | POLLOUT);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = way_names(0);
    const struct suite suites[] = {
        {"expiry", SETTINGS("TIMEOUTSOCK_DEFAULT=150ms"),
         TESTS(a_silent_connection_expires_at_its_limit, a_silent_non_blocking_connection_expires_at_its_limit,
               a_connection_without_room_to_send_expires_at_its_limit,
               a_connection_waited_for_in_both_directions_expires_at_its_limit, short_waits_in_a_loop_add_up,
               looks_without_waiting_add_up_too_and_return_at_once, a_wait_begins_anew_after_data,
               a_longer_timeout_of_the_programs_own_does_not_put_expiry_off,
               a_timeout_longer_than_the_limit_is_kept_where_nothing_expires,
               connections_that_are_waited_for_together_expire_together,
               each_connection_has_the_limit_that_is_set_on_it, an_accepted_connection_does_not_expire,
               an_accepted_connection_expires_at_a_limit_of_its_own, a_listening_socket_never_expires), all},
        {"expiry, later than the program waits", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(a_timeout_of_the_programs_own_ends_the_wait_exactly), all},
        {"expiry, EVENTS=all",
         SETTINGS("TIMEOUTSOCK_DEFAULT=150ms", "TIMEOUTSOCK_EVENTS=all", "TIMEOUTSOCK_KINDS=all"),
         TESTS(an_accepted_connection_expires_like_any_other, a_listening_socket_never_expires,
               an_unconnected_socket_never_expires, connections_of_the_added_kinds_expire,
               a_wait_of_the_added_kinds_begins_anew_after_data), all},
        {"expiry, EVENTS=off", SETTINGS("TIMEOUTSOCK_DEFAULT=150ms", "TIMEOUTSOCK_EVENTS=off"),
         TESTS(nothing_expires, a_limit_of_its_own_expires_a_connection_all_the_same), all},
        {"expiry, quicker to write", SETTINGS("TIMEOUTSOCK_READ=140ms", "TIMEOUTSOCK_WRITE=20ms"),
         TESTS(silence_has_the_limit_of_the_direction_that_is_waited_for), all},
        {"expiry, quicker to read", SETTINGS("TIMEOUTSOCK_READ=20ms", "TIMEOUTSOCK_WRITE=140ms"),
         TESTS(silence_has_the_limit_of_the_direction_that_is_waited_for), all},
        {0}};
    return run_suites(argv, suites);
}
