/* TIMEOUTSOCK_TOTAL: a connection's whole life, however it came to be. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "drip.h"
#include "peer.h"
#include "scopes.h"
#include "suites.h"

#define TOTAL 300       /* as in the settings below */
#define GAP 20

static char room[4096];

/* Connections as they come to be under a configured total, with the time of that. */
static struct pair pair;

static int connected(void)
{
    pair = tcp_pair();
    return pair.here;
}

static int accepted(void)
{
    pair = tcp_pair();
    return pair.there;
}

/* Of which the library has seen nothing; it begins when it is first asked about. */
static int inherited(void)
{
    pair = tcp_pair();
    int fd = (int)syscall(SYS_dup, pair.here);
    syscall(SYS_close, pair.here);
    return fd;
}

static int copied(void)
{
    pair = tcp_pair();
    return dup(pair.here);
}

static const struct origin { const char *name; int (*open)(void); } origins[] = {
    {"connected", connected}, {"accepted", accepted}, {"inherited", inherited}, {"copied", copied},
};

static int open_variant(int *peer)
{
    const struct origin *origin = VARIANT_IN(origins);
    int fd = origin->open();
    *peer = origin->open == accepted ? pair.here : pair.there;
    return fd;
}

static int drips_until_etimedout(void)
{
    int peer, fd;
    int64_t began = now_ns();
    fd = open_variant(&peer);
    start_dripping(peer, GAP);
    ck_ends_ms_after(TOTAL, began, ck_assert_int_eq(receive_all(fd), ETIMEDOUT));
    stop_dripping();
    return fd;
}

START_TEST(with_action_shutdown_it_is_etimedout_once_and_then_over)
{
    int fd = drips_until_etimedout();
    signal(SIGPIPE, SIG_IGN);
    while (plain_read(fd, room, sizeof room) > 0);
    ck_returns(0, recv(fd, room, 1, 0));
    ck_fails(EPIPE, send(fd, room, 1, 0));
}
END_TEST

START_TEST(with_action_error_every_further_call_is_etimedout_and_the_connection_stays)
{
    int fd = drips_until_etimedout();
    for (int i = 0; i < 3; i++)
        ck_fails(ETIMEDOUT, recv(fd, room, 1, 0));
    ck_fails(ETIMEDOUT, send(fd, room, 1, 0));
    ck_assert_int_eq(plain_write(fd, "x", 1), 1);
}
END_TEST

START_TEST(the_programs_own_total_wins_over_the_configured_one)
{
    int peer, fd = open_variant(&peer);
    ck_ok(tsock_set_phase_timeout(fd, TSOCK_TOTAL, TSOCK_NONE));
    start_dripping(peer, GAP);
    int64_t began = now_ns();
    while (now_ns() - began < 2 * TOTAL * INT64_C(1000000))
        ck_assert_int_gt(recv(fd, room, sizeof room, 0), 0);
    stop_dripping();
}
END_TEST

static void receive_in_child(void *fd)
{
    ck_assert_int_eq(receive_all(*(int *)fd), ETIMEDOUT);
}

START_TEST(a_childs_connection_began_when_its_parents_did)
{
    int peer, fd;
    int64_t began = now_ns();
    fd = open_variant(&peer);
    ck_ok(fcntl(fd, F_GETFL));
    ck_fails(EAGAIN, recv(fd, room, 1, MSG_DONTWAIT));
    plain_sleep_ms(TOTAL / 2);
    ck_ends_ms_after(TOTAL, began, in_child(receive_in_child, &fd));
}
END_TEST

START_TEST(a_listening_socket_is_not_touched_by_it)
{
    int listener = tcp_listener(2);
    ck_ok(tsock_set_phase_timeout(listener, TSOCK_ACCEPT, 2 * TOTAL));
    ck_took_ms(2 * TOTAL, ck_fails(ETIMEDOUT, accept(listener, NULL, NULL)));
    struct pollfd p = {listener, POLLIN, 0};
    ck_took_ms(2 * TOTAL, ck_returns(0, poll(&p, 1, 2 * TOTAL)));
    int client = tcp_connect(listener);
    int fd = accept(listener, NULL, NULL);
    ck_ok(fd);
    ck_returns(1, send(client, "x", 1, 0));
    ck_returns(1, recv(fd, room, 1, 0));
}
END_TEST

START_TEST(a_connect_that_hangs_ends_by_it_and_a_new_one_has_all_its_time)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(full_listener(), &len);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 2; i++)
        ck_took_ms(TOTAL, ck_fails(ETIMEDOUT, connect(fd, (struct sockaddr *)&name, len)));
}
END_TEST

/* Programs ask so whether a connect has succeeded. */
START_TEST(another_connect_does_not_prolong_it)
{
    struct pair p = tcp_pair();
    socklen_t len;
    struct sockaddr_storage name = name_of(p.there, &len);
    int64_t began = now_ns();
    int fd = tcp_connect(tcp_listener(1));
    plain_sleep_ms(TOTAL / 2);
    ck_fails(EISCONN, connect(fd, (struct sockaddr *)&name, len));
    ck_ends_ms_after(TOTAL, began, ck_assert_int_eq(receive_all(fd), ETIMEDOUT));
}
END_TEST

/* Nothing can be shut down there. */
START_TEST(a_pipe_answers_etimedout_at_every_further_call)
{
    struct pair p = pipe_pair();
    ck_took_ms(TOTAL, ck_fails(ETIMEDOUT, read(p.here, room, 1)));
    for (int i = 0; i < 3; i++)
        ck_took_ms(0, ck_fails(ETIMEDOUT, read(p.here, room, 1)));
}
END_TEST

START_TEST(a_non_blocking_connect_that_hangs_answers_etimedout_and_leaves_no_other_error)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(full_listener(), &len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)&name, len));
    plain_sleep_ms(TOTAL);
    ck_fails(ETIMEDOUT, recv(fd, room, 1, 0));
    int error = -1;
    len = sizeof error;
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, 0);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *by_origin = NAMES_IN(origins);
    const struct suite suites[] = {
        {"total and shutdown", SETTINGS("TIMEOUTSOCK_TOTAL=300ms"),
         TESTS(with_action_shutdown_it_is_etimedout_once_and_then_over,
               the_programs_own_total_wins_over_the_configured_one, a_childs_connection_began_when_its_parents_did),
         by_origin},
        {"total and error", SETTINGS("TIMEOUTSOCK_TOTAL=300ms", "TIMEOUTSOCK_ACTION=error"),
         TESTS(with_action_error_every_further_call_is_etimedout_and_the_connection_stays), by_origin},
        {"total", SETTINGS("TIMEOUTSOCK_TOTAL=300ms", "TIMEOUTSOCK_KINDS=tcp,pipe"),
         TESTS(a_listening_socket_is_not_touched_by_it, a_connect_that_hangs_ends_by_it_and_a_new_one_has_all_its_time,
               another_connect_does_not_prolong_it, a_pipe_answers_etimedout_at_every_further_call,
               a_non_blocking_connect_that_hangs_answers_etimedout_and_leaves_no_other_error), NULL},
        {0}};
    return run_suites(argv, suites);
}
