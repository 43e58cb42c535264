/* sendfile, and splice into a socket: all is copied, or what the limit left time for, and
 * nothing twice. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

/* Much more than fits into a socket or pipe of these tests. */
#define MUCH ((size_t)1 << 20)

static int file_of(const char *data, size_t len)
{
    int fd = memfd_create("copied", MFD_CLOEXEC);
    ck_ok(fd);
    ck_assert_int_eq(plain_write(fd, data, len), (ssize_t)len);
    ck_ok(lseek(fd, 0, SEEK_SET));
    return fd;
}

static int pipe_source(const char *data, size_t len)
{
    return pipe_of(data, len).here;
}

static ssize_t by_sendfile(int out, int in, size_t len)
{
    return sendfile(out, in, NULL, len);
}

static ssize_t by_sendfile64(int out, int in, size_t len)
{
    return sendfile64(out, in, NULL, len);
}

static ssize_t by_splice(int out, int in, size_t len)
{
    return splice(in, NULL, out, NULL, len, 0);
}

static const struct call {
    const char *name;
    ssize_t (*copy)(int out, int in, size_t len);
    int (*source)(const char *data, size_t len);
} calls[] = {
    {"sendfile", by_sendfile, file_of},
    {"sendfile64", by_sendfile64, file_of},
    {"splice", by_splice, pipe_source},
};

static ssize_t copy(int out, int in, size_t len)
{
    return VARIANT_IN(calls)->copy(out, in, len);
}

static int source(const char *data, size_t len)
{
    return VARIANT_IN(calls)->source(data, len);
}

/* Under a limit of 100 ms */

START_TEST(a_full_connection_fails_it_with_etimedout_at_the_limit)
{
    struct pair pairs[] = {full_pair(), filled(unix_pair(SOCK_STREAM))};
    for (size_t i = 0; i < 2; i++) {
        int in = source("abc", 3);
        ck_took_ms(100, ck_fails(ETIMEDOUT, copy(pairs[i].here, in, 3)));
        ck_assert_int_eq(timeout_of(pairs[i].here, SO_SNDTIMEO), 0);
    }
}
END_TEST

START_TEST(at_the_limit_it_returns_the_count_of_what_the_peer_will_get)
{
    struct pair pairs[] = {little_room(tcp_pair()), little_room(unix_pair(SOCK_STREAM))};
    const char *data = pattern(MUCH);
    for (size_t i = 0; i < 2; i++) {
        int in = source(data, MUCH);
        ssize_t n;
        ck_took_ms(100, n = copy(pairs[i].here, in, MUCH));
        ck_assert(n > 0 && n < (ssize_t)MUCH);
        ck_assert_int_eq(timeout_of(pairs[i].here, SO_SNDTIMEO), 0);
        close(pairs[i].here);
        ck_receives(pairs[i].there, data, (size_t)n);
    }
}
END_TEST

/* Takes a little now and then, for much longer than the limit. */
static void *take_slowly(void *fd)
{
    static char bytes[1 << 15];
    for (int i = 0; i < 12; i++) {
        plain_read(*(int *)fd, bytes, sizeof bytes);
        plain_sleep_ms(40);
    }
    return NULL;
}

START_TEST(a_peer_that_takes_a_little_now_and_then_does_not_put_the_limit_off)
{
    struct pair p = little_room(unix_pair(SOCK_STREAM));
    int in = source(pattern(MUCH), MUCH);
    pthread_t peer = when_asleep(take_slowly, &p.there);
    ssize_t n;
    ck_took_ms(100, n = copy(p.here, in, MUCH));
    ck_assert(n > 0 && n < (ssize_t)MUCH);
    close(p.here);
    pthread_join(peer, NULL);
}
END_TEST

static void *take_some_late(void *fd)
{
    static char bytes[50000];
    plain_sleep_ms(240);
    plain_read(*(int *)fd, bytes, sizeof bytes);
    return NULL;
}

/* The kernel copies by the page and starts its timer anew for each 16 of them. */
START_TEST(a_file_that_is_sent_from_an_odd_offset_has_the_limit_once)
{
    struct pair p = filled(little_room(unix_pair(SOCK_STREAM)));
    int in = file_of(pattern(MUCH), MUCH);
    off_t at = 1;
    pthread_t peer = when_asleep(take_some_late, &p.there);
    int64_t began = now_ns();
    sendfile(p.here, in, &at, 65536);
    int64_t took = now_ns() - began;
    pthread_join(peer, NULL);
    assert_took_ms(240, took);
}
END_TEST

START_TEST(the_offset_or_position_is_moved_by_what_was_copied)
{
    int in = file_of(pattern(MUCH), MUCH);
    off_t at = 1000;
    ssize_t n = sendfile(little_room(tcp_pair()).here, in, &at, MUCH);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(at, 1000 + n);
    ck_assert_int_eq(lseek(in, 0, SEEK_CUR), 0);
    off64_t at64 = 1000;
    n = sendfile64(little_room(tcp_pair()).here, in, &at64, MUCH);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(at64, 1000 + n);
    n = sendfile(little_room(tcp_pair()).here, in, NULL, MUCH);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(lseek(in, 0, SEEK_CUR), n);
}
END_TEST

START_TEST(sendfile_into_a_full_pipe_has_the_limit_of_the_pipe)
{
    struct pair full = pipe_of(pattern(MUCH), MUCH);
    ck_took_ms(100, ck_fails(ETIMEDOUT, sendfile(full.there, file_of("abc", 3), NULL, 3)));
}
END_TEST

/* Under a limit that is not reached */

START_TEST(what_fits_is_copied_at_once)
{
    struct pair p = tcp_pair();
    char bytes[8];
    int in = source("abcdef", 6);
    ck_took_ms(0, ck_returns(6, copy(p.here, in, 6)));
    ck_assert_int_eq(plain_read(p.there, bytes, 8), 6);
    ck_assert_mem_eq(bytes, "abcdef", 6);
}
END_TEST

START_TEST(more_than_fits_is_copied_wholly_while_the_peer_takes_it)
{
    struct pair pairs[] = {little_room(tcp_pair()), little_room(unix_pair(SOCK_STREAM))};
    char *data = pattern(MUCH);
    for (size_t i = 0; i < 2; i++) {
        struct intake in = intake_of(pairs[i].there, MUCH);
        int from = source(data, MUCH);
        pthread_t peer = when_asleep(take_in, &in);
        ck_returns(MUCH, copy(pairs[i].here, from, MUCH));
        pthread_join(peer, NULL);
        ck_assert_uint_eq(in.got, MUCH);
        ck_assert(!memcmp(in.data, data, MUCH));
    }
}
END_TEST

START_TEST(a_short_file_is_copied_at_once_and_then_it_is_the_end)
{
    struct pair p = tcp_pair();
    int in = file_of(pattern(100000), 100000);
    ck_took_ms(0, ck_returns(100000, copy(p.here, in, MUCH)));
    ck_took_ms(0, ck_returns(0, copy(p.here, in, MUCH)));
}
END_TEST

static void *empty_late(void *fd)
{
    plain_read(*(int *)fd, keep(MUCH), MUCH);
    return NULL;
}

START_TEST(sendfile_waits_for_room_in_a_full_pipe)
{
    struct pair full = pipe_of(pattern(MUCH), MUCH);
    char bytes[8];
    pthread_t reader = when_asleep(empty_late, &full.here);
    ck_returns(3, sendfile(full.there, file_of("abc", 3), NULL, 3));
    pthread_join(reader, NULL);
    ck_assert_int_eq(plain_read(full.here, bytes, 8), 3);
    ck_assert_mem_eq(bytes, "abc", 3);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = NAMES_IN(calls), *const of_files[] = {"sendfile", "sendfile64", NULL};
    const char *const *of_tcp = SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=tcp,unix");
    const char *const *of_all = SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all");
    const char *const *in_time = SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=tcp,unix");
    const TTest *const *at_limit = TESTS(a_full_connection_fails_it_with_etimedout_at_the_limit,
                                         at_the_limit_it_returns_the_count_of_what_the_peer_will_get,
                                         a_peer_that_takes_a_little_now_and_then_does_not_put_the_limit_off);
    const struct suite suites[] = {
        {"copy at its limit", of_tcp, at_limit, all},
        {"copy at its limit, pipes too", of_all, at_limit, all},
        {"sendfile at its limit", of_tcp, TESTS(the_offset_or_position_is_moved_by_what_was_copied), NULL},
        {"sendfile at a limit of 300 ms", SETTINGS("TIMEOUTSOCK_DEFAULT=300ms", "TIMEOUTSOCK_KINDS=unix"),
         TESTS(a_file_that_is_sent_from_an_odd_offset_has_the_limit_once), NULL},
        {"sendfile at its limit, pipes too", of_all, TESTS(sendfile_into_a_full_pipe_has_the_limit_of_the_pipe), NULL},
        {"copy in time", in_time,
         TESTS(what_fits_is_copied_at_once, more_than_fits_is_copied_wholly_while_the_peer_takes_it), all},
        {"sendfile in time, pipes too", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(sendfile_waits_for_room_in_a_full_pipe), NULL},
        {"sendfile in time", in_time, TESTS(a_short_file_is_copied_at_once_and_then_it_is_the_end), of_files},
        {0}};
    return run_suites(argv, suites);
}
