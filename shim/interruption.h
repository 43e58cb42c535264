/* An op that a signal has ended leaves what is left of its limit to the same thread's next
 * op on that descriptor and phase: a program that retries after EINTR (Python does) must
 * not get the whole limit again at each signal.  What is left, not the deadline: what the
 * program does in between is not waiting. */
#ifndef INTERRUPTION_H
#define INTERRUPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "fdtab.h"
#include "policy.h"

void interruption_note(int fd, enum phase phase, uint32_t state, int64_t now, int64_t left);

/* Something has moved on fd, or a new attempt begins. */
extern _Thread_local int interruption_fd;

static inline void interruption_forget(int fd)
{
    if (interruption_fd == fd)
        interruption_fd = -1;
}

static inline bool interruption_is_noted(int fd)
{
    return interruption_fd == fd;
}

/* How long a call on fd may wait that may wait for `span` by its limit.  Later than that
 * after the interruption it is not the same attempt any more. */
int64_t interruption_left(int fd, enum phase phase, const struct cell *cell, int64_t now, int64_t span);

#endif
