/* What is settled about one descriptor beyond a single limit: few have any of this, so it
 * lies apart from their cells, and a cell says whether it is in force (OWN_TERMS).
 */
#ifndef TERMS_H
#define TERMS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

struct terms {
    _Atomic uint32_t own[PHASE_OWN_COUNT];  /* as cell->own */
    _Atomic int64_t born;           /* when the connection began; 0: it has not, or nobody knows */
    void (*_Atomic cleanup)(int fd, void *argument);
    void *_Atomic argument;
};

/* NULL: there has never been room for them, or (making) no memory. */
struct terms *terms_find(int fd);
struct terms *terms_make(int fd);

/* A descriptor's terms are void: where nothing is in force there is nothing in them. */
void terms_clear(int fd);

/* They begin with one limit for all phases but the total, instead of another.  Several threads
 * may say so at once, and what one of them has set since stays. */
void terms_begin(struct terms *terms, uint32_t instead, uint32_t own);

/* A copied descriptor has the same terms, but for the cleanup, which is due once.
 * False: there are none, or no memory. */
bool terms_copy(int from, int to);

#endif
