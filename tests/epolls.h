/* The ways to wait in epoll.  What holds for all of them is tested once for each, as a
 * variant of a suite (tests/suites.h). */
#ifndef EPOLLS_H
#define EPOLLS_H

#include <signal.h>
#include <sys/epoll.h>

#include "harness.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Of all of them, and of those that take a signal mask. */
extern const char *const epoll_names[], *const epoll_mask_names[];

/* One wait in the way that the test runs for, or by epoll_wait if it runs for none. */
int wait_masked(int epoll, struct epoll_event *events, int most, int ms, const sigset_t *mask);
int wait_on(int epoll, struct epoll_event *events, int most, int ms);

/* A new instance with fd registered in it, under data that tells fd. */
int instance_of(int fd, uint32_t events);
void add(int epoll, int fd, uint32_t events);
void modify(int epoll, int fd, uint32_t events);
void delete(int epoll, int fd);

/* One wait for one event: the descriptor that is ready, -1 if none is.  The data must be
 * that of the registration, and errno is left alone. */
int ready_in(int epoll, int ms);

void ck_reports(int fd, int epoll);                 /* it is ready now */
void ck_silent_for(int ms, int epoll);

/* Now, but by the kernel's ticks no earlier than that: those tell when something has moved.  On a
 * virtual machine whose host takes the processor away they have been seen 300 ms behind the
 * clock; the library allows for one of them. */
struct moment {
    int64_t by_clock, by_ticks;
};
struct moment moment(void);

/* It is reported at its limit, which counts from `began`, or from the last epoll_ctl or
 * put_byte; and it has expired. */
void ck_expires_since(struct moment began, int ms, int fd, int epoll);
void ck_expires_after(int ms, int fd, int epoll);

/* Whether a connection has expired is asked by a call that does not wait. */
void ck_has_expired(int fd);
void ck_is_alive(int fd);

void put_byte(int fd);
void take_byte(int fd);

/* A byte from the other end, which is reported. */
void receive(int fd, int there, int epoll);

int connect_without_waiting(int listener);

#endif
