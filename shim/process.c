/* What changes the rules for the whole process. */
#include <stdarg.h>
#include <sys/prctl.h>

#include "fdtab.h"
#include "policy.h"
#include "real.h"

/* With RTLD_DEEPBIND the opened library looks for symbols in itself and libc before every
 * preload, and hangs unprotected; PHP opens its extensions so.  The real dlopen takes the
 * calling library's search path from its return address, so it must be jumped to: this is
 * a tail call at -O2, which configure sets and the test of RUNPATH holds. */
INTERPOSE void *dlopen(const char *path, int flags)
{
    if (policy_is_armed())
        flags &= ~RTLD_DEEPBIND;
    return REAL(dlopen)(path, flags);
}

/* A program that filters its own system calls allows those that it makes itself; sshd's
 * child, for one, may read but not recv.  PR_SET_NO_NEW_PRIVS is how an unprivileged
 * program begins, also when it goes on by seccomp(2), which has no function in libc. */
INTERPOSE int prctl(int what, ...)
{
    va_list rest;
    va_start(rest, what);
    unsigned long a = va_arg(rest, unsigned long), b = va_arg(rest, unsigned long);
    unsigned long c = va_arg(rest, unsigned long), d = va_arg(rest, unsigned long);
    va_end(rest);
    if ((what == PR_SET_SECCOMP || what == PR_SET_NO_NEW_PRIVS) && policy_is_armed() && fdtab_is_ours())
        policy_step_aside();
    return REAL(prctl)(what, a, b, c, d);
}
ALIAS_TIME64_OF(prctl, int, __prctl_time64, (int what, ...))
