/* A setting that makes no sense: one line on standard error says so, the setting counts as
 * unset, and the program runs on.  TIMEOUTSOCK_ONLY and _SKIP.
 *
 * The program under test is this one, started again: it makes a call that would wait for
 * ever and exits with a status that tells how that ended. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>

#include "../shim/timeoutsock.h"
#include "harness.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum { ENDED = 40, WAITED = 41, SHUT = 42, OTHERWISE = 43 };

static int ended(ssize_t result)
{
    return result < 0 && errno == ETIMEDOUT ? ENDED : result < 0 && errno == EAGAIN ? WAITED : OTHERWISE;
}

/* A receive that would wait for ever is given a fifth of a second by the program itself. */
static int receive(int fd)
{
    char byte;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 200000}, sizeof(struct timeval));
    return ended(recv(fd, &byte, 1, 0));
}

static int receive_tcp(void)
{
    return receive(tcp_pair().here);
}

static int receive_unix(void)
{
    return receive(unix_pair(SOCK_STREAM).here);
}

static int receive_twice(void)
{
    int fd = tcp_pair().here;
    char byte;
    receive(fd);
    return recv(fd, &byte, 1, 0) == 0 ? SHUT : OTHERWISE;
}

static int poll_accepted(void)
{
    struct pollfd p = {tcp_pair().there, POLLIN, 0};
    return poll(&p, 1, 200) ? ENDED : WAITED;
}

static int poll_opened(void)
{
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    return poll(&p, 1, 200) ? ENDED : WAITED;
}

static int accept_one(void)
{
    int fd = tcp_listener(1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 200000}, sizeof(struct timeval));
    return ended(accept(fd, NULL, NULL));
}

static int no_default(void)
{
    return tsock_present() && tsock_get_default_timeout() == TSOCK_NONE ? WAITED : OTHERWISE;
}

typedef int probe(void);
static probe *const probes[] = {
    receive_tcp, receive_unix, receive_twice, poll_accepted, poll_opened, accept_one, no_default,
};

static const char *number_of(probe *one)
{
    static char text[2];
    for (text[0] = '0'; probes[text[0] - '0'] != one; text[0]++);
    return text;
}

static probe *chosen;

START_TEST(probing)
{
    exit(chosen());
}
END_TEST

/* What a run of the program wrote to standard error, and its exit status. */
struct run {
    char said[4096];
    int status;
};

static void exec_probe(const char *name, probe *one, const char *const *settings, int err)
{
    dup2(err, STDERR_FILENO);
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    setenv("CK_FORK", "no", 1);
    setenv("LD_PRELOAD", getenv("TEST_PRELOAD"), 1);
    for (; *settings; settings++)
        putenv((char *)*settings);
    execl("/proc/self/exe", name, number_of(one), NULL);
    _exit(EXIT_FAILURE);
}

static struct run run_as(const char *name, probe *one, const char *const *settings)
{
    struct run run = {0};
    int err[2], status;
    ck_ok(pipe2(err, O_CLOEXEC));
    pid_t child = fork();
    ck_ok(child);
    if (!child)
        exec_probe(name, one, settings, err[1]);
    close(err[1]);
    size_t used = 0;
    for (ssize_t n; (n = read(err[0], run.said + used, sizeof run.said - 1 - used)) > 0;)
        used += (size_t)n;
    ck_ok(waitpid(child, &status, 0));
    ck_assert(WIFEXITED(status));
    run.status = WEXITSTATUS(status);
    return run;
}

static struct run run(probe *one, const char *const *settings)
{
    return run_as("badinput", one, settings);
}

#define SETTINGS(...) (const char *const[]){__VA_ARGS__, NULL}

static void ck_one_line(const char *said, const char *setting, const char *example)
{
    ck_assert_msg(!strncmp(said, "timeoutsock: ", 13), "said: %s", said);
    ck_assert_msg(strstr(said, setting), "said: %s", said);
    ck_assert_msg(strstr(said, example), "said: %s", said);
    ck_assert_msg(strchr(said, '\n') == said + strlen(said) - 1, "said: %s", said);
}

static const struct bad {
    const char *name, *value, *shown, *example;     /* shown: NULL is as it stands */
    const char *other;                              /* a setting that is good */
    probe *probe;
    int status;                                     /* as without the bad setting */
} bads[] = {
    {"DEFAULT", "abc", NULL, "1.5", "READ=none", no_default, WAITED},
    {"DEFAULT", "-5", NULL, "500ms", "READ=none", no_default, WAITED},
    {"DEFAULT", "1e3x", NULL, "2m", "READ=none", no_default, WAITED},
    {"DEFAULT", "", NULL, "none", "READ=none", no_default, WAITED},
    {"DEFAULT", " ", NULL, "30", "READ=none", no_default, WAITED},
    {"DEFAULT", "99999999999h", NULL, "30", "READ=none", no_default, WAITED},
    {"DEFAULT", "abc", NULL, "30", "READ=50ms", receive_tcp, ENDED},
    {"READ", "5 s", NULL, "30", "DEFAULT=50ms", receive_tcp, ENDED},
    {"READ", "5 s", NULL, "30", "DEFAULT=none", receive_tcp, WAITED},
    {"WRITE", "x", NULL, "30", "DEFAULT=50ms", receive_tcp, ENDED},
    {"CONNECT", "1:30", NULL, "30", "DEFAULT=50ms", receive_tcp, ENDED},
    {"ACCEPT", "never", NULL, "30", "DEFAULT=50ms", accept_one, ENDED},
    {"KINDS", "tcp,bogus", NULL, "tcp,udp", "DEFAULT=50ms", receive_tcp, ENDED},
    {"KINDS", "unix,bogus", NULL, "tcp,udp", "DEFAULT=50ms", receive_unix, WAITED},
    {"KINDS", "", NULL, "tcp,udp", "DEFAULT=50ms", receive_tcp, ENDED},
    {"KINDS", "all,", NULL, "all", "DEFAULT=50ms", receive_unix, WAITED},
    {"EVENTS", "ALL", NULL, "connected", "DEFAULT=50ms", poll_accepted, WAITED},
    {"EVENTS", "of", NULL, "connected", "DEFAULT=50ms", poll_opened, ENDED},
    {"ACTION", "fail", NULL, "shutdown", "DEFAULT=50ms", receive_twice, SHUT},
    {"TOTAL", "1 h", NULL, "500ms", "DEFAULT=50ms", receive_tcp, ENDED},
    {"TOTAL", "-1", NULL, "none", "DEFAULT=none", receive_tcp, WAITED},
    {"ERRNO", "EWOULDBLOCK", NULL, "ETIMEDOUT or EAGAIN", "DEFAULT=50ms", receive_tcp, ENDED},
    {"ERRNO", "110", NULL, "ETIMEDOUT or EAGAIN", "DEFAULT=50ms", receive_tcp, ENDED},
    {"DEFAULT", "1\nfake: line\r", "1\\x0afake: line\\x0d", "30", "READ=none", no_default, WAITED},
    {"DEFAULT", "\x1b[31m\x7f", "\\x1b[31m\\x7f", "30", "READ=none", no_default, WAITED},
    {"DEFAULT", "\xc3\xa9\xff", "\\xc3\\xa9\\xff", "30", "READ=none", no_default, WAITED},
};

START_TEST(a_bad_setting_is_told_in_one_line_and_counts_as_unset)
{
    for (const struct bad *bad = bads; bad < bads + COUNT(bads); bad++) {
        char setting[64], quoted[64], other[64];
        snprintf(setting, sizeof setting, "TIMEOUTSOCK_%s=%s", bad->name, bad->value);
        snprintf(quoted, sizeof quoted, "TIMEOUTSOCK_%s=\"%s\"", bad->name, bad->shown ? bad->shown : bad->value);
        snprintf(other, sizeof other, "TIMEOUTSOCK_%s", bad->other);
        struct run r = run(bad->probe, SETTINGS(setting, other));
        ck_one_line(r.said, quoted, bad->example);
        ck_assert_msg(r.status == bad->status, "%s and %s: status %d", setting, other, r.status);
    }
}
END_TEST

START_TEST(each_bad_setting_is_told_once)
{
    struct run r = run(no_default, SETTINGS("TIMEOUTSOCK_DEFAULT=abc", "TIMEOUTSOCK_KINDS=def"));
    char *second = strchr(r.said, '\n');
    ck_assert_ptr_nonnull(second);
    ck_one_line(second + 1, "TIMEOUTSOCK_KINDS=\"def\"", "all");
    second[1] = 0;
    ck_one_line(r.said, "TIMEOUTSOCK_DEFAULT=\"abc\"", "30");
    ck_assert_int_eq(r.status, WAITED);
}
END_TEST

START_TEST(a_value_of_any_length_is_told_in_one_line_with_its_example)
{
    static char setting[100000] = "TIMEOUTSOCK_DEFAULT=";
    memset(setting + strlen(setting), 'x', sizeof setting - 1 - strlen(setting));
    struct run r = run(no_default, SETTINGS(setting));
    ck_one_line(r.said, "TIMEOUTSOCK_DEFAULT=\"xxx", "30");
    ck_assert_int_eq(r.status, WAITED);
}
END_TEST

START_TEST(good_settings_are_not_told_of)
{
    struct run r = run(receive_tcp, SETTINGS("TIMEOUTSOCK_DEFAULT=50ms", "TIMEOUTSOCK_KINDS=tcp,udp,unix,vsock,pipe",
                                             "TIMEOUTSOCK_EVENTS=all", "TIMEOUTSOCK_ACTION=error",
                                             "TIMEOUTSOCK_TOTAL=1h", "TIMEOUTSOCK_ERRNO=ETIMEDOUT",
                                             "TIMEOUTSOCK_CONNECT=infinite", "TIMEOUTSOCK_UNKNOWN=abc"));
    ck_assert_str_eq(r.said, "");
    ck_assert_int_eq(r.status, ENDED);
}
END_TEST

static const struct { const char *setting, *program; int status; } meant[] = {
    {"TIMEOUTSOCK_ONLY=curl", "curl", ENDED},
    {"TIMEOUTSOCK_ONLY=wget,curl", "/usr/bin/curl", ENDED},
    {"TIMEOUTSOCK_ONLY=curl", "wget", WAITED},
    {"TIMEOUTSOCK_ONLY=curl", "/curl/wget", WAITED},
    {"TIMEOUTSOCK_ONLY=curl", "mycurl", WAITED},
    {"TIMEOUTSOCK_SKIP=curl", "curl", WAITED},
    {"TIMEOUTSOCK_SKIP=wget,curl", "/usr/bin/curl", WAITED},
    {"TIMEOUTSOCK_SKIP=curl", "wget", ENDED},
    {"TIMEOUTSOCK_SKIP=curl", "curly", ENDED},
};

START_TEST(only_and_skip_choose_programs_by_name)
{
    for (size_t i = 0; i < COUNT(meant); i++) {
        struct run r = run_as(meant[i].program, receive_tcp, SETTINGS("TIMEOUTSOCK_DEFAULT=50ms", meant[i].setting));
        ck_assert_msg(r.status == meant[i].status, "%s as %s: status %d", meant[i].setting, meant[i].program, r.status);
        ck_assert_str_eq(r.said, "");
    }
}
END_TEST

START_TEST(skip_wins_over_only)
{
    struct run r = run(receive_tcp, SETTINGS("TIMEOUTSOCK_DEFAULT=50ms", "TIMEOUTSOCK_ONLY=badinput",
                                             "TIMEOUTSOCK_SKIP=badinput"));
    ck_assert_int_eq(r.status, WAITED);
}
END_TEST

/* Under the preload only to learn what that is; only the probes get the settings. */
int main(int argc, char **argv)
{
    if (argc > 1 && getenv("TEST_PRELOAD")) {
        chosen = probes[argv[1][0] - '0'];
        return run_tests("probe", TESTS(probing));
    }
    under_preload(argv, NULL);
    setenv("TEST_PRELOAD", getenv("LD_PRELOAD"), 1);
    return run_tests("badinput",
                     TESTS(a_bad_setting_is_told_in_one_line_and_counts_as_unset, each_bad_setting_is_told_once,
                           a_value_of_any_length_is_told_in_one_line_with_its_example, good_settings_are_not_told_of,
                           only_and_skip_choose_programs_by_name, skip_wins_over_only));
}
