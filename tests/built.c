#include "built.h"

#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

/* In the environment, because each test is a process of its own. */
#define DIRECTORY "TIMEOUTSOCK_TEST_DIRECTORY"

void built_begin(void)
{
    static char directory[] = "/tmp/timeoutsock-test-XXXXXX";
    if (mkdtemp(directory))
        setenv(DIRECTORY, directory, 1);
}

const char *built(const char *name)
{
    static char paths[4][PATH_MAX];
    static int last;
    char *path = paths[++last % 4];
    snprintf(path, sizeof paths[0], "%s/%s", getenv(DIRECTORY), name);
    return path;
}

/* The compiler itself is not to be limited. */
static int run_shell(const char *command)
{
    const char *preload = getenv("LD_PRELOAD");
    char *saved = preload ? strdup(preload) : NULL;
    unsetenv("LD_PRELOAD");
    int status = system(command);
    if (saved)
        setenv("LD_PRELOAD", saved, 1);
    free(saved);
    return status;
}

void built_end(void)
{
    char command[PATH_MAX + 32];
    snprintf(command, sizeof command, "rm -rf '%s'", getenv(DIRECTORY));
    run_shell(command);
}

void build(const char *name, const char *arguments, const char *text)
{
    char source[64], command[4 * PATH_MAX];
    snprintf(source, sizeof source, "%s.c", name);
    FILE *file = fopen(built(source), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    const char *compiler = getenv("CC");
    snprintf(command, sizeof command, "%s -D_GNU_SOURCE -O1 -o '%s' '%s' %s", compiler ? compiler : "cc", built(name),
             built(source), arguments);
    ck_assert_msg(run_shell(command) == 0, "%s", command);
}

static void set_or_unset(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

const char *preload_both(const char *first, const char *second)
{
    static char list[4 * PATH_MAX];
    const char *runtime = getenv("SANITIZER_RUNTIME");
    snprintf(list, sizeof list, "%s%s%s:%s", runtime ? runtime : "", runtime ? ":" : "", first, second);
    return list;
}

int run_built(const char *name, const char *preload, const char *limit)
{
    pid_t child = fork();
    ck_ok(child);
    if (!child) {
        set_or_unset("LD_PRELOAD", preload);
        set_or_unset("TIMEOUTSOCK_DEFAULT", limit);
        execl(built(name), name, (char *)NULL);
        _exit(127);
    }
    int status;
    ck_ok(waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
