/* Calls that are tried while something fails inside the library (faults.c). */
#ifndef ATTEMPTS_H
#define ATTEMPTS_H

/* The attempts on a silent peer, and those that a peer answers; names, ended by NULL. */
const char *const *attempt_names(void);

/* TIMEOUTSOCK_DEFAULT of an attempt. */
const char *attempt_limit(const char *name);

/* Makes it and says on standard error what is wrong; main's exit status.  SIGALRM ends it
 * when it hangs. */
int attempt_make(const char *name);

#endif
