/* A program that filters its own system calls is not killed for one of ours, and prctl is
 * otherwise what it was. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../shim/timeoutsock.h"
#include "harness.h"

#define LIMIT 60        /* as in the settings below */
#define TICKS 10        /* by one tick of its clock the kernel may be early */

/* A sanitizer's runtime makes system calls of its own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ALLOW(number)                                       \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),    \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* What a sandboxed child of a server asks for, and nothing that we would make of it. */
static struct sock_filter filter[] = {
    LOAD_NUMBER,
    ALLOW(SYS_read), ALLOW(SYS_readv), ALLOW(SYS_write), ALLOW(SYS_writev), ALLOW(SYS_close), ALLOW(SYS_exit_group),
#ifdef SYS_poll
    ALLOW(SYS_poll),
#endif
    ALLOW(SYS_seccomp), ALLOW(SYS_prctl), ALLOW(SYS_clock_gettime),
    KILL,
};
static struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

static int by_prctl(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int by_seccomp(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int by_strict_mode(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
}

static const struct sandbox {
    const char *name;
    int (*enter)(void);
    bool strict;        /* read, write and exit are all */
} sandboxes[] = {{"prctl", by_prctl, false}, {"seccomp", by_seccomp, false}, {"strict mode", by_strict_mode, true}};

/* Which step of the child went wrong is its status. */
static int use_socket(struct pair p, bool strict)
{
    char byte;
    if (write(p.here, "a", 1) != 1)
        return 2;
    if (read(p.here, &byte, 1) != 1 || byte != 'x')
        return 3;
    return !strict && poll(&(struct pollfd){p.here, POLLIN, 0}, 1, LIMIT / 2) ? 4 : 0;
}

static _Noreturn void in_sandbox(const struct sandbox *sandbox, struct pair p)
{
    int status = sandbox->enter() < 0 ? 1 : use_socket(p, sandbox->strict);
    if (sandbox->strict)
        syscall(SYS_exit, status);
    _exit(status);
}

/* The byte comes later than the limit. */
static int status_in(const struct sandbox *sandbox)
{
    struct pair p = tcp_pair();
    pid_t child = fork();
    ck_ok(child);
    if (!child)
        in_sandbox(sandbox, p);
    ck_assert(plain_is_readable(p.there, 5000));
    plain_sleep_ms(2 * LIMIT);
    ck_assert_int_eq(send(p.there, "x", 1, 0), 1);
    int status;
    ck_ok(waitpid(child, &status, 0));
    return status;
}

START_TEST(a_program_in_a_sandbox_makes_only_its_own_system_calls)
{
    for (size_t i = 0; i < sizeof sandboxes / sizeof *sandboxes; i++) {
        int status = status_in(&sandboxes[i]);
        ck_assert_msg(status == 0, "%s: 0x%x", sandboxes[i].name, (unsigned)status);
    }
}
END_TEST

#define NOT_UNDER_SANITIZERS a_program_in_a_sandbox_makes_only_its_own_system_calls,
#else
#define NOT_UNDER_SANITIZERS
#endif

static void announce(void *unused)
{
    (void)unused;
    struct pair p = tcp_pair();
    ck_ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    ck_assert_int_eq(tsock_set_default_timeout(LIMIT / 2), 0);
    ck_assert_int_eq(tsock_set_timeout(p.here, LIMIT / 2), 0);
    struct timeval later = {0, (3 * LIMIT + TICKS) * 1000};
    ck_ok(setsockopt(p.here, SOL_SOCKET, SO_RCVTIMEO, &later, sizeof later));
    char byte;
    ck_took_ms(3 * LIMIT, ck_fails(EAGAIN, recv(p.here, &byte, 1, 0)));
}

START_TEST(nothing_is_limited_once_a_sandbox_is_announced)
{
    in_child(announce, NULL);
}
END_TEST

START_TEST(any_other_prctl_leaves_the_limits)
{
    char name[16] = "", byte;
    ck_returns(0, prctl(PR_SET_NAME, "another", 0, 0, 0));
    ck_returns(0, prctl(PR_GET_NAME, name, 0, 0, 0));
    ck_assert_str_eq(name, "another");
    ck_returns(0, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    ck_fails(EINVAL, prctl(-1, 0, 0, 0, 0));
    struct pair p = tcp_pair();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, recv(p.here, &byte, 1, 0)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=60ms", NULL);
    return run_tests("sandbox",
                     TESTS(NOT_UNDER_SANITIZERS nothing_is_limited_once_a_sandbox_is_announced,
                           any_other_prctl_leaves_the_limits));
}
