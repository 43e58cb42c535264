/* The constructor.  What is called before it ran is passed on (real.h, policy_armed). */
#include "fdtab.h"
#include "policy.h"
#include "real.h"
#include "stream.h"

__attribute__((constructor)) static void init(void)
{
    real_init();
    fdtab_init();
    policy_init();
    if (policy_is_armed()) {
        fdtab_own();
#ifdef __GLIBC__
        stream_init();
#endif
    }
}
