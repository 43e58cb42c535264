/* The threads that look-ups run in: when there is one, how many there may be, and that they
 * are in nobody's way. */
#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#include "lookups.h"
#include "suites.h"

/* The library's calls come here too. */
static _Atomic int threads_made;
static bool no_more_threads;

__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*start)(void *), void *argument)
{
    threads_made++;
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    return no_more_threads ? EAGAIN : next(thread, attributes, start, argument);
}

static int threads_now(void)
{
    DIR *directory = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(directory);
    int count = -2;     /* . and .. */
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void await_threads(int count)
{
    while (threads_now() > count)
        plain_sleep_ms(10);
}

static enum outcome ask_addrinfo(int n)
{
    return lookups[0].ask(n);
}

/* Under a limit of 20 s */

static void look_up_address(const char *text)
{
    struct addrinfo *result;
    ck_assert_int_eq(getaddrinfo(text, "80", NULL, &result), 0);
    freeaddrinfo(result);
}

START_TEST(what_asks_nobody_starts_no_thread)
{
    dns_begin();
    threads_made = 0;
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *result;
    struct sockaddr_in any = {.sin_family = AF_INET};
    char host[64], service[16];
    look_up_address("127.0.0.1");
    look_up_address("::1");
    look_up_address("fe80::1%lo");
    look_up_address("127.1");
    look_up_address(NULL);
    ck_assert_int_eq(getaddrinfo("one.test", NULL, &hints, &result), EAI_NONAME);
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&any, sizeof any, host, sizeof host, service, sizeof service,
                                 NI_NUMERICHOST), 0);
    ck_assert_ptr_nonnull(gethostbyname("192.0.2.1"));
    ck_assert_ptr_nonnull(gethostbyname2("::1", AF_INET6));
    ck_assert_int_eq(threads_made, 0);
    ck_assert_int_eq(dns.asked, 0);
    ck_assert_int_eq(ask_addrinfo(1), FOUND);
    ck_assert_int_eq(threads_made, 1);
}
END_TEST

START_TEST(where_no_thread_can_be_made_the_call_is_made_plainly)
{
    dns_begin();
    no_more_threads = true;
    for (size_t i = 0; i < lookup_count; i++) {
        threads_made = 0;
        ck_assert_msg(lookups[i].ask(1) == FOUND, "%s", lookups[i].name);
        ck_assert_msg(lookups[i].ask(2) == NOT_FOUND, "%s", lookups[i].name);
        ck_assert_int_eq(threads_made, 2);
    }
    ck_took_ms(2000, ck_assert_int_eq(ask_addrinfo(10), AGAIN));
}
END_TEST

START_TEST(where_no_thread_can_be_made_a_state_of_the_programs_own_asks_its_own_name_server)
{
    static struct dns other;
    struct __res_state state = {.options = 0};
    unsigned char answer[512];
    dns_begin();
    ck_assert(dns_start(&other, "127.0.0.1", 0));
    ck_assert_int_eq(res_ninit(&state), 0);
    dns_use(&state, &other);
    no_more_threads = true;
    ck_assert_int_gt(res_nquery(&state, "one.test", 1, 1, answer, sizeof answer), 0);
    ck_assert_int_eq(other.asked, 1);
    ck_assert_int_eq(dns.asked, 0);
    res_nclose(&state);
}
END_TEST

/* Whoever is cancelled in ThreadSanitizer's getaddrinfo leaves it ignoring the thread. */
#ifdef __SANITIZE_THREAD__
#define CANCELLED
#else

static void *ask_and_say_so(void *tid)
{
    if (res_init())
        return NULL;
    dns_use(&_res, &dns);
    *(_Atomic pid_t *)tid = gettid();
    ask_addrinfo(10);
    return NULL;
}

START_TEST(a_look_up_is_a_point_at_which_its_thread_may_be_cancelled)
{
    dns_begin();
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        _Atomic pid_t tid = 0;
        int asked = dns.asked;
        void *end;
        ck_assert_int_eq(pthread_create(&thread, NULL, ask_and_say_so, (void *)&tid), 0);
        while (!tid || dns.asked == asked)
            plain_sleep_ms(1);
        await_sleep(tid);
        pthread_cancel(thread);
        ck_took_ms(0, pthread_join(thread, &end));
        ck_assert_ptr_eq(end, PTHREAD_CANCELED);
    }
    ck_assert_int_eq(ask_addrinfo(1), FOUND);
    await_threads(2);
}
END_TEST

#define CANCELLED a_look_up_is_a_point_at_which_its_thread_may_be_cancelled,
#endif

static volatile sig_atomic_t signals, elsewhere;

static void on_signal(int number)
{
    (void)number;
    signals++;
    elsewhere += gettid() != getpid();
}

START_TEST(signals_are_the_programs_threads_and_the_look_up_goes_on)
{
    dns_begin();
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval often = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
    ck_ok(sigaction(SIGALRM, &action, NULL));
    ck_ok(setitimer(ITIMER_REAL, &often, NULL));
    ck_took_ms(2000, ck_assert_int_eq(ask_addrinfo(10), AGAIN));
    ck_ok(setitimer(ITIMER_REAL, &never, NULL));
    ck_assert_int_ge(signals, 5);
    ck_assert_int_eq(elsewhere, 0);
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    ck_assert(sigisemptyset(&mask));
}
END_TEST

static void *ask_often(void *argument)
{
    (void)argument;
    intptr_t found = 0;
    if (!res_init())
        dns_use(&_res, &dns);
    for (int i = 0; i < 5; i++)
        for (size_t call = 0; call < lookup_count; call++)
            found += lookups[call].ask(1) == FOUND && lookups[call].ask(2) == NOT_FOUND;
    return (void *)found;
}

START_TEST(many_threads_look_up_at_once)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    dns_begin();
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *found;
        pthread_join(threads[i], &found);
        ck_assert_int_eq((intptr_t)found, (intptr_t)(5 * lookup_count));
    }
}
END_TEST

/* Under a limit of 20 ms */

static void leave_workers_behind(int count)
{
    static int next = 10;
    while (count--)
        ck_took_ms(20, ck_assert_int_eq(ask_addrinfo(next++), AGAIN));
}

/* A busy machine does not answer within 20 ms, and then the next second does not count. */
static void find_in_the_end(void)
{
    for (int tries = 0; ask_addrinfo(1) != FOUND; tries++) {
        ck_assert_int_lt(tries, 200);
        plain_sleep_ms(100);
    }
}

START_TEST(no_more_than_sixteen_workers_are_left_behind)
{
    dns_begin();
    int before = threads_now(), most = 0;
    for (int i = 0; i < 40; i++) {
        leave_workers_behind(1);
        int now = threads_now();
        most = now > most ? now : most;
    }
    ck_assert_int_gt(most, before);
    ck_assert_int_le(most, before + 16);
    await_threads(before);
    find_in_the_end();
}
END_TEST

/* ThreadSanitizer forbids a child of a process with threads to make threads. */
#ifdef __SANITIZE_THREAD__
#define AFTER_FORK
#else

static void end_well(void *argument)
{
    (void)argument;
    leave_workers_behind(2);
    exit(EXIT_SUCCESS);
}

static void exec_true(void *argument)
{
    (void)argument;
    leave_workers_behind(2);
    execlp("true", "true", (char *)NULL);
}

static void look_up_again(void *argument)
{
    (void)argument;
    ck_assert_int_eq(ask_addrinfo(100), AGAIN);
    ck_assert_int_le(threads_now(), 2);
    find_in_the_end();
}

START_TEST(a_process_may_end_and_exec_while_workers_run)
{
    dns_begin();
    in_child(end_well, NULL);
    in_child(exec_true, NULL);
}
END_TEST

START_TEST(a_child_has_no_workers_and_may_have_its_own)
{
    dns_begin();
    leave_workers_behind(20);
    in_child(look_up_again, NULL);
}
END_TEST

#define AFTER_FORK , a_process_may_end_and_exec_while_workers_run, a_child_has_no_workers_and_may_have_its_own
#endif

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"workers", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"),
         TESTS(what_asks_nobody_starts_no_thread, where_no_thread_can_be_made_the_call_is_made_plainly,
               where_no_thread_can_be_made_a_state_of_the_programs_own_asks_its_own_name_server,
               CANCELLED signals_are_the_programs_threads_and_the_look_up_goes_on, many_threads_look_up_at_once), NULL},
        {"workers left behind", SETTINGS("TIMEOUTSOCK_DEFAULT=20ms"),
         TESTS(no_more_than_sixteen_workers_are_left_behind AFTER_FORK), NULL},
        {0}};
    return run_suites(argv, suites);
}
