#include "suites.h"

#include <assert.h>
#include <stdio.h>
#include <sys/wait.h>

#define SUITE "TIMEOUTSOCK_TEST_SUITE"
#define VARIANT "TIMEOUTSOCK_TEST_VARIANT"

const char *test_variant(void)
{
    return getenv(VARIANT);
}

static const char *name_in(const void *table, size_t size, size_t index)
{
    return *(const char *const *)((const char *)table + index * size);
}

const char *const *names_in(const void *table, size_t size, size_t count)
{
    static const char *all[100], **free = all;      /* static: what is allocated looks leaked */
    const char **names = free;
    assert(count < (size_t)(all + 100 - free));
    for (size_t i = 0; i < count; i++)
        *free++ = name_in(table, size, i);
    *free++ = NULL;
    return names;
}

size_t variant_in(const void *table, size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name_in(table, size, i), test_variant()))
            return i;
    ck_abort_msg("the table holds no %s", test_variant());
}

static int run_chosen(const struct suite *suites)
{
    for (const char *chosen = getenv(SUITE); suites->name; suites++)
        if (chosen && !strcmp(suites->name, chosen)) {
            char name[128];
            snprintf(name, sizeof name, "%s: %s", suites->name, test_variant());
            return run_tests(*test_variant() ? name : suites->name, suites->tests);
        }
    return EXIT_FAILURE;
}

static bool start(char **argv, const struct suite *suite, const char *variant)
{
    pid_t child = fork();
    if (child)
        return child > 0;
    setenv(SUITE, suite->name, 1);
    setenv(VARIANT, variant, 1);
    for (const char *const *setting = suite->settings; *setting; setting++)
        putenv((char *)*setting);
    under_preload(argv, NULL);
    return false;   /* not reached */
}

static bool one_succeeds(void)
{
    int status;
    return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* More at once would make each other late. */
#define AT_ONCE 8

static bool run_suite(char **argv, const struct suite *suite)
{
    static const char *const once[] = {"", NULL};
    bool good = true;
    int running = 0;
    for (const char *const *variant = suite->variants ? suite->variants : once; *variant; variant++) {
        if (running == AT_ONCE) {
            good &= one_succeeds();
            running--;
        }
        good &= start(argv, suite, *variant);
        running++;
    }
    while (running--)
        good &= one_succeeds();
    return good;
}

int run_suites(char **argv, const struct suite *suites)
{
    if (getenv("TIMEOUTSOCK_TEST"))
        return run_chosen(suites);
    bool good = true;
    for (; suites->name; suites++)
        good &= run_suite(argv, suites);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
