/* A limit follows its descriptor through every copy and to every number. */
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../shim/timeoutsock.h"
#include "harness.h"

#define LIMIT 60        /* as in the settings below */
#define OWN 20
#define HIGH 100000

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

static void ck_ends_in_ms(int ms, int fd)
{
    char byte;
    ck_took_ms(ms, ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0)));
}

static void give_time(int fd, int ms)
{
    ck_assert_int_eq(tsock_set_timeout(fd, ms), 0);
}

static int limited_socket(void)
{
    int fd = tcp_pair().here;
    give_time(fd, OWN);
    return fd;
}

/* Ways to make `to` a copy of `from`. */
static int by_close_and_dup(int from, int to)
{
    int copy;
    close(to);
    while ((copy = dup(from)) >= 0 && copy < to)
        continue;
    return copy;
}

static int by_dup2(int from, int to) { return dup2(from, to); }
static int by_dup3(int from, int to) { return dup3(from, to, O_CLOEXEC); }

static int by_f_dupfd(int from, int to)
{
    close(to);
    return fcntl(from, F_DUPFD, to);
}

static int by_f_dupfd_cloexec(int from, int to)
{
    close(to);
    return fcntl(from, F_DUPFD_CLOEXEC, to);
}

static int (*const copies[])(int from, int to) = {by_close_and_dup, by_dup2, by_dup3, by_f_dupfd, by_f_dupfd_cloexec};

START_TEST(a_copy_has_the_limit_of_its_original)
{
    for (int i = 0; i < COUNT(copies); i++) {
        int from = limited_socket(), to = tcp_pair().here;
        ck_assert_int_eq(copies[i](from, to), to);
        ck_assert_int_eq(tsock_get_timeout(to), OWN);
        ck_ends_in_ms(OWN, to);
    }
}
END_TEST

START_TEST(a_copy_over_a_limited_descriptor_takes_its_limit_away)
{
    for (int i = 0; i < COUNT(copies); i++) {
        int from = tcp_pair().here, to = limited_socket();
        ck_assert_int_eq(copies[i](from, to), to);
        ck_assert_int_eq(tsock_get_timeout(to), TSOCK_DEFAULT);
        ck_ends_in_ms(LIMIT, to);
    }
}
END_TEST

START_TEST(a_copy_keeps_its_limit_when_the_original_is_closed_or_gets_another)
{
    for (int i = 0; i < COUNT(copies); i++) {
        int from = limited_socket(), to = tcp_pair().here;
        ck_assert_int_eq(copies[i](from, to), to);
        give_time(from, 2 * OWN);
        ck_ends_in_ms(OWN, to);
        close(from);
        ck_ends_in_ms(OWN, to);
    }
}
END_TEST

START_TEST(a_copy_over_itself_keeps_its_limit)
{
    int fd = limited_socket();
    ck_assert_int_eq(dup2(fd, fd), fd);
    ck_ends_in_ms(OWN, fd);
    ck_fails(EINVAL, dup3(fd, fd, 0));
    ck_ends_in_ms(OWN, fd);
}
END_TEST

union control {
    char room[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr header;
};

static struct msghdr message(struct iovec *iov, union control *control)
{
    return (struct msghdr){.msg_iov = iov, .msg_iovlen = 1, .msg_control = control->room,
                           .msg_controllen = sizeof control->room};
}

static void send_two(int to, const int fds[2])
{
    union control control = {{0}};
    struct msghdr msg = message(&(struct iovec){"x", 1}, &control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
    ck_assert_int_eq(sendmsg(to, &msg, 0), 1);
}

static void receive_two(int from, int fds[2], bool many)
{
    char byte;
    union control control;
    struct iovec iov = {&byte, 1};
    struct mmsghdr one = {message(&iov, &control), 0};
    if (many)
        ck_assert_int_eq(recvmmsg(from, &one, 1, 0, NULL), 1);
    else
        ck_assert_int_eq(recvmsg(from, &one.msg_hdr, 0), 1);
    memcpy(fds, CMSG_DATA(&control.header), 2 * sizeof(int));
}

/* They get numbers of which the library still holds that they are limited. */
START_TEST(descriptors_that_are_received_have_the_configured_limit)
{
    for (int many = 0; many < 2; many++) {
        struct pair way = unix_pair(SOCK_STREAM), p = tcp_pair(), q = tcp_pair();
        int former[2] = {limited_socket(), limited_socket()}, received[2];
        send_two(way.there, (int[2]){p.here, q.here});
        for (int i = 0; i < 2; i++)
            syscall(SYS_close, former[i]);
        receive_two(way.here, received, many);
        ck_assert(received[1] == former[0] || received[1] == former[1]);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(tsock_get_timeout(received[i]), TSOCK_DEFAULT);
            ck_ends_in_ms(LIMIT, received[i]);
        }
    }
}
END_TEST

/* The highest number that this process may have, HIGH at most: raising the hard limit takes
 * a privilege.  (tests/fdtab.c looks at all numbers.) */
static int highest(void)
{
    struct rlimit limit = {HIGH + 1, HIGH + 1};
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        ck_ok(getrlimit(RLIMIT_NOFILE, &limit));
        limit.rlim_cur = limit.rlim_max < HIGH + 1 ? limit.rlim_max : HIGH + 1;
        ck_ok(setrlimit(RLIMIT_NOFILE, &limit));
    }
    return (int)limit.rlim_cur - 1;
}

START_TEST(a_limit_reaches_to_the_highest_numbers)
{
    const int numbers[] = {FD_SETSIZE - 1, FD_SETSIZE, FD_SETSIZE + 1, highest()};
    for (int i = 0; i < COUNT(numbers); i++) {
        ck_assert_int_eq(dup2(tcp_pair().here, numbers[i]), numbers[i]);
        give_time(numbers[i], OWN);
        ck_ends_in_ms(OWN, numbers[i]);
        give_time(numbers[i], TSOCK_DEFAULT);
        ck_took_ms(LIMIT, ck_assert_int_eq(poll(&(struct pollfd){numbers[i], POLLIN, 0}, 1, -1), 1));
        ck_ends_in_ms(0, numbers[i]);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=60ms", NULL);
    return run_tests("descriptors", TESTS(a_copy_has_the_limit_of_its_original,
                                          a_copy_over_a_limited_descriptor_takes_its_limit_away,
                                          a_copy_keeps_its_limit_when_the_original_is_closed_or_gets_another,
                                          a_copy_over_itself_keeps_its_limit,
                                          descriptors_that_are_received_have_the_configured_limit,
                                          a_limit_reaches_to_the_highest_numbers));
}
