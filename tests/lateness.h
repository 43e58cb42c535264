/* How late this machine is, so that a busy one fails no test of time: a test may be late by
 * some times that much.
 *
 * The kernel tells for how long this thread had to wait for a processor.  Other threads are
 * stood for by processes that do nothing but sleep and write down how much later than
 * asked for they are woken: one on each processor, because a virtual one may stand still by
 * itself. */
#ifndef LATENESS_H
#define LATENESS_H

#include <stdint.h>

/* Starts those processes, once for a program; they end with the program. */
void lateness_watch(void);

/* The more of what this thread has waited since it began, and what those processes were late by
 * at worst since `from` (now_ns); in nanoseconds. */
int64_t lateness_since(int64_t from);

#endif
