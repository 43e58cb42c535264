/* The calls that move data, each in one form: `len` bytes of a buffer through fd.  What a
 * call does with vectors, messages, files and pipes of its own is hidden behind that.  A
 * new call is a function and a line in transfers.c. */
#ifndef TRANSFERS_H
#define TRANSFERS_H

#include "harness.h"

struct transfer {
    const char *name;
    /* Returns how many bytes the call has moved, or -1 and errno.  EPROTO: what it has
     * said of itself beside that is wrong. */
    ssize_t (*call)(int fd, char *buf, size_t len);
    bool sockets_only;
    bool piecemeal;         /* it moves less than it was asked to as it likes */
};

extern const struct transfer outgoing[], incoming[];
extern const size_t outgoing_count, incoming_count;

#endif
