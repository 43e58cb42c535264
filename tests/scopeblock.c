/* Scopes that begin and end by themselves: TSOCK_SCOPE and tsock_with_timeout. */
#include <limits.h>

#include "scopes.h"

static char byte;
static int silent;

static tsock_scope_t *seen;

static void leave_by_break(void)
{
    for (int i = 0; i < 3; i++)
        TSOCK_SCOPE(LONG) {
            seen = TSOCK_THIS_SCOPE;
            if (i == 1)
                break;
            ck_returns(1, tsock_scope_pending(TSOCK_THIS_SCOPE));
        }
}

static void leave_by_continue(void)
{
    TSOCK_SCOPE(LONG) {
        seen = TSOCK_THIS_SCOPE;
        continue;
    }
}

static int leave_by_return(void)
{
    TSOCK_SCOPE(LONG) {
        seen = TSOCK_THIS_SCOPE;
        return 1;
    }
    return 0;
}

static void leave_by_goto(void)
{
    TSOCK_SCOPE(LONG) {
        seen = TSOCK_THIS_SCOPE;
        goto out;
    }
    ck_abort_msg("the block did not run");
out:
    return;
}

static void leave_by_end(void)
{
    TSOCK_SCOPE(LONG)
        seen = TSOCK_THIS_SCOPE;
}

static void ck_left(void)
{
    ck_assert_ptr_nonnull(seen);
    ck_fails(EINVAL, tsock_scope_set(seen, LONG));
    seen = NULL;
}

START_TEST(a_block_is_left_by_end_break_continue_return_and_goto)
{
    leave_by_end();
    ck_left();
    leave_by_break();
    ck_left();
    leave_by_continue();
    ck_left();
    ck_assert_int_eq(leave_by_return(), 1);
    ck_left();
    leave_by_goto();
    ck_left();
}
END_TEST

START_TEST(a_block_runs_once_under_its_deadline)
{
    int runs = 0;
    int64_t began = now_ns();
    TSOCK_SCOPE(SPAN) {
        runs++;
        ck_ends_ms_after(SPAN, began, ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0)));
        ck_assert_int_eq(tsock_scope_expired(TSOCK_THIS_SCOPE), 1);
    }
    ck_assert_int_eq(runs, 1);
}
END_TEST

START_TEST(a_block_whose_scope_cannot_begin_runs_once_without)
{
    int runs = 0;
    TSOCK_SCOPE(-5) {
        runs++;
        ck_fails(EINVAL, tsock_scope_end(TSOCK_THIS_SCOPE));
    }
    ck_assert_int_eq(runs, 1);
}
END_TEST

/* What fn is told to do, and what it has found. */
struct task {
    int result, error, called, cleaned;
    bool waits;
};

static int do_task(void *argument)
{
    struct task *task = argument;
    task->called++;
    if (task->waits)
        ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0));
    errno = task->error;
    return task->result;
}

/* It is no part of the scope any more. */
static void clean(void *argument)
{
    ((struct task *)argument)->cleaned++;
    ck_ok(tsock_set_timeout(silent, SPAN));
    ck_took_ms(SPAN, ck_fails(ETIMEDOUT, recv(silent, &byte, 1, 0)));
    errno = 42;
}

START_TEST(what_fn_returns_is_returned_and_errno_kept)
{
    tsock_options_t options = {.cleanup = clean, .value = &(int){4}, .expired = 7};
    struct task task = {.result = 3, .error = 99};
    errno = 0;
    ck_assert_int_eq(tsock_with_timeout(LONG, do_task, &task, &options), 3);
    ck_assert_int_eq(errno, 99);
    ck_assert_int_eq(options.expired, 0);
    ck_assert_int_eq(task.cleaned, 0);
    errno = 0;
    ck_assert_int_eq(tsock_with_timeout(TSOCK_NONE, do_task, &task, NULL), 3);
    ck_assert_int_eq(errno, 99);
    ck_assert_int_eq(task.called, 2);
}
END_TEST

START_TEST(an_expired_scope_is_etimedout)
{
    struct task task = {.result = 3, .waits = true};
    ck_took_ms(SPAN, ck_fails(ETIMEDOUT, tsock_with_timeout(SPAN, do_task, &task, NULL)));
    tsock_options_t options = {0};
    ck_took_ms(SPAN, ck_fails(ETIMEDOUT, tsock_with_timeout(SPAN, do_task, &task, &options)));
    ck_assert_int_eq(options.expired, 1);
    ck_assert_int_eq(task.called, 2);
}
END_TEST

START_TEST(an_expired_scope_answers_the_value_and_cleans_up_once)
{
    struct task task = {.result = 3, .waits = true};
    tsock_options_t options = {.cleanup = clean, .value = &(int){4}, .silent = 1};
    ck_assert_int_eq(tsock_with_timeout(SPAN, do_task, &task, &options), 4);
    ck_assert_int_eq(task.cleaned, 1);
    ck_assert_int_eq(options.expired, 1);
}
END_TEST

START_TEST(an_expired_scope_that_is_silent_answers_what_fn_returns)
{
    struct task task = {.result = 3, .error = 99, .waits = true};
    tsock_options_t options = {.cleanup = clean, .silent = 1};
    errno = 0;
    ck_assert_int_eq(tsock_with_timeout(SPAN, do_task, &task, &options), 3);
    ck_assert_int_eq(errno, 99);
    ck_assert_int_eq(task.cleaned, 1);
    ck_assert_int_eq(options.expired, 1);
}
END_TEST

START_TEST(fns_own_etimedout_is_no_expiry)
{
    struct task task = {.result = -1, .error = ETIMEDOUT};
    tsock_options_t options = {.cleanup = clean, .value = &(int){4}, .expired = 7};
    ck_fails(ETIMEDOUT, tsock_with_timeout(LONG, do_task, &task, &options));
    ck_assert_int_eq(options.expired, 0);
    ck_assert_int_eq(task.cleaned, 0);
    ck_ok(tsock_set_timeout(silent, SPAN));
    task.waits = true;
    ck_fails(ETIMEDOUT, tsock_with_timeout(LONG, do_task, &task, &options));
    ck_assert_int_eq(options.expired, 0);
    ck_assert_int_eq(task.cleaned, 0);
}
END_TEST

static int do_nested(void *argument)
{
    tsock_options_t options = {.value = &(int){4}, .expired = 7};
    ck_assert_int_eq(tsock_with_timeout(LONG, do_task, argument, &options), 3);
    ck_assert_int_eq(options.expired, 0);
    return 5;
}

START_TEST(an_outer_deadline_is_the_outer_calls_expiry)
{
    struct task task = {.result = 3, .waits = true};
    tsock_options_t options = {0};
    ck_took_ms(SPAN, ck_fails(ETIMEDOUT, tsock_with_timeout(SPAN, do_nested, &task, &options)));
    ck_assert_int_eq(options.expired, 1);
}
END_TEST

START_TEST(a_bad_time_is_einval_and_fn_is_not_called)
{
    struct task task = {.result = 3};
    ck_fails(EINVAL, tsock_with_timeout(TSOCK_DEFAULT, do_task, &task, NULL));
    ck_fails(EINVAL, tsock_with_timeout(INT_MIN, do_task, &task, NULL));
    ck_assert_int_eq(task.called, 0);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    silent = silent_socket();
    return run_tests("scopeblock",
                     TESTS(a_block_is_left_by_end_break_continue_return_and_goto, a_block_runs_once_under_its_deadline,
                           a_block_whose_scope_cannot_begin_runs_once_without, what_fn_returns_is_returned_and_errno_kept,
                           an_expired_scope_is_etimedout, an_expired_scope_answers_the_value_and_cleans_up_once,
                           an_expired_scope_that_is_silent_answers_what_fn_returns, fns_own_etimedout_is_no_expiry,
                           an_outer_deadline_is_the_outer_calls_expiry, a_bad_time_is_einval_and_fn_is_not_called));
}
