#include "opening.h"

/* glibc declares socket addresses as a transparent union, in which a plain pointer fits. */
#pragma GCC diagnostic ignored "-Wpedantic"

enum { AT_ONCE = 20 };

struct opening {
    int listener;
    struct sockaddr_storage name;
    socklen_t length;
    int fds[AT_ONCE], peers[AT_ONCE];
};

/* The side that is not timed closes first, and by a reset: no port stays in TIME_WAIT. */
static void reset(int fd)
{
    struct linger linger = {.l_onoff = 1};
    need(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) && !calls[PLAIN].close(fd), "reset");
}

static void connect_all(const struct calls *by, struct opening *o, int *fds)
{
    for (int i = 0; i < AT_ONCE; i++) {
        fds[i] = by->socket(o->name.ss_family, SOCK_STREAM, 0);
        need(!by->connect(fds[i], (struct sockaddr *)&o->name, o->length), "connect");
    }
}

static void accept_all(const struct calls *by, struct opening *o, int *fds)
{
    for (int i = 0; i < AT_ONCE; i++)
        need((fds[i] = by->accept(o->listener, NULL, NULL)) >= 0, "accept");
}

typedef void open_all(const struct calls *by, struct opening *o, int *fds);

static int64_t time_open(open_all *open, const struct calls *by, struct opening *o)
{
    int64_t began = now();
    open(by, o, o->fds);
    return now() - began;
}

static int64_t time_close(const struct calls *by, struct opening *o)
{
    for (int i = 0; i < AT_ONCE; i++)
        reset(o->peers[i]);
    int64_t began = now();
    for (int i = 0; i < AT_ONCE; i++)
        need(!by->close(o->fds[i]), "close");
    return now() - began;
}

double time_connects(const struct calls *by, void *work)
{
    struct opening *o = work;
    int64_t took = time_open(connect_all, by, o);
    accept_all(&calls[PLAIN], o, o->peers);
    return (double)(took + time_close(by, o)) / AT_ONCE;
}

double time_accepts(const struct calls *by, void *work)
{
    struct opening *o = work;
    connect_all(&calls[PLAIN], o, o->peers);
    int64_t took = time_open(accept_all, by, o);
    return (double)(took + time_close(by, o)) / AT_ONCE;
}

void at_listener(timing *batch, int size, int pairs)
{
    struct opening o;
    need(size == 1, "one connection a call");
    o.listener = listen_at(AF_INET, &o.name, &o.length);
    measure(batch, &o, pairs);
}
