/* A close that waits until what was sent has arrived (SO_LINGER) is a write in disguise: it
 * does not wait longer than one may. */
#ifndef LINGER_H
#define LINGER_H

#include <sys/socket.h>

/* The program has set SO_LINGER on a socket, limited or not (yet). */
void linger_note(const void *value, socklen_t length);

/* fd is about to be closed. */
void linger_bound(int fd);

#endif
