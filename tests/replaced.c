/* Another thread closes a descriptor during a call and its number becomes another one's:
 * the call never touches that. */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "../shim/timeoutsock.h"
#include "blocking.h"
#include "suites.h"

#define LIMIT 100       /* as in the settings below */

struct caller {
    const struct blocking *call;
    int fd;
    atomic_int tid;
    pthread_t thread;
    long long result;
    int error;
};

static void *make_call(void *argument)
{
    struct caller *c = argument;
    atomic_store(&c->tid, gettid());
    c->result = c->call->call(c->fd);
    c->error = errno;
    return NULL;
}

static void start(struct caller *c, const struct blocking *call, int fd)
{
    *c = (struct caller){.call = call, .fd = fd};
    ck_assert_int_eq(pthread_create(&c->thread, NULL, make_call, c), 0);
    while (!atomic_load(&c->tid))
        plain_sleep_ms(1);
    await_sleep(atomic_load(&c->tid));
}

/* A call that waits by poll may find out that its descriptor is gone, by errno EBADF; one
 * that waits in the kernel goes on with what it began with until its time is up. */
static void ck_fails_with(struct caller *c, int error)
{
    ck_assert_int_eq(pthread_join(c->thread, NULL), 0);
    ck_assert_msg(c->result == -1 && (c->error == error || c->error == EBADF), "%s: %lld, errno %d", c->call->name,
                  c->result, c->error);
}

/* A new connection gets the number of fd; it has timers of its own and data to read. */
static struct pair replace_by_connection(int fd)
{
    int listener = tcp_listener(1);
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    struct pair p = {socket(AF_INET, SOCK_STREAM, 0), -1};
    close(fd);
    int copy = dup(p.here);
    while (copy >= 0 && copy < fd)
        copy = dup(p.here);
    ck_assert_int_eq(copy, fd);
    p.here = fd;
    ck_ok(connect(fd, (struct sockaddr *)&name, len));
    ck_ok(p.there = accept(listener, NULL, NULL));
    struct timeval own = {10, 0};
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &own, sizeof own));
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own));
    ck_assert_int_eq(send(p.there, "new", 3, 0), 3);
    return p;
}

static void ck_timer(int fd, int option)
{
    struct timeval t;
    socklen_t len = sizeof t;
    ck_ok(getsockopt(fd, SOL_SOCKET, option, &t, &len));
    ck_assert_int_eq(t.tv_sec, 10);
}

static void ck_untouched(struct pair p)
{
    char bytes[4];
    ck_assert_int_eq(recv(p.here, bytes, 4, 0), 3);
    ck_assert_mem_eq(bytes, "new", 3);
    ck_assert_int_eq(send(p.here, "xyz", 3, MSG_NOSIGNAL), 3);
    ck_assert_int_eq(recv(p.there, bytes, 4, 0), 3);
    ck_timer(p.here, SO_RCVTIMEO);
    ck_timer(p.here, SO_SNDTIMEO);
}

START_TEST(a_call_that_reaches_its_limit_leaves_the_new_descriptor_alone)
{
    struct caller c;
    int fd = blocking_variant()->open();
    start(&c, blocking_variant(), fd);
    struct pair p = replace_by_connection(fd);
    ck_fails_with(&c, ETIMEDOUT);
    ck_untouched(p);
}
END_TEST

/* ASan does not see the frames go that a cancellation unwinds. */
#ifndef __SANITIZE_ADDRESS__
START_TEST(a_cancelled_call_leaves_the_new_descriptor_alone)
{
    struct caller c;
    int fd = blocking_variant()->open();
    start(&c, blocking_variant(), fd);
    struct pair p = replace_by_connection(fd);
    pthread_cancel(c.thread);
    ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
    ck_untouched(p);
}
END_TEST

#define NOT_UNDER_ASAN a_cancelled_call_leaves_the_new_descriptor_alone,
#else
#define NOT_UNDER_ASAN
#endif

START_TEST(a_call_on_a_descriptor_that_was_closed_ends_at_its_limit)
{
    struct caller c;
    int fd = blocking_variant()->open();
    int64_t began = now_ns();
    start(&c, blocking_variant(), fd);
    close(fd);
    ck_fails_with(&c, ETIMEDOUT);
    if (c.error == ETIMEDOUT)
        assert_took_ms(LIMIT, now_ns() - began);
}
END_TEST

/* What comes for the old descriptor must not make the call read from the new one. */
START_TEST(a_receive_that_wakes_up_does_not_read_from_the_new_descriptor)
{
    struct caller c;
    struct pair old = tcp_pair();
    ck_assert_int_eq(tsock_set_timeout(old.here, 50 * LIMIT), 0);
    start(&c, blocking_variant(), old.here);
    struct pair p = replace_by_connection(old.here);
    send(old.there, "old", 3, MSG_NOSIGNAL);
    ck_took_ms(0, ck_fails_with(&c, EBADF));
    ck_untouched(p);
}
END_TEST

static int open_file(void)
{
    return open("/dev/zero", O_RDONLY | O_CLOEXEC);
}

static int open_pipe(void)
{
    int fds[2];
    ck_ok(pipe(fds));
    ck_assert_int_eq(write(fds[1], "new", 3), 3);
    return fds[0];
}

START_TEST(a_receive_that_wakes_up_does_not_read_from_a_new_file_or_pipe)
{
    static int (*const opens[])(void) = {open_file, open_pipe};
    for (int i = 0; i < 2; i++) {
        struct caller c;
        struct pair old = tcp_pair();
        ck_assert_int_eq(tsock_set_timeout(old.here, 50 * LIMIT), 0);
        start(&c, blocking_variant(), old.here);
        int other = opens[i]();
        ck_assert_int_eq(dup2(other, old.here), old.here);
        send(old.there, "old", 3, MSG_NOSIGNAL);
        ck_took_ms(0, ck_fails_with(&c, EBADF));
        char bytes[4];
        ck_assert_int_eq(read(other, bytes, 4), i ? 3 : 4);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    /* What is tested here is to TSan a race on the descriptor. */
    setenv("TSAN_OPTIONS", "report_bugs=0", 1);
    static const char *const receives[] = {"read", "readv", "recv", "recvfrom", "recvmsg", "recv_waitall", NULL};
    const struct suite suites[] = {
        {"replaced", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(NOT_UNDER_ASAN a_call_that_reaches_its_limit_leaves_the_new_descriptor_alone,
               a_call_on_a_descriptor_that_was_closed_ends_at_its_limit),
         blocking_names()},
        {"replaced, data", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"),
         TESTS(a_receive_that_wakes_up_does_not_read_from_the_new_descriptor,
               a_receive_that_wakes_up_does_not_read_from_a_new_file_or_pipe),
         receives},
        {0}};
    return run_suites(argv, suites);
}
