/* Tests that run under several settings, and once for each of several variants:
 *
 *     const struct suite suites[] = {
 *         {"poll", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms"), TESTS(first, second), way_names(0)},
 *         {"poll, off", SETTINGS("TIMEOUTSOCK_EVENTS=off"), TESTS(third), NULL},
 *         {0}};
 *     return run_suites(argv, suites);
 */
#ifndef SUITES_H
#define SUITES_H

#include "harness.h"

struct suite {
    const char *name;
    const char *const *settings;
    const TTest *const *tests;
    const char *const *variants;    /* names, ended by NULL; or NULL: it runs once */
};

#define SETTINGS(...) (const char *const[]){__VA_ARGS__, NULL}

/* Runs the suites under the real preload, each with its settings; the variants of a suite
 * run several at a time, each in a process of its own, because they mostly wait.  The last
 * suite has no name.  Returns main's exit status. */
int run_suites(char **argv, const struct suite *suites);

/* The variant that the test runs for. */
const char *test_variant(void);

/* A table whose records begin with their name: the names, for a suite's variants, and the
 * record of the variant that the test runs for. */
#define NAMES_IN(table) names_in(table, sizeof *(table), sizeof(table) / sizeof *(table))
#define VARIANT_IN(table) (&(table)[variant_in(table, sizeof *(table), sizeof(table) / sizeof *(table))])
const char *const *names_in(const void *table, size_t size, size_t count);
size_t variant_in(const void *table, size_t size, size_t count);

#endif
