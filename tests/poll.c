/* poll and ppoll themselves: what they write and when they fail is what the kernel does.
 * What all event waits have in common is in expiry.c, expired.c, moving.c and waiting.c. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../shim/timeoutsock.h"
#include "suites.h"
#include "waits.h"

#define LIMIT 100

int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct plain_time *timeout, const sigset_t *mask, size_t room);

static int plain_poll(struct pollfd *fds, nfds_t count)
{
    struct plain_time now = {0, 0};
    return (int)syscall(SYS_ppoll, fds, count, &now, NULL, 0);
}

static struct pair pipe_pair(void)
{
    int fds[2];
    ck_ok(pipe(fds));
    return (struct pair){fds[0], fds[1]};
}

static int written_to(struct pair p)
{
    ck_assert_int_eq(write(p.there, "x", 1), 1);
    return p.here;
}

static int reader_of_closed(struct pair p)
{
    close(p.there);
    return p.here;
}

static int writer_of_closed(struct pair p)
{
    close(p.here);
    return p.there;
}

enum { EVERYTHING = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM, OTHERS = 12, CLOSED = 999 };

/* Descriptors in all sorts of states, and a silent connection. */
static void gather(struct pollfd fds[OTHERS])
{
    int file = open("/dev/null", O_RDWR), silent = tcp_pair().here;
    const struct pollfd all[OTHERS] = {
        {silent, POLLIN, 0},
        {CLOSED, EVERYTHING, 0},
        {-1, EVERYTHING, -1},
        {-4711, EVERYTHING, -1},
        {written_to(pipe_pair()), EVERYTHING, 0},
        {reader_of_closed(pipe_pair()), POLLIN, 0},
        {writer_of_closed(pipe_pair()), POLLOUT, 0},
        {file, EVERYTHING, 0},
        {file, 0, -1},
        {written_to(tcp_pair()), EVERYTHING, 0},
        {reader_of_closed(tcp_pair()), POLLRDHUP, 0},
        {socket(AF_INET, SOCK_STREAM, 0), EVERYTHING, 0},
    };
    memcpy(fds, all, sizeof all);
    ck_assert(plain_is_readable(all[9].fd, 1000));
}

START_TEST(revents_are_what_the_kernel_says)
{
    struct pollfd plain[OTHERS], ours[OTHERS];
    gather(plain);
    memcpy(ours, plain, sizeof ours);
    int ready = plain_poll(plain, OTHERS);
    ck_assert_int_eq(ready, 8);
    ck_returns(ready, wait_on(ours, OTHERS, -1));
    for (int i = 0; i < OTHERS; i++)
        ck_assert_msg(ours[i].revents == plain[i].revents, "%d: %x, not %x", i, ours[i].revents, plain[i].revents);
    ck_assert_int_eq(ours[1].revents, POLLNVAL);
}
END_TEST

/* All that the kernel can say of it: another reader of the same connection sees it too. */
START_TEST(an_expired_connection_has_the_revents_of_one_that_is_shut_down)
{
    struct pollfd p = {tcp_pair().here, EVERYTHING & ~(POLLOUT | POLLWRNORM), 0}, plain = p;
    ck_returns(1, wait_on(&p, 1, -1));
    ck_assert_int_eq(plain_poll(&plain, 1), 1);
    ck_assert_int_eq(p.revents, plain.revents);
    ck_assert_int_ne(p.revents & POLLIN, 0);
}
END_TEST

static const struct { short asked, reported; } reports[] = {
    {POLLIN, POLLIN},
    {POLLIN | POLLRDNORM, POLLIN | POLLRDNORM},
    {POLLIN | POLLPRI, POLLIN},
    {POLLOUT, POLLOUT},
    {POLLIN | POLLOUT, POLLIN | POLLOUT},
    {POLLPRI, POLLERR},
    {0, POLLERR},
};

START_TEST(one_that_is_only_reported_has_the_revents_that_were_asked_for)
{
    for (size_t i = 0; i < COUNT(reports); i++) {
        struct pollfd p = {full_pair().here, reports[i].asked, 0};
        ck_ok(tsock_set_timeout(p.fd, 20));
        ck_returns(1, wait_on(&p, 1, -1));
        ck_assert_msg(p.revents == reports[i].reported, "asked for %x, got %x", p.events, p.revents);
        ck_assert_int_eq(p.events, reports[i].asked);
    }
}
END_TEST

START_TEST(a_descriptor_that_is_named_twice_is_counted_twice)
{
    struct pair p = tcp_pair();
    struct pollfd fds[] = {{p.here, POLLIN, 0}, {p.here, POLLIN, 0}};
    ck_took_ms(LIMIT, ck_returns(2, wait_on(fds, 2, -1)));
    ck_assert_int_ne(fds[0].revents & POLLIN, 0);
    ck_assert_int_eq(fds[0].revents, fds[1].revents);
}
END_TEST

START_TEST(without_descriptors_it_sleeps)
{
    ck_took_ms(30, ck_returns(0, wait_on(NULL, 0, 30)));
    struct pollfd unused = {-1, POLLIN, -1};
    ck_took_ms(30, ck_returns(0, wait_on(&unused, 1, 30)));
    ck_assert_int_eq(unused.revents, 0);
}
END_TEST

START_TEST(more_descriptors_than_rlimit_nofile_are_einval)
{
    struct pollfd fds[33];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = (struct pollfd){-1, 0, 0};
    fds[0] = (struct pollfd){tcp_pair().here, POLLIN, 0};
    ck_ok(setrlimit(RLIMIT_NOFILE, &(struct rlimit){32, 32}));
    ck_took_ms(0, ck_fails(EINVAL, wait_on(fds, 33, -1)));
    ck_took_ms(LIMIT, ck_returns(1, wait_on(fds, 32, -1)));
}
END_TEST

/* The same at every count, near and far from what fits on a stack. */
START_TEST(a_connection_among_many_expires)
{
    static struct pollfd fds[8192];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = (struct pollfd){-1, POLLIN, 0};
    fds[COUNT(fds) - 1].fd = tcp_pair().here;
    ck_took_ms(LIMIT, ck_returns(1, wait_on(fds, COUNT(fds), -1)));
    ck_assert_int_ne(fds[COUNT(fds) - 1].revents, 0);
}
END_TEST

START_TEST(any_negative_timeout_of_poll_is_none)
{
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    ck_took_ms(LIMIT, ck_returns(1, poll(&p, 1, -2)));
    p.fd = tcp_pair().here;
    ck_took_ms(LIMIT, ck_returns(1, poll(&p, 1, -2147483647 - 1)));
}
END_TEST

START_TEST(the_timeout_of_ppoll_is_left_alone)
{
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    struct timespec t = {5, 999999999};
    ck_took_ms(LIMIT, ck_returns(1, ppoll(&p, 1, &t, NULL)));
    ck_assert_int_eq(t.tv_sec, 5);
    ck_assert_int_eq(t.tv_nsec, 999999999);
}
END_TEST

START_TEST(a_bad_timeout_of_ppoll_is_einval)
{
    static const struct timespec bad[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_fails(EINVAL, ppoll(&p, 1, &bad[i], NULL));
}
END_TEST

START_TEST(a_huge_timeout_of_ppoll_is_no_timeout)
{
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    struct timespec huge = {LONGEST_TIME, 999999999};
    ck_took_ms(LIMIT, ck_returns(1, ppoll(&p, 1, &huge, NULL)));
}
END_TEST

static void overflow_poll(struct pollfd *fds)
{
    __poll_chk(fds, 2, 0, sizeof *fds);
}

static void overflow_ppoll(struct pollfd *fds)
{
    __ppoll_chk(fds, 2, NULL, NULL, 2 * sizeof *fds - 1);
}

START_TEST(the_fortified_names_abort_on_overflow)
{
    static void (*const overflows[])(struct pollfd *) = {overflow_poll, overflow_ppoll};
    for (size_t i = 0; i < COUNT(overflows); i++) {
        pid_t child = fork();
        ck_ok(child);
        if (!child) {
            struct pollfd fds[2] = {{-1, 0, 0}, {-1, 0, 0}};
            dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
            overflows[i](fds);
            _exit(EXIT_SUCCESS);
        }
        int status;
        ck_ok(waitpid(child, &status, 0));
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGABRT);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const polls[] = {"poll", "__poll", "__poll_chk", "ppoll", "__ppoll_chk", NULL};
    const char *const *limit = SETTINGS("TIMEOUTSOCK_DEFAULT=100ms");
    const struct suite suites[] = {
        {"poll", limit,
         TESTS(revents_are_what_the_kernel_says, an_expired_connection_has_the_revents_of_one_that_is_shut_down,
               one_that_is_only_reported_has_the_revents_that_were_asked_for,
               a_descriptor_that_is_named_twice_is_counted_twice, without_descriptors_it_sleeps,
               more_descriptors_than_rlimit_nofile_are_einval, a_connection_among_many_expires), polls},
        {"poll, its arguments", limit,
         TESTS(any_negative_timeout_of_poll_is_none, the_timeout_of_ppoll_is_left_alone,
               a_bad_timeout_of_ppoll_is_einval, a_huge_timeout_of_ppoll_is_no_timeout,
               the_fortified_names_abort_on_overflow), NULL},
        {0}};
    return run_suites(argv, suites);
}
