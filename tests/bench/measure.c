#include "measure.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <time.h>

struct calls calls[WAYS];

void need(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ISO C has no cast from an object to a function pointer; POSIX promises that the bits fit. */
static void find(void *libc, const char *name, void *plain, void *given)
{
    void *symbols[WAYS] = {dlsym(libc, name), dlsym(RTLD_DEFAULT, name)};
    need(symbols[PLAIN] && symbols[GIVEN], name);
    memcpy(plain, &symbols[PLAIN], sizeof symbols[PLAIN]);
    memcpy(given, &symbols[GIVEN], sizeof symbols[GIVEN]);
}

void find_calls(void)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    need(libc != NULL, "libc.so.6");
#define X(name) find(libc, #name, &calls[PLAIN].name, &calls[GIVEN].name);
    CALLS(X)
#undef X
}

enum way way_of(int number)
{
    return (number ^ number >> 1) & 1 ? GIVEN : PLAIN;
}

void measure(timing *batch, void *work, int pairs)
{
    for (int pair = 0; pair <= pairs; pair++) {
        double took[WAYS];
        for (int number = 2 * pair; number < 2 * pair + 2; number++)
            took[way_of(number)] = batch(&calls[way_of(number)], work);
        if (pair)       /* the first does what is done once */
            printf("%.2f %.2f\n", took[PLAIN], took[GIVEN]);
    }
}

static socklen_t any_name(int domain, struct sockaddr_storage *name)
{
    *name = (struct sockaddr_storage){.ss_family = (sa_family_t)domain};
    if (domain == AF_UNIX)
        return sizeof(sa_family_t);     /* the kernel chooses an abstract one */
    ((struct sockaddr_in *)name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof(struct sockaddr_in);
}

static void widen_buffers(int fd)
{
    int size = 1 << 20;
    need(!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), "SO_RCVBUF");
    need(!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), "SO_SNDBUF");
}

int listen_at(int domain, struct sockaddr_storage *name, socklen_t *length)
{
    int fd = socket(domain, SOCK_STREAM, 0);
    socklen_t chosen = any_name(domain, name);
    need(fd >= 0, "socket");
    widen_buffers(fd);
    need(!bind(fd, (struct sockaddr *)name, chosen) && !listen(fd, 4096), "listen");
    *length = sizeof *name;
    need(!getsockname(fd, (struct sockaddr *)name, length), "getsockname");
    return fd;
}

struct ends connect_ends(int domain)
{
    struct sockaddr_storage name;
    socklen_t length;
    int one = 1, listener = listen_at(domain, &name, &length);
    struct ends ends = {.here = socket(domain, SOCK_STREAM, 0)};
    widen_buffers(ends.here);
    need(!connect(ends.here, (struct sockaddr *)&name, length), "connect");
    need((ends.there = accept(listener, NULL, NULL)) >= 0, "accept");
    close(listener);
    if (domain == AF_INET) {
        setsockopt(ends.here, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(ends.there, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return ends;
}

pid_t accept_many(const int *listeners, int per_listener, int count, bool ready)
{
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int there = -1;
    for (int i = 0; i < count; i++)
        need((there = accept(listeners[i / per_listener], NULL, NULL)) >= 0, "accept");
    need(!ready || write(there, "x", 1) == 1, "write");
    pause();
    _exit(EXIT_SUCCESS);
}

void stay_on_one_processor(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)sched_getcpu(), &set);
    need(!sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

void allow_files(int count)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max = (rlim_t)count > files.rlim_max ? (rlim_t)count : files.rlim_max;
    need(!setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
}
