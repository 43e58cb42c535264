/* A program's own SO_RCVTIMEO and SO_SNDTIMEO keep working under a limit: the earlier of
 * both ends a call, and nothing but the program changes them. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "../shim/timeoutsock.h"
#include "blocking.h"
#include "peer.h"
#include "suites.h"

#define LIMIT 80        /* as in the settings below */
#define SOONER 40       /* multiples of 20: they are whole ticks of the kernel's clock */
#define LATER 400

static void set_own(int fd, int option, int ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000L};
    ck_ok(setsockopt(fd, SOL_SOCKET, option, &t, sizeof t));
}

static int get_own(int fd, int option)
{
    struct timeval t = {0};
    socklen_t len = sizeof t;
    ck_ok(getsockopt(fd, SOL_SOCKET, option, &t, &len));
    return (int)(t.tv_sec * 1000 + t.tv_usec / 1000);
}

static const int options[] = {SO_RCVTIMEO, SO_SNDTIMEO};

/* Gives fd a timer of its own for the call and another one for the other direction. */
static int open_with_own(const struct blocking *call, int ms)
{
    int fd = call->open();
    for (int i = 0; i < 2; i++)
        set_own(fd, options[i], options[i] == call->timer ? ms : 20);
    return fd;
}

static void ck_has_own(const struct blocking *call, int fd, int ms)
{
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(get_own(fd, options[i]), options[i] == call->timer ? ms : 20);
}

START_TEST(a_timer_of_the_programs_own_that_is_earlier_ends_a_call_as_always)
{
    const struct blocking *call = blocking_variant();
    int fd = open_with_own(call, SOONER);
    ck_took_ms(SOONER, ck_fails(call->timer_error, call->call(fd)));
    ck_has_own(call, fd, SOONER);
}
END_TEST

START_TEST(a_timer_of_the_programs_own_that_is_later_is_not_reached)
{
    const struct blocking *call = blocking_variant();
    int fd = open_with_own(call, LATER);
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call->call(fd)));
    ck_has_own(call, fd, LATER);
}
END_TEST

START_TEST(a_timer_of_the_programs_own_for_the_other_direction_does_not_matter)
{
    const struct blocking *call = blocking_variant();
    int fd = open_with_own(call, 0);
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call->call(fd)));
    ck_has_own(call, fd, 0);
}
END_TEST

START_TEST(a_program_that_takes_its_own_timer_off_gets_the_limit)
{
    const struct blocking *call = blocking_variant();
    int fd = open_with_own(call, SOONER);
    set_own(fd, call->timer, 0);
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call->call(fd)));
}
END_TEST

START_TEST(a_call_that_reaches_its_limit_leaves_no_timer_behind)
{
    const struct blocking *call = blocking_variant();
    int fd = call->open();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call->call(fd)));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(get_own(fd, options[i]), 0);
}
END_TEST

/* SO_RCVTIMEO and SO_SNDTIMEO as they are on systems with 64-bit time only. */
START_TEST(a_timer_of_the_programs_own_may_have_its_64_bit_name)
{
    const struct blocking *call = blocking_variant();
    int fd = call->open();
    int64_t t[2] = {0, SOONER * 1000};
    ck_ok(setsockopt(fd, SOL_SOCKET, call->timer == SO_RCVTIMEO ? SO_RCVTIMEO_NEW : SO_SNDTIMEO_NEW, t, sizeof t));
    ck_took_ms(SOONER, ck_fails(call->timer_error, call->call(fd)));
    ck_assert_int_eq(get_own(fd, call->timer), SOONER);
}
END_TEST

/* As a socket that is inherited from a program that had set its timer. */
START_TEST(a_timer_that_was_there_before_the_descriptor_came_here_is_honoured)
{
    const struct blocking *call = blocking_variant();
    int fd = call->open();
    struct timeval t = {0, SOONER * 1000};
    ck_ok(syscall(SYS_setsockopt, fd, SOL_SOCKET, call->timer, &t, sizeof t));
    int inherited = (int)syscall(SYS_dup, fd);
    ck_took_ms(SOONER, ck_fails(call->timer_error, call->call(inherited)));
    ck_assert_int_eq(get_own(inherited, call->timer), SOONER);
}
END_TEST

static void *connect_late(void *listener)
{
    tcp_connect(*(int *)listener);
    return NULL;
}

static void ck_accepts_with_timer(int own)
{
    int listener = tcp_listener(1);
    ck_assert_int_eq(tsock_set_timeout(listener, 5000), 0);
    set_own(listener, SO_RCVTIMEO, own);
    pthread_t helper = when_asleep(connect_late, &listener);
    int fd = accept(listener, NULL, NULL);
    ck_ok(fd);
    ck_assert_int_eq(pthread_join(helper, NULL), 0);
    ck_assert_int_eq(get_own(fd, SO_RCVTIMEO), own);
    ck_assert_int_eq(get_own(fd, SO_SNDTIMEO), 0);
}

START_TEST(an_accepted_socket_inherits_the_listeners_own_timer_and_no_other)
{
    ck_accepts_with_timer(0);
    ck_accepts_with_timer(LATER);
    ck_accepts_with_timer(100 * LATER);
}
END_TEST

START_TEST(a_call_that_succeeds_leaves_the_own_timer)
{
    struct pair p = tcp_pair();
    set_own(p.here, SO_RCVTIMEO, LATER);
    set_own(p.here, SO_SNDTIMEO, SOONER);
    char bytes[2];
    ck_assert_int_eq(send(p.there, "ab", 2, 0), 2);
    ck_returns(2, recv(p.here, bytes, 2, MSG_PEEK | MSG_WAITALL));
    ck_returns(2, recv(p.here, bytes, 2, MSG_WAITALL));
    ck_returns(2, send(p.here, "ab", 2, 0));
    ck_assert_int_eq(get_own(p.here, SO_RCVTIMEO), LATER);
    ck_assert_int_eq(get_own(p.here, SO_SNDTIMEO), SOONER);
}
END_TEST

static struct pair pair_with_low_water_mark(int mark)
{
    struct pair p = tcp_pair();
    ck_ok(setsockopt(p.here, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
    return p;
}

static ssize_t receive(int fd, char *buf, size_t len, int by)
{
    struct iovec iov = {buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    switch (by) {
    case 0: return recv(fd, buf, len, 0);
    case 1: return recvfrom(fd, buf, len, 0, NULL, NULL);
    case 2: return recvmsg(fd, &msg, 0);
    case 3: return read(fd, buf, len);
    default: return readv(fd, &iov, 1);
    }
}
#define EACH_RECEIVE(by) for (int by = 0; by < 5; by++)

START_TEST(so_rcvlowat_a_receive_of_less_returns_it_at_its_limit)
{
    EACH_RECEIVE(by) {
        struct pair p = pair_with_low_water_mark(10);
        char bytes[16];
        ck_assert_int_eq(send(p.there, "abcd", 4, 0), 4);
        ck_took_ms(LIMIT, ck_assert_int_eq(receive(p.here, bytes, sizeof bytes, by), 4));
    }
}
END_TEST

START_TEST(so_rcvlowat_a_receive_of_nothing_fails_at_its_limit)
{
    EACH_RECEIVE(by) {
        struct pair p = pair_with_low_water_mark(10);
        char bytes[16];
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, receive(p.here, bytes, sizeof bytes, by)));
    }
}
END_TEST

/* The kernel wakes a receive only when another low-water mark's worth has come. */
static void *send_ten(void *there)
{
    send(*(int *)there, "efghijklmn", 10, 0);
    return NULL;
}

START_TEST(so_rcvlowat_a_receive_waits_until_there_is_enough)
{
    EACH_RECEIVE(by) {
        struct pair p = pair_with_low_water_mark(10);
        ck_assert_int_eq(tsock_set_timeout(p.here, 5000), 0);
        char bytes[16];
        ck_assert_int_eq(send(p.there, "abcd", 4, 0), 4);
        pthread_t helper = when_asleep(send_ten, &p.there);
        ck_took_ms(0, ck_returns(14, receive(p.here, bytes, sizeof bytes, by)));
        ck_assert_int_eq(pthread_join(helper, NULL), 0);
    }
}
END_TEST

START_TEST(so_rcvlowat_an_accepted_socket_inherits_it)
{
    int listener = tcp_listener(1), mark = 10;
    ck_ok(setsockopt(listener, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
    int there = tcp_connect(listener), here = accept(listener, NULL, NULL);
    char bytes[16];
    ck_assert_int_eq(send(there, "abcd", 4, 0), 4);
    ck_took_ms(LIMIT, ck_assert_int_eq(recv(here, bytes, sizeof bytes, 0), 4));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"own timeout", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms"),
         TESTS(a_timer_of_the_programs_own_that_is_earlier_ends_a_call_as_always,
               a_timer_of_the_programs_own_that_is_later_is_not_reached,
               a_timer_of_the_programs_own_for_the_other_direction_does_not_matter,
               a_program_that_takes_its_own_timer_off_gets_the_limit,
               a_call_that_reaches_its_limit_leaves_no_timer_behind,
               a_timer_of_the_programs_own_may_have_its_64_bit_name,
               a_timer_that_was_there_before_the_descriptor_came_here_is_honoured),
         blocking_names()},
        {"own options", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms"),
         TESTS(an_accepted_socket_inherits_the_listeners_own_timer_and_no_other,
               a_call_that_succeeds_leaves_the_own_timer, so_rcvlowat_a_receive_of_less_returns_it_at_its_limit,
               so_rcvlowat_a_receive_of_nothing_fails_at_its_limit,
               so_rcvlowat_a_receive_waits_until_there_is_enough, so_rcvlowat_an_accepted_socket_inherits_it),
         NULL},
        {0}};
    return run_suites(argv, suites);
}
