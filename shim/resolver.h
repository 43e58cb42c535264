/* The resolver's state is each thread's own (resolver(3)): here it goes from the thread that
 * asks to the one that looks up, so that what the program has changed in its _res counts. */
#ifndef RESOLVER_H
#define RESOLVER_H

#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>

struct resolver {
    struct __res_state state;
    struct sockaddr_in6 ipv6[MAXNS];    /* the servers that the state only points to */
};

/* Copies `state`; &_res is made up to date before, as every look-up does. */
void resolver_keep(struct resolver *copy, res_state state);

/* Makes the calling thread's _res like the copy. */
void resolver_adopt(const struct resolver *copy);

#endif
