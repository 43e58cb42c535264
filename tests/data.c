/* What a call returns is what went over the wire: a sender and a receiver that use every
 * call, with random sizes, random stalls and limits that expire often, account for every
 * byte.
 *
 * TIMEOUTSOCK_TEST_SEED repeats a run, TIMEOUTSOCK_TEST_MEGABYTES makes it shorter. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#include "../shim/timeoutsock.h"
#include "harness.h"
#include "transfers.h"

enum { LARGEST = 1 << 20, LEAST = 1 << 24, SIZES = 21, WORD = 8, SELDOM = 8, LONGEST_STALL_US = 6000, LONGEST_LIMIT_MS = 3 };

/* One end of the connection. */
struct end {
    int fd;
    uint64_t at, goal;                  /* bytes that have been moved, and that are to be */
    uint64_t random;
    const struct transfer *transfers;
    uint64_t transfer_count;
    int limit;                          /* the last that was set, in milliseconds */
    int calls, expired, shortened;      /* shortened: moved a part although they move all */
    char buf[LARGEST], wanted[LARGEST];
    char error[200];
};

static uint64_t seed;
static bool signals;                    /* they too shorten a call */

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t random_below(struct end *end, uint64_t most)
{
    return (end->random = mix(end->random)) % most;
}

/* The bytes at `at`: each eight are a function of the seed and of their place alone. */
static void bytes_at(char *to, uint64_t at, size_t len)
{
    while (len) {
        uint64_t word = mix(seed ^ at / WORD);
        size_t skip = at % WORD, n = WORD - skip < len ? WORD - skip : len;
        memcpy(to, (char *)&word + skip, n);
        to += n;
        at += n;
        len -= n;
    }
}

/* Small ones are as frequent as large ones. */
static size_t random_size(struct end *end)
{
    uint64_t left = end->goal - end->at, size = 1 + random_below(end, UINT64_C(1) << random_below(end, SIZES));
    return (size_t)(size < left ? size : left);
}

static void stall(struct end *end)
{
    struct timespec t = {0, (long)random_below(end, LONGEST_STALL_US) * 1000};
    while (nanosleep(&t, &t) < 0);
}

/* Every now and then there is a stall, or another limit. */
static void prepare(struct end *end)
{
    uint64_t chance = random_below(end, SELDOM);
    if (chance == 0)
        stall(end);
    if (chance == 1 || !end->calls)
        tsock_set_timeout(end->fd, end->limit = 1 + (int)random_below(end, LONGEST_LIMIT_MS));
}

static bool blame(struct end *end, const struct transfer *transfer, size_t len, ssize_t n, const char *why)
{
    snprintf(end->error, sizeof end->error, "%s of %zu bytes at %llu returned %zd: %s", transfer->name, len,
             (unsigned long long)end->at, n, why);
    return false;
}

static bool is_early(const struct end *end, int64_t took)
{
    return !signals && took < end->limit * INT64_C(1000000);
}

/* Counts what a call has moved in `took` nanoseconds.  False: it is over. */
static bool account(struct end *end, const struct transfer *transfer, size_t len, ssize_t n, int64_t took)
{
    bool expired = n < 0 && errno == ETIMEDOUT, shortened = !transfer->piecemeal && n > 0 && n < (ssize_t)len;
    if (n == 0 || n > (ssize_t)len)
        return blame(end, transfer, len, n, "impossible");
    if (n < 0 && !expired && errno != EINTR)
        return blame(end, transfer, len, n, strerror(errno));
    if ((expired || shortened) && is_early(end, took))
        return blame(end, transfer, len, n, "too early");
    end->calls++;
    end->expired += expired;
    end->shortened += shortened;
    end->at += n > 0 ? (uint64_t)n : 0;
    return end->at < end->goal;
}

static const struct transfer *choose(struct end *end)
{
    return &end->transfers[random_below(end, end->transfer_count)];
}

static void *run_sender(void *argument)
{
    struct end *end = argument;
    size_t len;
    ssize_t n;
    int64_t began;
    const struct transfer *transfer;
    do {
        prepare(end);
        transfer = choose(end);
        bytes_at(end->buf, end->at, len = random_size(end));
        began = now_ns();
        n = transfer->call(end->fd, end->buf, len);
    } while (account(end, transfer, len, n, now_ns() - began));
    close(end->fd);
    return NULL;
}

static bool verify(struct end *end, const struct transfer *transfer, size_t len, ssize_t n)
{
    bytes_at(end->wanted, end->at, n > 0 ? (size_t)n : 0);
    if (n <= 0 || !memcmp(end->buf, end->wanted, (size_t)n))
        return true;
    return blame(end, transfer, len, n, "other bytes");
}

/* There is no more than the sender knows of. */
static void expect_eof(struct end *end)
{
    ssize_t n;
    while ((n = read(end->fd, end->buf, 1)) < 0 && (errno == ETIMEDOUT || errno == EINTR));
    if (n)
        snprintf(end->error, sizeof end->error, "instead of EOF: %zd, errno %d", n, errno);
}

static void *run_receiver(void *argument)
{
    struct end *end = argument;
    size_t len;
    ssize_t n;
    int64_t began;
    const struct transfer *transfer;
    do {
        prepare(end);
        transfer = choose(end);
        began = now_ns();
        n = transfer->call(end->fd, end->buf, len = random_size(end));
    } while (verify(end, transfer, len, n) && account(end, transfer, len, n, now_ns() - began));
    if (end->at == end->goal)
        expect_eof(end);
    close(end->fd);
    return NULL;
}

static uint64_t number_in(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static struct end *make_end(int fd, uint64_t goal, const struct transfer *transfers, size_t count)
{
    struct end *end = calloc(1, sizeof *end);
    *end = (struct end){.fd = fd, .goal = goal, .transfers = transfers, .transfer_count = count};
    end->random = mix(seed + count);
    return end;
}

static void ck_end(const char *name, const struct end *end, const struct end *other)
{
    printf("%s: %llu bytes in %d calls, %d expired, %d stopped short\n", name, (unsigned long long)end->at, end->calls,
           end->expired, end->shortened);
    ck_assert_msg(!*end->error && !*other->error, "seed %llu: %s; %s", (unsigned long long)seed, end->error, other->error);
    ck_assert(end->at == end->goal);
    ck_assert_int_gt(end->expired, 0);
}

/* The transfers that do for pipes come first. */
static size_t count_of(const struct transfer *transfers, size_t count, bool is_pipe)
{
    while (is_pipe && transfers[count - 1].sockets_only)
        count--;
    return count;
}

/* So that a call often has to wait.  Pipes are narrow anyway. */
static void narrow(int fd, int option)
{
    int size = 1 << 17;
    ck_assert(!setsockopt(fd, SOL_SOCKET, option, &size, sizeof size) || errno == ENOTSOCK);
}

/* A whole is 1 GB. */
static void exchange(int from, int to, unsigned part, bool is_pipe)
{
    uint64_t goal = number_in("TIMEOUTSOCK_TEST_MEGABYTES", 1024) * (1 << 20) / part;
    goal = goal > LEAST ? goal : LEAST;
    seed = number_in("TIMEOUTSOCK_TEST_SEED", (uint64_t)now_ns());
    printf("TIMEOUTSOCK_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    signal(SIGPIPE, SIG_IGN);
    narrow(from, SO_SNDBUF);
    narrow(to, SO_RCVBUF);
    struct end *sender = make_end(from, goal, outgoing, count_of(outgoing, outgoing_count, is_pipe));
    struct end *receiver = make_end(to, goal, incoming, count_of(incoming, incoming_count, is_pipe));
    pthread_t threads[2];
    ck_assert_int_eq(pthread_create(&threads[0], NULL, run_sender, sender), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, run_receiver, receiver), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    ck_end("sent", sender, receiver);
    ck_end("received", receiver, sender);
    free(sender);
    free(receiver);
}

START_TEST(every_byte_over_tcp_is_accounted_for)
{
    struct pair p = tcp_pair();
    exchange(p.here, p.there, 1, false);
}
END_TEST

START_TEST(every_byte_over_a_unix_socket_is_accounted_for)
{
    struct pair p = unix_pair(SOCK_STREAM);
    exchange(p.here, p.there, 8, false);
}
END_TEST

START_TEST(every_byte_through_a_pipe_is_accounted_for)
{
    int fds[2];
    ck_ok(pipe(fds));
    exchange(fds[1], fds[0], 64, true);
}
END_TEST

static void ignore_signal(int number)
{
    (void)number;
}

static void signal_every_ms(int ms, int flags)
{
    signals = true;
    struct sigaction action = {.sa_handler = ignore_signal, .sa_flags = flags};
    ck_ok(sigaction(SIGALRM, &action, NULL));
    ck_ok(setitimer(ITIMER_REAL, &(struct itimerval){{0, ms * 1000}, {0, ms * 1000}}, NULL));
}

START_TEST(every_byte_is_accounted_for_under_signals)
{
    struct pair p = tcp_pair();
    signal_every_ms(2, 0);
    exchange(p.here, p.there, 16, false);
}
END_TEST

START_TEST(every_byte_is_accounted_for_under_signals_that_restart)
{
    struct pair p = tcp_pair();
    signal_every_ms(2, SA_RESTART);
    exchange(p.here, p.there, 16, false);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    return run_tests("data", TESTS(every_byte_over_tcp_is_accounted_for, every_byte_over_a_unix_socket_is_accounted_for,
                                   every_byte_through_a_pipe_is_accounted_for,
                                   every_byte_is_accounted_for_under_signals,
                                   every_byte_is_accounted_for_under_signals_that_restart));
}
