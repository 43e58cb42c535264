/* What is not ours to limit is as without the library. */
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "peer.h"
#include "suites.h"

#define BYTES 8
static char bytes[BYTES];
static struct iovec iov = {bytes, BYTES};
static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

static int a_file(void)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    ck_ok(fd);
    ck_assert_int_eq(plain_write(fd, "abcdefgh", 8), 8);
    ck_ok(lseek(fd, 0, SEEK_SET));
    return fd;
}

/* Descriptors that never have a limit of 100 ms: once for each kind. */

static struct pair pty_pair(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_ok(master);
    ck_ok(grantpt(master));
    ck_ok(unlockpt(master));
    int tty = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_ok(tty);
    return (struct pair){tty, master};
}

static struct pair stream_pair(void)
{
    return unix_pair(SOCK_STREAM);
}

static struct pair packet_pair(void)
{
    return unix_pair(SOCK_SEQPACKET);
}

static const struct kind {
    const char *name;
    struct pair (*pair)(void);
} kinds[] = {{"pipe", pipe_pair},          {"tty", pty_pair}, {"unix stream", stream_pair},
             {"unix packets", packet_pair}, {"udp", udp_pair}, {"tcp", tcp_pair}};

static void *send_after_the_limit(void *fd)
{
    plain_sleep_ms(250);
    plain_write(*(int *)fd, "late\n", 5);
    return NULL;
}

START_TEST(a_read_waits_as_long_as_it_must)
{
    struct pair p = VARIANT_IN(kinds)->pair();
    pthread_t peer = when_asleep(send_after_the_limit, &p.there);
    ck_took_ms(250, ck_returns(5, read(p.here, bytes, BYTES)));
    ck_assert_mem_eq(bytes, "late\n", 5);
    pthread_join(peer, NULL);
}
END_TEST

/* What is limited by default beside IPv4. */
START_TEST(ipv6_and_multipath_connections_have_the_limit_if_there_are_any)
{
    static const struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    for (int i = 0, protocol = 0; i < 2; i++, protocol = IPPROTO_MPTCP) {
        int listener = socket(AF_INET6, SOCK_STREAM, protocol), here = socket(AF_INET6, SOCK_STREAM, protocol);
        if (listener < 0 || bind(listener, (const struct sockaddr *)&loopback, sizeof loopback) < 0)
            continue;
        ck_ok(listen(listener, 1));
        socklen_t len;
        struct sockaddr_storage name = name_of(listener, &len);
        ck_ok(connect(here, (struct sockaddr *)&name, len));
        ck_took_ms(100, ck_fails(ETIMEDOUT, read(here, bytes, BYTES)));
    }
}
END_TEST

/* Under a limit that is not reached */

START_TEST(a_file_is_read_and_written_as_ever)
{
    int fd = a_file(), copy = memfd_create("copy", MFD_CLOEXEC);
    ck_took_ms(0, ck_returns(3, read(fd, bytes, 3)));
    ck_returns(2, readv(fd, &(struct iovec){bytes + 3, 2}, 1));
    ck_returns(3, preadv2(fd, &(struct iovec){bytes + 5, 3}, 1, -1, 0));
    ck_assert_mem_eq(bytes, "abcdefgh", 8);
    ck_returns(0, read(fd, bytes, BYTES));
    ck_returns(3, write(fd, "ijk", 3));
    ck_returns(2, writev(fd, &(struct iovec){(char[]){'l', 'm'}, 2}, 1));
    ck_returns(1, pwritev2(fd, &(struct iovec){(char[]){'n'}, 1}, 1, -1, 0));
    ck_returns(2, preadv2(fd, &(struct iovec){bytes, 2}, 1, 12, 0));
    ck_assert_mem_eq(bytes, "mn", 2);
    ck_returns(14, sendfile(copy, fd, &(off_t){0}, 100));
    ck_fails(ENOTSOCK, recv(fd, bytes, BYTES, 0));
    ck_fails(ENOTSOCK, send(fd, bytes, BYTES, 0));
}
END_TEST

START_TEST(what_asks_for_nothing_returns_at_once)
{
    struct pair p = full_pair(), packets = udp_pair();
    ck_took_ms(0, ck_returns(0, read(p.here, bytes, 0)));
    ck_took_ms(0, ck_returns(0, readv(p.here, &(struct iovec){bytes, 0}, 1)));
    ck_took_ms(0, ck_returns(0, readv(p.here, &iov, 0)));
    ck_took_ms(0, ck_returns(0, recvmmsg(p.here, NULL, 0, 0, NULL)));
    ck_took_ms(0, ck_returns(0, write(p.here, bytes, 0)));
    ck_took_ms(0, ck_returns(0, send(p.here, bytes, 0, 0)));
    ck_took_ms(0, ck_returns(0, writev(p.here, &(struct iovec){bytes, 0}, 1)));
    ck_returns(0, write(packets.here, bytes, 0));
    ck_took_ms(0, ck_returns(0, recv(packets.there, bytes, BYTES, 0)));
}
END_TEST

START_TEST(urgent_data_and_queued_errors_are_not_waited_for)
{
    struct pair p = tcp_pair();
    ck_took_ms(0, ck_fails(EINVAL, recv(p.here, bytes, BYTES, MSG_OOB)));
    ck_took_ms(0, ck_fails(EAGAIN, recv(p.here, bytes, BYTES, MSG_ERRQUEUE)));
    ck_took_ms(0, ck_fails(EAGAIN, recvmsg(p.here, &msg, MSG_ERRQUEUE)));
}
END_TEST

START_TEST(what_is_wrong_is_refused_as_without)
{
    struct pair p = tcp_pair();
    char *volatile nowhere = (char *)16;     /* volatile: unknown to the compiler, which would warn */
    volatile int too_few = -1, too_many = IOV_MAX + 1;
    ck_fails(EBADF, read(-1, bytes, BYTES));
    ck_fails(EBADF, send(INT_MAX, bytes, BYTES, 0));
    ck_fails(EINVAL, readv(p.here, &iov, too_few));
    ck_fails(EINVAL, writev(p.here, &iov, too_many));
    ck_fails(ESPIPE, preadv2(p.here, &iov, 1, 0, 0));
    ck_fails(ENOTCONN, recv(socket(AF_INET, SOCK_STREAM, 0), bytes, BYTES, 0));
    ck_fails(EPIPE, send(socket(AF_INET, SOCK_STREAM, 0), bytes, BYTES, MSG_NOSIGNAL));
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_fails(EFAULT, read(p.here, nowhere, 3));
    ck_fails(EFAULT, readv(p.here, (struct iovec *)nowhere, 1));
    if (sizeof(time_t) == sizeof(long))     /* else libc itself looks at it */
        ck_fails(EFAULT, recvmsg(p.here, (struct msghdr *)nowhere, 0));
    ck_fails(EFAULT, write(p.here, nowhere, 3));
    ck_fails(EFAULT, sendfile(p.here, a_file(), (off_t *)nowhere, 3));
    ck_returns(3, read(p.here, bytes, BYTES));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const unlimited[] = {"pipe", "tty", "unix stream", "unix packets", "udp", NULL};
    static const char *const tcp[] = {"tcp", NULL};
    const TTest *const *patient = TESTS(a_read_waits_as_long_as_it_must);
    const struct suite suites[] = {
        {"not limited", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"), patient, unlimited},
        {"no limit", SETTINGS("TIMEOUTSOCK_DEFAULT=none", "TIMEOUTSOCK_KINDS=all"), patient, NAMES_IN(kinds)},
        {"no limit for reads", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_READ=none"), patient, tcp},
        {"limited", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(ipv6_and_multipath_connections_have_the_limit_if_there_are_any), NULL},
        {"as without", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_file_is_read_and_written_as_ever, what_asks_for_nothing_returns_at_once,
               urgent_data_and_queued_errors_are_not_waited_for, what_is_wrong_is_refused_as_without), NULL},
        {0}};
    return run_suites(argv, suites);
}
