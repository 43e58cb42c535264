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

/* Returns what tsock_set_timeout has set for fd, TSOCK_DEFAULT if it has set nothing,
 * or TSOCK_ERROR with errno EBADF, ENOTSOCK or ENOSYS as above. */
int tsock_get_timeout(int fd);

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
#pragma weak tsock_set_default_timeout
#pragma weak tsock_get_default_timeout

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
TSOCK_WEAK_(tsock_set_default_timeout, (int ms), (ms), -1)
TSOCK_WEAK_(tsock_get_default_timeout, (void), (), TSOCK_ERROR)
#undef TSOCK_WEAK_

#define tsock_set_timeout(fd, ms) tsock_set_timeout_(fd, ms)
#define tsock_get_timeout(fd) tsock_get_timeout_(fd)
#define tsock_set_default_timeout(ms) tsock_set_default_timeout_(ms)
#define tsock_get_default_timeout() tsock_get_default_timeout_()

/* Returns 1 if the library is loaded, 0 if not. */
static __inline__ int tsock_present(void)
{
    return tsock_set_timeout != 0;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
