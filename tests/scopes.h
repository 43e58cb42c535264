/* Scopes in tests: beginning one, and timing what it ends. */
#ifndef SCOPES_H
#define SCOPES_H

#include "../shim/timeoutsock.h"

#include "harness.h"

#define SPAN 150        /* the deadline of most scopes here, in milliseconds; and one out of reach */
#define LONG 60000

/* These return when that was: before the scope's own time begins. */
int64_t begin_scope(tsock_scope_t *scope, int ms);
int64_t set_scope(tsock_scope_t *scope, int ms);

/* Asserts that `statement` ends `ms` after `began`. */
#define ck_ends_ms_after(ms, began, statement)      \
    do {                                            \
        statement;                                  \
        assert_took_ms(ms, now_ns() - (began));     \
    } while (0)

/* A socket on which nothing ever comes; -1: none can be had.  Also before the tests run. */
int silent_socket(void);

/* Receives from it: whether that ends with ETIMEDOUT. */
bool times_out(int silent);

/* Asserts that the thread is in no scope that has expired: that would end a receive at once. */
void ck_in_no_scope(int silent);

/* Overwrites what lay on the stack. */
void overwrite_stack(void);

#endif
