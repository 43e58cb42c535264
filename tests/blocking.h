/* The calls that wait for ever where nothing limits them.  What holds for all of them is
 * tested once for each, as a variant of a suite (tests/suites.h); a new call is a function
 * and a line in blocking.c. */
#ifndef BLOCKING_H
#define BLOCKING_H

#include <stdbool.h>

#include "harness.h"

struct blocking {
    const char *name;
    /* A descriptor on which the call waits, of TCP. */
    int (*open)(void);
    /* The call, and nothing that a signal handler may not do. */
    long long (*call)(int fd);
    /* SO_RCVTIMEO or SO_SNDTIMEO: the program's own timer for it. */
    int timer;
    /* What it fails with when that runs out. */
    int timer_error;
};

/* The names of all; and the one that the test runs for (test_variant), or of that name. */
const char *const *blocking_names(void);
const struct blocking *blocking_variant(void);
const struct blocking *blocking_named(const char *name);

/* The calls that stand for a way of waiting each. */
const char *const *blocking_ways(void);

#endif
