/* The scopes of the calling thread (tsock_scope_begin), as its calls see them: one deadline,
 * and somebody to blame when it has passed. */
#ifndef SCOPE_H
#define SCOPE_H

#include <stdint.h>

/* The earliest deadline that holds for the calling thread now; NEVER if it is in no scope. */
int64_t scope_deadline(void);

/* A call has ended because that deadline has passed. */
void scope_note_expiry(void);

#endif
