/* What the other end of a connection does. */
#ifndef PEER_H
#define PEER_H

#include <pthread.h>

#include "harness.h"

/* Starts a thread that does act(argument) once the calling thread sleeps in the kernel.
 * Assertions belong to the thread that runs the test: there are none in act. */
pthread_t when_asleep(void *(*act)(void *argument), void *argument);

/* For when_asleep: receives into data until there are `want` bytes or EOF. */
struct intake {
    int fd;
    size_t want;
    char *data;
    size_t got;
};
struct intake intake_of(int fd, size_t want);
void *take_in(void *intake);

/* Asserts that the peer has sent exactly this and closed. */
void ck_receives(int fd, const char *expected, size_t len);

/* Bytes that tell a lost, repeated or displaced one. */
char *pattern(size_t len);

/* Zeroed memory for as long as the test lasts. */
void *keep(size_t size);

/* A pipe; it is read `here`. */
struct pair pipe_pair(void);
struct pair pipe_of(const char *data, size_t len);      /* one that holds this, with room for 1 MB */

/* The same pair, after fill(); and with a send buffer of 64 KB. */
struct pair filled(struct pair pair);
struct pair little_room(struct pair pair);

#endif
