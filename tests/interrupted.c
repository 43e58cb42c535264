/* What a call has moved when a signal comes is what it returns, and what it waits for is
 * still noticed after a signal. */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "../shim/timeoutsock.h"
#include "peer.h"

#define LENGTH (32 << 20)

static char data[LENGTH];
static volatile sig_atomic_t signals;

static void count(int number)
{
    (void)number;
    signals++;
}

/* Check has handlers without SA_RESTART of its own. */
static void handle_sigurg(int flags)
{
    signal(SIGALRM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    ck_ok(sigaction(SIGURG, &(struct sigaction){.sa_handler = count, .sa_flags = flags}, NULL));
}

/* The test runs in the first thread of its process. */
static void *send_signal(void *unused)
{
    tgkill(getpid(), getpid(), SIGURG);
    return unused;
}

static void join(pthread_t thread)
{
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static long long send_all(int fd) { return send(fd, data, LENGTH, 0); }
static long long write_all(int fd) { return write(fd, data, LENGTH); }

static struct iovec halves[] = {{data, LENGTH / 2}, {data + LENGTH / 2, LENGTH / 2}};

static long long writev_all(int fd) { return writev(fd, halves, 2); }
static long long sendmsg_all(int fd) { return sendmsg(fd, &(struct msghdr){.msg_iov = halves, .msg_iovlen = 2}, 0); }

static long long recv_all(int fd) { return recv(fd, data, LENGTH, MSG_WAITALL); }
static long long recvfrom_all(int fd) { return recvfrom(fd, data, LENGTH, MSG_WAITALL, NULL, NULL); }

static long long recvmsg_all(int fd)
{
    return recvmsg(fd, &(struct msghdr){.msg_iov = halves, .msg_iovlen = 2}, MSG_WAITALL);
}

static long long (*const sends[])(int fd) = {send_all, write_all, writev_all, sendmsg_all};
static long long (*const receives[])(int fd) = {recv_all, recvfrom_all, recvmsg_all};
#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* Asserts that just so many bytes come out. */
static void ck_drains(int fd, long long expected)
{
    long long total = 0;
    while (total < expected && plain_is_readable(fd, 1000)) {
        ssize_t n = recv(fd, data, sizeof data, MSG_DONTWAIT);
        ck_assert_int_gt(n, 0);
        total += n;
    }
    ck_assert_int_eq(total, expected);
    ck_assert(!plain_is_readable(fd, 20));
}

/* Makes a call during which a signal comes; its limit is seconds away. */
static long long interrupt(long long (*call)(int fd), int fd)
{
    pthread_t helper = when_asleep(send_signal, NULL);
    long long result = 0;
    ck_took_ms(0, result = call(fd));
    join(helper);
    return result;
}

static void ck_send_returns_a_part(long long (*send_some)(int fd), int flags)
{
    handle_sigurg(flags);
    struct pair p = tcp_pair();
    long long n = interrupt(send_some, p.here);
    ck_assert_msg(n > 0 && n < LENGTH, "%lld bytes, errno %d", n, errno);
    ck_drains(p.there, n);
}

static void ck_receive_returns_a_part(long long (*receive)(int fd), int flags)
{
    handle_sigurg(flags);
    struct pair p = tcp_pair();
    ck_assert_int_eq(send(p.there, "abc", 3, 0), 3);
    ck_assert_int_eq(interrupt(receive, p.here), 3);
    ck_assert_mem_eq(data, "abc", 3);
}

START_TEST(a_send_that_has_moved_a_part_returns_the_count_after_a_handler_without_sa_restart)
{
    for (int i = 0; i < COUNT(sends); i++)
        ck_send_returns_a_part(sends[i], 0);
}
END_TEST

START_TEST(a_receive_of_all_that_has_a_part_returns_it_after_a_handler_without_sa_restart)
{
    for (int i = 0; i < COUNT(receives); i++)
        ck_receive_returns_a_part(receives[i], 0);
}
END_TEST

/* The kernel does not restart a call that has moved something. */
START_TEST(a_send_that_has_moved_a_part_returns_the_count_after_a_handler_with_sa_restart)
{
    for (int i = 0; i < COUNT(sends); i++)
        ck_send_returns_a_part(sends[i], SA_RESTART);
}
END_TEST

START_TEST(a_receive_of_all_that_has_a_part_returns_it_after_a_handler_with_sa_restart)
{
    for (int i = 0; i < COUNT(receives); i++)
        ck_receive_returns_a_part(receives[i], SA_RESTART);
}
END_TEST

/* A signal makes the program runnable at once, so that it is found asleep only in the next
 * wait. */
static void signal_thrice(void)
{
    for (int i = 0; i < 3; i++) {
        send_signal(NULL);
        await_sleep(getpid());
    }
}

static void *then_send(void *pair)
{
    signal_thrice();
    send(((struct pair *)pair)->there, "x", 1, 0);
    return NULL;
}

START_TEST(a_receive_goes_on_after_signals_and_gets_what_comes)
{
    handle_sigurg(SA_RESTART);
    struct pair p = tcp_pair();
    pthread_t helper = when_asleep(then_send, &p);
    char byte;
    ck_returns(1, recv(p.here, &byte, 1, 0));
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(signals, 3);
    join(helper);
}
END_TEST

static void *then_connect(void *listener)
{
    signal_thrice();
    tcp_connect(*(int *)listener);
    return NULL;
}

START_TEST(an_accept_goes_on_after_signals_and_takes_what_comes)
{
    handle_sigurg(SA_RESTART);
    int listener = tcp_listener(1);
    pthread_t helper = when_asleep(then_connect, &listener);
    errno = 4711;
    ck_ok(accept(listener, NULL, NULL));
    ck_assert_int_eq(errno, 4711);
    ck_assert_int_eq(signals, 3);
    join(helper);
}
END_TEST

static void *then_accept(void *listener)
{
    signal_thrice();
    accept(*(int *)listener, NULL, NULL);
    return NULL;
}

/* A local connect with a full backlog wakes as soon as there is room; a TCP connect in SYN
 * only when it sends another one, after a second. */
START_TEST(a_connect_goes_on_after_signals_and_succeeds)
{
    handle_sigurg(SA_RESTART);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_ok(bind(listener, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)));
    ck_ok(listen(listener, 0));
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    ck_ok(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&name, len));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    pthread_t helper = when_asleep(then_accept, &listener);
    ck_returns(0, connect(fd, (struct sockaddr *)&name, len));
    ck_assert_int_eq(signals, 3);
    join(helper);
}
END_TEST

START_TEST(a_connect_that_a_signal_has_ended_goes_on_in_the_background)
{
    handle_sigurg(0);
    int listener = full_listener(), fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    pthread_t helper = when_asleep(send_signal, NULL);
    ck_fails(EINTR, connect(fd, (struct sockaddr *)&name, len));
    join(helper);
    ck_ok(fcntl(fd, F_SETFL, O_NONBLOCK));
    ck_fails(EALREADY, connect(fd, (struct sockaddr *)&name, len));
}
END_TEST

/* A signal that comes as the kernel's timer runs out must not be the last word. */
START_TEST(a_connect_goes_on_after_any_number_of_signals_until_its_limit)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(full_listener(), &len);
    handle_sigurg(SA_RESTART);
    ck_ok(sigaction(SIGALRM, &(struct sigaction){.sa_handler = count, .sa_flags = SA_RESTART}, NULL));
    ck_ok(setitimer(ITIMER_REAL, &(struct itimerval){{0, 1100}, {0, 1100}}, NULL));
    for (int round = 0; round < 150; round++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(tsock_set_timeout(fd, 5 + round % 20), 0);
        ck_fails(ETIMEDOUT, connect(fd, (struct sockaddr *)&name, len));
        close(fd);
    }
    ck_ok(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL));
    ck_assert_int_gt(signals, 150);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=2", "TIMEOUTSOCK_KINDS=tcp,unix", NULL);
    return run_tests("interrupted",
                     TESTS(a_send_that_has_moved_a_part_returns_the_count_after_a_handler_without_sa_restart,
                           a_receive_of_all_that_has_a_part_returns_it_after_a_handler_without_sa_restart,
                           a_send_that_has_moved_a_part_returns_the_count_after_a_handler_with_sa_restart,
                           a_receive_of_all_that_has_a_part_returns_it_after_a_handler_with_sa_restart,
                           a_receive_goes_on_after_signals_and_gets_what_comes,
                           an_accept_goes_on_after_signals_and_takes_what_comes,
                           a_connect_goes_on_after_signals_and_succeeds,
                           a_connect_goes_on_after_any_number_of_signals_until_its_limit,
                           a_connect_that_a_signal_has_ended_goes_on_in_the_background));
}
