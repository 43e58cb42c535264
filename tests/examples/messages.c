/* The ideas of trio-websocket: a message and its answer under one deadline, messages that go
 * out from time to time while others are awaited, and limits of their own for connecting and
 * for disconnecting, with none between.  A message is its length in a byte, and that many. */
#include <pthread.h>

#include "../../shim/timeoutsock.h"
#include "../harness.h"
#include "../peer.h"

#define LIMIT 200
#define PERIOD 100

static int send_message(int fd, const char *text)
{
    char message[256] = {(char)strlen(text)};
    memcpy(message + 1, text, strlen(text));
    size_t len = strlen(text) + 1;
    return send(fd, message, len, 0) == (ssize_t)len ? 0 : -1;
}

static int get_message(int fd, char *text)
{
    unsigned char len;
    if (recv(fd, &len, 1, 0) != 1 || recv(fd, text, len, MSG_WAITALL) != len)
        return -1;
    text[len] = '\0';
    return 0;
}

static int ask(int fd, const char *question, char *answer, int ms)
{
    TSOCK_SCOPE(ms) {
        return send_message(fd, question) ? -1 : get_message(fd, answer);
    }
    return -1;
}

/* A byte of a long message every now and then: each call is quick enough. */
static void *dribble(void *fd)
{
    plain_write(*(int *)fd, "\377", 1);
    for (int i = 0; i < 20 && plain_write(*(int *)fd, "x", 1) == 1; i++)
        plain_sleep_ms(LIMIT / 10);
    return NULL;
}

START_TEST(question_and_answer_have_one_deadline)
{
    struct pair p = tcp_pair();
    char answer[256];
    ck_assert_int_eq(send_message(p.there, "yes"), 0);
    ck_returns(0, ask(p.here, "alive?", answer, LIMIT));
    ck_assert_str_eq(answer, "yes");
    ck_ok(get_message(p.there, answer));
    ck_assert_str_eq(answer, "alive?");
    pthread_t thread = when_asleep(dribble, &p.there);
    ck_took_ms(LIMIT, ck_assert_int_eq(ask(p.here, "alive?", answer, LIMIT), -1));
    pthread_join(thread, NULL);
}
END_TEST

/* Whenever nothing has come for a period it says that it is alive; returns how often. */
static int listen_alive(int fd, char *text)
{
    for (int said = 0;; said++) {
        tsock_scope_t period;
        tsock_scope_begin(&period, PERIOD);
        int result = get_message(fd, text);
        tsock_scope_end(&period);
        if (result == 0)
            return said;
        if (!tsock_scope_expired(&period) || send_message(fd, "alive"))
            return -1;
    }
}

/* Answers once it has heard from the other side three times. */
static void *answer_third(void *fd)
{
    char heard[3 * 6];
    for (size_t got = 0; got < sizeof heard;) {
        ssize_t n = plain_read(*(int *)fd, heard + got, sizeof heard - got);
        if (n <= 0)
            return NULL;
        got += (size_t)n;
    }
    plain_write(*(int *)fd, "\4done", 5);
    return NULL;
}

START_TEST(messages_go_out_periodically_while_one_is_awaited)
{
    struct pair p = tcp_pair();
    char text[256];
    pthread_t thread = when_asleep(answer_third, &p.there);
    ck_took_ms(3 * PERIOD, ck_assert_int_ge(listen_alive(p.here, text), 3));
    ck_assert_str_eq(text, "done");
    pthread_join(thread, NULL);
}
END_TEST

static int open_to(int listener)
{
    socklen_t len;
    struct sockaddr_storage server = name_of(listener, &len);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_ok(tsock_set_phase_timeout(fd, TSOCK_CONNECT, LIMIT));
    if (!connect(fd, (struct sockaddr *)&server, len))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

START_TEST(connecting_has_a_limit)
{
    int listener = full_listener();
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, open_to(listener)));
}
END_TEST

static void *answer_late(void *fd)
{
    plain_sleep_ms(3 * LIMIT);
    plain_write(*(int *)fd, "\5later", 6);
    return NULL;
}

START_TEST(once_it_is_connected_there_is_none)
{
    int listener = tcp_listener(1), fd = open_to(listener), there = accept(listener, NULL, NULL);
    char text[256];
    pthread_t thread = when_asleep(answer_late, &there);
    ck_took_ms(3 * LIMIT, ck_assert_int_eq(get_message(fd, text), 0));
    ck_assert_str_eq(text, "later");
    pthread_join(thread, NULL);
}
END_TEST

/* Says goodbye, and waits until all that was sent has arrived, in whole seconds. */
static void disconnect(int fd, int ms)
{
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 60}, sizeof(struct linger)));
    TSOCK_SCOPE(ms) {
        send_message(fd, "goodbye");
        close(fd);
    }
}

START_TEST(disconnecting_has_a_limit)
{
    struct pair p = tcp_pair();
    char text[256];
    ck_took_ms(0, disconnect(p.here, 1000));
    ck_ok(get_message(p.there, text));
    ck_assert_str_eq(text, "goodbye");
    p = tcp_pair();
    fill(p.here);
    ck_took_ms(1000, disconnect(p.here, 1000));     /* nothing is left for lingering */
    int fd = tcp_pair().here;
    fill(fd);
    ck_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 60}, sizeof(struct linger)));
    ck_ok(tsock_set_phase_timeout(fd, TSOCK_WRITE, 1000));
    ck_took_ms(1000, ck_ok(close(fd)));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    return run_tests("messages", TESTS(question_and_answer_have_one_deadline,
                                       messages_go_out_periodically_while_one_is_awaited, connecting_has_a_limit,
                                       once_it_is_connected_there_is_none, disconnecting_has_a_limit));
}
