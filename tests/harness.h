/* Every test program runs itself under the real preload, with its own settings:
 *
 *     int main(int argc, char **argv)
 *     {
 *         under_preload(argv, "TIMEOUTSOCK_DEFAULT=100ms", NULL);
 *         return run_tests("recv", TESTS(first, second));
 *     }
 *
 * Each test is a process of its own (Check's fork mode). */
#ifndef HARNESS_H
#define HARNESS_H

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Starts the program again with the library in LD_PRELOAD and these settings, unless that
 * has been done.  The library is that of $LIBTIMEOUTSOCK, or ./.libs/libtimeoutsock.so. */
void under_preload(char **argv, ...) __attribute__((sentinel));

/* The same without any library, for what has to be shown in its absence. */
const char *library_path(void);

#define TESTS(...) (const TTest *const[]){__VA_ARGS__, NULL}

/* Runs them all and returns main's exit status.  A single one: CK_RUN_CASE=its name. */
int run_tests(const char *name, const TTest *const *tests);

/* A connected pair.  `here` is the end under test, opened by connect(). */
struct pair { int here, there; };
struct pair tcp_pair(void);
struct pair unix_pair(int type);        /* by socket and connect, not socketpair */
struct pair udp_pair(void);             /* both connected */

/* A TCP listener on loopback; and its port. */
int tcp_listener(int backlog);
struct sockaddr_storage name_of(int fd, socklen_t *len);
int tcp_connect(int listener);          /* a blocking connect to it */

/* A TCP listener whose backlog is full: connecting to it hangs in SYN.  Holds the
 * connections that fill it. */
int full_listener(void);

/* Sends until nothing fits any more; returns how many bytes that were. */
size_t fill(int fd);

/* A connected TCP pair with small buffers, those of `here` to `there` full for good: fill()
 * alone leaves room that the kernel finds in its zero-window probes. */
struct pair full_pair(void);

/* SO_RCVTIMEO or SO_SNDTIMEO in milliseconds. */
int timeout_of(int fd, int option);

/* Past the library: the system call itself. */
void plain_sleep_ms(int ms);
bool plain_is_readable(int fd, int ms);
ssize_t plain_read(int fd, void *buf, size_t len);
ssize_t plain_write(int fd, const void *buf, size_t len);

/* What a time_t can hold, which is 32 or 64 bits wide. */
#define LONGEST_TIME ((time_t)((UINT64_C(1) << (8 * sizeof(time_t) - 1)) - 1))

/* The timespec or timeval that system calls and libc's plain names take, however wide time_t is. */
struct plain_time { long seconds, rest; };

int64_t now_ns(void);
int64_t thread_cpu_ns(void);            /* the processor time that this thread has used */

/* Runs body in a child process, in which Check's assertions work, and asserts that it ends well. */
void in_child(void (*body)(void *argument), void *argument);

/* Waits until a thread, or the first one of a process, sleeps in the kernel. */
void await_sleep(pid_t tid);

/* Asserts that `statement`, which waits, hardly uses the processor. */
#define ck_idles(statement)                                                                 \
    do {                                                                                    \
        int64_t began_idle_ = now_ns(), cpu_ = thread_cpu_ns();                             \
        statement;                                                                          \
        assert_idle(now_ns() - began_idle_, thread_cpu_ns() - cpu_);                        \
    } while (0)
void assert_idle(int64_t took, int64_t cpu);

/* Runs `statement` and asserts that it took `ms`: never less; more only by LATE_MS and
 * four times what the machine was late by meanwhile (tests/lateness.h). */
#define LATE_MS 100
#define ck_took_ms(ms, statement)                       \
    do {                                                \
        int64_t began_ = now_ns();                      \
        statement;                                      \
        assert_took_ms(ms, now_ns() - began_);          \
    } while (0)
void assert_took_ms(int ms, int64_t took);

/* Asserts that `call` fails with `error`. */
#define ck_fails(error, call)                                                            \
    do {                                                                                 \
        errno = 0;                                                                       \
        long long result_ = (long long)(call);                                           \
        int error_ = errno;                                                              \
        ck_assert_msg(result_ == -1 && error_ == (error), "%s returned %lld, errno %d (%s)", \
                      #call, result_, error_, strerror(error_));                         \
    } while (0)

/* Asserts that `call` returns `expected` and leaves errno alone. */
#define ck_returns(expected, call)                                                       \
    do {                                                                                 \
        errno = 4711;                                                                    \
        long long result_ = (long long)(call);                                           \
        int error_ = errno;                                                              \
        ck_assert_msg(result_ == (long long)(expected) && error_ == 4711,                \
                      "%s returned %lld, not %lld, errno %d", #call, result_,            \
                      (long long)(expected), error_);                                    \
    } while (0)

#define ck_ok(call) ck_assert_msg((call) >= 0, "%s: %s", #call, strerror(errno))

#include <string.h>

#endif
