/* The scopes of the calling thread (tsock_scope_begin), as its calls see them: one deadline,
 * and somebody to blame when it has passed. */
#ifndef SCOPE_H
#define SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread's. */
extern _Thread_local struct scope *scope_innermost;

/* Whether it is in one. */
static inline bool scope_holds(void)
{
    return scope_innermost;
}

/* The earliest deadline that holds for the calling thread now; NEVER if it is in no scope. */
int64_t scope_deadline(void);

/* A call has ended because that deadline has passed. */
void scope_note_expiry(void);

#endif
