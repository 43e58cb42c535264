/* Scopes and signal handlers: one that jumps out of what it has interrupted, one with a scope
 * of its own, and one that ends the scope in which it has come. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "scopes.h"

static int silent;
static sigjmp_buf back;

static void jump_back(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

/* Check's own handlers have no SA_RESTART. */
static void handle(int number, void (*handler)(int), int flags)
{
    static const int check_handles[] = {SIGALRM, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof check_handles / sizeof *check_handles; i++)
        signal(check_handles[i], SIG_DFL);
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    ck_ok(sigaction(number, &action, NULL));
}

static void *interrupt(void *thread)
{
    plain_sleep_ms(SPAN);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

static pthread_t interrupt_later(pthread_t *thread)
{
    pthread_t interrupter;
    *thread = pthread_self();
    ck_assert_int_eq(pthread_create(&interrupter, NULL, interrupt, thread), 0);
    return interrupter;
}

static void __attribute__((noinline)) wait_in_scope(int ms)
{
    tsock_scope_t scope;
    ck_ok(tsock_scope_begin(&scope, ms));
    times_out(silent);
    ck_abort_msg("the signal did not end it");
}

static void leave_by_signal(void)
{
    pthread_t self, interrupter = interrupt_later(&self);
    if (!sigsetjmp(back, 1))
        wait_in_scope(LONG);
    pthread_join(interrupter, NULL);
    overwrite_stack();
}

START_TEST(longjmp_out_of_a_handler_leaves_the_scope_of_what_it_interrupts)
{
    tsock_scope_t outer;
    handle(SIGUSR1, jump_back, 0);
    leave_by_signal();
    ck_in_no_scope(silent);
    int64_t began = begin_scope(&outer, 3 * SPAN);
    leave_by_signal();
    ck_assert(times_out(silent));
    assert_took_ms(3 * SPAN, now_ns() - began);
    ck_returns(0, tsock_scope_end(&outer));
}
END_TEST

static volatile sig_atomic_t handled, hurt;

static void receive_in_handler(int number)
{
    (void)number;
    tsock_scope_t scope;
    int error = errno;
    int64_t began = now_ns();
    hurt |= tsock_scope_begin(&scope, SPAN) != 0;
    hurt |= !times_out(silent) || !tsock_scope_expired(&scope) || now_ns() - began < SPAN * INT64_C(1000000);
    hurt |= tsock_scope_end(&scope) != 0;
    handled++;
    errno = error;
}

START_TEST(a_handlers_scope_is_inside_that_of_what_it_interrupts)
{
    tsock_scope_t scope;
    pthread_t self;
    handle(SIGUSR1, receive_in_handler, SA_RESTART);
    int64_t began = begin_scope(&scope, 4 * SPAN);
    pthread_t interrupter = interrupt_later(&self);
    ck_assert(times_out(silent));
    assert_took_ms(4 * SPAN, now_ns() - began);
    pthread_join(interrupter, NULL);
    ck_assert_int_eq(handled, 1);
    ck_assert_int_eq(hurt, 0);
    ck_assert_int_eq(tsock_scope_expired(&scope), 1);
    ck_returns(0, tsock_scope_end(&scope));
}
END_TEST

/* At any instruction of begin and end. */
static void begin_in_handler(int number)
{
    (void)number;
    tsock_scope_t scope;
    hurt |= tsock_scope_begin(&scope, LONG) != 0;
    hurt |= tsock_scope_end(&scope) != 0;
    handled++;
}

START_TEST(handlers_that_come_while_scopes_begin_and_end_do_no_harm)
{
    handle(SIGALRM, begin_in_handler, SA_RESTART);
    timer_t timer;
    struct itimerspec often = {{0, 20000}, {0, 20000}};
    ck_ok(timer_create(CLOCK_MONOTONIC, NULL, &timer));
    ck_ok(timer_settime(timer, 0, &often, NULL));
    while (handled < 2000) {
        tsock_scope_t outer, inner;
        ck_assert_int_eq(tsock_scope_begin(&outer, LONG), 0);
        ck_assert_int_eq(tsock_scope_begin(&inner, LONG), 0);
        ck_assert_int_eq(tsock_scope_end(&inner), 0);
        ck_assert_int_eq(tsock_scope_end(&outer), 0);
    }
    ck_ok(timer_delete(timer));
    ck_assert_int_eq(hurt, 0);
    ck_in_no_scope(silent);
}
END_TEST

static void __attribute__((noinline)) jump_out_of_one(void)
{
    tsock_scope_t scope;
    begin_scope(&scope, 0);
    siglongjmp(back, 1);
}

static void leave_by_longjmp(void)
{
    if (!sigsetjmp(back, 1))
        jump_out_of_one();
    overwrite_stack();
}

/* The interrupted call has a buffer of its own in libc's list, before that of the scope. */
static tsock_scope_t *interrupted;

static void end_from_handler(int number)
{
    (void)number;
    handled++;
    hurt |= tsock_scope_end(interrupted) != 0;
}

static void __attribute__((noinline)) accept_in_scope(void)
{
    tsock_scope_t scope;
    pthread_t self;
    interrupted = &scope;
    int listener = tcp_listener(1);
    int64_t began = begin_scope(&scope, 2 * SPAN);
    pthread_t interrupter = interrupt_later(&self);
    ck_fails(ETIMEDOUT, accept(listener, NULL, NULL));
    assert_took_ms(2 * SPAN, now_ns() - began);
    pthread_join(interrupter, NULL);
    ck_assert_int_eq(handled, 1);
    ck_assert_int_eq(hurt, 0);
    ck_fails(EINVAL, tsock_scope_end(&scope));
}

START_TEST(a_handler_may_end_the_scope_of_the_call_that_it_interrupts)
{
    handle(SIGUSR1, end_from_handler, SA_RESTART);
    accept_in_scope();
    overwrite_stack();
    leave_by_longjmp();
    ck_in_no_scope(silent);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    silent = silent_socket();
    return run_tests("scopesignals",
                     TESTS(longjmp_out_of_a_handler_leaves_the_scope_of_what_it_interrupts,
                           a_handlers_scope_is_inside_that_of_what_it_interrupts,
                           handlers_that_come_while_scopes_begin_and_end_do_no_harm,
                           a_handler_may_end_the_scope_of_the_call_that_it_interrupts));
}
