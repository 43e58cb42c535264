/* KINDS=udp: a client whose answer is lost.  recv.c shows every receiving call at its limit,
 * expiry.c and epoll.c that event waits end. */
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "receives.h"
#include "suites.h"

#define LIMIT 80        /* as in the settings below */
#define MANY 200        /* datagrams */

/* `here` is a client that has asked by sendto(2) and has not connected; `there` is connected
 * to it, so that it can answer. */
static struct pair client_pair(void)
{
    struct pair p = {socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_DGRAM, 0)};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
    ck_ok(bind(p.there, (struct sockaddr *)&any, sizeof any));
    socklen_t len, from_len = sizeof from;
    struct sockaddr_storage server = name_of(p.there, &len);
    ck_assert_int_eq(sendto(p.here, "ask", 3, 0, (struct sockaddr *)&server, len), 3);
    ck_assert_int_eq(recvfrom(p.there, (char[3]){0}, 3, 0, (struct sockaddr *)&from, &from_len), 3);
    ck_ok(connect(p.there, (struct sockaddr *)&from, from_len));
    return p;
}

/* Imposed */

START_TEST(an_unconnected_client_stays_usable_and_gets_a_late_answer_whole)
{
    EACH_RECEIVE(by) {
        struct pair p = client_pair();
        char got[16];
        ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, by->call(p.here, got, sizeof got, 0))));
        put(p.there, "late");
        ck_gets(by, p.here, 16, 0, "late");
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, got, sizeof got, 0)));
    }
}
END_TEST

START_TEST(a_connected_client_is_over)
{
    EACH_RECEIVE(by) {
        struct pair p = udp_pair();
        char got[16];
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, got, sizeof got, 0)));
        for (int i = 0; i < 2; i++)
            ck_took_ms(0, ck_returns(0, recv(p.here, got, sizeof got, 0)));
        ck_fails(EPIPE, send(p.here, "ask", 3, MSG_NOSIGNAL));
    }
}
END_TEST

static bool poll_says_so(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, -1) == 1;
}

static bool select_says_so(int fd)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET(fd, &in);
}

static bool epoll_says_so(int fd)
{
    int epoll = epoll_create1(0);
    ck_ok(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}));
    struct epoll_event event = {0};
    bool ready = epoll_wait(epoll, &event, 1, -1) == 1;
    close(epoll);
    return ready;
}

static bool (*const waits[])(int fd) = {poll_says_so, select_says_so, epoll_says_so};
enum { WAITS = sizeof waits / sizeof *waits };
#define EACH_WAIT(w) for (int w = 0; w < WAITS; w++)

START_TEST(a_lost_answer_ends_the_wait_and_the_next_receive_says_etimedout)
{
    EACH_WAIT(w) EACH_RECEIVE(by) {
        struct pair p = udp_pair();
        char got[16];
        ck_took_ms(LIMIT, ck_assert(waits[w](p.here)));
        ck_took_ms(0, ck_fails(ETIMEDOUT, by->call(p.here, got, sizeof got, MSG_DONTWAIT)));
        ck_took_ms(0, ck_returns(0, recv(p.here, got, sizeof got, 0)));
    }
}
END_TEST

/* Under a limit that is not reached */

static void *answer_twice(void *fd)
{
    plain_write(*(int *)fd, "0123456789", 10);
    plain_write(*(int *)fd, "next", 4);
    return NULL;
}

static void ck_next(int fd)
{
    char got[16] = "";
    ck_returns(4, recv(fd, got, sizeof got, MSG_DONTWAIT));
    ck_assert_str_eq(got, "next");
}

START_TEST(a_datagram_that_is_too_long_is_cut_and_its_rest_is_not_the_next_one)
{
    EACH_RECEIVE(by) {
        struct pair p = client_pair();
        pthread_t peer = when_asleep(answer_twice, &p.there);
        ck_gets(by, p.here, 4, 0, "0123");
        pthread_join(peer, NULL);
        ck_next(p.here);
    }
}
END_TEST

START_TEST(msg_trunc_returns_the_whole_length_after_a_wait)
{
    EACH_RECEIVE(by) {
        struct pair p = client_pair();
        pthread_t peer = when_asleep(answer_twice, &p.there);
        char got[8] = "";
        ck_returns(10, by->call(p.here, got, 4, MSG_TRUNC));
        ck_assert_str_eq(got, "0123");
        pthread_join(peer, NULL);
        ck_next(p.here);
    }
}
END_TEST

START_TEST(a_message_that_was_cut_says_so_after_a_wait)
{
    struct pair p = client_pair();
    char got[4];
    struct iovec iov = {got, sizeof got};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    pthread_t peer = when_asleep(answer_twice, &p.there);
    ck_returns(4, recvmsg(p.here, &msg, 0));
    ck_assert_int_eq(msg.msg_flags & MSG_TRUNC, MSG_TRUNC);
    pthread_join(peer, NULL);
    ck_next(p.here);
}
END_TEST

START_TEST(a_peek_waits_and_leaves_the_datagram_whole)
{
    EACH_RECEIVE(by) {
        struct pair p = client_pair();
        pthread_t peer = when_asleep(answer_twice, &p.there);
        ck_gets(by, p.here, 4, MSG_PEEK, "0123");
        ck_gets(by, p.here, 16, MSG_PEEK, "0123456789");
        ck_gets(by, p.here, 16, 0, "0123456789");
        pthread_join(peer, NULL);
        ck_next(p.here);
    }
}
END_TEST

/* To a port that nobody has any more: the answer is an ICMP message. */
static void *ask_nobody(void *fd)
{
    plain_write(*(int *)fd, "ask", 3);
    return NULL;
}

static struct pair with_nobody(void)
{
    struct pair p = udp_pair();
    close(p.there);
    return p;
}

START_TEST(a_refusal_that_comes_during_a_receive_is_econnrefused_once)
{
    EACH_RECEIVE(by) {
        struct pair p = with_nobody();
        char got[4];
        pthread_t asking = when_asleep(ask_nobody, &p.here);
        ck_fails(ECONNREFUSED, by->call(p.here, got, sizeof got, 0));
        pthread_join(asking, NULL);
        ck_fails(EAGAIN, by->call(p.here, got, sizeof got, MSG_DONTWAIT));
    }
}
END_TEST

START_TEST(a_refusal_that_comes_during_a_wait_is_what_the_next_call_answers)
{
    EACH_WAIT(w) {
        struct pair p = with_nobody();
        pthread_t asking = when_asleep(ask_nobody, &p.here);
        ck_assert(waits[w](p.here));
        pthread_join(asking, NULL);
        ck_fails(ECONNREFUSED, recv(p.here, (char[4]){0}, 4, 0));
        ck_fails(EAGAIN, recv(p.here, (char[4]){0}, 4, MSG_DONTWAIT));
    }
}
END_TEST

/* With a limit that passes again and again */

static void *send_many(void *fd)
{
    for (uint32_t i = 0; i < MANY; i++) {
        plain_write(*(int *)fd, &i, sizeof i);
        plain_sleep_ms((int)i % 3);
    }
    return NULL;
}

/* Receives them all, in order, and returns how often the limit passed meanwhile. */
static int take_many(int fd, bool (*wait)(int fd))
{
    int expired = 0;
    for (uint32_t i = 0, got = 0; i < MANY;) {
        if (wait)
            ck_assert(wait(fd));
        ssize_t n = recv(fd, &got, sizeof got, wait ? MSG_DONTWAIT : 0);
        ck_assert_msg(n == sizeof got || (n < 0 && errno == ETIMEDOUT), "%zd, errno %d", n, errno);
        if (n < 0)
            expired++;
        else
            ck_assert_uint_eq(got, i++);
    }
    return expired;
}

/* epoll can tell of an expiry only by the end of the connection. */
START_TEST(a_datagram_that_comes_as_the_limit_passes_is_there_for_the_next_call)
{
    static bool (*const ways[])(int fd) = {NULL, poll_says_so, select_says_so};
    for (int w = 0; w < 3; w++) {
        struct pair p = udp_pair();
        ck_ok(tsock_set_timeout(p.here, 1));
        pthread_t peer = when_asleep(send_many, &p.there);
        ck_assert_int_gt(take_many(p.here, ways[w]), 0);
        pthread_join(peer, NULL);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"udp at its limit", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms", "TIMEOUTSOCK_KINDS=udp"),
         TESTS(an_unconnected_client_stays_usable_and_gets_a_late_answer_whole, a_connected_client_is_over,
               a_lost_answer_ends_the_wait_and_the_next_receive_says_etimedout), NULL},
        {"udp in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=udp"),
         TESTS(a_datagram_that_is_too_long_is_cut_and_its_rest_is_not_the_next_one,
               msg_trunc_returns_the_whole_length_after_a_wait, a_message_that_was_cut_says_so_after_a_wait,
               a_peek_waits_and_leaves_the_datagram_whole,
               a_refusal_that_comes_during_a_receive_is_econnrefused_once,
               a_refusal_that_comes_during_a_wait_is_what_the_next_call_answers,
               a_datagram_that_comes_as_the_limit_passes_is_there_for_the_next_call), NULL},
        {0}};
    return run_suites(argv, suites);
}
