/* KINDS=unix: packets of SOCK_SEQPACKET are taken one by one, whole, over waits and limits. */
#include <poll.h>
#include <sys/uio.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "receives.h"
#include "suites.h"

#define LIMIT 80        /* as in the settings below */
#define MANY 200

static struct pair packets(void)
{
    return unix_pair(SOCK_SEQPACKET);
}

/* Imposed */

START_TEST(packets_that_came_in_time_are_taken_before_the_connection_is_over)
{
    EACH_RECEIVE(by) {
        struct pair p = packets();
        char got[16];
        put(p.there, "one");
        put(p.there, "two");
        ck_gets(by, p.here, 16, 0, "one");
        ck_gets(by, p.here, 16, 0, "two");
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, got, sizeof got, 0)));
        ck_took_ms(0, ck_returns(0, recv(p.here, got, sizeof got, 0)));
        ck_returns(0, recv(p.there, got, sizeof got, 0));
    }
}
END_TEST

START_TEST(a_wait_that_timed_out_is_told_of_by_the_next_receive)
{
    EACH_RECEIVE(by) {
        struct pair p = packets();
        char got[16];
        ck_took_ms(LIMIT, ck_returns(1, poll(&(struct pollfd){p.here, POLLIN, 0}, 1, -1)));
        ck_fails(ETIMEDOUT, by->call(p.here, got, sizeof got, 0));
        ck_returns(0, recv(p.here, got, sizeof got, 0));
    }
}
END_TEST

/* Under a limit that is not reached */

static void *send_three(void *fd)
{
    plain_write(*(int *)fd, "0123456789", 10);
    send(*(int *)fd, "", 0, 0);
    plain_write(*(int *)fd, "last", 4);
    close(*(int *)fd);
    return NULL;
}

START_TEST(packets_that_come_during_a_wait_are_taken_one_by_one)
{
    EACH_RECEIVE(by) {
        struct pair p = packets();
        pthread_t peer = when_asleep(send_three, &p.there);
        ck_gets(by, p.here, 16, 0, "0123456789");
        ck_gets(by, p.here, 16, 0, "");
        ck_gets(by, p.here, 16, 0, "last");
        ck_gets(by, p.here, 16, 0, "");
        pthread_join(peer, NULL);
    }
}
END_TEST

START_TEST(the_rest_of_a_packet_that_is_too_long_is_not_the_next_one)
{
    EACH_RECEIVE(by) {
        struct pair p = packets();
        pthread_t peer = when_asleep(send_three, &p.there);
        ck_gets(by, p.here, 4, 0, "0123");
        ck_gets(by, p.here, 16, 0, "");
        ck_gets(by, p.here, 16, MSG_PEEK, "last");
        ck_gets(by, p.here, 2, 0, "la");
        ck_gets(by, p.here, 16, 0, "");
        pthread_join(peer, NULL);
    }
}
END_TEST

START_TEST(msg_waitall_is_content_with_one_packet)
{
    EACH_RECEIVE(by) {
        struct pair p = packets();
        pthread_t peer = when_asleep(send_three, &p.there);
        ck_gets(by, p.here, 16, MSG_WAITALL, "0123456789");
        pthread_join(peer, NULL);
    }
}
END_TEST

START_TEST(a_packet_that_was_cut_says_so_after_a_wait)
{
    struct pair p = packets();
    char got[4];
    struct iovec iov = {got, sizeof got};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    pthread_t peer = when_asleep(send_three, &p.there);
    ck_returns(4, recvmsg(p.here, &msg, 0));
    ck_assert_int_eq(msg.msg_flags & MSG_TRUNC, MSG_TRUNC);
    pthread_join(peer, NULL);
}
END_TEST

static ssize_t by_read(int fd, char *buf, size_t len)
{
    return read(fd, buf, len);
}

static ssize_t by_readv(int fd, char *buf, size_t len)
{
    struct iovec iov[] = {{buf, 3}, {buf + 3, len - 3}};
    return readv(fd, iov, 2);
}

START_TEST(reads_that_wait_take_one_packet)
{
    static ssize_t (*const reads[])(int fd, char *buf, size_t len) = {by_read, by_readv};
    for (int i = 0; i < 2; i++) {
        struct pair p = packets();
        char got[16] = "";
        pthread_t peer = when_asleep(send_three, &p.there);
        ck_returns(10, reads[i](p.here, got, sizeof got));
        ck_assert_str_eq(got, "0123456789");
        ck_returns(0, reads[i](p.here, got, sizeof got));
        ck_returns(4, reads[i](p.here, got, sizeof got));
        pthread_join(peer, NULL);
    }
}
END_TEST

/* With a limit that passes again and again: each packet has a length of its own. */

static size_t length_of(int i)
{
    return 1 + (size_t)i * 37 % 5000;
}

static void *take_slowly(void *fd)
{
    static char got[8192];
    intptr_t good = 0;
    for (int i = 0; i < MANY; i++) {
        if (i % 20 == 0)
            plain_sleep_ms(10);
        ssize_t n = plain_read(*(int *)fd, got, sizeof got);
        good += n == (ssize_t)length_of(i) && got[0] == (char)i && got[n - 1] == (char)i;
    }
    return (void *)good;
}

START_TEST(a_send_that_timed_out_has_sent_no_part_of_its_packet)
{
    struct pair p = packets();
    char packet[8192];
    int expired = 0;
    ck_ok(setsockopt(p.here, SOL_SOCKET, SO_SNDBUF, &(int){16384}, sizeof(int)));
    ck_ok(tsock_set_timeout(p.here, 1));
    pthread_t peer = when_asleep(take_slowly, &p.there);
    for (int i = 0; i < MANY;) {
        memset(packet, i, sizeof packet);
        ssize_t n = i % 2 ? write(p.here, packet, length_of(i)) : send(p.here, packet, length_of(i), 0);
        ck_assert_msg(n == (ssize_t)length_of(i) || (n < 0 && errno == ETIMEDOUT), "%zd, errno %d", n, errno);
        if (n < 0)
            expired++;
        else
            i++;
    }
    void *good;
    pthread_join(peer, &good);
    ck_assert_int_eq((intptr_t)good, MANY);
    ck_assert_int_gt(expired, 0);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"packets at the limit", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms", "TIMEOUTSOCK_KINDS=unix"),
         TESTS(packets_that_came_in_time_are_taken_before_the_connection_is_over,
               a_wait_that_timed_out_is_told_of_by_the_next_receive), NULL},
        {"packets in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=unix"),
         TESTS(packets_that_come_during_a_wait_are_taken_one_by_one,
               the_rest_of_a_packet_that_is_too_long_is_not_the_next_one, msg_waitall_is_content_with_one_packet,
               a_packet_that_was_cut_says_so_after_a_wait, reads_that_wait_take_one_packet,
               a_send_that_timed_out_has_sent_no_part_of_its_packet), NULL},
        {0}};
    return run_suites(argv, suites);
}
