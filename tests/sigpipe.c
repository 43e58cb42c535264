/* Sends on a connection that ends, before or while they wait, fail and signal as without. */
#include <netinet/in.h>
#include <signal.h>
#include <sys/uio.h>

#include "peer.h"
#include "suites.h"

#define MUCH ((size_t)1 << 20)

static ssize_t by_write(int fd, const void *buf, size_t len, int flags)
{
    (void)flags;
    return write(fd, buf, len);
}

static ssize_t by_sendmsg(int fd, const void *buf, size_t len, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    return sendmsg(fd, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, flags);
}

static ssize_t by_sendmmsg(int fd, const void *buf, size_t len, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct mmsghdr one = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    return sendmmsg(fd, &one, 1, flags) < 0 ? -1 : (ssize_t)one.msg_len;
}

static const struct call {
    const char *name;
    ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
} calls[] = {{"write", by_write}, {"send", send}, {"sendmsg", by_sendmsg}, {"sendmmsg", by_sendmmsg}};

static ssize_t transmit(int fd, const void *buf, size_t len)
{
    return VARIANT_IN(calls)->send(fd, buf, len, 0);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static struct pair watched(struct pair p)
{
    signal(SIGPIPE, count_signal);
    return p;
}

START_TEST(a_connection_that_is_shut_raises_sigpipe_and_fails_with_epipe)
{
    struct pair p = watched(little_room(tcp_pair()));
    ck_ok(shutdown(p.here, SHUT_WR));
    ck_fails(EPIPE, transmit(p.here, "abc", 3));
    ck_assert_int_eq(signals, 1);
}
END_TEST

START_TEST(msg_nosignal_keeps_the_signal_back)
{
    struct pair p = watched(little_room(tcp_pair()));
    ck_ok(shutdown(p.here, SHUT_WR));
    ck_fails(EPIPE, VARIANT_IN(calls)->send(p.here, "abc", 3, MSG_NOSIGNAL));
    ck_assert_int_eq(signals, 0);
}
END_TEST

static void *shut_late(void *fd)
{
    shutdown(*(int *)fd, SHUT_WR);
    return NULL;
}

static void *close_late(void *fd)
{
    close(*(int *)fd);
    return NULL;
}

/* Sends until act(fd), while it waits, ends the connection: what is queued counts. */
static void ck_sends_a_part(int here, void *(*act)(void *), int *fd)
{
    const char *data = pattern(MUCH);
    pthread_t other = when_asleep(act, fd);
    ssize_t n = transmit(here, data, MUCH);
    pthread_join(other, NULL);
    ck_assert(n > 0 && n < (ssize_t)MUCH);
    ck_assert_int_eq(signals, 0);
}

START_TEST(a_shutdown_while_it_waits_leaves_the_signal_to_the_next_call)
{
    struct pair p = watched(little_room(tcp_pair()));
    ck_sends_a_part(p.here, shut_late, &p.here);
    ck_fails(EPIPE, transmit(p.here, "abc", 3));
    ck_assert_int_eq(signals, 1);
}
END_TEST

/* A close with unread data resets. */
START_TEST(a_reset_while_it_waits_is_told_by_the_next_call_and_epipe_by_the_one_after)
{
    struct pair p = watched(little_room(tcp_pair()));
    ck_sends_a_part(p.here, close_late, &p.there);
    ck_fails(ECONNRESET, transmit(p.here, "abc", 3));
    ck_assert_int_eq(signals, 0);
    ck_fails(EPIPE, transmit(p.here, "abc", 3));
    ck_assert_int_eq(signals, 1);
}
END_TEST

START_TEST(a_shutdown_while_nothing_fits_raises_sigpipe_and_fails_with_epipe)
{
    struct pair p = watched(full_pair());
    pthread_t other = when_asleep(shut_late, &p.here);
    ck_fails(EPIPE, transmit(p.here, "abc", 3));
    pthread_join(other, NULL);
    ck_assert_int_eq(signals, 1);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const TTest *const *all = TESTS(a_connection_that_is_shut_raises_sigpipe_and_fails_with_epipe,
                                    a_shutdown_while_it_waits_leaves_the_signal_to_the_next_call,
                                    a_reset_while_it_waits_is_told_by_the_next_call_and_epipe_by_the_one_after,
                                    a_shutdown_while_nothing_fits_raises_sigpipe_and_fails_with_epipe);
    const char *const *in_time = SETTINGS("TIMEOUTSOCK_DEFAULT=20s");
    static const char *const with_flags[] = {"send", "sendmsg", "sendmmsg", NULL};
    const struct suite suites[] = {
        {"sigpipe", in_time, all, NAMES_IN(calls)},
        {"sigpipe, not wanted", in_time, TESTS(msg_nosignal_keeps_the_signal_back), with_flags},
        {0}};
    return run_suites(argv, suites);
}
