/* The rule of event waits, the same for poll, select and epoll:
 *
 *   A connection expires when the program has been waiting for it and nothing has moved on
 *   it, in either direction, for its limit.  (While it is connecting: when the connect
 *   limit has passed since connect().)
 *
 * "Waiting" begins when the fd is first handed to a wait and is not ready, and ends when
 * it is reported ready; so short waits in a loop add up.  What has moved is asked of the
 * kernel when the time is up, not kept on the way.
 *
 * An expired connection is shut down, so that the kernel itself reports it ready to whoever
 * waits in whatever way; the next call on it answers ETIMEDOUT, once.  Where the limit ends
 * no connection (the program's own, TIMEOUTSOCK_ACTION=error, a pipe) it is reported by the
 * wait itself, for as long as nobody has taken that answer. */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* When fd expires, waited for from `now` on unless it already was, for these poll events;
 * NEVER if it does not.  0: it has, and the wait is to report it (watch_is_over). */
int64_t watch_begin(int fd, short events, int64_t now);

/* It was reported ready. */
void watch_ready(int fd);

/* If its time is up: holds that against the kernel and, if nothing has moved, expires it. */
void watch_expire(int fd, short events, int64_t now);

/* Whether it has expired and nobody but the wait reports it. */
bool watch_is_over(int fd);

/* The same for a wait in epoll, which knows its events since epoll_ctl (watched.h).  epoll can
 * be told by the kernel alone, so there every expiry shuts down, and pipes are left alone.
 *
 * When fd expires; NEVER if it does not. */
int64_t watch_by_epoll(int fd, int64_t now);
void watch_expire_by_epoll(int fd, int64_t now);

#endif
