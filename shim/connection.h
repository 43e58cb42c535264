/* What is asked of the kernel about one connection, and the one thing that is done to it. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "fdtab.h"
#include "policy.h"

/* The limit of fd in a phase: what the program has set on the fd wins over all that is
 * configured. */
struct limit connection_limit(int fd, const struct cell *cell, uint32_t state, enum phase phase);

/* When its whole life is over, NEVER if that is not limited.  It began when connect or accept
 * was called; otherwise it begins when the connection is first asked about. */
int64_t connection_end(int fd, struct cell *cell, uint32_t state);

/* A life begins now. */
void connection_begin(int fd, struct cell *cell, uint32_t state);

/* A call comes when it is over: what that answers. */
int connection_over(int fd, struct cell *cell, uint32_t state);

/* The limit of an event wait for these poll events.  One that the program has set on the fd
 * itself holds whoever opened the connection. */
struct limit connection_wait_limit(int fd, const struct cell *cell, uint32_t state, short events);
int64_t connection_wait_end(int fd, struct cell *cell, uint32_t state);

/* Whether reaching this limit ends the connection, or only fails the call; and with what. */
bool limit_ends_connection(struct limit limit);
int limit_error(struct limit limit, bool connecting);

/* A call on it has timed out: what the program wants to be called for that is, once. */
void connection_clean_up(int fd, const struct cell *cell);

/* What SO_ERROR answers instead of the kernel's own error; 0: that. */
int connection_take_answer(int fd, struct cell *cell);

/* Whether fd has a peer.  A listening or unconnected socket has none and is never shut
 * down, although shutdown(2) would do it (inet_shutdown() wakes the pollers of an
 * unconnected UDP socket and tells them of a hangup). */
bool connection_has_peer(int fd);

/* Shuts fd down, as when the kernel gives a peer up: further reads get EOF and further
 * writes EPIPE.  Not if the number means another descriptor by now. */
void connection_shut(int fd, struct cell *cell, uint32_t state);

/* Takes the kernel's own error from fd.  Ending a connect that is under way leaves one
 * (ECONNRESET, tcp_disconnect()), and the program is told another. */
void connection_take_error(int fd);

/* For how long, at least, nothing has moved on fd in either direction, in nanoseconds;
 * NEVER if the kernel cannot tell (no TCP). */
int64_t connection_quiet(int fd);

/* Something has moved on a descriptor that is waited for: the wait begins anew, for epoll,
 * which need not be called again, now, and for the others when they are called. */
void connection_moved(struct cell *cell);

/* A number that changes when bytes arrive (POLLIN) or are acknowledged (POLLOUT); false if
 * the kernel cannot tell. */
bool connection_mark(int fd, short events, uint32_t *mark);

/* Whether poll(2) sees one of these events on fd now; and whether it sees that there is none.
 * Neither, if it cannot be asked (EINVAL where RLIMIT_NOFILE is 0).  errno stays. */
bool connection_busy(int fd, short events);
bool connection_ready(int fd, short events);

#endif
