/* The constructor.  What is called before it ran is passed on (real.h, policy_armed). */
#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include "fdtab.h"
#include "policy.h"
#include "real.h"
#include "stream.h"

/* A filter of system calls may refuse the clock, where that is one; then nothing can be limited. */
static bool has_clock(void)
{
    int saved_errno = errno;
    struct timespec t;
    bool has = !clock_gettime(CLOCK_MONOTONIC, &t);
    errno = saved_errno;
    return has;
}

__attribute__((constructor)) static void init(void)
{
    real_init();
    fdtab_init();
    if (!has_clock())
        policy_step_aside();
    policy_init();
    if (policy_is_armed())
        fdtab_own();
#ifdef __GLIBC__
    stream_init();
#endif
}
