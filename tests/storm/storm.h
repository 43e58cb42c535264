/* Many threads, each with many connections, make calls by chance and hold what comes of each
 * against a model: who may time out and when, and which bytes are where.  A seed repeats the
 * sequence of every thread. */
#ifndef STORM_H
#define STORM_H

#include <pthread.h>
#include <stdatomic.h>

#include "../../shim/timeoutsock.h"
#include "../harness.h"

enum { WORKERS = 32, LINKS = 16 };      /* 1,024 sockets */

/* What went one way: every byte tells its place. */
struct way { uint64_t written, read; };

/* A connection whose ends belong to one worker. */
struct link {
    int here, there;
    struct way in, out;
};

struct worker {
    unsigned number;
    uint64_t random;
    pthread_t thread;
    int listener;
    struct sockaddr_storage listener_name;
    socklen_t listener_name_len;
    struct link links[LINKS];
    bool interruptible;                 /* by SIGUSR2, which does not restart; SIGUSR1 comes to all */
    const char *_Atomic doing;
    unsigned done;
};

/* The next number of the worker's sequence that is less than `most`. */
unsigned chance(struct worker *w, unsigned most);
struct link *any_link(struct worker *w);

/* Notes that something is wrong, and says what. */
void wrong(const struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
unsigned wrongs(void);

/* What came after `began` (now_ns) was to come at `ms`: no sooner, and no later than the
 * machine makes it. */
void expect_at(const struct worker *w, int64_t began, int ms);

/* After a failed call: whether a signal has interrupted it, as it may. */
bool interrupted(const struct worker *w);

/* With both signals blocked, for what is no part of the storm. */
void link_open(struct worker *w, struct link *l);
void link_close(struct link *l);

/* Bytes, past the library: to an end, whose way it is; and all that are there from the other. */
void put(const struct worker *w, int fd, struct way *way, size_t len);
void drain(const struct worker *w, int fd, struct way *way);

/* What a call has read: right at its place? */
void took(const struct worker *w, struct way *way, const char *bytes, size_t len);
void make_bytes(const struct way *way, char *bytes, size_t len);

/* Has another thread write a byte to fd after some milliseconds; and waits until it has. */
void post(struct worker *w, int fd, struct way *way, int ms);
void await_post(const struct worker *w);
void *deliver_posts(void *run);

/* A connect to it is never answered. */
extern struct sockaddr_storage deaf_name;
extern socklen_t deaf_name_len;

struct operation {
    const char *name;
    unsigned weight;
    void (*make)(struct worker *w);
};
extern const struct operation calls[], waits[], others[];   /* each ended by one without a name */

#endif
