/* A connection's whole life (TSOCK_TOTAL), and a scope, bound a peer that
 * never stops sending but never has done. */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "drip.h"
#include "scopes.h"
#include "suites.h"

#define TOTAL 300

static const int gaps[] = {20, 0};

static char room[4096];

static bool by_poll(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, LONG) > 0;
}

static bool by_select(int fd)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, &(struct timeval){LONG / 1000, 0}) > 0;
}

static bool by_epoll(int fd)
{
    static int epoll = -1;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll < 0)
        ck_ok(epoll = epoll_create1(0));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        ck_assert_int_eq(errno, EEXIST);
    return epoll_wait(epoll, &event, 1, LONG) > 0;
}

static const struct way { const char *name; bool (*is_ready)(int fd); } ways[] = {
    {"blocking", NULL}, {"poll", by_poll}, {"select", by_select}, {"epoll", by_epoll},
};

/* Returns what ends it: an errno, or 0 for a wait that says that nothing is ready. */
static int receive_by(const struct way *way, int fd)
{
    if (!way->is_ready)
        return receive_all(fd);
    ck_ok(fcntl(fd, F_SETFL, O_NONBLOCK));
    while (way->is_ready(fd))
        if (recv(fd, room, sizeof room, 0) < 0 && errno != EAGAIN)
            return errno;
    return 0;
}

static const struct way *way_variant(void)
{
    return VARIANT_IN(ways);
}

/* epoll can tell of it by a shutdown only. */
static void ck_is_over(int fd)
{
    for (int i = 0; i < 3; i++)
        ck_took_ms(0, ck_fails(ETIMEDOUT, recv(fd, room, 1, 0)));
    ck_took_ms(0, ck_fails(ETIMEDOUT, send(fd, room, 1, 0)));
    ck_ok(tsock_set_phase_timeout(fd, TSOCK_TOTAL, TSOCK_NONE));
    ck_returns(1, send(fd, "x", 1, 0));
}

START_TEST(the_programs_own_total_ends_it_and_every_further_call)
{
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        struct pair p = tcp_pair();
        int64_t began = now_ns();
        ck_ok(tsock_set_phase_timeout(p.here, TSOCK_TOTAL, TOTAL));
        start_dripping(p.there, gaps[i]);
        ck_ends_ms_after(TOTAL, began, ck_assert_int_eq(receive_by(way_variant(), p.here), ETIMEDOUT));
        stop_dripping();
        if (way_variant()->is_ready != by_epoll)
            ck_is_over(p.here);
        close(p.here);
    }
}
END_TEST

START_TEST(the_programs_own_total_ends_a_silent_connection)
{
    struct pair p = tcp_pair();
    int64_t began = now_ns();
    ck_ok(tsock_set_phase_timeout(p.here, TSOCK_TOTAL, TOTAL));
    ck_ends_ms_after(TOTAL, began, ck_assert_int_eq(receive_by(way_variant(), p.here), ETIMEDOUT));
}
END_TEST

/* A wait ends with 0: a call that never waits is none of a scope's business. */
START_TEST(a_scope_ends_it)
{
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        struct pair p = tcp_pair();
        tsock_scope_t scope;
        start_dripping(p.there, gaps[i]);
        int64_t began = begin_scope(&scope, TOTAL);
        int expected = way_variant()->is_ready ? 0 : ETIMEDOUT;
        ck_ends_ms_after(TOTAL, began, ck_assert_int_eq(receive_by(way_variant(), p.here), expected));
        ck_assert_int_eq(tsock_scope_expired(&scope), 1);
        ck_ok(tsock_scope_end(&scope));
        stop_dripping();
        close(p.here);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"total", SETTINGS(NULL),
         TESTS(the_programs_own_total_ends_it_and_every_further_call, the_programs_own_total_ends_a_silent_connection,
               a_scope_ends_it), NAMES_IN(ways)},
        {0}};
    return run_suites(argv, suites);
}
