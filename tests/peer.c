#include "peer.h"

#include <fcntl.h>

/* Kept is what can be reached from here. */
static struct kept {
    struct kept *next;
    max_align_t memory[];
} *kept;

void *keep(size_t size)
{
    struct kept *more = calloc(1, sizeof *more + size);
    ck_assert_ptr_nonnull(more);
    more->next = kept;
    kept = more;
    return more->memory;
}

struct act {
    void *(*act)(void *argument);
    void *argument;
    pid_t sleeper;
};

static void *act_after_sleep(void *argument)
{
    struct act *act = argument;
    await_sleep(act->sleeper);
    return act->act(act->argument);
}

pthread_t when_asleep(void *(*act)(void *argument), void *argument)
{
    struct act *a = keep(sizeof *a);
    *a = (struct act){act, argument, gettid()};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, act_after_sleep, a), 0);
    return thread;
}

struct intake intake_of(int fd, size_t want)
{
    return (struct intake){fd, want, keep(want), 0};
}

void *take_in(void *intake)
{
    struct intake *in = intake;
    for (ssize_t n = 1; n > 0 && in->got < in->want; in->got += n > 0 ? (size_t)n : 0)
        n = plain_read(in->fd, in->data + in->got, in->want - in->got);
    return NULL;
}

void ck_receives(int fd, const char *expected, size_t len)
{
    struct intake in = intake_of(fd, len + 1);
    take_in(&in);
    ck_assert_uint_eq(in.got, len);
    ck_assert(!memcmp(in.data, expected, len));
}

char *pattern(size_t len)
{
    char *bytes = keep(len);
    uint32_t state = 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (char)(state >> 24);
    }
    return bytes;
}

struct pair pipe_pair(void)
{
    int fds[2];
    ck_ok(pipe(fds));
    return (struct pair){fds[0], fds[1]};
}

struct pair pipe_of(const char *data, size_t len)
{
    struct pair p = pipe_pair();
    ck_ok(fcntl(p.there, F_SETPIPE_SZ, 1 << 20));
    if (len)
        ck_assert_int_eq(plain_write(p.there, data, len), (ssize_t)len);
    return p;
}

struct pair filled(struct pair pair)
{
    fill(pair.here);
    return pair;
}

struct pair little_room(struct pair pair)
{
    int size = 65536;
    ck_ok(setsockopt(pair.here, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    return pair;
}
