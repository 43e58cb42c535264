/* A program whose standard streams are a connection, as inetd starts it: they have the limit
 * and are otherwise libc's own.
 *
 * Started with a name, this program is that one, and its exit status is 0 if all was well. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "suites.h"

static bool times_out(void)
{
    return getchar() == EOF && errno == ETIMEDOUT && ferror(stdin);
}

static bool answers(void)
{
    char line[16];
    return fgets(line, sizeof line, stdin) && !strcmp(line, "question\n") && printf("answer") == 6;
}

/* What is written to standard error is not kept. */
static bool complains(void)
{
    fputs("complaint", stderr);
    _exit(EXIT_SUCCESS);
}

static bool closes_and_goes_on(void)
{
    if (fclose(stdin) || fcntl(STDIN_FILENO, F_GETFD) != -1)
        return false;
    return getchar() == EOF && errno == EBADF && puts("still there") > 0;
}

static const struct program {
    const char *name;
    bool (*is_well)(void);
} programs[] = {
    {"times out", times_out}, {"answers", answers}, {"complains", complains}, {"closes", closes_and_goes_on},
};

static int run_as(const char *name)
{
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (!strcmp(programs[i].name, name))
            return programs[i].is_well() ? EXIT_SUCCESS : EXIT_FAILURE;
    return 127;
}

static pid_t started(const char *name, int fd)
{
    pid_t child = fork();
    ck_ok(child);
    if (child)
        return child;
    for (int standard = 0; standard < 3; standard++)
        dup2(fd, standard);
    execl("/proc/self/exe", "standard", name, (char *)NULL);
    _exit(127);
}

static void ck_ends_well(pid_t child)
{
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert_msg(status == 0, "status 0x%x", (unsigned)status);
}

static void ck_says(const char *text, int fd)
{
    char said[64] = "";
    ck_assert(plain_is_readable(fd, 5000));
    ck_assert_int_gt(plain_read(fd, said, sizeof said - 1), 0);
    ck_assert_str_eq(said, text);
}

START_TEST(a_program_whose_peer_is_silent_reads_until_the_limit)
{
    ck_ends_well(started("times out", tcp_pair().here));
}
END_TEST

START_TEST(a_program_reads_and_writes)
{
    struct pair p = tcp_pair();
    pid_t child = started("answers", p.here);
    ck_assert_int_eq(plain_write(p.there, "question\n", 9), 9);
    ck_ends_well(child);
    ck_says("answer", p.there);
}
END_TEST

START_TEST(a_program_complains_at_once)
{
    struct pair p = tcp_pair();
    ck_ends_well(started("complains", p.here));
    ck_says("complaint", p.there);
}
END_TEST

START_TEST(a_stream_that_was_closed_fails_and_the_others_go_on)
{
    struct pair p = tcp_pair();
    ck_ends_well(started("closes", p.here));
    ck_says("still there\n", p.there);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_as(argv[1]);
    const struct suite suites[] = {
        {"standard streams, limited", SETTINGS("TIMEOUTSOCK_DEFAULT=60ms"),
         TESTS(a_program_whose_peer_is_silent_reads_until_the_limit), NULL},
        {"standard streams, with time", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(a_program_reads_and_writes, a_program_complains_at_once,
               a_stream_that_was_closed_fails_and_the_others_go_on), NULL},
        {"standard streams, without a limit", SETTINGS("TIMEOUTSOCK_DEFAULT=none"),
         TESTS(a_program_reads_and_writes, a_program_complains_at_once,
               a_stream_that_was_closed_fails_and_the_others_go_on), NULL},
        {0}};
    return run_suites(argv, suites);
}
