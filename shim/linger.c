#include "linger.h"

#include <errno.h>
#include <stddef.h>

#include "connection.h"
#include "deadline.h"
#include "fdtab.h"
#include "real.h"
#include "scope.h"

void linger_note(int fd, const void *value, socklen_t length)
{
    const struct linger *linger = value;
    struct cell *cell = fdtab_cell(fd);
    if (!cell || length < sizeof *linger || !linger->l_onoff || !linger->l_linger)
        return;
    struct terms *terms = fdtab_make_terms(fd, cell);
    if (terms)
        atomic_store(&terms->lingers, true);
}

static int64_t longest(int fd, struct cell *cell)
{
    uint32_t state = cell_state(cell);
    int64_t now = clock_now(), outer = earlier(scope_deadline(), connection_end(fd, cell, state));
    return earlier(connection_limit(fd, cell, state, PHASE_WRITE).span, left_until(outer, now));
}

/* The kernel counts whole seconds.  When the time is up already it goes on sending by
 * itself, as for a socket that does not linger. */
static void shorten(int fd, int64_t span)
{
    struct linger linger;
    socklen_t length = sizeof linger;
    int64_t seconds = divide_up(span, SECOND);
    if (REAL(getsockopt)(fd, SOL_SOCKET, SO_LINGER, &linger, &length) || !linger.l_onoff || linger.l_linger <= seconds)
        return;
    linger = (struct linger){.l_onoff = seconds > 0, .l_linger = (int)seconds};
    REAL(setsockopt)(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* A program may close numbers that it has never opened, and its vfork children what stays
 * open in itself. */
static bool may_linger(int fd)
{
    const struct terms *terms = terms_find(fd);
    return terms && atomic_load(&terms->lingers) && fdtab_is_ours();
}

void linger_bound(int fd)
{
    struct cell *cell = may_linger(fd) ? fdtab_cell(fd) : NULL;
    if (!cell || !fdtab_terms(fd, cell))
        return;
    int saved_errno = errno;
    int64_t span = longest(fd, cell);
    if (span != NEVER)
        shorten(fd, span);
    errno = saved_errno;
}
