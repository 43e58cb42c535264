/* What moves on a connection keeps it from expiring in a wait of epoll, a connection that
 * is still being made has a limit of its own, and signals put nothing off. */
#include <netinet/in.h>
#include <pthread.h>

#include "../shim/timeoutsock.h"
#include "epolls.h"
#include "suites.h"

#define LIMIT 300
#define NEARLY (LIMIT * 85 / 100)

static int ms_since(int64_t began)
{
    return (int)((now_ns() - began) / 1000000);
}

static void peer_sends(const struct pair *p)
{
    put_byte(p->there);
    take_byte(p->here);
}

static void we_send(const struct pair *p)
{
    put_byte(p->here);
}

/* A byte at the end of each of four near silences, then none.  A machine that is late has
 * made a silence too long itself: then it is tried again. */
static bool lives(const struct pair *p, void (*move)(const struct pair *), struct moment *moved)
{
    int epoll = instance_of(p->here, EPOLLIN);
    *moved = moment();
    for (int rounds = 4; rounds--; move(p)) {
        if (ready_in(epoll, NEARLY) >= 0)
            return false;
        *moved = moment();
    }
    ck_expires_since(*moved, LIMIT, p->here, epoll);
    return true;
}

static void ck_lives(void (*move)(const struct pair *))
{
    struct moment moved;
    for (int tries = 5; tries--;) {
        struct pair p = tcp_pair();
        if (lives(&p, move, &moved))
            return;
        ck_assert_msg(ms_since(moved.by_ticks) >= LIMIT, "expired after %d ms of silence", ms_since(moved.by_ticks));
    }
    ck_abort_msg("expired five times");
}

START_TEST(data_that_arrive_near_the_limit_again_and_again_put_expiry_off)
{
    ck_lives(peer_sends);
}
END_TEST

START_TEST(data_that_we_send_and_that_are_acknowledged_put_expiry_off)
{
    ck_lives(we_send);
}
END_TEST

/* TIMEOUTSOCK_CONNECT=100ms, _DEFAULT=250ms */

static int error_of(int fd)
{
    int error = -1;
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}));
    return error;
}

static int connect_registered(int fd, int listener)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    return connect(fd, (struct sockaddr *)&name, len);
}

/* An unconnected socket is reported hung up: edge-triggered, so only once. */
static int registered_socket(int *epoll)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *epoll = instance_of(fd, EPOLLIN | EPOLLET);
    ck_reports(fd, *epoll);
    return fd;
}

START_TEST(a_connect_that_hangs_expires_at_the_connect_limit)
{
    int fd, listener = full_listener();
    ck_took_ms(100, fd = connect_without_waiting(listener);
                    ck_assert_int_eq(ready_in(instance_of(fd, EPOLLOUT), -1), fd));
    ck_assert_int_eq(error_of(fd), ETIMEDOUT);
    ck_assert_int_eq(error_of(fd), 0);
}
END_TEST

START_TEST(a_connect_that_hangs_and_was_taken_out_for_longer_than_its_limit_expires_when_it_is_added_again)
{
    int fd = connect_without_waiting(full_listener()), epoll = instance_of(fd, EPOLLOUT);
    delete(epoll, fd);
    ck_silent_for(150, epoll);
    add(epoll, fd, EPOLLOUT);
    ck_took_ms(0, ck_assert_int_eq(ready_in(epoll, -1), fd));
    ck_assert_int_eq(error_of(fd), ETIMEDOUT);
}
END_TEST

START_TEST(a_connect_begun_after_registration_expires_at_the_connect_limit)
{
    int epoll, listener = full_listener(), fd = registered_socket(&epoll);
    ck_silent_for(300, epoll);
    ck_took_ms(100, ck_fails(EINPROGRESS, connect_registered(fd, listener));
                    ck_assert_int_eq(ready_in(epoll, 2000), fd));
    ck_assert_int_eq(error_of(fd), ETIMEDOUT);
}
END_TEST

START_TEST(a_connection_made_after_registration_has_the_limit_of_reading)
{
    int epoll, listener = tcp_listener(1), fd = registered_socket(&epoll);
    ck_silent_for(300, epoll);
    struct moment connected = moment();
    ck_fails(EINPROGRESS, connect_registered(fd, listener));
    ck_expires_since(connected, 250, fd, epoll);
}
END_TEST

START_TEST(a_connection_made_in_time_has_the_limit_of_reading)
{
    struct moment connected = moment();
    int fd = connect_without_waiting(tcp_listener(1)), epoll = instance_of(fd, EPOLLOUT);
    ck_took_ms(0, ck_assert_int_eq(ready_in(epoll, -1), fd));
    ck_assert_int_eq(error_of(fd), 0);
    modify(epoll, fd, EPOLLIN);
    ck_expires_since(connected, 250, fd, epoll);
}
END_TEST

START_TEST(a_refused_connect_is_told_at_once)
{
    int listener = tcp_listener(1), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    close(listener);
    ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)&name, len));
    ck_took_ms(0, ck_assert_int_eq(ready_in(instance_of(fd, EPOLLOUT), -1), fd));
    ck_assert_int_eq(error_of(fd), ECONNREFUSED);
}
END_TEST

/* signals */

static volatile sig_atomic_t handled;

static void count_signal(int number)
{
    (void)number;
    handled = handled + 1;
}

static void handle(int flags)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};
    ck_ok(sigaction(SIGUSR1, &action, NULL));
}

struct sender { pthread_t to, self; int ms; };

static void *send_signal(void *sender)
{
    const struct sender *s = sender;
    plain_sleep_ms(s->ms);
    pthread_kill(s->to, SIGUSR1);
    return NULL;
}

static struct sender signal_us_after(int ms)
{
    static struct sender sender;
    sender = (struct sender){.to = pthread_self(), .ms = ms};
    ck_assert_int_eq(pthread_create(&sender.self, NULL, send_signal, &sender), 0);
    return sender;
}

/* As without the library, SA_RESTART or not. */
START_TEST(a_signal_ends_the_wait_and_does_not_put_expiry_off)
{
    handle(SA_RESTART);
    struct pair p = tcp_pair();
    int64_t began = now_ns();
    int epoll = instance_of(p.here, EPOLLIN);
    struct sender sender = signal_us_after(100);
    ck_took_ms(90, ck_fails(EINTR, wait_on(epoll, &(struct epoll_event){0}, 1, -1)));
    ck_assert_int_eq(handled, 1);
    pthread_join(sender.self, NULL);
    ck_assert_int_eq(ready_in(epoll, 2000), p.here);
    assert_took_ms(LIMIT, now_ns() - began);
}
END_TEST

static sigset_t set_with(int number)
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
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    return sigismember(&now, number);
}

START_TEST(the_mask_lets_a_blocked_signal_end_the_wait_and_only_the_wait)
{
    handle(0);
    sigset_t usr1 = set_with(SIGUSR1), none = set_with(0);
    int epoll = instance_of(tcp_pair().here, EPOLLIN);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    ck_silent_for(20, epoll);
    ck_assert_int_eq(handled, 0);
    ck_took_ms(0, ck_fails(EINTR, wait_masked(epoll, &(struct epoll_event){0}, 1, -1, &none)));
    ck_assert_int_eq(handled, 1);
    ck_assert(is_blocked(SIGUSR1));
}
END_TEST

START_TEST(the_mask_keeps_a_signal_out_until_the_connection_has_expired)
{
    handle(0);
    sigset_t usr1 = set_with(SIGUSR1);
    struct pair p = tcp_pair();
    int64_t began = now_ns();
    int epoll = instance_of(p.here, EPOLLIN);
    struct sender sender = signal_us_after(100);
    ck_assert_int_eq(wait_masked(epoll, &(struct epoll_event){0}, 1, -1, &usr1), 1);
    assert_took_ms(LIMIT, now_ns() - began);
    pthread_join(sender.self, NULL);
    ck_assert_int_eq(handled, 1);
    ck_assert(!is_blocked(SIGUSR1));
    ck_has_expired(p.here);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"moving", SETTINGS("TIMEOUTSOCK_DEFAULT=300ms"),
         TESTS(data_that_arrive_near_the_limit_again_and_again_put_expiry_off,
               data_that_we_send_and_that_are_acknowledged_put_expiry_off,
               a_signal_ends_the_wait_and_does_not_put_expiry_off), epoll_names},
        {"masks", SETTINGS("TIMEOUTSOCK_DEFAULT=300ms"),
         TESTS(the_mask_lets_a_blocked_signal_end_the_wait_and_only_the_wait,
               the_mask_keeps_a_signal_out_until_the_connection_has_expired), epoll_mask_names},
        {"connecting", SETTINGS("TIMEOUTSOCK_CONNECT=100ms", "TIMEOUTSOCK_DEFAULT=250ms"),
         TESTS(a_connect_that_hangs_expires_at_the_connect_limit,
               a_connect_that_hangs_and_was_taken_out_for_longer_than_its_limit_expires_when_it_is_added_again,
               a_connect_begun_after_registration_expires_at_the_connect_limit,
               a_connection_made_after_registration_has_the_limit_of_reading,
               a_connection_made_in_time_has_the_limit_of_reading, a_refused_connect_is_told_at_once), epoll_names},
        {0}};
    return run_suites(argv, suites);
}
