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

static void check_absent(int fd)
{
    CHECK(tsock_present() == 0);
    errno = 0;
    CHECK(tsock_set_timeout(fd, 50) == -1 && errno == ENOSYS);
    errno = 0;
    CHECK(tsock_get_timeout(fd) == TSOCK_ERROR && errno == ENOSYS);
    errno = 0;
    CHECK(tsock_set_default_timeout(50) == -1 && errno == ENOSYS);
    errno = 0;
    CHECK(tsock_get_default_timeout() == TSOCK_ERROR && errno == ENOSYS);
}

static void check_present(int fd)
{
    char byte;
    CHECK(tsock_present() == 1);
    CHECK(tsock_get_timeout(fd) == TSOCK_DEFAULT);
    CHECK(tsock_set_timeout(fd, 20) == 0);
    CHECK(tsock_get_timeout(fd) == 20);
    CHECK(recv(fd, &byte, 1, 0) == -1 && errno == ETIMEDOUT);
    CHECK(tsock_get_default_timeout() == TSOCK_NONE);
    CHECK(tsock_set_default_timeout(4711) == 0);
    CHECK(tsock_get_default_timeout() == 4711);
}

/* As with every function: whether it is there or not, its arguments are evaluated once. */
static void check_arguments(int fd)
{
    int first = fd, second = 30;
    tsock_set_timeout(first++, second++);
    CHECK(first == fd + 1 && second == 31);
    tsock_get_timeout(first--);
    CHECK(first == fd);
    tsock_set_default_timeout(second--);
    CHECK(second == 30);
}

int main(int argc, char **argv)
{
    int fds[2];
    CHECK(argc == 2 && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    if (strcmp(argv[1], "present"))
        check_absent(fds[0]);
    else
        check_present(fds[0]);
    check_arguments(fds[0]);
    return 0;
}
