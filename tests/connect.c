/* connect, and TCP Fast Open's sends, end at the connect limit and leave a socket that can
 * connect anew.  Every test runs for each of them. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include "../shim/timeoutsock.h"
#include "suites.h"

int __connect(int fd, const struct sockaddr *to, socklen_t to_len);

/* What a send takes along. */
static struct iovec greeting = {(char[]){"hello"}, 5};

static int by_sendto(int fd, const struct sockaddr *to, socklen_t len)
{
    return sendto(fd, greeting.iov_base, greeting.iov_len, MSG_FASTOPEN, to, len) < 0 ? -1 : 0;
}

static int by_sendmsg(int fd, const struct sockaddr *to, socklen_t len)
{
    struct msghdr msg = {.msg_name = (void *)(uintptr_t)to, .msg_namelen = len, .msg_iov = &greeting, .msg_iovlen = 1};
    return sendmsg(fd, &msg, MSG_FASTOPEN) < 0 ? -1 : 0;
}

static int by_sendmmsg(int fd, const struct sockaddr *to, socklen_t len)
{
    struct mmsghdr one = {.msg_hdr = {.msg_name = (void *)(uintptr_t)to, .msg_namelen = len, .msg_iov = &greeting,
                                      .msg_iovlen = 1}};
    return sendmmsg(fd, &one, 1, MSG_FASTOPEN) < 0 ? -1 : 0;
}

static int by_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    return connect(fd, to, len);
}

static const struct call {
    const char *name;
    int (*reach)(int fd, const struct sockaddr *to, socklen_t len);
    bool sends;
} calls[] = {
    {"connect", by_connect, false},
    {"__connect", __connect, false},
    {"sendto", by_sendto, true},
    {"sendmsg", by_sendmsg, true},
    {"sendmmsg", by_sendmmsg, true},
};

/* Connects fd to where another socket is bound. */
static int reach(int fd, int there)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(there, &len);
    return VARIANT_IN(calls)->reach(fd, (struct sockaddr *)&name, len);
}

static int tcp_socket(int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    ck_ok(fd);
    return fd;
}

/* An address where nobody listens: bound, so that nobody else begins to. */
static int deaf_socket(void)
{
    int fd = tcp_socket(0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_ok(bind(fd, (struct sockaddr *)&any, sizeof any));
    return fd;
}

static void ck_works(int fd, int listener)
{
    char bytes[8];
    int there = accept(listener, NULL, NULL);
    ck_ok(there);
    if (!VARIANT_IN(calls)->sends)
        ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
    ck_assert_int_eq(recv(there, bytes, 5, MSG_WAITALL), 5);
    ck_assert_mem_eq(bytes, "hello", 5);
    ck_assert_int_eq(send(there, "x", 1, 0), 1);
    ck_assert_int_eq(recv(fd, bytes, 8, 0), 1);
}

/* Under a limit of 100 ms */

START_TEST(an_unanswered_connect_fails_with_etimedout_at_the_limit)
{
    int full = full_listener(), fd = tcp_socket(0);
    ck_took_ms(100, ck_fails(ETIMEDOUT, reach(fd, full)));
}
END_TEST

START_TEST(a_limit_of_the_fds_own_is_what_it_waits)
{
    int full = full_listener(), fd = tcp_socket(0);
    ck_assert_int_eq(tsock_set_timeout(fd, 250), 0);
    ck_took_ms(250, ck_fails(ETIMEDOUT, reach(fd, full)));
    ck_took_ms(250, ck_fails(ETIMEDOUT, reach(fd, full)));
}
END_TEST

START_TEST(afterwards_the_socket_connects_anew)
{
    int full = full_listener(), listener = tcp_listener(1), fd = tcp_socket(0);
    ck_fails(ETIMEDOUT, reach(fd, full));
    ck_returns(0, reach(fd, listener));
    ck_works(fd, listener);
}
END_TEST

/* As after the kernel's own ETIMEDOUT. */
START_TEST(afterwards_the_socket_has_no_error_left)
{
    int full = full_listener(), fd = tcp_socket(0), error = -1;
    socklen_t len = sizeof error;
    ck_fails(ETIMEDOUT, reach(fd, full));
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, 0);
}
END_TEST

START_TEST(an_own_send_timeout_is_what_it_was_whatever_comes_of_it)
{
    int there[] = {full_listener(), tcp_listener(1), deaf_socket()};
    for (size_t i = 0; i < 3; i++)
        for (int seconds = 0; seconds < 10; seconds += 5) {
            int fd = tcp_socket(0);
            struct timeval own = {seconds, 0};
            ck_ok(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own));
            reach(fd, there[i]);
            ck_assert_int_eq(timeout_of(fd, SO_SNDTIMEO), seconds * 1000);
            ck_assert_int_eq(timeout_of(fd, SO_RCVTIMEO), 0);
        }
}
END_TEST

START_TEST(an_own_send_timeout_that_is_shorter_ends_it_as_without)
{
    int full = full_listener(), fd = tcp_socket(0);
    struct timeval own = {0, 40000};
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own));
    ck_took_ms(40, ck_fails(EINPROGRESS, reach(fd, full)));
    if (!VARIANT_IN(calls)->sends)
        ck_took_ms(40, ck_fails(EALREADY, reach(fd, full)));
}
END_TEST

/* Holds the connections that fill it, one more than the backlog says. */
static int full_unix_listener(int type)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, type, 0);
    ck_ok(bind(listener, (struct sockaddr *)&any, sizeof any.sun_family));
    ck_ok(listen(listener, 0));
    ck_ok(reach(socket(AF_UNIX, type | SOCK_NONBLOCK, 0), listener));
    ck_fails(EAGAIN, reach(socket(AF_UNIX, type | SOCK_NONBLOCK, 0), listener));
    return listener;
}

START_TEST(a_unix_connect_to_a_full_backlog_fails_with_etimedout_at_the_limit)
{
    int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < 2; i++) {
        int listener = full_unix_listener(types[i]), fd = socket(AF_UNIX, types[i], 0);
        ck_took_ms(100, ck_fails(ETIMEDOUT, reach(fd, listener)));
        ck_assert_int_eq(timeout_of(fd, SO_SNDTIMEO), 0);
        ck_ok(accept(listener, NULL, NULL));
        ck_took_ms(0, ck_returns(0, reach(fd, listener)));
        ck_works(fd, listener);
    }
}
END_TEST

/* Under a limit that is not reached */

START_TEST(a_connect_that_is_answered_returns_at_once_with_its_data)
{
    int listener = tcp_listener(1), fd = tcp_socket(0);
    ck_took_ms(0, ck_returns(0, reach(fd, listener)));
    ck_works(fd, listener);
}
END_TEST

START_TEST(a_refused_connect_fails_at_once_and_the_socket_connects_anew)
{
    int deaf = deaf_socket(), listener = tcp_listener(1), fd = tcp_socket(0);
    ck_took_ms(0, ck_fails(ECONNREFUSED, reach(fd, deaf)));
    ck_returns(0, reach(fd, listener));
    ck_works(fd, listener);
}
END_TEST

START_TEST(a_second_connect_fails_with_eisconn)
{
    int listener = tcp_listener(2), fd = tcp_socket(0);
    ck_returns(0, reach(fd, listener));
    ck_fails(EISCONN, reach(fd, listener));
}
END_TEST

static void by_fcntl(int fd)
{
    ck_ok(fcntl(fd, F_SETFL, O_NONBLOCK));
}

static void by_ioctl(int fd)
{
    ck_ok(ioctl(fd, FIONBIO, &(int){1}));
}

START_TEST(a_non_blocking_connect_is_begun_and_left_alone)
{
    int full = full_listener(), fds[] = {tcp_socket(SOCK_NONBLOCK), tcp_socket(0), tcp_socket(0)};
    by_fcntl(fds[1]);
    by_ioctl(fds[2]);
    for (size_t i = 0; i < 3; i++) {
        ck_took_ms(0, ck_fails(EINPROGRESS, reach(fds[i], full)));
        ck_took_ms(0, ck_fails(EALREADY, reach(fds[i], full)));
    }
}
END_TEST

START_TEST(a_non_blocking_connect_comes_about)
{
    int listener = tcp_listener(1), fd = tcp_socket(SOCK_NONBLOCK);
    ck_fails(EINPROGRESS, reach(fd, listener));
    ck_assert_int_eq(poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1), 1);
    ck_returns(0, reach(fd, listener));
    ck_ok(fcntl(fd, F_SETFL, 0));
    ck_works(fd, listener);
}
END_TEST

START_TEST(a_connect_of_datagrams_returns_at_once)
{
    int there = deaf_socket(), fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_took_ms(0, ck_returns(0, reach(fd, there)));
}
END_TEST

START_TEST(a_bad_address_is_refused_as_without)
{
    int fd = tcp_socket(0);
    ck_fails(EFAULT, VARIANT_IN(calls)->reach(fd, (struct sockaddr *)16, sizeof(struct sockaddr_in)));
    ck_fails(EINVAL, VARIANT_IN(calls)->reach(fd, &(struct sockaddr){.sa_family = AF_INET}, 2));
    ck_fails(EBADF, reach(-1, tcp_listener(1)));
    ck_fails(ENOTSOCK, reach(open("/dev/null", O_RDWR), tcp_listener(1)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const all[] = {"connect", "__connect", "sendto", "sendmsg", "sendmmsg", NULL};
    static const char *const connects[] = {"connect", "__connect", NULL};
    const struct suite suites[] = {
        {"connect at its limit", SETTINGS("TIMEOUTSOCK_CONNECT=100ms"),
         TESTS(an_unanswered_connect_fails_with_etimedout_at_the_limit, a_limit_of_the_fds_own_is_what_it_waits,
               afterwards_the_socket_connects_anew, afterwards_the_socket_has_no_error_left,
               an_own_send_timeout_is_what_it_was_whatever_comes_of_it,
               an_own_send_timeout_that_is_shorter_ends_it_as_without), all},
        {"connect at its limit, unix", SETTINGS("TIMEOUTSOCK_CONNECT=100ms", "TIMEOUTSOCK_KINDS=unix"),
         TESTS(a_unix_connect_to_a_full_backlog_fails_with_etimedout_at_the_limit), connects},
        {"connect in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_connect_that_is_answered_returns_at_once_with_its_data,
               a_refused_connect_fails_at_once_and_the_socket_connects_anew, a_second_connect_fails_with_eisconn,
               a_non_blocking_connect_is_begun_and_left_alone, a_non_blocking_connect_comes_about), all},
        {"connect in time, without data", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_connect_of_datagrams_returns_at_once, a_bad_address_is_refused_as_without), connects},
        {0}};
    return run_suites(argv, suites);
}
