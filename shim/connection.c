#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "deadline.h"
#include "real.h"
#include "timeoutsock.h"

struct limit connection_limit(const struct cell *cell, uint32_t state, enum phase phase)
{
    uint32_t own = atomic_load_explicit(&cell->own, memory_order_relaxed);
    if (!own)
        return policy_limit(state_kind(state), phase);
    int64_t ms = (int64_t)own + TSOCK_DEFAULT;
    return (struct limit){ms == TSOCK_NONE ? NEVER : ms * MILLISECOND, false};
}

bool limit_ends_connection(struct limit limit)
{
    return limit.imposed && policy_shuts_down();
}

bool connection_has_peer(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return !getpeername(fd, (struct sockaddr *)&peer, &length);
}

void connection_shut(int fd, const struct cell *cell, uint32_t state)
{
    if (cell_same(cell, state))
        shutdown(fd, SHUT_RDWR);
}

void connection_take_error(int fd)
{
    int error;
    socklen_t length = sizeof error;
    REAL(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &error, &length);
}

/* tcpi_last_data_sent moves with every retransmission and zero-window probe too, and those
 * say that the peer does not answer. */
static bool sending_is_answered(const struct tcp_info *info)
{
    return !info->tcpi_retransmits && !info->tcpi_probes && !info->tcpi_backoff;
}

static bool ask_tcp(int fd, struct tcp_info *info)
{
    socklen_t length = sizeof *info;
    *info = (struct tcp_info){0};
    return !REAL(getsockopt)(fd, IPPROTO_TCP, TCP_INFO, info, &length);
}

int64_t connection_quiet(int fd)
{
    struct tcp_info info;
    if (!ask_tcp(fd, &info))
        return NEVER;
    int64_t quiet = info.tcpi_last_data_recv;
    if (sending_is_answered(&info))
        quiet = earlier(quiet, info.tcpi_last_data_sent);
    return quiet * MILLISECOND;
}

int64_t connection_received(int fd)
{
    struct tcp_info info;
    return ask_tcp(fd, &info) ? info.tcpi_last_data_recv * MILLISECOND : NEVER;
}

static int poll_once(int fd, short events)
{
    struct pollfd p = {fd, events, 0};
    int saved_errno = errno, ready = REAL(poll)(&p, 1, 0);
    errno = saved_errno;
    return ready;
}

bool connection_ready(int fd, short events)
{
    return poll_once(fd, events) > 0;
}

bool connection_busy(int fd, short events)
{
    return poll_once(fd, events) == 0;
}
