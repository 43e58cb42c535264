#include "terms.h"

#include <stddef.h>

#include "sparse.h"

SPARSE_ARRAY(table, struct terms);

struct terms *terms_find(int fd)
{
    return fd < 0 ? NULL : sparse_find(&table, fd);
}

struct terms *terms_make(int fd)
{
    return fd < 0 ? NULL : sparse_make(&table, fd);
}

void terms_begin(struct terms *terms, uint32_t instead, uint32_t own)
{
    for (int phase = 0; phase < PHASE_TOTAL; phase++) {
        uint32_t there = instead;
        atomic_compare_exchange_strong(&terms->own[phase], &there, own);
    }
}

void terms_clear(int fd)
{
    struct terms *terms = terms_find(fd);
    if (!terms)
        return;
    for (int phase = 0; phase < PHASE_OWN_COUNT; phase++)
        atomic_store_explicit(&terms->own[phase], 0, memory_order_relaxed);
    atomic_store_explicit(&terms->born, 0, memory_order_relaxed);
    atomic_store_explicit(&terms->cleanup, NULL, memory_order_relaxed);
}

bool terms_copy(int from, int to)
{
    struct terms *source = terms_find(from), *copy = terms_make(to);
    if (!source || !copy)
        return false;
    for (int phase = 0; phase < PHASE_OWN_COUNT; phase++)
        atomic_store(&copy->own[phase], atomic_load(&source->own[phase]));
    atomic_store(&copy->born, atomic_load(&source->born));
    atomic_store(&copy->cleanup, NULL);
    return true;
}
