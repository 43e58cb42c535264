/* Where a process has no descriptor, or no memory, left, its calls are limited as ever, or are
 * what they are without the library.  (That no descriptor is allowed at all: process.c.) */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "../shim/timeoutsock.h"
#include "blocking.h"
#include "suites.h"

#define LIMIT 60        /* as in the settings below */
#define TICKS 10        /* by one tick of its clock the kernel may be early */
#define HIGH 3000       /* the library has no room for it beforehand */

static struct rlimit before;

static void use_up(unsigned resource, rlim_t all)
{
    ck_ok(getrlimit(resource, &before));
    ck_ok(setrlimit(resource, &(struct rlimit){all, before.rlim_max}));
}

static void use_up_descriptors(void)
{
    int next = dup(STDERR_FILENO);
    close(next);
    use_up(RLIMIT_NOFILE, (rlim_t)next);
    ck_fails(EMFILE, dup(STDERR_FILENO));
}

static void give_descriptors_back(void)
{
    ck_ok(setrlimit(RLIMIT_NOFILE, &before));
}

/* Waits for the one connection, without a timeout of their own. */
static int wait_in_poll(int fd, int unused)
{
    (void)unused;
    return poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1);
}

static int wait_in_select(int fd, int unused)
{
    (void)unused;
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, NULL);
}

static int wait_in_epoll(int unused, int epoll)
{
    (void)unused;
    return epoll_wait(epoll, &(struct epoll_event){0}, 1, -1);
}

static const struct wait {
    const char *name;
    int (*wait)(int fd, int epoll);
} event_waits[] = {{"poll", wait_in_poll}, {"select", wait_in_select}, {"epoll", wait_in_epoll}};

static int epoll_of(int fd)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    ck_ok(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}));
    return epoll;
}

static void ck_wait_expires(int fd, int epoll, void (*give_back)(void))
{
    int64_t began = now_ns();
    int ready = VARIANT_IN(event_waits)->wait(fd, epoll);
    int64_t took = now_ns() - began;
    give_back();
    char byte;
    ck_assert_int_eq(ready, 1);
    assert_took_ms(LIMIT, took);
    ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0));
}

START_TEST(a_connection_expires_where_no_descriptor_is_left)
{
    int fd = tcp_pair().here, epoll = epoll_of(fd);
    use_up_descriptors();
    ck_wait_expires(fd, epoll, give_descriptors_back);
}
END_TEST

/* How many bits the kernel looks at cannot be read then. */
START_TEST(a_select_of_more_than_fd_setsize_is_made_plainly_where_no_descriptor_is_left)
{
    int fd = tcp_pair().here, many = 2 * FD_SETSIZE;
    fd_set in[2];
    memset(in, 0, sizeof in);
    FD_SET(fd, &in[0]);
    use_up_descriptors();
    ck_took_ms(3 * LIMIT, ck_returns(0, select(many, in, NULL, NULL, &(struct timeval){0, 3 * LIMIT * 1000})));
    give_descriptors_back();
    FD_SET(fd, &in[0]);
    ck_took_ms(LIMIT, ck_returns(1, select(many, in, NULL, NULL, &(struct timeval){0, 3 * LIMIT * 1000})));
}
END_TEST

typedef int look_up(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found);

/* Past the library. */
static look_up *libcs_look_up(void)
{
    look_up *function;
    void *found = dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "getaddrinfo");
    memcpy(&function, &found, sizeof function);
    ck_assert(function && function != getaddrinfo);
    return function;
}

static int answer_of(look_up *function)
{
    struct addrinfo *found;
    int answer = function("localhost", NULL, NULL, &found);
    if (!answer)
        freeaddrinfo(found);
    return answer;
}

static void ck_looks_up_plainly_without(void (*use_up_all)(void), void (*give_back)(void))
{
    look_up *plain = libcs_look_up();
    ck_assert_int_eq(answer_of(plain), 0);      /* what libc loads for it is loaded */
    use_up_all();
    int expected = answer_of(plain), answer = answer_of(getaddrinfo);
    give_back();
    ck_assert_int_eq(answer, expected);
    ck_assert_int_eq(answer_of(getaddrinfo), 0);
}

/* libc answers as it can when it can read none of its files. */
START_TEST(a_name_is_looked_up_as_without_the_library_where_no_descriptor_is_left)
{
    ck_looks_up_plainly_without(use_up_descriptors, give_descriptors_back);
}
END_TEST

/* A sanitizer's runtime itself takes memory that it must get. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* The stack, too, would have no room to grow. */
static void use_up_memory(void)
{
    volatile char room[1 << 18];
    for (size_t i = 0; i < sizeof room; i += 1024)
        room[i] = 0;
    use_up(RLIMIT_AS, 1);
    ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
}

static void give_memory_back(void)
{
    ck_ok(setrlimit(RLIMIT_AS, &before));
}

START_TEST(a_call_is_limited_where_no_memory_is_left)
{
    const struct blocking *b = blocking_variant();
    int fd = b->open();
    use_up_memory();
    int64_t began = now_ns();
    long long result = b->call(fd);
    int error = errno;
    int64_t took = now_ns() - began;
    give_memory_back();
    ck_assert_msg(result == -1 && error == ETIMEDOUT, "%lld, %s", result, strerror(error));
    assert_took_ms(LIMIT, took);
}
END_TEST

START_TEST(a_connection_expires_where_no_memory_is_left)
{
    int fd = tcp_pair().here, epoll = epoll_of(fd);
    use_up_memory();
    ck_wait_expires(fd, epoll, give_memory_back);
}
END_TEST

/* The program's own timer ends what nothing else does. */
START_TEST(a_call_is_made_plainly_on_a_descriptor_for_which_there_is_no_memory)
{
    int fd = tcp_pair().here;
    struct timeval own = {0, (3 * LIMIT + TICKS) * 1000};
    char byte;
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &own, sizeof own));
    use_up_memory();
    ck_returns(HIGH, dup2(fd, HIGH));
    ck_took_ms(3 * LIMIT, ck_fails(EAGAIN, recv(HIGH, &byte, 1, 0)));
    give_memory_back();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, recv(HIGH, &byte, 1, 0)));
}
END_TEST

START_TEST(a_limit_that_cannot_be_remembered_is_enomem)
{
    int fd = tcp_pair().here;
    use_up_memory();
    ck_returns(HIGH, dup2(fd, HIGH));
    ck_fails(ENOMEM, tsock_set_timeout(HIGH, LIMIT));
    ck_fails(ENOMEM, tsock_set_phase_timeout(fd, TSOCK_READ, LIMIT));
    ck_fails(ENOMEM, tsock_set_cleanup(fd, NULL, NULL));
    ck_returns(0, tsock_set_timeout(fd, LIMIT));
    give_memory_back();
    ck_returns(0, tsock_set_timeout(HIGH, LIMIT));
    ck_returns(0, tsock_set_phase_timeout(fd, TSOCK_READ, LIMIT));
}
END_TEST

/* There is no room for a thread. */
START_TEST(a_name_is_looked_up_as_without_the_library_where_no_memory_is_left)
{
    ck_looks_up_plainly_without(use_up_memory, give_memory_back);
}
END_TEST
#endif

int main(int argc, char **argv)
{
    (void)argc;
#define SUITE(name, variants, ...) {name, SETTINGS("TIMEOUTSOCK_DEFAULT=60ms"), TESTS(__VA_ARGS__), variants}
    const struct suite suites[] = {
        SUITE("no descriptor, event waits", NAMES_IN(event_waits), a_connection_expires_where_no_descriptor_is_left),
        SUITE("no descriptor", NULL, a_select_of_more_than_fd_setsize_is_made_plainly_where_no_descriptor_is_left,
              a_name_is_looked_up_as_without_the_library_where_no_descriptor_is_left),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        SUITE("no memory, calls", blocking_names(), a_call_is_limited_where_no_memory_is_left),
        SUITE("no memory, event waits", NAMES_IN(event_waits), a_connection_expires_where_no_memory_is_left),
        SUITE("no memory", NULL, a_call_is_made_plainly_on_a_descriptor_for_which_there_is_no_memory,
              a_limit_that_cannot_be_remembered_is_enomem,
              a_name_is_looked_up_as_without_the_library_where_no_memory_is_left),
#endif
        {0}};
    return run_suites(argv, suites);
}
