/* What the kernel or libc refuses is refused in the same way, whether there are limits or not;
 * and the less usual names of a call do what the usual ones do. */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "suites.h"

static char bytes[16];
static struct iovec iov = {bytes, sizeof bytes};

START_TEST(what_makes_descriptors_is_refused_as_without)
{
    int two[2];
    volatile int none = 0, wrong = -1;
    ck_fails(EINVAL, socket(AF_INET, 99, 0));
    ck_fails(EAFNOSUPPORT, socket(-1, SOCK_STREAM, 0));
    ck_fails(EOPNOTSUPP, socketpair(AF_INET, SOCK_STREAM, 0, two));
    ck_fails(EINVAL, pipe2(two, wrong));
    ck_fails(EINVAL, epoll_create(none));
    ck_fails(EINVAL, epoll_create1(wrong));
    ck_fails(EBADF, dup(-1));
    ck_fails(EBADF, dup2(-1, 5));
    ck_fails(EBADF, dup3(-1, 5, 0));
    ck_fails(EBADF, fcntl(-1, F_DUPFD, 0));
    ck_fails(EBADF, accept(-1, NULL, NULL));
    ck_fails(EINVAL, accept(socket(AF_INET, SOCK_STREAM, 0), NULL, NULL));
}
END_TEST

START_TEST(what_changes_a_descriptor_is_refused_as_without)
{
    int fd = tcp_pair().here, on = 1;
    socklen_t len = sizeof on;
    ck_fails(EBADF, close(-1));
    ck_fails(EBADF, fcntl(-1, F_SETFL, O_NONBLOCK));
    ck_fails(EBADF, ioctl(-1, FIONBIO, &on));
    ck_fails(ENOTTY, ioctl(fd, TCGETS, bytes));
    ck_fails(EBADF, setsockopt(-1, SOL_SOCKET, SO_RCVLOWAT, &on, len));
    ck_fails(ENOPROTOOPT, setsockopt(fd, SOL_SOCKET, 9999, &on, len));
    ck_fails(EBADF, getsockopt(-1, SOL_SOCKET, SO_ERROR, &on, &len));
    ck_fails(ENOPROTOOPT, getsockopt(fd, SOL_SOCKET, 9999, &on, &len));
    ck_fails(EISCONN, connect(fd, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET}, sizeof(struct sockaddr_in)));
    ck_fails(EBADF, shutdown(-1, SHUT_RD));
}
END_TEST

/* A SO_ERROR of which the program takes only a part. */
START_TEST(an_error_is_asked_for_in_any_length)
{
    int fd = tcp_pair().here;
    char error[sizeof(int)] = {1, 1, 1, 1};
    socklen_t len = 2;
    ck_returns(0, getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &len));
    ck_assert_uint_eq(len, 2);
    ck_assert_mem_eq(error, ((char[]){0, 0, 1, 1}), sizeof error);
}
END_TEST

START_TEST(an_epoll_instance_is_refused_as_without)
{
    int fd = tcp_pair().here, epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    volatile int none = 0;
    ck_fails(EBADF, epoll_ctl(epoll, EPOLL_CTL_ADD, -1, &event));
    ck_fails(ENOENT, epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL));
    ck_fails(ENOENT, epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
    ck_returns(0, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    ck_fails(EEXIST, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    ck_fails(EINVAL, epoll_wait(epoll, &event, none, 0));
    ck_fails(EINVAL, epoll_pwait(epoll, &event, none, 0, NULL));
    ck_fails(EBADF, epoll_pwait(-1, &event, 1, 0, NULL));
    ck_fails(EINVAL, epoll_wait(fd, &event, 1, 0));
}
END_TEST

START_TEST(an_epoll_instance_of_any_making_waits_in_every_way)
{
    const int made[] = {epoll_create(1), epoll_create1(0)};
    for (int i = 0; i < 2; i++) {
        struct pair p = tcp_pair();
        struct epoll_event event = {.events = EPOLLIN, .data.fd = p.here};
        ck_returns(0, epoll_ctl(made[i], EPOLL_CTL_ADD, p.here, &event));
        ck_took_ms(20, ck_returns(0, epoll_pwait(made[i], &event, 1, 20, NULL)));
        ck_assert_int_eq(plain_write(p.there, "x", 1), 1);
        ck_returns(1, epoll_wait(made[i], &event, 1, -1));
        ck_returns(1, epoll_pwait(made[i], &event, 1, -1, NULL));
        ck_assert_int_eq(event.data.fd, p.here);
        ck_returns(0, epoll_ctl(made[i], EPOLL_CTL_DEL, p.here, NULL));
        ck_returns(0, epoll_pwait(made[i], &event, 1, 0, NULL));
    }
}
END_TEST

START_TEST(reads_and_writes_at_a_place_are_a_files)
{
    int fd = tcp_pair().here, file = memfd_create("file", MFD_CLOEXEC);
    ck_returns(sizeof bytes, pwritev64v2(file, &iov, 1, 4, 0));
    ck_returns(4, preadv64v2(file, &iov, 1, sizeof bytes, 0));
    ck_fails(ESPIPE, preadv64v2(fd, &iov, 1, 0, 0));
    ck_fails(ESPIPE, pwritev64v2(fd, &iov, 1, 0, 0));
    ck_fails(EOPNOTSUPP, preadv2(fd, &iov, 1, -1, 1 << 30));
    ck_fails(EOPNOTSUPP, pwritev2(fd, &iov, 1, -1, 1 << 30));
    ck_fails(EOPNOTSUPP, preadv64v2(fd, &iov, 1, -1, 1 << 30));
    ck_fails(EOPNOTSUPP, pwritev64v2(fd, &iov, 1, -1, 1 << 30));
}
END_TEST

/* Without a name to find there is nothing to wait for. */
START_TEST(a_look_up_of_half_an_address_is_answered_as_without)
{
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(80)};
    const struct sockaddr *address = (struct sockaddr *)&loopback;
    char service[8];
    ck_assert_int_eq(getnameinfo(address, sizeof loopback, NULL, 0, service, sizeof service, NI_NUMERICSERV), 0);
    ck_assert_str_eq(service, "80");
    ck_assert_int_eq(getnameinfo(NULL, 0, bytes, sizeof bytes, NULL, 0, 0), EAI_FAMILY);
    ck_assert_int_eq(getnameinfo(address, 1, bytes, sizeof bytes, NULL, 0, 0), EAI_FAMILY);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const TTest *const *all = TESTS(
        what_makes_descriptors_is_refused_as_without, what_changes_a_descriptor_is_refused_as_without,
        an_error_is_asked_for_in_any_length, an_epoll_instance_is_refused_as_without,
        an_epoll_instance_of_any_making_waits_in_every_way, reads_and_writes_at_a_place_are_a_files,
        a_look_up_of_half_an_address_is_answered_as_without);
    const struct suite suites[] = {
        {"refused, limits", SETTINGS("TIMEOUTSOCK_DEFAULT=20s", "TIMEOUTSOCK_KINDS=all"), all, NULL},
        {"refused, no limit", SETTINGS("TIMEOUTSOCK_DEFAULT=none"), all, NULL},
        {0}};
    return run_suites(argv, suites);
}
