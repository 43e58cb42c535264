/* Every sending call queues all or ends at its limit, and tells how much it has queued.
 * Every test runs for every call. */
#include <fcntl.h>
#include <sys/uio.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

/* Names that glibc has beside those of its headers. */
ssize_t __write(int fd, const void *buf, size_t len);
ssize_t __send(int fd, const void *buf, size_t len, int flags);

/* More than fits into any socket or pipe of these tests. */
#define MUCH ((size_t)1 << 20)

/* Each call sends from three buffers, one of them empty, if it can. */
#define PIECES(buf, len) \
    {{(void *)(uintptr_t)(buf), (len) / 3}, {NULL, 0}, {(char *)(uintptr_t)(buf) + (len) / 3, (len) - (len) / 3}}

static ssize_t by_writev(int fd, const void *buf, size_t len)
{
    struct iovec iov[] = PIECES(buf, len);
    return writev(fd, iov, 3);
}

static ssize_t by_pwritev2(int fd, const void *buf, size_t len)
{
    struct iovec iov[] = PIECES(buf, len);
    return pwritev2(fd, iov, 3, -1, 0);
}

static ssize_t by_pwritev64v2(int fd, const void *buf, size_t len)
{
    struct iovec iov[] = PIECES(buf, len);
    return pwritev64v2(fd, iov, 3, -1, 0);
}

static ssize_t by_send(int fd, const void *buf, size_t len)
{
    return send(fd, buf, len, 0);
}

static ssize_t by_send_alias(int fd, const void *buf, size_t len)
{
    return __send(fd, buf, len, 0);
}

static ssize_t by_sendto(int fd, const void *buf, size_t len)
{
    return sendto(fd, buf, len, 0, NULL, 0);
}

static ssize_t by_sendmsg(int fd, const void *buf, size_t len)
{
    struct iovec iov[] = PIECES(buf, len);
    return sendmsg(fd, &(struct msghdr){.msg_iov = iov, .msg_iovlen = 3}, 0);
}

static ssize_t by_sendmmsg(int fd, const void *buf, size_t len)
{
    struct iovec iov[] = PIECES(buf, len);
    struct mmsghdr one = {.msg_hdr = {.msg_iov = iov, .msg_iovlen = 3}};
    return sendmmsg(fd, &one, 1, 0) < 0 ? -1 : (ssize_t)one.msg_len;
}

static const struct call {
    const char *name;
    ssize_t (*send)(int fd, const void *buf, size_t len);
    bool writes_pipes;
} calls[] = {
    {"write", write, true},
    {"__write", __write, true},
    {"writev", by_writev, true},
    {"pwritev2", by_pwritev2, true},
    {"pwritev64v2", by_pwritev64v2, true},
    {"send", by_send, false},
    {"__send", by_send_alias, false},
    {"sendto", by_sendto, false},
    {"sendmsg", by_sendmsg, false},
    {"sendmmsg", by_sendmmsg, false},
};

static ssize_t transmit(int fd, const void *buf, size_t len)
{
    return VARIANT_IN(calls)->send(fd, buf, len);
}

static struct pair reverse_pipe(void)
{
    struct pair p = pipe_pair();
    return (struct pair){p.there, p.here};
}

/* A pair of each kind of stream that the call can write. */
static size_t all_streams(struct pair *pairs)
{
    size_t count = 0;
    pairs[count++] = little_room(tcp_pair());
    pairs[count++] = little_room(unix_pair(SOCK_STREAM));
    if (VARIANT_IN(calls)->writes_pipes)
        pairs[count++] = reverse_pipe();
    return count;
}
#define STREAMS 3

static struct pair full_pipe(void)
{
    struct pair p = reverse_pipe();
    size_t room = (size_t)fcntl(p.here, F_GETPIPE_SZ);
    ck_assert_int_eq(plain_write(p.here, pattern(room), room), (ssize_t)room);
    return p;
}

/* Under a limit of 100 ms */

START_TEST(a_full_connection_of_any_kind_fails_it_with_etimedout_at_the_limit)
{
    struct pair full[] = {full_pair(), filled(unix_pair(SOCK_STREAM)), filled(unix_pair(SOCK_SEQPACKET)), full_pipe()};
    size_t count = VARIANT_IN(calls)->writes_pipes ? 4 : 3;
    for (size_t i = 0; i < count; i++)
        ck_took_ms(100, ck_fails(ETIMEDOUT, transmit(full[i].here, "abc", 3)));
}
END_TEST

START_TEST(a_limit_of_the_fds_own_is_what_it_waits)
{
    struct pair p = full_pair();
    ck_assert_int_eq(tsock_set_timeout(p.here, 50), 0);
    ck_took_ms(50, ck_fails(ETIMEDOUT, transmit(p.here, "abc", 3)));
    ck_assert_int_eq(tsock_set_timeout(p.here, 0), 0);
    ck_took_ms(0, ck_fails(ETIMEDOUT, transmit(p.here, "abc", 3)));
}
END_TEST

START_TEST(at_the_limit_it_returns_the_count_of_what_the_peer_will_get)
{
    struct pair pairs[STREAMS];
    size_t count = all_streams(pairs);
    const char *data = pattern(MUCH);
    for (size_t i = 0; i < count; i++) {
        ssize_t n;
        ck_took_ms(100, n = transmit(pairs[i].here, data, MUCH));
        ck_assert_int_gt(n, 0);
        ck_assert_int_lt(n, (ssize_t)MUCH);
        close(pairs[i].here);
        ck_receives(pairs[i].there, data, (size_t)n);
    }
}
END_TEST

/* Takes a little now and then, for much longer than the limit. */
static void *take_slowly(void *fd)
{
    static char some[1 << 15];
    for (int i = 0; i < 12; i++) {
        plain_read(*(int *)fd, some, sizeof some);
        plain_sleep_ms(40);
    }
    return NULL;
}

START_TEST(a_peer_that_takes_a_little_now_and_then_does_not_put_the_limit_off)
{
    struct pair pairs[STREAMS];
    size_t count = all_streams(pairs);
    const char *data = pattern(MUCH);
    for (size_t i = 1; i < count; i++) {
        pthread_t peer = when_asleep(take_slowly, &pairs[i].there);
        ssize_t n;
        ck_took_ms(100, n = transmit(pairs[i].here, data, MUCH));
        ck_assert(n > 0 && n < (ssize_t)MUCH);
        close(pairs[i].here);
        pthread_join(peer, NULL);
    }
}
END_TEST

/* Under a limit that is not reached */

START_TEST(what_fits_is_sent_at_once)
{
    struct pair pairs[STREAMS + 2];
    size_t count = all_streams(pairs);
    pairs[count++] = unix_pair(SOCK_SEQPACKET);
    pairs[count++] = udp_pair();
    for (size_t i = 0; i < count; i++) {
        char bytes[8];
        ck_took_ms(0, ck_returns(6, transmit(pairs[i].here, "abcdef", 6)));
        ck_assert_int_eq(plain_read(pairs[i].there, bytes, 8), 6);
        ck_assert_mem_eq(bytes, "abcdef", 6);
    }
}
END_TEST

START_TEST(more_than_fits_is_sent_wholly_while_the_peer_takes_it)
{
    struct pair pairs[STREAMS];
    size_t count = all_streams(pairs);
    const char *data = pattern(MUCH);
    for (size_t i = 0; i < count; i++) {
        struct intake in = intake_of(pairs[i].there, MUCH);
        pthread_t peer = when_asleep(take_in, &in);
        ck_returns(MUCH, transmit(pairs[i].here, data, MUCH));
        pthread_join(peer, NULL);
        ck_assert_uint_eq(in.got, MUCH);
        ck_assert(!memcmp(in.data, data, MUCH));
        ck_assert(!plain_is_readable(in.fd, 0));
    }
}
END_TEST

/* Takes records up to one that is not of fill()'s, and returns that one's size. */
static void *take_records(void *fd)
{
    static char record[70000];
    ssize_t n;
    do n = plain_read(*(int *)fd, record, sizeof record);
    while (n == 65536);
    return (void *)n;
}

START_TEST(a_record_that_must_wait_is_sent_as_one)
{
    struct pair p = filled(unix_pair(SOCK_SEQPACKET));
    const char *data = pattern(50000);
    pthread_t peer = when_asleep(take_records, &p.there);
    ck_returns(50000, transmit(p.here, data, 50000));
    void *size;
    pthread_join(peer, &size);
    ck_assert_int_eq((intptr_t)size, 50000);
}
END_TEST

START_TEST(a_record_that_never_fits_is_refused_as_without)
{
    const char *data = pattern(MUCH);
    ck_fails(EMSGSIZE, transmit(udp_pair().here, data, MUCH));
    ck_fails(EMSGSIZE, transmit(unix_pair(SOCK_SEQPACKET).here, data, MUCH));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = NAMES_IN(calls);
    const struct suite suites[] = {
        {"send at its limit", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_full_connection_of_any_kind_fails_it_with_etimedout_at_the_limit,
               a_limit_of_the_fds_own_is_what_it_waits, at_the_limit_it_returns_the_count_of_what_the_peer_will_get,
               a_peer_that_takes_a_little_now_and_then_does_not_put_the_limit_off), all},
        {"send in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(what_fits_is_sent_at_once, more_than_fits_is_sent_wholly_while_the_peer_takes_it,
               a_record_that_must_wait_is_sent_as_one, a_record_that_never_fits_is_refused_as_without), all},
        {0}};
    return run_suites(argv, suites);
}
