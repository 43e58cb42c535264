#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deadline.h"
#include "real.h"
#include "timeoutsock.h"

static uint32_t own_limit(int fd, const struct cell *cell, enum phase phase)
{
    uint32_t own = atomic_load_explicit(&cell->own, memory_order_acquire);
    if (own != OWN_TERMS)
        return phase == PHASE_TOTAL ? 0 : own;
    const struct terms *terms = terms_find(fd);
    return terms ? atomic_load_explicit(&terms->own[phase], memory_order_relaxed) : 0;
}

struct limit connection_limit(int fd, const struct cell *cell, uint32_t state, enum phase phase)
{
    uint32_t own = own_limit(fd, cell, phase);
    if (!own)
        return policy_limit(state_kind(state), phase);
    int64_t ms = (int64_t)own + TSOCK_DEFAULT;
    return (struct limit){ms == TSOCK_NONE ? NEVER : ms * MILLISECOND, false};
}

static bool has_begun(int fd, uint32_t state)
{
    return state_kind(state) == KIND_PIPE || state & CELL_CONNECTING || connection_has_peer(fd);
}

/* When fd began to live; 0 if it does not. */
static int64_t birth_of(int fd, struct cell *cell, uint32_t state)
{
    struct terms *terms = fdtab_terms(fd, cell);
    int64_t born = terms ? atomic_load(&terms->born) : 0;
    if (!born && !(state & CELL_PASSIVE) && has_begun(fd, state) && (terms = fdtab_make_terms(fd, cell)))
        atomic_store(&terms->born, born = clock_now());
    return born;
}

int64_t connection_end(int fd, struct cell *cell, uint32_t state)
{
    int64_t span = connection_limit(fd, cell, state, PHASE_TOTAL).span;
    if (span == NEVER || state & CELL_EXPIRED)
        return NEVER;
    int saved_errno = errno;
    int64_t born = birth_of(fd, cell, state);
    errno = saved_errno;
    return born ? deadline_after(born, span) : NEVER;
}

void connection_begin(int fd, struct cell *cell, uint32_t state)
{
    if (connection_limit(fd, cell, state, PHASE_TOTAL).span == NEVER)
        return;
    struct terms *terms = fdtab_make_terms(fd, cell);
    if (terms)
        atomic_store(&terms->born, clock_now());
}

int connection_over(int fd, struct cell *cell, uint32_t state)
{
    struct limit total = connection_limit(fd, cell, state, PHASE_TOTAL);
    if (limit_ends_connection(total) && state_kind(state) != KIND_PIPE) {
        connection_shut(fd, cell, state);
        if (state & CELL_CONNECTING)
            connection_take_error(fd);
    }
    return limit_error(total, state & CELL_CONNECTING);
}

static bool events_are_watched(uint32_t state)
{
    switch (policy_events()) {
    case EVENTS_ALL: return true;
    case EVENTS_CONNECTED: return state & CELL_OPENED;
    default: return false;
    }
}

static const struct limit no_limit = {NEVER, true};

static bool is_waited_for(int fd, const struct cell *cell, uint32_t state, enum phase phase)
{
    if (!kind_has_limits(state_kind(state)) || state & (CELL_PASSIVE | CELL_EXPIRED))
        return false;
    return events_are_watched(state) || own_limit(fd, cell, phase);
}

static struct limit wait_limit(int fd, const struct cell *cell, uint32_t state, enum phase phase)
{
    return is_waited_for(fd, cell, state, phase) ? connection_limit(fd, cell, state, phase) : no_limit;
}

struct limit connection_wait_limit(int fd, const struct cell *cell, uint32_t state, short events)
{
    if (state & CELL_CONNECTING)
        return wait_limit(fd, cell, state, PHASE_CONNECT);
    bool in = events & (POLLIN | POLLRDNORM | POLLRDHUP), out = events & (POLLOUT | POLLWRNORM);
    struct limit read = in || !out ? wait_limit(fd, cell, state, PHASE_READ) : no_limit;
    struct limit write = out ? wait_limit(fd, cell, state, PHASE_WRITE) : no_limit;
    return read.span <= write.span ? read : write;
}

int64_t connection_wait_end(int fd, struct cell *cell, uint32_t state)
{
    return is_waited_for(fd, cell, state, PHASE_TOTAL) ? connection_end(fd, cell, state) : NEVER;
}

bool limit_ends_connection(struct limit limit)
{
    return limit.imposed && policy_shuts_down();
}

int limit_error(struct limit limit, bool connecting)
{
    return limit.imposed && !connecting ? policy_error() : ETIMEDOUT;
}

void connection_clean_up(int fd, const struct cell *cell)
{
    struct terms *terms = fdtab_terms(fd, cell);
    if (!terms || !atomic_load(&terms->cleanup))
        return;
    int saved_errno = errno;
    void *argument = atomic_load(&terms->argument);
    void (*cleanup)(int, void *) = atomic_exchange(&terms->cleanup, NULL);
    if (cleanup)
        cleanup(fd, argument);
    errno = saved_errno;
}

/* Nobody looks for EAGAIN there. */
int connection_take_answer(int fd, struct cell *cell)
{
    int error = cell_take_error(cell);
    if (error != EAGAIN && error != ETIMEDOUT)
        return error;
    connection_clean_up(fd, cell);
    return ETIMEDOUT;
}

bool connection_has_peer(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return !getpeername(fd, (struct sockaddr *)&peer, &length);
}

/* Between the look at the cell and shutdown(2), a program that closes what another of its threads
 * is in a call on may have got another connection by the same number.  No call of the kernel
 * shuts down a connection only if it is still the same, and a descriptor of our own to hold it
 * by would be in the same danger, and in the program's way (tests/model/expiry.pml). */
void connection_shut(int fd, struct cell *cell, uint32_t state)
{
    if (cell_change(cell, state, 0, CELL_EXPIRED))
        shutdown(fd, SHUT_RDWR);
}

void connection_take_error(int fd)
{
    int error;
    socklen_t length = sizeof error;
    REAL(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &error, &length);
}

/* The kernel itself is asked: another preloaded library that emulates TCP (socket_wrapper)
 * answers with zeros, by which something would always just have moved. */
static bool ask_tcp(int fd, struct tcp_info *info)
{
    socklen_t length = sizeof *info;
    *info = (struct tcp_info){0};
    return !syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &length);
}

/* For how long the peer's window has been closed, at least.  It is probed at intervals that
 * double (tcp_probe0_when()), and when a probe has been acknowledged its time is known. */
static int64_t window_closed(const struct tcp_info *info)
{
    int64_t interval = info->tcpi_rto * MICROSECOND, shortest = 200 * MILLISECOND;
    int64_t until_probe = (interval > shortest ? interval : shortest) * ((INT64_C(1) << info->tcpi_backoff) - 1);
    return info->tcpi_probes ? until_probe : until_probe + info->tcpi_last_ack_recv * MILLISECOND;
}

/* tcpi_last_data_sent moves with every retransmission and may with every probe of a closed
 * window, and those say that the peer takes nothing. */
static int64_t sending_quiet(const struct tcp_info *info)
{
    if (info->tcpi_retransmits)
        return info->tcpi_last_ack_recv * MILLISECOND;
    int64_t closed = info->tcpi_backoff ? window_closed(info) : 0, sent = info->tcpi_last_data_sent * MILLISECOND;
    return closed > sent ? closed : sent;
}

int64_t connection_quiet(int fd)
{
    struct tcp_info info;
    if (!ask_tcp(fd, &info))
        return NEVER;
    int64_t quiet = earlier(info.tcpi_last_data_recv * MILLISECOND, sending_quiet(&info));
    return quiet > TICK ? quiet - TICK : 0;
}

void connection_moved(struct cell *cell)
{
    bool also_in_epoll = atomic_load_explicit(&cell->watched, memory_order_relaxed);
    atomic_store_explicit(&cell->since, also_in_epoll ? clock_now() : 0, memory_order_relaxed);
}

bool connection_mark(int fd, short events, uint32_t *mark)
{
    struct tcp_info info;
    if (!ask_tcp(fd, &info))
        return false;
    *mark = (events & POLLIN ? (uint32_t)info.tcpi_bytes_received : 0) + (events & POLLOUT ? (uint32_t)info.tcpi_bytes_acked : 0);
    return true;
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
