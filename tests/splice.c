/* splice, which may wait for either end; copy.c shows what it has in common with sendfile. */
#include <fcntl.h>

#include "peer.h"
#include "suites.h"

/* As much as pipe_of() takes. */
#define MUCH ((size_t)1 << 20)

/* Under a limit of 100 ms */

START_TEST(splice_from_a_silent_peer_fails_with_etimedout_at_the_limit)
{
    struct pair pairs[] = {tcp_pair(), unix_pair(SOCK_STREAM)};
    for (size_t i = 0; i < 2; i++) {
        int out = pipe_of("", 0).there;
        ck_took_ms(100, ck_fails(ETIMEDOUT, splice(pairs[i].here, NULL, out, NULL, 4096, 0)));
        ck_assert_int_eq(timeout_of(pairs[i].here, SO_SNDTIMEO), 0);
    }
}
END_TEST

START_TEST(splice_of_two_pipes_has_the_limit_of_the_pipes)
{
    struct pair empty = pipe_of("", 0), out = pipe_of("", 0);
    ck_took_ms(100, ck_fails(ETIMEDOUT, splice(empty.here, NULL, out.there, NULL, 4096, 0)));
}
END_TEST

START_TEST(splice_from_an_empty_pipe_has_the_limit_of_the_pipe)
{
    int in = pipe_of("", 0).here, out = tcp_pair().here;
    ck_took_ms(100, ck_fails(ETIMEDOUT, splice(in, NULL, out, NULL, 4096, 0)));
}
END_TEST

START_TEST(splice_into_a_full_pipe_has_the_limit_of_the_pipe)
{
    struct pair p = tcp_pair(), full = pipe_of(pattern(MUCH), MUCH);
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_took_ms(100, ck_fails(ETIMEDOUT, splice(p.here, NULL, full.there, NULL, 3, 0)));
}
END_TEST

/* Under a limit that is not reached */

static void *send_late(void *fd)
{
    plain_write(*(int *)fd, "late", 4);
    return NULL;
}

START_TEST(splice_from_a_socket_returns_what_is_there_or_comes)
{
    struct pair p = tcp_pair(), out = pipe_of("", 0);
    char bytes[8];
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_took_ms(0, ck_returns(3, splice(p.here, NULL, out.there, NULL, 4096, 0)));
    pthread_t peer = when_asleep(send_late, &p.there);
    ck_returns(4, splice(p.here, NULL, out.there, NULL, 4096, 0));
    ck_assert_int_eq(plain_read(out.here, bytes, 8), 7);
    ck_assert_mem_eq(bytes, "abclate", 7);
    pthread_join(peer, NULL);
}
END_TEST

START_TEST(splice_waits_for_the_data_of_an_empty_pipe)
{
    struct pair in = pipe_of("", 0), p = tcp_pair();
    char bytes[8];
    pthread_t peer = when_asleep(send_late, &in.there);
    ck_returns(4, splice(in.here, NULL, p.here, NULL, 4096, 0));
    pthread_join(peer, NULL);
    ck_assert_int_eq(plain_read(p.there, bytes, 8), 4);
}
END_TEST

static void *empty_late(void *fd)
{
    char *data = keep(MUCH);
    plain_read(*(int *)fd, data, MUCH);
    return NULL;
}

START_TEST(splice_waits_for_room_in_a_full_pipe)
{
    struct pair p = tcp_pair(), full = pipe_of(pattern(MUCH), MUCH);
    char bytes[8];
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    pthread_t reader = when_asleep(empty_late, &full.here);
    ck_returns(3, splice(p.here, NULL, full.there, NULL, 4096, 0));
    pthread_join(reader, NULL);
    ck_assert_int_eq(plain_read(full.here, bytes, 8), 3);
}
END_TEST

START_TEST(splice_that_is_told_not_to_wait_for_a_pipe_does_not)
{
    struct pair p = tcp_pair(), empty = pipe_of("", 0), full = pipe_of(pattern(MUCH), MUCH);
    ck_took_ms(0, ck_fails(EAGAIN, splice(empty.here, NULL, p.here, NULL, 4096, SPLICE_F_NONBLOCK)));
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_took_ms(0, ck_fails(EAGAIN, splice(p.here, NULL, full.there, NULL, 4096, SPLICE_F_NONBLOCK)));
}
END_TEST

START_TEST(splice_at_the_end_of_its_source_returns_0_at_once)
{
    struct pair p = tcp_pair(), in = pipe_of("", 0), out = pipe_of("", 0);
    close(p.there);
    close(in.there);
    ck_took_ms(0, ck_returns(0, splice(in.here, NULL, p.here, NULL, 4096, 0)));
    ck_took_ms(0, ck_returns(0, splice(p.here, NULL, out.there, NULL, 4096, 0)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const TTest *const *in_time =
        TESTS(splice_from_a_socket_returns_what_is_there_or_comes, splice_waits_for_the_data_of_an_empty_pipe,
              splice_waits_for_room_in_a_full_pipe, splice_that_is_told_not_to_wait_for_a_pipe_does_not,
              splice_at_the_end_of_its_source_returns_0_at_once);
    const struct suite suites[] = {
        {"splice at its limit", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=tcp,unix"),
         TESTS(splice_from_a_silent_peer_fails_with_etimedout_at_the_limit), NULL},
        {"splice at its limit, pipes too", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(splice_from_a_silent_peer_fails_with_etimedout_at_the_limit,
               splice_of_two_pipes_has_the_limit_of_the_pipes, splice_from_an_empty_pipe_has_the_limit_of_the_pipe,
               splice_into_a_full_pipe_has_the_limit_of_the_pipe), NULL},
        {"splice in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"), in_time, NULL},
        {"splice in time, pipes too", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"), in_time, NULL},
        {0}};
    return run_suites(argv, suites);
}
