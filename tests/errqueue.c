/* A socket's error queue: it is read at once, and while something is in it, poll(2) calls
 * the socket ready for ever; a call that waits must not spin then. */
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/uio.h>

#include "blocking.h"
#include "receives.h"

#define LIMIT 100       /* as in the settings below */

static ssize_t take_error(int fd)
{
    char room[512];
    struct iovec iov = {room, sizeof room};
    char control[512];
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    return recvmsg(fd, &msg, MSG_ERRQUEUE);
}

static bool has_error(int fd)
{
    struct pollfd p = {fd, 0, 0};
    return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

static void await_error(int fd)
{
    for (int i = 0; i < 1000 && !has_error(fd); i++)
        plain_sleep_ms(1);
    ck_assert(has_error(fd));
}

static int refused_port(struct sockaddr_storage *name, socklen_t *len)
{
    int fd = tcp_listener(1);
    *name = name_of(fd, len);
    return close(fd);
}

/* A connection whose error queue holds the time when a byte was sent. */
static int tcp_with_queue(int fd)
{
    int what = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE;
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &what, sizeof what));
    ck_assert_int_eq(send(fd, "x", 1, MSG_DONTWAIT), 1);
    await_error(fd);
    return fd;
}

/* A socket whose error queue holds that its peer's port is closed, which no call has been
 * told otherwise. */
static int udp_with_queue(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    struct sockaddr_storage name;
    socklen_t len, int_len = sizeof on;
    ck_ok(refused_port(&name, &len));
    ck_ok(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
    ck_ok(connect(fd, (struct sockaddr *)&name, len));
    ck_assert_int_eq(send(fd, "x", 1, 0), 1);
    await_error(fd);
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_ERROR, &on, &int_len));
    ck_assert_int_eq(on, ECONNREFUSED);
    ck_assert(has_error(fd));
    return fd;
}

static int open_tcp(void) { return tcp_with_queue(tcp_pair().here); }

static int (*const opens[])(void) = {open_tcp, udp_with_queue};

START_TEST(a_receive_with_a_filled_error_queue_waits_without_spinning)
{
    EACH_RECEIVE(by)
        for (int i = 0; i < 2; i++) {
            int fd = opens[i]();
            char byte;
            ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, by->call(fd, &byte, 1, 0))));
        }
}
END_TEST

START_TEST(a_read_with_a_filled_error_queue_waits_without_spinning)
{
    for (int i = 0; i < 2; i++) {
        int fd = opens[i]();
        char byte;
        ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, read(fd, &byte, 1))));
    }
}
END_TEST

START_TEST(a_receive_of_all_with_a_filled_error_queue_returns_what_it_has_without_spinning)
{
    char bytes[4];
    struct pair p = tcp_pair();
    tcp_with_queue(p.here);
    ck_assert_int_eq(send(p.there, "ab", 2, 0), 2);
    ck_took_ms(LIMIT, ck_idles(ck_assert_int_eq(recv(p.here, bytes, 4, MSG_WAITALL), 2)));
}
END_TEST

static ssize_t by_send(int fd, struct iovec *iov) { return send(fd, iov->iov_base, iov->iov_len, 0); }
static ssize_t by_write(int fd, struct iovec *iov) { return write(fd, iov->iov_base, iov->iov_len); }
static ssize_t by_writev(int fd, struct iovec *iov) { return writev(fd, iov, 1); }

START_TEST(a_send_with_a_filled_error_queue_waits_without_spinning)
{
    static ssize_t (*const sends[])(int fd, struct iovec *iov) = {by_send, by_write, by_writev};
    for (int i = 0; i < 3; i++) {
        int fd = tcp_with_queue(tcp_pair().here);
        static char data[16 << 20];
        struct iovec iov = {data, sizeof data};
        ssize_t n = 0;
        ck_took_ms(LIMIT, ck_idles(n = sends[i](fd, &iov)));
        ck_assert_msg(n > 0 && n < (ssize_t)sizeof data, "%zd", n);
        ck_assert(has_error(fd));
    }
}
END_TEST

START_TEST(the_error_queue_is_read_at_once)
{
    for (int i = 0; i < 2; i++) {
        int fd = opens[i]();
        while (has_error(fd))
            ck_took_ms(0, ck_assert_int_ge(take_error(fd), 0));
        ck_took_ms(0, ck_fails(EAGAIN, take_error(fd)));
    }
}
END_TEST

/* Programs that drain the error queue of a connect that has failed. */
START_TEST(the_error_queue_of_a_failed_connect_is_read_at_once)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_storage name;
    socklen_t len;
    ck_ok(refused_port(&name, &len));
    ck_ok(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
    ck_fails(ECONNREFUSED, connect(fd, (struct sockaddr *)&name, len));
    ck_took_ms(0, ck_fails(EAGAIN, take_error(fd)));
}
END_TEST

START_TEST(the_error_queue_of_an_expired_connect_is_read_at_once)
{
    const struct blocking *connect_call = blocking_named("connect");
    int fd = connect_call->open(), on = 1;
    ck_ok(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
    ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, connect_call->call(fd))));
    ck_took_ms(0, ck_fails(EAGAIN, take_error(fd)));
}
END_TEST

START_TEST(poll_reports_a_filled_error_queue_at_once)
{
    for (int i = 0; i < 2; i++) {
        struct pollfd p = {opens[i](), POLLIN, 0};
        for (int again = 0; again < 3; again++)
            ck_took_ms(0, ck_returns(1, poll(&p, 1, -1)));
        ck_assert_int_eq(p.revents & ~POLLPRI, POLLERR);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all", NULL);
    return run_tests("errqueue", TESTS(a_receive_with_a_filled_error_queue_waits_without_spinning,
                                       a_read_with_a_filled_error_queue_waits_without_spinning,
                                       a_receive_of_all_with_a_filled_error_queue_returns_what_it_has_without_spinning,
                                       a_send_with_a_filled_error_queue_waits_without_spinning,
                                       the_error_queue_is_read_at_once,
                                       the_error_queue_of_a_failed_connect_is_read_at_once,
                                       the_error_queue_of_an_expired_connect_is_read_at_once,
                                       poll_reports_a_filled_error_queue_at_once));
}
