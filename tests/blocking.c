#include "blocking.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "suites.h"

#define ROOM 65536

static char room[ROOM];
static struct iovec two_halves[] = {{room, ROOM / 2}, {room + ROOM / 2, ROOM / 2}};
static struct msghdr message = {.msg_iov = two_halves, .msg_iovlen = 2};

/* What is spliced comes from here, or goes there; and a file of zeros. */
static int pipe_end[2] = {-1, -1}, file = -1;
#define IN_PIPE 1000

static void prepare(void)
{
    if (file >= 0)
        return;
    ck_ok(file = memfd_create("file", MFD_CLOEXEC));
    ck_ok(ftruncate(file, ROOM));
    ck_ok(pipe2(pipe_end, O_CLOEXEC));
    ck_assert_int_eq(write(pipe_end[1], room, IN_PIPE), IN_PIPE);
}

static int open_silent(void)
{
    return tcp_pair().here;
}

static int open_full(void)
{
    return full_pair().here;
}

static int open_listener(void)
{
    return tcp_listener(1);
}

static struct sockaddr_storage full_name;
static socklen_t full_name_len;

static int open_unconnected(void)
{
    full_name = name_of(full_listener(), &full_name_len);
    return socket(AF_INET, SOCK_STREAM, 0);
}

static long long call_read(int fd) { return read(fd, room, 1); }
static long long call_readv(int fd) { return readv(fd, two_halves, 2); }
static long long call_preadv2(int fd) { return preadv2(fd, two_halves, 2, -1, 0); }
static long long call_recv(int fd) { return recv(fd, room, 1, 0); }
static long long call_recv_waitall(int fd) { return recv(fd, room, ROOM, MSG_WAITALL); }
static long long call_recv_peek(int fd) { return recv(fd, room, ROOM, MSG_PEEK); }
static long long call_recv_peek_waitall(int fd) { return recv(fd, room, ROOM, MSG_PEEK | MSG_WAITALL); }
static long long call_recvfrom(int fd) { return recvfrom(fd, room, 1, 0, NULL, NULL); }
static long long call_recvmsg(int fd) { return recvmsg(fd, &message, 0); }

static long long call_recvmmsg(int fd)
{
    struct mmsghdr two[] = {{message, 0}, {message, 0}};
    return recvmmsg(fd, two, 2, 0, NULL);
}

static long long call_splice_in(int fd)
{
    return splice(fd, NULL, pipe_end[1], NULL, 1, 0);
}

static long long call_write(int fd) { return write(fd, room, ROOM); }
static long long call_writev(int fd) { return writev(fd, two_halves, 2); }
static long long call_pwritev2(int fd) { return pwritev2(fd, two_halves, 2, -1, 0); }
static long long call_send(int fd) { return send(fd, room, ROOM, 0); }
static long long call_send_oob(int fd) { return send(fd, room, ROOM, MSG_OOB); }
static long long call_sendto(int fd) { return sendto(fd, room, ROOM, 0, NULL, 0); }
static long long call_sendmsg(int fd) { return sendmsg(fd, &message, 0); }

static long long call_sendmmsg(int fd)
{
    struct mmsghdr two[] = {{message, 0}, {message, 0}};
    return sendmmsg(fd, two, 2, 0);
}

static long long call_sendfile(int fd)
{
    off_t at = 0;
    return sendfile(fd, file, &at, ROOM);
}

static long long call_splice_out(int fd)
{
    return splice(pipe_end[0], NULL, fd, NULL, IN_PIPE, 0);
}

static long long call_connect(int fd) { return connect(fd, (struct sockaddr *)&full_name, full_name_len); }
static long long call_accept(int fd) { return accept(fd, NULL, NULL); }
static long long call_accept4(int fd) { return accept4(fd, NULL, NULL, SOCK_CLOEXEC); }

#define RECEIVES(call) #call, open_silent, call_##call, SO_RCVTIMEO, EAGAIN
#define SENDS(call) #call, open_full, call_##call, SO_SNDTIMEO, EAGAIN
#define ACCEPTS(call) #call, open_listener, call_##call, SO_RCVTIMEO, EAGAIN

static const struct blocking all[] = {
    {RECEIVES(read)}, {RECEIVES(readv)}, {RECEIVES(preadv2)},
    {RECEIVES(recv)}, {RECEIVES(recv_waitall)}, {RECEIVES(recv_peek)}, {RECEIVES(recv_peek_waitall)},
    {RECEIVES(recvfrom)}, {RECEIVES(recvmsg)}, {RECEIVES(recvmmsg)}, {RECEIVES(splice_in)},
    {SENDS(write)}, {SENDS(writev)}, {SENDS(pwritev2)}, {SENDS(send)}, {SENDS(send_oob)}, {SENDS(sendto)},
    {SENDS(sendmsg)}, {SENDS(sendmmsg)}, {SENDS(sendfile)}, {SENDS(splice_out)},
    {"connect", open_unconnected, call_connect, SO_SNDTIMEO, EINPROGRESS},
    {ACCEPTS(accept)}, {ACCEPTS(accept4)},
};
enum { COUNT = sizeof all / sizeof *all };

const char *const *blocking_names(void)
{
    static const char *names[COUNT + 1];
    for (int i = 0; i < COUNT; i++)
        names[i] = all[i].name;
    return names;
}

const char *const *blocking_ways(void)
{
    static const char *const ways[] = {"recv", "recv_peek_waitall", "send", "sendfile", "connect", "accept", NULL};
    return ways;
}

const struct blocking *blocking_named(const char *name)
{
    prepare();
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(all[i].name, name))
            return &all[i];
    ck_abort_msg("no such call: %s", name);
}

const struct blocking *blocking_variant(void)
{
    return blocking_named(test_variant());
}
