/* MSG_WAITALL and MSG_PEEK under a limit, which takes no byte away. */
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "receives.h"

#define LIMIT 60
#define LENGTH 12

static char buf[LENGTH];

static struct pair local_pair(void)
{
    return unix_pair(SOCK_STREAM);
}

static struct pair (*const streams[])(void) = {tcp_pair, local_pair};

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))
#define EACH_STREAM(i) for (int i = 0; i < COUNT(streams); i++)

static void give_time(int fd, int ms)
{
    ck_assert_int_eq(tsock_set_timeout(fd, ms), 0);
}

static void await_empty(int fd)
{
    for (int waiting = 1; waiting > 0; plain_sleep_ms(1))
        if (ioctl(fd, FIONREAD, &waiting) < 0)
            return;
}

/* Each piece comes when the one before has been taken. */
static void *send_pieces(void *argument)
{
    const struct pair *p = argument;
    static const char *const pieces[] = {"efg", "h", "ijkl", "mn"};
    for (int i = 0; i < COUNT(pieces); i++) {
        await_empty(p->here);
        send(p->there, pieces[i], strlen(pieces[i]), MSG_NOSIGNAL);
    }
    return NULL;
}

static void ck_waits_for_all(const struct receive *by, struct pair p)
{
    give_time(p.here, 5000);
    put(p.there, "abcd");
    pthread_t helper = when_asleep(send_pieces, &p);
    ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcdefghijkl"));
    ck_assert_int_eq(pthread_join(helper, NULL), 0);
    ck_gets(by, p.here, LENGTH, 0, "mn");
}

START_TEST(waitall_takes_all_of_what_comes_in_pieces_and_no_more)
{
    EACH_STREAM(i) EACH_RECEIVE(by)
        ck_waits_for_all(by, streams[i]());
}
END_TEST

START_TEST(waitall_at_its_limit_returns_what_it_has)
{
    EACH_STREAM(i) EACH_RECEIVE(by) {
        struct pair p = streams[i]();
        put(p.there, "abcd");
        ck_took_ms(LIMIT, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcd"));
    }
}
END_TEST

START_TEST(waitall_at_the_programs_own_limit_leaves_the_connection)
{
    EACH_STREAM(i) EACH_RECEIVE(by) {
        struct pair p = streams[i]();
        give_time(p.here, LIMIT);
        put(p.there, "abcd");
        ck_took_ms(LIMIT, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcd"));
        put(p.there, "efgh");
        ck_gets(by, p.here, LENGTH, 0, "efgh");
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, buf, LENGTH, MSG_WAITALL)));
    }
}
END_TEST

/* The connection is over, so the rest need not be waited for. */
START_TEST(waitall_at_an_imposed_limit_leaves_etimedout_to_the_next_call_and_then_eof)
{
    EACH_STREAM(i) EACH_RECEIVE(by) {
        struct pair p = streams[i]();
        put(p.there, "abcd");
        ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcd");
        ck_took_ms(0, ck_fails(ETIMEDOUT, by->call(p.here, buf, LENGTH, MSG_WAITALL)));
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, ""));
    }
}
END_TEST

START_TEST(waitall_of_nothing_fails_at_its_limit)
{
    EACH_STREAM(i) EACH_RECEIVE(by) {
        struct pair p = streams[i]();
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, buf, LENGTH, MSG_WAITALL)));
    }
}
END_TEST

START_TEST(waitall_ends_at_the_end_of_the_stream)
{
    EACH_STREAM(i) EACH_RECEIVE(by) {
        struct pair p = streams[i]();
        put(p.there, "abcd");
        close(p.there);
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcd"));
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, ""));
    }
}
END_TEST

START_TEST(waitall_of_datagrams_takes_one)
{
    EACH_RECEIVE(by) {
        struct pair p = udp_pair();
        put(p.there, "abcd");
        put(p.there, "efgh");
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcd"));
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "efgh"));
    }
}
END_TEST

/* A reset while a part has been received. */
static void *reset(void *argument)
{
    const struct pair *p = argument;
    await_empty(p->here);
    setsockopt(p->there, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(p->there);
    return NULL;
}

START_TEST(an_error_after_a_part_is_answered_by_the_next_call)
{
    EACH_RECEIVE(by) {
        struct pair p = tcp_pair();
        give_time(p.here, 5000);
        put(p.there, "abcd");
        pthread_t helper = when_asleep(reset, &p);
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcd"));
        ck_assert_int_eq(pthread_join(helper, NULL), 0);
        ck_fails(ECONNRESET, by->call(p.here, buf, LENGTH, MSG_WAITALL));
        ck_gets(by, p.here, LENGTH, MSG_WAITALL, "");
    }
}
END_TEST

START_TEST(peek_returns_what_is_there_and_leaves_it)
{
    EACH_STREAM(i) EACH_RECEIVE(by) {
        struct pair p = streams[i]();
        put(p.there, "abcd");
        for (int again = 0; again < 2; again++)
            ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_PEEK, "abcd"));
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, 0, "abcd"));
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, by->call(p.here, buf, LENGTH, MSG_PEEK)));
    }
}
END_TEST

START_TEST(peek_of_all_at_its_limit_returns_what_is_there_and_leaves_it)
{
    EACH_RECEIVE(by) {
        struct pair p = tcp_pair();
        give_time(p.here, LIMIT);
        put(p.there, "abcd");
        for (int again = 0; again < 2; again++)
            ck_took_ms(LIMIT, ck_idles(ck_gets(by, p.here, LENGTH, MSG_PEEK | MSG_WAITALL, "abcd")));
        put(p.there, "efghijkl");
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_PEEK | MSG_WAITALL, "abcdefghijkl"));
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_WAITALL, "abcdefghijkl"));
    }
}
END_TEST

static void *send_rest(void *there)
{
    send(*(int *)there, "efghijklmn", 10, MSG_NOSIGNAL);
    return NULL;
}

START_TEST(peek_of_all_waits_for_all)
{
    EACH_RECEIVE(by) {
        struct pair p = tcp_pair();
        give_time(p.here, 5000);
        put(p.there, "abcd");
        pthread_t helper = when_asleep(send_rest, &p.there);
        ck_took_ms(0, ck_gets(by, p.here, LENGTH, MSG_PEEK | MSG_WAITALL, "abcdefghijkl"));
        ck_assert_int_eq(pthread_join(helper, NULL), 0);
        ck_gets(by, p.here, LENGTH, 0, "abcdefghijkl");
    }
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, "TIMEOUTSOCK_DEFAULT=60ms", "TIMEOUTSOCK_KINDS=tcp,udp,unix", NULL);
    return run_tests("waitall", TESTS(waitall_takes_all_of_what_comes_in_pieces_and_no_more,
                                      waitall_at_its_limit_returns_what_it_has,
                                      waitall_at_the_programs_own_limit_leaves_the_connection,
                                      waitall_at_an_imposed_limit_leaves_etimedout_to_the_next_call_and_then_eof,
                                      waitall_of_nothing_fails_at_its_limit,
                                      waitall_ends_at_the_end_of_the_stream,
                                      waitall_of_datagrams_takes_one,
                                      an_error_after_a_part_is_answered_by_the_next_call,
                                      peek_returns_what_is_there_and_leaves_it,
                                      peek_of_all_at_its_limit_returns_what_is_there_and_leaves_it,
                                      peek_of_all_waits_for_all));
}
