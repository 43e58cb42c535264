#include "answered.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "../shim/timeoutsock.h"
#include "suites.h"

static void send_line(struct pair p)
{
    (void)!plain_write(p.there, "x\n", 2);
}

static void drain(struct pair p)
{
    static char room[4096];
    while (plain_read(p.there, room, sizeof room) > 0)
        ;
}

static struct sockaddr_storage listener_name;
static socklen_t listener_name_len;

static void connect_to_listener(struct pair unused)
{
    (void)unused;
    (void)!connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&listener_name, listener_name_len);
}

static struct pair filled_pair(void)
{
    struct pair p = tcp_pair();
    fill(p.here);
    return p;
}

static struct pair listener_alone(void)
{
    struct pair p = {tcp_listener(1), -1};
    listener_name = name_of(p.here, &listener_name_len);
    return p;
}

static bool receives(struct pair p)
{
    char two[2];
    return recv(p.here, two, 2, MSG_WAITALL) == 2;
}

static bool reads(struct pair p)
{
    char two[2];
    return read(p.here, two, 2) == 2;
}

static bool sends(struct pair p)
{
    static char room[65536];
    return send(p.here, room, sizeof room, 0) == sizeof room;
}

static bool accepts(struct pair p)
{
    return accept(p.here, NULL, NULL) >= 0;
}

/* The host's own call may find no memory. */
static bool waited(int ready, struct pair p)
{
    return ready < 0 ? errno == ENOMEM : ready == 1 && reads(p);
}

static bool polls(struct pair p)
{
    struct pollfd fd = {p.here, POLLIN, 0};
    return waited(poll(&fd, 1, -1), p);
}

static bool selects(struct pair p)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(p.here, &in);
    return waited(select(p.here + 1, &in, NULL, NULL, NULL), p);
}

static bool waits_in_epoll(struct pair p)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(0);
    return !epoll_ctl(epoll, EPOLL_CTL_ADD, p.here, &event) && epoll_wait(epoll, &event, 1, -1) == 1 && reads(p);
}

/* libc's own fdopen() asks fcntl(), too. */
static bool reads_a_stream(struct pair p)
{
    char line[8];
    FILE *stream = fdopen(p.here, "r");
    return stream ? fgets(line, sizeof line, stream) && !strcmp(line, "x\n") : errno == ENOMEM || errno == EPERM;
}

static bool looks_up(struct pair p)
{
    struct addrinfo *found;
    int answer = getaddrinfo("localhost", NULL, NULL, &found);
    if (!answer)
        freeaddrinfo(found);
    return answer == EAI_MEMORY || (!answer && reads(p));
}

static bool looks_up_by_the_old_name(struct pair p)
{
    return gethostbyname("localhost") && reads(p);
}

/* Without memory the limits of a copy are the configured ones. */
static bool copies_limits(struct pair p)
{
    enum { FAR = 5000, MS = 3000 };
    if (tsock_set_phase_timeout(p.here, TSOCK_READ, MS) < 0)
        return errno == ENOMEM || errno == ENOTSOCK || errno == EPERM;
    int copy = fcntl(p.here, F_DUPFD, FAR);
    if (copy < 0)
        return errno == EPERM;
    tsock_set_phase_timeout(copy, TSOCK_WRITE, MS);
    int kept = tsock_get_phase_timeout(copy, TSOCK_READ);
    return kept == MS || kept == TSOCK_DEFAULT ||
           (kept == TSOCK_ERROR && (errno == ENOTSOCK || errno == EPERM || errno == ENOMEM));
}

/* What has timed out is not taken for the next connection of that number. */
static bool reuses_a_number(struct pair p)
{
    struct pollfd fd = {p.here, POLLIN, 0};
    poll(&fd, 1, 160);
    close(p.here);
    struct pair next = tcp_pair();
    send_line(next);
    return receives(next);
}

static const struct answered answered[] = {
    {"answered recv", "5", tcp_pair, receives, send_line},
    {"answered read", "5", tcp_pair, reads, send_line},
    {"answered send", "5", filled_pair, sends, drain},
    {"answered accept", "5", listener_alone, accepts, connect_to_listener},
    {"answered poll", "5", tcp_pair, polls, send_line},
    {"answered select", "5", tcp_pair, selects, send_line},
    {"answered epoll", "5", tcp_pair, waits_in_epoll, send_line},
    {"answered stream", "5", tcp_pair, reads_a_stream, send_line},
    {"answered getaddrinfo", "5", tcp_pair, looks_up, send_line},
    {"answered gethostbyname", "5", tcp_pair, looks_up_by_the_old_name, send_line},
    {"copied limits", "5", tcp_pair, copies_limits, send_line},
    {"reused number", "40ms", tcp_pair, reuses_a_number, send_line},
};
enum { ANSWERED = sizeof answered / sizeof *answered };

const struct answered *answered_named(const char *name)
{
    for (int i = 0; i < ANSWERED; i++)
        if (!strcmp(answered[i].name, name))
            return &answered[i];
    return NULL;
}

const char *const *answered_names(void)
{
    return NAMES_IN(answered);
}
