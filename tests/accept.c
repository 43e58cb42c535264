/* accept ends at its limit and leaves the listener, and what it accepts, as without. */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

static int by_accept4(int fd, struct sockaddr *from, socklen_t *len)
{
    return accept4(fd, from, len, 0);
}

static int by_accept(int fd, struct sockaddr *from, socklen_t *len)
{
    return accept(fd, from, len);
}

static const struct call {
    const char *name;
    int (*take)(int fd, struct sockaddr *from, socklen_t *len);
} calls[] = {{"accept", by_accept}, {"accept4", by_accept4}};

static int take(int listener)
{
    return VARIANT_IN(calls)->take(listener, NULL, NULL);
}

static void set_timer(int fd, int ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
}

static int unix_listener(int type)
{
    int fd = socket(AF_UNIX, type, 0);
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    ck_ok(bind(fd, (struct sockaddr *)&any, sizeof any.sun_family));
    ck_ok(listen(fd, 1));
    return fd;
}

static int connect_to(int listener)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    int type, fd;
    ck_ok(getsockopt(listener, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}));
    ck_ok(fd = socket(name.ss_family, type, 0));
    ck_ok(connect(fd, (struct sockaddr *)&name, len));
    return fd;
}

static void ck_connected(int here, int there)
{
    char bytes[8];
    ck_assert_int_eq(send(here, "abc", 3, 0), 3);
    ck_assert_int_eq(recv(there, bytes, 8, 0), 3);
}

/* Under a limit of 100 ms */

START_TEST(it_fails_with_etimedout_at_the_limit_and_the_listener_goes_on)
{
    int listeners[] = {tcp_listener(1), unix_listener(SOCK_STREAM), unix_listener(SOCK_SEQPACKET)};
    for (size_t i = 0; i < 3; i++) {
        ck_took_ms(100, ck_fails(ETIMEDOUT, take(listeners[i])));
        ck_took_ms(100, ck_fails(ETIMEDOUT, take(listeners[i])));
        int fd = connect_to(listeners[i]), accepted = -1;
        ck_took_ms(0, accepted = take(listeners[i]));
        ck_ok(accepted);
        ck_connected(fd, accepted);
    }
}
END_TEST

START_TEST(a_limit_of_the_fds_own_is_what_it_waits)
{
    int listener = tcp_listener(1);
    ck_assert_int_eq(tsock_set_timeout(listener, 250), 0);
    ck_took_ms(250, ck_fails(ETIMEDOUT, take(listener)));
}
END_TEST

START_TEST(a_shorter_receive_timeout_of_the_programs_own_ends_it_as_without)
{
    int listener = tcp_listener(1);
    set_timer(listener, 40);
    ck_took_ms(40, ck_fails(EAGAIN, take(listener)));
    ck_assert_int_eq(timeout_of(listener, SO_RCVTIMEO), 40);
}
END_TEST

static void ck_timers(int ms, int listener, int accepted)
{
    ck_assert_int_eq(timeout_of(listener, SO_RCVTIMEO), ms);
    ck_assert_int_eq(timeout_of(accepted, SO_RCVTIMEO), ms);
    ck_assert_int_eq(timeout_of(accepted, SO_SNDTIMEO), 0);
}

static void *connect_late(void *listener)
{
    return (void *)(intptr_t)connect_to(*(int *)listener);
}

static int accept_what_comes(int listener)
{
    pthread_t peer = when_asleep(connect_late, &listener);
    int accepted = take(listener);
    ck_ok(accepted);
    pthread_join(peer, NULL);
    return accepted;
}

START_TEST(the_listeners_receive_timeout_is_what_it_was_and_is_inherited_as_without)
{
    for (int own = 0; own < 10000; own += 5000) {
        int listener = tcp_listener(1);
        set_timer(listener, own);
        ck_fails(ETIMEDOUT, take(listener));
        connect_to(listener);
        ck_timers(own, listener, take(listener));
        ck_timers(own, listener, accept_what_comes(listener));
    }
}
END_TEST

/* Under a limit that is not reached */

START_TEST(a_connection_that_waits_is_accepted_at_once_with_its_address)
{
    int listener = tcp_listener(1), fd = connect_to(listener);
    struct sockaddr_storage from;
    socklen_t len = sizeof from, own_len;
    int accepted = -1;
    errno = 4711;
    ck_took_ms(0, accepted = VARIANT_IN(calls)->take(listener, (struct sockaddr *)&from, &len));
    ck_assert_int_eq(errno, 4711);
    ck_ok(accepted);
    struct sockaddr_storage own = name_of(fd, &own_len);
    ck_assert_uint_eq(len, own_len);
    ck_assert_mem_eq(&from, &own, len);
    ck_connected(fd, accepted);
}
END_TEST

START_TEST(a_connection_that_comes_while_it_waits_is_accepted)
{
    int listener = tcp_listener(1);
    pthread_t peer = when_asleep(connect_late, &listener);
    int accepted = take(listener);
    void *fd;
    pthread_join(peer, &fd);
    ck_ok(accepted);
    ck_connected((int)(intptr_t)fd, accepted);
}
END_TEST

START_TEST(a_non_blocking_listener_has_nothing_at_once)
{
    int listener = tcp_listener(1);
    ck_ok(fcntl(listener, F_SETFL, O_NONBLOCK));
    ck_took_ms(0, ck_fails(EAGAIN, take(listener)));
    connect_to(listener);
    ck_ok(take(listener));
    ck_took_ms(0, ck_fails(EAGAIN, take(listener)));
}
END_TEST

START_TEST(what_is_not_a_listener_is_refused_as_without)
{
    ck_fails(EBADF, take(-1));
    ck_fails(ENOTSOCK, take(open("/dev/null", O_RDWR)));
    ck_fails(EINVAL, take(tcp_pair().here));
    ck_fails(EOPNOTSUPP, take(udp_pair().here));
}
END_TEST

START_TEST(what_accept4_is_asked_for_is_what_the_accepted_socket_is)
{
    int listener = tcp_listener(2);
    connect_to(listener);
    connect_to(listener);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ck_ok(fd);
    char byte;
    ck_took_ms(0, ck_fails(EAGAIN, read(fd, &byte, 1)));
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    fd = accept4(listener, NULL, NULL, 0);
    ck_ok(fd);
    ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_fails(EINVAL, accept4(listener, NULL, NULL, 1));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = NAMES_IN(calls);
    const struct suite suites[] = {
        {"accept at its limit", SETTINGS("TIMEOUTSOCK_ACCEPT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(it_fails_with_etimedout_at_the_limit_and_the_listener_goes_on, a_limit_of_the_fds_own_is_what_it_waits,
               a_shorter_receive_timeout_of_the_programs_own_ends_it_as_without,
               the_listeners_receive_timeout_is_what_it_was_and_is_inherited_as_without), all},
        {"accept in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_connection_that_waits_is_accepted_at_once_with_its_address,
               a_connection_that_comes_while_it_waits_is_accepted, a_non_blocking_listener_has_nothing_at_once,
               what_is_not_a_listener_is_refused_as_without), all},
        {"accept4 in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(what_accept4_is_asked_for_is_what_the_accepted_socket_is), NULL},
        {0}};
    return run_suites(argv, suites);
}
