/* What only some calls can do: several messages at once, passed descriptors, urgent data. */
#include <poll.h>
#include <sys/uio.h>

#include "peer.h"
#include "suites.h"

#define COUNT 64
#define SIZE 16384

/* COUNT messages of SIZE bytes, together much more than fits. */
struct batch {
    char *data;
    struct iovec iov[COUNT];
    struct mmsghdr msgs[COUNT];
};

static struct batch *batch_of(char *data)
{
    struct batch *b = keep(sizeof *b);
    b->data = data;
    for (size_t i = 0; i < COUNT; i++) {
        b->iov[i] = (struct iovec){data + i * SIZE, SIZE};
        b->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
    }
    return b;
}

static void ck_took_in_all(const struct intake *in, const char *data)
{
    ck_assert_uint_eq(in->got, COUNT * SIZE);
    ck_assert(!memcmp(in->data, data, COUNT * SIZE));
}

static struct intake all_of(int fd)
{
    return intake_of(fd, COUNT * SIZE);
}

static size_t sum(const struct mmsghdr *msgs, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += msgs[i].msg_len;
    return total;
}

/* Under a limit of 100 ms */

START_TEST(sendmmsg_of_records_returns_how_many_it_has_sent_at_the_limit)
{
    struct pair p = unix_pair(SOCK_SEQPACKET);
    struct batch *b = batch_of(pattern(COUNT * SIZE));
    int n;
    ck_took_ms(100, n = sendmmsg(p.here, b->msgs, COUNT, 0));
    ck_assert(n > 0 && n < COUNT);
    for (int i = 0; i < n; i++)
        ck_assert_uint_eq(b->msgs[i].msg_len, SIZE);
    close(p.here);
    ck_receives(p.there, b->data, (size_t)n * SIZE);
}
END_TEST

START_TEST(sendmmsg_on_a_stream_counts_the_part_that_it_has_sent_at_the_limit)
{
    struct pair p = little_room(tcp_pair());
    struct batch *b = batch_of(pattern(COUNT * SIZE));
    int n;
    ck_took_ms(100, n = sendmmsg(p.here, b->msgs, COUNT, 0));
    ck_assert(n > 0 && n < COUNT);
    close(p.here);
    ck_receives(p.there, b->data, sum(b->msgs, n));
}
END_TEST

START_TEST(recvmmsg_returns_how_many_it_has_at_the_limit)
{
    struct pair p = udp_pair();
    struct batch *b = batch_of(keep(COUNT * SIZE));
    ck_assert_int_eq(plain_write(p.there, "ab", 2), 2);
    ck_assert_int_eq(plain_write(p.there, "c", 1), 1);
    ck_took_ms(100, ck_returns(2, recvmmsg(p.here, b->msgs, 3, 0, NULL)));
    ck_assert_uint_eq(b->msgs[0].msg_len, 2);
    ck_assert_uint_eq(b->msgs[1].msg_len, 1);
}
END_TEST

static ssize_t urgent_by_send(int fd)
{
    return send(fd, "!", 1, MSG_OOB);
}

static ssize_t urgent_by_sendto(int fd)
{
    return sendto(fd, "!", 1, MSG_OOB, NULL, 0);
}

static ssize_t urgent_by_sendmsg(int fd)
{
    struct iovec iov = {(char[]){'!'}, 1};
    return sendmsg(fd, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, MSG_OOB);
}

static ssize_t urgent_by_sendmmsg(int fd)
{
    struct iovec iov = {(char[]){'!'}, 1};
    struct mmsghdr one = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    return sendmmsg(fd, &one, 1, MSG_OOB);
}

static ssize_t (*const urgent[])(int fd) = {urgent_by_send, urgent_by_sendto, urgent_by_sendmsg, urgent_by_sendmmsg};
#define URGENT (sizeof urgent / sizeof *urgent)

START_TEST(urgent_data_that_does_not_fit_fails_with_etimedout_at_the_limit)
{
    for (size_t i = 0; i < URGENT; i++) {
        struct pair p = full_pair();
        ck_took_ms(100, ck_fails(ETIMEDOUT, urgent[i](p.here)));
    }
}
END_TEST

/* Under a limit that is not reached */

START_TEST(sendmmsg_sends_all_records_while_the_peer_takes_them)
{
    struct pair p = unix_pair(SOCK_SEQPACKET);
    struct batch *b = batch_of(pattern(COUNT * SIZE));
    struct intake in = all_of(p.there);
    pthread_t peer = when_asleep(take_in, &in);
    ck_returns(COUNT, sendmmsg(p.here, b->msgs, COUNT, 0));
    pthread_join(peer, NULL);
    ck_took_in_all(&in, b->data);
}
END_TEST

START_TEST(sendmmsg_sends_all_of_a_stream_while_the_peer_takes_it)
{
    struct pair p = little_room(tcp_pair());
    struct batch *b = batch_of(pattern(COUNT * SIZE));
    struct intake in = all_of(p.there);
    pthread_t peer = when_asleep(take_in, &in);
    ck_returns(COUNT, sendmmsg(p.here, b->msgs, COUNT, 0));
    pthread_join(peer, NULL);
    ck_took_in_all(&in, b->data);
    ck_assert_uint_eq(sum(b->msgs, COUNT), COUNT * SIZE);
}
END_TEST

static void *send_one(void *fd)
{
    plain_write(*(int *)fd, "late", 4);
    return NULL;
}

START_TEST(recvmmsg_waits_for_all_messages_and_with_msg_waitforone_for_one)
{
    struct pair p = udp_pair();
    struct batch *b = batch_of(keep(COUNT * SIZE));
    ck_assert_int_eq(plain_write(p.there, "ab", 2), 2);
    pthread_t peer = when_asleep(send_one, &p.there);
    ck_returns(2, recvmmsg(p.here, b->msgs, 2, 0, NULL));
    ck_assert_uint_eq(b->msgs[1].msg_len, 4);
    pthread_join(peer, NULL);
    peer = when_asleep(send_one, &p.there);
    ck_returns(1, recvmmsg(p.here, b->msgs, 2, MSG_WAITFORONE, NULL));
    pthread_join(peer, NULL);
}
END_TEST

/* As recvmmsg(2) says under BUGS, the time is looked at only after a message. */
START_TEST(recvmmsg_ends_at_the_first_message_after_its_own_timeout)
{
    struct pair p = udp_pair();
    struct batch *b = batch_of(keep(COUNT * SIZE));
    struct timespec t = {0, 1};
    pthread_t peer = when_asleep(send_one, &p.there);
    ck_returns(1, recvmmsg(p.here, b->msgs, 3, 0, &t));
    pthread_join(peer, NULL);
    ck_assert(t.tv_sec == 0 && t.tv_nsec == 0);
}
END_TEST

START_TEST(urgent_data_arrives_as_urgent_even_if_it_had_to_wait)
{
    for (size_t i = 0; i < URGENT; i++) {
        struct pair p = little_room(tcp_pair());
        size_t filled = fill(p.here);
        struct intake in = intake_of(p.there, filled);
        pthread_t peer = when_asleep(take_in, &in);
        ck_returns(1, urgent[i](p.here));
        pthread_join(peer, NULL);
        char mark;
        ck_assert_uint_eq(in.got, filled);
        ck_assert_int_eq(poll(&(struct pollfd){p.there, POLLPRI, 0}, 1, -1), 1);
        ck_assert_int_eq(recv(p.there, &mark, 1, MSG_OOB), 1);
        ck_assert_int_eq(mark, '!');
    }
}
END_TEST

/* What a message carries along: the room for `count` descriptors. */
union rights {
    struct cmsghdr header;
    char room[CMSG_SPACE(8 * sizeof(int))];
};

static size_t rights_in(struct msghdr *msg)
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
        if (c->cmsg_type == SCM_RIGHTS)
            count += (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    return count;
}

/* Receives all and returns how many descriptors came along. */
static void *take_rights(void *intake)
{
    struct intake *in = intake;
    size_t count = 0;
    for (ssize_t n = 1; n > 0 && in->got < in->want; in->got += n > 0 ? (size_t)n : 0) {
        union rights rights;
        struct iovec iov = {in->data + in->got, in->want - in->got};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
        n = recvmsg(in->fd, &msg, 0);
        count += rights_in(&msg);
    }
    return (void *)count;
}

static void put_right(struct msghdr *msg, union rights *rights, int fd)
{
    msg->msg_control = rights;
    msg->msg_controllen = CMSG_SPACE(sizeof fd);
    rights->header = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&rights->header), &fd, sizeof fd);
}

START_TEST(a_descriptor_is_passed_once_with_a_send_that_had_to_wait)
{
    struct pair p = unix_pair(SOCK_STREAM);
    struct intake in = all_of(p.there);
    struct iovec iov = {pattern(COUNT * SIZE), COUNT * SIZE};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union rights rights = {0};
    put_right(&msg, &rights, p.here);
    pthread_t peer = when_asleep(take_rights, &in);
    ck_returns(COUNT * SIZE, sendmsg(p.here, &msg, 0));
    void *count;
    pthread_join(peer, &count);
    ck_assert_uint_eq((size_t)count, 1);
    ck_took_in_all(&in, iov.iov_base);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"messages at the limit", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(sendmmsg_of_records_returns_how_many_it_has_sent_at_the_limit,
               sendmmsg_on_a_stream_counts_the_part_that_it_has_sent_at_the_limit,
               recvmmsg_returns_how_many_it_has_at_the_limit,
               urgent_data_that_does_not_fit_fails_with_etimedout_at_the_limit), NULL},
        {"messages in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"),
         TESTS(sendmmsg_sends_all_records_while_the_peer_takes_them,
               sendmmsg_sends_all_of_a_stream_while_the_peer_takes_it,
               recvmmsg_waits_for_all_messages_and_with_msg_waitforone_for_one,
               recvmmsg_ends_at_the_first_message_after_its_own_timeout,
               urgent_data_arrives_as_urgent_even_if_it_had_to_wait,
               a_descriptor_is_passed_once_with_a_send_that_had_to_wait), NULL},
        {0}};
    return run_suites(argv, suites);
}
