/* Who waits in epoll is woken by a wheel of timers, one for the process.
 *
 * A wait in epoll must not cost more with every connection that is registered, so nothing
 * is looked at per wait or per event: epoll_ctl puts a descriptor into the slot of the time
 * at which it may expire, and only when that time has come is it asked whether it has
 * (watch_expire); if it has moved meanwhile, it goes into a later slot.
 *
 * A slot is a list of descriptors linked through their cells: pushing is one compare and
 * swap, taking the whole list one exchange.  So there is no lock for fork() to repair, and
 * no memory to find.  One wheel serves all epoll instances, because an instance can be
 * waited for through another one, or by poll. */
#ifndef WHEEL_H
#define WHEEL_H

#include <stdint.h>

#include "fdtab.h"

/* cell->next of a cell that is in no slot. */
#define WHEEL_UNLINKED 0

/* Whether it is in a slot, and waited for: then it is looked at when its time comes.  Of a thread
 * that empties the slot and finds it in no instance, and one that has just registered it, either
 * sees what the other has done: it takes it out before it looks at cell->watched, and that is
 * written before this is asked (all of it memory_order_seq_cst). */
static inline bool wheel_considers(const struct cell *cell)
{
    return atomic_load(&cell->next) != WHEEL_UNLINKED &&
           atomic_load_explicit(&cell->since, memory_order_relaxed);
}

/* Something has changed that may make fd expire from now on: it was registered, connected
 * or given a limit. */
void wheel_consider(int fd);

/* Puts fd into the slot of its expiry, if it has one and is in no slot yet. */
void wheel_link(int fd, struct cell *cell, int64_t now);

/* Expires what has been silent for too long; returns until when nothing else can. */
int64_t wheel_turn(int64_t now);

#endif
