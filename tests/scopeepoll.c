/* epoll in a scope, in each of its calls. */
#include "epolls.h"
#include "scopes.h"
#include "suites.h"

static tsock_scope_t scope;

START_TEST(epoll_returns_0_at_the_deadline_and_the_next_one_at_once)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    struct epoll_event event;
    int64_t began = begin_scope(&scope, SPAN);
    ck_ends_ms_after(SPAN, began, ck_returns(0, wait_on(epoll, &event, 1, -1)));
    ck_took_ms(0, ck_returns(0, wait_on(epoll, &event, 1, 10 * SPAN)));
    modify(epoll, p.here, EPOLLOUT);
    ck_returns(0, wait_on(epoll, &event, 1, -1));
    ck_returns(1, wait_on(epoll, &event, 1, 0));
    ck_assert_int_eq(tsock_scope_expired(&scope), 1);
    ck_ok(tsock_scope_end(&scope));
    ck_returns(1, wait_on(epoll, &event, 1, -1));
    ck_returns(1, send(p.here, "x", 1, 0));
}
END_TEST

START_TEST(epolls_own_time_that_is_up_first_is_not_the_scopes)
{
    struct pair p = tcp_pair();
    int epoll = instance_of(p.here, EPOLLIN);
    struct epoll_event event;
    ck_ok(tsock_scope_begin(&scope, 100 * SPAN));
    ck_took_ms(SPAN, ck_returns(0, wait_on(epoll, &event, 1, SPAN)));
    ck_ok(tsock_scope_set(&scope, 0));
    ck_took_ms(0, ck_returns(0, wait_on(epoll, &event, 1, 0)));
    ck_assert_int_eq(tsock_scope_expired(&scope), 0);
    ck_ok(tsock_scope_end(&scope));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"scope in epoll", SETTINGS(NULL),
         TESTS(epoll_returns_0_at_the_deadline_and_the_next_one_at_once,
               epolls_own_time_that_is_up_first_is_not_the_scopes), epoll_names},
        {0}};
    return run_suites(argv, suites);
}
