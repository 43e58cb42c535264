/* close() of a socket that is to wait until what was sent has arrived (SO_LINGER) waits no
 * longer than a write may, in whole seconds. */
#include <fcntl.h>
#include <stdio.h>

#include "blocking.h"
#include "scopes.h"
#include "suites.h"

#define LONGER 4        /* seconds; less than any test may take, more than any limit here */

#define A_SECOND 990    /* of the kernel, which counts in ticks */

static int lingering(int seconds)
{
    int fd = full_pair().here;
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, seconds}, sizeof(struct linger)));
    return fd;
}

static struct linger linger_of(int fd)
{
    struct linger linger;
    socklen_t len = sizeof linger;
    ck_ok(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
    return linger;
}

static void by_close(int fd)
{
    ck_returns(0, close(fd));
}

static void by_dup2(int fd)
{
    int other = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(dup2(other, fd), fd);
}

static void by_dup3(int fd)
{
    int other = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(dup3(other, fd, O_CLOEXEC), fd);
}

static void by_fclose(int fd)
{
    ck_assert_int_eq(fclose(fdopen(fd, "r+")), 0);
}

static const struct end { const char *name; void (*end)(int fd); } ends[] = {
    {"close", by_close}, {"dup2", by_dup2}, {"dup3", by_dup3}, {"fclose", by_fclose},
};

static void end(int fd)
{
    VARIANT_IN(ends)->end(fd);
}

START_TEST(a_configured_write_limit_bounds_it)
{
    int fd = lingering(LONGER);
    ck_took_ms(A_SECOND, end(fd));
}
END_TEST

START_TEST(a_write_limit_of_the_programs_own_bounds_it_rounded_up)
{
    int fd = lingering(LONGER);
    ck_ok(tsock_set_phase_timeout(fd, TSOCK_WRITE, 1001));
    ck_ok(tsock_set_phase_timeout(fd, TSOCK_READ, 10));
    ck_took_ms(2 * A_SECOND, end(fd));
}
END_TEST

START_TEST(a_scope_bounds_it)
{
    int fd = lingering(LONGER);
    tsock_scope_t scope;
    ck_ok(tsock_set_timeout(fd, TSOCK_NONE));
    int64_t began = begin_scope(&scope, 1000);
    end(fd);
    assert_took_ms(A_SECOND, now_ns() - began);
    ck_ok(tsock_scope_end(&scope));
    fd = lingering(LONGER);
    begin_scope(&scope, 0);
    ck_took_ms(0, end(fd));
    ck_ok(tsock_scope_end(&scope));
}
END_TEST

START_TEST(a_total_bounds_it)
{
    int fd = lingering(LONGER);
    ck_ok(tsock_set_timeout(fd, TSOCK_NONE));
    ck_ok(tsock_set_phase_timeout(fd, TSOCK_TOTAL, 0));
    ck_took_ms(0, end(fd));
}
END_TEST

START_TEST(a_linger_that_is_shorter_stays)
{
    int fd = lingering(1);
    ck_ok(tsock_set_timeout(fd, LONGER * 1000));
    ck_took_ms(A_SECOND, end(fd));
}
END_TEST

START_TEST(without_a_limit_it_takes_its_time)
{
    int fd = lingering(2);
    ck_ok(tsock_set_timeout(fd, TSOCK_NONE));
    ck_took_ms(2 * A_SECOND, end(fd));
}
END_TEST

/* A copy that stays open shows what the option was left as. */
static void ck_stays(struct linger set, int ms)
{
    int fd = tcp_pair().here, copy = dup(fd);
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 30}, sizeof set));
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &set, sizeof set));
    ck_ok(tsock_set_timeout(fd, ms));
    struct linger before = linger_of(fd);
    ck_returns(0, close(fd));
    ck_assert_int_eq(linger_of(copy).l_onoff, before.l_onoff);
    ck_assert_int_eq(linger_of(copy).l_linger, before.l_linger);
}

START_TEST(what_does_not_wait_longer_is_not_changed)
{
    ck_stays((struct linger){1, 2}, 2000);
    ck_stays((struct linger){1, 2}, 1001);
    ck_stays((struct linger){1, 0}, 1000);      /* close() resets the connection */
    ck_stays((struct linger){0, 0}, 1000);
    ck_stays((struct linger){0, 30}, 1000);
    ck_stays((struct linger){1, 30}, TSOCK_NONE);
}
END_TEST

START_TEST(copying_over_itself_closes_nothing)
{
    int fd = tcp_pair().here;
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 30}, sizeof(struct linger)));
    ck_ok(tsock_set_timeout(fd, 1000));
    ck_assert_int_eq(dup2(fd, fd), fd);
    ck_assert_int_eq(linger_of(fd).l_linger, 30);
}
END_TEST

START_TEST(a_child_of_vfork_changes_nothing)
{
    int fd = tcp_pair().here;
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 30}, sizeof(struct linger)));
    ck_ok(tsock_set_timeout(fd, 1000));
    pid_t child = vfork();
    if (!child) {
        close(fd);
        _exit(0);
    }
    ck_ok(child);
    ck_assert_int_eq(linger_of(fd).l_linger, 30);
}
END_TEST

START_TEST(closing_numbers_that_were_never_open_takes_no_memory)
{
    long before, after;
    FILE *f = fopen("/proc/self/statm", "re");
    ck_assert_int_eq(fscanf(f, "%ld", &before), 1);
    for (int fd = 100000; fd < 1100000; fd++)
        close(fd);
    rewind(f);
    fflush(f);
    ck_assert_int_eq(fscanf(f, "%ld", &after), 1);
    fclose(f);
    ck_assert_int_lt(after - before, 100);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"linger", SETTINGS("TIMEOUTSOCK_WRITE=1s"),
         TESTS(a_configured_write_limit_bounds_it, a_write_limit_of_the_programs_own_bounds_it_rounded_up,
               a_scope_bounds_it, a_total_bounds_it, a_linger_that_is_shorter_stays, without_a_limit_it_takes_its_time),
         NAMES_IN(ends)},
        {"linger's option", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(what_does_not_wait_longer_is_not_changed, copying_over_itself_closes_nothing,
               a_child_of_vfork_changes_nothing, closing_numbers_that_were_never_open_takes_no_memory), NULL},
        {0}};
    return run_suites(argv, suites);
}
