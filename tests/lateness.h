/* How late this machine is, so that a busy one fails no test of time: a test may be late by
 * some times that much.
 *
 * The kernel tells for how long this thread had to wait for a processor.  Other threads are
 * stood for by a process that does nothing but sleep and writes down how much later than
 * asked for it is woken. */
#ifndef LATENESS_H
#define LATENESS_H

#include <stdint.h>

/* Starts that process, once for a program; it ends with the program. */
void lateness_watch(void);

/* The more of what this thread has waited since it began, and what that process was late by
 * at worst since `from` (now_ns); in nanoseconds. */
int64_t lateness_since(int64_t from);

#endif
