/* Whether the calling thread's receives on a descriptor have had to wait of late, each of them:
 * in a conversation the next one will have to, too, and need not be tried in vain. */
#ifndef HABIT_H
#define HABIT_H

#include <stdbool.h>

/* Of one descriptor; a thread that waits on several in turn has no habit. */
extern _Thread_local struct habit {
    int fd;
    unsigned waits;
} habit;

static inline void habit_note_wait(int fd)
{
    habit = (struct habit){fd, habit.fd == fd ? habit.waits + 1 : 1};
}

static inline void habit_note_no_wait(int fd)
{
    if (habit.fd == fd)
        habit.fd = -1;
}

/* Not after a single wait: the header of an answer waits, and its body is there.  And now and
 * then the call is tried all the same, or one that finds its bytes there would never be seen. */
static inline bool habit_is_to_wait(int fd)
{
    enum { SOME = 2, NOW_AND_THEN = 64 };
    return habit.fd == fd && habit.waits >= SOME && habit.waits % NOW_AND_THEN;
}

#endif
