/* Times how long a program takes from its start to its end, plain and with a library
 * preloaded, in turn.
 *
 * usage: starting PAIRS LIBRARY PROGRAM [ARGUMENT]...; prints nanoseconds: plain, given. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "measure.h"

extern char **environ;

struct start {
    char **command, *preload;
};

static double time_start(const struct calls *by, void *work)
{
    struct start *s = work;
    pid_t child;
    int status;
    need(by == &calls[GIVEN] ? !setenv("LD_PRELOAD", s->preload, 1) : !unsetenv("LD_PRELOAD"), "environment");
    int64_t began = now();
    need(!(errno = posix_spawn(&child, s->command[0], NULL, NULL, s->command, environ)), s->command[0]);
    need(waitpid(child, &status, 0) == child && !status, "the program failed");
    return (double)(now() - began);
}

int main(int argc, char **argv)
{
    need(argc >= 4, "usage: starting PAIRS LIBRARY PROGRAM [ARGUMENT]...");
    measure(time_start, &(struct start){argv + 3, argv[2]}, atoi(argv[1]));
    return EXIT_SUCCESS;
}
