#include "scopes.h"

int64_t begin_scope(tsock_scope_t *scope, int ms)
{
    int64_t now = now_ns();
    ck_returns(0, tsock_scope_begin(scope, ms));
    return now;
}

int64_t set_scope(tsock_scope_t *scope, int ms)
{
    int64_t now = now_ns();
    ck_returns(0, tsock_scope_set(scope, ms));
    return now;
}

int silent_socket(void)
{
    int fds[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) ? -1 : fds[0];
}

bool times_out(int silent)
{
    char byte;
    return recv(silent, &byte, 1, 0) < 0 && errno == ETIMEDOUT;
}

void ck_in_no_scope(int silent)
{
    tsock_scope_t scope;
    int64_t began = begin_scope(&scope, SPAN);
    ck_ends_ms_after(SPAN, began, ck_assert(times_out(silent)));
    ck_assert_int_eq(tsock_scope_expired(&scope), 1);
    ck_returns(0, tsock_scope_end(&scope));
}

void overwrite_stack(void)
{
    volatile char room[32768];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = (char)0xaa;
}
