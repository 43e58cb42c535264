#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "../lateness.h"
#include "storm.h"

#define MILLISECOND INT64_C(1000000)

/* splitmix64. */
unsigned chance(struct worker *w, unsigned most)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) % most);
}

struct link *any_link(struct worker *w)
{
    return &w->links[chance(w, LINKS)];
}

static atomic_uint found_wrong;

unsigned wrongs(void)
{
    return atomic_load(&found_wrong);
}

void wrong(const struct worker *w, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    atomic_fetch_add(&found_wrong, 1);
    fprintf(stderr, "worker %u, its operation %u (%s): %s\n", w->number, w->done, atomic_load(&w->doing), text);
}

void expect_at(const struct worker *w, int64_t began, int ms)
{
    int64_t late = now_ns() - began - ms * MILLISECOND, allowed = 100 * MILLISECOND + ms * MILLISECOND / 20;
    if (late < 0)
        wrong(w, "%lld us before its limit of %d ms", (long long)-late / 1000, ms);
    else if (late > allowed && late > allowed + 4 * lateness_since(began))
        wrong(w, "%lld ms after its limit of %d ms", (long long)(late / MILLISECOND), ms);
}

bool interrupted(const struct worker *w)
{
    if (errno != EINTR)
        return false;
    if (!w->interruptible)
        wrong(w, "EINTR, although no handler is without SA_RESTART");
    return true;
}

static sigset_t both_signals(void)
{
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    return both;
}

void link_open(struct worker *w, struct link *l)
{
    sigset_t both = both_signals(), before;
    pthread_sigmask(SIG_BLOCK, &both, &before);
    int least = 1;
    *l = (struct link){.here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .there = -1};
    setsockopt(l->here, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    if (connect(l->here, (struct sockaddr *)&w->listener_name, w->listener_name_len) < 0)
        wrong(w, "connect: %s", strerror(errno));
    else if ((l->there = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        wrong(w, "accept: %s", strerror(errno));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void link_close(struct link *l)
{
    close(l->here);
    close(l->there);
}

static char byte_at(uint64_t place)
{
    return (char)(place ^ place >> 8 ^ place >> 16);
}

void make_bytes(const struct way *way, char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(way->written + i);
}

void put(const struct worker *w, int fd, struct way *way, size_t len)
{
    char bytes[4096];
    make_bytes(way, bytes, len);
    ssize_t n = plain_write(fd, bytes, len);
    if (n != (ssize_t)len)
        wrong(w, "%zd bytes of %zu fit", n, len);
    way->written += len;
}

void took(const struct worker *w, struct way *way, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != byte_at(way->read + i)) {
            wrong(w, "another byte at %llu", (unsigned long long)(way->read + i));
            break;
        }
    way->read += len;
    if (way->read > way->written)
        wrong(w, "%llu bytes came, %llu were sent", (unsigned long long)way->read, (unsigned long long)way->written);
}

/* Signals come all the time. */
static bool has_bytes(int fd)
{
    bool has;
    do errno = 0;
    while (!(has = plain_is_readable(fd, 5000)) && errno == EINTR);
    return has;
}

void drain(const struct worker *w, int fd, struct way *way)
{
    char bytes[4096];
    while (way->read < way->written) {
        if (!has_bytes(fd)) {
            wrong(w, "%llu bytes came, %llu were sent", (unsigned long long)way->read, (unsigned long long)way->written);
            way->read = way->written;
            return;
        }
        ssize_t n = plain_read(fd, bytes, sizeof bytes);
        if (n > 0)
            took(w, way, bytes, (size_t)n);
    }
    if (plain_is_readable(fd, 0))
        wrong(w, "a byte too many, or the connection has ended");
}

/* One for each worker; fd is one more than the number, or 0 if nothing is to be sent. */
static struct letter {
    atomic_int fd;
    char byte;
    int64_t due;
} letters[WORKERS];

void post(struct worker *w, int fd, struct way *way, int ms)
{
    struct letter *letter = &letters[w->number];
    letter->byte = byte_at(way->written++);
    letter->due = now_ns() + ms * MILLISECOND;
    atomic_store(&letter->fd, fd + 1);
}

void await_post(const struct worker *w)
{
    while (atomic_load(&letters[w->number].fd))
        plain_sleep_ms(1);
}

static void deliver(struct letter *letter)
{
    int fd = atomic_load(&letter->fd) - 1;
    if (fd < 0 || letter->due > now_ns())
        return;
    if (plain_write(fd, &letter->byte, 1) != 1)
        atomic_fetch_add(&found_wrong, 1);
    atomic_store(&letter->fd, 0);
}

void *deliver_posts(void *run)
{
    while (atomic_load((atomic_bool *)run)) {
        for (int i = 0; i < WORKERS; i++)
            deliver(&letters[i]);
        plain_sleep_ms(1);
    }
    return NULL;
}
