/* timeoutsock: socket timeouts for every program, and deadlines for those that ask.
 *
 * This header needs no library: its references are weak, so a program that includes it
 * runs whether libtimeoutsock.so is preloaded or absent, and can ask which by
 * tsock_present().  Without the library every other function fails with ENOSYS.  (A
 * program linked with -no-pie always finds it absent: there the linker settles weak
 * references itself.)
 *
 * With TIMEOUTSOCK_LINKED defined, as `pkg-config --cflags timeoutsock` does, the
 * references are ordinary ones, for a program that links with -ltimeoutsock.
 * Details: timeoutsock(3).
 *
 * Times are milliseconds.  All functions are thread-safe and async-signal-safe. */
#ifndef TIMEOUTSOCK_H
#define TIMEOUTSOCK_H

#include <errno.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TSOCK_NONE    (-1)  /* no limit */
#define TSOCK_DEFAULT (-2)  /* whatever is configured */
#define TSOCK_ERROR   (-3)  /* a getter failed, see errno */

/* Sets the limit of every later call on fd: a connect, an accept, one receiving or one
 * sending call, and silence while the program waits in poll or select.  It is kept with
 * the descriptor number, copied by dup and inherited by fork, and wins over everything
 * that is configured.
 *
 * ms: 0 to INT_MAX, TSOCK_NONE or TSOCK_DEFAULT.  With 0 a call fails at once where it
 * would wait.
 *
 * A call that reaches its limit fails with ETIMEDOUT, or returns the bytes that it has
 * moved.  Nothing else happens to the connection, and the program may try again.
 *
 * Returns 0, or -1 with errno
 *   EBADF     fd is not open
 *   ENOTSOCK  fd is neither a socket nor a pipe
 *   EINVAL    ms is less than TSOCK_DEFAULT
 *   ENOMEM    no memory to remember it
 *   ENOSYS    the library is not loaded */
int tsock_set_timeout(int fd, int ms);

/* Returns what tsock_set_timeout has set for fd (what holds for TSOCK_READ, if the phases have
 * limits of their own), TSOCK_DEFAULT if it has set nothing, or TSOCK_ERROR with errno EBADF,
 * ENOTSOCK, ENOMEM or ENOSYS as above. */
int tsock_get_timeout(int fd);

/* What a limit bounds. */
enum tsock_phase {
    TSOCK_CONNECT,  /* a connect */
    TSOCK_ACCEPT,   /* an accept */
    TSOCK_READ,     /* one receiving call, or silence while the program waits to receive */
    TSOCK_WRITE,    /* one sending call, silence while the program waits to send, or a close that
                     * lingers, in whole seconds, rounded up */
    TSOCK_TOTAL     /* the connection's whole life, however often something moves on it */
};

/* The same for one phase alone; tsock_set_timeout sets all but TSOCK_TOTAL.  That one counts
 * from connect or accept, or from this call if the connection is there already, and when it
 * has passed every further call fails at once, also one that would not wait.  To set it anew
 * moves the end and not the beginning.
 *
 * tsock_set_phase_timeout returns 0, or -1 with errno as tsock_set_timeout, and EINVAL for an
 * unknown phase; tsock_get_phase_timeout returns what tsock_get_timeout returns, and
 * TSOCK_ERROR with errno EINVAL for an unknown phase. */
int tsock_set_phase_timeout(int fd, enum tsock_phase phase, int ms);
int tsock_get_phase_timeout(int fd, enum tsock_phase phase);

/* When a call on fd next times out, calls cleanup(fd, arg) once, before that call returns:
 * for shutting down or closing what is of no use any more.  It runs in the thread, or signal
 * handler, that has made the call, and errno is kept.  NULL: nothing is called.  It belongs to
 * the descriptor number until that is closed, and is inherited by fork but not copied by dup.
 *
 * Returns 0, or -1 with errno EBADF, ENOTSOCK, ENOMEM or ENOSYS as tsock_set_timeout. */
int tsock_set_cleanup(int fd, void (*cleanup)(int fd, void *arg), void *arg);

/* Sets the default limit of this process in place of TIMEOUTSOCK_DEFAULT, for the kinds
 * of fd that TIMEOUTSOCK_KINDS covers and the phases that have no setting of their own.
 * As with tsock_set_timeout, a call that reaches it fails and the connection stays.
 *
 * ms: 0 to INT_MAX, TSOCK_NONE, or TSOCK_DEFAULT to go back to what is configured.
 *
 * Returns 0, or -1 with errno EINVAL or ENOSYS as above. */
int tsock_set_default_timeout(int ms);

/* Returns the default limit that is in force, rounded up to milliseconds, TSOCK_NONE if
 * there is none, or TSOCK_ERROR with errno ENOSYS. */
int tsock_get_default_timeout(void);

/* A scope is a deadline for all that the calling thread does on sockets and pipes from its
 * begin to its end together: reading, writing, connecting, accepting, looking up names,
 * streams, and waits in poll, select and epoll.
 *
 * At the deadline a call fails with ETIMEDOUT (a look-up with EAI_AGAIN or TRY_AGAIN) or
 * returns the bytes that it has moved, and poll, select and epoll_wait return 0.  Until the
 * scope ends, each further blocking call fails at once.  Nothing happens to a connection.
 *
 * Scopes nest: the earliest deadline ends a call, and tsock_scope_expired tells whose it was.
 * A scope that is a local variable ends by itself when the thread ends or longjmp leaves its
 * function, except on musl, where the compiler has inlined that into the one that has called
 * setjmp, and where more than 64 KB of stack lie between.  The child of fork is in the same scopes as the thread that has called it. */
typedef struct tsock_scope {
    void *private_[10];
} tsock_scope_t;

/* Begins a scope that ends its calls in ms milliseconds, 0 to INT_MAX; with TSOCK_NONE it has
 * no deadline yet.
 *
 * Returns 0, or -1 with errno
 *   EINVAL    ms is less than TSOCK_NONE, or the thread is in this scope already
 *   ENOSYS    the library is not loaded */
int tsock_scope_begin(tsock_scope_t *scope, int ms);

/* Ends it.  Returns 0, or -1 with errno
 *   EINVAL    the thread is not in this scope, or in one inside it, from which this one has
 *             been taken away now
 *   ENOSYS    the library is not loaded */
int tsock_scope_end(tsock_scope_t *scope);

/* Moves the deadline to ms milliseconds from now; TSOCK_NONE takes it away.  Returns 0, or -1
 * with errno EINVAL (ms is less than TSOCK_NONE, or the thread is not in the scope) or ENOSYS. */
int tsock_scope_set(tsock_scope_t *scope, int ms);

/* With on != 0, the deadlines of the scopes around this one do not hold inside it: for a
 * clean-up that must run although they have passed.  Returns 0, or -1 with errno EINVAL (the
 * thread is not in the scope) or ENOSYS. */
int tsock_scope_shield(tsock_scope_t *scope, int on);

/* Whether a call has ended because of this scope's own deadline, since it began: 1 or 0, also
 * once it has ended.  -1 with errno ENOSYS without the library. */
int tsock_scope_expired(const tsock_scope_t *scope);

/* Whether the thread is in the scope and its deadline is still to come: 1, 0, or -1 with errno
 * ENOSYS. */
int tsock_scope_pending(const tsock_scope_t *scope);

/* How much is left until its own deadline, rounded up to milliseconds; 0 once it has passed,
 * TSOCK_NONE if it has none, TSOCK_ERROR with errno EINVAL (the thread is not in the scope)
 * or ENOSYS. */
int tsock_scope_remaining(const tsock_scope_t *scope);

typedef struct tsock_options {
    void (*cleanup)(void *arg); /* called with fn's arg if the scope has expired; or NULL */
    const int *value;           /* what is returned in that case; or NULL */
    int silent;                 /* if not 0 and there is no value, fn's own value is returned */
    int expired;                /* set to 1 if the scope has expired, to 0 if not */
} tsock_options_t;

/* Calls fn(arg) in a scope of ms milliseconds.  options may be NULL.
 *
 * Returns what fn returns, and leaves errno as fn does.  If the scope has expired, returns
 * what the options say, or -1 with errno ETIMEDOUT.  Without calling fn: -1 with errno EINVAL
 * (ms is less than TSOCK_NONE) or ENOSYS.  fn may leave by longjmp, but not by an exception. */
int tsock_with_timeout(int ms, int (*fn)(void *arg), void *arg, tsock_options_t *options);

#ifdef TIMEOUTSOCK_LINKED

static __inline__ int tsock_present(void)
{
    return 1;
}

#else

/* The references are weak: an absent function is a null pointer, and calling it is
 * answered here. */
#pragma weak tsock_set_timeout
#pragma weak tsock_get_timeout
#pragma weak tsock_set_phase_timeout
#pragma weak tsock_get_phase_timeout
#pragma weak tsock_set_cleanup
#pragma weak tsock_set_default_timeout
#pragma weak tsock_get_default_timeout
#pragma weak tsock_scope_begin
#pragma weak tsock_scope_end
#pragma weak tsock_scope_set
#pragma weak tsock_scope_shield
#pragma weak tsock_scope_expired
#pragma weak tsock_scope_pending
#pragma weak tsock_scope_remaining
#pragma weak tsock_with_timeout

static __inline__ int tsock_absent_(int result)
{
    errno = ENOSYS;
    return result;
}

#define TSOCK_WEAK_(name, parameters, arguments, absent)             \
    static __inline__ int name##_ parameters                        \
    {                                                               \
        return name ? name arguments : tsock_absent_(absent);       \
    }

TSOCK_WEAK_(tsock_set_timeout, (int fd, int ms), (fd, ms), -1)
TSOCK_WEAK_(tsock_get_timeout, (int fd), (fd), TSOCK_ERROR)
TSOCK_WEAK_(tsock_set_phase_timeout, (int fd, enum tsock_phase phase, int ms), (fd, phase, ms), -1)
TSOCK_WEAK_(tsock_get_phase_timeout, (int fd, enum tsock_phase phase), (fd, phase), TSOCK_ERROR)
TSOCK_WEAK_(tsock_set_cleanup, (int fd, void (*cleanup)(int, void *), void *arg), (fd, cleanup, arg), -1)
TSOCK_WEAK_(tsock_set_default_timeout, (int ms), (ms), -1)
TSOCK_WEAK_(tsock_get_default_timeout, (void), (), TSOCK_ERROR)
TSOCK_WEAK_(tsock_scope_begin, (tsock_scope_t *scope, int ms), (scope, ms), -1)
TSOCK_WEAK_(tsock_scope_end, (tsock_scope_t *scope), (scope), -1)
TSOCK_WEAK_(tsock_scope_set, (tsock_scope_t *scope, int ms), (scope, ms), -1)
TSOCK_WEAK_(tsock_scope_shield, (tsock_scope_t *scope, int on), (scope, on), -1)
TSOCK_WEAK_(tsock_scope_expired, (const tsock_scope_t *scope), (scope), -1)
TSOCK_WEAK_(tsock_scope_pending, (const tsock_scope_t *scope), (scope), -1)
TSOCK_WEAK_(tsock_scope_remaining, (const tsock_scope_t *scope), (scope), TSOCK_ERROR)
TSOCK_WEAK_(tsock_with_timeout, (int ms, int (*fn)(void *), void *arg, tsock_options_t *options), (ms, fn, arg, options), -1)
#undef TSOCK_WEAK_

#define tsock_set_timeout(fd, ms) tsock_set_timeout_(fd, ms)
#define tsock_get_timeout(fd) tsock_get_timeout_(fd)
#define tsock_set_phase_timeout(fd, phase, ms) tsock_set_phase_timeout_(fd, phase, ms)
#define tsock_get_phase_timeout(fd, phase) tsock_get_phase_timeout_(fd, phase)
#define tsock_set_cleanup(fd, cleanup, arg) tsock_set_cleanup_(fd, cleanup, arg)
#define tsock_set_default_timeout(ms) tsock_set_default_timeout_(ms)
#define tsock_get_default_timeout() tsock_get_default_timeout_()
#define tsock_scope_begin(scope, ms) tsock_scope_begin_(scope, ms)
#define tsock_scope_end(scope) tsock_scope_end_(scope)
#define tsock_scope_set(scope, ms) tsock_scope_set_(scope, ms)
#define tsock_scope_shield(scope, on) tsock_scope_shield_(scope, on)
#define tsock_scope_expired(scope) tsock_scope_expired_(scope)
#define tsock_scope_pending(scope) tsock_scope_pending_(scope)
#define tsock_scope_remaining(scope) tsock_scope_remaining_(scope)
#define tsock_with_timeout(ms, fn, arg, options) tsock_with_timeout_(ms, fn, arg, options)

/* Returns 1 if the library is loaded, 0 if not. */
static __inline__ int tsock_present(void)
{
    return tsock_set_timeout != 0;
}

#endif

#ifdef __GNUC__

struct tsock_block_ {
    tsock_scope_t scope;
    int ms;
    int state;      /* 0: not begun, 1: begun, -1: the block runs without */
};

static __inline__ int tsock_block_begin_(struct tsock_block_ *block)
{
    if (block->state)
        return 0;
    block->state = tsock_scope_begin(&block->scope, block->ms) ? -1 : 1;
    return 1;
}

static __inline__ void tsock_block_end_(struct tsock_block_ *block)
{
    if (block->state == 1)
        tsock_scope_end(&block->scope);
}

/* TSOCK_SCOPE(ms) { ... } runs the block in a scope, in which it stands for itself as
 * TSOCK_THIS_SCOPE; it ends in whatever way the block is left.  Where a scope cannot begin,
 * the block runs without.  For compilers with the cleanup attribute: GCC, Clang. */
#define TSOCK_SCOPE(ms)                                                                      \
    for (struct tsock_block_ tsock_block_ __attribute__((__cleanup__(tsock_block_end_))) =  \
             {{{0}}, ms, 0}; tsock_block_begin_(&tsock_block_);)
#define TSOCK_THIS_SCOPE (&tsock_block_.scope)

#endif

#ifdef __cplusplus
}

namespace tsock {

/* A scope from its construction to the end of its block. */
class scope {
    tsock_scope_t scope_;
    bool begun_;
    scope(const scope &);
    void operator=(const scope &);

public:
    explicit scope(int ms) : scope_(), begun_(tsock_scope_begin(&scope_, ms) == 0) {}
    ~scope() { if (begun_) tsock_scope_end(&scope_); }
    tsock_scope_t *operator&() { return &scope_; }
    bool expired() const { return tsock_scope_expired(&scope_) == 1; }
};

}
#endif

#endif
