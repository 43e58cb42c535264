/* Scopes that are local variables are left by longjmp and by the end of a thread and leave
 * nothing behind; those of a process are its child's, too. */
#include <pthread.h>
#include <setjmp.h>

#include "scopes.h"

static int silent;
static sigjmp_buf back;

static void __attribute__((noinline)) jump_out_of(int depth)
{
    tsock_scope_t scope;
    volatile char much[100000] = {0};
    ck_returns(0, tsock_scope_begin(&scope, 0));
    if (!depth)
        siglongjmp(back, 1);
    jump_out_of(depth - 1 + much[depth]);
}

static void leave_by_longjmp(void)
{
    if (!sigsetjmp(back, 1))
        jump_out_of(3);
    overwrite_stack();
}

START_TEST(longjmp_leaves_scopes)
{
    leave_by_longjmp();
    ck_in_no_scope(silent);
    leave_by_longjmp();
    ck_in_no_scope(silent);
}
END_TEST

START_TEST(longjmp_does_not_leave_the_scope_that_it_stays_in)
{
    tsock_scope_t scope;
    int64_t began = begin_scope(&scope, SPAN);
    leave_by_longjmp();
    ck_assert(times_out(silent));
    assert_took_ms(SPAN, now_ns() - began);
    ck_assert_int_eq(tsock_scope_expired(&scope), 1);
    ck_returns(0, tsock_scope_end(&scope));
}
END_TEST

static int jump(void *unused)
{
    (void)unused;
    siglongjmp(back, 1);
}

START_TEST(longjmp_leaves_tsock_with_timeout)
{
    if (!sigsetjmp(back, 1))
        tsock_with_timeout(0, jump, NULL, NULL);
    overwrite_stack();
    ck_in_no_scope(silent);
}
END_TEST

/* An inner one that is not a local variable goes with the outer one. */
static void __attribute__((noinline)) jump_out_of_two(tsock_scope_t *inner)
{
    tsock_scope_t scope;
    ck_ok(tsock_scope_begin(&scope, 0));
    ck_ok(tsock_scope_begin(inner, 0));
    siglongjmp(back, 1);
}

START_TEST(longjmp_out_of_a_local_scope_leaves_those_in_it)
{
    static tsock_scope_t inner;
    if (!sigsetjmp(back, 1))
        jump_out_of_two(&inner);
    overwrite_stack();
    ck_in_no_scope(silent);
    ck_fails(EINVAL, tsock_scope_end(&inner));
}
END_TEST

/* ASan does not see the frames go that the end of a thread unwinds, and finds faults in what
 * comes to lie there. */
#ifndef __SANITIZE_ADDRESS__
static int left_before;

static void count_left(void *unused)
{
    (void)unused;
    tsock_scope_t scope;
    left_before += !tsock_scope_begin(&scope, TSOCK_NONE) && !tsock_scope_end(&scope);
}

/* A destructor of thread-specific data runs when the thread's frames are gone. */
static bool unharmed;

static void receive_after_all(void *unused)
{
    (void)unused;
    overwrite_stack();
    tsock_scope_t scope;
    int64_t began = now_ns();
    unharmed = !tsock_scope_begin(&scope, SPAN) && times_out(silent) && tsock_scope_expired(&scope) &&
               now_ns() - began >= SPAN * INT64_C(1000000) && !tsock_scope_end(&scope);
}

static void *end_thread(void *how)
{
    pthread_key_t key;
    tsock_scope_t scope;
    static tsock_scope_t far_away;
    pthread_key_create(&key, receive_after_all);
    pthread_setspecific(key, &scope);
    pthread_cleanup_push(count_left, NULL);
    tsock_scope_begin(&scope, *(char *)how == 'c' ? LONG : 0);
    if (*(char *)how == 'f')
        tsock_scope_begin(&far_away, 0);
    if (*(char *)how == 'c')
        times_out(silent);
    else
        pthread_exit(NULL);
    pthread_cleanup_pop(0);
    return NULL;
}

static void ck_ends_thread(const char *how, void *expected)
{
    pthread_t thread;
    void *end;
    unharmed = false;
    left_before = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_thread, (void *)how), 0);
    if (*how == 'c')
        ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &end), 0);
    ck_assert_ptr_eq(end, expected);
    ck_assert(unharmed);
    ck_assert_int_eq(left_before, 1);
}

START_TEST(pthread_exit_leaves_scopes)
{
    ck_ends_thread("exit", NULL);
    ck_ends_thread("far", NULL);
}
END_TEST

START_TEST(cancellation_leaves_scopes)
{
    ck_ends_thread("cancel", PTHREAD_CANCELED);
}
END_TEST

#define ENDS pthread_exit_leaves_scopes, cancellation_leaves_scopes,
#else
#define ENDS
#endif

static void ck_child_keeps(void *began)
{
    tsock_scope_t inner;
    ck_ok(tsock_scope_begin(&inner, LONG));
    ck_assert(times_out(silent));
    assert_took_ms(2 * SPAN, now_ns() - *(int64_t *)began);
    ck_assert_int_eq(tsock_scope_expired(&inner), 0);
    ck_returns(0, tsock_scope_end(&inner));
}

static void ck_child_leaves(void *scope)
{
    ck_assert(times_out(silent));
    ck_returns(1, tsock_scope_expired(scope));
    ck_returns(0, tsock_scope_end(scope));
    ck_in_no_scope(silent);
}

START_TEST(a_child_keeps_the_deadline_and_what_it_does_is_its_own)
{
    tsock_scope_t scope;
    int64_t began = begin_scope(&scope, 2 * SPAN);
    in_child(ck_child_keeps, &began);
    ck_assert_int_eq(tsock_scope_expired(&scope), 0);
    in_child(ck_child_leaves, &scope);
    ck_took_ms(0, ck_assert(times_out(silent)));
    ck_returns(1, tsock_scope_expired(&scope));
    ck_returns(0, tsock_scope_end(&scope));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    silent = silent_socket();
    return run_tests("scopeleft",
                     TESTS(ENDS longjmp_leaves_scopes, longjmp_does_not_leave_the_scope_that_it_stays_in,
                           longjmp_leaves_tsock_with_timeout, longjmp_out_of_a_local_scope_leaves_those_in_it,
                           a_child_keeps_the_deadline_and_what_it_does_is_its_own));
}
