/* The kernel's timer of an op: SO_RCVTIMEO or SO_SNDTIMEO, for a call that poll cannot bound. */
#ifndef OP_TIMER_H
#define OP_TIMER_H

#include "op.h"

/* The program's own timer, {0} if it has none. */
struct timeval op_own_timer(const struct op *op);

/* From now on the timer bounds the op.  A pipe has none: its call is made without.  That is so
 * only where poll cannot be asked (op_wait). */
void op_use_kernel_timer(struct op *op);

/* It has been set, and is set again to what is left. */
void op_set_timer(struct op *op);

#endif
