/* Scopes in scopes: which deadline holds, whose it was, and ending them in any order. */
#include "scopes.h"

static char byte;
static int silent;     /* connected before any scope begins */
static tsock_scope_t outer, inner;

static void ck_blames(int ms, int64_t began, bool outer_one, bool inner_one)
{
    ck_ends_ms_after(ms, began, ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0)));
    ck_assert_int_eq(tsock_scope_expired(&outer), outer_one);
    ck_assert_int_eq(tsock_scope_expired(&inner), inner_one);
}

static int64_t nest(int outer_ms, int inner_ms)
{
    int64_t began = begin_scope(&outer, outer_ms);
    begin_scope(&inner, inner_ms);
    return began;
}

static void unnest(void)
{
    ck_returns(0, tsock_scope_end(&inner));
    ck_returns(0, tsock_scope_end(&outer));
}

START_TEST(of_nested_scopes_the_earliest_deadline_ends_a_call_and_is_told)
{
    ck_blames(SPAN, nest(LONG, SPAN), false, true);
    unnest();
    ck_blames(SPAN, nest(SPAN, LONG), true, false);
    unnest();
    ck_blames(SPAN, nest(SPAN, TSOCK_NONE), true, false);
    unnest();
}
END_TEST

START_TEST(after_the_inner_scope_the_outer_deadline_holds)
{
    int64_t began = nest(2 * SPAN, SPAN);
    ck_blames(SPAN, began, false, true);
    ck_ok(tsock_scope_end(&inner));
    ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0));
    assert_took_ms(2 * SPAN, now_ns() - began);
    ck_assert_int_eq(tsock_scope_expired(&outer), 1);
    ck_ok(tsock_scope_end(&outer));
}
END_TEST

START_TEST(a_shield_keeps_the_outer_deadlines_off_until_it_is_taken_away)
{
    int64_t began = nest(0, SPAN);
    ck_returns(0, tsock_scope_shield(&inner, 1));
    ck_blames(SPAN, began, false, true);
    ck_returns(0, tsock_scope_set(&inner, TSOCK_NONE));
    ck_ok(tsock_set_timeout(silent, SPAN));
    ck_took_ms(SPAN, ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0)));
    ck_assert_int_eq(tsock_scope_expired(&outer), 0);
    ck_returns(0, tsock_scope_shield(&inner, 0));
    ck_blames(0, now_ns(), true, true);
    unnest();
}
END_TEST

START_TEST(beginning_twice_is_einval_and_changes_nothing)
{
    int64_t began = nest(SPAN, LONG);
    ck_fails(EINVAL, tsock_scope_begin(&inner, 0));
    ck_fails(EINVAL, tsock_scope_begin(&outer, 0));
    ck_blames(SPAN, began, true, false);
    unnest();
    nest(LONG, LONG);
    unnest();
}
END_TEST

/* Local variables and others are kept in different ways; `gone` is overwritten, because its
 * memory may be used for anything once it has ended. */
static void end_out_of_order(tsock_scope_t *first, tsock_scope_t *gone, tsock_scope_t *last)
{
    ck_ok(tsock_scope_begin(first, LONG));
    ck_ok(tsock_scope_begin(gone, 0));
    int64_t began = begin_scope(last, SPAN);
    ck_fails(EINVAL, tsock_scope_end(gone));
    memset(gone, 0xaa, sizeof *gone);
    ck_fails(EINVAL, tsock_scope_end(gone));
    ck_ends_ms_after(SPAN, began, ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0)));
    ck_assert_int_eq(tsock_scope_expired(last), 1);
    ck_fails(EINVAL, tsock_scope_end(first));
    ck_took_ms(0, ck_assert(times_out(silent)));
    ck_returns(0, tsock_scope_end(last));
    ck_fails(EINVAL, tsock_scope_set(first, LONG));
}

START_TEST(ending_out_of_order_is_einval_and_takes_that_scope_alone_away)
{
    tsock_scope_t one, two, three;
    end_out_of_order(&one, &two, &three);
    static tsock_scope_t far[3];
    end_out_of_order(&far[0], &far[1], &far[2]);
    end_out_of_order(&one, &far[1], &three);
    end_out_of_order(&far[0], &two, &far[2]);
    end_out_of_order(&one, &two, &far[2]);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    silent = silent_socket();
    return run_tests("scopenest",
                     TESTS(of_nested_scopes_the_earliest_deadline_ends_a_call_and_is_told,
                           after_the_inner_scope_the_outer_deadline_holds,
                           a_shield_keeps_the_outer_deadlines_off_until_it_is_taken_away,
                           beginning_twice_is_einval_and_changes_nothing,
                           ending_out_of_order_is_einval_and_takes_that_scope_alone_away));
}
