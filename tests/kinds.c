/* TIMEOUTSOCK_KINDS: what is in the list has its limit, and nothing else is touched. */
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "peer.h"
#include "suites.h"

#define LIMIT 60        /* as in the settings below */

static struct pair stream_pair(void) { return unix_pair(SOCK_STREAM); }
static struct pair packet_pair(void) { return unix_pair(SOCK_SEQPACKET); }

static struct pair socket_pair(int type)
{
    int fds[2];
    ck_ok(socketpair(AF_UNIX, type, 0, fds));
    return (struct pair){fds[0], fds[1]};
}

static struct pair stream_socketpair(void) { return socket_pair(SOCK_STREAM); }
static struct pair datagram_socketpair(void) { return socket_pair(SOCK_DGRAM); }

static struct pair writing_pipe(void)
{
    struct pair p = pipe_pair();
    return (struct pair){p.there, p.here};
}

/* `full`: a pair whose `here` can be filled up; NULL: it never is full, or nobody can say when a
 * full one has room again. */
static const struct sort {
    const char *kind;
    struct pair (*pair)(void), (*full)(void);
} sorts[] = {{"tcp", tcp_pair, NULL},
             {"udp", udp_pair, NULL},
             {"unix", stream_pair, stream_pair},
             {"unix", packet_pair, packet_pair},
             {"unix", stream_socketpair, stream_socketpair},
             {"unix", datagram_socketpair, datagram_socketpair},
             {"pipe", pipe_pair, writing_pipe}};

#define EACH_SORT(s) for (const struct sort *s = sorts; s < sorts + sizeof sorts / sizeof *sorts; s++)

static bool is_limited(const struct sort *sort)
{
    const char *kinds = getenv("TIMEOUTSOCK_KINDS");
    return strstr(kinds ? kinds : "tcp", sort->kind) || (kinds && !strcmp(kinds, "all"));
}

static void fill_up(int fd)
{
    static char block[4096];
    int flags = fcntl(fd, F_GETFL);
    ck_ok(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
    for (size_t size = sizeof block; size; size /= 2)
        while (plain_write(fd, block, size) > 0);
    ck_ok(fcntl(fd, F_SETFL, flags));
}

/* The calls, each on a descriptor on which nothing comes. */

static char byte[] = "x";

static int by_read(int fd) { return (int)read(fd, byte, 1); }

static int by_poll(int fd)
{
    return poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1) == 1 ? by_read(fd) : 0;
}

static int by_select(int fd)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, NULL) == 1 ? by_read(fd) : 0;
}

static int by_epoll(int fd)
{
    int epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN});
    return epoll_wait(epoll, &(struct epoll_event){0}, 1, -1) == 1 ? by_read(fd) : 0;
}

static const struct call {
    const char *name;
    int (*wait)(int fd);
} calls[] = {{"read", by_read}, {"poll", by_poll}, {"select", by_select}, {"epoll_wait", by_epoll}};

/* Long after the limit. */
static void *answer_late(void *fd)
{
    plain_sleep_ms(3 * LIMIT);
    plain_write(*(int *)fd, byte, 1);
    return NULL;
}

static void ck_waits_for_the_answer(int (*wait)(int fd), struct pair p)
{
    pthread_t peer = when_asleep(answer_late, &p.there);
    ck_took_ms(3 * LIMIT, ck_returns(1, wait(p.here)));
    pthread_join(peer, NULL);
}

START_TEST(silence_has_an_end_on_the_chosen_kinds_only)
{
    const struct call *call = VARIANT_IN(calls);
    EACH_SORT(sort) {
        bool left_alone = call->wait == by_epoll && !strcmp(sort->kind, "pipe");
        if (is_limited(sort) && !left_alone)
            ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, call->wait(sort->pair().here)));
        else
            ck_waits_for_the_answer(call->wait, sort->pair());
    }
}
END_TEST

/* As one that was inherited: we have not seen how it came to be. */
START_TEST(the_kind_of_an_unknown_descriptor_is_found_out)
{
    EACH_SORT(sort) {
        struct pair p = sort->pair();
        struct pair unknown = {(int)syscall(SYS_dup, p.here), p.there};
        if (is_limited(sort))
            ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by_read(unknown.here)));
        else
            ck_waits_for_the_answer(by_read, unknown);
    }
}
END_TEST

static atomic_bool is_written;

/* Goes on until the writer has what it needs: some need more room than one byte. */
static void *make_room_late(void *fd)
{
    static char block[1 << 16];
    plain_sleep_ms(3 * LIMIT);
    while (!is_written)
        if (plain_is_readable(*(int *)fd, 1))
            plain_read(*(int *)fd, block, sizeof block);
    return NULL;
}

START_TEST(a_lack_of_room_has_an_end_on_the_chosen_kinds_only)
{
    EACH_SORT(sort) {
        if (!sort->full)
            continue;
        struct pair p = sort->full();
        fill_up(p.here);
        if (is_limited(sort)) {
            ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, write(p.here, byte, 1)));
            continue;
        }
        is_written = false;
        pthread_t peer = when_asleep(make_room_late, &p.there);
        ck_took_ms(3 * LIMIT, ck_returns(1, write(p.here, byte, 1)));
        is_written = true;
        pthread_join(peer, NULL);
    }
}
END_TEST

static int full_backlog(struct sockaddr_un *name, socklen_t *len)
{
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), filler = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_ok(bind(listener, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)));
    ck_ok(listen(listener, 0));
    *len = sizeof *name;
    ck_ok(getsockname(listener, (struct sockaddr *)name, len));
    ck_ok(connect(filler, (struct sockaddr *)name, *len));
    return listener;
}

static void *accept_late(void *listener)
{
    plain_sleep_ms(3 * LIMIT);
    syscall(SYS_accept4, *(int *)listener, NULL, NULL, 0);
    return NULL;
}

START_TEST(a_full_backlog_of_a_local_server_is_waited_for)
{
    struct sockaddr_un name;
    socklen_t len;
    int listener = full_backlog(&name, &len), fd = socket(AF_UNIX, SOCK_STREAM, 0);
    pthread_t server = when_asleep(accept_late, &listener);
    ck_took_ms(3 * LIMIT, ck_returns(0, connect(fd, (struct sockaddr *)&name, len)));
    pthread_join(server, NULL);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *limit = "TIMEOUTSOCK_DEFAULT=60ms";
    const TTest *const *silence = TESTS(silence_has_an_end_on_the_chosen_kinds_only);
    const TTest *const *others = TESTS(the_kind_of_an_unknown_descriptor_is_found_out,
                                       a_lack_of_room_has_an_end_on_the_chosen_kinds_only);
    const TTest *const *connects = TESTS(a_full_backlog_of_a_local_server_is_waited_for);
    static const char *const lists[] = {"TIMEOUTSOCK_KINDS=udp", "TIMEOUTSOCK_KINDS=unix", "TIMEOUTSOCK_KINDS=pipe",
                                        "TIMEOUTSOCK_KINDS=vsock", "TIMEOUTSOCK_KINDS=tcp,udp,pipe",
                                        "TIMEOUTSOCK_KINDS=all"};
    const struct suite suites[] = {
        {"kinds, by default", SETTINGS(limit), silence, NAMES_IN(calls)},
        {"kinds, by default, others", SETTINGS(limit), others, NULL},
        {"unix connect, by default", SETTINGS(limit), connects, NULL},
        {lists[0], SETTINGS(limit, lists[0]), silence, NAMES_IN(calls)},
        {lists[1], SETTINGS(limit, lists[1]), silence, NAMES_IN(calls)},
        {lists[2], SETTINGS(limit, lists[2]), silence, NAMES_IN(calls)},
        {lists[3], SETTINGS(limit, lists[3]), silence, NAMES_IN(calls)},
        {lists[4], SETTINGS(limit, lists[4]), silence, NAMES_IN(calls)},
        {lists[5], SETTINGS(limit, lists[5]), silence, NAMES_IN(calls)},
        {"unix, others", SETTINGS(limit, lists[1]), others, NULL},
        {"pipe, others", SETTINGS(limit, lists[2]), others, NULL},
        {"all, others", SETTINGS(limit, lists[5]), others, NULL},
        {"unix connect, other kinds", SETTINGS(limit, lists[4]), connects, NULL},
        {0}};
    return run_suites(argv, suites);
}
