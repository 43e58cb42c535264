/* KINDS=vsock, as far as it goes without a second machine.  Nobody serves the port, and the
 * transport of a virtual machine does not even refuse: connecting hangs, for two seconds by
 * default.  Where there is a loopback, or no transport, it fails at once. */
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <linux/vm_sockets.h>

#include "../shim/timeoutsock.h"
#include "suites.h"

#define LIMIT 80        /* as in the settings below */

static const struct sockaddr_vm nobody = {
    .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = 0x7ffffff1};

static int vsock(void)
{
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    ck_ok(fd);
    return fd;
}

static int listener(void)
{
    struct sockaddr_vm any = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY};
    int fd = vsock();
    ck_ok(bind(fd, (struct sockaddr *)&any, sizeof any));
    ck_ok(listen(fd, 1));
    return fd;
}

static int reach_nobody(int fd)
{
    return connect(fd, (const struct sockaddr *)&nobody, sizeof nobody);
}

static bool nobody_hangs(void)
{
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);
    bool hangs = reach_nobody(fd) < 0 && errno == EINPROGRESS && !plain_is_readable(fd, LIMIT);
    close(fd);
    return hangs;
}

static int timer_of_connect(int fd)
{
    struct timeval t;
    socklen_t len = sizeof t;
    ck_ok(getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &t, &len));
    return (int)(t.tv_sec * 1000 + t.tv_usec / 1000);
}

static void set_timer_of_connect(int fd, int ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    ck_ok(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &t, sizeof t));
}

/* Imposed */

START_TEST(an_accept_fails_with_etimedout_at_the_limit_and_goes_on)
{
    int fd = listener();
    for (int i = 0; i < 2; i++)
        ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, accept(fd, NULL, NULL))));
    ck_assert_int_eq(timeout_of(fd, SO_RCVTIMEO), 0);
}
END_TEST

START_TEST(an_unknown_descriptor_is_found_to_be_vsock)
{
    int fd = (int)syscall(SYS_dup, listener());
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, accept(fd, NULL, NULL)));
}
END_TEST

START_TEST(a_listening_socket_never_expires)
{
    ck_took_ms(2 * LIMIT, ck_returns(0, poll(&(struct pollfd){listener(), POLLIN, 0}, 1, 2 * LIMIT)));
}
END_TEST

START_TEST(a_connect_fails_with_etimedout_at_the_limit_and_may_be_tried_again)
{
    int fd = vsock(), before = timer_of_connect(fd);
    for (int i = 0; i < 2; i++) {
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, reach_nobody(fd)));
        ck_assert_int_eq(timer_of_connect(fd), before);
        ck_assert_int_eq(timeout_of(fd, SO_SNDTIMEO), 0);
    }
}
END_TEST

START_TEST(the_programs_own_shorter_time_ends_a_connect)
{
    int fd = vsock();
    set_timer_of_connect(fd, LIMIT / 2);
    ck_took_ms(LIMIT / 2, ck_fails(ETIMEDOUT, reach_nobody(fd)));
    ck_assert_int_eq(timer_of_connect(fd), LIMIT / 2);
}
END_TEST

START_TEST(a_non_blocking_connect_expires_in_an_event_wait)
{
    int fd = vsock(), error = 0;
    socklen_t len = sizeof error;
    ck_ok(fcntl(fd, F_SETFL, O_NONBLOCK));
    ck_fails(EINPROGRESS, reach_nobody(fd));
    ck_took_ms(LIMIT, ck_returns(1, poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1)));
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, ETIMEDOUT);
}
END_TEST

/* Not in KINDS: the program's own time ends it, which is longer than the limit. */

START_TEST(an_accept_that_is_not_chosen_is_left_alone)
{
    int fd = listener();
    struct timeval t = {0, 3 * LIMIT * 1000};
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    ck_took_ms(3 * LIMIT, ck_fails(EAGAIN, accept(fd, NULL, NULL)));
}
END_TEST

START_TEST(a_connect_that_is_not_chosen_is_left_alone)
{
    int fd = vsock();
    set_timer_of_connect(fd, 3 * LIMIT);
    ck_took_ms(3 * LIMIT, ck_fails(ETIMEDOUT, reach_nobody(fd)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *limit = "TIMEOUTSOCK_DEFAULT=80ms", *others = "TIMEOUTSOCK_KINDS=tcp,udp,unix,pipe";
    enum { ANYWHERE = 2 };
    struct suite suites[] = {
        {"vsock", SETTINGS(limit, "TIMEOUTSOCK_KINDS=vsock"),
         TESTS(an_accept_fails_with_etimedout_at_the_limit_and_goes_on, an_unknown_descriptor_is_found_to_be_vsock,
               a_listening_socket_never_expires), NULL},
        {"vsock, other kinds", SETTINGS(limit, others), TESTS(an_accept_that_is_not_chosen_is_left_alone), NULL},
        {"vsock connect", SETTINGS(limit, "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_connect_fails_with_etimedout_at_the_limit_and_may_be_tried_again,
               the_programs_own_shorter_time_ends_a_connect, a_non_blocking_connect_expires_in_an_event_wait), NULL},
        {"vsock connect, other kinds", SETTINGS(limit, others),
         TESTS(a_connect_that_is_not_chosen_is_left_alone), NULL},
        {0}};
    if (!getenv("TIMEOUTSOCK_TEST") && !nobody_hangs())
        suites[ANYWHERE] = (struct suite){0};
    return run_suites(argv, suites);
}
