/* A call on a non-blocking descriptor, or with MSG_DONTWAIT, never waits and is left alone. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

int __fcntl(int fd, int what, ...);

#define BYTES 8
static char bytes[BYTES];
static struct iovec iov = {bytes, BYTES};
static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

/* The ways to make a descriptor non-blocking: some tests run once for each. */


static void by_fcntl(int fd, int on)
{
    ck_ok(fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0));
}

static void by_fcntl64(int fd, int on)
{
    ck_ok(fcntl64(fd, F_SETFL, on ? O_NONBLOCK : 0));
}

static void by_fcntl_alias(int fd, int on)
{
    ck_ok(__fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0));
}

static void by_ioctl(int fd, int on)
{
    ck_ok(ioctl(fd, FIONBIO, &on));
}

static void by_a_copy(int fd, int on)
{
    int copy = dup(fd);
    by_fcntl(copy, on);
    close(copy);
}

static void by_system_call(int fd, int on)
{
    ck_ok((int)syscall(SYS_fcntl, fd, F_SETFL, on ? O_NONBLOCK : 0));
}

static const struct way {
    const char *name;
    void (*set)(int fd, int on);
} ways[] = {
    {"fcntl", by_fcntl}, {"fcntl64", by_fcntl64}, {"__fcntl", by_fcntl_alias},
    {"FIONBIO", by_ioctl}, {"a copy", by_a_copy}, {"a system call", by_system_call},
};

static void set_nonblock(int fd, int on)
{
    VARIANT_IN(ways)->set(fd, on);
}

static int a_file(void)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    ck_ok(fd);
    ck_assert_int_eq(plain_write(fd, "abcdefgh", 8), 8);
    ck_ok(lseek(fd, 0, SEEK_SET));
    return fd;
}

static void ck_receives_nothing_at_once(int fd, int flags)
{
    struct mmsghdr one = {.msg_hdr = msg};
    ck_took_ms(0, ck_fails(EAGAIN, recv(fd, bytes, BYTES, flags)));
    ck_took_ms(0, ck_fails(EAGAIN, recvfrom(fd, bytes, BYTES, flags, NULL, NULL)));
    ck_took_ms(0, ck_fails(EAGAIN, recvmsg(fd, &msg, flags)));
    ck_took_ms(0, ck_fails(EAGAIN, recvmmsg(fd, &one, 1, flags, NULL)));
}

static void ck_sends_nothing_at_once(int fd, int flags)
{
    struct mmsghdr one = {.msg_hdr = msg};
    ck_took_ms(0, ck_fails(EAGAIN, send(fd, bytes, BYTES, flags)));
    ck_took_ms(0, ck_fails(EAGAIN, sendto(fd, bytes, BYTES, flags, NULL, 0)));
    ck_took_ms(0, ck_fails(EAGAIN, sendmsg(fd, &msg, flags)));
    ck_took_ms(0, ck_fails(EAGAIN, sendmmsg(fd, &one, 1, flags)));
}

START_TEST(a_non_blocking_descriptor_has_nothing_to_receive_at_once)
{
    struct pair p = tcp_pair();
    set_nonblock(p.here, 1);
    ck_took_ms(0, ck_fails(EAGAIN, read(p.here, bytes, BYTES)));
    ck_took_ms(0, ck_fails(EAGAIN, readv(p.here, &iov, 1)));
    ck_took_ms(0, ck_fails(EAGAIN, preadv2(p.here, &iov, 1, -1, 0)));
    ck_receives_nothing_at_once(p.here, 0);
    ck_took_ms(0, ck_fails(EAGAIN, splice(p.here, NULL, pipe_pair().there, NULL, BYTES, 0)));
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_returns(3, recv(p.here, bytes, BYTES, MSG_WAITALL));
}
END_TEST

START_TEST(a_non_blocking_descriptor_has_no_room_at_once)
{
    struct pair p = full_pair();
    set_nonblock(p.here, 1);
    ck_took_ms(0, ck_fails(EAGAIN, write(p.here, bytes, BYTES)));
    ck_took_ms(0, ck_fails(EAGAIN, writev(p.here, &iov, 1)));
    ck_took_ms(0, ck_fails(EAGAIN, pwritev2(p.here, &iov, 1, -1, 0)));
    ck_sends_nothing_at_once(p.here, 0);
    ck_took_ms(0, ck_fails(EAGAIN, sendfile(p.here, a_file(), NULL, BYTES)));
}
END_TEST

START_TEST(a_non_blocking_send_queues_at_once_what_fits)
{
    enum { MUCH = 1 << 20 };
    struct pair p = little_room(tcp_pair());
    set_nonblock(p.here, 1);
    void *data = keep(MUCH);
    ssize_t n;
    ck_took_ms(0, n = send(p.here, data, MUCH, 0));
    ck_assert(n > 0 && n < MUCH);
}
END_TEST

START_TEST(a_non_blocking_socket_accepts_and_connects_at_once)
{
    int listener = full_listener(), fd = socket(AF_INET, SOCK_STREAM, 0), silent = tcp_listener(1);
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    set_nonblock(fd, 1);
    ck_took_ms(0, ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)&name, len)));
    ck_took_ms(0, ck_fails(EALREADY, connect(fd, (struct sockaddr *)&name, len)));
    set_nonblock(silent, 1);
    ck_took_ms(0, ck_fails(EAGAIN, accept(silent, NULL, NULL)));
    ck_took_ms(0, ck_fails(EAGAIN, accept4(silent, NULL, NULL, 0)));
}
END_TEST

/* A copy that is made blocking again makes all hints void. */
START_TEST(a_non_blocking_connect_says_einprogress_where_flags_are_shared)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(full_listener(), &len);
    int first = tcp_pair().here, copy = dup(first), fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_ok(copy);
    ck_ok(fcntl(copy, F_SETFL, 0));
    set_nonblock(fd, 1);
    ck_took_ms(0, ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)&name, len)));
}
END_TEST

START_TEST(what_is_made_blocking_again_has_its_limit_again)
{
    struct pair p = tcp_pair();
    ck_assert_int_eq(tsock_set_timeout(p.here, 100), 0);
    for (int i = 0; i < 2; i++) {
        set_nonblock(p.here, 1);
        ck_fails(EAGAIN, read(p.here, bytes, BYTES));
        set_nonblock(p.here, 0);
        ck_took_ms(100, ck_fails(ETIMEDOUT, read(p.here, bytes, BYTES)));
    }
}
END_TEST

START_TEST(msg_dontwait_returns_at_once_and_holds_for_one_call)
{
    struct pair p = full_pair();
    ck_receives_nothing_at_once(p.here, MSG_DONTWAIT);
    ck_sends_nothing_at_once(p.here, MSG_DONTWAIT);
    ck_took_ms(100, ck_fails(ETIMEDOUT, send(p.here, bytes, BYTES, 0)));
}
END_TEST

START_TEST(a_socket_that_was_made_non_blocking_never_waits)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), fds[2];
    ck_receives_nothing_at_once(fd, 0);
    ck_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    ck_receives_nothing_at_once(fds[0], 0);
    ck_ok(pipe2(fds, O_NONBLOCK));
    ck_took_ms(0, ck_fails(EAGAIN, read(fds[0], bytes, BYTES)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const seen[] = {"fcntl", "fcntl64", "__fcntl", "FIONBIO", "a copy", NULL};
    const struct suite suites[] = {
        {"non-blocking", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(a_non_blocking_descriptor_has_nothing_to_receive_at_once, a_non_blocking_descriptor_has_no_room_at_once,
               a_non_blocking_send_queues_at_once_what_fits, a_non_blocking_socket_accepts_and_connects_at_once,
               a_non_blocking_connect_says_einprogress_where_flags_are_shared),
         NAMES_IN(ways)},
        {"blocking again", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(what_is_made_blocking_again_has_its_limit_again), seen},
        {"never waiting", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(msg_dontwait_returns_at_once_and_holds_for_one_call, a_socket_that_was_made_non_blocking_never_waits),
         NULL},
        {0}};
    return run_suites(argv, suites);
}
