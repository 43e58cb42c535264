/* A program that includes timeoutsock.h and does not care whether the library is there.
 * Compiled by absent.sh as C and as C++.  Its argument says what it is to find: "absent"
 * or "present"; it exits with the line of the first thing that is otherwise. */
#include "../shim/timeoutsock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CHECK(condition)                                         \
    do {                                                         \
        if (!(condition)) {                                      \
            printf("line %d: not %s\n", __LINE__, #condition);   \
            exit(1);                                             \
        }                                                        \
    } while (0)

#define CHECK_ABSENT(call, result)                               \
    do {                                                         \
        errno = 0;                                               \
        CHECK((call) == (result) && errno == ENOSYS);            \
    } while (0)

static int called;

static void clean(int fd, void *argument)
{
    (void)fd;
    (void)argument;
    called++;
}

static int add(void *number)
{
    return ++*(int *)number;
}

static void check_absent(int fd)
{
    static tsock_scope_t scope;
    static tsock_options_t options;
    int number = 4;
    CHECK(tsock_present() == 0);
    CHECK_ABSENT(tsock_set_timeout(fd, 50), -1);
    CHECK_ABSENT(tsock_get_timeout(fd), TSOCK_ERROR);
    CHECK_ABSENT(tsock_set_phase_timeout(fd, TSOCK_READ, 50), -1);
    CHECK_ABSENT(tsock_get_phase_timeout(fd, TSOCK_READ), TSOCK_ERROR);
    CHECK_ABSENT(tsock_set_cleanup(fd, clean, &number), -1);
    CHECK_ABSENT(tsock_set_default_timeout(50), -1);
    CHECK_ABSENT(tsock_get_default_timeout(), TSOCK_ERROR);
    CHECK_ABSENT(tsock_scope_begin(&scope, 50), -1);
    CHECK_ABSENT(tsock_scope_set(&scope, 50), -1);
    CHECK_ABSENT(tsock_scope_shield(&scope, 1), -1);
    CHECK_ABSENT(tsock_scope_expired(&scope), -1);
    CHECK_ABSENT(tsock_scope_pending(&scope), -1);
    CHECK_ABSENT(tsock_scope_remaining(&scope), TSOCK_ERROR);
    CHECK_ABSENT(tsock_scope_end(&scope), -1);
    CHECK_ABSENT(tsock_with_timeout(50, add, &number, &options), -1);
    CHECK(number == 4);
}

static void check_present(int fd)
{
    tsock_scope_t scope;
    tsock_options_t options;
    char byte;
    int number = 4;
    memset(&options, 0, sizeof options);
    CHECK(tsock_present() == 1);
    CHECK(tsock_get_timeout(fd) == TSOCK_DEFAULT);
    CHECK(tsock_set_timeout(fd, 20) == 0);
    CHECK(tsock_get_timeout(fd) == 20);
    CHECK(tsock_set_cleanup(fd, clean, NULL) == 0);
    CHECK(recv(fd, &byte, 1, 0) == -1 && errno == ETIMEDOUT && called == 1);
    CHECK(tsock_set_phase_timeout(fd, TSOCK_WRITE, 30) == 0);
    CHECK(tsock_get_phase_timeout(fd, TSOCK_WRITE) == 30 && tsock_get_phase_timeout(fd, TSOCK_READ) == 20);
    CHECK(tsock_get_default_timeout() == TSOCK_NONE);
    CHECK(tsock_set_default_timeout(4711) == 0);
    CHECK(tsock_get_default_timeout() == 4711);
    CHECK(tsock_scope_begin(&scope, 60000) == 0);
    CHECK(tsock_scope_pending(&scope) == 1 && tsock_scope_remaining(&scope) > 0);
    CHECK(tsock_scope_shield(&scope, 1) == 0 && tsock_scope_set(&scope, 0) == 0);
    CHECK(recv(fd, &byte, 1, 0) == -1 && errno == ETIMEDOUT && tsock_scope_expired(&scope) == 1);
    CHECK(tsock_scope_end(&scope) == 0);
    CHECK(tsock_with_timeout(60000, add, &number, &options) == 5 && number == 5 && !options.expired);
}

/* As with every function: whether it is there or not, its arguments are evaluated once. */
static void check_arguments(int fd)
{
    static tsock_scope_t scopes[3];
    static tsock_options_t options[2];
    tsock_scope_t *scope = scopes;
    tsock_options_t *option = options;
    int first = fd, second = 30, phase = TSOCK_READ, numbers[2] = {0, 0}, *number = numbers;
    tsock_set_timeout(first++, second++);
    CHECK(first == fd + 1 && second == 31);
    tsock_get_timeout(first--);
    CHECK(first == fd);
    tsock_set_phase_timeout(first++, (enum tsock_phase)phase++, second++);
    CHECK(first == fd + 1 && phase == TSOCK_READ + 1 && second == 32);
    tsock_get_phase_timeout(first--, (enum tsock_phase)phase--);
    CHECK(first == fd && phase == TSOCK_READ);
    tsock_set_cleanup(first++, (second++, clean), number++);
    CHECK(first == fd + 1 && second == 33 && number == numbers + 1);
    tsock_set_default_timeout(second--);
    CHECK(second == 32);
    tsock_scope_begin(scope++, second++);
    CHECK(scope == scopes + 1 && second == 33);
    tsock_scope_set(--scope, second--);
    CHECK(scope == scopes && second == 32);
    tsock_scope_shield(scope++, second++);
    CHECK(scope == scopes + 1 && second == 33);
    tsock_scope_expired(--scope);
    CHECK(scope == scopes);
    tsock_scope_pending(scope++);
    CHECK(scope == scopes + 1);
    tsock_scope_remaining(--scope);
    CHECK(scope == scopes);
    tsock_scope_end(scope++);
    CHECK(scope == scopes + 1);
    tsock_with_timeout(second++, (first--, add), --number, option++);
    CHECK(second == 34 && first == fd && number == numbers && option == options + 1);
}

#if defined __GNUC__ && (defined __cplusplus || __STDC_VERSION__ >= 199901L)
/* A block runs once, with the library or without. */
static void check_block(int fd, int present)
{
    char byte;
    int runs = 0;
    TSOCK_SCOPE(runs++) {
        CHECK(runs == 1);
        CHECK(tsock_scope_expired(TSOCK_THIS_SCOPE) == (present ? 0 : -1));
        if (present)
            CHECK(recv(fd, &byte, 1, 0) == -1 && errno == ETIMEDOUT && tsock_scope_expired(TSOCK_THIS_SCOPE) == 1);
        runs++;
    }
    CHECK(runs == 2);
}
#else
#define check_block(fd, present) ((void)0)
#endif

#ifdef __cplusplus
/* What its end, also by an exception, does not do is to change errno. */
static void check_class(int fd, int present)
{
    char byte;
    tsock_scope_t *seen = 0;
    errno = 42;
    try {
        tsock::scope scope(0);
        seen = &scope;
        CHECK(scope.expired() == false);
        if (present)
            CHECK(recv(fd, &byte, 1, 0) == -1 && errno == ETIMEDOUT && scope.expired());
        errno = 42;
        throw 4;
    } catch (int number) {
        CHECK(number == 4 && errno == 42);
    }
    CHECK(!present || (tsock_scope_set(seen, 5) == -1 && errno == EINVAL));
    CHECK(!present || (recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN));
}
#else
#define check_class(fd, present) ((void)0)
#endif

int main(int argc, char **argv)
{
    int fds[2], present;
    CHECK(argc == 2 && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    present = !strcmp(argv[1], "present");
    if (present)
        check_present(fds[0]);
    else
        check_absent(fds[0]);
    check_block(fds[0], present);
    check_class(fds[0], present);
    check_arguments(fds[0]);
    return 0;
}
