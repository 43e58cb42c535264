/* recv and its kin: they end at their limit, and only then. */
#include "harness.h"

#include "../shim/timeoutsock.h"

START_TEST(recv_of_a_silent_peer_fails_with_etimedout_at_the_configured_limit)
{
    struct pair p = tcp_pair();
    char byte;
    ck_took_ms(100, ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0)));
}
END_TEST

START_TEST(recv_of_a_silent_peer_fails_with_etimedout_at_its_own_limit)
{
    struct pair p = tcp_pair();
    ck_assert_int_eq(tsock_set_timeout(p.here, 50), 0);
    char byte;
    ck_took_ms(50, ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=100ms", NULL);
    return run_tests("recv", TESTS(recv_of_a_silent_peer_fails_with_etimedout_at_the_configured_limit,
                                   recv_of_a_silent_peer_fails_with_etimedout_at_its_own_limit));
}
