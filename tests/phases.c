/* The functions of timeoutsock.h for one phase of one descriptor. */
#include "../shim/timeoutsock.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "blocking.h"
#include "suites.h"

#define CONFIGURED 300      /* as in the settings below */
#define OWN 100
#define COUNT(table) (sizeof(table) / sizeof *(table))

static const enum tsock_phase all[] = {TSOCK_CONNECT, TSOCK_ACCEPT, TSOCK_READ, TSOCK_WRITE, TSOCK_TOTAL};

static void ck_getter_fails(int error, int fd, enum tsock_phase phase)
{
    errno = 0;
    ck_assert_int_eq(tsock_get_phase_timeout(fd, phase), TSOCK_ERROR);
    ck_assert_int_eq(errno, error);
}

START_TEST(what_was_set_for_a_phase_holds_for_it_alone)
{
    static const int limits[] = {0, 1, INT_MAX, TSOCK_NONE, TSOCK_DEFAULT};
    for (size_t i = 0; i < COUNT(all); i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        for (size_t j = 0; j < COUNT(limits); j++) {
            ck_returns(0, tsock_set_phase_timeout(fd, all[i], limits[j]));
            for (size_t k = 0; k < COUNT(all); k++)
                ck_returns(k == i ? limits[j] : TSOCK_DEFAULT, tsock_get_phase_timeout(fd, all[k]));
        }
    }
}
END_TEST

START_TEST(tsock_set_timeout_sets_all_but_the_total)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    for (int apart = 0; apart < 2; apart++) {
        ck_returns(0, tsock_set_timeout(fd, OWN + apart));
        for (size_t k = 0; k < COUNT(all); k++)
            ck_returns(all[k] == TSOCK_TOTAL ? TSOCK_DEFAULT : OWN + apart, tsock_get_phase_timeout(fd, all[k]));
        ck_returns(0, tsock_set_phase_timeout(fd, TSOCK_WRITE, 7));
        ck_returns(OWN + apart, tsock_get_timeout(fd));
        ck_returns(7, tsock_get_phase_timeout(fd, TSOCK_WRITE));
        ck_returns(0, tsock_set_phase_timeout(fd, TSOCK_READ, 8));
        ck_returns(8, tsock_get_timeout(fd));
    }
}
END_TEST

START_TEST(bad_arguments_are_refused_and_change_nothing)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), file = open("/dev/null", O_RDONLY), closed = dup(fd);
    close(closed);
    for (size_t i = 0; i < COUNT(all); i++) {
        ck_ok(tsock_set_phase_timeout(fd, all[i], OWN));
        ck_fails(EINVAL, tsock_set_phase_timeout(fd, all[i], TSOCK_ERROR));
        ck_fails(EINVAL, tsock_set_phase_timeout(fd, all[i], INT_MIN));
        ck_returns(OWN, tsock_get_phase_timeout(fd, all[i]));
        ck_fails(EBADF, tsock_set_phase_timeout(closed, all[i], OWN));
        ck_getter_fails(EBADF, closed, all[i]);
        ck_fails(EBADF, tsock_set_phase_timeout(-1, all[i], OWN));
        ck_getter_fails(EBADF, -1, all[i]);
        ck_fails(ENOTSOCK, tsock_set_phase_timeout(file, all[i], OWN));
        ck_getter_fails(ENOTSOCK, file, all[i]);
    }
    static const int no_phases[] = {-1, TSOCK_TOTAL + 1, INT_MAX, INT_MIN};
    for (size_t i = 0; i < COUNT(no_phases); i++) {
        ck_fails(EINVAL, tsock_set_phase_timeout(fd, (enum tsock_phase)no_phases[i], OWN));
        ck_getter_fails(EINVAL, fd, (enum tsock_phase)no_phases[i]);
    }
}
END_TEST

static void set_all(int fd)
{
    for (size_t i = 0; i < COUNT(all); i++)
        ck_ok(tsock_set_phase_timeout(fd, all[i], OWN + (int)i));
}

static void ck_all(int fd, bool set)
{
    for (size_t i = 0; i < COUNT(all); i++)
        ck_returns(set ? OWN + (int)i : TSOCK_DEFAULT, tsock_get_phase_timeout(fd, all[i]));
}

START_TEST(copies_have_the_same_limits_and_their_own_from_then_on)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), over = socket(AF_INET, SOCK_STREAM, 0);
    set_all(fd);
    int copies[] = {dup(fd), fcntl(fd, F_DUPFD, 0), fcntl(fd, F_DUPFD_CLOEXEC, 2000), dup2(fd, over), dup3(fd, 3000, 0)};
    for (size_t i = 0; i < COUNT(copies); i++) {
        ck_all(copies[i], true);
        ck_ok(tsock_set_phase_timeout(copies[i], TSOCK_READ, 7));
    }
    ck_all(fd, true);
    ck_ok(dup2(socket(AF_INET, SOCK_STREAM, 0), fd));
    ck_all(fd, false);
}
END_TEST

START_TEST(a_new_descriptor_of_the_same_number_has_none)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    set_all(fd);
    for (int unseen = 0; unseen < 2; unseen++) {
        if (unseen)
            ck_ok(syscall(SYS_close, fd));
        else
            close(fd);
        ck_assert_int_eq(socket(AF_INET, SOCK_STREAM, 0), fd);
        ck_all(fd, false);
        ck_ok(tsock_set_timeout(fd, OWN));
        ck_ok(tsock_set_phase_timeout(fd, TSOCK_READ, 7));
        ck_returns(OWN, tsock_get_phase_timeout(fd, TSOCK_WRITE));
        set_all(fd);
    }
}
END_TEST

static void change_in_child(void *fd)
{
    ck_all(*(int *)fd, true);
    ck_ok(tsock_set_phase_timeout(*(int *)fd, TSOCK_READ, 7));
    close(*(int *)fd);
}

START_TEST(a_child_has_the_same_limits_and_its_own_from_then_on)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    set_all(fd);
    in_child(change_in_child, &fd);
    ck_all(fd, true);
}
END_TEST

#ifdef __SANITIZE_THREAD__
enum { REFUSED = 0 };       /* TSan's vfork() is a fork() */
#else
enum { REFUSED = 5 };
#endif

START_TEST(a_child_of_vfork_changes_nothing)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
    set_all(fd);
    ck_ok(tsock_set_timeout(other, OWN));
    pid_t child = vfork();
    if (!child) {
        if (tsock_get_phase_timeout(fd, TSOCK_READ) != OWN + TSOCK_READ)
            _exit(100);
        volatile int refused = tsock_set_phase_timeout(fd, TSOCK_READ, 7) == -1 && errno == ENOMEM;
        refused += tsock_set_phase_timeout(other, TSOCK_READ, 7) == -1 && errno == ENOMEM;
        refused += tsock_set_timeout(fd, 7) == -1 && errno == ENOMEM;
        refused += tsock_set_timeout(other, 7) == -1 && errno == ENOMEM;
        refused += tsock_set_cleanup(fd, NULL, NULL) == -1 && errno == ENOMEM;
        close(fd);
        _exit(refused);
    }
    ck_ok(child);
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), REFUSED);
    ck_all(fd, true);
    ck_returns(OWN, tsock_get_timeout(other));
}
END_TEST

/* The other thread sets its phase of `fd` as soon as there is one, and takes it away. */
static _Atomic int fd_of_round = -1, failures;

static void *set_writes(void *unused)
{
    for (int fd; (fd = fd_of_round) != -2;)
        if (fd >= 0) {
            failures += tsock_set_phase_timeout(fd, TSOCK_WRITE, OWN) != 0;
            fd_of_round = -1;
        }
    return unused;
}

START_TEST(threads_that_set_phases_of_one_descriptor_at_once_lose_none)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, set_writes, NULL), 0);
    for (int i = 0; i < 5000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        fd_of_round = fd;
        int failed = tsock_set_phase_timeout(fd, TSOCK_READ, OWN);
        while (fd_of_round == fd);
        ck_assert_int_eq(failed + failures, 0);
        ck_assert_int_eq(tsock_get_phase_timeout(fd, TSOCK_READ), OWN);
        ck_assert_int_eq(tsock_get_phase_timeout(fd, TSOCK_WRITE), OWN);
        close(fd);
    }
    fd_of_round = -2;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static enum tsock_phase phase_of(const struct blocking *b)
{
    if (!strcmp(b->name, "connect"))
        return TSOCK_CONNECT;
    if (!strncmp(b->name, "accept", 6))
        return TSOCK_ACCEPT;
    return b->timer == SO_RCVTIMEO ? TSOCK_READ : TSOCK_WRITE;
}

static void ck_call_ends_in_ms(int ms, int fd)
{
    ck_took_ms(ms, ck_fails(ETIMEDOUT, blocking_variant()->call(fd)));
}

START_TEST(a_call_ends_at_its_own_phases_limit)
{
    enum tsock_phase phase = phase_of(blocking_variant());
    int fd = blocking_variant()->open();
    for (size_t i = 0; i < COUNT(all); i++)
        ck_ok(tsock_set_phase_timeout(fd, all[i], all[i] == phase ? OWN : 20 * OWN));
    ck_call_ends_in_ms(OWN, fd);
    ck_call_ends_in_ms(OWN, fd);
}
END_TEST

START_TEST(a_phase_that_is_not_set_has_what_is_configured)
{
    enum tsock_phase phase = phase_of(blocking_variant());
    int fd = blocking_variant()->open();
    for (size_t i = 0; i < COUNT(all); i++)
        if (all[i] != phase)
            ck_ok(tsock_set_phase_timeout(fd, all[i], 20 * CONFIGURED));
    ck_call_ends_in_ms(CONFIGURED, fd);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const char *const *configured = SETTINGS("TIMEOUTSOCK_DEFAULT=300ms", "TIMEOUTSOCK_TOTAL=60");
    const struct suite suites[] = {
        {"phases", configured,
         TESTS(what_was_set_for_a_phase_holds_for_it_alone, tsock_set_timeout_sets_all_but_the_total,
               bad_arguments_are_refused_and_change_nothing, copies_have_the_same_limits_and_their_own_from_then_on,
               a_new_descriptor_of_the_same_number_has_none, a_child_has_the_same_limits_and_its_own_from_then_on,
               a_child_of_vfork_changes_nothing, threads_that_set_phases_of_one_descriptor_at_once_lose_none), NULL},
        {"phases of calls", configured,
         TESTS(a_call_ends_at_its_own_phases_limit, a_phase_that_is_not_set_has_what_is_configured), blocking_names()},
        {0}};
    return run_suites(argv, suites);
}
