/* What the look-ups of names have in common: lookup.c, hosts.c and query.c. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker.h"

/* The deadline of a look-up that begins now; NEVER: it is made plainly. */
int64_t lookup_deadline(void);

/* Whether the name is an IPv4 or IPv6 address, which nobody needs to be asked for. */
bool lookup_is_address(const char *name);

/* Puts a copy of len bytes at *end and moves that behind it. */
void *lookup_put(char **end, const void *bytes, size_t len);

/* As worker_run, for the question about a name or address.  Whoever asks at once again about
 * one that was not answered, mostly for the other family of addresses, is told so at once. */
bool lookup_run(struct job *job, const void *name, size_t len, int64_t deadline);

#endif
