/* Scopes (tsock_scope_begin): one deadline for several calls, and what the functions
 * answer.  Nothing else is limited. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/syscall.h>

#include "scopes.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static char byte;
static int silent;     /* connected before any scope begins */
static tsock_scope_t outer, inner;

static void ck_ends_now(int fd)
{
    ck_took_ms(0, ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0)));
}

START_TEST(a_send_and_a_receive_have_one_deadline_together)
{
    struct pair full = full_pair();
    int64_t began = now_ns();
    ck_returns(0, tsock_scope_begin(&outer, 2 * SPAN));
    ck_ok(tsock_set_timeout(full.here, SPAN));
    ck_took_ms(SPAN, ck_fails(ETIMEDOUT, send(full.here, &byte, 1, 0)));
    ck_assert_int_eq(tsock_scope_expired(&outer), 0);
    ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0));
    assert_took_ms(2 * SPAN, now_ns() - began);
    ck_assert_int_eq(tsock_scope_expired(&outer), 1);
    ck_returns(0, tsock_scope_end(&outer));
    ck_assert_int_eq(tsock_scope_expired(&outer), 1);
}
END_TEST

START_TEST(a_connection_outlives_a_scope_and_so_do_the_bytes_that_came_late)
{
    struct pair p = tcp_pair();
    int64_t began = begin_scope(&outer, SPAN);
    ck_ends_ms_after(SPAN, began, ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0)));
    ck_assert_int_eq(plain_write(p.there, "x", 1), 1);
    ck_assert(plain_is_readable(p.here, LONG));
    ck_ends_now(p.here);
    ck_ok(tsock_scope_end(&outer));
    ck_returns(1, recv(p.here, &byte, 1, 0));
    ck_returns(1, send(p.here, "x", 1, 0));
    ck_returns(1, recv(p.there, &byte, 1, 0));
}
END_TEST

START_TEST(a_call_that_has_moved_bytes_at_the_deadline_returns_them)
{
    struct pair p = tcp_pair();
    char room[10];
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    int64_t began = begin_scope(&outer, SPAN);
    ck_ends_ms_after(SPAN, began, ck_returns(3, recv(p.here, room, sizeof room, MSG_WAITALL)));
    ck_assert_int_eq(tsock_scope_expired(&outer), 1);
    ck_ends_now(p.here);
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

START_TEST(a_call_that_never_waits_is_left_alone_after_the_deadline)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_scope_begin(&outer, 0));
    ck_fails(EAGAIN, recv(p.here, &byte, 1, MSG_DONTWAIT));
    ck_ok(fcntl(p.here, F_SETFL, O_NONBLOCK));
    ck_fails(EAGAIN, recv(p.here, &byte, 1, 0));
    ck_returns(1, send(p.here, "x", 1, 0));
    struct pollfd none = {p.here, POLLIN, 0};
    ck_returns(0, poll(&none, 1, 0));
    ck_assert_int_eq(tsock_scope_expired(&outer), 0);
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

/* The library has not seen it, because nothing was limited then. */
START_TEST(o_nonblock_from_before_the_first_scope_is_known_too)
{
    struct pair p = tcp_pair();
    ck_ok(fcntl(p.here, F_SETFL, O_NONBLOCK));
    ck_ok(tsock_scope_begin(&outer, 0));
    ck_fails(EAGAIN, recv(p.here, &byte, 1, 0));
    ck_assert_int_eq(tsock_scope_expired(&outer), 0);
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

START_TEST(a_file_in_place_of_a_socket_that_was_closed_unseen_is_read_after_the_deadline)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_scope_begin(&outer, 0));
    ck_ends_now(p.here);
    int file = open("/proc/self/exe", O_RDONLY);
    ck_assert_int_eq(syscall(SYS_dup3, file, p.here, 0), p.here);
    ck_returns(1, read(p.here, &byte, 1));
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

START_TEST(a_scope_without_a_deadline_limits_nothing_until_one_is_set)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_scope_begin(&outer, SPAN));
    ck_returns(0, tsock_scope_set(&outer, TSOCK_NONE));
    ck_ok(tsock_set_timeout(p.here, 2 * SPAN));
    ck_took_ms(2 * SPAN, ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0)));
    ck_assert_int_eq(tsock_scope_expired(&outer), 0);
    int64_t began = set_scope(&outer, SPAN);
    ck_ends_ms_after(SPAN, began, ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0)));
    ck_assert_int_eq(tsock_scope_expired(&outer), 1);
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

START_TEST(pending_and_remaining_tell_of_a_scopes_own_deadline)
{
    ck_ok(tsock_scope_begin(&outer, LONG));
    ck_returns(1, tsock_scope_pending(&outer));
    int left = tsock_scope_remaining(&outer);
    ck_assert_int_gt(left, LONG - 20000);
    ck_assert_int_le(left, LONG);
    ck_ok(tsock_scope_set(&outer, TSOCK_NONE));
    ck_returns(0, tsock_scope_pending(&outer));
    ck_returns(TSOCK_NONE, tsock_scope_remaining(&outer));
    ck_ok(tsock_scope_set(&outer, INT_MAX));
    ck_assert_int_gt(tsock_scope_remaining(&outer), INT_MAX - 20000);
    ck_ok(tsock_scope_set(&outer, 0));
    ck_returns(0, tsock_scope_pending(&outer));
    ck_returns(0, tsock_scope_remaining(&outer));
    ck_returns(0, tsock_scope_expired(&outer));
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

START_TEST(remaining_is_rounded_up_and_never_less_than_what_is_left)
{
    int64_t began = now_ns();
    ck_ok(tsock_scope_begin(&outer, SPAN));
    do {
        int left = tsock_scope_remaining(&outer);
        ck_assert_int_le(left, SPAN);
        ck_assert_int_ge(left * INT64_C(1000000), SPAN * INT64_C(1000000) - (now_ns() - began));
    } while (tsock_scope_pending(&outer));
    ck_returns(0, tsock_scope_remaining(&outer));
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

static void ck_is_in_no_scope(tsock_scope_t *scope)
{
    ck_fails(EINVAL, tsock_scope_end(scope));
    ck_fails(EINVAL, tsock_scope_set(scope, SPAN));
    ck_fails(EINVAL, tsock_scope_shield(scope, 1));
    ck_returns(0, tsock_scope_pending(scope));
    errno = 0;
    ck_assert_int_eq(tsock_scope_remaining(scope), TSOCK_ERROR);
    ck_assert_int_eq(errno, EINVAL);
}

START_TEST(what_is_not_begun_or_has_ended_is_einval)
{
    ck_is_in_no_scope(&outer);
    ck_ok(tsock_scope_begin(&outer, LONG));
    ck_is_in_no_scope(&inner);
    ck_ok(tsock_scope_end(&outer));
    ck_is_in_no_scope(&outer);
}
END_TEST

START_TEST(less_than_tsock_none_is_einval_and_changes_nothing)
{
    static const int bad[] = {TSOCK_DEFAULT, TSOCK_ERROR, INT_MIN};
    ck_ok(tsock_scope_begin(&outer, LONG));
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_fails(EINVAL, tsock_scope_begin(&inner, bad[i]));
        ck_fails(EINVAL, tsock_scope_set(&outer, bad[i]));
    }
    ck_is_in_no_scope(&inner);
    ck_returns(1, tsock_scope_pending(&outer));
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

START_TEST(errno_is_left_alone)
{
    struct pair p = tcp_pair();
    ck_assert_int_eq(plain_write(p.there, "xy", 2), 2);
    ck_returns(0, tsock_scope_begin(&outer, LONG));
    ck_returns(1, recv(p.here, &byte, 1, 0));
    struct pollfd one = {p.here, POLLIN, 0};
    ck_returns(1, poll(&one, 1, -1));
    ck_returns(0, tsock_scope_set(&outer, LONG));
    ck_returns(0, tsock_scope_shield(&outer, 1));
    ck_returns(0, tsock_scope_end(&outer));
    ck_returns(0, tsock_scope_expired(&outer));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    silent = silent_socket();
    return run_tests("scope",
                     TESTS(a_send_and_a_receive_have_one_deadline_together,
                           a_connection_outlives_a_scope_and_so_do_the_bytes_that_came_late,
                           a_call_that_has_moved_bytes_at_the_deadline_returns_them,
                           a_call_that_never_waits_is_left_alone_after_the_deadline,
                           o_nonblock_from_before_the_first_scope_is_known_too,
                           a_file_in_place_of_a_socket_that_was_closed_unseen_is_read_after_the_deadline,
                           a_scope_without_a_deadline_limits_nothing_until_one_is_set,
                           pending_and_remaining_tell_of_a_scopes_own_deadline,
                           remaining_is_rounded_up_and_never_less_than_what_is_left,
                           what_is_not_begun_or_has_ended_is_einval,
                           less_than_tsock_none_is_einval_and_changes_nothing, errno_is_left_alone));
}
