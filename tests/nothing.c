/* Calls that ask for nothing: they wait where the kernel's do, and only there. */
#include <sys/uio.h>

#include "receives.h"

#define LIMIT 60

static char buf[16];

START_TEST(a_read_of_nothing_returns_at_once)
{
    struct pair p = tcp_pair();
    struct iovec empty[] = {{buf, 0}, {NULL, 0}};
    ck_took_ms(0, ck_returns(0, read(p.here, buf, 0)));
    ck_took_ms(0, ck_returns(0, readv(p.here, empty, 2)));
    ck_took_ms(0, ck_returns(0, readv(p.here, empty, 0)));
    ck_took_ms(0, ck_returns(0, preadv2(p.here, empty, 2, -1, 0)));
}
END_TEST

START_TEST(a_read_of_nothing_takes_no_datagram)
{
    struct pair p = udp_pair();
    struct iovec empty[] = {{buf, 0}, {NULL, 0}};
    put(p.there, "abcd");
    ck_took_ms(0, ck_returns(0, read(p.here, buf, 0)));
    ck_took_ms(0, ck_returns(0, readv(p.here, empty, 2)));
    ck_returns(4, recv(p.here, buf, sizeof buf, 0));
    ck_took_ms(0, ck_returns(0, readv(p.here, empty, 2)));
}
END_TEST

START_TEST(a_write_of_nothing_returns_at_once)
{
    struct pair p = full_pair();
    struct iovec empty[] = {{buf, 0}, {NULL, 0}};
    ck_took_ms(0, ck_returns(0, write(p.here, buf, 0)));
    ck_took_ms(0, ck_returns(0, writev(p.here, empty, 2)));
    ck_took_ms(0, ck_returns(0, pwritev2(p.here, empty, 2, -1, 0)));
    ck_took_ms(0, ck_returns(0, send(p.here, buf, 0, 0)));
}
END_TEST

/* Unlike read(), recv() of nothing waits for something on a TCP socket. */
START_TEST(a_receive_of_nothing_waits_as_the_kernels_does_but_not_beyond_its_limit)
{
    EACH_RECEIVE(by) {
        struct pair p = tcp_pair();
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, buf, 0, 0)));
        p = tcp_pair();
        put(p.there, "abcd");
        ck_took_ms(0, ck_gets(by, p.here, 0, 0, ""));
        ck_gets(by, p.here, sizeof buf, 0, "abcd");
    }
}
END_TEST

START_TEST(a_receive_of_an_empty_datagram_takes_it)
{
    EACH_RECEIVE(by) {
        struct pair p = udp_pair();
        put(p.there, "");
        ck_took_ms(0, ck_gets(by, p.here, sizeof buf, 0, ""));
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, buf, sizeof buf, 0)));
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=60ms", "TIMEOUTSOCK_KINDS=tcp,udp,unix", NULL);
    return run_tests("nothing", TESTS(a_read_of_nothing_returns_at_once,
                                      a_read_of_nothing_takes_no_datagram,
                                      a_write_of_nothing_returns_at_once,
                                      a_receive_of_nothing_waits_as_the_kernels_does_but_not_beyond_its_limit,
                                      a_receive_of_an_empty_datagram_takes_it));
}
