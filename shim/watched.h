/* What a descriptor is registered for in epoll, as epoll_ctl tells us.
 *
 * cell->watched: the events for which epoll has fd, which are those of poll; EPOLLONESHOT and
 * EPOLLET; in how many instances it is registered; and the generation of the one that was last,
 * whose descriptor is cell->epoll (-1: one of the others).  Of several, the last one's
 * events count. */
#ifndef WATCHED_H
#define WATCHED_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "fdtab.h"

#define WATCHED_EVENTS  UINT32_C(0x0000ffff)
#define WATCHED_ONESHOT UINT32_C(0x00010000)
#define WATCHED_EDGE    UINT32_C(0x00020000)
#define WATCHED_ONE     UINT32_C(0x00040000)
#define WATCHED_COUNT   UINT32_C(0x003c0000)

/* It was in one, but is no more, and nobody has asked yet what that means for how long it has
 * been waited for. */
#define WATCHED_GONE    UINT32_C(0x00000001)

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

/* What fd is registered for; 0 if it is not, or not any more. */
uint32_t watched_by_epoll(const struct cell *cell);

/* Its registration has ended. */
void watched_end(int fd, struct cell *cell);

/* An event disarms a one-shot registration, and the program does not wait until it arms it
 * again.  Whether these events are such; and whether it is armed still, if it had moved so
 * much when it was. */
bool watched_takes_one_event(const struct cell *cell, uint32_t events);
bool watched_is_armed(int fd, const struct cell *cell, short events, uint32_t mark);

/* epoll_ctl has added, changed or removed fd, and nothing is to be done but to note it; then it
 * is.  Not for one-shot events. */
bool watched_change(int epoll, int op, int fd, const struct epoll_event *event);

/* epoll_ctl adds or changes fd, or has removed it.  What a one-shot registration begins
 * with is asked before the real call, because the event may come at once. */
struct arming {
    int64_t since;
    uint32_t mark;
};
struct arming watched_arm(int fd, uint32_t events);
void watched_register(int epoll, int fd, uint32_t events, bool added, struct arming arming);
void watched_unregister(int epoll, int fd);

#endif
