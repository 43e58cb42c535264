#include "polling.h"

#include <signal.h>
#include <stdlib.h>

struct polling {
    struct pollfd *fds;
    int count, ready, calls;
};

double time_poll(const struct calls *by, void *work)
{
    struct polling *p = work;
    int64_t began = now();
    for (int i = 0; i < p->calls; i++)
        need(by->poll(p->fds, (nfds_t)p->count, 0) == p->ready, "poll");
    return (double)(now() - began) / p->calls;
}

static void connect_many(struct polling *p, const struct sockaddr_storage *name, socklen_t length)
{
    for (int i = 0; i < p->count; i++) {
        int fd = socket(name->ss_family, SOCK_STREAM, 0);
        need(!connect(fd, (const struct sockaddr *)name, length), "connect");
        p->fds[i] = (struct pollfd){fd, POLLIN, 0};
    }
}

static void on_connections(struct polling p, timing *batch, int pairs)
{
    struct sockaddr_storage name;
    socklen_t length;
    allow_files(p.count + 64);
    need((p.fds = calloc((size_t)p.count, sizeof *p.fds)) != NULL, "memory");
    int listener = listen_at(AF_INET, &name, &length);
    pid_t child = accept_many(&listener, p.count, p.count, p.ready);
    connect_many(&p, &name, length);
    if (p.ready)
        need(poll(&p.fds[p.count - 1], 1, 10000) == 1, "nothing is ready");
    measure(batch, &p, pairs);
    kill(child, SIGKILL);
    free(p.fds);
}

static int calls_of(int count)
{
    return count < 100 ? 200 / count : 1;
}

void on_silent(timing *batch, int size, int pairs)
{
    on_connections((struct polling){.count = size, .calls = calls_of(size)}, batch, pairs);
}

void on_ready(timing *batch, int size, int pairs)
{
    on_connections((struct polling){.count = size, .ready = 1, .calls = calls_of(size)}, batch, pairs);
}
