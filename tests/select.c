/* select and pselect themselves: the three sets, the remaining time, and how much of a set
 * is read and written.  What all event waits have in common is in expiry.c, expired.c,
 * moving.c and waiting.c. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "../shim/timeoutsock.h"
#include "suites.h"

#define LIMIT 100
#define COUNT(table) (sizeof(table) / sizeof *(table))

/* The variants: select with a timeval, and pselect with a timespec. */
static int pselect_us(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    struct timespec t;
    if (timeout)
        t = (struct timespec){timeout->tv_sec, (long)timeout->tv_usec * 1000};
    return pselect(count, in, out, except, timeout ? &t : NULL, NULL);
}

static const char *const names[] = {"select", "pselect", NULL};

static int select_on(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    static int (*const calls[])(int, fd_set *, fd_set *, fd_set *, struct timeval *) = {select, pselect_us};
    int i = 0;
    while (strcmp(names[i], test_variant()))
        i++;
    return calls[i](count, in, out, except, timeout);
}

struct sets { fd_set in, out, except; };

static void add(struct sets *sets, int fd)
{
    FD_SET(fd, &sets->in);
    FD_SET(fd, &sets->out);
    FD_SET(fd, &sets->except);
}

static int with_urgent_data(struct pair p)
{
    ck_assert_int_eq(send(p.there, "ab", 2, 0), 2);
    ck_assert_int_eq(send(p.there, "!", 1, MSG_OOB), 1);
    ck_assert(plain_is_readable(p.here, 1000));
    return p.here;
}

static int without_reader(void)
{
    int fds[2];
    ck_ok(pipe(fds));
    close(fds[0]);
    return fds[1];
}

START_TEST(the_three_sets_are_what_the_kernel_says)
{
    struct sets ours = {0};
    int fds[] = {tcp_pair().here, with_urgent_data(tcp_pair()), without_reader(), socket(AF_INET, SOCK_STREAM, 0), 0};
    fds[4] = tcp_listener(1);
    for (size_t i = 0; i < COUNT(fds); i++)
        add(&ours, fds[i]);
    FD_SET(fds[4] + 1, &ours.in);       /* beyond the count: not asked for */
    struct sets plain = ours;
    struct plain_time now = {0, 0};
    int ready = (int)syscall(SYS_pselect6, fds[4] + 1, &plain.in, &plain.out, &plain.except, &now, NULL);
    ck_assert_int_eq(ready, 8);
    ck_returns(ready, select_on(fds[4] + 1, &ours.in, &ours.out, &ours.except, NULL));
    ck_assert_mem_eq(&ours, &plain, sizeof ours);
}
END_TEST

START_TEST(an_expired_connection_is_in_the_sets_as_one_that_is_shut_down)
{
    struct sets ours = {0}, plain;
    int fd = tcp_pair().here, silent = unix_pair(SOCK_STREAM).here;
    FD_SET(fd, &ours.in);
    FD_SET(silent, &ours.in);
    FD_SET(fd, &ours.except);
    plain = ours;
    ck_took_ms(LIMIT, ck_returns(1, select_on(silent + 1, &ours.in, NULL, &ours.except, NULL)));
    ck_assert_int_eq(select_on(silent + 1, &plain.in, NULL, &plain.except, &(struct timeval){0, 0}), 1);
    ck_assert_mem_eq(&ours, &plain, sizeof ours);
    ck_assert(FD_ISSET(fd, &ours.in));
}
END_TEST

enum { IN = 1, OUT = 2, EXCEPT = 4 };

static const struct { int asked, reported; } reports[] = {
    {IN, IN}, {OUT, OUT}, {EXCEPT, EXCEPT}, {IN | OUT, IN}, {IN | OUT | EXCEPT, IN}, {OUT | EXCEPT, OUT},
};

/* select counts bits: one is enough for the program to make a call. */
START_TEST(one_that_is_only_reported_is_in_one_of_the_sets_that_were_asked_for)
{
    for (size_t i = 0; i < COUNT(reports); i++) {
        fd_set sets[3] = {0};
        int fd = full_pair().here, found = 0;
        ck_ok(tsock_set_timeout(fd, 20));
        for (int j = 0; j < 3; j++)
            if (reports[i].asked & 1 << j)
                FD_SET(fd, &sets[j]);
        ck_returns(1, select_on(fd + 1, &sets[0], &sets[1], &sets[2], NULL));
        for (int j = 0; j < 3; j++)
            found |= FD_ISSET(fd, &sets[j]) ? 1 << j : 0;
        ck_assert_int_eq(found, reports[i].reported);
    }
}
END_TEST

START_TEST(a_closed_descriptor_in_a_set_is_ebadf)
{
    fd_set in = {0};
    int fd = tcp_pair().here, closed = dup(fd);
    close(closed);
    FD_SET(fd, &in);
    FD_SET(closed, &in);
    ck_took_ms(0, ck_fails(EBADF, select_on(closed + 1, &in, NULL, NULL, NULL)));
}
END_TEST

START_TEST(a_descriptor_beyond_the_count_is_not_waited_for)
{
    fd_set in = {0};
    int fd = tcp_pair().here;
    FD_SET(fd, &in);
    ck_took_ms(2 * LIMIT, ck_returns(0, select_on(fd, &in, NULL, NULL, &(struct timeval){0, 2 * LIMIT * 1000})));
}
END_TEST

START_TEST(bad_arguments_are_einval)
{
    fd_set in = {0};
    FD_SET(tcp_pair().here, &in);
    ck_fails(EINVAL, select_on(-1, &in, NULL, NULL, NULL));
    ck_fails(EINVAL, select_on(FD_SETSIZE, &in, NULL, NULL, &(struct timeval){-1, 0}));
    ck_fails(EINVAL, select_on(FD_SETSIZE, &in, NULL, NULL, &(struct timeval){0, -1}));
}
END_TEST

START_TEST(without_sets_it_sleeps)
{
    for (int count = 0; count <= FD_SETSIZE; count += FD_SETSIZE)
        ck_took_ms(30, ck_returns(0, select_on(count, NULL, NULL, NULL, &(struct timeval){0, 30000})));
}
END_TEST

static void many_descriptors(rlim_t count)
{
    struct rlimit limit = {count, count};
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    ck_ok(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    ck_ok(setrlimit(RLIMIT_NOFILE, &limit));
}

/* Old programs ask about all descriptors there may be, with sets of FD_SETSIZE bits. */
START_TEST(a_count_of_getdtablesize_reads_and_writes_nothing_beyond_the_sets)
{
    many_descriptors(1000000);
    long page = sysconf(_SC_PAGESIZE);
    char *room = mmap(NULL, (size_t)(2 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(room, MAP_FAILED);
    ck_ok(mprotect(room + page, (size_t)page, PROT_NONE));
    fd_set *in = (fd_set *)(room + page - sizeof *in);
    int fd = tcp_pair().here;
    FD_SET(fd, in);
    ck_assert_int_gt(getdtablesize(), FD_SETSIZE);
    ck_took_ms(LIMIT, ck_returns(1, select_on(getdtablesize(), in, NULL, NULL, NULL)));
    ck_assert(FD_ISSET(fd, in));
}
END_TEST

/* Without FD_SET, the fortified form of which refuses to go beyond FD_SETSIZE. */
START_TEST(a_descriptor_above_fd_setsize_in_a_larger_set_expires)
{
    enum { HIGH = 3000, BITS = 8 * sizeof(long), WORD = HIGH / BITS };
    static const unsigned long bit = 1UL << HIGH % BITS;
    static unsigned long in[4096 / BITS];
    many_descriptors(2 * HIGH);
    ck_assert_int_eq(dup2(tcp_pair().here, HIGH), HIGH);
    in[WORD] = bit;
    ck_took_ms(LIMIT, ck_returns(1, select_on(HIGH + 1, (fd_set *)in, NULL, NULL, NULL)));
    ck_assert(in[WORD] == bit);
    char byte;
    ck_fails(ETIMEDOUT, recv(HIGH, &byte, 1, 0));
}
END_TEST

/* The remaining time */

static int wait_in_ms(int fd, struct timeval *left)
{
    fd_set in = {0};
    FD_SET(fd, &in);
    return select_on(fd + 1, &in, NULL, NULL, left);
}

/* Of `whole` milliseconds, after a wait of `took` nanoseconds. */
static void ck_left(int whole, int64_t took, const struct timeval *left)
{
    int64_t us = left->tv_sec * INT64_C(1000000) + left->tv_usec, expected = whole * INT64_C(1000) - took / 1000;
    ck_assert_int_ge(us, expected > 0 ? expected : 0);
    ck_assert_int_le(us, expected > 0 ? expected + LATE_MS / 4 * 1000 : 0);
}

START_TEST(the_remaining_time_is_written_back)
{
    struct pair p = tcp_pair();
    struct timeval left = {0, 40000};
    int64_t began = now_ns();
    ck_returns(0, wait_in_ms(p.here, &left));
    ck_left(40, now_ns() - began, &left);
    for (int i = 0; i < 2; i++) {       /* it expires; and it is ready at once */
        left = (struct timeval){5, 0};
        began = now_ns();
        ck_returns(1, wait_in_ms(p.here, &left));
        ck_left(5000, now_ns() - began, &left);
    }
}
END_TEST

static void ignore_signal(int number)
{
    (void)number;
}

START_TEST(the_remaining_time_is_written_back_after_a_signal)
{
    struct sigaction action = {.sa_handler = ignore_signal, .sa_flags = SA_RESTART};
    ck_ok(sigaction(SIGALRM, &action, NULL));
    int fd = tcp_pair().here;
    struct timeval left = {5, 0};
    ck_ok(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 50000}}, NULL));
    int64_t began = now_ns();
    ck_fails(EINTR, wait_in_ms(fd, &left));
    ck_left(5000, now_ns() - began, &left);
}
END_TEST

START_TEST(more_than_a_second_of_microseconds_is_waited_for_like_any_other_time)
{
    struct timeval left = {0, 1500000};
    int fd = tcp_pair().here;
    int64_t began = now_ns();
    ck_returns(1, wait_in_ms(fd, &left));
    ck_left(1500, now_ns() - began, &left);
}
END_TEST

START_TEST(a_huge_time_is_for_ever)
{
    struct timeval left = {LONGEST_TIME, 999999};
    ck_took_ms(LIMIT, ck_returns(1, wait_in_ms(tcp_pair().here, &left)));
}
END_TEST

START_TEST(the_timeout_of_pselect_is_left_alone)
{
    fd_set in = {0};
    int fd = tcp_pair().here;
    FD_SET(fd, &in);
    struct timespec t = {5, 999999999};
    ck_took_ms(LIMIT, ck_returns(1, pselect(fd + 1, &in, NULL, NULL, &t, NULL)));
    ck_assert_int_eq(t.tv_sec, 5);
    ck_assert_int_eq(t.tv_nsec, 999999999);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const selects[] = {"select", NULL};
    const char *const *limit = SETTINGS("TIMEOUTSOCK_DEFAULT=100ms");
    const struct suite suites[] = {
        {"select", limit,
         TESTS(the_three_sets_are_what_the_kernel_says, an_expired_connection_is_in_the_sets_as_one_that_is_shut_down,
               one_that_is_only_reported_is_in_one_of_the_sets_that_were_asked_for,
               a_closed_descriptor_in_a_set_is_ebadf, a_descriptor_beyond_the_count_is_not_waited_for,
               bad_arguments_are_einval, without_sets_it_sleeps,
               a_count_of_getdtablesize_reads_and_writes_nothing_beyond_the_sets,
               a_descriptor_above_fd_setsize_in_a_larger_set_expires, a_huge_time_is_for_ever), names},
        {"select, remaining time", limit,
         TESTS(the_remaining_time_is_written_back, the_remaining_time_is_written_back_after_a_signal,
               more_than_a_second_of_microseconds_is_waited_for_like_any_other_time), selects},
        {"pselect", limit, TESTS(the_timeout_of_pselect_is_left_alone), NULL},
        {0}};
    return run_suites(argv, suites);
}
