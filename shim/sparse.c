#include "sparse.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define NODE_BITS 10
#define NODE_SIZE (1 << NODE_BITS)

struct node {
    branch leaf[NODE_SIZE];
};

void *sparse_pages(size_t size)
{
    int saved_errno = errno;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = saved_errno;
    return pages == MAP_FAILED ? NULL : pages;
}

static void *there(branch *from)
{
    return atomic_load_explicit(from, memory_order_acquire);
}

/* What a branch leads to.  Two threads may find it missing at once: the later one drops
 * its pages.  NULL: no memory. */
static void *follow(branch *from, size_t size)
{
    void *old = there(from);
    if (old)
        return old;
    void *pages = sparse_pages(size);
    if (!pages)
        return NULL;
    if (atomic_compare_exchange_strong(from, &old, pages))
        return pages;
    munmap(pages, size);
    return old;
}

static branch *root_of(const struct sparse *array, int at)
{
    return &array->root[at >> (SPARSE_LEAF_BITS + NODE_BITS)];
}

static branch *leaf_of(struct node *node, int at)
{
    return &node->leaf[at >> SPARSE_LEAF_BITS & (NODE_SIZE - 1)];
}

static void *element_of(const struct sparse *array, char *leaf, int at)
{
    return leaf ? leaf + array->element * (at & (SPARSE_LEAF_SIZE - 1)) : NULL;
}

void *sparse_make(const struct sparse *array, int at)
{
    struct node *node = follow(root_of(array, at), sizeof *node);
    return node ? element_of(array, follow(leaf_of(node, at), array->element * SPARSE_LEAF_SIZE), at) : NULL;
}

void *sparse_find(const struct sparse *array, int at)
{
    struct node *node = there(root_of(array, at));
    return node ? element_of(array, there(leaf_of(node, at)), at) : NULL;
}
