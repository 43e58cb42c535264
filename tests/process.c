/* Limits across fork and vfork, and what the library may not take from a process. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../shim/timeoutsock.h"
#include "blocking.h"
#include "peer.h"
#include "suites.h"

#define LIMIT 60        /* as in the settings below */
#define OWN 20

static void ck_ends_in_ms(int ms, int fd)
{
    char byte;
    ck_took_ms(ms, ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0)));
}

static void give_time(int fd, int ms)
{
    ck_assert_int_eq(tsock_set_timeout(fd, ms), 0);
}

static void ck_still_limited(void *pair)
{
    struct pair *p = pair;
    ck_assert_int_eq(tsock_get_timeout(p->here), OWN);
    ck_ends_in_ms(OWN, p->here);
    ck_ends_in_ms(LIMIT, tcp_pair().here);
}

START_TEST(a_child_keeps_all_limits_and_so_does_its_parent)
{
    struct pair p = tcp_pair();
    give_time(p.here, OWN);
    in_child(ck_still_limited, &p);
    ck_still_limited(&p);
}
END_TEST

static void nest(void *pair)
{
    ck_still_limited(pair);
    in_child(ck_still_limited, pair);
    ck_still_limited(pair);
}

START_TEST(a_childs_child_keeps_all_limits)
{
    struct pair p = tcp_pair();
    give_time(p.here, OWN);
    in_child(nest, &p);
}
END_TEST

static void change_all(void *pair)
{
    struct pair *p = pair;
    give_time(p->here, 2 * OWN);
    ck_ends_in_ms(2 * OWN, p->here);
    ck_assert_int_eq(tsock_get_timeout(dup(p->here)), 2 * OWN);
    close(p->here);
    while (socket(AF_INET, SOCK_STREAM, 0) < p->here)
        continue;
    ck_assert_int_eq(tsock_get_timeout(p->here), TSOCK_DEFAULT);
    ck_assert_int_eq(tsock_set_default_timeout(5 * LIMIT), 0);
}

START_TEST(what_a_child_does_to_its_descriptors_and_limits_is_its_own)
{
    struct pair p = tcp_pair();
    give_time(p.here, OWN);
    in_child(change_all, &p);
    ck_still_limited(&p);
}
END_TEST

/* A child of vfork has its parent's memory, and descriptors of its own. */
static void change_all_in_vfork(int fd, int other)
{
    pid_t child = vfork();
    if (!child) {
        dup2(other, fd);
        fcntl(other, F_DUPFD, fd);
        close(fd);
        socket(AF_INET, SOCK_DGRAM, 0);
        _exit(EXIT_SUCCESS);
    }
    ck_ok(child);
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert_int_eq(status, 0);
}

START_TEST(what_a_vfork_child_does_to_its_descriptors_is_its_own)
{
    struct pair p = tcp_pair(), q = tcp_pair();
    give_time(p.here, OWN);
    change_all_in_vfork(p.here, q.here);
    ck_still_limited(&p);
    ck_assert_int_eq(tsock_get_timeout(q.here), TSOCK_DEFAULT);
}
END_TEST

static void vfork_at_once(void *pairs)
{
    const struct pair *two = pairs;
    change_all_in_vfork(two[0].here, two[1].here);
    change_all(pairs);
}

START_TEST(a_childs_own_vfork_child_does_not_take_its_descriptors_over)
{
    struct pair two[] = {tcp_pair(), tcp_pair()};
    give_time(two[0].here, OWN);
    in_child(vfork_at_once, two);
    ck_still_limited(two);
}
END_TEST

START_TEST(a_number_that_a_vfork_child_has_used_is_learned_afresh_by_the_parent)
{
    struct pair p = tcp_pair();
    int other = open("/dev/null", O_RDWR);
    change_all_in_vfork(other, p.here);
    char byte;
    ck_returns(0, read(other, &byte, 1));
    ck_ends_in_ms(LIMIT, tcp_pair().here);
}
END_TEST

static int open_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

START_TEST(no_descriptor_is_held_open)
{
    const struct blocking *call = blocking_variant();
    int fd = call->open(), count = open_descriptors();
    ck_fails(ETIMEDOUT, call->call(fd));
    ck_assert_int_eq(open_descriptors(), count);
}
END_TEST

static struct rlimit before;

/* For what a sanitizer's runtime does at exit. */
static void allow_descriptors(void)
{
    setrlimit(RLIMIT_NOFILE, &before);
}

static void allow_no_descriptors(void)
{
    ck_ok(getrlimit(RLIMIT_NOFILE, &before));
    ck_ok(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}));
    ck_assert_int_eq(atexit(allow_descriptors), 0);
}

/* As in a sandbox, where poll(2) fails with EINVAL.  An accept has no number for what it
 * would take. */
START_TEST(a_call_is_bounded_where_no_descriptors_are_allowed)
{
    const struct blocking *call = blocking_variant();
    bool takes_number = call->open == blocking_named("accept")->open;
    int fd = call->open();
    give_time(fd, LIMIT);
    ck_fails(ETIMEDOUT, call->call(fd));
    allow_no_descriptors();
    ck_took_ms(takes_number ? 0 : LIMIT, ck_fails(takes_number ? EMFILE : ETIMEDOUT, call->call(fd)));
}
END_TEST

START_TEST(select_is_bounded_where_no_descriptors_are_allowed)
{
    int fd = tcp_pair().here;
    allow_no_descriptors();
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    ck_took_ms(LIMIT, ck_assert_int_eq(select(fd + 1, &in, NULL, NULL, NULL), 1));
    char byte;
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0));
}
END_TEST

/* The kernel refuses the program's own poll, and so it must be here. */
START_TEST(poll_is_made_plainly_where_no_descriptors_are_allowed)
{
    struct pollfd p = {tcp_pair().here, POLLIN, 0};
    allow_no_descriptors();
    ck_took_ms(0, ck_fails(EINVAL, poll(&p, 1, -1)));
    ck_took_ms(LIMIT, ck_returns(0, poll(NULL, 0, LIMIT)));
}
END_TEST

START_TEST(a_pipe_is_read_where_no_descriptors_are_allowed)
{
    int fds[2];
    ck_ok(pipe(fds));
    give_time(fds[0], OWN);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    allow_no_descriptors();
    char byte;
    ck_returns(1, read(fds[0], &byte, 1));
    ck_assert_int_eq(byte, 'x');
}
END_TEST

static void *write_late(void *fd)
{
    plain_sleep_ms(3 * OWN);
    plain_write(*(int *)fd, "x", 1);
    return NULL;
}

static ssize_t by_read(int fd, void *byte) { return read(fd, byte, 1); }
static ssize_t by_readv(int fd, void *byte) { return readv(fd, &(struct iovec){byte, 1}, 1); }

/* Where neither poll(2) nor a timer can bound it, a call is the kernel's. */
START_TEST(a_pipe_is_waited_for_as_without_where_no_descriptors_are_allowed)
{
    ssize_t (*const reads[])(int, void *) = {by_read, by_readv};
    struct pair p = pipe_pair();
    give_time(p.here, OWN);
    allow_no_descriptors();
    for (int i = 0; i < 2; i++) {
        pthread_t peer;
        char byte;
        ck_assert_int_eq(pthread_create(&peer, NULL, write_late, &p.there), 0);
        ck_returns(1, reads[i](p.here, &byte));
        pthread_join(peer, NULL);
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"process", SETTINGS("TIMEOUTSOCK_DEFAULT=60ms"),
         TESTS(a_child_keeps_all_limits_and_so_does_its_parent, a_childs_child_keeps_all_limits,
               what_a_child_does_to_its_descriptors_and_limits_is_its_own,
               what_a_vfork_child_does_to_its_descriptors_is_its_own,
               a_childs_own_vfork_child_does_not_take_its_descriptors_over,
               a_number_that_a_vfork_child_has_used_is_learned_afresh_by_the_parent,
               select_is_bounded_where_no_descriptors_are_allowed,
               poll_is_made_plainly_where_no_descriptors_are_allowed,
               a_pipe_is_read_where_no_descriptors_are_allowed,
               a_pipe_is_waited_for_as_without_where_no_descriptors_are_allowed),
         NULL},
        {"resources", SETTINGS("TIMEOUTSOCK_DEFAULT=60ms"),
         TESTS(no_descriptor_is_held_open, a_call_is_bounded_where_no_descriptors_are_allowed), blocking_names()},
        {0}};
    return run_suites(argv, suites);
}
