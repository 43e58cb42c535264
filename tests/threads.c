/* Several threads at one descriptor, each in a call of its own. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "../shim/timeoutsock.h"
#include "blocking.h"

#define LIMIT 100

static void give_time(int fd, int ms)
{
    ck_assert_int_eq(tsock_set_timeout(fd, ms), 0);
}

/* A thread that makes one call and notes what came of it. */
struct caller {
    const struct blocking *call;
    int fd;
    atomic_int tid;
    pthread_t thread;
    long long result;
    int error;
    int64_t took, cpu;
};

static void *make_call(void *argument)
{
    struct caller *c = argument;
    int64_t began = now_ns(), cpu = thread_cpu_ns();
    atomic_store(&c->tid, gettid());
    c->result = c->call->call(c->fd);
    c->error = errno;
    c->took = now_ns() - began;
    c->cpu = thread_cpu_ns() - cpu;
    return NULL;
}

static void start(struct caller *c, const char *call, int fd)
{
    *c = (struct caller){.call = blocking_named(call), .fd = fd};
    ck_assert_int_eq(pthread_create(&c->thread, NULL, make_call, c), 0);
    while (!atomic_load(&c->tid))
        plain_sleep_ms(1);
    await_sleep(atomic_load(&c->tid));
}

static void ck_ends_with(struct caller *c, long long result, int error)
{
    ck_assert_int_eq(pthread_join(c->thread, NULL), 0);
    ck_assert_msg(c->result == result && (result >= 0 || c->error == error), "%s: %lld, errno %d", c->call->name,
                  c->result, c->error);
}

static void ck_times_out(struct caller *c, int ms)
{
    ck_ends_with(c, -1, ETIMEDOUT);
    assert_took_ms(ms, c->took);
    assert_idle(c->took, c->cpu);
}

START_TEST(of_two_threads_that_read_one_gets_the_byte_and_the_other_times_out)
{
    struct pair p = tcp_pair();
    give_time(p.here, LIMIT);
    struct caller two[2];
    for (int i = 0; i < 2; i++)
        start(&two[i], "recv", p.here);
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(two[i].thread, NULL), 0);
    struct caller *first = &two[two[0].result < 0], *second = &two[two[0].result >= 0];
    ck_assert_int_eq(first->result, 1);
    ck_assert_int_eq(second->result, -1);
    ck_assert_int_eq(second->error, ETIMEDOUT);
    assert_took_ms(LIMIT, second->took);
    assert_idle(second->took, second->cpu);
}
END_TEST

START_TEST(of_two_threads_that_accept_one_gets_the_connection_and_the_other_times_out)
{
    int listener = tcp_listener(1);
    give_time(listener, LIMIT);
    struct caller two[2];
    for (int i = 0; i < 2; i++)
        start(&two[i], "accept", listener);
    tcp_connect(listener);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(two[i].thread, NULL), 0);
    struct caller *first = &two[two[0].result < 0], *second = &two[two[0].result >= 0];
    ck_assert_int_ge(first->result, 0);
    ck_assert_int_eq(second->result, -1);
    ck_assert_int_eq(second->error, ETIMEDOUT);
    assert_took_ms(LIMIT, second->took);
}
END_TEST

START_TEST(one_thread_reads_while_another_writes)
{
    struct pair p = full_pair();
    give_time(p.here, LIMIT);
    struct caller reader, writer;
    start(&reader, "recv", p.here);
    start(&writer, "send", p.here);
    ck_times_out(&writer, LIMIT);
    ck_times_out(&reader, LIMIT);
}
END_TEST

START_TEST(a_limit_that_is_changed_meanwhile_is_the_next_calls)
{
    for (int i = 0; blocking_ways()[i]; i++) {
        struct caller c;
        int fd = blocking_named(blocking_ways()[i])->open();
        give_time(fd, LIMIT);
        start(&c, blocking_ways()[i], fd);
        give_time(fd, 3 * LIMIT);
        ck_times_out(&c, LIMIT);
        give_time(fd, LIMIT);
        start(&c, blocking_ways()[i], fd);
        give_time(fd, 0);
        ck_times_out(&c, LIMIT);
    }
}
END_TEST

static void ck_is_the_next_calls(const char *call, bool by_a_copy)
{
    struct caller c;
    int fd = blocking_named(call)->open(), on = 1;
    give_time(fd, LIMIT);
    start(&c, call, fd);
    int there = by_a_copy ? dup(fd) : fd;
    ck_ok(ioctl(there, FIONBIO, &on));
    ck_times_out(&c, LIMIT);
}

START_TEST(o_nonblock_that_is_set_meanwhile_is_the_next_calls)
{
    for (int i = 0; blocking_ways()[i]; i++)
        for (int by_a_copy = 0; by_a_copy < 2; by_a_copy++)
            ck_is_the_next_calls(blocking_ways()[i], by_a_copy);
}
END_TEST

/* A byte wakes all, and all but one find nothing. */
START_TEST(o_nonblock_that_is_set_while_threads_read_makes_none_spin)
{
    enum { COUNT = 16 };
    struct pair p = tcp_pair();
    give_time(p.here, 10 * LIMIT);      /* all of them wait before the first one ends */
    struct caller callers[COUNT];
    for (int i = 0; i < COUNT; i++)
        start(&callers[i], "recv", p.here);
    ck_ok(fcntl(p.here, F_SETFL, O_NONBLOCK));
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    int64_t cpu = 0;
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(pthread_join(callers[i].thread, NULL), 0);
        cpu += callers[i].cpu;
    }
    assert_idle(10 * LIMIT * INT64_C(1000000), cpu);
}
END_TEST

static void await_children(void *pair)
{
    struct pair *p = pair;
    give_time(p->here, LIMIT / 4);
    char byte;
    ck_took_ms(LIMIT / 4, ck_fails(ETIMEDOUT, recv(p->here, &byte, 1, 0)));
    ck_took_ms(0, ck_fails(EAGAIN, accept(p->there, NULL, NULL)));
}

START_TEST(a_child_can_make_calls_while_its_parents_other_threads_wait)
{
    struct caller some[6];
    for (int i = 0; blocking_ways()[i]; i++) {
        int fd = blocking_named(blocking_ways()[i])->open();
        give_time(fd, 4 * LIMIT);
        start(&some[i], blocking_ways()[i], fd);
    }
    struct pair p = tcp_pair();
    p.there = tcp_listener(1);
    ck_ok(fcntl(p.there, F_SETFL, O_NONBLOCK));
    for (int i = 0; i < 5; i++)
        in_child(await_children, &p);
    for (int i = 0; blocking_ways()[i]; i++)
        ck_times_out(&some[i], 4 * LIMIT);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=100ms", NULL);
    return run_tests("threads", TESTS(of_two_threads_that_read_one_gets_the_byte_and_the_other_times_out,
                                      of_two_threads_that_accept_one_gets_the_connection_and_the_other_times_out,
                                      one_thread_reads_while_another_writes,
                                      a_limit_that_is_changed_meanwhile_is_the_next_calls,
                                      o_nonblock_that_is_set_meanwhile_is_the_next_calls,
                                      o_nonblock_that_is_set_while_threads_read_makes_none_spin,
                                      a_child_can_make_calls_while_its_parents_other_threads_wait));
}
