/* The public functions but for scopes; what they promise stands in timeoutsock.h. */
#include "api.h"

#include <fcntl.h>
#include <stddef.h>

#include "deadline.h"
#include "fdtab.h"
#include "policy.h"
#include "real.h"
#include "timeoutsock.h"
#include "wheel.h"

static bool is_limit(int ms)
{
    return ms >= TSOCK_DEFAULT;
}

static int fail(int error, int result)
{
    errno = error;
    return result;
}

/* The cell of an open socket or pipe.  The kernel is asked whether it is one now: a cell
 * may be stale, and before the first limit nothing is noted at all. */
static struct cell *limitable(int fd)
{
    if (REAL(fcntl)(fd, F_GETFD) < 0)
        return NULL;
    struct cell *cell = fdtab_cell(fd);
    if (!cell) {
        errno = ENOMEM;
        return NULL;
    }
    if (kind_has_limits(state_kind(fdtab_verify(fd, cell))))
        return cell;
    errno = ENOTSOCK;
    return NULL;
}

void api_serve_program(void)
{
    if (policy_is_aware())
        return;
    if (!policy_is_armed())
        fdtab_own();
    policy_note_program();
}

/* Also for TSOCK_NONE, which must not outlive its descriptor either. */
static void arm(int ms)
{
    if (ms == TSOCK_DEFAULT)
        return;
    if (ms >= 0)
        policy_note_limit(ms * MILLISECOND);
    api_serve_program();
}

INTERPOSE int tsock_set_timeout(int fd, int ms)
{
    if (!is_limit(ms))
        return fail(EINVAL, -1);
    struct cell *cell = limitable(fd);
    if (!cell)
        return -1;
    atomic_store(&cell->own, (uint32_t)ms - (uint32_t)TSOCK_DEFAULT);
    arm(ms);
    wheel_consider(fd);
    return 0;
}

INTERPOSE int tsock_get_timeout(int fd)
{
    struct cell *cell = limitable(fd);
    if (!cell)
        return TSOCK_ERROR;
    return (int)(atomic_load(&cell->own) + (uint32_t)TSOCK_DEFAULT);
}

INTERPOSE int tsock_set_default_timeout(int ms)
{
    if (!is_limit(ms))
        return fail(EINVAL, -1);
    policy_set_default_ms(ms);
    arm(ms);
    return 0;
}

INTERPOSE int tsock_get_default_timeout(void)
{
    return policy_default_ms();
}
