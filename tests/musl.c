/* A client of tests/musl.sh: makes the call that its argument names on a silent peer.  Ends
 * with 0 if that fails with ETIMEDOUT no sooner than 100 ms, with 1 if it ends otherwise;
 * without any limit an alarm ends it after a second. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char room[1 << 16];
static struct iovec iov = {room, sizeof room};
static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
static struct mmsghdr msgs = {{.msg_iov = &iov, .msg_iovlen = 1}, 0};
static int peer;

static void check(int good)
{
    if (good)
        return;
    perror("musl");
    exit(2);
}

static int listener(int backlog)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(fd >= 0 && !bind(fd, (struct sockaddr *)&name, sizeof name) && !listen(fd, backlog));
    return fd;
}

static int connect_to(int to, int type)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, type, 0);
    check(!getsockname(to, (struct sockaddr *)&name, &len));
    return connect(fd, (struct sockaddr *)&name, len) && errno != EINPROGRESS ? -1 : fd;
}

static int silent(void)
{
    int to = listener(1), fd = connect_to(to, SOCK_STREAM);
    check(fd >= 0 && (peer = accept(to, NULL, NULL)) >= 0);
    return fd;
}

static int full(void)
{
    int fd = silent();
    while (send(fd, room, sizeof room, MSG_DONTWAIT) > 0) {}
    return fd;
}

static long by_read(void) { return read(silent(), room, 1); }
static long by_readv(void) { return readv(silent(), &iov, 1); }
static long by_recv(void) { return recv(silent(), room, 1, 0); }
static long by_recv_all(void)
{
    int fd = silent();
    check(write(peer, "ab", 2) == 2);
    return recv(fd, room, 4, MSG_WAITALL) == 2 ? read(fd, room, 1) : 0;
}
static long by_recvfrom(void) { return recvfrom(silent(), room, 1, 0, NULL, NULL); }
static long by_recvmsg(void) { return recvmsg(silent(), &msg, 0); }
static long by_recvmmsg(void) { return recvmmsg(silent(), &msgs, 1, 0, NULL); }
static long by_write(void) { return write(full(), room, sizeof room); }
static long by_writev(void) { return writev(full(), &iov, 1); }
static long by_send(void) { return send(full(), room, 1, 0); }
static long by_sendto(void) { return sendto(full(), room, 1, 0, NULL, 0); }
static long by_sendmsg(void) { return sendmsg(full(), &msg, 0); }
static long by_sendmmsg(void) { return sendmmsg(full(), &msgs, 1, 0); }
static long by_sendfile(void) { return sendfile(full(), open("/proc/self/exe", O_RDONLY), NULL, sizeof room); }
static long by_splice(void)
{
    int fds[2];
    check(!pipe(fds) && write(fds[1], room, 4096) == 4096);
    return splice(fds[0], NULL, full(), NULL, 4096, 0);
}
static long by_accept(void) { return accept(listener(1), NULL, NULL); }
static long by_accept4(void) { return accept4(listener(1), NULL, NULL, SOCK_CLOEXEC); }
static long by_connect(void)
{
    int to = listener(0);
    for (int i = 0; i < 4; i++)
        connect_to(to, SOCK_STREAM | SOCK_NONBLOCK);
    return connect_to(to, SOCK_STREAM);
}

/* After an event wait the connection is to be ready, and its next call to fail. */
static long by_poll(void)
{
    struct pollfd p = {silent(), POLLIN, 0};
    return poll(&p, 1, -1) == 1 ? recv(p.fd, room, 1, MSG_DONTWAIT) : 0;
}
static long by_ppoll(void)
{
    struct pollfd p = {silent(), POLLIN, 0};
    return ppoll(&p, 1, NULL, NULL) == 1 ? recv(p.fd, room, 1, MSG_DONTWAIT) : 0;
}
static long by_select(void)
{
    fd_set in = {0};
    int fd = silent();
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, NULL) == 1 ? recv(fd, room, 1, MSG_DONTWAIT) : 0;
}
static long by_pselect(void)
{
    fd_set in = {0};
    int fd = silent();
    FD_SET(fd, &in);
    return pselect(fd + 1, &in, NULL, NULL, NULL, NULL) == 1 ? recv(fd, room, 1, MSG_DONTWAIT) : 0;
}
static long by_epoll(void)
{
    int fd = silent(), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    check(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    return epoll_wait(epoll, &event, 1, -1) == 1 ? recv(fd, room, 1, MSG_DONTWAIT) : 0;
}
static long by_nonblock(void)
{
    int fd = silent(), on = 1, off = 0;
    check(!ioctl(fd, FIONBIO, &on) && read(fd, room, 1) == -1 && errno == EAGAIN);
    check(!ioctl(fd, FIONBIO, &off) && !fcntl(fd, F_SETFL, 0));
    return read(dup(fd), room, 1);
}

/* A cancelled accept puts the listener's own timer back: then, none. */
static int shared;
static void *accept_in_thread(void *unused)
{
    accept(shared, NULL, NULL);
    return unused;
}
static long by_cancelled_accept(void)
{
    pthread_t thread;
    void *end;
    struct timeval t = {1, 1};
    socklen_t len = sizeof t;
    shared = listener(1);
    check(!pthread_create(&thread, NULL, accept_in_thread, NULL) && !usleep(50000));
    check(!pthread_cancel(thread) && !pthread_join(thread, &end) && end == PTHREAD_CANCELED);
    check(!getsockopt(shared, SOL_SOCKET, SO_RCVTIMEO, &t, &len) && !t.tv_sec && !t.tv_usec);
    return accept(shared, NULL, NULL);
}

static const struct { const char *name; long (*make)(void); } calls[] = {
    {"read", by_read}, {"readv", by_readv}, {"recv", by_recv}, {"recv_all", by_recv_all},
    {"recvfrom", by_recvfrom}, {"recvmsg", by_recvmsg}, {"recvmmsg", by_recvmmsg}, {"write", by_write},
    {"writev", by_writev}, {"send", by_send}, {"sendto", by_sendto}, {"sendmsg", by_sendmsg},
    {"sendmmsg", by_sendmmsg}, {"sendfile", by_sendfile}, {"splice", by_splice}, {"accept", by_accept},
    {"accept4", by_accept4}, {"connect", by_connect}, {"poll", by_poll}, {"ppoll", by_ppoll},
    {"select", by_select}, {"pselect", by_pselect}, {"epoll", by_epoll}, {"nonblock", by_nonblock},
    {"cancelled_accept", by_cancelled_accept},
};

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (argc < 2) {
            puts(calls[i].name);
        } else if (!strcmp(argv[1], calls[i].name)) {
            long long began = now_ms();
            alarm(1);
            return !(calls[i].make() == -1 && errno == ETIMEDOUT && now_ms() - began >= 99);
        }
    }
    return argc < 2 ? 0 : 2;
}
