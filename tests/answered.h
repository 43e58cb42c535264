/* Calls whose peer answers them in time, whatever fails inside the library. */
#ifndef ANSWERED_H
#define ANSWERED_H

#include <stdbool.h>

#include "harness.h"

struct answered {
    const char *name, *limit;           /* TIMEOUTSOCK_DEFAULT */
    struct pair (*open)(void);
    bool (*call)(struct pair);          /* whether it does what it does without the library */
    void (*act)(struct pair);           /* what the peer does meanwhile, in another thread */
};

const char *const *answered_names(void);
const struct answered *answered_named(const char *name);    /* NULL: it is none of these */

#endif
