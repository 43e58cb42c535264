/* An array with an element for every number that the kernel can hand out to a descriptor (31
 * bits).  Only those 1,024 elements are in memory at a time among which one has been needed;
 * they begin as zeros and stay where they are.  No lock and no malloc: safe in signal handlers
 * and whatever fork() interrupts. */
#ifndef SPARSE_H
#define SPARSE_H

#include <stdbool.h>
#include <stddef.h>

#define SPARSE_LEAF_BITS 10
#define SPARSE_LEAF_SIZE (1 << SPARSE_LEAF_BITS)
#define SPARSE_ROOT_BITS 11

typedef void *_Atomic branch;       /* to a node or a leaf; NULL until it is needed */

/* Large, and last in memory: what is written at each start lies close together before it, on
 * few pages. */
#define LARGE __attribute__((common))

struct sparse {
    size_t element;                 /* bytes */
    branch *root;
};
#define SPARSE_ARRAY(name, type)                      \
    branch name##_root[1 << SPARSE_ROOT_BITS] LARGE;  \
    static const struct sparse name = {sizeof(type), name##_root}

/* The element of a number that is not negative, making room for it; NULL: no memory. */
void *sparse_make(const struct sparse *array, int at);

/* The element, or NULL if there has never been room for it. */
void *sparse_find(const struct sparse *array, int at);

/* Fresh pages of zeros, or NULL.  errno stays. */
void *sparse_pages(size_t size);

#endif
