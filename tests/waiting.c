/* What a program may rely on in an event wait whether or not something expires: signals,
 * masks, other descriptors, other threads.  Every test runs for every way to wait. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/time.h>

#include "../shim/timeoutsock.h"
#include "suites.h"
#include "waits.h"

#define LIMIT 150

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};
    ck_ok(sigaction(number, &action, NULL));
}

static void alarm_in_ms(int ms, int again)
{
    struct itimerval timer = {{0, again * 1000}, {0, ms * 1000}};
    ck_ok(setitimer(ITIMER_REAL, &timer, NULL));
}

START_TEST(a_signal_ends_a_wait_with_eintr_also_under_sa_restart)
{
    static const int flags[] = {0, SA_RESTART};
    for (size_t i = 0; i < COUNT(flags); i++) {
        int fd = tcp_pair().here;
        handle(SIGALRM, flags[i]);
        int64_t began = now_ns();
        alarm_in_ms(50, 0);
        ck_fails(EINTR, wait_for(fd, POLLIN, -1));
        assert_took_ms(50, now_ns() - began);
        ck_assert_int_eq(signals, (int)i + 1);
    }
}
END_TEST

START_TEST(a_signal_does_not_begin_the_limit_anew)
{
    int fd = tcp_pair().here, ready;
    handle(SIGALRM, SA_RESTART);
    alarm_in_ms(20, 20);
    ck_took_ms(LIMIT, while ((ready = wait_for(fd, POLLIN, -1)) < 0) ck_assert_int_eq(errno, EINTR););
    alarm_in_ms(0, 0);
    ck_assert_int_eq(ready, 1);
    ck_assert_int_gt(signals, 0);
    char byte;
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0));
}
END_TEST

static sigset_t only(int number)
{
    sigset_t set;
    sigemptyset(&set);
    if (number)
        sigaddset(&set, number);
    return set;
}

static bool is_blocked(int number)
{
    sigset_t now;
    ck_ok(sigprocmask(SIG_BLOCK, NULL, &now));
    return sigismember(&now, number);
}

START_TEST(a_pending_signal_that_the_mask_admits_ends_the_wait_at_once)
{
    sigset_t blocked = only(SIGUSR1), none = only(0);
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    handle(SIGUSR1, SA_RESTART);
    ck_ok(sigprocmask(SIG_BLOCK, &blocked, NULL));
    ck_ok(raise(SIGUSR1));
    ck_assert_int_eq(signals, 0);
    ck_took_ms(0, ck_fails(EINTR, wait_masked(&p, 1, -1, &none)));
    ck_assert_int_eq(signals, 1);
    ck_assert(is_blocked(SIGUSR1));
}
END_TEST

START_TEST(a_signal_that_the_mask_admits_ends_the_wait_when_it_comes)
{
    sigset_t blocked = only(SIGALRM), none = only(0);
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    handle(SIGALRM, SA_RESTART);
    ck_ok(sigprocmask(SIG_BLOCK, &blocked, NULL));
    int64_t began = now_ns();
    alarm_in_ms(50, 0);
    ck_fails(EINTR, wait_masked(&p, 1, -1, &none));
    assert_took_ms(50, now_ns() - began);
    ck_assert_int_eq(signals, 1);
}
END_TEST

START_TEST(a_signal_that_the_mask_holds_back_waits_until_the_wait_is_over)
{
    sigset_t held = only(SIGALRM);
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    handle(SIGALRM, 0);
    alarm_in_ms(50, 0);
    ck_took_ms(LIMIT, ck_returns(1, wait_masked(&p, 1, -1, &held)));
    ck_assert_int_eq(signals, 1);
    ck_assert(!is_blocked(SIGALRM));
}
END_TEST

static int terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_ok(master);
    ck_ok(grantpt(master));
    ck_ok(unlockpt(master));
    int fd = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_ok(fd);
    return fd;
}

static int silent_pipe(void)
{
    int fds[2];
    ck_ok(pipe(fds));
    return fds[0];
}

START_TEST(only_the_connection_expires_of_what_is_waited_for_together)
{
    struct pollfd fds[] = {
        {terminal(), POLLIN, 0}, {silent_pipe(), POLLIN, 0}, {tcp_pair().here, POLLIN, 0},
        {-1, POLLIN, 0}, {tcp_listener(1), POLLIN, 0}, {unix_pair(SOCK_STREAM).here, POLLIN, 0},
    };
    ck_took_ms(LIMIT, ck_returns(1, wait_on(fds, COUNT(fds), -1)));
    for (size_t i = 0; i < COUNT(fds); i++)
        ck_assert_int_eq(fds[i].revents != 0, i == 2);
    fds[2].fd = -1;
    ck_took_ms(2 * LIMIT, ck_returns(0, wait_on(fds, COUNT(fds), 2 * LIMIT)));
}
END_TEST

START_TEST(a_ready_descriptor_ends_the_wait_and_the_silent_connection_goes_on_counting)
{
    struct pair p = tcp_pair(), busy = unix_pair(SOCK_STREAM);
    struct pollfd fds[] = {{p.here, POLLIN, 0}, {busy.here, POLLIN, 0}};
    ck_ok(tsock_set_timeout(p.here, 350));
    int64_t began = now_ns();
    ck_returns(0, wait_on(fds, 2, 250));
    ck_assert_int_eq(write(busy.there, "x", 1), 1);
    ck_took_ms(0, ck_returns(1, wait_on(fds, 2, -1)));
    ck_assert_int_eq(fds[0].revents, 0);
    fds[1].fd = -1;
    ck_returns(1, wait_on(fds, 2, -1));
    assert_took_ms(350, now_ns() - began);
}
END_TEST

START_TEST(a_silent_connection_beside_what_is_always_ready_expires)
{
    struct pair p = tcp_pair(), busy = unix_pair(SOCK_STREAM);
    struct pollfd fds[] = {{p.here, POLLIN, 0}, {busy.here, POLLIN, 0}};
    ck_assert_int_eq(write(busy.there, "x", 1), 1);
    ck_took_ms(LIMIT, do ck_assert_int_gt(wait_on(fds, 2, -1), 0); while (!fds[0].revents););
    ck_assert_int_ne(fds[1].revents, 0);
}
END_TEST

START_TEST(asking_without_a_wait_again_and_again_is_a_wait)
{
    int fd = tcp_pair().here;
    ck_took_ms(LIMIT, while (!wait_for(fd, POLLIN, 0)););
    char byte;
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0));
}
END_TEST

START_TEST(connections_that_are_asked_in_turn_expire_each)
{
    int fds[] = {tcp_pair().here, tcp_pair().here};
    int ready[COUNT(fds)] = {0};
    int64_t began = now_ns();
    while (!ready[0] || !ready[1]) {
        for (size_t i = 0; i < COUNT(fds); i++)
            ready[i] = wait_for(fds[i], POLLIN, 0);
        usleep(15000);
    }
    assert_took_ms(LIMIT, now_ns() - began);
}
END_TEST

struct waiter {
    int fd, ready;
    int64_t began, took;
};

static void *wait_in_thread(void *argument)
{
    struct waiter *waiter = argument;
    struct pollfd p = {waiter->fd, POLLIN, 0};
    waiter->ready = wait_on(&p, 1, -1);
    waiter->took = now_ns() - waiter->began;
    return NULL;
}

START_TEST(two_threads_that_wait_for_one_connection_are_both_told)
{
    struct pair p = tcp_pair();
    struct waiter waiters[] = {{p.here, 0, now_ns(), 0}, {p.here, 0, now_ns(), 0}};
    pthread_t threads[COUNT(waiters)];
    for (size_t i = 0; i < COUNT(waiters); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_in_thread, &waiters[i]), 0);
    for (size_t i = 0; i < COUNT(waiters); i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(waiters[i].ready, 1);
        assert_took_ms(LIMIT, waiters[i].took);
    }
}
END_TEST

/* No limit */

START_TEST(a_silent_connection_never_expires)
{
    ck_took_ms(2 * LIMIT, ck_returns(0, wait_for(tcp_pair().here, POLLIN, 2 * LIMIT)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = way_names(0), *const *masked = way_names(WAY_MASK);
    const struct suite suites[] = {
        {"waiting", SETTINGS("TIMEOUTSOCK_DEFAULT=150ms"),
         TESTS(a_signal_ends_a_wait_with_eintr_also_under_sa_restart, a_signal_does_not_begin_the_limit_anew,
               only_the_connection_expires_of_what_is_waited_for_together,
               a_ready_descriptor_ends_the_wait_and_the_silent_connection_goes_on_counting,
               a_silent_connection_beside_what_is_always_ready_expires,
               asking_without_a_wait_again_and_again_is_a_wait, connections_that_are_asked_in_turn_expire_each,
               two_threads_that_wait_for_one_connection_are_both_told), all},
        {"waiting with a mask", SETTINGS("TIMEOUTSOCK_DEFAULT=150ms"),
         TESTS(a_pending_signal_that_the_mask_admits_ends_the_wait_at_once,
               a_signal_that_the_mask_admits_ends_the_wait_when_it_comes,
               a_signal_that_the_mask_holds_back_waits_until_the_wait_is_over), masked},
        {"waiting without a limit", SETTINGS("TIMEOUTSOCK_DEFAULT=none"),
         TESTS(a_silent_connection_never_expires), all},
        {"waiting in a program that is not meant", SETTINGS("TIMEOUTSOCK_DEFAULT=50ms", "TIMEOUTSOCK_ONLY=another"),
         TESTS(a_silent_connection_never_expires), all},
        {0}};
    return run_suites(argv, suites);
}
