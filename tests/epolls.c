#include "epolls.h"

#include <netinet/in.h>
#include <time.h>

#include "suites.h"

typedef int wait_call(int epoll, struct epoll_event *events, int most, int ms, const sigset_t *mask);

static int by_wait(int epoll, struct epoll_event *events, int most, int ms, const sigset_t *mask)
{
    (void)mask;
    return epoll_wait(epoll, events, most, ms);
}

static int by_pwait(int epoll, struct epoll_event *events, int most, int ms, const sigset_t *mask)
{
    return epoll_pwait(epoll, events, most, ms, mask);
}

static int by_pwait2(int epoll, struct epoll_event *events, int most, int ms, const sigset_t *mask)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    return epoll_pwait2(epoll, events, most, ms < 0 ? NULL : &t, mask);
}

static const struct {
    const char *name;
    wait_call *wait;
} ways[] = {{"epoll_wait", by_wait}, {"epoll_pwait", by_pwait}, {"epoll_pwait2", by_pwait2}};

const char *const epoll_names[] = {"epoll_wait", "epoll_pwait", "epoll_pwait2", NULL};
const char *const epoll_mask_names[] = {"epoll_pwait", "epoll_pwait2", NULL};

int wait_masked(int epoll, struct epoll_event *events, int most, int ms, const sigset_t *mask)
{
    size_t way = COUNT(ways);
    while (--way && strcmp(ways[way].name, test_variant()));
    return ways[way].wait(epoll, events, most, ms, mask);
}

int wait_on(int epoll, struct epoll_event *events, int most, int ms)
{
    return wait_masked(epoll, events, most, ms, NULL);
}

#define MARK UINT64_C(0x7e57da7a00000000)

#define TICK_NS INT64_C(10000000)

struct moment moment(void)
{
    struct timespec coarse;
    int64_t now = now_ns();
    clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse);
    int64_t latest = coarse.tv_sec * INT64_C(1000000000) + coarse.tv_nsec + TICK_NS;
    return (struct moment){now, latest < now ? latest : now};
}

static struct moment last_step;

static void control(int epoll, int op, int fd, uint32_t events)
{
    last_step = moment();
    struct epoll_event event = {events, {.u64 = MARK | (uint32_t)fd}};
    ck_returns(0, epoll_ctl(epoll, op, fd, &event));
}

void add(int epoll, int fd, uint32_t events)
{
    control(epoll, EPOLL_CTL_ADD, fd, events);
}

void modify(int epoll, int fd, uint32_t events)
{
    control(epoll, EPOLL_CTL_MOD, fd, events);
}

void delete(int epoll, int fd)
{
    control(epoll, EPOLL_CTL_DEL, fd, 0);
}

int instance_of(int fd, uint32_t events)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    ck_ok(epoll);
    add(epoll, fd, events);
    return epoll;
}

int ready_in(int epoll, int ms)
{
    struct epoll_event event = {0};
    errno = 4711;
    int ready = wait_on(epoll, &event, 1, ms);
    ck_assert_msg(ready >= 0 && errno == 4711, "%d, errno %d", ready, errno);
    if (!ready)
        return -1;
    ck_assert_msg(event.data.u64 >> 32 == MARK >> 32, "data are 0x%llx", (unsigned long long)event.data.u64);
    ck_assert_msg(event.events, "ready for nothing");
    return (int)(event.data.u64 & INT32_MAX);
}

void ck_reports(int fd, int epoll)
{
    ck_assert_int_eq(ready_in(epoll, 0), fd);
}

void ck_expires_since(struct moment began, int ms, int fd, int epoll)
{
    ck_assert_int_eq(ready_in(epoll, ms + 2000), fd);
    int64_t now = now_ns(), limit = ms * INT64_C(1000000);
    bool early_by_the_clock_alone = now - began.by_clock < limit && now - began.by_ticks >= limit;
    if (!early_by_the_clock_alone)
        assert_took_ms(ms, now - began.by_clock);
    ck_has_expired(fd);
}

void ck_expires_after(int ms, int fd, int epoll)
{
    ck_expires_since(last_step, ms, fd, epoll);
}

void ck_silent_for(int ms, int epoll)
{
    ck_took_ms(ms, ck_assert_int_eq(ready_in(epoll, ms), -1));
}

void ck_has_expired(int fd)
{
    char byte;
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, MSG_DONTWAIT));
    ck_returns(0, recv(fd, &byte, 1, MSG_DONTWAIT));
}

void ck_is_alive(int fd)
{
    char byte;
    ck_fails(EAGAIN, recv(fd, &byte, 1, MSG_DONTWAIT));
}

void put_byte(int fd)
{
    last_step = moment();
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), 1);
}

void take_byte(int fd)
{
    char byte;
    ck_returns(1, recv(fd, &byte, 1, MSG_DONTWAIT));
}

void receive(int fd, int there, int epoll)
{
    put_byte(there);
    ck_reports(fd, epoll);
    take_byte(fd);
}

int connect_without_waiting(int listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    ck_fails(EINPROGRESS, connect(fd, (struct sockaddr *)&name, len));
    return fd;
}
