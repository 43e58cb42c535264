/* Every call stays a point at which its thread may be cancelled, and leaves nothing behind. */
#include <pthread.h>
#include <sys/time.h>

#include "../shim/timeoutsock.h"
#include "blocking.h"
#include "suites.h"

#define LIMIT 200       /* as in the settings below */

static struct caller {
    const struct blocking *call;
    int fd;
    bool disable, cleaned_up;
    _Atomic pid_t tid;
    long long result;
    int error;
} caller;

static void clean_up(void *argument)
{
    ((struct caller *)argument)->cleaned_up = true;
}

static void *make_call(void *argument)
{
    struct caller *c = argument;
    int old;
    pthread_cleanup_push(clean_up, c);
    if (c->disable)
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    c->tid = gettid();
    c->result = c->call->call(c->fd);
    c->error = errno;
    pthread_cleanup_pop(0);
    return NULL;
}

/* Cancels a thread while it waits in the call; returns what its end is. */
static void *cancel(struct caller *c)
{
    pthread_t thread;
    void *end;
    ck_assert_int_eq(pthread_create(&thread, NULL, make_call, c), 0);
    while (!c->tid)
        plain_sleep_ms(1);
    await_sleep(c->tid);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &end), 0);
    return end;
}

START_TEST(a_thread_that_does_not_allow_it_is_not_cancelled)
{
    caller = (struct caller){.call = blocking_variant(), .fd = blocking_variant()->open(), .disable = true};
    ck_took_ms(LIMIT, ck_assert_ptr_null(cancel(&caller)));
    ck_assert_int_eq(caller.result, -1);
    ck_assert_int_eq(caller.error, ETIMEDOUT);
}
END_TEST

/* ASan does not see the frames go that a cancellation unwinds, and finds faults in what comes
 * to lie there. */
#ifndef __SANITIZE_ADDRESS__
static struct timeval own = {10, 0};
static const int options[] = {SO_RCVTIMEO, SO_SNDTIMEO};

static void ck_timers(int fd, time_t seconds)
{
    for (int i = 0; i < 2; i++) {
        struct timeval t;
        socklen_t len = sizeof t;
        ck_ok(getsockopt(fd, SOL_SOCKET, options[i], &t, &len));
        ck_assert_int_eq(t.tv_sec, seconds);
        ck_assert_int_eq(t.tv_usec, 0);
    }
}

START_TEST(a_thread_is_cancelled_in_a_call_that_waits)
{
    caller = (struct caller){.call = blocking_variant(), .fd = blocking_variant()->open()};
    ck_assert_ptr_eq(cancel(&caller), PTHREAD_CANCELED);
    ck_assert(caller.cleaned_up);
    ck_timers(caller.fd, 0);
}
END_TEST

START_TEST(a_cancelled_thread_leaves_the_programs_own_timers)
{
    caller = (struct caller){.call = blocking_variant(), .fd = blocking_variant()->open()};
    for (int i = 0; i < 2; i++)
        ck_ok(setsockopt(caller.fd, SOL_SOCKET, options[i], &own, sizeof own));
    ck_assert_ptr_eq(cancel(&caller), PTHREAD_CANCELED);
    ck_assert(caller.cleaned_up);
    ck_timers(caller.fd, own.tv_sec);
}
END_TEST

START_TEST(a_cancelled_call_takes_nothing_from_the_next_one)
{
    caller = (struct caller){.call = blocking_variant(), .fd = blocking_variant()->open()};
    ck_assert_ptr_eq(cancel(&caller), PTHREAD_CANCELED);
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, caller.call->call(caller.fd)));
}
END_TEST

#define CANCELLED                                                                               \
    a_thread_is_cancelled_in_a_call_that_waits, a_cancelled_thread_leaves_the_programs_own_timers, \
        a_cancelled_call_takes_nothing_from_the_next_one,
#else
#define CANCELLED
#endif

/* glibc's sendfile is none. */
static const char *const *cancellation_points(void)
{
    static const char *points[64];
    int count = 0;
    for (const char *const *name = blocking_names(); *name; name++)
        if (strcmp(*name, "sendfile"))
            points[count++] = *name;
    return points;
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"cancel", SETTINGS("TIMEOUTSOCK_DEFAULT=200ms"),
         TESTS(CANCELLED a_thread_that_does_not_allow_it_is_not_cancelled), cancellation_points()},
        {0}};
    return run_suites(argv, suites);
}
