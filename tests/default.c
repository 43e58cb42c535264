/* The functions of timeoutsock.h for the default limit. */
#include "../shim/timeoutsock.h"
#include "suites.h"

#define CONFIGURED 100

static char byte;

static void ck_receives_for(int ms, int fd)
{
    ck_took_ms(ms, ck_fails(ETIMEDOUT, read(fd, &byte, 1)));
}

static void send_in(int ms, int fd)
{
    pid_t child = fork();
    ck_ok(child);
    if (child)
        return;
    plain_sleep_ms(ms);
    _exit(write(fd, "x", 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

START_TEST(the_default_of_the_program_stands_in_for_the_configured_one)
{
    struct pair p = tcp_pair();
    ck_returns(0, tsock_set_default_timeout(30));
    ck_returns(30, tsock_get_default_timeout());
    ck_receives_for(30, p.here);
    ck_receives_for(30, p.here);        /* it ends no connection */
    ck_returns(0, tsock_set_default_timeout(TSOCK_NONE));
    ck_returns(TSOCK_NONE, tsock_get_default_timeout());
    send_in(2 * CONFIGURED, p.there);
    ck_returns(1, recv(p.here, &byte, 1, 0));
    ck_returns(0, tsock_set_default_timeout(TSOCK_DEFAULT));
    ck_returns(CONFIGURED, tsock_get_default_timeout());
    ck_receives_for(CONFIGURED, p.here);
}
END_TEST

START_TEST(the_default_of_the_program_is_not_for_other_kinds_nor_for_limits_of_an_fd)
{
    struct pair p = tcp_pair(), q = unix_pair(SOCK_STREAM);
    ck_ok(tsock_set_default_timeout(30));
    ck_ok(tsock_set_timeout(p.here, 60));
    ck_receives_for(60, p.here);
    send_in(2 * CONFIGURED, q.there);
    ck_returns(1, recv(q.here, &byte, 1, 0));
}
END_TEST

START_TEST(a_phase_with_a_setting_keeps_it)
{
    struct pair p = tcp_pair();
    int listener = tcp_listener(1);
    ck_returns(TSOCK_NONE, tsock_get_default_timeout());
    ck_ok(tsock_set_default_timeout(30));
    ck_receives_for(60, p.here);
    ck_took_ms(30, ck_fails(ETIMEDOUT, accept(listener, NULL, NULL)));
}
END_TEST

START_TEST(without_any_setting_the_first_limit_holds_for_what_is_open_already)
{
    struct pair p = tcp_pair(), q = tcp_pair();
    ck_returns(1, tsock_present());
    ck_returns(TSOCK_NONE, tsock_get_default_timeout());
    ck_returns(TSOCK_DEFAULT, tsock_get_timeout(p.here));
    ck_returns(0, tsock_set_timeout(p.here, 50));
    ck_receives_for(50, p.here);
    ck_ok(tsock_set_default_timeout(80));
    ck_receives_for(80, q.here);
}
END_TEST

static int expected(void)
{
    return atoi(getenv("EXPECTED"));
}

START_TEST(the_default_limit_is_said_in_milliseconds_rounded_up)
{
    ck_returns(expected(), tsock_get_default_timeout());
}
END_TEST

#define DEFAULTS(name, text, ms) \
    {name, SETTINGS("TIMEOUTSOCK_DEFAULT=" text, "EXPECTED=" #ms), \
     TESTS(the_default_limit_is_said_in_milliseconds_rounded_up), NULL}

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"default", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(the_default_of_the_program_stands_in_for_the_configured_one,
               the_default_of_the_program_is_not_for_other_kinds_nor_for_limits_of_an_fd), NULL},
        {"default, by phase", SETTINGS("TIMEOUTSOCK_READ=60ms"), TESTS(a_phase_with_a_setting_keeps_it), NULL},
        {"default, no setting", SETTINGS("TIMEOUTSOCK_UNUSED="),
         TESTS(without_any_setting_the_first_limit_holds_for_what_is_open_already), NULL},
        DEFAULTS("default, small", "0.0000001", 1), DEFAULTS("default, to round", "1.0001", 1001),
        DEFAULTS("default, even", "1.5", 1500), DEFAULTS("default, huge", "2000000h", 2147483647),
        DEFAULTS("default, none", "none", -1), {0}};
    return run_suites(argv, suites);
}
