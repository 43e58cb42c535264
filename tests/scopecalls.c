/* Every call that waits ends at a scope's deadline, and fails at once in a scope whose
 * deadline has passed. */
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>

#include "blocking.h"
#include "lookups.h"
#include "scopes.h"
#include "suites.h"
#include "waits.h"

static tsock_scope_t scope;

static void ck_expires(void)
{
    ck_assert_int_eq(tsock_scope_expired(&scope), 1);
    ck_ok(tsock_scope_end(&scope));
}

/* A deadline does not take back what has been moved already. */
static void ck_ends(const struct blocking *b, int fd)
{
    errno = 0;
    long long result = b->call(fd);
    ck_assert_msg(result < 0 && errno == ETIMEDOUT, "%s returned %lld, errno %d", b->name, result, errno);
}

START_TEST(a_call_ends_at_the_deadline_and_the_next_one_at_once)
{
    const struct blocking *b = blocking_variant();
    int fd = b->open();
    int64_t began = begin_scope(&scope, SPAN);
    ck_ends_ms_after(SPAN, began, ck_ends(b, fd));
    ck_took_ms(0, ck_ends(b, fd));
    ck_expires();
    ck_ok(fcntl(fd, F_GETFL));
}
END_TEST

START_TEST(a_wait_returns_0_at_the_deadline_and_the_next_one_at_once)
{
    struct pair p = tcp_pair();
    int64_t began = begin_scope(&scope, SPAN);
    ck_ends_ms_after(SPAN, began, ck_returns(0, wait_for(p.here, POLLIN, -1)));
    ck_took_ms(0, ck_returns(0, wait_for(p.here, POLLIN, 10 * SPAN)));
    ck_took_ms(0, ck_returns(0, wait_for(p.here, POLLOUT, -1)));
    struct pollfd ready = {p.here, POLLOUT, POLLOUT};
    ck_returns(0, wait_on(&ready, 1, 10));
    ck_assert_int_eq(ready.revents & POLLOUT, 0);
    ck_returns(1, wait_for(p.here, POLLOUT, 0));
    ck_expires();
    ck_returns(1, wait_for(p.here, POLLOUT, -1));
    ck_returns(1, send(p.here, "x", 1, 0));
}
END_TEST

START_TEST(a_wait_after_the_deadline_returns_0_although_there_was_something_ready_just_before)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_scope_begin(&scope, TSOCK_NONE));
    ck_returns(1, wait_for(p.here, POLLOUT, -1));
    ck_ok(tsock_scope_set(&scope, 0));
    ck_returns(0, wait_for(p.here, POLLOUT, -1));
    ck_expires();
}
END_TEST

START_TEST(a_waits_own_time_that_is_up_first_is_not_the_scopes)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_scope_begin(&scope, 100 * SPAN));
    ck_took_ms(SPAN, ck_returns(0, wait_for(p.here, POLLIN, SPAN)));
    ck_ok(tsock_scope_set(&scope, 0));
    ck_took_ms(0, ck_returns(0, wait_for(p.here, POLLIN, 0)));
    ck_assert_int_eq(tsock_scope_expired(&scope), 0);
    ck_ok(tsock_scope_end(&scope));
}
END_TEST

START_TEST(a_look_up_ends_at_the_deadline_and_the_next_one_at_once)
{
    dns_begin();
    int64_t began = begin_scope(&scope, SPAN);
    ck_ends_ms_after(SPAN, began, ck_assert_int_eq(look_up(10), AGAIN));
    ck_took_ms(0, ck_assert_int_eq(look_up(11), AGAIN));
    ck_expires();
    ck_assert_int_eq(look_up(1), FOUND);
}
END_TEST

START_TEST(a_look_up_after_the_deadline_asks_nobody)
{
    dns_begin();
    ck_ok(tsock_scope_begin(&scope, 0));
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(look_up(1), AGAIN);
    ck_assert_int_eq(dns.asked, 0);
    ck_expires();
    ck_assert_int_eq(look_up(1), FOUND);
    ck_assert_int_gt(dns.asked, 0);
}
END_TEST

START_TEST(a_stream_ends_at_the_deadline_and_goes_on_after_it)
{
    char line[10];
    struct pair p = tcp_pair();
    int64_t began = begin_scope(&scope, SPAN);
    FILE *f = fdopen(p.here, "r+");
    ck_ends_ms_after(SPAN, began, ck_assert_ptr_null(fgets(line, sizeof line, f)));
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert(ferror(f));
    clearerr(f);
    ck_took_ms(0, ck_assert_ptr_null(fgets(line, sizeof line, f)));
    ck_assert_int_eq(errno, ETIMEDOUT);
    clearerr(f);
    fputs("x", f);
    ck_assert_int_eq(fflush(f), EOF);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_expires();
    clearerr(f);
    ck_assert_int_eq(plain_write(p.there, "line\n", 5), 5);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_str_eq(line, "line\n");
    fclose(f);
}
END_TEST

/* Only what was tried says what a connection is. */
START_TEST(a_connect_after_the_deadline_leaves_the_connection_as_it_is)
{
    struct pair p = tcp_pair();
    socklen_t len;
    struct sockaddr_storage name = name_of(p.there, &len);
    ck_ok(tsock_set_default_timeout(SPAN));
    int fd = tcp_connect(tcp_listener(1));
    ck_ok(tsock_scope_begin(&scope, 0));
    ck_fails(ETIMEDOUT, connect(fd, (struct sockaddr *)&name, len));
    ck_ok(tsock_scope_end(&scope));
    struct pollfd one = {fd, POLLIN, 0};
    ck_took_ms(SPAN, ck_returns(1, poll(&one, 1, 10 * SPAN)));
    char byte;
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"scope in calls", SETTINGS(NULL), TESTS(a_call_ends_at_the_deadline_and_the_next_one_at_once), blocking_names()},
        {"scope in waits", SETTINGS(NULL),
         TESTS(a_wait_returns_0_at_the_deadline_and_the_next_one_at_once,
               a_wait_after_the_deadline_returns_0_although_there_was_something_ready_just_before,
               a_waits_own_time_that_is_up_first_is_not_the_scopes), way_names(0)},
        {"scope in look-ups", SETTINGS(NULL),
         TESTS(a_look_up_ends_at_the_deadline_and_the_next_one_at_once, a_look_up_after_the_deadline_asks_nobody),
         lookup_names()},
        {"scope in others", SETTINGS(NULL),
         TESTS(a_stream_ends_at_the_deadline_and_goes_on_after_it,
               a_connect_after_the_deadline_leaves_the_connection_as_it_is), NULL},
        {0}};
    return run_suites(argv, suites);
}
