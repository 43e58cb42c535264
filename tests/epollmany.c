/* Many connections in one epoll instance, and what is not one beside them. */
#include <sys/eventfd.h>

#include "../shim/timeoutsock.h"
#include "epolls.h"
#include "lateness.h"
#include "suites.h"

#define LIMIT 150
#define MANY 200

static void ck_in_time(int ms, int64_t took)
{
    int64_t late = took - ms * INT64_C(1000000);
    ck_assert_msg(late >= 0, "took %lld ns, %d ms were the least", (long long)took, ms);
    if (late <= 50000000)
        return;
    int64_t machine = lateness_since(now_ns() - took);
    ck_assert_msg(late <= 50000000 + 6 * machine, "%lld ns late, the machine %lld ns", (long long)late,
                  (long long)machine);
}

static int limit_of(int index)
{
    return 60 + index * 37 % MANY;
}

static int index_of(const int *fds, int fd)
{
    for (int i = 0; i < MANY; i++)
        if (fds[i] == fd)
            return i;
    ck_abort_msg("%d is none of ours", fd);
}

/* Each one as it is reported; that takes it out, too. */
static void ck_all_expire(int epoll, int *fds, const int64_t *began)
{
    for (int left = MANY; left--;) {
        int fd = ready_in(epoll, 2000), i = index_of(fds, fd);
        int64_t took = now_ns() - began[i];
        ck_has_expired(fd);
        close(fd);
        fds[i] = -1;
        ck_in_time(limit_of(i), took);
    }
}

START_TEST(many_connections_with_limits_of_their_own_expire_each_in_time)
{
    int epoll = epoll_create1(0), fds[MANY];
    int64_t began[MANY];
    for (int i = 0; i < MANY; i++)
        ck_ok(tsock_set_timeout(fds[i] = tcp_pair().here, limit_of(i)));
    for (int i = 0; i < MANY; i++) {
        began[i] = now_ns();
        add(epoll, fds[i], EPOLLIN);
    }
    ck_all_expire(epoll, fds, began);
}
END_TEST

START_TEST(one_event_at_a_time_reports_data_and_expiry_alike)
{
    struct pair ready = tcp_pair(), silent = tcp_pair();
    int64_t began = now_ns();
    int epoll = instance_of(ready.here, EPOLLIN), left = 30;
    add(epoll, silent.here, EPOLLIN);
    put_byte(ready.there);
    while (ready_in(epoll, 1000) == ready.here && left--)
        plain_sleep_ms(10);
    ck_assert_int_gt(left, 0);
    assert_took_ms(LIMIT, now_ns() - began);
    ck_has_expired(silent.here);
    take_byte(ready.here);
}
END_TEST

START_TEST(as_many_events_as_fit_are_reported_at_once)
{
    int epoll = epoll_create1(0);
    struct epoll_event events[8];
    for (int i = 0; i < 12; i++)
        add(epoll, tcp_pair().here, EPOLLIN);
    plain_sleep_ms(LIMIT + 50);         /* the kernel counts in ticks */
    ck_took_ms(0, ck_returns(COUNT(events), wait_on(epoll, events, COUNT(events), -1)));
}
END_TEST

START_TEST(pipes_and_eventfds_registered_beside_are_left_alone)
{
    struct pair p = tcp_pair();
    int fds[2], event = eventfd(0, EFD_NONBLOCK), epoll = instance_of(event, EPOLLIN);
    ck_ok(pipe(fds));
    add(epoll, fds[0], EPOLLIN);
    add(epoll, p.here, EPOLLIN);
    ck_expires_after(LIMIT, p.here, epoll);
    delete(epoll, p.here);
    ck_silent_for(LIMIT, epoll);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_reports(fds[0], epoll);
    ck_returns(1, read(fds[0], &(char){0}, 1));
    ck_assert_int_eq(ready_in(epoll, 0), -1);
    ck_ok(eventfd_write(event, 1));
    ck_reports(event, epoll);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const limit = "TIMEOUTSOCK_DEFAULT=150ms";
    const struct suite suites[] = {
        {"many", SETTINGS(limit),
         TESTS(many_connections_with_limits_of_their_own_expire_each_in_time,
               one_event_at_a_time_reports_data_and_expiry_alike, as_many_events_as_fit_are_reported_at_once,
               pipes_and_eventfds_registered_beside_are_left_alone), epoll_names},
        {0}};
    return run_suites(argv, suites);
}
