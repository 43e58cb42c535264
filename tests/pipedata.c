/* KINDS=pipe: what goes through a pipe is what it was without a limit. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "../shim/timeoutsock.h"
#include "pipes.h"

static char bytes[8];

static ssize_t (*const writes[])(int fd, char *data, size_t len) = {by_write, by_writev};

START_TEST(a_write_returns_at_the_limit_what_the_reader_will_get)
{
    char *data = pattern(MUCH);
    enter_kernel();
    for (int i = 0; i < 2; i++) {
        struct pair p = pipe_pair();
        ssize_t n;
        ck_took_ms(80, ck_idles(n = writes[i](p.there, data, MUCH)));
        ck_assert(n > 0 && n <= ROOM);
        close(p.there);
        ck_receives(p.here, data, (size_t)n);
    }
}
END_TEST

/* Under a limit that is not reached */

START_TEST(a_write_of_much_is_written_wholly_while_the_reader_takes_it)
{
    char *data = pattern(MUCH);
    enter_kernel();
    for (int i = 0; i < 2; i++) {
        struct pair p = pipe_pair();
        struct intake in = intake_of(p.here, MUCH);
        pthread_t reader = when_asleep(take_in, &in);
        ck_returns(MUCH, writes[i](p.there, data, MUCH));
        pthread_join(reader, NULL);
        ck_assert_uint_eq(in.got, MUCH);
        ck_assert(!memcmp(in.data, data, MUCH));
    }
}
END_TEST

START_TEST(a_writer_that_closes_ends_the_read_with_eof)
{
    struct pair p = a_pipe();
    pthread_t writer = when_asleep(close_late, &p.there);
    ck_returns(0, read(p.here, bytes, 8));
    pthread_join(writer, NULL);
    ck_took_ms(0, ck_returns(0, read(p.here, bytes, 8)));
}
END_TEST

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

START_TEST(a_reader_that_closes_ends_the_write_with_sigpipe_and_epipe)
{
    signal(SIGPIPE, count_signal);
    struct pair p = full_pipe();
    pthread_t reader = when_asleep(close_late, &p.here);
    ck_fails(EPIPE, write(p.there, "x", 1));
    pthread_join(reader, NULL);
    ck_assert_int_eq(signals, 1);
    ck_took_ms(0, ck_fails(EPIPE, write(p.there, "x", 1)));
    ck_assert_int_eq(signals, 2);
}
END_TEST

/* With a limit that passes again and again */

#define RECORD 3000     /* no divisor of a page */
#define RECORDS 100

static struct writer {
    int fd;
    char mark;
    int expired;
    char wrong[80];
} writers[] = {{.mark = 'a'}, {.mark = 'b'}};

static void *write_records(void *argument)
{
    struct writer *w = argument;
    char record[RECORD];
    memset(record, w->mark, sizeof record);
    for (int sent = 0; sent < RECORDS;) {
        ssize_t n = w->mark == 'a' ? by_write(w->fd, record, RECORD) : by_writev(w->fd, record, RECORD);
        if (n == RECORD)
            sent++;
        else if (n < 0 && errno == ETIMEDOUT)
            w->expired++;
        else
            return snprintf(w->wrong, sizeof w->wrong, "%zd, errno %d", n, errno), NULL;
    }
    return NULL;
}

START_TEST(records_of_up_to_pipe_buf_stay_whole)
{
    struct pair p = a_pipe();
    int counts[2] = {0};
    pthread_t threads[2];
    ck_assert_int_lt(RECORD, PIPE_BUF);
    ck_ok(tsock_set_timeout(p.there, 1));
    for (int i = 0; i < 2; i++) {
        writers[i].fd = p.there;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
    }
    for (int i = 0; i < 2 * RECORDS; i++) {
        if (i % 20 == 0)
            plain_sleep_ms(10);
        char record[RECORD];
        for (size_t got = 0; got < RECORD;)
            got += (size_t)plain_read(p.here, record + got, RECORD - got);
        ck_assert(!memcmp(record, record + 1, RECORD - 1));
        counts[record[0] == 'b']++;
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_str_eq(writers[i].wrong, "");
        ck_assert_int_eq(counts[i], RECORDS);
    }
    ck_assert_int_gt(writers[0].expired + writers[1].expired, 0);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"pipe data at the limit", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms", "TIMEOUTSOCK_KINDS=pipe"),
         TESTS(a_write_returns_at_the_limit_what_the_reader_will_get), kernel_names()},
        {"pipe data in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=pipe"),
         TESTS(a_write_of_much_is_written_wholly_while_the_reader_takes_it, a_writer_that_closes_ends_the_read_with_eof,
               a_reader_that_closes_ends_the_write_with_sigpipe_and_epipe, records_of_up_to_pipe_buf_stay_whole),
         kernel_names()},
        {0}};
    return run_suites(argv, suites);
}
