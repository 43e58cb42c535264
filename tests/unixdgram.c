/* Local sockets of records.  poll(2) calls an unconnected one writable however full its
 * receiver's queue is; a send to it must be bounded, and not spin. */
#include <sys/uio.h>
#include <sys/un.h>

#include "../shim/timeoutsock.h"
#include "peer.h"

#define LIMIT 80        /* as in the settings below */
#define FEW 3

/* A socket, and the receiver that it is to send to. */
struct way_to {
    int from, to;
    struct sockaddr_storage name;
    socklen_t name_len;
};

static char text[] = "datagram";
static struct iovec piece = {text, sizeof text};

static ssize_t by_sendto(const struct way_to *w, int flags)
{
    return sendto(w->from, text, sizeof text, flags, (const struct sockaddr *)&w->name, w->name_len);
}

static struct msghdr message_to(const struct way_to *w)
{
    return (struct msghdr){.msg_name = w->name_len ? (void *)&w->name : NULL, .msg_namelen = w->name_len,
                           .msg_iov = &piece, .msg_iovlen = 1};
}

static ssize_t by_sendmsg(const struct way_to *w, int flags)
{
    struct msghdr msg = message_to(w);
    return sendmsg(w->from, &msg, flags);
}

/* Returns what the first message is. */
static ssize_t by_sendmmsg(const struct way_to *w, int flags)
{
    struct mmsghdr some[FEW];
    for (int i = 0; i < FEW; i++)
        some[i] = (struct mmsghdr){message_to(w), 0};
    int n = sendmmsg(w->from, some, FEW, flags);
    return n > 0 ? (ssize_t)some[0].msg_len : n;
}

static ssize_t (*const sends[])(const struct way_to *w, int flags) = {by_sendto, by_sendmsg, by_sendmmsg};
enum { SENDS = sizeof sends / sizeof *sends };

static struct way_to unconnected(void)
{
    struct way_to w = {.from = socket(AF_UNIX, SOCK_DGRAM, 0), .to = socket(AF_UNIX, SOCK_DGRAM, 0)};
    ck_ok(w.from);
    ck_ok(bind(w.to, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)));
    w.name = name_of(w.to, &w.name_len);
    return w;
}

static struct way_to connected(void)
{
    struct way_to w = unconnected();
    ck_ok(connect(w.from, (struct sockaddr *)&w.name, w.name_len));
    w.name_len = 0;
    return w;
}

static struct way_to packets(void)
{
    struct pair p = unix_pair(SOCK_SEQPACKET);
    return (struct way_to){.from = p.here, .to = p.there};
}

static struct way_to (*const opens[])(void) = {unconnected, connected, packets};
enum { OPENS = sizeof opens / sizeof *opens };

/* Returns how many datagrams that were. */
static int fill_queue(const struct way_to *w)
{
    int count = 0;
    while (by_sendto(w, MSG_DONTWAIT) == sizeof text)
        count++;
    ck_assert_int_eq(errno, EAGAIN);
    return count;
}

static void ck_takes(int fd)
{
    char got[2 * sizeof text];
    ck_assert_int_eq(recv(fd, got, sizeof got, 0), sizeof text);
    ck_assert_mem_eq(got, text, sizeof text);
}

#define EACH_OPEN(i) for (int i = 0; i < OPENS; i++)
#define EACH_SEND(k) for (int k = 0; k < SENDS; k++)

START_TEST(a_send_to_a_full_queue_fails_at_its_limit_without_spinning)
{
    EACH_OPEN(i) EACH_SEND(k) {
        struct way_to w = opens[i]();
        int count = fill_queue(&w);
        ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, sends[k](&w, 0))));
        while (count--)
            ck_takes(w.to);
        ck_assert(opens[i] == packets || !plain_is_readable(w.to, 0));   /* packets: the end */
    }
}
END_TEST

static ssize_t by_write(int fd) { return write(fd, text, sizeof text); }
static ssize_t by_writev(int fd) { return writev(fd, &piece, 1); }
static ssize_t by_send(int fd) { return send(fd, text, sizeof text, 0); }

START_TEST(a_write_to_a_full_queue_fails_at_its_limit_without_spinning)
{
    static ssize_t (*const writes[])(int fd) = {by_write, by_writev, by_send};
    for (int k = 0; k < 3; k++)
        for (int i = 1; i < OPENS; i++) {
            struct way_to w = opens[i]();
            fill_queue(&w);
            ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, writes[k](w.from))));
        }
}
END_TEST

struct queue {
    int fd, count;
};

/* A socket of packets has room again only when most of them have been taken. */
static void *take_all(void *argument)
{
    const struct queue *queue = argument;
    char got[sizeof text];
    for (int i = 0; i < queue->count; i++)
        recv(queue->fd, got, sizeof got, 0);
    return NULL;
}

START_TEST(a_send_goes_on_as_soon_as_there_is_room)
{
    EACH_OPEN(i) EACH_SEND(k) {
        struct way_to w = opens[i]();
        ck_assert_int_eq(tsock_set_timeout(w.from, 5000), 0);
        struct queue queue = {w.to, fill_queue(&w)};
        pthread_t helper = when_asleep(take_all, &queue);
        ck_took_ms(0, ck_returns(sizeof text, sends[k](&w, 0)));
        ck_assert_int_eq(pthread_join(helper, NULL), 0);
        ck_takes(w.to);
    }
}
END_TEST

START_TEST(messages_that_found_room_are_counted_at_the_limit)
{
    EACH_OPEN(i) {
        struct way_to w = opens[i]();
        fill_queue(&w);
        ck_takes(w.to);
        struct mmsghdr some[400];
        for (int k = 0; k < 400; k++)
            some[k] = (struct mmsghdr){message_to(&w), 0};
        int n = 0;
        ck_took_ms(LIMIT, ck_idles(n = sendmmsg(w.from, some, 400, 0)));
        ck_assert_int_ge(n, 1);
        ck_assert_int_lt(n, 400);
        ck_assert_int_eq(some[n - 1].msg_len, sizeof text);
    }
}
END_TEST

START_TEST(a_receive_of_no_datagram_fails_at_its_limit)
{
    EACH_OPEN(i) {
        struct way_to w = opens[i]();
        char byte;
        ck_took_ms(LIMIT, ck_idles(ck_fails(ETIMEDOUT, recv(w.to, &byte, 1, 0))));
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=80ms", "TIMEOUTSOCK_KINDS=all", NULL);
    return run_tests("unixdgram", TESTS(a_send_to_a_full_queue_fails_at_its_limit_without_spinning,
                                        a_write_to_a_full_queue_fails_at_its_limit_without_spinning,
                                        a_send_goes_on_as_soon_as_there_is_room,
                                        messages_that_found_room_are_counted_at_the_limit,
                                        a_receive_of_no_datagram_fails_at_its_limit));
}
