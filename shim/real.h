/* The next definition of each replaced symbol: libc's, or that of a library preloaded
 * after this one.  Inside the library every replaced call is made as REAL(name)(...);
 * a plain name(...) would come back to ourselves. */
#ifndef REAL_H
#define REAL_H

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "libc.h"

#define INTERPOSE __attribute__((visibility("default")))

/* Where time_t has once been shorter, libc has the calls that take times twice, and the
 * header files choose by _TIME_BITS what a program calls (time64.c). */
#ifdef HAVE___PPOLL64
#define CALL_TIME64(type, name, parameters) CALL(type, name, parameters)
#define ALIAS_TIME64_OF(call, type, name, parameters) ALIAS_OF(call, type, name, parameters)
#else
#define CALL_TIME64(type, name, parameters)
#define ALIAS_TIME64_OF(call, type, name, parameters)
#endif
#define ALIAS_TIME64(name, call)

/* musl has its own ways of looking up names and of streams. */
#ifdef __GLIBC__
#define CALL_GLIBC(type, name, parameters) CALL(type, name, parameters)
#else
#define CALL_GLIBC(type, name, parameters)
#endif
#define ALIAS_GLIBC(name, call)

/* Defines a further exported name of a call; it stands behind the call's definition.  The
 * attributes are those that glibc gives dup2; for the others they go unused. */
#define ALIAS_OF(call, type, name, parameters) \
    INTERPOSE type name parameters __attribute__((alias(#call), nothrow, leaf));

/* In memory as libc's own; a timespec's nanoseconds are the lower half of its second word,
 * whose upper half may hold anything. */
struct timespec64 {
    int64_t seconds, nanoseconds;
};
struct timeval64 {
    int64_t seconds, microseconds;
};

/* glibc declares socket addresses as a transparent union, in which a plain pointer fits. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#define ALIAS(name, call)
#define CALL(type, name, parameters) typedef type real_##name parameters; INTERPOSE type name parameters;
#include "calls.def"
#undef CALL
#pragma GCC diagnostic pop

#define CALL(type, name, parameters) CALL_##name,
enum call {
#include "calls.def"
    CALL_COUNT
};
#undef CALL
#undef ALIAS

typedef void real_any(void);
extern _Atomic(real_any *) real_table[CALL_COUNT];
real_any *real_resolve(enum call call);

/* Fills the table; what is called before that (another library's constructor may be
 * earlier than ours) is looked up on demand. */
void real_init(void);

static inline real_any *real_next(enum call call)
{
    real_any *next = atomic_load_explicit(&real_table[call], memory_order_relaxed);
    return next ? next : real_resolve(call);
}

#define REAL(name) ((real_##name *)real_next(CALL_##name))

#endif
