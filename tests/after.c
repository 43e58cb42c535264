/* What becomes of a connection after its limit: one that was imposed has ended it, one that
 * the program has set itself has not. */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "../shim/timeoutsock.h"
#include "peer.h"
#include "suites.h"

#define MUCH ((size_t)1 << 20)

static char bytes[8];

static void ck_receive_times_out(int fd)
{
    ck_took_ms(100, ck_fails(ETIMEDOUT, recv(fd, bytes, sizeof bytes, 0)));
}

static void ck_send_times_out(int fd)
{
    ck_took_ms(100, ck_fails(ETIMEDOUT, send(fd, "abc", 3, MSG_NOSIGNAL)));
}

/* Sends much more than fits. */
static void ck_sends_a_part(int fd)
{
    ssize_t n;
    const char *data = pattern(MUCH);
    ck_took_ms(100, n = send(fd, data, MUCH, 0));
    ck_assert(n > 0 && n < (ssize_t)MUCH);
}

static void ck_is_over(int fd)
{
    ck_took_ms(0, ck_returns(0, recv(fd, bytes, sizeof bytes, 0)));
    ck_took_ms(0, ck_fails(EPIPE, send(fd, "abc", 3, MSG_NOSIGNAL)));
    ck_took_ms(0, ck_returns(0, recv(fd, bytes, sizeof bytes, 0)));
}

static void ck_is_usable(const struct pair *p)
{
    ck_returns(3, send(p->here, "abc", 3, 0));
    ck_assert_int_eq(plain_read(p->there, bytes, sizeof bytes), 3);
    ck_assert_int_eq(plain_write(p->there, "defg", 4), 4);
    ck_returns(4, recv(p->here, bytes, sizeof bytes, 0));
    ck_assert_mem_eq(bytes, "defg", 4);
}

/* Takes all that is under way, so that there is room again. */
static void take_all(const struct pair *p)
{
    static char much[65536];
    int queued = 1, size = 1 << 20;
    ck_ok(setsockopt(p->there, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    while (queued || plain_is_readable(p->there, 0)) {
        if (plain_is_readable(p->there, 10))
            ck_ok(plain_read(p->there, much, sizeof much));
        ck_ok(ioctl(p->here, SIOCOUTQ, &queued));
    }
}

/* Imposed */

START_TEST(a_receive_that_timed_out_ends_the_connection)
{
    struct pair p = tcp_pair();
    ck_receive_times_out(p.here);
    ck_is_over(p.here);
    ck_assert_int_eq(plain_read(p.there, bytes, sizeof bytes), 0);
}
END_TEST

START_TEST(a_send_that_timed_out_ends_the_connection)
{
    struct pair p = full_pair();
    ck_send_times_out(p.here);
    ck_is_over(p.here);
}
END_TEST

START_TEST(connections_of_the_added_kinds_end_too)
{
    struct pair pairs[] = {unix_pair(SOCK_STREAM), unix_pair(SOCK_SEQPACKET)};
    for (size_t i = 0; i < 2; i++) {
        ck_receive_times_out(pairs[i].here);
        ck_is_over(pairs[i].here);
        ck_assert_int_eq(plain_read(pairs[i].there, bytes, sizeof bytes), 0);
    }
}
END_TEST

START_TEST(a_write_after_the_end_raises_sigpipe)
{
    struct pair p = tcp_pair();
    ck_receive_times_out(p.here);
    pid_t child = fork();
    ck_ok(child);
    if (!child)
        _exit((int)write(p.here, "abc", 3));
    int status;
    ck_ok(waitpid(child, &status, 0));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}
END_TEST

START_TEST(a_copy_of_the_descriptor_is_over_too)
{
    struct pair p = tcp_pair();
    int copy = dup(p.here);
    ck_receive_times_out(p.here);
    ck_is_over(copy);
}
END_TEST

START_TEST(after_a_part_the_next_call_answers_etimedout_once)
{
    for (int receives = 0; receives < 2; receives++) {
        struct pair p = little_room(tcp_pair());
        ck_sends_a_part(p.here);
        if (receives)
            ck_took_ms(0, ck_fails(ETIMEDOUT, recv(p.here, bytes, sizeof bytes, 0)));
        else
            ck_took_ms(0, ck_fails(ETIMEDOUT, send(p.here, "abc", 3, 0)));
        ck_is_over(p.here);
    }
}
END_TEST

START_TEST(after_a_part_so_error_tells_etimedout_once)
{
    struct pair p = little_room(tcp_pair());
    ck_sends_a_part(p.here);
    int error = 0;
    socklen_t len = sizeof error;
    ck_ok(getsockopt(p.here, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, ETIMEDOUT);
    ck_ok(getsockopt(p.here, SOL_SOCKET, SO_ERROR, &error, &len));
    ck_assert_int_eq(error, 0);
    ck_is_over(p.here);
}
END_TEST

START_TEST(after_a_part_a_receive_answers_etimedout_once_too)
{
    struct pair p = tcp_pair();
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_took_ms(100, ck_returns(3, recv(p.here, bytes, sizeof bytes, MSG_WAITALL)));
    ck_took_ms(0, ck_fails(ETIMEDOUT, recv(p.here, bytes, sizeof bytes, 0)));
    ck_is_over(p.here);
}
END_TEST

START_TEST(the_next_descriptor_of_the_same_number_knows_nothing_of_it)
{
    struct pair p = little_room(tcp_pair());
    ck_sends_a_part(p.here);
    close(p.here);
    struct pair next = tcp_pair();
    ck_ok(dup2(next.here, p.here));
    next.here = p.here;
    ck_is_usable(&next);
}
END_TEST

START_TEST(an_unconnected_socket_is_not_ended)
{
    struct pair p = udp_pair();
    int alone = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_ok(bind(alone, (struct sockaddr *)&any, sizeof any));
    ck_receive_times_out(alone);
    ck_receive_times_out(alone);
    socklen_t len;
    struct sockaddr_storage name = name_of(alone, &len);
    ck_assert_int_eq(sendto(p.here, "abc", 3, 0, (struct sockaddr *)&name, len), 3);
    ck_returns(3, recv(alone, bytes, sizeof bytes, 0));
}
END_TEST

START_TEST(a_pipe_is_not_ended)
{
    int fds[2];
    ck_ok(pipe(fds));
    ck_took_ms(100, ck_fails(ETIMEDOUT, read(fds[0], bytes, sizeof bytes)));
    ck_returns(3, write(fds[1], "abc", 3));
    ck_returns(3, read(fds[0], bytes, sizeof bytes));
}
END_TEST

/* The program's own, or by TIMEOUTSOCK_ACTION=error */

enum { OWN_LIMIT, OWN_DEFAULT, NO_ACTION };
static const struct way {
    const char *name;
    int who;
} ways[] = {{"tsock_set_timeout", OWN_LIMIT}, {"tsock_set_default_timeout", OWN_DEFAULT}, {"ACTION=error", NO_ACTION}};

static struct pair kept(struct pair p)
{
    if (VARIANT_IN(ways)->who == OWN_LIMIT)
        ck_assert_int_eq(tsock_set_timeout(p.here, 100), 0);
    if (VARIANT_IN(ways)->who == OWN_DEFAULT)
        ck_assert_int_eq(tsock_set_default_timeout(100), 0);
    return p;
}

START_TEST(after_a_receive_that_timed_out_the_connection_is_usable)
{
    struct pair p = kept(tcp_pair());
    ck_receive_times_out(p.here);
    ck_receive_times_out(p.here);
    ck_is_usable(&p);
}
END_TEST

START_TEST(after_a_send_that_timed_out_the_connection_is_usable)
{
    struct pair p = kept(full_pair());
    ck_send_times_out(p.here);
    ck_send_times_out(p.here);
    take_all(&p);
    ck_is_usable(&p);
}
END_TEST

START_TEST(after_a_part_the_next_call_tries_again)
{
    struct pair p = kept(little_room(tcp_pair()));
    ck_sends_a_part(p.here);
    while (fill(p.here))    /* what has been acknowledged meanwhile has made room */
        plain_sleep_ms(10);
    ck_send_times_out(p.here);
    take_all(&p);
    ck_is_usable(&p);
}
END_TEST

START_TEST(after_a_part_a_receive_tries_again)
{
    struct pair p = kept(tcp_pair());
    ck_assert_int_eq(plain_write(p.there, "abc", 3), 3);
    ck_took_ms(100, ck_returns(3, recv(p.here, bytes, sizeof bytes, MSG_WAITALL)));
    ck_receive_times_out(p.here);
    ck_is_usable(&p);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const own[] = {"tsock_set_timeout", "tsock_set_default_timeout", NULL};
    static const char *const no_action[] = {"ACTION=error", NULL};
    const TTest *const *usable = TESTS(after_a_receive_that_timed_out_the_connection_is_usable,
                                       after_a_send_that_timed_out_the_connection_is_usable,
                                       after_a_part_the_next_call_tries_again, after_a_part_a_receive_tries_again);
    const struct suite suites[] = {
        {"after an imposed limit", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_KINDS=all"),
         TESTS(a_receive_that_timed_out_ends_the_connection, a_send_that_timed_out_ends_the_connection,
               connections_of_the_added_kinds_end_too, a_write_after_the_end_raises_sigpipe,
               a_copy_of_the_descriptor_is_over_too, after_a_part_the_next_call_answers_etimedout_once,
               after_a_part_so_error_tells_etimedout_once, after_a_part_a_receive_answers_etimedout_once_too,
               the_next_descriptor_of_the_same_number_knows_nothing_of_it, an_unconnected_socket_is_not_ended,
               a_pipe_is_not_ended), NULL},
        {"after a limit of the program's own", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"), usable, own},
        {"after a limit without an action", SETTINGS("TIMEOUTSOCK_DEFAULT=100ms", "TIMEOUTSOCK_ACTION=error"), usable,
         no_action},
        {0}};
    return run_suites(argv, suites);
}
