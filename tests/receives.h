/* The receiving calls that take flags, made in the same way. */
#ifndef RECEIVES_H
#define RECEIVES_H

#include "harness.h"

struct receive {
    const char *name;
    /* Returns how many bytes it has taken to buf, or -1 and errno. */
    ssize_t (*call)(int fd, char *buf, size_t len, int flags);
};
extern const struct receive receives[];     /* the last one has no name */

#define EACH_RECEIVE(by) for (const struct receive *by = receives; by->name; by++)

/* Asserts that it takes this text, of at most `len` bytes. */
void ck_gets(const struct receive *by, int fd, size_t len, int flags, const char *expected);

/* Sends a text; there is room for it. */
void put(int fd, const char *text);

#endif
