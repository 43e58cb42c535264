/* A close that lingers (SO_LINGER) without the library having seen on which socket that was
 * asked, or how long it may take (tests/linger.c has what it sees). */
#include <netinet/in.h>

#include "../shim/timeoutsock.h"
#include "harness.h"

#define A_SECOND 990    /* of the kernel, which counts in ticks */

static void set_linger(int fd, int seconds)
{
    struct linger linger = {.l_onoff = seconds > 0, .l_linger = seconds};
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

static int lingering(int seconds)
{
    int fd = full_pair().here;
    set_linger(fd, seconds);
    return fd;
}

START_TEST(it_does_not_wait_when_the_time_is_up)
{
    int fd = lingering(30);
    tsock_scope_t scope;
    ck_ok(tsock_scope_begin(&scope, 0));
    ck_took_ms(0, ck_returns(0, close(fd)));
    ck_ok(tsock_scope_end(&scope));
}
END_TEST

/* It is the first limit of the process, which notes nothing of its descriptors before. */
START_TEST(it_is_bounded_by_a_limit_that_came_later)
{
    int fd = lingering(30);
    ck_ok(tsock_set_timeout(fd, 300));
    ck_took_ms(A_SECOND, ck_returns(0, close(fd)));
}
END_TEST

START_TEST(it_is_bounded_where_the_listener_has_set_it)
{
    int listener = tcp_listener(1);
    set_linger(listener, 30);
    int there = tcp_connect(listener), here = accept(listener, NULL, NULL);
    ck_ok(here);
    ck_ok(tsock_set_timeout(here, 300));
    fill(here);
    ck_took_ms(A_SECOND, ck_returns(0, close(here)));
    ck_ok(close(there));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    return run_tests("lingering", TESTS(it_does_not_wait_when_the_time_is_up, it_is_bounded_by_a_limit_that_came_later,
                                        it_is_bounded_where_the_listener_has_set_it));
}
