/* What moves on a connection keeps it from expiring in event waits, and a connection that
 * is still being made has a limit of its own.  Every test runs for every way to wait. */
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "../shim/timeoutsock.h"
#include "suites.h"
#include "waits.h"

#define LIMIT 300
#define NEARLY (LIMIT * 85 / 100)

static void peer_sends(const struct pair *p)
{
    ck_assert_int_eq(send(p->there, "x", 1, 0), 1);
}

static void we_send(const struct pair *p)
{
    ck_assert_int_eq(send(p->here, "x", 1, 0), 1);
}

static int64_t ms_since(int64_t began)
{
    return (now_ns() - began) / 1000000;
}

/* Whether the connection lives through `rounds` of near silence.  `moved` says when the
 * last byte was sent: a machine that is late has made the silence too long itself. */
static bool lives(const struct pair *p, short events, void (*move)(const struct pair *), int rounds, int64_t *moved)
{
    for (*moved = now_ns(); rounds--; *moved = now_ns()) {
        if (wait_for(p->here, events, NEARLY))
            return false;
        move(p);
    }
    return true;
}

static void ck_lives(short events, void (*move)(const struct pair *))
{
    for (int tries = 5; tries--;) {
        struct pair p = events & POLLOUT ? full_pair() : tcp_pair();
        int64_t moved;
        if (lives(&p, events, move, 4, &moved)) {
            ck_returns(1, wait_for(p.here, events, -1));
            assert_took_ms(LIMIT, now_ns() - moved + 10000000);     /* the kernel counts in ticks */
            return;
        }
        ck_assert_msg(ms_since(moved) >= LIMIT - 10, "expired after %d ms of silence", (int)ms_since(moved));
    }
    ck_abort_msg("expired five times");
}

START_TEST(bytes_that_arrive_while_we_wait_for_room_put_expiry_off)
{
    ck_lives(POLLOUT, peer_sends);
}
END_TEST

START_TEST(bytes_that_we_send_while_we_wait_for_an_answer_put_expiry_off)
{
    ck_lives(POLLIN, we_send);
}
END_TEST

/* The peer: a byte at the end of each near silence. */
static void drip(const struct pair *p, int count)
{
    pid_t child = fork();
    ck_ok(child);
    while (!child && count--) {
        plain_sleep_ms(NEARLY);
        if (send(p->there, "x", 1, 0) != 1)
            _exit(EXIT_FAILURE);
    }
    if (!child)
        _exit(EXIT_SUCCESS);
}

static bool receives(const struct pair *p, int count, int64_t *moved)
{
    for (*moved = now_ns(); count--; *moved = now_ns()) {
        char byte;
        ck_returns(1, wait_for(p->here, POLLIN, -1));
        if (recv(p->here, &byte, 1, 0) != 1)
            return false;
    }
    return true;
}

START_TEST(bytes_that_arrive_near_the_limit_again_and_again_are_all_received)
{
    for (int tries = 5; tries--;) {
        struct pair p = tcp_pair();
        drip(&p, 5);
        int64_t moved;
        if (receives(&p, 5, &moved))
            return;
        ck_assert_int_eq(errno, ETIMEDOUT);
        ck_assert_msg(ms_since(moved) >= LIMIT, "expired after %d ms of silence", (int)ms_since(moved));
    }
    ck_abort_msg("expired five times");
}
END_TEST

/* Sends a byte every `ms` without heed of the answer, until the connection expires. */
static void send_until_it_expires(const struct pair *p, int ms)
{
    while (!wait_for(p->here, POLLIN, ms))
        we_send(p);
    ck_fails(ETIMEDOUT, send(p->here, "x", 1, 0));
}

/* An unplugged cable: no segment reaches the peer's socket any more. */
static void unplug(int fd)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

/* The kernel knows once it has sent something again: after 200 ms, or more where a busy machine
 * took its time to connect. */
START_TEST(sending_to_a_peer_that_no_longer_acknowledges_does_not_put_expiry_off)
{
    struct pair p = tcp_pair();
    unplug(p.there);
    ck_ok(tsock_set_timeout(p.here, 1500));
    ck_took_ms(1500, send_until_it_expires(&p, 50));
}
END_TEST

/* Long enough for some zero-window probes, the first after 200 ms. */
START_TEST(probing_a_peer_that_does_not_take_the_data_does_not_put_expiry_off)
{
    struct pair p = full_pair();
    ck_ok(tsock_set_timeout(p.here, 900));
    ck_took_ms(900, ck_returns(1, wait_for(p.here, POLLOUT, -1)));
    ck_fails(ETIMEDOUT, send(p.here, "x", 1, 0));
}
END_TEST

/* TIMEOUTSOCK_CONNECT=100ms, _DEFAULT=250ms */

static int connect_without_waiting(int listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)&name, len));
    return fd;
}

static int connect_again(int fd, int listener)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    return connect(fd, (struct sockaddr *)&name, len);
}

static int error_of(int fd)
{
    int error = -1;
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}));
    return error;
}

static int tcp_state(int fd)
{
    struct tcp_info info;
    ck_ok(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){sizeof info}));
    return info.tcpi_state;
}

START_TEST(a_connect_that_hangs_expires_at_the_connect_limit)
{
    int fd = connect_without_waiting(full_listener());
    ck_took_ms(100, ck_returns(1, wait_for(fd, POLLOUT, -1)));
    ck_assert_int_eq(error_of(fd), ETIMEDOUT);
    ck_assert_int_eq(error_of(fd), 0);
}
END_TEST

START_TEST(short_waits_for_a_connect_add_up)
{
    int fd = connect_without_waiting(full_listener()), ready;
    ck_took_ms(100, while (!(ready = wait_for(fd, POLLOUT, 15))););
    ck_assert_int_eq(ready, 1);
}
END_TEST

START_TEST(a_second_connect_says_etimedout_and_starts_no_new_attempt)
{
    int listener = full_listener(), fd = connect_without_waiting(listener);
    ck_returns(1, wait_for(fd, POLLOUT, -1));
    ck_fails(ETIMEDOUT, connect_again(fd, listener));
    ck_assert_int_eq(tcp_state(fd), TCP_CLOSE);
    ck_assert_int_eq(error_of(fd), 0);
}
END_TEST

START_TEST(a_third_connect_starts_a_new_attempt_with_the_whole_limit)
{
    int listener = full_listener(), fd = connect_without_waiting(listener);
    ck_returns(1, wait_for(fd, POLLOUT, -1));
    ck_fails(ETIMEDOUT, connect_again(fd, listener));
    ck_fails(EINPROGRESS, connect_again(fd, listener));
    ck_took_ms(100, ck_returns(1, wait_for(fd, POLLOUT, -1)));
    ck_assert_int_eq(error_of(fd), ETIMEDOUT);
}
END_TEST

START_TEST(a_connect_that_is_under_way_still_says_ealready)
{
    int listener = full_listener();
    int64_t began = now_ns();
    int fd = connect_without_waiting(listener);
    ck_returns(0, wait_for(fd, POLLOUT, 20));
    ck_fails(EALREADY, connect_again(fd, listener));
    ck_returns(1, wait_for(fd, POLLOUT, -1));
    assert_took_ms(100, now_ns() - began);
}
END_TEST

START_TEST(a_refused_connect_is_told_at_once)
{
    int bound = tcp_listener(1);
    socklen_t len;
    struct sockaddr_storage name = name_of(bound, &len);
    close(bound);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)&name, len));
    ck_took_ms(0, ck_returns(1, wait_for(fd, POLLOUT, -1)));
    ck_assert_int_eq(error_of(fd), ECONNREFUSED);
}
END_TEST

START_TEST(a_connection_made_in_time_has_the_limit_of_reading)
{
    int fd = connect_without_waiting(tcp_listener(1));
    ck_took_ms(0, ck_returns(1, wait_for(fd, POLLOUT, -1)));
    ck_assert_int_eq(error_of(fd), 0);
    ck_took_ms(250, ck_returns(1, wait_for(fd, POLLIN, -1)));
    char byte;
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0));
}
END_TEST

START_TEST(a_connection_made_unnoticed_has_the_limit_of_reading)
{
    int fd = connect_without_waiting(tcp_listener(1));
    ck_took_ms(250 - 10, ck_returns(1, wait_for(fd, POLLIN, -1)));
}
END_TEST

/* TIMEOUTSOCK_CONNECT=300ms */

START_TEST(the_connect_limit_counts_from_connect_and_not_from_the_wait)
{
    int listener = full_listener();
    int64_t began = now_ns();
    int fd = connect_without_waiting(listener);
    plain_sleep_ms(250);
    ck_returns(1, wait_for(fd, POLLOUT, -1));
    assert_took_ms(300, now_ns() - began);
    ck_assert_int_eq(error_of(fd), ETIMEDOUT);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = way_names(0);
    const struct suite suites[] = {
        {"moving", SETTINGS("TIMEOUTSOCK_DEFAULT=300ms"),
         TESTS(bytes_that_arrive_while_we_wait_for_room_put_expiry_off,
               bytes_that_we_send_while_we_wait_for_an_answer_put_expiry_off,
               bytes_that_arrive_near_the_limit_again_and_again_are_all_received,
               sending_to_a_peer_that_no_longer_acknowledges_does_not_put_expiry_off,
               probing_a_peer_that_does_not_take_the_data_does_not_put_expiry_off), all},
        {"connecting", SETTINGS("TIMEOUTSOCK_CONNECT=100ms", "TIMEOUTSOCK_DEFAULT=250ms"),
         TESTS(a_connect_that_hangs_expires_at_the_connect_limit,
               short_waits_for_a_connect_add_up,
               a_second_connect_says_etimedout_and_starts_no_new_attempt,
               a_third_connect_starts_a_new_attempt_with_the_whole_limit,
               a_connect_that_is_under_way_still_says_ealready, a_refused_connect_is_told_at_once,
               a_connection_made_in_time_has_the_limit_of_reading,
               a_connection_made_unnoticed_has_the_limit_of_reading), all},
        {"connecting before waiting", SETTINGS("TIMEOUTSOCK_CONNECT=300ms"),
         TESTS(the_connect_limit_counts_from_connect_and_not_from_the_wait), all},
        {0}};
    return run_suites(argv, suites);
}
