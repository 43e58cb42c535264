/* KINDS=unix: what comes along with the bytes of a local socket, descriptors and who has sent
 * them, is as without, where the limit passes and where it does not. */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

#define LIMIT 80        /* as in the settings below */
#define FDS 3

static struct pair stream_pair(void) { return unix_pair(SOCK_STREAM); }
static struct pair packet_pair(void) { return unix_pair(SOCK_SEQPACKET); }

static struct pair datagram_pair(void)
{
    int fds[2];
    ck_ok(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    return (struct pair){fds[0], fds[1]};
}

static const struct sort {
    const char *name;
    struct pair (*pair)(void);
} sorts[] = {{"stream", stream_pair}, {"packets", packet_pair}, {"datagrams", datagram_pair}};

static struct pair a_pair(void)
{
    struct pair p = VARIANT_IN(sorts)->pair();
    ck_ok(setsockopt(p.there, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)));
    return p;
}

/* A message with room for all that may come along. */
struct parcel {
    struct msghdr msg;
    struct iovec iov;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    char data[64];
};

static struct parcel *parcel_of(const char *data)
{
    struct parcel *parcel = keep(sizeof *parcel);
    strcpy(parcel->data, data);
    parcel->iov = (struct iovec){parcel->data, *data ? strlen(data) : sizeof parcel->data};
    parcel->msg = (struct msghdr){.msg_iov = &parcel->iov, .msg_iovlen = 1, .msg_control = parcel->control};
    return parcel;
}

static struct parcel *empty_parcel(void)
{
    struct parcel *parcel = parcel_of("");
    parcel->msg.msg_controllen = sizeof parcel->control;
    return parcel;
}

static void attach(struct parcel *parcel, int type, const void *content, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)(parcel->control + parcel->msg.msg_controllen);
    *c = (struct cmsghdr){CMSG_LEN(size), SOL_SOCKET, type};
    memcpy(CMSG_DATA(c), content, size);
    parcel->msg.msg_controllen += CMSG_SPACE(size);
}

/* A text with FDS descriptors and the sender's name. */
static struct parcel *full_parcel(const int *fds)
{
    struct parcel *parcel = parcel_of("text");
    attach(parcel, SCM_RIGHTS, fds, FDS * sizeof *fds);
    attach(parcel, SCM_CREDENTIALS, &(struct ucred){getpid(), getuid(), getgid()}, sizeof(struct ucred));
    return parcel;
}

static const void *content(struct parcel *parcel, int type, size_t size)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&parcel->msg); c; c = CMSG_NXTHDR(&parcel->msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == type && c->cmsg_len == CMSG_LEN(size))
            return CMSG_DATA(c);
    ck_abort_msg("no control data of type %d", type);
}

static void ck_same_file(int a, int b)
{
    struct stat s, t;
    ck_ok(fstat(a, &s));
    ck_ok(fstat(b, &t));
    ck_assert(s.st_ino == t.st_ino && s.st_dev == t.st_dev);
}

static void ck_is_full(struct parcel *parcel, const int *fds)
{
    int got[FDS];
    ck_assert_mem_eq(parcel->data, "text", 4);
    ck_assert_int_eq(parcel->msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
    memcpy(got, content(parcel, SCM_RIGHTS, sizeof got), sizeof got);
    for (int i = 0; i < FDS; i++)
        ck_same_file(got[i], fds[i]);
    const struct ucred *who = content(parcel, SCM_CREDENTIALS, sizeof *who);
    ck_assert(who->pid == getpid() && who->uid == getuid() && who->gid == getgid());
}

static int *some_fds(void)
{
    int *fds = keep(FDS * sizeof *fds);
    struct pair p = pipe_pair();
    fds[0] = tcp_pair().here;
    fds[1] = p.here;
    fds[2] = p.there;
    return fds;
}

struct delivery {
    int fd;
    struct parcel *parcel;
};

static void *deliver(void *argument)
{
    const struct delivery *delivery = argument;
    sendmsg(delivery->fd, &delivery->parcel->msg, 0);
    return NULL;
}

static void ck_gets_full_parcel(int fd, const int *fds)
{
    struct parcel *parcel = empty_parcel();
    ck_returns(4, recvmsg(fd, &parcel->msg, 0));
    ck_is_full(parcel, fds);
}

START_TEST(what_comes_along_during_a_wait_is_complete)
{
    struct pair p = a_pair();
    int *fds = some_fds();
    struct delivery delivery = {p.here, full_parcel(fds)};
    pthread_t peer = when_asleep(deliver, &delivery);
    ck_gets_full_parcel(p.there, fds);
    pthread_join(peer, NULL);
}
END_TEST

START_TEST(what_comes_along_during_a_wait_of_recvmmsg_is_complete)
{
    struct pair p = a_pair();
    int *fds = some_fds();
    struct delivery delivery = {p.here, full_parcel(fds)};
    struct parcel *parcel = empty_parcel();
    struct mmsghdr one = {.msg_hdr = parcel->msg};
    pthread_t peer = when_asleep(deliver, &delivery);
    ck_returns(1, recvmmsg(p.there, &one, 1, 0, NULL));
    pthread_join(peer, NULL);
    parcel->msg = one.msg_hdr;
    ck_assert_uint_eq(one.msg_len, 4);
    ck_is_full(parcel, fds);
}
END_TEST

START_TEST(a_receive_that_timed_out_takes_nothing_and_leaves_its_message_alone)
{
    struct pair p = a_pair();
    int *fds = some_fds();
    ck_ok(tsock_set_timeout(p.there, LIMIT));
    struct parcel *parcel = empty_parcel();
    struct msghdr before = parcel->msg;
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, recvmsg(p.there, &parcel->msg, 0)));
    ck_assert_mem_eq(&parcel->msg, &before, sizeof before);
    ck_returns(4, sendmsg(p.here, &full_parcel(fds)->msg, 0));
    ck_gets_full_parcel(p.there, fds);
}
END_TEST

static int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 100; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(a_send_that_timed_out_has_sent_no_descriptor_and_keeps_none)
{
    struct pair p = a_pair();
    int *fds = some_fds(), before = count_fds();
    ck_ok(tsock_set_timeout(p.here, LIMIT));
    for (size_t size = 4096; size; size /= 2)
        while (send(p.here, pattern(size), size, MSG_DONTWAIT) > 0);
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, sendmsg(p.here, &full_parcel(fds)->msg, 0)));
    ck_assert_int_eq(count_fds(), before);
    for (ssize_t n = 1; n > 0;) {
        struct parcel *parcel = empty_parcel();
        n = recvmsg(p.there, &parcel->msg, MSG_DONTWAIT);
        for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&parcel->msg) : NULL; c; c = CMSG_NXTHDR(&parcel->msg, c))
            ck_assert_int_ne(c->cmsg_type, SCM_RIGHTS);
    }
    ck_returns(4, sendmsg(p.here, &full_parcel(fds)->msg, 0));
    ck_gets_full_parcel(p.there, fds);
}
END_TEST

/* The descriptors that came along are descriptors like any other. */
START_TEST(a_descriptor_that_was_passed_has_the_limit_of_its_kind)
{
    struct pair p = a_pair();
    int *fds = some_fds(), got[FDS];
    ck_returns(4, sendmsg(p.here, &full_parcel(fds)->msg, 0));
    struct parcel *parcel = empty_parcel();
    ck_returns(4, recvmsg(p.there, &parcel->msg, 0));
    memcpy(got, content(parcel, SCM_RIGHTS, sizeof got), sizeof got);
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, read(got[0], &(char){0}, 1)));
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, read(got[1], &(char){0}, 1)));
}
END_TEST

START_TEST(the_peers_credentials_are_told_before_and_after_the_limit)
{
    struct pair p = a_pair();
    struct ucred who = {0};
    socklen_t len = sizeof who;
    for (int i = 0; i < 2; i++) {
        ck_ok(getsockopt(p.here, SOL_SOCKET, SO_PEERCRED, &who, &len));
        ck_assert(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
        if (!i)
            ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, recv(p.here, &(char){0}, 1, 0)));
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *all = NAMES_IN(sorts);
    const struct suite suites[] = {
        {"ancillary data at the limit", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_receive_that_timed_out_takes_nothing_and_leaves_its_message_alone,
               a_send_that_timed_out_has_sent_no_descriptor_and_keeps_none,
               a_descriptor_that_was_passed_has_the_limit_of_its_kind,
               the_peers_credentials_are_told_before_and_after_the_limit), all},
        {"ancillary data in time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=unix"),
         TESTS(what_comes_along_during_a_wait_is_complete, what_comes_along_during_a_wait_of_recvmmsg_is_complete),
         all},
        {0}};
    return run_suites(argv, suites);
}
