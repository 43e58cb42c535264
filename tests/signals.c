/* A call that waits is interrupted by signals as the kernel's own would be (signal(7)),
 * and no signal gives it more time. */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#include "../shim/timeoutsock.h"
#include "blocking.h"
#include "suites.h"

#define LIMIT 80
#define LONGER 500      /* where something is to come in time even on a busy machine */
#define PERIOD 15

/* By default it is ignored, so that one that comes late does no harm. */
#define SIGNAL SIGURG

static volatile sig_atomic_t signals;

static void count(int number)
{
    (void)number;
    signals++;
}

static const int check_handles[] = {SIGALRM, SIGINT, SIGTERM};

/* The first call of each test drops Check's own handlers, which have no SA_RESTART. */
static void handle(int number, void (*handler)(int), int flags)
{
    static bool is_clean;
    for (size_t i = 0; !is_clean && i < sizeof check_handles / sizeof *check_handles; i++)
        signal(check_handles[i], SIG_DFL);
    is_clean = true;
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    ck_ok(sigaction(number, &action, NULL));
}

static void block(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    ck_ok(sigprocmask(SIG_BLOCK, &set, NULL));
}

/* SIGNAL comes every PERIOD ms: whenever a call begins to wait, one comes soon. */
static timer_t start_signals(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGNAL};
    struct itimerspec period = {{0, PERIOD * 1000000}, {0, PERIOD * 1000000}};
    ck_ok(timer_create(CLOCK_MONOTONIC, &event, &timer));
    ck_ok(timer_settime(timer, 0, &period, NULL));
    return timer;
}

static long long call_under_signals(const struct blocking *blocking, int fd)
{
    timer_t timer = start_signals();
    long long result = blocking->call(fd);
    int error = errno;
    timer_delete(timer);
    errno = error;
    return result;
}

static void ck_restarts(void)
{
    const struct blocking *call = blocking_variant();
    int fd = call->open();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call_under_signals(call, fd)));
    ck_assert_int_gt(signals, 0);
}

static void ck_is_interrupted(void)
{
    const struct blocking *call = blocking_variant();
    int fd = call->open();
    ck_fails(EINTR, call_under_signals(call, fd));
    ck_assert_int_gt(signals, 0);
}

START_TEST(a_call_goes_on_after_a_handler_with_sa_restart_and_ends_at_its_limit)
{
    handle(SIGNAL, count, SA_RESTART);
    ck_restarts();
}
END_TEST

START_TEST(a_call_fails_with_eintr_after_a_handler_without_sa_restart)
{
    handle(SIGNAL, count, 0);
    ck_is_interrupted();
}
END_TEST

START_TEST(a_call_fails_with_eintr_where_handlers_of_both_sorts_are_installed)
{
    handle(SIGNAL, count, SA_RESTART);
    handle(SIGUSR1, count, 0);
    ck_is_interrupted();
}
END_TEST

/* Nobody can tell any more what it was installed with.  TSan runs a handler late, and its
 * sigaction(2) tells of it until then. */
#ifndef __SANITIZE_THREAD__
START_TEST(a_call_goes_on_after_a_handler_that_was_there_for_one_signal_only)
{
    handle(SIGNAL, count, (int)SA_RESETHAND);
    const struct blocking *call = blocking_variant();
    int fd = call->open();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call_under_signals(call, fd)));
    ck_assert_int_eq(signals, 1);
}
END_TEST

#define NOT_UNDER_TSAN a_call_goes_on_after_a_handler_that_was_there_for_one_signal_only,
#else
#define NOT_UNDER_TSAN
#endif

static _Noreturn void time_out_in_child(int fd)
{
    long long result = blocking_variant()->call(fd);
    _exit(result != -1 || errno != ETIMEDOUT);
}

START_TEST(a_call_goes_on_after_its_process_was_stopped_and_ends_at_its_limit)
{
    handle(SIGNAL, SIG_DFL, 0);
    int fd = blocking_variant()->open(), status;
    int64_t began = now_ns();
    pid_t child = fork();
    ck_ok(child);
    if (!child)
        time_out_in_child(fd);
    await_sleep(child);
    kill(child, SIGSTOP);
    ck_ok(waitpid(child, &status, WUNTRACED));
    ck_assert(WIFSTOPPED(status));
    kill(child, SIGCONT);
    ck_ok(waitpid(child, &status, 0));
    ck_assert_int_eq(status, 0);
    assert_took_ms(LONGER, now_ns() - began);
}
END_TEST

START_TEST(a_handler_without_sa_restart_of_a_blocked_signal_does_not_matter)
{
    handle(SIGNAL, count, SA_RESTART);
    handle(SIGUSR1, count, 0);
    block(SIGUSR1);
    ck_restarts();
}
END_TEST

/* Sanitizers and crash reporters install such a one. */
START_TEST(a_handler_without_sa_restart_of_a_fault_does_not_matter)
{
    handle(SIGNAL, count, SA_RESTART);
    handle(SIGSEGV, _exit, 0);
    ck_restarts();
}
END_TEST

START_TEST(an_ignored_signal_does_not_matter)
{
    handle(SIGNAL, SIG_IGN, 0);
    const struct blocking *call = blocking_variant();
    int fd = call->open();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call_under_signals(call, fd)));
}
END_TEST

static long long retry_under_signals(const struct blocking *blocking, int fd, int *retries)
{
    timer_t timer = start_signals();
    long long result;
    for (*retries = 0; (result = blocking->call(fd)) < 0 && errno == EINTR; ++*retries)
        continue;
    int error = errno;
    timer_delete(timer);
    errno = error;
    return result;
}

START_TEST(a_program_that_retries_after_eintr_gets_its_limit_once)
{
    handle(SIGNAL, count, 0);
    const struct blocking *call = blocking_variant();
    int fd = call->open(), retries;
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, retry_under_signals(call, fd, &retries)));
    ck_assert_int_gt(retries, 0);
}
END_TEST

START_TEST(another_call_after_eintr_gets_its_whole_limit)
{
    handle(SIGNAL, count, 0);
    const struct blocking *call = blocking_variant();
    int fd = call->open(), other = call->open();
    ck_fails(EINTR, call_under_signals(call, fd));
    ck_took_ms(LONGER, ck_fails(ETIMEDOUT, call->call(other)));
}
END_TEST

/* A handler may make every call, also while the program itself is in one. */
static struct {
    const struct blocking *call;
    int fd;
    long long result;
    int error;
} inner[8];

static void make_all_calls(int number)
{
    (void)number;
    int error = errno;
    for (int i = 0; inner[i].call && !signals; i++) {
        inner[i].result = inner[i].call->call(inner[i].fd);
        inner[i].error = errno;
    }
    signals = 1;
    errno = error;
}

static void prepare_inner_calls(void)
{
    for (int i = 0; blocking_ways()[i]; i++) {
        inner[i].call = blocking_named(blocking_ways()[i]);
        inner[i].fd = inner[i].call->open();
        ck_assert_int_eq(tsock_set_timeout(inner[i].fd, 5), 0);
    }
}

START_TEST(a_handler_may_make_calls_while_the_program_waits_in_one)
{
    const struct blocking *outer = blocking_variant();
    int fd = outer->open();
    ck_assert_int_eq(tsock_set_timeout(fd, 5 * LIMIT), 0);
    prepare_inner_calls();
    handle(SIGNAL, make_all_calls, SA_RESTART);
    ck_took_ms(5 * LIMIT, ck_fails(ETIMEDOUT, call_under_signals(outer, fd)));
    ck_assert_int_eq(signals, 1);
    for (int i = 0; inner[i].call; i++)
        ck_assert_msg(inner[i].result == -1 && inner[i].error == ETIMEDOUT, "%s: %lld, errno %d", inner[i].call->name,
                      inner[i].result, inner[i].error);
}
END_TEST

static int shared_fd = -1;

static void set_nonblock(int number)
{
    (void)number;
    int on = 1, error = errno;
    ioctl(shared_fd, FIONBIO, &on);
    signals++;
    errno = error;
}

/* The kernel makes the call anew, and that finds O_NONBLOCK. */
START_TEST(a_call_whose_handler_sets_o_nonblock_waits_no_longer)
{
    const struct blocking *call = blocking_variant();
    int error = call->call == blocking_named("connect")->call ? EALREADY : EAGAIN;
    shared_fd = call->open();
    handle(SIGNAL, set_nonblock, SA_RESTART);
    ck_idles(ck_fails(error, call_under_signals(call, shared_fd)));
    ck_assert_int_eq(signals, 1);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"signals", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms"),
         TESTS(a_call_goes_on_after_a_handler_with_sa_restart_and_ends_at_its_limit,
               NOT_UNDER_TSAN a_handler_without_sa_restart_of_a_blocked_signal_does_not_matter,
               a_handler_without_sa_restart_of_a_fault_does_not_matter, an_ignored_signal_does_not_matter,
               a_program_that_retries_after_eintr_gets_its_limit_once),
         blocking_names()},
        {"signals, interrupted", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(a_call_fails_with_eintr_after_a_handler_without_sa_restart,
               a_call_fails_with_eintr_where_handlers_of_both_sorts_are_installed),
         blocking_names()},
        {"signals, longer", SETTINGS("TIMEOUTSOCK_DEFAULT=500ms"),
         TESTS(a_call_goes_on_after_its_process_was_stopped_and_ends_at_its_limit,
               another_call_after_eintr_gets_its_whole_limit),
         blocking_names()},
        {"signals, nested", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms"),
         TESTS(a_handler_may_make_calls_while_the_program_waits_in_one,
               a_call_whose_handler_sets_o_nonblock_waits_no_longer),
         blocking_ways()},
        {0}};
    return run_suites(argv, suites);
}
