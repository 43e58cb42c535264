/* The ideas of eventlet's Timeout: timeouts inside each other, of which whoever catches one
 * asks whether it is the own; and with_timeout, which returns a value in place of failing. */
#include "../../shim/timeoutsock.h"
#include "../harness.h"

#define SOON 100
#define LATER 300
#define ENOUGH 10000

static char byte;

static int receive(void *fd)
{
    return (int)recv(*(int *)fd, &byte, 1, 0);
}

/* Tries again for as long as only a try was too slow: any other timeout is somebody else's. */
static int try_often(int fd, int ms, int *tries)
{
    for (*tries = 1;; ++*tries) {
        tsock_scope_t scope;
        tsock_scope_begin(&scope, ms);
        int result = receive(&fd), error = errno;
        tsock_scope_end(&scope);
        errno = error;
        if (result >= 0 || !tsock_scope_expired(&scope))
            return result;
    }
}

START_TEST(the_inner_one_is_over_first_and_the_outer_one_goes_on)
{
    struct pair p = tcp_pair();
    TSOCK_SCOPE(ENOUGH) {
        tsock_scope_t *outer = TSOCK_THIS_SCOPE, inner;
        ck_ok(tsock_scope_begin(&inner, SOON));
        ck_took_ms(SOON, ck_fails(ETIMEDOUT, receive(&p.here)));
        ck_ok(tsock_scope_end(&inner));
        ck_assert_int_eq(tsock_scope_expired(&inner), 1);
        ck_assert_int_eq(tsock_scope_expired(outer), 0);
        ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
        ck_returns(1, receive(&p.here));
    }
}
END_TEST

START_TEST(a_timeout_of_the_outer_one_is_not_the_own)
{
    int fd = tcp_pair().here, tries = 0;
    tsock_scope_t outer;
    ck_ok(tsock_scope_begin(&outer, LATER + SOON / 2));
    ck_took_ms(LATER + SOON / 2, ck_fails(ETIMEDOUT, try_often(fd, SOON, &tries)));
    ck_ok(tsock_scope_end(&outer));
    ck_assert_int_eq(tsock_scope_expired(&outer), 1);
    ck_assert_int_gt(tries, 1);
    ck_assert_int_le(tries, LATER / SOON + 1);
}
END_TEST

START_TEST(a_flag_value_stands_for_a_timeout)
{
    struct pair p = tcp_pair();
    int timed_out = 4711;
    tsock_options_t options = {.value = &timed_out};
    ck_took_ms(SOON, ck_assert_int_eq(tsock_with_timeout(SOON, receive, &p.here, &options), 4711));
    ck_assert_int_eq(options.expired, 1);
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    ck_assert_int_eq(tsock_with_timeout(ENOUGH, receive, &p.here, &options), 1);
    ck_assert_int_eq(options.expired, 0);
}
END_TEST

static int receive_with_flag(void *fd)
{
    int timed_out = 4711;
    return tsock_with_timeout(ENOUGH, receive, fd, &(tsock_options_t){.value = &timed_out});
}

/* The value is for the own timeout; the outer one comes through. */
START_TEST(an_outer_timeout_passes_by_the_flag_value)
{
    int fd = tcp_pair().here;
    ck_took_ms(SOON, ck_fails(ETIMEDOUT, tsock_with_timeout(SOON, receive_with_flag, &fd, NULL)));
}
END_TEST

/* Timeout(seconds, False): the block is left and that is all. */
START_TEST(a_silent_timeout_is_no_failure)
{
    int fd = tcp_pair().here, done = 0;
    ck_took_ms(SOON, {
        TSOCK_SCOPE(SOON) {
            if (receive(&fd) < 0)
                break;
            done = 1;
        }
    });
    ck_assert_int_eq(done, 0);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    return run_tests("nested", TESTS(the_inner_one_is_over_first_and_the_outer_one_goes_on,
                                     a_timeout_of_the_outer_one_is_not_the_own, a_flag_value_stands_for_a_timeout,
                                     an_outer_timeout_passes_by_the_flag_value, a_silent_timeout_is_no_failure));
}
