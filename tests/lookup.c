/* Every look-up ends at its limit, and only then.  Every test runs for every look-up. */
#include "lookups.h"
#include "suites.h"

#define ck_times_out(call)                         \
    do {                                           \
        errno = 0;                                 \
        ck_assert_int_eq(call, AGAIN);             \
        ck_assert_int_eq(errno, ETIMEDOUT);        \
    } while (0)

/* Under a limit of 100 ms */

START_TEST(a_silent_name_server_fails_it_with_try_again_and_etimedout_at_the_limit)
{
    dns_begin();
    ck_took_ms(100, ck_times_out(look_up(10)));
    ck_assert_int_ge(dns.asked, 1);
}
END_TEST

START_TEST(what_was_not_answered_fails_at_once_when_asked_again_and_no_other)
{
    dns_begin();
    ck_took_ms(100, ck_times_out(look_up(10)));
    ck_took_ms(0, ck_times_out(look_up(10)));
    ck_took_ms(100, ck_times_out(look_up(11)));
    plain_sleep_ms(1100);
    ck_took_ms(100, ck_times_out(look_up(11)));
}
END_TEST

START_TEST(what_is_answered_is_found_also_after_what_was_not)
{
    dns_begin();
    ck_times_out(look_up(10));
    ck_assert_int_eq(look_up(1), FOUND);
    ck_assert_int_eq(look_up(2), NOT_FOUND);
}
END_TEST

/* Under no limit, or one that is not reached */

START_TEST(the_answer_is_the_name_servers)
{
    dns_begin();
    ck_assert_int_eq(look_up(1), FOUND);
    ck_assert_int_eq(look_up(2), NOT_FOUND);
    ck_assert_int_eq(look_up(1), FOUND);
}
END_TEST

/* dns_begin gives it 2 s. */
START_TEST(the_resolvers_own_timeout_ends_it)
{
    dns_begin();
    ck_took_ms(2000, ck_assert_int_eq(look_up(10), AGAIN));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = lookup_names();
    const struct suite suites[] = {
        {"lookup", SETTINGS("TIMEOUTSOCK_LOOKUP=100ms", "TIMEOUTSOCK_CONNECT=20s", "TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(a_silent_name_server_fails_it_with_try_again_and_etimedout_at_the_limit,
               what_was_not_answered_fails_at_once_when_asked_again_and_no_other,
               what_is_answered_is_found_also_after_what_was_not), all},
        {"lookup by the connect limit", SETTINGS("TIMEOUTSOCK_CONNECT=100ms", "TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(a_silent_name_server_fails_it_with_try_again_and_etimedout_at_the_limit), all},
        {"lookup by the default limit", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(a_silent_name_server_fails_it_with_try_again_and_etimedout_at_the_limit), all},
        {"lookup in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(the_answer_is_the_name_servers, the_resolvers_own_timeout_ends_it), all},
        {"lookup without a limit", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_LOOKUP=none"),
         TESTS(the_answer_is_the_name_servers, the_resolvers_own_timeout_ends_it), all},
        {0}};
    return run_suites(argv, suites);
}
