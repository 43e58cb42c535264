/* What the kinds of registration in epoll add to its rules (tests/epoll.c): level- and
 * edge-triggered, exclusive.  One-shot ones are in tests/epolloneshot.c. */
#include "../shim/timeoutsock.h"
#include "epolls.h"
#include "suites.h"

#define LIMIT 120

/* level- and edge-triggered */

START_TEST(level_triggered_an_expired_connection_is_reported_until_it_is_closed)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    ck_expires_after(LIMIT, p.here, epoll);
    for (int looks = 3; looks--;)
        ck_reports(p.here, epoll);
    close(p.here);
    ck_silent_for(0, epoll);
}
END_TEST

/* The peer's kernel acknowledging the shutdown makes a second edge. */
START_TEST(edge_triggered_an_expired_connection_is_not_reported_for_ever)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLET);
    ck_expires_after(LIMIT, p.here, epoll);
    for (int edges = 0; ready_in(epoll, 100) == p.here; edges++)
        ck_assert_int_lt(edges, 2);
}
END_TEST

/* Rust's mio and others register so and then never change it. */
START_TEST(edge_triggered_in_both_directions_a_silent_connection_expires)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    ck_reports(p.here, epoll);
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

START_TEST(edge_triggered_data_put_expiry_off)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN | EPOLLET);
    ck_silent_for(80, epoll);
    receive(p.here, p.there, epoll);
    ck_expires_after(LIMIT, p.here, epoll);
}
END_TEST

/* EPOLLEXCLUSIVE */

START_TEST(exclusive_a_silent_connection_expires_at_its_limit)
{
    struct pair p = tcp_pair();
    ck_expires_after(LIMIT, p.here, instance_of(p.here, EPOLLIN | EPOLLEXCLUSIVE));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const limit = "TIMEOUTSOCK_DEFAULT=120ms";
    const struct suite suites[] = {
        {"edges", SETTINGS(limit),
         TESTS(level_triggered_an_expired_connection_is_reported_until_it_is_closed,
               edge_triggered_an_expired_connection_is_not_reported_for_ever,
               edge_triggered_in_both_directions_a_silent_connection_expires, edge_triggered_data_put_expiry_off,
               exclusive_a_silent_connection_expires_at_its_limit), epoll_names},
        {0}};
    return run_suites(argv, suites);
}
