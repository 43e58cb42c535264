/* Threads that all wait until the same time is up: by poll(2) for so long, or by a receiving
 * call that has this limit (TIMEOUTSOCK_DEFAULT is the same, and TIMEOUTSOCK_ACTION=error lest
 * one end's expiry is the other's end of file).
 *
 * usage: expiring poll|recv THREADS MS; prints how late the 99th of 100 was and the processor
 * time that a thread took, in nanoseconds. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "measure.h"

static pthread_barrier_t ready;
static bool by_poll;
static int limit_ms;

struct waiter {
    pthread_t thread;
    int fd;
    int64_t late;
};

static void *expire(void *waiter)
{
    struct waiter *w = waiter;
    char byte;
    pthread_barrier_wait(&ready);
    int64_t began = now();
    if (by_poll)
        need(!poll(&(struct pollfd){w->fd, POLLIN, 0}, 1, limit_ms), "poll");
    else
        need(recv(w->fd, &byte, 1, 0) < 0 && errno == ETIMEDOUT, "recv");
    w->late = now() - began - limit_ms * INT64_C(1000000);
    return NULL;
}

static int by_lateness(const void *a, const void *b)
{
    int64_t x = ((const struct waiter *)a)->late, y = ((const struct waiter *)b)->late;
    return (x > y) - (x < y);
}

static int64_t processor_time(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return ((u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* Socket pairs, whose two ends two threads wait for. */
static void start(struct waiter *waiters, int count)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 16);
    for (int i = 0; i < count; i += 2) {
        int fds[2];
        need(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
        for (int end = 0; end < 2; end++) {
            waiters[i + end].fd = fds[end];
            need(!pthread_create(&waiters[i + end].thread, &small, expire, &waiters[i + end]), "pthread_create");
        }
    }
}

int main(int argc, char **argv)
{
    need(argc == 4, "usage: expiring poll|recv THREADS MS");
    int count = atoi(argv[2]) & ~1;
    struct waiter *waiters = calloc((size_t)count, sizeof *waiters);
    by_poll = !strcmp(argv[1], "poll");
    limit_ms = atoi(argv[3]);
    need(waiters && !pthread_barrier_init(&ready, NULL, (unsigned)count + 1), "memory");
    allow_files(count + 64);
    start(waiters, count);
    pthread_barrier_wait(&ready);
    int64_t began = processor_time();
    for (int i = 0; i < count; i++)
        pthread_join(waiters[i].thread, NULL);
    int64_t used = processor_time() - began;
    qsort(waiters, (size_t)count, sizeof *waiters, by_lateness);
    printf("%lld %lld\n", (long long)waiters[count * 99 / 100].late, (long long)(used / count));
    free(waiters);
    return EXIT_SUCCESS;
}
