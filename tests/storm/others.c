/* What opens, closes, copies and shares descriptors, and what ends threads and processes. */
#include <netdb.h>
#include <signal.h>
#include <sys/wait.h>

#include "storm.h"

enum { SHORTEST = 5, LONGEST = 60 };

struct sockaddr_storage deaf_name;
socklen_t deaf_name_len;

static void connect_to_the_deaf(struct worker *w)
{
    int ms = (int)(SHORTEST + chance(w, LONGEST)), r;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tsock_set_phase_timeout(fd, TSOCK_CONNECT, ms);
    int64_t began = now_ns();
    r = connect(fd, (struct sockaddr *)&deaf_name, deaf_name_len);
    if (r < 0 && errno == EINTR)
        interrupted(w);
    else if (r != -1 || errno != ETIMEDOUT)
        wrong(w, "%d, %s, not a timeout", r, strerror(errno));
    else
        expect_at(w, began, ms);
    close(fd);
}

static void accept_nobody(struct worker *w)
{
    int ms = (int)(SHORTEST + chance(w, LONGEST)), r;
    tsock_set_phase_timeout(w->listener, TSOCK_ACCEPT, ms);
    int64_t began = now_ns();
    do r = accept(w->listener, NULL, NULL);
    while (r < 0 && interrupted(w));
    if (r != -1 || errno != ETIMEDOUT)
        wrong(w, "%d, %s, not a timeout", r, strerror(errno));
    else
        expect_at(w, began, ms);
    tsock_set_phase_timeout(w->listener, TSOCK_ACCEPT, 5000);
}

static void open_anew(struct worker *w)
{
    struct link *l = any_link(w);
    link_close(l);
    link_open(w, l);
}

/* A copy has the limits of what it was copied from. */
static void read_by_a_copy(struct worker *w)
{
    struct link *l = any_link(w);
    int ms = (int)(SHORTEST + chance(w, LONGEST));
    char byte;
    tsock_set_timeout(l->here, ms);
    int copy = dup(l->here);
    tsock_set_timeout(l->here, 5000);
    int64_t began = now_ns();
    ssize_t n;
    do n = recv(copy, &byte, 1, 0);
    while (n < 0 && interrupted(w));
    if (n != -1 || errno != ETIMEDOUT)
        wrong(w, "%zd, %s, not a timeout", n, strerror(errno));
    else
        expect_at(w, began, ms);
    close(copy);
}

static void look_up_an_address(struct worker *w)
{
    struct addrinfo *found = NULL;
    int answer = getaddrinfo(chance(w, 2) ? "127.0.0.1" : "::1", "80", NULL, &found);
    if (answer)
        wrong(w, "%s", gai_strerror(answer));
    else
        freeaddrinfo(found);
}

static void *read_for_ever(void *fd)
{
    char byte;
    recv(*(int *)fd, &byte, 1, 0);
    return NULL;
}

/* The time before the cancellation is nobody's limit. */
static void cancel_a_reader(struct worker *w)
{
    struct link *l = any_link(w);
    pthread_t reader;
    void *result;
    tsock_set_timeout(l->here, chance(w, 2) ? TSOCK_NONE : 20000);
    if (pthread_create(&reader, NULL, read_for_ever, &l->here)) {
        wrong(w, "no thread");
        return;
    }
    plain_sleep_ms((int)chance(w, 10));
    pthread_cancel(reader);
    pthread_join(reader, &result);
    if (result != PTHREAD_CANCELED && !w->interruptible)
        wrong(w, "a reader ended by itself");
}

static int status_of(const struct worker *w, pid_t child)
{
    int status = -1;
    if (child < 0)
        wrong(w, "fork: %s", strerror(errno));
    while (child > 0 && waitpid(child, &status, 0) < 0 && interrupted(w))
        ;
    return status;
}

/* A child has the limits of its parent. */
static _Noreturn void read_in_child(int fd)
{
    char byte;
    int64_t began = now_ns();
    ssize_t n;
    do n = recv(fd, &byte, 1, 0);
    while (n < 0 && errno == EINTR);
    int error = errno;
    _exit(n == -1 && error == ETIMEDOUT && now_ns() - began >= SHORTEST * INT64_C(1000000) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void fork_a_reader(struct worker *w)
{
    struct link *l = any_link(w);
    tsock_set_timeout(l->here, SHORTEST);
    pid_t child = fork();
    if (!child)
        read_in_child(l->here);
    int status = status_of(w, child);
    if (status)
        wrong(w, "the child's status is 0x%x", (unsigned)status);
}

static void start_a_program(struct worker *w)
{
    pid_t child = fork();
    if (!child) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    int status = status_of(w, child);
    if (status)
        wrong(w, "the program's status is 0x%x", (unsigned)status);
}

/* ThreadSanitizer is not to be used in the child of a program with threads. */
#ifdef __SANITIZE_THREAD__
#define MAY_FORK 0
#else
#define MAY_FORK 1
#endif

const struct operation others[] = {
    {"connect to the deaf", 10, connect_to_the_deaf},
    {"accept nobody", 10, accept_nobody},
    {"open anew", 20, open_anew},
    {"read by a copy", 10, read_by_a_copy},
    {"look up an address", 10, look_up_an_address},
    {"cancel a reader", 5, cancel_a_reader},
    {"fork a reader", 2 * MAY_FORK, fork_a_reader},
    {"start a program", 1 * MAY_FORK, start_a_program},
    {0},
};
