/* Times beginning and ending a scope.  Run it with the library in LD_PRELOAD.
 *
 * usage: scope; prints nanoseconds per pair with a deadline and without one, and of reading
 * the clock once, which is a part of the first: the least of 21 batches each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../shim/timeoutsock.h"

enum { BATCHES = 21, PAIRS = 200000 };

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void pair(int ms)
{
    tsock_scope_t scope;
    if (tsock_scope_begin(&scope, ms) || tsock_scope_end(&scope)) {
        perror("scope");
        exit(EXIT_FAILURE);
    }
}

static void pair_with_deadline(void)
{
    pair(1000);
}

static void pair_without(void)
{
    pair(TSOCK_NONE);
}

static void read_clock(void)
{
    now();
}

static double least(void (*call)(void))
{
    int64_t best = INT64_MAX;
    for (int batch = 0; batch < BATCHES; batch++) {
        int64_t began = now();
        for (int i = 0; i < PAIRS; i++)
            call();
        int64_t took = now() - began;
        best = took < best ? took : best;
    }
    return (double)best / PAIRS;
}

int main(void)
{
    printf("with a deadline %.1f ns, without %.1f ns, the clock %.1f ns\n", least(pair_with_deadline),
           least(pair_without), least(read_clock));
    return EXIT_SUCCESS;
}
