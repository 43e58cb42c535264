/* How late this machine is: a process of its own that does nothing but sleep and, as Check
 * does at each assertion, write to a temporary file, notes how much later than asked for it
 * is done.  What a test that ran meanwhile was late by is held against that, so that a busy
 * machine or disk fails no test of time. */
#ifndef LATENESS_H
#define LATENESS_H

#include <stdint.h>

/* Starts it, once for a program; it ends with the program. */
void lateness_watch(void);

/* By how many nanoseconds a sleeper was late at worst, since `from` (now_ns). */
int64_t lateness_since(int64_t from);

#endif
