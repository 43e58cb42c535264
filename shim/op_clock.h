/* How long an op may wait. */
#ifndef OP_CLOCK_H
#define OP_CLOCK_H

#include <stdint.h>

#include "op.h"

/* The op begins to wait now, or has already waited for so long: its limit and its deadline. */
void op_start_clock(struct op *op, int64_t waited);

/* `span`, or less if the outer deadline comes before that. */
int64_t op_bound_by_outer(struct op *op, int64_t now, int64_t span);

/* Notes how much the peer of a sending op has, by which what moves from now on is told from
 * what is only sent again. */
void op_note_acked(struct op *op);

#endif
