/* The look-ups, each in the same terms: one name or address is asked about. */
#ifndef LOOKUPS_H
#define LOOKUPS_H

#include "dns.h"

enum outcome { FOUND, AGAIN, NOT_FOUND, OTHER };

struct lookup {
    const char *name;
    enum outcome (*ask)(int n);     /* n: 1 is known, 2 to 9 are unknown, about more the server is silent */
};
extern const struct lookup lookups[];
extern const size_t lookup_count;

/* The look-up for which the test runs; and the names of all of them, for a suite. */
enum outcome look_up(int n);
const char *const *lookup_names(void);

#endif
