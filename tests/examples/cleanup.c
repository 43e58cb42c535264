/* The idea of lazr.timeout: a function runs with a time limit, and if that passes, something
 * cleans up after it: a function, or a method of the object that it works on. */
#include "../../shim/timeoutsock.h"
#include "../harness.h"

#define LIMIT 100
#define ENOUGH 10000

struct session {
    int fd;
    char answer;
    int cleaned;
    void (*clean_up)(struct session *self);
};

/* The connection is of no use any more: half an answer may still come. */
static void hang_up(struct session *self)
{
    self->cleaned++;
    close(self->fd);
}

static int ask(void *session)
{
    struct session *self = session;
    if (send(self->fd, "?", 1, 0) < 0)
        return -1;
    return (int)recv(self->fd, &self->answer, 1, 0);
}

static void by_function(void *session)
{
    hang_up(session);
}

static void by_method(void *session)
{
    struct session *self = session;
    self->clean_up(self);
}

static int wait_for(struct session *session, int ms, void (*cleanup)(void *session))
{
    return tsock_with_timeout(ms, ask, session, &(tsock_options_t){.cleanup = cleanup});
}

static void (*const cleanups[])(void *session) = {by_function, by_method};

START_TEST(after_a_timeout_it_is_cleaned_up_once)
{
    for (int i = 0; i < 2; i++) {
        struct pair p = tcp_pair();
        struct session session = {.fd = p.here, .clean_up = hang_up};
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, wait_for(&session, LIMIT, cleanups[i])));
        ck_assert_int_eq(session.cleaned, 1);
        ck_assert_int_eq(recv(p.there, &session.answer, 1, 0), 1);
        ck_assert_int_eq(recv(p.there, &session.answer, 1, 0), 0);
    }
}
END_TEST

START_TEST(an_answer_in_time_is_returned_and_nothing_cleaned_up)
{
    for (int i = 0; i < 2; i++) {
        struct pair p = tcp_pair();
        struct session session = {.fd = p.here, .clean_up = hang_up};
        ck_assert_int_eq(send(p.there, "!", 1, 0), 1);
        ck_returns(1, wait_for(&session, ENOUGH, cleanups[i]));
        ck_assert_int_eq(session.answer, '!');
        ck_assert_int_eq(session.cleaned, 0);
    }
}
END_TEST

/* A failure of another sort is the function's own affair. */
START_TEST(a_reset_is_no_timeout)
{
    struct pair p = tcp_pair();
    struct session session = {.fd = p.here, .clean_up = hang_up};
    ck_ok(setsockopt(p.there, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)));
    ck_ok(close(p.there));
    ck_fails(ECONNRESET, wait_for(&session, ENOUGH, by_method));
    ck_assert_int_eq(session.cleaned, 0);
}
END_TEST

static void note(int fd, void *fds)
{
    *(int *)fds += fd;
}

/* The same bound to the descriptor, whoever may be waiting for it. */
START_TEST(a_descriptor_has_a_cleanup_of_its_own)
{
    int fd = tcp_pair().here, noted = 0;
    char byte;
    ck_ok(tsock_set_timeout(fd, LIMIT));
    ck_ok(tsock_set_cleanup(fd, note, &noted));
    for (int i = 0; i < 2; i++)
        ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, recv(fd, &byte, 1, 0)));
    ck_assert_int_eq(noted, fd);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    under_preload(argv, NULL);
    return run_tests("cleanup", TESTS(after_a_timeout_it_is_cleaned_up_once,
                                      an_answer_in_time_is_returned_and_nothing_cleaned_up, a_reset_is_no_timeout,
                                      a_descriptor_has_a_cleanup_of_its_own));
}
