/* What becomes of a connection that has expired in an event wait.  Every test runs for
 * every way to wait. */
#include <fcntl.h>
#include <netinet/in.h>

#include "../shim/timeoutsock.h"
#include "suites.h"
#include "waits.h"

#define LIMIT 100

static ssize_t by_recv(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0);
}

static ssize_t by_read(int fd)
{
    char byte;
    return read(fd, &byte, 1);
}

static ssize_t by_send(int fd)
{
    return send(fd, "x", 1, MSG_NOSIGNAL);
}

static ssize_t by_connect(int fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
        return 0;
    return connect(fd, (struct sockaddr *)&peer, len);
}

static ssize_t by_so_error(int fd)
{
    int error = -1;
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}));
    errno = error;
    return error ? -1 : 0;
}

static const struct answer {
    ssize_t (*call)(int fd);
    int afterwards;             /* errno; 0: the call returns 0 */
} answers[] = {
    {by_recv, 0}, {by_read, 0}, {by_send, EPIPE}, {by_connect, EISCONN}, {by_so_error, 0},
};

static void expire(int fd, short events)
{
    ck_took_ms(LIMIT, ck_returns(1, wait_for(fd, events, -1)));
}

START_TEST(the_next_call_says_etimedout_once_and_then_what_the_kernel_says)
{
    for (const struct answer *answer = answers; answer < answers + COUNT(answers); answer++) {
        int fd = tcp_pair().here;
        expire(fd, POLLIN);
        ck_fails(ETIMEDOUT, answer->call(fd));
        for (int i = 0; i < 2; i++)
            if (answer->afterwards)
                ck_fails(answer->afterwards, answer->call(fd));
            else
                ck_assert_int_eq(answer->call(fd), 0);
    }
}
END_TEST

START_TEST(whichever_call_comes_first_takes_the_answer)
{
    int fd = tcp_pair().here;
    expire(fd, POLLIN);
    ck_fails(ETIMEDOUT, by_so_error(fd));
    ck_assert_int_eq(by_recv(fd), 0);
    ck_fails(EPIPE, by_send(fd));
}
END_TEST

/* TIMEOUTSOCK_ERRNO=EAGAIN: it is about calls that move data, not about what has become of a
 * connection. */
START_TEST(data_says_eagain_and_the_connection_etimedout)
{
    static const struct { ssize_t (*call)(int fd); int error; } calls[] = {
        {by_recv, EAGAIN}, {by_read, EAGAIN}, {by_send, EAGAIN}, {by_connect, ETIMEDOUT}, {by_so_error, ETIMEDOUT}};
    for (size_t i = 0; i < COUNT(calls); i++) {
        int fd = tcp_pair().here;
        expire(fd, POLLIN);
        ck_fails(calls[i].error, calls[i].call(fd));
        ck_assert_int_eq(by_recv(fd), 0);
    }
}
END_TEST

START_TEST(it_stays_ready_for_both_directions)
{
    int fd = tcp_pair().here;
    expire(fd, POLLIN);
    ck_took_ms(0, ck_returns(1, wait_for(fd, POLLIN, -1)));
    ck_took_ms(0, ck_returns(1, wait_for(fd, POLLOUT, -1)));
    ck_fails(ETIMEDOUT, by_recv(fd));
    ck_took_ms(0, ck_returns(1, wait_for(fd, POLLIN, -1)));
}
END_TEST

START_TEST(the_peer_is_told_that_it_is_over)
{
    struct pair p = tcp_pair();
    expire(p.here, POLLIN);
    ck_assert(plain_is_readable(p.there, 1000));
    ck_assert_int_eq(by_recv(p.there), 0);
}
END_TEST

START_TEST(a_new_connection_of_the_same_number_knows_nothing_of_it)
{
    struct pair p = tcp_pair(), other = tcp_pair();
    expire(p.here, POLLIN);
    ck_assert_int_eq(dup2(other.here, p.here), p.here);
    ck_assert_int_eq(send(other.there, "x", 1, 0), 1);
    ck_assert_int_eq(by_recv(p.here), 1);
    expire(p.here, POLLIN);
}
END_TEST

/* The limit fails calls and ends nothing: TIMEOUTSOCK_ACTION=error, tsock_set_timeout,
 * tsock_set_default_timeout. */

static void ck_usable(const struct pair *p)
{
    ck_assert_int_eq(by_send(p->there), 1);
    ck_took_ms(0, ck_returns(1, wait_for(p->here, POLLIN, -1)));
    ck_assert_int_eq(by_recv(p->here), 1);
    ck_assert_int_eq(by_send(p->here), 1);
    ck_assert(plain_is_readable(p->there, 1000));
    ck_assert_int_eq(by_recv(p->there), 1);
}

static void ck_only_reported(const struct pair *p)
{
    expire(p->here, POLLIN);
    ck_assert(!plain_is_readable(p->there, 0));
    ck_took_ms(0, ck_returns(1, wait_for(p->here, POLLIN, -1)));
    ck_took_ms(0, ck_returns(1, wait_for(p->here, POLLIN | POLLOUT, -1)));      /* and it has room */
    ck_fails(ETIMEDOUT, by_recv(p->here));
    ck_usable(p);
    expire(p->here, POLLIN);
    ck_fails(ETIMEDOUT, by_so_error(p->here));
    ck_usable(p);
}

START_TEST(with_action_error_it_is_reported_and_stays_usable)
{
    struct pair p = tcp_pair();
    ck_only_reported(&p);
}
END_TEST

START_TEST(with_a_limit_of_its_own_it_is_reported_and_stays_usable)
{
    struct pair pairs[] = {tcp_pair(), unix_pair(SOCK_STREAM), udp_pair()};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        ck_ok(tsock_set_timeout(pairs[i].here, LIMIT));
        ck_only_reported(&pairs[i]);
    }
}
END_TEST

START_TEST(with_the_programs_default_it_is_reported_and_stays_usable)
{
    ck_ok(tsock_set_default_timeout(LIMIT));
    struct pair p = tcp_pair();
    ck_only_reported(&p);
}
END_TEST

/* The kernel makes some more room as the data is acknowledged. */
static size_t fill_for_good(int fd)
{
    size_t sent = 0;
    for (size_t n; (n = fill(fd)); sent += n)
        plain_sleep_ms(10);
    return sent;
}

static void drain(int fd, size_t bytes)
{
    static char block[65536];
    for (ssize_t n; bytes; bytes -= (size_t)n) {
        n = recv(fd, block, bytes < sizeof block ? bytes : sizeof block, 0);
        ck_assert_int_gt(n, 0);
    }
}

START_TEST(with_a_limit_of_its_own_it_is_reported_ready_for_sending)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, LIMIT));
    size_t sent = fill_for_good(p.here);
    expire(p.here, POLLOUT);
    ck_fails(ETIMEDOUT, by_send(p.here));
    drain(p.there, sent);
    ck_usable(&p);
}
END_TEST

START_TEST(with_a_limit_of_0_it_expires_at_once)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, 0));
    plain_sleep_ms(20);     /* the kernel counts what has moved in ticks */
    ck_took_ms(0, ck_returns(1, wait_for(p.here, POLLIN, -1)));
    ck_fails(ETIMEDOUT, by_recv(p.here));
    ck_usable(&p);
}
END_TEST

/* TIMEOUTSOCK_KINDS=pipe */

static struct pair pipe_pair(void)
{
    int fds[2];
    ck_ok(pipe(fds));
    return (struct pair){fds[0], fds[1]};
}

START_TEST(a_silent_pipe_is_reported_and_its_next_read_says_etimedout)
{
    struct pair p = pipe_pair();
    expire(p.here, POLLIN);
    ck_took_ms(0, ck_returns(1, wait_for(p.here, POLLIN, -1)));
    ck_fails(ETIMEDOUT, by_read(p.here));
    ck_assert_int_eq(write(p.there, "x", 1), 1);
    ck_took_ms(0, ck_returns(1, wait_for(p.here, POLLIN, -1)));
    ck_assert_int_eq(by_read(p.here), 1);
    expire(p.here, POLLIN);
}
END_TEST

START_TEST(a_full_pipe_is_reported_and_its_next_write_says_etimedout)
{
    struct pair p = pipe_pair();
    ck_ok(fcntl(p.there, F_SETFL, O_NONBLOCK));
    char block[4096] = {0};
    while (write(p.there, block, sizeof block) > 0);
    ck_assert_int_eq(errno, EAGAIN);
    expire(p.there, POLLOUT);
    ck_fails(ETIMEDOUT, write(p.there, block, sizeof block));
    ck_fails(EAGAIN, write(p.there, block, sizeof block));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = way_names(0);
    const struct suite suites[] = {
        {"expired", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(the_next_call_says_etimedout_once_and_then_what_the_kernel_says,
               whichever_call_comes_first_takes_the_answer, it_stays_ready_for_both_directions,
               the_peer_is_told_that_it_is_over, a_new_connection_of_the_same_number_knows_nothing_of_it), all},
        {"expired, ACTION=error", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_ACTION=error"),
         TESTS(with_action_error_it_is_reported_and_stays_usable), all},
        {"expired, ERRNO=EAGAIN", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_ERRNO=EAGAIN"),
         TESTS(data_says_eagain_and_the_connection_etimedout), all},
        {"expired, by the program", SETTINGS("TIMEOUTSOCK_DEFAULT=30"),
         TESTS(with_a_limit_of_its_own_it_is_reported_and_stays_usable,
               with_the_programs_default_it_is_reported_and_stays_usable,
               with_a_limit_of_its_own_it_is_reported_ready_for_sending, with_a_limit_of_0_it_expires_at_once), all},
        {"expired pipe", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=pipe"),
         TESTS(a_silent_pipe_is_reported_and_its_next_read_says_etimedout,
               a_full_pipe_is_reported_and_its_next_write_says_etimedout), all},
        {0}};
    return run_suites(argv, suites);
}
