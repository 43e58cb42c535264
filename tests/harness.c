#include "harness.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "lateness.h"

const char *library_path(void)
{
    const char *path = getenv("LIBTIMEOUTSOCK");
    static char here[PATH_MAX];
    if (!path && !(path = realpath(".libs/libtimeoutsock.so", here))) {
        fprintf(stderr, "no library: LIBTIMEOUTSOCK is unset and there is no .libs/libtimeoutsock.so\n");
        exit(EXIT_FAILURE);
    }
    return path;
}

void under_preload(char **argv, ...)
{
    if (getenv("TIMEOUTSOCK_TEST"))
        return;
    char preload[2 * PATH_MAX];
    const char *runtime = getenv("SANITIZER_RUNTIME");
    snprintf(preload, sizeof preload, "%s%s%s", runtime ? runtime : "", runtime ? ":" : "", library_path());
    setenv("TIMEOUTSOCK_TEST", "1", 1);
    setenv("LD_PRELOAD", preload, 1);
    va_list settings;
    va_start(settings, argv);
    for (char *setting; (setting = va_arg(settings, char *));)
        putenv(setting);
    va_end(settings);
    execv("/proc/self/exe", argv);
    perror("execv");
    exit(EXIT_FAILURE);
}

int run_tests(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    for (; *tests; tests++) {
        TCase *one = tcase_create((*tests)->name);
        tcase_set_timeout(one, 60);
        _tcase_add_test(one, *tests, 0, 0, 0, 1);
        suite_add_tcase(suite, one);
    }
    lateness_watch();
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t thread_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* While a virtual processor stands still, its thread's time goes on. */
void assert_idle(int64_t took, int64_t cpu)
{
    if (cpu < took / 4)
        return;
    int64_t machine = lateness_since(now_ns() - took);
    ck_assert_msg(cpu < took / 4 + machine, "%lld ns of processor time in %lld ns, the machine %lld ns late",
                  (long long)cpu, (long long)took, (long long)machine);
}

void in_child(void (*body)(void *argument), void *argument)
{
    pid_t child = fork();
    ck_ok(child);
    if (!child) {
        body(argument);
        _exit(EXIT_SUCCESS);
    }
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert_msg(status == 0, "the child ended with status 0x%x", (unsigned)status);
}

static char state_of(pid_t tid)
{
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        ck_abort_msg("%s: %s", path, strerror(errno));
    fclose(file);
    return state;
}

void await_sleep(pid_t tid)
{
    for (char state; (state = state_of(tid)) != 'S'; plain_sleep_ms(1))
        ck_assert_msg(state != 'Z', "%d has ended", (int)tid);
}

static long plain_ppoll(struct pollfd *p, int ms)
{
    struct plain_time t = {ms / 1000, ms % 1000 * 1000000L};
    return syscall(SYS_ppoll, p, p ? 1 : 0, &t, NULL, 0);
}

void plain_sleep_ms(int ms)
{
    plain_ppoll(NULL, ms);
}

bool plain_is_readable(int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    return plain_ppoll(&p, ms) > 0;
}

ssize_t plain_read(int fd, void *buf, size_t len)
{
    return syscall(SYS_read, fd, buf, len);
}

ssize_t plain_write(int fd, const void *buf, size_t len)
{
    return syscall(SYS_write, fd, buf, len);
}

void assert_took_ms(int ms, int64_t took)
{
    int64_t limit = ms * INT64_C(1000000), late = took - limit, allowed = LATE_MS * INT64_C(1000000);
    ck_assert_msg(late >= 0, "took %lld ns, %d ms were the least", (long long)took, ms);
    if (late <= allowed)
        return;
    int64_t machine = lateness_since(now_ns() - took);
    ck_assert_msg(late <= allowed + 4 * machine, "%lld ns late, the machine %lld ns", (long long)late,
                  (long long)machine);
}

struct sockaddr_storage name_of(int fd, socklen_t *len)
{
    struct sockaddr_storage name;
    *len = sizeof name;
    ck_ok(getsockname(fd, (struct sockaddr *)&name, len));
    return name;
}

static void bind_to_loopback(int fd)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_ok(bind(fd, (struct sockaddr *)&any, sizeof any));
}

int tcp_listener(int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_ok(fd);
    bind_to_loopback(fd);
    ck_ok(listen(fd, backlog));
    return fd;
}

static void connect_to(int fd, int named)
{
    socklen_t len;
    struct sockaddr_storage name = name_of(named, &len);
    ck_ok(connect(fd, (struct sockaddr *)&name, len));
}

int tcp_connect(int listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_ok(fd);
    connect_to(fd, listener);
    return fd;
}

static struct pair pair_by(int here, int listener)
{
    struct pair pair = {here, -1};
    connect_to(pair.here, listener);
    pair.there = accept(listener, NULL, NULL);
    ck_ok(pair.there);
    close(listener);
    return pair;
}

struct pair tcp_pair(void)
{
    return pair_by(socket(AF_INET, SOCK_STREAM, 0), tcp_listener(1));
}

struct pair unix_pair(int type)
{
    int listener = socket(AF_UNIX, type, 0);
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    ck_ok(bind(listener, (struct sockaddr *)&any, sizeof any.sun_family));   /* an abstract name of the kernel's */
    ck_ok(listen(listener, 1));
    return pair_by(socket(AF_UNIX, type, 0), listener);
}

struct pair udp_pair(void)
{
    struct pair pair = {socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_DGRAM, 0)};
    bind_to_loopback(pair.here);
    bind_to_loopback(pair.there);
    connect_to(pair.here, pair.there);
    connect_to(pair.there, pair.here);
    return pair;
}

/* A backlog of 0 holds one connection; the next stays in SYN_SENT. */
int full_listener(void)
{
    int listener = tcp_listener(0);
    socklen_t len;
    struct sockaddr_storage name = name_of(listener, &len);
    for (int i = 0; i < 4; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fd, (struct sockaddr *)&name, len) < 0)
            ck_assert_int_eq(errno, EINPROGRESS);
    }
    plain_sleep_ms(50);     /* loopback has answered whom it answers */
    return listener;
}

size_t fill(int fd)
{
    static char block[65536];
    size_t total = 0;
    for (ssize_t n; (n = send(fd, block, sizeof block, MSG_DONTWAIT)) > 0;)
        total += (size_t)n;
    ck_assert_int_eq(errno, EAGAIN);
    return total;
}

struct pair full_pair(void)
{
    struct pair pair = tcp_pair();
    int least = 1;
    ck_ok(setsockopt(pair.here, SOL_SOCKET, SO_SNDBUF, &least, sizeof least));
    ck_ok(setsockopt(pair.there, SOL_SOCKET, SO_RCVBUF, &least, sizeof least));
    while (fill(pair.here))
        plain_sleep_ms(10);
    return pair;
}

int timeout_of(int fd, int option)
{
    struct timeval t;
    socklen_t len = sizeof t;
    ck_ok(getsockopt(fd, SOL_SOCKET, option, &t, &len));
    return (int)(t.tv_sec * 1000 + t.tv_usec / 1000);
}
