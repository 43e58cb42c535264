/* Times single calls, plain and as a preloaded library has them (measure.h).
 *
 * usage: calls WORK SIZE PAIRS, where the size is that of a call in bytes, or of a poll in
 * descriptors; prints nanoseconds a call: plain, given. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "measure.h"
#include "opening.h"
#include "polling.h"

/* Both ends on one processor, so that every read waits. */
static void answer(int fd, int rounds)
{
    char byte;
    for (int number = 0;; number++)
        for (int i = 0; i < rounds; i++) {
            const struct calls *by = &calls[way_of(number)];
            if (by->recv(fd, &byte, 1, 0) != 1)
                _exit(EXIT_SUCCESS);
            need(by->send(fd, &byte, 1, 0) == 1, "send");
        }
}

struct conversation {
    int fd, rounds;
};

static double converse(const struct calls *by, void *work)
{
    struct conversation *c = work;
    char byte = 'x';
    int64_t began = now();
    for (int i = 0; i < c->rounds; i++)
        need(by->send(c->fd, &byte, 1, 0) == 1 && by->recv(c->fd, &byte, 1, 0) == 1, "conversation");
    return (double)(now() - began) / c->rounds;
}

static void converse_over(int domain, timing *batch, int pairs)
{
    struct ends ends = connect_ends(domain);
    struct conversation c = {ends.here, 50};
    stay_on_one_processor();
    pid_t child = fork();
    need(child >= 0, "fork");
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends.here);
        answer(ends.there, c.rounds);
    }
    measure(batch, &c, pairs);
    kill(child, SIGKILL);
}

static void converse_on_tcp(timing *batch, int size, int pairs)
{
    need(size == 1, "a conversation is of single bytes");
    converse_over(AF_INET, batch, pairs);
}

static void converse_on_unix(timing *batch, int size, int pairs)
{
    need(size == 1, "a conversation is of single bytes");
    converse_over(AF_UNIX, batch, pairs);
}

/* Calls that need not wait: `count` of `size` bytes each. */
struct transfer {
    int from, to;
    size_t size;
    int count;
    char *bytes;
};

static void move_all(int fd, ssize_t (*call)(int, void *, size_t), struct transfer *t)
{
    size_t total = t->size * (size_t)t->count;
    while (total) {
        ssize_t n = call(fd, t->bytes, total);
        need(n > 0, "what is not timed");
        total -= (size_t)n;
    }
}

static ssize_t plain_write(int fd, void *bytes, size_t size)
{
    return calls[PLAIN].write(fd, bytes, size);
}

static ssize_t plain_read(int fd, void *bytes, size_t size)
{
    return calls[PLAIN].read(fd, bytes, size);
}

#define TIME(t, call)                                                    \
    do {                                                                 \
        int64_t began = now();                                           \
        for (int i = 0; i < (t)->count; i++)                             \
            need((call) == (ssize_t)(t)->size, "a call that is timed");  \
        took = (double)(now() - began) / (t)->count;                     \
    } while (0)

#define RECEIVING(name, call)                                            \
    static double name(const struct calls *by, void *work)               \
    {                                                                    \
        struct transfer *t = work;                                       \
        double took;                                                     \
        move_all(t->to, plain_write, t);                                 \
        TIME(t, call);                                                   \
        return took;                                                     \
    }

#define SENDING(name, call)                                              \
    static double name(const struct calls *by, void *work)               \
    {                                                                    \
        struct transfer *t = work;                                       \
        double took;                                                     \
        TIME(t, call);                                                   \
        move_all(t->from, plain_read, t);                                \
        return took;                                                     \
    }

RECEIVING(time_read, by->read(t->from, t->bytes, t->size))
RECEIVING(time_recv, by->recv(t->from, t->bytes, t->size, 0))
SENDING(time_write, by->write(t->to, t->bytes, t->size))
SENDING(time_send, by->send(t->to, t->bytes, t->size, 0))

static double time_file_read(const struct calls *by, void *work)
{
    struct transfer *t = work;
    double took;
    need(!lseek(t->from, 0, SEEK_SET), "lseek");
    TIME(t, by->read(t->from, t->bytes, t->size));
    return took;
}

static double time_file_write(const struct calls *by, void *work)
{
    struct transfer *t = work;
    double took;
    need(!lseek(t->to, 0, SEEK_SET), "lseek");
    TIME(t, by->write(t->to, t->bytes, t->size));
    return took;
}

static struct transfer transfer_of(int size)
{
    enum { MOST = 128 };
    int count = size < 65536 ? 65536 / size : 1;
    struct transfer t = {.size = (size_t)size, .count = count < MOST ? count : MOST};
    need((t.bytes = calloc((size_t)t.count, t.size)) != NULL, "memory");
    return t;
}

static void time_transfer(timing *batch, int from, int to, int size, int pairs)
{
    struct transfer t = transfer_of(size);
    t.from = from;
    t.to = to;
    measure(batch, &t, pairs);
    free(t.bytes);
}

static void on_tcp(timing *batch, int size, int pairs)
{
    struct ends ends = connect_ends(AF_INET);
    time_transfer(batch, ends.here, ends.there, size, pairs);
}

static void on_pipe(timing *batch, int size, int pairs)
{
    int ends[2];
    need(!pipe(ends), "pipe");
    fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
    time_transfer(batch, ends[0], ends[1], size, pairs);
}

static void on_file(timing *batch, int size, int pairs)
{
    char name[] = "/tmp/calls-XXXXXX";
    int fd = mkstemp(name);
    need(fd >= 0 && !unlink(name) && !ftruncate(fd, 1 << 20), "file");
    time_transfer(batch, fd, fd, size, pairs);
}

static const struct work {
    const char *name;
    void (*on)(timing *batch, int size, int pairs);
    timing *batch;
} works[] = {
    {"tcp-read", on_tcp, time_read},
    {"tcp-recv", on_tcp, time_recv},
    {"tcp-write", on_tcp, time_write},
    {"tcp-send", on_tcp, time_send},
    {"pipe-read", on_pipe, time_read},
    {"pipe-write", on_pipe, time_write},
    {"file-read", on_file, time_file_read},
    {"file-write", on_file, time_file_write},
    {"tcp-conversation", converse_on_tcp, converse},
    {"unix-conversation", converse_on_unix, converse},
    {"connect", at_listener, time_connects},
    {"accept", at_listener, time_accepts},
    {"poll-silent", on_silent, time_poll},
    {"poll-ready", on_ready, time_poll},
};

int main(int argc, char **argv)
{
    need(argc == 4, "usage: calls WORK SIZE PAIRS");
    find_calls();
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (!strcmp(works[i].name, argv[1])) {
            works[i].on(works[i].batch, atoi(argv[2]), atoi(argv[3]));
            return EXIT_SUCCESS;
        }
    fprintf(stderr, "calls: no work is called %s\n", argv[1]);
    return EXIT_FAILURE;
}
