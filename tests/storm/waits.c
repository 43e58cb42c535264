/* Event waits: what is there is reported, and what a program waits for in vain expires. */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "storm.h"

enum { SHORTEST = 5, LONGEST = 60 };

/* Each waits for input on fd, for ever. */
static int by_poll(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, -1);
}

static int by_ppoll(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return ppoll(&p, 1, NULL, NULL);
}

/* A set that has room for every number that this program opens. */
static int by_select(int fd)
{
    unsigned long bits[4096 / (8 * sizeof(unsigned long))] = {0};
    bits[(size_t)fd / (8 * sizeof *bits)] |= 1UL << (size_t)fd % (8 * sizeof *bits);
    return select(fd + 1, (fd_set *)bits, NULL, NULL, NULL);
}

static int (*const ways[])(int fd) = {by_poll, by_ppoll, by_select};

/* No handler restarts these. */
static int wait_whatever(unsigned how, int fd)
{
    int ready;
    do ready = ways[how](fd);
    while (ready < 0 && errno == EINTR);
    return ready;
}

static void wait_for_what_is_there(struct worker *w)
{
    struct link *l = any_link(w);
    tsock_set_timeout(l->here, 5000);
    put(w, l->there, &l->in, 1 + chance(w, 100));
    int ready = wait_whatever(chance(w, 3), l->here);
    if (ready != 1)
        wrong(w, "%d, %s", ready, strerror(errno));
    drain(w, l->here, &l->in);
}

/* A program that has set the limit itself keeps the connection. */
static void expect_error_once(const struct worker *w, struct link *l)
{
    char byte;
    ssize_t n = recv(l->here, &byte, 1, MSG_DONTWAIT);
    if (n != -1 || errno != ETIMEDOUT)
        wrong(w, "%zd, %s, after an expiry", n, strerror(errno));
    n = recv(l->here, &byte, 1, MSG_DONTWAIT);
    if (n != -1 || errno != EAGAIN)
        wrong(w, "%zd, %s, after an expiry was told", n, strerror(errno));
}

static void wait_in_vain(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = (int)(SHORTEST + chance(w, LONGEST));
    tsock_set_timeout(l->here, ms);
    unsigned how = chance(w, 3);
    int64_t began = now_ns();
    int ready = wait_whatever(how, l->here);
    if (ready != 1)
        wrong(w, "%d, %s", ready, strerror(errno));
    else
        expect_at(w, began, ms);
    expect_error_once(w, l);
}

static void wait_for_what_comes_later(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = (int)(SHORTEST + chance(w, LONGEST));
    tsock_set_timeout(l->here, ms + 5000);
    unsigned how = chance(w, 3);
    post(w, l->there, &l->in, ms);
    int ready = wait_whatever(how, l->here);
    if (ready != 1)
        wrong(w, "%d, %s", ready, strerror(errno));
    await_post(w);
    drain(w, l->here, &l->in);
}

/* The program's own timeout ends the wait; what it has waited for counts from the first wait
 * that was in vain. */
static void wait_for_a_while(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = (int)(SHORTEST + chance(w, LONGEST)), ready;
    tsock_set_timeout(l->here, TSOCK_NONE);
    int64_t began;
    do {
        began = now_ns();
        struct pollfd p = {l->here, POLLIN, 0};
        ready = poll(&p, 1, ms);
    } while (ready < 0 && errno == EINTR);
    if (ready)
        wrong(w, "%d, %s", ready, strerror(errno));
    else
        expect_at(w, began, ms);
}

static void wait_in_scope(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = (int)(SHORTEST + chance(w, LONGEST));
    tsock_scope_t scope;
    tsock_set_timeout(l->here, TSOCK_NONE);
    unsigned how = chance(w, 3);
    int64_t began = now_ns();
    tsock_scope_begin(&scope, ms);
    int ready = wait_whatever(how, l->here);
    if (ready || tsock_scope_expired(&scope) != 1)
        wrong(w, "%d, not the scope's deadline", ready);
    else
        expect_at(w, began, ms);
    tsock_scope_end(&scope);
}

static int wait_in_epoll(const struct worker *w, int fd, int ms, struct epoll_event *event)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), ready;
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = (uint64_t)fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) < 0)
        wrong(w, "epoll_ctl: %s", strerror(errno));
    do ready = epoll_wait(epoll, event, 1, ms);
    while (ready < 0 && errno == EINTR);
    close(epoll);
    return ready;
}

static void wait_in_epoll_for_what_comes_later(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = (int)(SHORTEST + chance(w, LONGEST));
    tsock_set_timeout(l->here, ms + 5000);
    post(w, l->there, &l->in, ms);
    struct epoll_event event = {0};
    int ready = wait_in_epoll(w, l->here, -1, &event);
    if (ready != 1 || event.data.u64 != (uint64_t)l->here)
        wrong(w, "%d, %s", ready, strerror(errno));
    await_post(w);
    drain(w, l->here, &l->in);
}

/* In epoll a connection that expires is over: the kernel reports it. */
static void wait_in_epoll_in_vain(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = (int)(SHORTEST + chance(w, LONGEST));
    char byte;
    link_close(l);
    link_open(w, l);
    tsock_set_timeout(l->here, ms);
    struct epoll_event event = {0};
    int64_t began = now_ns();
    int ready = wait_in_epoll(w, l->here, -1, &event);
    if (ready != 1 || event.data.u64 != (uint64_t)l->here)
        wrong(w, "%d, %s", ready, strerror(errno));
    else
        expect_at(w, began, ms);
    ssize_t n = read(l->here, &byte, 1);
    if (n != -1 || errno != ETIMEDOUT)
        wrong(w, "%zd, %s, after an expiry", n, strerror(errno));
    if (read(l->here, &byte, 1))
        wrong(w, "no end of file after an expiry was told");
    link_close(l);
    link_open(w, l);
}

const struct operation waits[] = {
    {"wait for what is there", 20, wait_for_what_is_there},
    {"wait in vain", 20, wait_in_vain},
    {"wait for what comes later", 15, wait_for_what_comes_later},
    {"wait for a while", 10, wait_for_a_while},
    {"wait in a scope", 10, wait_in_scope},
    {"wait in epoll for what comes later", 15, wait_in_epoll_for_what_comes_later},
    {"wait in epoll in vain", 10, wait_in_epoll_in_vain},
    {0},
};
