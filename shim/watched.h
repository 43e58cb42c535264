/* cell->watched: the events for which epoll has fd, which are those of poll; EPOLLONESHOT and
 * EPOLLET; in how many instances it is registered; and the generation of the one that was last,
 * whose descriptor is cell->epoll (-1: one of the others).  Of several, the last one's
 * events count. */
#ifndef WATCHED_H
#define WATCHED_H

#include <poll.h>
#include <stdint.h>

#define WATCHED_EVENTS  UINT32_C(0x0000ffff)
#define WATCHED_ONESHOT UINT32_C(0x00010000)
#define WATCHED_EDGE    UINT32_C(0x00020000)
#define WATCHED_ONE     UINT32_C(0x00040000)
#define WATCHED_COUNT   UINT32_C(0x003c0000)

static inline uint32_t watched_instances(uint32_t watched)
{
    return (watched & WATCHED_COUNT) / WATCHED_ONE;
}

static inline short watched_events(uint32_t watched)
{
    return (short)(watched & WATCHED_EVENTS);
}

/* Where both edges are asked for, the one of room to send was told long ago. */
static inline short watched_awaited(uint32_t watched)
{
    short events = watched_events(watched);
    return watched & WATCHED_EDGE && events & POLLIN ? (short)(events & ~POLLOUT) : events;
}

#endif
