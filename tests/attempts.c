#include "attempts.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "answered.h"
#include "blocking.h"
#include "injector.h"

#define LIMIT_MS 40
#define RELEASE_MS 160      /* when a silent peer ends what is not limited any more */
#define ANSWER_MS 20
#define HANG_S 20

/* What a thread does to the other end after some time; Check's assertions are for the test's
 * own thread. */
struct peer {
    struct pair pair;
    int after_ms;
    void (*act)(struct pair);
};
static struct peer peer;
static atomic_bool acted;

static void *act_later(void *unused)
{
    plain_sleep_ms(peer.after_ms);
    atomic_store(&acted, true);
    peer.act(peer.pair);
    return unused;
}

static void start_peer(struct pair pair, int after_ms, void (*act)(struct pair))
{
    pthread_t thread;
    peer = (struct peer){pair, after_ms, act};
    ck_assert_int_eq(pthread_create(&thread, NULL, act_later, NULL), 0);
    pthread_detach(thread);
}

/* Past the library: nothing waits on this socket any more. */
static void end_waits(struct pair pair)
{
    syscall(SYS_shutdown, pair.here, SHUT_RDWR);
}

static bool is_how_a_shut_socket_fails(int error)
{
    return error == EPIPE || error == EINVAL || error == ECONNRESET || error == ECONNREFUSED || error == ECONNABORTED;
}

/* With the limit, or as without the library; a send may have moved a part. */
static bool is_right(const struct blocking *b, long long result, int error, int64_t took)
{
    bool in_time = took >= LIMIT_MS * INT64_C(1000000);
    bool sends = b->timer_error == EAGAIN && b->timer == SO_SNDTIMEO;
    if (result < 0 && error == ETIMEDOUT)
        return in_time;
    if (!atomic_load(&acted))
        return in_time && result > 0 && sends;
    return result >= 0 || is_how_a_shut_socket_fails(error);
}

static void pause_faults(int on)
{
    injector_pause_function *pause = NULL;
    void *found = dlsym(RTLD_DEFAULT, "injector_pause");
    memcpy(&pause, &found, sizeof found);
    if (pause)      /* not there under ThreadSanitizer; else a test counts what it has done */
        pause(on);
}

static bool on_silent_peer(const struct blocking *b)
{
    int fd = b->open();
    start_peer((struct pair){fd, -1}, RELEASE_MS, end_waits);
    int64_t began = now_ns();
    pause_faults(false);
    long long result = b->call(fd);
    int error = errno;
    pause_faults(true);
    int64_t took = now_ns() - began;
    if (is_right(b, result, error, took))
        return true;
    fprintf(stderr, "%s: %lld, %s, after %lld us\n", b->name, result, strerror(error), (long long)took / 1000);
    return false;
}

const char *const *attempt_names(void)
{
    static const char *names[64];
    int count = 0;
    for (const char *const *name = blocking_names(); *name; name++)
        names[count++] = *name;
    for (const char *const *name = answered_names(); *name; name++)
        names[count++] = *name;
    return names;
}

const char *attempt_limit(const char *name)
{
    const struct answered *a = answered_named(name);
    return a ? a->limit : "40ms";
}

static bool with_an_answer(const struct answered *a)
{
    struct pair p = a->open();
    start_peer(p, ANSWER_MS, a->act);
    pause_faults(false);
    bool good = a->call(p);
    int error = errno;
    pause_faults(true);
    if (!good)
        fprintf(stderr, "%s: %s\n", a->name, strerror(error));
    return good;
}

static const char *attempted;

START_TEST(the_call_is_right)
{
    const struct answered *a = answered_named(attempted);
    signal(SIGPIPE, SIG_IGN);
    alarm(HANG_S);
    pause_faults(true);
    ck_assert(a ? with_an_answer(a) : on_silent_peer(blocking_named(attempted)));
}
END_TEST

int attempt_make(const char *name)
{
    attempted = name;
    return run_tests(name, TESTS(the_call_is_right));
}
