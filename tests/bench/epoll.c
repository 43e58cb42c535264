/* Times epoll_wait with many idle connections registered and one that is ready.
 *
 * usage: epoll CONNECTIONS; prints nanoseconds per wait (the median of 21 batches) and the
 * private memory of the process in bytes per connection. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "measure.h"

enum { BATCHES = 21, WAITS = 20000, PER_LISTENER = 10000 };

static long private_bytes(void)
{
    char line[128];
    long total = 0, kilobytes;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    need(f != NULL, "smaps_rollup");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Private_Dirty: %ld kB", &kilobytes) == 1)
            total += kilobytes * 1024;
    fclose(f);
    return total;
}

static void connect_many(int epoll, const struct sockaddr_storage *names, int count)
{
    for (int i = 0; i < count; i++) {
        int here = socket(AF_INET, SOCK_STREAM, 0);
        need(!connect(here, (const struct sockaddr *)&names[i / PER_LISTENER], sizeof(struct sockaddr_in)), "connect");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = here};
        need(!epoll_ctl(epoll, EPOLL_CTL_ADD, here, &event), "epoll_ctl");
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double time_waits(int epoll)
{
    int64_t took[BATCHES];
    struct epoll_event events[16];
    for (int batch = 0; batch < BATCHES; batch++) {
        int64_t began = now();
        for (int i = 0; i < WAITS; i++)
            need(epoll_wait(epoll, events, 16, 1000) == 1, "epoll_wait");
        took[batch] = now() - began;
    }
    qsort(took, BATCHES, sizeof *took, by_value);
    return (double)took[BATCHES / 2] / WAITS;
}

int main(int argc, char **argv)
{
    enum { MOST_LISTENERS = 16 };
    int count = argc > 1 ? atoi(argv[1]) : 1, listeners[MOST_LISTENERS];
    struct sockaddr_storage names[MOST_LISTENERS];
    socklen_t length;
    need(count > 0 && count <= MOST_LISTENERS * PER_LISTENER, "count");
    allow_files(count + 64);
    for (int i = 0; i < MOST_LISTENERS; i++)
        listeners[i] = listen_at(AF_INET, &names[i], &length);
    pid_t child = accept_many(listeners, PER_LISTENER, count, true);
    int epoll = epoll_create1(0);
    long before = private_bytes();
    connect_many(epoll, names, count);
    double bytes = (double)(private_bytes() - before) / count;
    struct epoll_event event;
    need(epoll_wait(epoll, &event, 1, 10000) == 1, "nothing is ready");
    printf("%.1f %.1f\n", time_waits(epoll), bytes);
    kill(child, SIGKILL);
    return EXIT_SUCCESS;
}
