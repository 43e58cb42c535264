/* Many threads that begin and end scopes: each has its own, and nothing is lost. */
#include <pthread.h>

#include "scopes.h"

enum { THREADS = 16, DEEPEST = 32, PAIRS = 1000000 };

struct counts {
    pthread_t thread;
    int begun, ended, wrong;
};

static void note(struct counts *counts, bool right)
{
    counts->wrong += !right;
}

/* Begins `depth` scopes, one in the other; the deadlines are later and later, so that all
 * are to be found at their own. */
static void nest(struct counts *counts, int depth)
{
    tsock_scope_t scope;
    if (!depth)
        return;
    note(counts, !tsock_scope_begin(&scope, LONG * depth));
    counts->begun++;
    nest(counts, depth - 1);
    int left = tsock_scope_remaining(&scope);
    note(counts, left > LONG * (depth - 1) && left <= LONG * depth);
    note(counts, !tsock_scope_end(&scope));
    counts->ended++;
}

static void *begin_and_end(void *argument)
{
    struct counts *counts = argument;
    tsock_scope_t none;
    for (int depth = 1; counts->begun < PAIRS; depth = depth % DEEPEST + 1)
        nest(counts, depth < PAIRS - counts->begun ? depth : PAIRS - counts->begun);
    note(counts, tsock_scope_begin(&none, TSOCK_NONE) == 0 && tsock_scope_end(&none) == 0);
    return NULL;
}

START_TEST(many_threads_nest_a_million_scopes_each)
{
    static struct counts counts[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&counts[i].thread, NULL, begin_and_end, &counts[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(counts[i].thread, NULL), 0);
        ck_assert_int_eq(counts[i].begun, PAIRS);
        ck_assert_int_eq(counts[i].ended, PAIRS);
        ck_assert_int_eq(counts[i].wrong, 0);
    }
}
END_TEST

static void *receive_in_none(void *pair)
{
    static char byte;
    struct pair *p = pair;
    return recv(p->here, &byte, 1, 0) == 1 ? pair : NULL;
}

START_TEST(a_scope_is_one_threads_alone)
{
    struct pair p = tcp_pair(), other = tcp_pair();
    tsock_scope_t scope;
    pthread_t thread;
    void *received;
    char byte;
    ck_ok(tsock_scope_begin(&scope, 0));
    ck_assert_int_eq(pthread_create(&thread, NULL, receive_in_none, &p), 0);
    ck_fails(ETIMEDOUT, recv(other.here, &byte, 1, 0));
    ck_assert_int_eq(plain_write(p.there, "x", 1), 1);
    ck_assert_int_eq(pthread_join(thread, &received), 0);
    ck_assert_ptr_eq(received, &p);
    ck_ok(tsock_scope_end(&scope));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    return run_tests("scopethreads", TESTS(many_threads_nest_a_million_scopes_each, a_scope_is_one_threads_alone));
}
