/* A limit never falls upon another descriptor that has got the number of a limited one,
 * although the library may not have seen that one's close. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

#define LIMIT 60        /* as in the settings below */
#define OWN 20

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))
#define EACH(type, item, table) for (const struct type *item = table; item < table + COUNT(table); item++)

static int with_own_limit(int fd)
{
    ck_assert_int_eq(tsock_set_timeout(fd, OWN), 0);
    return fd;
}

static int a_pipe(int *writer)
{
    int fds[2];
    ck_ok(pipe(fds));
    *writer = fds[1];
    return fds[0];
}

/* What had the number before. */
static int limited_tcp(void) { return with_own_limit(tcp_pair().here); }
static int limited_unix(void) { return with_own_limit(unix_pair(SOCK_STREAM).here); }
static int limited_udp(void) { return with_own_limit(udp_pair().here); }
static int limited_pipe(void) { return with_own_limit(a_pipe(&(int){0})); }

static int limited_by_settings(void)
{
    int fd = tcp_pair().here;
    char byte;
    ck_fails(EAGAIN, recv(fd, &byte, 1, MSG_DONTWAIT));
    return fd;
}

static int nonblocking(void)
{
    int fd = limited_tcp();
    ck_ok(fcntl(fd, F_SETFL, O_NONBLOCK));
    return fd;
}

/* A connection whose next call answers ETIMEDOUT. */
static int expired(void)
{
    struct pair p = tcp_pair();
    char bytes[2];
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    ck_assert_int_eq(recv(p.here, bytes, 2, MSG_WAITALL), 1);
    return p.here;
}

static int expired_in_poll(void)
{
    int fd = tcp_pair().here;
    ck_assert_int_eq(poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1), 1);
    return fd;
}

static const struct former {
    const char *name;
    int (*open)(void);
} formers[] = {
    {"TCP", limited_tcp},
    {"unix", limited_unix},
    {"UDP", limited_udp},
    {"pipe", limited_pipe},
    {"configured", limited_by_settings},
    {"non-blocking", nonblocking},
    {"expired", expired},
    {"expired in poll", expired_in_poll},
};

/* How it was closed. */
static void by_close(int fd) { close(fd); }
static void by_fclose(int fd) { fclose(fdopen(fd, "r")); }
static void by_system_call(int fd) { syscall(SYS_close, fd); }
static void by_close_range(int fd) { syscall(SYS_close_range, fd, fd, 0); }

static const struct closing {
    const char *name;
    void (*close)(int fd);
} closings[] = {
    {"close", by_close}, {"fclose", by_fclose}, {"a system call", by_system_call}, {"close_range", by_close_range},
};

/* What has it now: none is limited by the settings.  *writer is what makes it readable. */
static int an_eventfd(int *writer) { return *writer = eventfd(0, 0); }

static int a_unix_socket(int *writer)
{
    int fds[2];
    ck_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    *writer = fds[1];
    return fds[0];
}

static const struct successor {
    const char *name;
    int (*open)(int *writer);
} successors[] = {{"eventfd", an_eventfd}, {"pipe", a_pipe}, {"unix socket", a_unix_socket}};

/* Closes fd in a way, and gives its number to what `open` opens. */
static int replace(int fd, const struct closing *closing, int (*open)(int *writer))
{
    int next, writer;
    while ((next = (int)syscall(SYS_dup, STDIN_FILENO)) < fd)
        ck_ok(next);
    syscall(SYS_close, next);
    closing->close(fd);
    ck_assert_int_eq(open(&writer), fd);
    return writer;
}

static void *write_late(void *writer)
{
    plain_sleep_ms(3 * OWN);
    plain_write(*(int *)writer, &(uint64_t){1}, sizeof(uint64_t));
    return NULL;
}

static void ck_reads_late(int fd, int writer, const char *what)
{
    pthread_t helper = when_asleep(write_late, &writer);
    uint64_t number;
    errno = 0;
    ssize_t n = read(fd, &number, sizeof number);
    ck_assert_msg(n == sizeof number && number == 1, "%s: %zd, errno %d", what, n, errno);
    ck_assert_int_eq(pthread_join(helper, NULL), 0);
}

static void ck_is_not_limited(const struct former *former, const struct closing *closing,
                              const struct successor *successor)
{
    char what[128];
    snprintf(what, sizeof what, "%s, closed by %s, then %s", former->name, closing->name, successor->name);
    int fd = former->open();
    int writer = replace(fd, closing, successor->open);
    ck_reads_late(fd, writer, what);
}

static const struct former *former_variant(void)
{
    EACH(former, former, formers)
        if (!strcmp(former->name, test_variant()))
            return former;
    ck_abort_msg("no former descriptor: %s", test_variant());
}

START_TEST(a_number_that_was_closed_and_now_is_another_descriptor_is_not_limited)
{
    EACH(closing, closing, closings)
        EACH(successor, successor, successors)
            ck_is_not_limited(former_variant(), closing, successor);
}
END_TEST

static int a_file(int *writer)
{
    *writer = -1;
    return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

START_TEST(a_number_that_was_closed_and_now_is_a_file_is_read)
{
    EACH(closing, closing, closings) {
        int fd = former_variant()->open();
        replace(fd, closing, a_file);
        char bytes[4];
        ck_returns(4, read(fd, bytes, 4));
        ck_assert_mem_eq(bytes, "\177ELF", 4);
        ck_returns(4, readv(fd, &(struct iovec){bytes, 4}, 1));
    }
}
END_TEST

static int an_empty_file(int *writer)
{
    *writer = -1;
    return memfd_create("file", MFD_CLOEXEC);
}

START_TEST(a_number_that_was_closed_and_now_is_a_file_is_written)
{
    EACH(closing, closing, closings) {
        int fds[] = {former_variant()->open(), former_variant()->open()};
        for (int i = 0; i < 2; i++) {
            replace(fds[i], closing, an_empty_file);
            ssize_t n = i ? writev(fds[i], &(struct iovec){"abc", 3}, 1) : write(fds[i], "abc", 3);
            ck_assert_msg(n == 3 && lseek(fds[i], 0, SEEK_END) == 3, "%zd, %s", n, strerror(errno));
        }
    }
}
END_TEST

START_TEST(a_number_that_was_closed_and_now_is_another_descriptor_does_not_expire_in_poll)
{
    EACH(closing, closing, closings)
        EACH(successor, successor, successors) {
            struct pollfd p = {former_variant()->open(), POLLIN, 0};
            replace(p.fd, closing, successor->open);
            ck_took_ms(3 * OWN, ck_returns(0, poll(&p, 1, 3 * OWN)));
        }
}
END_TEST

static int a_listener(int *writer)
{
    *writer = -1;
    return tcp_listener(1);
}

START_TEST(a_number_that_was_closed_and_now_is_a_listener_has_the_configured_limit)
{
    EACH(closing, closing, closings) {
        int fd = former_variant()->open();
        replace(fd, closing, a_listener);
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, accept(fd, NULL, NULL)));
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *names[COUNT(formers) + 1];
    for (int i = 0; i < COUNT(formers); i++)
        names[i] = formers[i].name;
    const struct suite suites[] = {
        {"reuse", SETTINGS("TIMEOUTSOCK_DEFAULT=60ms"),
         TESTS(a_number_that_was_closed_and_now_is_another_descriptor_is_not_limited,
               a_number_that_was_closed_and_now_is_a_file_is_read,
               a_number_that_was_closed_and_now_is_a_file_is_written,
               a_number_that_was_closed_and_now_is_another_descriptor_does_not_expire_in_poll,
               a_number_that_was_closed_and_now_is_a_listener_has_the_configured_limit),
         names},
        {0}};
    return run_suites(argv, suites);
}
