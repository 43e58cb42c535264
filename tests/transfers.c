#include "transfers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

/* The bytes in pieces, the first of which may be empty. */
static struct iovec *pieces(struct iovec iov[3], char *buf, size_t len)
{
    size_t first = len / 3, second = len / 2;
    iov[0] = (struct iovec){buf, first};
    iov[1] = (struct iovec){buf + first, second};
    iov[2] = (struct iovec){buf + first + second, len - first - second};
    return iov;
}

/* The bytes in two messages, or in one if there is but one byte. */
struct messages {
    struct mmsghdr two[2];
    struct iovec iov[6];
    unsigned count;
};

static void split(struct messages *m, char *buf, size_t len)
{
    size_t half = len - len / 2;
    m->count = len > 1 ? 2 : 1;
    m->two[0] = (struct mmsghdr){{.msg_iov = pieces(m->iov, buf, half), .msg_iovlen = 3}, 0};
    m->two[1] = (struct mmsghdr){{.msg_iov = pieces(m->iov + 3, buf + half, len - half), .msg_iovlen = 3}, 0};
}

static ssize_t total(const struct messages *m, int count)
{
    ssize_t sum = count < 0 ? -1 : 0;
    for (int i = 0; i < count; i++)
        sum += (ssize_t)m->two[i].msg_len;
    return sum;
}

static ssize_t wrong(void)
{
    errno = EPROTO;
    return -1;
}

static ssize_t by_write(int fd, char *buf, size_t len)
{
    return write(fd, buf, len);
}

static ssize_t by_writev(int fd, char *buf, size_t len)
{
    struct iovec iov[3];
    return writev(fd, pieces(iov, buf, len), 3);
}

static ssize_t by_pwritev2(int fd, char *buf, size_t len)
{
    struct iovec iov[3];
    return pwritev2(fd, pieces(iov, buf, len), 3, -1, 0);
}

static ssize_t by_send(int fd, char *buf, size_t len)
{
    return send(fd, buf, len, MSG_NOSIGNAL);
}

static ssize_t by_sendto(int fd, char *buf, size_t len)
{
    return sendto(fd, buf, len, MSG_NOSIGNAL, NULL, 0);
}

static ssize_t by_sendmsg(int fd, char *buf, size_t len)
{
    struct iovec iov[3];
    return sendmsg(fd, &(struct msghdr){.msg_iov = pieces(iov, buf, len), .msg_iovlen = 3}, MSG_NOSIGNAL);
}

static ssize_t by_sendmmsg(int fd, char *buf, size_t len)
{
    struct messages m;
    split(&m, buf, len);
    return total(&m, sendmmsg(fd, m.two, m.count, MSG_NOSIGNAL));
}

/* The kernel sends the file's own pages, and does so after the call, too: what is under way
 * must not be overwritten. */
static ssize_t by_sendfile(int fd, char *buf, size_t len)
{
    enum { ROUND = 1 << 25 };
    static _Thread_local int file = -1;
    static _Thread_local off_t place;
    if (file < 0)
        file = memfd_create("transfers", MFD_CLOEXEC);
    if (pwrite(file, buf, len, place) != (ssize_t)len)
        return wrong();
    off_t at = place;
    ssize_t n = sendfile(fd, file, &at, len);
    if (at - place != (n < 0 ? 0 : n))
        return wrong();
    place = (place + (off_t)len) % ROUND;
    return n;
}

static _Thread_local int through[2];

static int pipe_end(int which)
{
    if (!through[0] && pipe2(through, O_CLOEXEC) < 0)
        return -1;
    return through[which];
}

/* What did not go on is taken out of the pipe again. */
static ssize_t by_splice(int fd, char *buf, size_t len)
{
    enum { FITS = 4096 };
    ssize_t in = write(pipe_end(1), buf, len < FITS ? len : FITS);
    ssize_t n = in < 0 ? in : splice(pipe_end(0), NULL, fd, NULL, (size_t)in, 0);
    int error = errno;
    ssize_t left = in - (n < 0 ? 0 : n);
    if (left && read(pipe_end(0), buf, FITS) != left)
        return wrong();
    errno = error;
    return n;
}

static ssize_t by_read(int fd, char *buf, size_t len)
{
    return read(fd, buf, len);
}

static ssize_t by_readv(int fd, char *buf, size_t len)
{
    struct iovec iov[3];
    return readv(fd, pieces(iov, buf, len), 3);
}

static ssize_t by_preadv2(int fd, char *buf, size_t len)
{
    struct iovec iov[3];
    return preadv2(fd, pieces(iov, buf, len), 3, -1, 0);
}

static ssize_t by_splice_in(int fd, char *buf, size_t len)
{
    ssize_t n = splice(fd, NULL, pipe_end(1), NULL, len, 0);
    return n > 0 && read(pipe_end(0), buf, (size_t)n) != n ? wrong() : n;
}

static ssize_t by_recv(int fd, char *buf, size_t len)
{
    return recv(fd, buf, len, 0);
}

static ssize_t by_recv_waitall(int fd, char *buf, size_t len)
{
    return recv(fd, buf, len, MSG_WAITALL);
}

static ssize_t by_recv_peek(int fd, char *buf, size_t len)
{
    ssize_t n = recv(fd, buf, len, MSG_PEEK);
    return n > 0 ? recv(fd, buf, (size_t)n, 0) : n;
}

static ssize_t by_recvfrom(int fd, char *buf, size_t len)
{
    return recvfrom(fd, buf, len, 0, NULL, NULL);
}

static ssize_t receive_message(int fd, char *buf, size_t len, int flags)
{
    struct iovec iov[3];
    return recvmsg(fd, &(struct msghdr){.msg_iov = pieces(iov, buf, len), .msg_iovlen = 3}, flags);
}

static ssize_t by_recvmsg(int fd, char *buf, size_t len)
{
    return receive_message(fd, buf, len, 0);
}

static ssize_t by_recvmsg_waitall(int fd, char *buf, size_t len)
{
    return receive_message(fd, buf, len, MSG_WAITALL);
}

/* The first message may be short although something came for the second. */
static ssize_t receive_messages(int fd, char *buf, size_t len, int flags)
{
    struct messages m;
    split(&m, buf, len);
    int n = recvmmsg(fd, m.two, m.count, flags, NULL);
    if (n == 2)
        memmove(buf + m.two[0].msg_len, m.iov[3].iov_base, m.two[1].msg_len);
    return total(&m, n);
}

static ssize_t by_recvmmsg(int fd, char *buf, size_t len)
{
    return receive_messages(fd, buf, len, 0);
}

static ssize_t by_recvmmsg_waitall(int fd, char *buf, size_t len)
{
    return receive_messages(fd, buf, len, MSG_WAITALL);
}

const struct transfer outgoing[] = {
    {"write", by_write, false, false}, {"writev", by_writev, false, false}, {"pwritev2", by_pwritev2, false, false},
    {"splice", by_splice, false, true}, {"sendfile", by_sendfile, true, false}, {"send", by_send, true, false},
    {"sendto", by_sendto, true, false}, {"sendmsg", by_sendmsg, true, false}, {"sendmmsg", by_sendmmsg, true, false},
};
const size_t outgoing_count = sizeof outgoing / sizeof *outgoing;

const struct transfer incoming[] = {
    {"read", by_read, false, true}, {"readv", by_readv, false, true}, {"preadv2", by_preadv2, false, true},
    {"splice", by_splice_in, false, true}, {"recv", by_recv, true, true},
    {"recv MSG_WAITALL", by_recv_waitall, true, false}, {"recv MSG_PEEK", by_recv_peek, true, true},
    {"recvfrom", by_recvfrom, true, true}, {"recvmsg", by_recvmsg, true, true},
    {"recvmsg MSG_WAITALL", by_recvmsg_waitall, true, false}, {"recvmmsg", by_recvmmsg, true, true},
    {"recvmmsg MSG_WAITALL", by_recvmmsg_waitall, true, false},
};
const size_t incoming_count = sizeof incoming / sizeof *incoming;
