/* Several that accept from one listener, and several connections at once: the timer that
 * bounds an accept belongs to the listener, which they share. */
#include <fcntl.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "peer.h"
#include "suites.h"

enum { ACCEPTED, TIMED_OUT, OTHERWISE };

static int outcome(int listener)
{
    return accept(listener, NULL, NULL) >= 0 ? ACCEPTED : errno == ETIMEDOUT ? TIMED_OUT : OTHERWISE;
}

static pid_t accept_in_child(int listener)
{
    pid_t child = fork();
    ck_ok(child);
    if (!child)
        _exit(outcome(listener));
    await_sleep(child);
    return child;
}

static int outcome_of(pid_t child)
{
    int status;
    ck_ok(waitpid(child, &status, 0));
    return WEXITSTATUS(status);
}

START_TEST(of_two_processes_one_gets_the_connection_and_the_other_times_out)
{
    int listener = tcp_listener(1);
    pid_t one = accept_in_child(listener), other = accept_in_child(listener);
    tcp_connect(listener);
    int outcomes[] = {outcome_of(one), outcome_of(other)};
    ck_assert_msg(outcomes[0] + outcomes[1] == ACCEPTED + TIMED_OUT, "%d and %d", outcomes[0], outcomes[1]);
    ck_assert_int_eq(timeout_of(listener, SO_RCVTIMEO), 0);
}
END_TEST

/* A little later, so that this one is also the last to put things back. */
static void *accept_too(void *listener)
{
    plain_sleep_ms(50);
    return (void *)(intptr_t)outcome(*(int *)listener);
}

/* The limit of one must not be taken for the program's own timeout by the other. */
START_TEST(two_threads_both_time_out_even_if_the_program_uses_timeouts_elsewhere)
{
    struct timeval t = {5, 0};
    int elsewhere = tcp_listener(1), listener = tcp_listener(1);
    ck_ok(setsockopt(elsewhere, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    pthread_t thread = when_asleep(accept_too, &listener);
    ck_fails(ETIMEDOUT, accept(listener, NULL, NULL));
    void *other;
    pthread_join(thread, &other);
    ck_assert_int_eq((intptr_t)other, TIMED_OUT);
    ck_assert_int_eq(timeout_of(listener, SO_RCVTIMEO), 0);
    ck_assert_int_eq(timeout_of(elsewhere, SO_RCVTIMEO), 5000);
}
END_TEST

#define BURST 8

struct burst {
    int listener;
    int fds[BURST];
};

static void *connect_all(void *argument)
{
    struct burst *b = argument;
    socklen_t len;
    struct sockaddr_storage name = name_of(b->listener, &len);
    for (int i = 0; i < BURST; i++)
        connect(b->fds[i], (struct sockaddr *)&name, len);
    return NULL;
}

/* Whether the others come while the first one is still waited for is chance. */
static void ck_burst_has_no_timers(void)
{
    struct burst b = {.listener = tcp_listener(BURST)};
    for (int i = 0; i < BURST; i++)
        ck_ok(b.fds[i] = socket(AF_INET, SOCK_STREAM, 0));
    pthread_t peer = when_asleep(connect_all, &b);
    ck_ok(accept(b.listener, NULL, NULL));
    pthread_join(peer, NULL);
    ck_ok(fcntl(b.listener, F_SETFL, O_NONBLOCK));
    for (int i = 1; i < BURST; i++)
        ck_assert_int_eq(timeout_of(accept(b.listener, NULL, NULL), SO_RCVTIMEO), 0);
}

/* A connection inherits from the listener as it is when it comes, not when it is accepted. */
START_TEST(of_a_burst_of_connections_none_has_a_timer_however_it_is_accepted)
{
    for (int i = 0; i < 10; i++)
        ck_burst_has_no_timers();
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"acceptors", SETTINGS("TIMEOUTSOCK_ACCEPT=500ms"),
         TESTS(of_two_processes_one_gets_the_connection_and_the_other_times_out,
               two_threads_both_time_out_even_if_the_program_uses_timeouts_elsewhere,
               of_a_burst_of_connections_none_has_a_timer_however_it_is_accepted), NULL},
        {0}};
    return run_suites(argv, suites);
}
