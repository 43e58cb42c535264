/* The ways to wait for events.  What holds for all of them is tested once for each, as a
 * variant of a suite (tests/suites.h); a new way is a function and a line in waits.c. */
#ifndef WAITS_H
#define WAITS_H

#include <poll.h>
#include <signal.h>

#include "harness.h"

struct way {
    const char *name;
    /* Waits for POLLIN, POLLOUT and POLLPRI on fds for ms milliseconds (-1: for ever) and
     * sets revents.  Returns how many descriptors are ready, or -1 and errno. */
    int (*wait)(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask);
    unsigned takes;
};
/* What it takes beyond that: */
#define WAY_MASK 1u         /* a signal mask; the others are called without */
#define WAY_ALL WAY_MASK

/* The names of all ways that take this. */
const char *const *way_names(unsigned takes);

/* One wait in the way that the test runs for (test_variant). */
int wait_on(struct pollfd *fds, nfds_t count, int ms);
int wait_masked(struct pollfd *fds, nfds_t count, int ms, const sigset_t *mask);
int wait_for(int fd, short events, int ms);

#define COUNT(table) (sizeof(table) / sizeof *(table))

#endif
