#include "storm.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "../lateness.h"

#define SHORT_S 20
#define LAST_CALL_S 25      /* no operation takes as long */

static struct worker workers[WORKERS];
static atomic_bool running = true;
static const struct operation *const tables[] = {calls, waits, others, NULL};

#ifdef __SANITIZE_THREAD__
/* It sees how the library opens a file, but not how it closes it, past every interceptor: it
 * takes the next descriptor of that number for the same one. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:kernel_table_size\n";
}
#endif

static unsigned setting(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text && *text ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

static void note_signal(int number)
{
    (void)number;
}

/* What is left of it when the weights of those before have been taken away. */
static const struct operation *operation_at(unsigned weight)
{
    for (int t = 0; tables[t]; t++)
        for (const struct operation *o = tables[t]; o->name; o++) {
            if (weight < o->weight)
                return o;
            weight -= o->weight;
        }
    return NULL;
}

static unsigned all_weights(void)
{
    unsigned sum = 0;
    for (int t = 0; tables[t]; t++)
        for (const struct operation *o = tables[t]; o->name; o++)
            sum += o->weight;
    return sum;
}

/* Check has handlers of its own, which do not restart either. */
static void choose_signals(const struct worker *w)
{
    sigset_t blocked;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGUSR1);
    if (w->interruptible)
        sigdelset(&blocked, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    choose_signals(w);
    for (unsigned weights = all_weights(); atomic_load(&running) && !wrongs(); w->done++) {
        const struct operation *o = operation_at(chance(w, weights));
        atomic_store(&w->doing, o->name);
        o->make(w);
    }
    return NULL;
}

static void open_worker(struct worker *w, unsigned number, unsigned seed)
{
    *w = (struct worker){.number = number, .random = (uint64_t)seed << 32 | number, .interruptible = number % 2};
    atomic_store(&w->doing, "open");
    w->listener = tcp_listener(LINKS);
    w->listener_name = name_of(w->listener, &w->listener_name_len);
    tsock_set_phase_timeout(w->listener, TSOCK_ACCEPT, 5000);
    for (int i = 0; i < LINKS; i++)
        link_open(w, &w->links[i]);
}

static void close_worker(struct worker *w)
{
    for (int i = 0; i < LINKS; i++)
        link_close(&w->links[i]);
    close(w->listener);
}

static unsigned entries_of(const char *path)
{
    DIR *directory = opendir(path);
    unsigned count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static void disturb(int64_t end)
{
    for (unsigned i = 0; now_ns() < end && !wrongs(); i++) {
        pthread_kill(workers[i % WORKERS].thread, i % 3 ? SIGUSR1 : SIGUSR2);
        plain_sleep_ms(2);
    }
}

static void end_worker(struct worker *w)
{
    struct timespec last_call;
    clock_gettime(CLOCK_REALTIME, &last_call);
    last_call.tv_sec += LAST_CALL_S;
    if (pthread_timedjoin_np(w->thread, NULL, &last_call)) {
        wrong(w, "it has no end");
        abort();
    }
}

static void prepare(void)
{
    struct rlimit files = {4096, 4096};
    struct sigaction restarting = {.sa_handler = note_signal, .sa_flags = SA_RESTART}, interrupting = {.sa_handler = note_signal};
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGUSR1, &restarting, NULL);
    sigaction(SIGUSR2, &interrupting, NULL);
    deaf_name = name_of(full_listener(), &deaf_name_len);
}

static void rage(unsigned seed, unsigned seconds)
{
    pthread_t postman;
    atomic_bool posts = true;
    for (unsigned i = 0; i < WORKERS; i++)
        open_worker(&workers[i], i, seed);
    ck_assert_int_eq(pthread_create(&postman, NULL, deliver_posts, &posts), 0);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    disturb(now_ns() + seconds * INT64_C(1000000000));
    atomic_store(&running, false);
    unsigned operations = 0;
    for (int i = 0; i < WORKERS; i++) {
        end_worker(&workers[i]);
        close_worker(&workers[i]);
        operations += workers[i].done;
    }
    atomic_store(&posts, false);
    pthread_join(postman, NULL);
    fprintf(stderr, "%u operations\n", operations);
}

/* A thread that has been joined may be listed for a moment yet. */
static unsigned threads_left(unsigned expected)
{
    for (int looks = 1000; looks-- && entries_of("/proc/self/task") > expected;)
        plain_sleep_ms(5);
    return entries_of("/proc/self/task");
}

static void *nothing(void *unused)
{
    return unused;
}

/* A sanitizer's runtime starts a thread of its own with the first one. */
static unsigned threads_at_start(void)
{
    pthread_t first;
    ck_assert_int_eq(pthread_create(&first, NULL, nothing, NULL), 0);
    pthread_join(first, NULL);
    plain_sleep_ms(100);
    return entries_of("/proc/self/task");
}

START_TEST(a_storm_of_calls_has_the_results_of_the_model)
{
    unsigned seed = setting("STORM_SEED", (unsigned)now_ns());
    fprintf(stderr, "STORM_SEED=%u repeats what follows\n", seed);
    prepare();
    unsigned fds = entries_of("/proc/self/fd"), threads = threads_at_start();
    rage(seed, setting("STORM_SECONDS", SHORT_S));
    ck_assert_uint_eq(wrongs(), 0);
    ck_assert_uint_eq(entries_of("/proc/self/fd"), fds);
    ck_assert_uint_eq(threads_left(threads), threads);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=20", NULL);
    return run_tests("storm", TESTS(a_storm_of_calls_has_the_results_of_the_model));
}
