/* Every receiving call ends at its limit, and only then.  Every test runs for every call. */
#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

/* Names that glibc has beside those of its headers. */
ssize_t __read(int fd, void *buf, size_t len);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from,
                     socklen_t *from_len) __asm__("__recvfrom_chk");    /* the headers have a type of their own */

/* Each call receives into two buffers, if it can. */
#define HALVES(buf, len) {{buf, (len) / 2}, {(char *)(buf) + (len) / 2, (len) - (len) / 2}}

static ssize_t by_readv(int fd, void *buf, size_t len)
{
    struct iovec iov[] = HALVES(buf, len);
    return readv(fd, iov, 2);
}

static ssize_t by_preadv2(int fd, void *buf, size_t len)
{
    struct iovec iov[] = HALVES(buf, len);
    return preadv2(fd, iov, 2, -1, 0);
}

static ssize_t by_preadv64v2(int fd, void *buf, size_t len)
{
    struct iovec iov[] = HALVES(buf, len);
    return preadv64v2(fd, iov, 2, -1, 0);
}

static ssize_t by_recv(int fd, void *buf, size_t len)
{
    return recv(fd, buf, len, 0);
}

static struct sockaddr_storage sender;

static ssize_t by_recvfrom(int fd, void *buf, size_t len)
{
    socklen_t from_len = sizeof sender;
    return recvfrom(fd, buf, len, 0, (struct sockaddr *)&sender, &from_len);
}

static ssize_t by_recvmsg(int fd, void *buf, size_t len)
{
    struct iovec iov[] = HALVES(buf, len);
    struct msghdr msg = {.msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = iov, .msg_iovlen = 2};
    return recvmsg(fd, &msg, 0);
}

static ssize_t by_recvmmsg(int fd, void *buf, size_t len)
{
    struct iovec iov[] = HALVES(buf, len);
    struct mmsghdr one = {{.msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = iov, .msg_iovlen = 2}, 0};
    return recvmmsg(fd, &one, 1, 0, NULL) < 0 ? -1 : (ssize_t)one.msg_len;
}

/* By how much the buffer is smaller than what a fortified call is asked for. */
static size_t missing_room;

static ssize_t by_read_chk(int fd, void *buf, size_t len)
{
    return __read_chk(fd, buf, len, len - missing_room);
}

static ssize_t by_recv_chk(int fd, void *buf, size_t len)
{
    return __recv_chk(fd, buf, len, len - missing_room, 0);
}

static ssize_t by_recvfrom_chk(int fd, void *buf, size_t len)
{
    socklen_t from_len = sizeof sender;
    return recvfrom_chk(fd, buf, len, len - missing_room, 0, (struct sockaddr *)&sender, &from_len);
}

static const struct call {
    const char *name;
    ssize_t (*receive)(int fd, void *buf, size_t len);
    bool reads_pipes, tells_sender;
} calls[] = {
    {"read", read, true, false},
    {"__read", __read, true, false},
    {"__read_chk", by_read_chk, true, false},
    {"readv", by_readv, true, false},
    {"preadv2", by_preadv2, true, false},
    {"preadv64v2", by_preadv64v2, true, false},
    {"recv", by_recv, false, false},
    {"__recv_chk", by_recv_chk, false, false},
    {"recvfrom", by_recvfrom, false, true},
    {"__recvfrom_chk", by_recvfrom_chk, false, true},
    {"recvmsg", by_recvmsg, false, true},
    {"recvmmsg", by_recvmmsg, false, true},
};

static ssize_t receive(int fd, void *buf, size_t len)
{
    return VARIANT_IN(calls)->receive(fd, buf, len);
}

/* A pair of each kind that the call can read, the other end of all is silent. */
static size_t all_kinds(struct pair *pairs)
{
    size_t count = 0;
    pairs[count++] = tcp_pair();
    pairs[count++] = udp_pair();
    pairs[count++] = unix_pair(SOCK_STREAM);
    pairs[count++] = unix_pair(SOCK_SEQPACKET);
    if (VARIANT_IN(calls)->reads_pipes)
        pairs[count++] = pipe_pair();
    return count;
}
#define KINDS 5

/* Under a limit of 100 ms */

START_TEST(a_silent_peer_of_any_kind_fails_it_with_etimedout_at_the_limit)
{
    struct pair pairs[KINDS];
    size_t count = all_kinds(pairs);
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        ck_took_ms(100, ck_fails(ETIMEDOUT, receive(pairs[i].here, bytes, sizeof bytes)));
    }
}
END_TEST

START_TEST(a_limit_of_the_fds_own_is_what_it_waits)
{
    struct pair p = tcp_pair();
    ck_assert_int_eq(tsock_set_timeout(p.here, 50), 0);
    char bytes[4];
    ck_took_ms(50, ck_fails(ETIMEDOUT, receive(p.here, bytes, sizeof bytes)));
    ck_assert_int_eq(tsock_set_timeout(p.here, 0), 0);
    ck_took_ms(0, ck_fails(ETIMEDOUT, receive(p.here, bytes, sizeof bytes)));
}
END_TEST

/* Under a limit that is not reached */

START_TEST(data_is_returned_at_once_whole_and_in_order)
{
    struct pair pairs[KINDS];
    size_t count = all_kinds(pairs);
    for (size_t i = 0; i < count; i++) {
        char bytes[8] = "";
        ck_assert_int_eq(plain_write(pairs[i].there, "abcdef", 6), 6);
        ck_took_ms(0, ck_returns(6, receive(pairs[i].here, bytes, 6)));
        ck_assert_str_eq(bytes, "abcdef");
    }
}
END_TEST

static void *send_late(void *fd)
{
    plain_write(*(int *)fd, "late", 4);
    return NULL;
}

START_TEST(data_that_comes_while_it_waits_is_returned)
{
    struct pair pairs[KINDS];
    size_t count = all_kinds(pairs);
    for (size_t i = 0; i < count; i++) {
        char bytes[8] = "";
        pthread_t peer = when_asleep(send_late, &pairs[i].there);
        ck_returns(4, receive(pairs[i].here, bytes, 8));
        ck_assert_str_eq(bytes, "late");
        pthread_join(peer, NULL);
    }
}
END_TEST

START_TEST(a_sender_that_was_waited_for_is_told)
{
    if (!VARIANT_IN(calls)->tells_sender)
        return;
    struct pair p = udp_pair();
    char bytes[8];
    pthread_t peer = when_asleep(send_late, &p.there);
    ck_returns(4, receive(p.here, bytes, 8));
    socklen_t len;
    struct sockaddr_storage there = name_of(p.there, &len);
    ck_assert_mem_eq(&sender, &there, len);
    pthread_join(peer, NULL);
}
END_TEST

START_TEST(datagrams_are_received_one_by_one_and_empty_ones_too)
{
    struct pair p = udp_pair();
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_assert_int_eq(plain_write(p.there, "", 0), 0);
    ck_assert_int_eq(plain_write(p.there, "defghi", 6), 6);
    char bytes[4];
    ck_returns(3, receive(p.here, bytes, 4));
    ck_returns(0, receive(p.here, bytes, 4));
    ck_returns(4, receive(p.here, bytes, 4));
    ck_assert_mem_eq(bytes, "defg", 4);
}
END_TEST

static void *close_late(void *fd)
{
    close(*(int *)fd);
    return NULL;
}

START_TEST(a_peer_that_closes_while_it_waits_ends_it_with_eof)
{
    struct pair p = tcp_pair();
    char bytes[4];
    pthread_t peer = when_asleep(close_late, &p.there);
    ck_returns(0, receive(p.here, bytes, 4));
    ck_took_ms(0, ck_returns(0, receive(p.here, bytes, 4)));
    pthread_join(peer, NULL);
}
END_TEST

START_TEST(a_peer_that_resets_while_it_waits_ends_it_with_econnreset)
{
    struct pair p = tcp_pair();
    struct linger reset = {1, 0};
    ck_ok(setsockopt(p.there, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    char bytes[4];
    pthread_t peer = when_asleep(close_late, &p.there);
    ck_fails(ECONNRESET, receive(p.here, bytes, 4));
    ck_took_ms(0, ck_returns(0, receive(p.here, bytes, 4)));
    pthread_join(peer, NULL);
}
END_TEST

START_TEST(an_error_of_the_socket_is_what_it_answers)
{
    struct pair p = udp_pair();
    close(p.there);
    ck_assert_int_eq(plain_write(p.here, "x", 1), 1);
    char bytes[4];
    ck_took_ms(0, ck_fails(ECONNREFUSED, receive(p.here, bytes, 4)));
}
END_TEST

/* The fortified names */

static int status_of_overflow(int fd)
{
    pid_t child = fork();
    ck_ok(child);
    if (!child) {
        char bytes[5];
        missing_room = 1;
        close(STDERR_FILENO);
        _exit(receive(fd, bytes, 5) < 0);
    }
    int status;
    ck_ok(waitpid(child, &status, 0));
    return status;
}

START_TEST(a_buffer_that_is_too_small_aborts_before_anything_is_received)
{
    struct pair p = tcp_pair();
    ck_assert_int_eq(plain_write(p.there, "abcde", 5), 5);
    int status = status_of_overflow(p.here);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status 0x%x", (unsigned)status);
    char bytes[5];
    ck_assert_int_eq(plain_read(p.here, bytes, 5), 5);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = NAMES_IN(calls);
    static const char *const fortified[] = {"__read_chk", "__recv_chk", "__recvfrom_chk", NULL};
    const struct suite suites[] = {
        {"recv at its limit", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_silent_peer_of_any_kind_fails_it_with_etimedout_at_the_limit,
               a_limit_of_the_fds_own_is_what_it_waits), all},
        {"recv in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(data_is_returned_at_once_whole_and_in_order, data_that_comes_while_it_waits_is_returned,
               a_sender_that_was_waited_for_is_told, datagrams_are_received_one_by_one_and_empty_ones_too,
               a_peer_that_closes_while_it_waits_ends_it_with_eof,
               a_peer_that_resets_while_it_waits_ends_it_with_econnreset,
               an_error_of_the_socket_is_what_it_answers), all},
        {"recv, fortified", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(a_buffer_that_is_too_small_aborts_before_anything_is_received), fortified},
        {0}};
    return run_suites(argv, suites);
}
