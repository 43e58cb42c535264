#include "receives.h"

#include <sys/uio.h>

static ssize_t by_recv(int fd, char *buf, size_t len, int flags)
{
    return recv(fd, buf, len, flags);
}

static ssize_t by_recvfrom(int fd, char *buf, size_t len, int flags)
{
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    return recvfrom(fd, buf, len, flags, (struct sockaddr *)&from, &from_len);
}

static ssize_t receive_message(int fd, char *buf, size_t len, int flags, void *control, size_t control_len)
{
    struct iovec pieces[] = {{buf, len / 2}, {NULL, 0}, {buf + len / 2, len - len / 2}};
    struct msghdr msg = {.msg_iov = pieces, .msg_iovlen = 3, .msg_control = control, .msg_controllen = control_len};
    return recvmsg(fd, &msg, flags);
}

static ssize_t by_recvmsg(int fd, char *buf, size_t len, int flags)
{
    return receive_message(fd, buf, len, flags, NULL, 0);
}

static ssize_t by_recvmsg_with_control(int fd, char *buf, size_t len, int flags)
{
    char control[CMSG_SPACE(sizeof(int))];
    return receive_message(fd, buf, len, flags, control, sizeof control);
}

static ssize_t by_recvmmsg(int fd, char *buf, size_t len, int flags)
{
    struct iovec piece = {buf, len};
    struct mmsghdr one = {.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};
    int n = recvmmsg(fd, &one, 1, flags, NULL);
    return n == 1 ? (ssize_t)one.msg_len : n;
}

const struct receive receives[] = {
    {"recv", by_recv},
    {"recvfrom", by_recvfrom},
    {"recvmsg", by_recvmsg},
    {"recvmsg with control data", by_recvmsg_with_control},
    {"recvmmsg", by_recvmmsg},
    {NULL, NULL},
};

void put(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void ck_gets(const struct receive *by, int fd, size_t len, int flags, const char *expected)
{
    char got[64] = "";
    ck_assert_uint_lt(len, sizeof got);
    errno = 0;
    ssize_t n = by->call(fd, got, len, flags);
    ck_assert_msg(n == (ssize_t)strlen(expected) && !strcmp(got, expected), "%s: %zd, errno %d, \"%s\", not \"%s\"",
                  by->name, n, errno, got, expected);
}
