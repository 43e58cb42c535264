#include "drip.h"

#include <pthread.h>
#include <stdatomic.h>

#include "../shim/timeoutsock.h"

static struct dripping {
    int fd, gap_ms;
    pthread_t thread;
    _Atomic bool stopped;
} dripping;

static void *drip(void *argument)
{
    static const char room[65536];
    struct dripping *d = argument;
    while (!d->stopped) {
        if (send(d->fd, room, d->gap_ms ? 1 : sizeof room, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            break;
        if (d->gap_ms)
            plain_sleep_ms(d->gap_ms);
    }
    return NULL;
}

void start_dripping(int fd, int gap_ms)
{
    ck_ok(dripping.fd = dup(fd));
    ck_ok(tsock_set_phase_timeout(dripping.fd, TSOCK_TOTAL, TSOCK_NONE));
    dripping.gap_ms = gap_ms;
    dripping.stopped = false;
    ck_assert_int_eq(pthread_create(&dripping.thread, NULL, drip, &dripping), 0);
}

void stop_dripping(void)
{
    dripping.stopped = true;
    ck_assert_int_eq(pthread_join(dripping.thread, NULL), 0);
    close(dripping.fd);
}

int receive_all(int fd)
{
    char room[4096];
    while (recv(fd, room, sizeof room, 0) > 0);
    return errno;
}
