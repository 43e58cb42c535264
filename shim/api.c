/* The public functions but for scopes; what they promise stands in timeoutsock.h. */
#include "api.h"

#include <fcntl.h>
#include <stddef.h>

#include "connection.h"
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

void api_begin_to_serve(void)
{
    if (!policy_is_armed())
        fdtab_own();
    policy_note_program();
}

/* The same for changing what is settled about it: not in a child of vfork(), which has no
 * memory of its own to remember it in. */
static struct cell *changeable(int fd)
{
    struct cell *cell = limitable(fd);
    if (!cell)
        return NULL;
    api_serve_program();
    return fdtab_is_ours() ? cell : (errno = ENOMEM, NULL);
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

static uint32_t to_own(int ms)
{
    return (uint32_t)ms - (uint32_t)TSOCK_DEFAULT;
}

static int from_own(uint32_t own)
{
    return (int)(own + (uint32_t)TSOCK_DEFAULT);
}

/* All phases but the total are together. */
static void set_own(int fd, struct cell *cell, uint32_t own)
{
    uint32_t before = atomic_load(&cell->own);
    while (before != OWN_TERMS && !atomic_compare_exchange_weak(&cell->own, &before, own))
        ;
    struct terms *terms = before == OWN_TERMS ? terms_find(fd) : NULL;
    for (int phase = 0; terms && phase < PHASE_TOTAL; phase++)
        atomic_store(&terms->own[phase], own);
}

INTERPOSE int tsock_set_timeout(int fd, int ms)
{
    if (!is_limit(ms))
        return fail(EINVAL, -1);
    struct cell *cell = ms == TSOCK_DEFAULT && !policy_is_armed() ? limitable(fd) : changeable(fd);
    if (!cell)
        return -1;
    arm(ms);
    set_own(fd, cell, to_own(ms));
    wheel_consider(fd);
    return 0;
}

static bool is_phase(enum tsock_phase phase)
{
    return (unsigned)phase < PHASE_OWN_COUNT;
}

INTERPOSE int tsock_set_phase_timeout(int fd, enum tsock_phase phase, int ms)
{
    if (!is_limit(ms) || !is_phase(phase))
        return fail(EINVAL, -1);
    struct cell *cell = changeable(fd);
    if (!cell)
        return -1;
    arm(ms);
    struct terms *terms = fdtab_make_terms(fd, cell);
    if (!terms)
        return fail(ENOMEM, -1);
    atomic_store(&terms->own[phase], to_own(ms));
    if (phase == TSOCK_TOTAL)
        connection_end(fd, cell, cell_state(cell));
    wheel_consider(fd);
    return 0;
}

/* What holds for a phase, if the program has set it. */
static int own_ms(int fd, const struct cell *cell, enum tsock_phase phase)
{
    const struct terms *terms = fdtab_terms(fd, cell);
    if (terms)
        return from_own(atomic_load(&terms->own[phase]));
    return phase == TSOCK_TOTAL ? TSOCK_DEFAULT : from_own(atomic_load(&cell->own));
}

INTERPOSE int tsock_get_phase_timeout(int fd, enum tsock_phase phase)
{
    if (!is_phase(phase))
        return fail(EINVAL, TSOCK_ERROR);
    struct cell *cell = limitable(fd);
    return cell ? own_ms(fd, cell, phase) : TSOCK_ERROR;
}

INTERPOSE int tsock_set_cleanup(int fd, void (*cleanup)(int fd, void *arg), void *arg)
{
    struct cell *cell = changeable(fd);
    if (!cell)
        return -1;
    struct terms *terms = fdtab_make_terms(fd, cell);
    if (!terms)
        return fail(ENOMEM, -1);
    atomic_store(&terms->cleanup, NULL);
    atomic_store(&terms->argument, arg);
    atomic_store(&terms->cleanup, cleanup);
    return 0;
}

INTERPOSE int tsock_get_timeout(int fd)
{
    struct cell *cell = limitable(fd);
    return cell ? own_ms(fd, cell, TSOCK_READ) : TSOCK_ERROR;
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
