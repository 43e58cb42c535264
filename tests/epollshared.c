/* Epoll instances inside poll, select and each other, a connection in two of them, threads
 * and child processes. */
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>

#include "../shim/timeoutsock.h"
#include "epolls.h"
#include "suites.h"

#define LIMIT 150

/* An epoll instance is itself a descriptor to wait for. */

static int inside_poll(int epoll)
{
    return poll(&(struct pollfd){epoll, POLLIN, 0}, 1, 2000);
}

static int inside_ppoll(int epoll)
{
    return ppoll(&(struct pollfd){epoll, POLLIN, 0}, 1, &(struct timespec){2, 0}, NULL);
}

static int inside_select(int epoll)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(epoll, &in);
    return select(epoll + 1, &in, NULL, NULL, &(struct timeval){2, 0});
}

static int inside_epoll(int epoll)
{
    return wait_on(instance_of(epoll, EPOLLIN), &(struct epoll_event){0}, 1, 2000);
}

static int inside_epoll_inside_poll(int epoll)
{
    return inside_poll(instance_of(epoll, EPOLLIN));
}

static const struct outer {
    const char *name;
    int (*wait)(int epoll);
} outers[] = {
    {"poll", inside_poll}, {"ppoll", inside_ppoll}, {"select", inside_select}, {"epoll", inside_epoll},
    {"epoll inside poll", inside_epoll_inside_poll},
};

START_TEST(nested_a_silent_connection_expires_at_its_limit)
{
    struct pair p = tcp_pair();
    int epoll;
    ck_took_ms(LIMIT, epoll = instance_of(p.here, EPOLLIN); ck_returns(1, VARIANT_IN(outers)->wait(epoll)));
    ck_reports(p.here, epoll);
    ck_has_expired(p.here);
}
END_TEST

START_TEST(nested_data_in_time_are_reported)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    put_byte(p.there);
    ck_took_ms(0, ck_returns(1, VARIANT_IN(outers)->wait(epoll)));
    ck_reports(p.here, epoll);
    take_byte(p.here);
}
END_TEST

/* Two instances.  By the variant the second one is removed from, closed, or left alone. */

static void leave(int epoll, int fd)
{
    (void)epoll, (void)fd;
}

static void close_first(int epoll, int fd)
{
    (void)fd;
    close(epoll);
}

static const struct parting {
    const char *name;
    void (*from)(int epoll, int fd);
} partings[] = {{"both stay", leave}, {"removed from one", delete}, {"one is closed", close_first}};

START_TEST(in_two_instances_a_connection_expires_through_the_first)
{
    struct pair p = tcp_pair();
    struct moment began = moment();
    int first = instance_of(p.here, EPOLLIN), second = instance_of(p.here, EPOLLIN);
    VARIANT_IN(partings)->from(second, p.here);
    ck_expires_since(began, LIMIT, p.here, first);
}
END_TEST

START_TEST(in_two_instances_a_connection_expires_through_the_second)
{
    struct pair p = tcp_pair();
    struct moment began = moment();
    int first = instance_of(p.here, EPOLLIN), second = instance_of(p.here, EPOLLIN);
    VARIANT_IN(partings)->from(first, p.here);
    ck_expires_since(began, LIMIT, p.here, second);
}
END_TEST

/* threads */

struct waiter { pthread_t self; int epoll, fd; int64_t began; };

static void *wait_for_one(void *waiter)
{
    struct waiter *w = waiter;
    w->fd = ready_in(w->epoll, 5000);
    w->began = now_ns() - w->began;
    return NULL;
}

/* The registration that a sleeping thread is to see.  Its own connection never expires. */
static void start_to_wait(struct waiter *w)
{
    struct pair idle = tcp_pair();
    ck_ok(tsock_set_timeout(idle.here, TSOCK_NONE));
    w->epoll = instance_of(idle.here, EPOLLIN);
    ck_assert_int_eq(pthread_create(&w->self, NULL, wait_for_one, w), 0);
    plain_sleep_ms(LIMIT / 2);
}

START_TEST(what_is_registered_while_another_thread_sleeps_expires_at_its_limit)
{
    struct waiter w = {0};
    struct pair p = tcp_pair();
    start_to_wait(&w);
    w.began = now_ns();
    add(w.epoll, p.here, EPOLLIN);
    pthread_join(w.self, NULL);
    ck_assert_int_eq(w.fd, p.here);
    assert_took_ms(LIMIT, w.began);
    ck_has_expired(p.here);
}
END_TEST

START_TEST(what_is_registered_inside_another_instance_while_a_thread_sleeps_expires_at_its_limit)
{
    struct waiter w = {0};
    struct pair p = tcp_pair();
    start_to_wait(&w);
    w.began = now_ns();
    int inner = instance_of(p.here, EPOLLIN);
    add(w.epoll, inner, EPOLLIN);
    pthread_join(w.self, NULL);
    ck_assert_int_eq(w.fd, inner);
    assert_took_ms(LIMIT, w.began);
    ck_has_expired(p.here);
}
END_TEST

#define THREADS 4

START_TEST(exclusive_registrations_tell_at_least_one_of_the_waiting_threads)
{
    struct pair p = tcp_pair();
    struct waiter w[THREADS] = {0};
    int told = 0;
    for (int i = 0; i < THREADS; i++) {
        w[i].epoll = instance_of(p.here, EPOLLIN | EPOLLEXCLUSIVE);
        ck_assert_int_eq(pthread_create(&w[i].self, NULL, wait_for_one, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++, told += w[i - 1].fd == p.here)
        pthread_join(w[i].self, NULL);
    ck_assert_int_ge(told, 1);
    ck_has_expired(p.here);
}
END_TEST

/* child processes */

struct inherited { struct pair p; struct moment began; int epoll; };

static void expire_inherited(void *inherited)
{
    const struct inherited *i = inherited;
    ck_expires_since(i->began, LIMIT, i->p.here, i->epoll);
}

START_TEST(a_child_goes_on_with_the_wait_in_the_instance_it_inherits)
{
    struct inherited i = {tcp_pair(), moment(), -1};
    i.epoll = instance_of(i.p.here, EPOLLIN);
    ck_silent_for(50, i.epoll);
    in_child(expire_inherited, &i);
}
END_TEST

static void expire_what_it_adds(void *inherited)
{
    const struct inherited *i = inherited;
    struct pair p = tcp_pair();
    delete(i->epoll, i->p.here);
    add(i->epoll, p.here, EPOLLIN);
    ck_expires_after(LIMIT, p.here, i->epoll);
}

START_TEST(a_child_expires_what_it_registers_in_the_instance_it_inherits)
{
    struct inherited i = {tcp_pair(), moment(), -1};
    i.epoll = instance_of(i.p.here, EPOLLIN);
    in_child(expire_what_it_adds, &i);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const limit = "TIMEOUTSOCK_DEFAULT=150ms";
    const struct suite suites[] = {
        {"nested", SETTINGS(limit), TESTS(nested_a_silent_connection_expires_at_its_limit,
                                          nested_data_in_time_are_reported), NAMES_IN(outers)},
        {"two instances", SETTINGS(limit),
         TESTS(in_two_instances_a_connection_expires_through_the_first,
               in_two_instances_a_connection_expires_through_the_second), NAMES_IN(partings)},
        {"threads", SETTINGS(limit),
         TESTS(what_is_registered_while_another_thread_sleeps_expires_at_its_limit,
               what_is_registered_inside_another_instance_while_a_thread_sleeps_expires_at_its_limit,
               exclusive_registrations_tell_at_least_one_of_the_waiting_threads,
               a_child_goes_on_with_the_wait_in_the_instance_it_inherits,
               a_child_expires_what_it_registers_in_the_instance_it_inherits), epoll_names},
        {0}};
    return run_suites(argv, suites);
}
