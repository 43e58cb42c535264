/* Times calls by two definitions in turn, in one process and on the same descriptors: libc's
 * own, and whatever a program would get (a preloaded library's).  A pair of batches takes
 * fractions of a millisecond, so what else the machine does weighs on both alike. */
#ifndef MEASURE_H
#define MEASURE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLS(X) X(accept) X(close) X(connect) X(poll) X(read) X(recv) X(send) X(socket) X(write)

struct calls {
#define X(name) __typeof__(&name) name;
    CALLS(X)
#undef X
};

enum way { PLAIN, GIVEN, WAYS };
extern struct calls calls[WAYS];
void find_calls(void);

/* A batch returns the nanoseconds that a call of it took by these definitions. */
typedef double timing(const struct calls *by, void *work);

/* Prints a line for each pair of batches: plain, given. */
void measure(timing *batch, void *work, int pairs);

/* How the number-th batch is made, such that every other pair begins with the library. */
enum way way_of(int number);

void need(bool ok, const char *what);
int64_t now(void);

/* Both ends of a new connection; `here` has connected. */
struct ends {
    int here, there;
};
struct ends connect_ends(int domain);
int listen_at(int domain, struct sockaddr_storage *name, socklen_t *length);

/* Another process, because a process may open only so many files, accepts that many connections,
 * so many from each listener, and with `ready` makes the last one ready.  It stays until it is
 * killed. */
pid_t accept_many(const int *listeners, int per_listener, int count, bool ready);

/* From now on in this process everything runs on one processor. */
void stay_on_one_processor(void);

/* Allows this process as many open files as that, if it may. */
void allow_files(int count);

#endif
