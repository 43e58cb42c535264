/* TIMEOUTSOCK_ERRNO=EAGAIN: what a call answers at a configured limit. */
#include <fcntl.h>
#include <poll.h>

#include "blocking.h"
#include "scopes.h"
#include "suites.h"

#define LIMIT 100       /* as in the settings below */

static char byte;

static int expected(void)
{
    return strcmp(blocking_variant()->name, "connect") ? EAGAIN : ETIMEDOUT;
}

START_TEST(a_call_that_reaches_a_configured_limit_fails_with_eagain_and_a_connect_with_etimedout)
{
    int fd = blocking_variant()->open();
    ck_took_ms(LIMIT, ck_fails(expected(), blocking_variant()->call(fd)));
}
END_TEST

START_TEST(the_programs_own_limit_and_its_scope_are_etimedout)
{
    int fd = blocking_variant()->open();
    tsock_scope_t scope;
    ck_ok(tsock_set_timeout(fd, LIMIT / 2));
    ck_took_ms(LIMIT / 2, ck_fails(ETIMEDOUT, blocking_variant()->call(fd)));
    int64_t began = begin_scope(&scope, LIMIT / 4);
    ck_ends_ms_after(LIMIT / 4, began, ck_fails(ETIMEDOUT, blocking_variant()->call(fd)));
    ck_fails(ETIMEDOUT, blocking_variant()->call(fd));
    ck_ok(tsock_scope_end(&scope));
}
END_TEST

START_TEST(the_programs_own_default_is_etimedout)
{
    int fd = blocking_variant()->open();
    ck_ok(tsock_set_default_timeout(LIMIT / 2));
    ck_took_ms(LIMIT / 2, ck_fails(ETIMEDOUT, blocking_variant()->call(fd)));
}
END_TEST

START_TEST(the_connection_is_over_after_it)
{
    struct pair p = tcp_pair();
    ck_took_ms(LIMIT, ck_fails(EAGAIN, recv(p.here, &byte, 1, 0)));
    ck_returns(0, recv(p.here, &byte, 1, 0));
}
END_TEST

static int expired_in_poll(void)
{
    int fd = tcp_pair().here;
    struct pollfd one = {fd, POLLIN, 0};
    ck_took_ms(LIMIT, ck_returns(1, poll(&one, 1, -1)));
    return fd;
}

START_TEST(after_an_event_wait_a_receive_answers_eagain_and_so_error_etimedout)
{
    int fd = expired_in_poll(), error = -1;
    ck_fails(EAGAIN, recv(fd, &byte, 1, 0));
    ck_returns(0, recv(fd, &byte, 1, 0));
    fd = expired_in_poll();
    socklen_t len = sizeof error;
    ck_returns(0, getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, ETIMEDOUT);
}
END_TEST

static int hanging_connect(struct sockaddr_storage *name, socklen_t *len)
{
    *name = name_of(full_listener(), len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)name, *len));
    struct pollfd one = {fd, POLLOUT, 0};
    ck_returns(1, poll(&one, 1, -1));
    return fd;
}

START_TEST(a_non_blocking_connect_is_etimedout_in_so_error_and_in_connect)
{
    struct sockaddr_storage name;
    socklen_t name_len, len;
    int fd = hanging_connect(&name, &name_len), error = -1;
    len = sizeof error;
    ck_returns(0, getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, ETIMEDOUT);
    fd = hanging_connect(&name, &name_len);
    ck_fails(ETIMEDOUT, connect(fd, (struct sockaddr *)&name, name_len));
}
END_TEST

static void count(int fd, void *counter)
{
    (void)fd;
    ++*(int *)counter;
}

START_TEST(a_cleanup_is_called_for_it_and_for_no_other_eagain)
{
    int fd = tcp_pair().here, called = 0;
    ck_ok(tsock_set_cleanup(fd, count, &called));
    ck_fails(EAGAIN, recv(fd, &byte, 1, MSG_DONTWAIT));
    ck_assert_int_eq(called, 0);
    ck_fails(EAGAIN, recv(fd, &byte, 1, 0));
    ck_assert_int_eq(called, 1);
}
END_TEST

START_TEST(a_connection_whose_time_is_over_answers_eagain)
{
    int fd = tcp_pair().here;
    plain_sleep_ms(2 * LIMIT);
    ck_took_ms(0, ck_fails(EAGAIN, recv(fd, &byte, 1, 0)));
    ck_returns(0, recv(fd, &byte, 1, 0));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *configured = SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_ERRNO=EAGAIN");
    const struct suite suites[] = {
        {"eagain of calls", configured,
         TESTS(a_call_that_reaches_a_configured_limit_fails_with_eagain_and_a_connect_with_etimedout,
               the_programs_own_limit_and_its_scope_are_etimedout, the_programs_own_default_is_etimedout),
         blocking_names()},
        {"eagain", configured,
         TESTS(the_connection_is_over_after_it, after_an_event_wait_a_receive_answers_eagain_and_so_error_etimedout,
               a_non_blocking_connect_is_etimedout_in_so_error_and_in_connect,
               a_cleanup_is_called_for_it_and_for_no_other_eagain), NULL},
        {"eagain of the total", SETTINGS("TIMEOUTSOCK_TOTAL=200ms", "TIMEOUTSOCK_ERRNO=EAGAIN"),
         TESTS(a_connection_whose_time_is_over_answers_eagain), NULL},
        {0}};
    return run_suites(argv, suites);
}
