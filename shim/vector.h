/* Continuing a transfer: what is left of an iovec array after some bytes have moved, a few
 * pieces at a time, so that no memory is needed. */
#ifndef VECTOR_H
#define VECTOR_H

#include <stddef.h>
#include <sys/uio.h>

enum { VECTOR_PIECES = 16 };

struct vector {
    struct iovec pieces[VECTOR_PIECES];
    int count;
};

/* The total is at most SSIZE_MAX; the kernel refuses more. */
size_t vector_total(const struct iovec *iov, size_t count);

/* The first pieces that lie behind `done` bytes. */
void vector_rest(struct vector *rest, const struct iovec *iov, size_t count, size_t done);

#endif
