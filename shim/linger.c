#include "linger.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "connection.h"
#include "deadline.h"
#include "fdtab.h"
#include "real.h"
#include "scope.h"

/* Some socket of this process may linger, and those that are accepted from it: which ones, the
 * kernel knows.  Few programs ever ask for that, and the others do not pay for it. */
static atomic_bool some_linger;

void linger_note(const void *value, socklen_t length)
{
    const struct linger *linger = value;
    if (length >= sizeof *linger && linger->l_onoff && linger->l_linger)
        atomic_store_explicit(&some_linger, true, memory_order_relaxed);
}

static int64_t longest(int fd, struct cell *cell, uint32_t state)
{
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
    if (REAL(getsockopt)(fd, SOL_SOCKET, SO_LINGER, &linger, &length))
        return;
    if (!linger.l_onoff || linger.l_linger <= seconds)
        return;
    linger = (struct linger){.l_onoff = seconds > 0, .l_linger = (int)seconds};
    REAL(setsockopt)(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* A vfork child closes what stays open in its parent. */
static bool may_linger(void)
{
    return atomic_load_explicit(&some_linger, memory_order_relaxed) && fdtab_is_ours();
}

void linger_bound(int fd)
{
    struct cell *cell = may_linger() ? fdtab_cell(fd) : NULL;
    if (!cell)
        return;
    int saved_errno = errno;
    uint32_t state = fdtab_learn(fd, cell);
    int64_t span = kind_has_limits(state_kind(state)) ? longest(fd, cell, state) : NEVER;
    if (span != NEVER)
        shorten(fd, span);
    errno = saved_errno;
}
