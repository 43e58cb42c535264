/* Single calls: what must come comes, and what does not come times out. */
#include <sys/uio.h>

#include "storm.h"

enum { SHORTEST = 5, LONGEST = 60 };

static int any_limit(struct worker *w)
{
    return (int)(SHORTEST + chance(w, LONGEST - SHORTEST));
}

static ssize_t receive(unsigned how, int fd, char *bytes, size_t len)
{
    struct iovec iov = {bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    switch (how % 6) {
    case 0: return recv(fd, bytes, len, 0);
    case 1: return read(fd, bytes, len);
    case 2: return readv(fd, &iov, 1);
    case 3: return recvmsg(fd, &msg, 0);
    case 4: return recvfrom(fd, bytes, len, 0, NULL, NULL);
    default: return recv(fd, bytes, len, MSG_WAITALL);
    }
}

static ssize_t receive_whatever(const struct worker *w, unsigned how, int fd, char *bytes, size_t len)
{
    ssize_t n;
    do n = receive(how, fd, bytes, len);
    while (n < 0 && interrupted(w));
    return n;
}

static void read_what_is_there(struct worker *w)
{
    struct link *l = any_link(w);
    size_t len = 1 + chance(w, 4096);
    char bytes[4096];
    tsock_set_timeout(l->here, any_limit(w) + 1000);
    put(w, l->there, &l->in, len);
    ssize_t n = receive_whatever(w, chance(w, 6), l->here, bytes, len);
    if (n <= 0)
        wrong(w, "%zd, %s", n, strerror(errno));
    else
        took(w, &l->in, bytes, (size_t)n);
    drain(w, l->here, &l->in);
}

/* An interrupted call that is made again has what is left of its time. */
static void expect_timeout(struct worker *w, int fd, int ms)
{
    char byte;
    unsigned how = chance(w, 6);
    int64_t began = now_ns();
    ssize_t n = receive_whatever(w, how, fd, &byte, 1);
    if (n != -1 || errno != ETIMEDOUT)
        wrong(w, "%zd, %s, not a timeout", n, strerror(errno));
    else
        expect_at(w, began, ms);
}

static void read_from_silence(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = any_limit(w);
    tsock_set_timeout(l->here, ms);
    expect_timeout(w, l->here, ms);
}

static void read_from_silence_by_phase(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = any_limit(w);
    tsock_set_timeout(l->here, 10 * LONGEST);
    tsock_set_phase_timeout(l->here, TSOCK_READ, ms);
    expect_timeout(w, l->here, ms);
}

/* The deadline of a scope stays where it is, whatever interrupts. */
static void read_from_silence_in_scope(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = any_limit(w);
    tsock_scope_t scope;
    tsock_set_timeout(l->here, TSOCK_NONE);
    int64_t began = now_ns();
    tsock_scope_begin(&scope, ms);
    char byte;
    ssize_t n = receive_whatever(w, chance(w, 6), l->here, &byte, 1);
    if (n != -1 || errno != ETIMEDOUT || tsock_scope_expired(&scope) != 1)
        wrong(w, "%zd, %s, not the scope's deadline", n, strerror(errno));
    else
        expect_at(w, began, ms);
    tsock_scope_end(&scope);
}

static void read_what_comes_later(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = any_limit(w);
    tsock_set_timeout(l->here, ms + 5000);
    unsigned how = chance(w, 6);
    post(w, l->there, &l->in, ms);
    int64_t began = now_ns();
    char byte;
    ssize_t n = receive_whatever(w, how, l->here, &byte, 1);
    if (n == 1)
        took(w, &l->in, &byte, 1);
    else
        wrong(w, "%zd after %lld ms, %s", n, (long long)(now_ns() - began) / 1000000, strerror(errno));
    await_post(w);
    drain(w, l->here, &l->in);
}

/* Into a peer that does not read: what was moved is what the calls say.  A signal or the
 * limit may end a call that has moved something, and the next one has the whole limit. */
static void write_until_it_times_out(struct worker *w)
{
    static char zeros[1 << 22];     /* stands for what must not fit */
    int ms = any_limit(w);
    struct link other;
    link_open(w, &other);
    tsock_set_timeout(other.here, ms);
    int64_t began = now_ns();
    size_t sent = 0;
    ssize_t n;
    while ((n = send(other.here, zeros, sizeof zeros, MSG_NOSIGNAL)) > 0 || interrupted(w)) {
        sent += n > 0 ? (size_t)n : 0;
        began = n > 0 ? now_ns() : began;
    }
    if (errno != ETIMEDOUT)
        wrong(w, "%zd, %s, not a timeout", n, strerror(errno));
    else
        expect_at(w, began, ms);
    shutdown(other.here, SHUT_WR);
    char bytes[65536];
    size_t came = 0;
    while ((n = plain_read(other.there, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR))
        came += n > 0 ? (size_t)n : 0;
    if (came != sent)
        wrong(w, "%zu bytes came, send said %zu", came, sent);
    link_close(&other);
}

static void write_and_read(struct worker *w)
{
    struct link *l = any_link(w);
    size_t len = 1 + chance(w, 2048), done = 0;
    char bytes[2048];
    tsock_set_timeout(l->here, 5000);
    make_bytes(&l->out, bytes, len);
    while (done < len) {
        ssize_t n = chance(w, 2) ? send(l->here, bytes + done, len - done, 0) : write(l->here, bytes + done, len - done);
        if (n < 0 && !interrupted(w)) {
            wrong(w, "%s", strerror(errno));
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    l->out.written += done;
    drain(w, l->there, &l->out);
}

const struct operation calls[] = {
    {"read what is there", 30, read_what_is_there},
    {"read from silence", 20, read_from_silence},
    {"read from silence, by phase", 10, read_from_silence_by_phase},
    {"read from silence, in a scope", 10, read_from_silence_in_scope},
    {"read what comes later", 20, read_what_comes_later},
    {"write until it times out", 5, write_until_it_times_out},
    {"write and read", 30, write_and_read},
    {0},
};
