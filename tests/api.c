/* The functions of timeoutsock.h for one descriptor. */
#include "../shim/timeoutsock.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define CONFIGURED 100

static char byte;

static void ck_receives_for(int ms, int fd)
{
    ck_took_ms(ms, ck_fails(ETIMEDOUT, read(fd, &byte, 1)));
}

static struct pair pipe_pair(void)
{
    int fds[2];
    ck_ok(pipe(fds));
    return (struct pair){fds[0], fds[1]};
}

static int closed(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    close(fd);
    return fd;
}

static int negative(void)
{
    return -1;
}

static int very_negative(void)
{
    return INT_MIN;
}

static int never_opened(void)
{
    return INT_MAX;
}

static int file(void)
{
    return open("/proc/self/exe", O_RDONLY);
}

static int device(void)
{
    return open("/dev/null", O_RDWR);
}

static int event(void)
{
    return eventfd(0, 0);
}

static const struct { int (*fd)(void); int error; } no_sockets[] = {
    {closed, EBADF}, {negative, EBADF}, {very_negative, EBADF}, {never_opened, EBADF},
    {file, ENOTSOCK}, {device, ENOTSOCK}, {event, ENOTSOCK},
};

static void ck_getter_fails(int error, int fd)
{
    errno = 0;
    ck_assert_int_eq(tsock_get_timeout(fd), TSOCK_ERROR);
    ck_assert_int_eq(errno, error);
}

START_TEST(what_is_no_open_socket_or_pipe_is_refused)
{
    static const int limits[] = {50, 0, TSOCK_NONE, TSOCK_DEFAULT};
    for (size_t i = 0; i < COUNT(no_sockets); i++) {
        int fd = no_sockets[i].fd();
        for (size_t j = 0; j < COUNT(limits); j++)
            ck_fails(no_sockets[i].error, tsock_set_timeout(fd, limits[j]));
        ck_getter_fails(no_sockets[i].error, fd);
    }
}
END_TEST

START_TEST(a_socket_that_was_closed_unseen_is_refused_and_so_is_the_file_in_its_place)
{
    int fd = tcp_pair().here;
    ck_ok(tsock_set_timeout(fd, 50));
    ck_ok(syscall(SYS_close, fd));
    ck_fails(EBADF, tsock_set_timeout(fd, 50));
    ck_getter_fails(EBADF, fd);
    int in_its_place = device();
    if (in_its_place != fd)
        ck_assert_int_eq(syscall(SYS_dup3, in_its_place, fd, 0), fd);
    ck_fails(ENOTSOCK, tsock_set_timeout(fd, 50));
    ck_getter_fails(ENOTSOCK, fd);
}
END_TEST

START_TEST(less_than_tsock_default_is_einval_and_changes_nothing)
{
    static const int bad[] = {TSOCK_ERROR, -4, INT_MIN};
    int fd = tcp_pair().here;
    ck_ok(tsock_set_timeout(fd, 50));
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_fails(EINVAL, tsock_set_timeout(fd, bad[i]));
        ck_fails(EINVAL, tsock_set_default_timeout(bad[i]));
    }
    ck_returns(50, tsock_get_timeout(fd));
    ck_returns(CONFIGURED, tsock_get_default_timeout());
}
END_TEST

START_TEST(the_getter_says_what_was_set_on_every_kind)
{
    static const int limits[] = {TSOCK_NONE, 0, 1, 4711, INT_MAX, TSOCK_DEFAULT};
    int fds[] = {tcp_pair().here, tcp_pair().there, udp_pair().here, unix_pair(SOCK_SEQPACKET).here, pipe_pair().here,
                 pipe_pair().there, tcp_listener(1), socket(AF_INET6, SOCK_STREAM, 0)};
    for (size_t i = 0; i < COUNT(fds); i++) {
        ck_returns(TSOCK_DEFAULT, tsock_get_timeout(fds[i]));
        for (size_t j = 0; j < COUNT(limits); j++) {
            ck_returns(0, tsock_set_timeout(fds[i], limits[j]));
            ck_returns(limits[j], tsock_get_timeout(fds[i]));
        }
    }
}
END_TEST

START_TEST(a_limit_of_its_own_wins_over_the_configured_one)
{
    static const int limits[] = {30, 250};
    struct pair p = tcp_pair();
    for (size_t i = 0; i < COUNT(limits); i++) {
        ck_ok(tsock_set_timeout(p.here, limits[i]));
        ck_receives_for(limits[i], p.here);
    }
}
END_TEST

START_TEST(a_limit_of_its_own_holds_for_kinds_that_are_not_configured)
{
    int fds[] = {udp_pair().here, unix_pair(SOCK_STREAM).here, pipe_pair().here};
    for (size_t i = 0; i < COUNT(fds); i++) {
        ck_ok(tsock_set_timeout(fds[i], 50));
        ck_receives_for(50, fds[i]);
    }
}
END_TEST

START_TEST(a_full_pipe_ends_a_write_at_its_limit)
{
    static char block[1 << 20];
    struct pair p = pipe_pair();
    ck_ok(tsock_set_timeout(p.there, 50));
    ssize_t n;
    ck_took_ms(50, n = write(p.there, block, sizeof block));
    ck_assert_int_gt(n, 0);
    ck_took_ms(50, ck_fails(ETIMEDOUT, write(p.there, block, sizeof block)));
    ck_assert_int_eq(read(p.here, block, sizeof block), n);
}
END_TEST

static void send_in(int ms, int fd)
{
    pid_t child = fork();
    ck_ok(child);
    if (child)
        return;
    plain_sleep_ms(ms);
    _exit(write(fd, "x", 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

START_TEST(tsock_none_wins_over_the_configured_limit)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, TSOCK_NONE));
    send_in(2 * CONFIGURED, p.there);
    ck_returns(1, recv(p.here, &byte, 1, 0));
}
END_TEST

START_TEST(tsock_default_restores_the_configured_limit)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, TSOCK_NONE));
    ck_ok(tsock_set_timeout(p.here, TSOCK_DEFAULT));
    ck_receives_for(CONFIGURED, p.here);
}
END_TEST

START_TEST(a_connection_outlives_its_own_limit)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, 30));
    for (int i = 0; i < 3; i++)
        ck_receives_for(30, p.here);
    ck_assert_int_eq(send(p.here, "x", 1, 0), 1);
    ck_assert_int_eq(recv(p.there, &byte, 1, 0), 1);
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    ck_returns(1, recv(p.here, &byte, 1, 0));
}
END_TEST

START_TEST(with_0_a_call_fails_at_once_where_it_would_wait)
{
    struct pair p = tcp_pair();
    ck_ok(tsock_set_timeout(p.here, 0));
    ck_receives_for(0, p.here);
    ck_returns(1, send(p.here, "x", 1, 0));
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    ck_assert(plain_is_readable(p.here, 1000));
    ck_returns(1, recv(p.here, &byte, 1, 0));
    fill(p.here);
    ck_took_ms(0, ck_fails(ETIMEDOUT, send(p.here, "x", 1, 0)));
    int listener = tcp_listener(1);
    ck_ok(tsock_set_timeout(listener, 0));
    ck_took_ms(0, ck_fails(ETIMEDOUT, accept(listener, NULL, NULL)));
}
END_TEST

START_TEST(a_limit_goes_along_with_dup_and_fork_and_ends_with_close)
{
    int fd = tcp_pair().here, copy = dup(fd), other = socket(AF_INET, SOCK_STREAM, 0);
    ck_ok(tsock_set_timeout(fd, 50));
    ck_returns(TSOCK_DEFAULT, tsock_get_timeout(copy));
    ck_ok(dup2(fd, copy));
    ck_returns(50, tsock_get_timeout(copy));
    ck_returns(50, tsock_get_timeout(fcntl(fd, F_DUPFD, 0)));
    pid_t child = fork();
    if (!child)
        _exit(tsock_get_timeout(fd) == 50 ? EXIT_SUCCESS : EXIT_FAILURE);
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert_int_eq(status, 0);
    ck_ok(dup2(other, copy));
    ck_returns(TSOCK_DEFAULT, tsock_get_timeout(copy));
    for (int unseen = 0; unseen < 2; unseen++) {
        close(fd);
        ck_assert_int_eq(unseen ? syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM, 0), fd);
        ck_returns(TSOCK_DEFAULT, tsock_get_timeout(fd));
        ck_ok(tsock_set_timeout(fd, 50));
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=100ms", NULL);
    return run_tests("api",
                     TESTS(what_is_no_open_socket_or_pipe_is_refused,
                           a_socket_that_was_closed_unseen_is_refused_and_so_is_the_file_in_its_place,
                           less_than_tsock_default_is_einval_and_changes_nothing,
                           the_getter_says_what_was_set_on_every_kind, a_limit_of_its_own_wins_over_the_configured_one,
                           a_limit_of_its_own_holds_for_kinds_that_are_not_configured,
                           a_full_pipe_ends_a_write_at_its_limit, tsock_none_wins_over_the_configured_limit,
                           tsock_default_restores_the_configured_limit, a_connection_outlives_its_own_limit,
                           with_0_a_call_fails_at_once_where_it_would_wait,
                           a_limit_goes_along_with_dup_and_fork_and_ends_with_close));
}
