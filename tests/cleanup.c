/* tsock_set_cleanup: what is called when a call times out, once, before that call returns. */
#include "../shim/timeoutsock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include "blocking.h"
#include "peer.h"
#include "scopes.h"
#include "suites.h"

#define LIMIT 100       /* as in the settings below */

static char byte;

static struct call {
    int fd, count;
    void *argument;
} called;

static void note(int fd, void *argument)
{
    called = (struct call){fd, called.count + 1, argument};
    errno = 42;
}

static void ck_called(int count, int fd, const void *argument)
{
    ck_assert_int_eq(called.count, count);
    if (!count)
        return;
    ck_assert_int_eq(called.fd, fd);
    ck_assert_ptr_eq(called.argument, argument);
}

START_TEST(it_is_called_once_before_a_call_that_times_out_returns)
{
    int fd = blocking_variant()->open(), marks[2];
    ck_ok(tsock_set_timeout(fd, LIMIT / 2));
    for (int i = 0; i < 2; i++) {
        ck_returns(0, tsock_set_cleanup(fd, note, &marks[i]));
        for (int again = 0; again < 2; again++) {
            ck_fails(ETIMEDOUT, blocking_variant()->call(fd));
            ck_called(i + 1, fd, &marks[i]);
        }
    }
}
END_TEST

START_TEST(it_is_called_for_the_programs_own_limit_for_a_scope_and_for_a_total)
{
    struct pair p = tcp_pair();
    tsock_scope_t scope;
    ck_ok(tsock_set_cleanup(p.here, note, &p));
    ck_ok(tsock_set_timeout(p.here, LIMIT / 2));
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
    ck_called(1, p.here, &p);
    for (int i = 0; i < 2; i++) {
        ck_ok(tsock_set_cleanup(p.here, note, &scope));
        begin_scope(&scope, i ? 0 : LIMIT / 4);
        ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
        ck_called(2 + i, p.here, &scope);
        ck_ok(tsock_scope_end(&scope));
    }
    ck_ok(tsock_set_phase_timeout(p.here, TSOCK_TOTAL, 0));
    ck_ok(tsock_set_cleanup(p.here, note, &byte));
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
    ck_called(4, p.here, &byte);
}
END_TEST

START_TEST(a_part_that_is_returned_at_the_limit_is_a_time_out_too)
{
    struct pair p = tcp_pair();
    char room[2];
    ck_ok(tsock_set_cleanup(p.here, note, &p));
    ck_assert_int_eq(plain_write(p.there, "x", 1), 1);
    ck_returns(1, recv(p.here, room, sizeof room, MSG_WAITALL));
    ck_called(1, p.here, &p);
}
END_TEST

static void close_it(int fd, void *argument)
{
    note(fd, argument);
    close(fd);
}

START_TEST(it_may_close_the_descriptor)
{
    int fd = blocking_variant()->open(), mark;
    ck_ok(tsock_set_timeout(fd, LIMIT));
    ck_ok(tsock_set_cleanup(fd, close_it, &mark));
    ck_fails(ETIMEDOUT, blocking_variant()->call(fd));
    ck_called(1, fd, &mark);
    ck_assert_int_eq(syscall(SYS_fcntl, fd, F_GETFD), -1);
    while (socket(AF_INET, SOCK_STREAM, 0) < fd);
    ck_returns(TSOCK_DEFAULT, tsock_get_timeout(fd));
    ck_assert_int_eq(timeout_of(fd, SO_RCVTIMEO), 0);
    ck_assert_int_eq(timeout_of(fd, SO_SNDTIMEO), 0);
}
END_TEST

static void shut_it(int fd, void *argument)
{
    note(fd, argument);
    shutdown(fd, SHUT_RDWR);
}

START_TEST(it_may_shut_the_connection_down)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, LIMIT));
    ck_ok(tsock_set_cleanup(p.here, shut_it, &p));
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
    ck_called(1, p.here, &p);
    ck_returns(0, recv(p.here, &byte, 1, 0));
}
END_TEST

static void set_again(int fd, void *argument)
{
    note(fd, argument);
    tsock_set_cleanup(fd, set_again, argument);
    char other;
    recv(fd, &other, 1, MSG_DONTWAIT);
}

START_TEST(it_may_set_itself_again)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, LIMIT / 4));
    ck_ok(tsock_set_cleanup(p.here, set_again, &p));
    for (int i = 1; i < 4; i++) {
        ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
        ck_called(i, p.here, &p);
    }
}
END_TEST

START_TEST(a_copy_has_none_and_the_original_keeps_its_own)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, LIMIT / 4));
    ck_ok(tsock_set_cleanup(p.here, note, &p));
    int copies[] = {dup(p.here), fcntl(p.here, F_DUPFD, 0), dup2(p.here, tcp_pair().here)};
    for (int i = 0; i < 3; i++) {
        ck_fails(ETIMEDOUT, recv(copies[i], &byte, 1, 0));
        ck_called(0, -1, NULL);
    }
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
    ck_called(1, p.here, &p);
}
END_TEST

START_TEST(null_removes_it_and_so_does_close)
{
    struct pair p = tcp_pair(), q = tcp_pair();
    ck_ok(tsock_set_cleanup(p.here, note, &p));
    ck_returns(0, tsock_set_cleanup(p.here, NULL, NULL));
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
    ck_ok(tsock_set_cleanup(p.here, note, &p));
    close(p.here);
    ck_assert_int_eq(dup2(q.here, p.here), p.here);
    ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0));
    ck_ok(tsock_set_cleanup(q.there, note, &p));
    ck_assert_int_eq(dup2(tcp_pair().here, q.there), q.there);
    ck_fails(ETIMEDOUT, recv(q.there, &byte, 1, 0));
    ck_called(0, -1, NULL);
}
END_TEST

static void time_out_in_child(void *pair)
{
    struct pair *p = pair;
    ck_fails(ETIMEDOUT, recv(p->here, &byte, 1, 0));
    ck_called(1, p->here, p);
}

START_TEST(a_child_has_it_too)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, LIMIT));
    ck_ok(tsock_set_cleanup(p.here, note, &p));
    in_child(time_out_in_child, &p);
    ck_called(0, -1, NULL);
    time_out_in_child(&p);
}
END_TEST

START_TEST(neither_success_nor_another_error_calls_it)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_cleanup(p.here, note, &p));
    ck_assert_int_eq(plain_write(p.there, "x", 1), 1);
    ck_returns(1, recv(p.here, &byte, 1, 0));
    ck_returns(1, send(p.here, "x", 1, 0));
    ck_fails(EAGAIN, recv(p.here, &byte, 1, MSG_DONTWAIT));
    ck_ok(setsockopt(p.here, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 10000}, sizeof(struct timeval)));
    ck_fails(EAGAIN, recv(p.here, &byte, 1, 0));
    struct pollfd one = {p.here, POLLIN, 0};
    ck_returns(0, poll(&one, 1, LIMIT / 4));
    ck_ok(setsockopt(p.there, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
    close(p.there);
    ck_fails(ECONNRESET, recv(p.here, &byte, 1, 0));
    ck_called(0, -1, NULL);
}
END_TEST

/* Where an event wait has reported the time-out, the answer is the next call's. */
static int expired_in_poll(struct pair *p)
{
    *p = tcp_pair();
    ck_ok(tsock_set_cleanup(p->here, note, p));
    struct pollfd one = {p->here, POLLIN, 0};
    ck_took_ms(LIMIT, ck_returns(1, poll(&one, 1, -1)));
    ck_called(0, -1, NULL);
    return p->here;
}

START_TEST(after_an_event_wait_the_call_that_answers_calls_it)
{
    struct pair p;
    int fd = expired_in_poll(&p);
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0));
    ck_called(1, fd, &p);
    ck_returns(0, recv(fd, &byte, 1, 0));
    ck_called(1, fd, &p);
}
END_TEST

START_TEST(so_error_answers_and_calls_it_too)
{
    struct pair p;
    int fd = expired_in_poll(&p), error = -1;
    socklen_t len = sizeof error;
    ck_returns(0, getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, ETIMEDOUT);
    ck_called(1, fd, &p);
    ck_returns(0, getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, 0);
    ck_called(1, fd, &p);
}
END_TEST

START_TEST(bad_descriptors_are_refused)
{
    int closed = dup(0);
    close(closed);
    ck_fails(EBADF, tsock_set_cleanup(closed, note, NULL));
    ck_fails(EBADF, tsock_set_cleanup(-1, note, NULL));
    ck_fails(ENOTSOCK, tsock_set_cleanup(open("/dev/null", O_RDONLY), note, NULL));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *configured = SETTINGS("TIMEOUTSOCK_DEFAULT=100ms");
    const struct suite suites[] = {
        {"cleanup of calls", configured,
         TESTS(it_is_called_once_before_a_call_that_times_out_returns, it_may_close_the_descriptor), blocking_names()},
        {"cleanup", configured,
         TESTS(it_is_called_for_the_programs_own_limit_for_a_scope_and_for_a_total,
               a_part_that_is_returned_at_the_limit_is_a_time_out_too, it_may_shut_the_connection_down,
               it_may_set_itself_again, a_copy_has_none_and_the_original_keeps_its_own,
               null_removes_it_and_so_does_close, a_child_has_it_too, neither_success_nor_another_error_calls_it,
               after_an_event_wait_the_call_that_answers_calls_it, so_error_answers_and_calls_it_too,
               bad_descriptors_are_refused), NULL},
        {0}};
    return run_suites(argv, suites);
}
