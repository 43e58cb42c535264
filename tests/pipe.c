/* KINDS=pipe: the pipe to a child process, and FIFOs, at their limit.  recv.c and send.c show
 * each call, expired.c what poll and select make of an expired pipe, epoll.c that epoll
 * leaves pipes alone. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "pipes.h"

#define LIMIT 80        /* as in the settings below */
static char bytes[ROOM];

START_TEST(a_silent_child_ends_the_read_and_what_it_says_later_is_read)
{
    struct pair p = a_pipe(), start = pipe_pair();
    pid_t child = fork();
    ck_ok(child);
    if (!child) {
        char go;
        _exit(plain_read(start.here, &go, 1) == 1 && plain_write(p.there, "late", 4) == 4 ? 0 : 1);
    }
    close(p.there);
    ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, read(p.here, bytes, 8))));
    ck_assert_int_eq(plain_write(start.there, "!", 1), 1);
    ck_assert(plain_is_readable(p.here, 10000));
    ck_returns(4, read(p.here, bytes, 8));
    ck_returns(0, read(p.here, bytes, 8));
    ck_ok(waitpid(child, NULL, 0));
}
END_TEST

/* A program whose standard input or output is the pipe; `act` is what it does (act_as_child). */
static pid_t child_on(int fd, int number, char *act)
{
    pid_t child = fork();
    ck_ok(child);
    if (!child) {
        dup2(fd, number);
        execv("/proc/self/exe", (char *[]){act, act, NULL});
        _exit(127);
    }
    return child;
}

static int act_as_child(const char *act)
{
    if (!strcmp(act, "read"))
        return read(STDIN_FILENO, bytes, 1) == -1 && errno == ETIMEDOUT ? 0 : 1;
    if (!strcmp(act, "write"))
        return write(STDOUT_FILENO, "x", 1) == -1 && errno == ETIMEDOUT ? 0 : 1;
    return poll(&(struct pollfd){STDIN_FILENO, POLLIN, 0}, 1, 2 * LIMIT) == 0 ? 0 : 1;
}

static void ck_ends_well(pid_t child)
{
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert_msg(status == 0, "status 0x%x", (unsigned)status);
}

START_TEST(an_inherited_standard_input_or_output_has_the_limit)
{
    ck_ends_well(child_on(a_pipe().here, STDIN_FILENO, "read"));
    ck_ends_well(child_on(full_pipe().there, STDOUT_FILENO, "write"));
}
END_TEST

/* nc and socat wait for their standard input and a socket together. */
START_TEST(an_inherited_standard_input_is_not_reported_in_an_event_wait)
{
    ck_ends_well(child_on(a_pipe().here, STDIN_FILENO, "poll"));
}
END_TEST

/* It is its own reader and writer. */
static int a_fifo(void)
{
    enter_kernel();
    char directory[] = "/tmp/fifo-XXXXXX", name[sizeof directory + 2];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(name, sizeof name, "%s/f", directory);
    ck_ok(mkfifo(name, 0600));
    int fd = open(name, O_RDWR | O_CLOEXEC);
    ck_ok(fd);
    ck_ok(unlink(name));
    ck_ok(rmdir(directory));
    return fd;
}

START_TEST(a_fifo_has_the_limit_in_both_directions)
{
    int fd = a_fifo();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, read(fd, bytes, 1)));
    ck_returns(3, write(fd, "abc", 3));
    ck_returns(3, read(fd, bytes, ROOM));
    ck_assert_int_eq(plain_write(fd, pattern(ROOM), ROOM), ROOM);
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, write(fd, "x", 1)));
}
END_TEST

START_TEST(a_fifo_is_not_reported_in_an_event_wait)
{
    ck_took_ms(2 * LIMIT, ck_returns(0, poll(&(struct pollfd){a_fifo(), POLLIN, 0}, 1, 2 * LIMIT)));
}
END_TEST

START_TEST(data_that_come_after_the_report_are_read_after_etimedout)
{
    struct pair p = a_pipe();
    struct pollfd in = {p.here, POLLIN, 0};
    ck_took_ms(LIMIT, ck_returns(1, poll(&in, 1, -1)));
    ck_assert_int_eq(in.revents, POLLIN);
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_took_ms(0, ck_fails(ETIMEDOUT, read(p.here, bytes, 8)));
    ck_took_ms(0, ck_returns(3, read(p.here, bytes, 8)));
}
END_TEST

START_TEST(a_full_pipe_ends_the_write_and_takes_more_when_it_has_room)
{
    struct pair p = full_pipe();
    ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, write(p.there, "x", 1))));
    ck_assert_int_eq(plain_read(p.here, bytes, 8192), 8192);
    ck_took_ms(0, ck_returns(1, write(p.there, "x", 1)));
}
END_TEST

START_TEST(a_non_blocking_pipe_never_waits)
{
    int fds[2];
    enter_kernel();
    ck_ok(pipe2(fds, O_NONBLOCK));
    ck_took_ms(0, ck_fails(EAGAIN, read(fds[0], bytes, 8)));
    ck_took_ms(0, ck_returns(ROOM, write(fds[1], pattern(MUCH), MUCH)));
    ck_took_ms(0, ck_fails(EAGAIN, write(fds[1], "x", 1)));
    ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2)
        return act_as_child(argv[1]);
    const struct suite suites[] = {
        {"pipe", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms", "TIMEOUTSOCK_KINDS=pipe"),
         TESTS(a_silent_child_ends_the_read_and_what_it_says_later_is_read,
               an_inherited_standard_input_or_output_has_the_limit,
               an_inherited_standard_input_is_not_reported_in_an_event_wait, a_fifo_has_the_limit_in_both_directions,
               a_fifo_is_not_reported_in_an_event_wait, data_that_come_after_the_report_are_read_after_etimedout,
               a_full_pipe_ends_the_write_and_takes_more_when_it_has_room, a_non_blocking_pipe_never_waits),
         kernel_names()},
        {0}};
    return run_suites(argv, suites);
}
