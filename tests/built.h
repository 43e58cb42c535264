/* Programs and libraries that a test builds for itself, by $CC or cc, in a directory of
 * its own. */
#ifndef BUILT_H
#define BUILT_H

#include "harness.h"

/* Builds NAME from this C text with these arguments to the compiler. */
void build(const char *name, const char *arguments, const char *text);

/* Its path, valid until the next call but three. */
const char *built(const char *name);

/* An LD_PRELOAD of two libraries, valid until the next call; a sanitizer's runtime comes first. */
const char *preload_both(const char *first, const char *second);

/* Runs a program that was built, with this LD_PRELOAD and TIMEOUTSOCK_DEFAULT (NULL: unset);
 * returns its exit status, or -1 if a signal has ended it. */
int run_built(const char *name, const char *preload, const char *limit);

/* The directory; it is removed when the test program ends. */
void built_begin(void);
void built_end(void);

#endif
