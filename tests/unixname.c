/* KINDS=unix: a silent local server, whatever its name is, as a client of it meets it. */
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include "peer.h"
#include "suites.h"

#define LIMIT 80        /* as in the settings below */

static struct sockaddr_un name_in_tmp(socklen_t *len)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char directory[] = "/tmp/unix-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(name.sun_path, sizeof name.sun_path, "%s/s", directory);
    *len = sizeof name;
    return name;
}

static struct sockaddr_un abstract_name(socklen_t *len)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "timeoutsock-%d", (int)getpid());
    *len = (socklen_t)(sizeof name.sun_family + 1 + (size_t)n);
    return name;
}

static const struct naming {
    const char *name;
    struct sockaddr_un (*make)(socklen_t *len);
} namings[] = {{"path", name_in_tmp}, {"abstract name", abstract_name}};

struct server {
    int fd;
    struct sockaddr_un name;
    socklen_t len;
};

static struct server serve(int type)
{
    struct server s = {.fd = socket(AF_UNIX, type, 0)};
    s.name = VARIANT_IN(namings)->make(&s.len);
    ck_ok(bind(s.fd, (struct sockaddr *)&s.name, s.len));
    if (type != SOCK_DGRAM)
        ck_ok(listen(s.fd, 4));
    return s;
}

/* Under the name that the server was bound to nothing is left but files in /tmp. */
static void end_server(struct server *s)
{
    close(s->fd);
    if (!s->name.sun_path[0])
        return;
    ck_ok(unlink(s->name.sun_path));
    *strrchr(s->name.sun_path, '/') = '\0';
    ck_ok(rmdir(s->name.sun_path));
}

static int client_of(struct server *s, int type)
{
    int fd = socket(AF_UNIX, type, 0);
    ck_took_ms(0, ck_returns(0, connect(fd, (struct sockaddr *)&s->name, s->len)));
    return fd;
}

static char bytes[16];

START_TEST(a_server_that_does_not_accept_lets_its_client_time_out)
{
    struct server s = serve(SOCK_STREAM);
    int fd = client_of(&s, SOCK_STREAM);
    ck_returns(3, write(fd, "ask", 3));
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, read(fd, bytes, 8)));
    ck_took_ms(0, ck_returns(0, read(fd, bytes, 8)));
    int accepted = accept(s.fd, NULL, NULL);
    ck_ok(accepted);
    ck_returns(3, read(accepted, bytes, 8));
    ck_took_ms(0, ck_returns(0, read(accepted, bytes, 8)));
    end_server(&s);
}
END_TEST

START_TEST(a_server_that_does_not_answer_ends_a_wait)
{
    struct server s = serve(SOCK_STREAM);
    int fd = client_of(&s, SOCK_STREAM), another = client_of(&s, SOCK_STREAM), epoll = epoll_create1(0);
    ck_took_ms(LIMIT, ck_returns(1, poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1)));
    ck_fails(ETIMEDOUT, read(fd, bytes, 8));
    ck_ok(epoll_ctl(epoll, EPOLL_CTL_ADD, another, &(struct epoll_event){.events = EPOLLIN}));
    ck_took_ms(LIMIT, ck_returns(1, epoll_wait(epoll, &(struct epoll_event){0}, 1, -1)));
    ck_fails(ETIMEDOUT, read(another, bytes, 8));
    end_server(&s);
}
END_TEST

START_TEST(the_answer_that_was_there_in_time_is_read_before_the_end)
{
    struct server s = serve(SOCK_STREAM);
    int fd = client_of(&s, SOCK_STREAM), there = accept(s.fd, NULL, NULL);
    ck_returns(6, write(there, "answer", 6));
    ck_took_ms(LIMIT, ck_returns(6, recv(fd, bytes, sizeof bytes, MSG_WAITALL)));
    ck_assert_mem_eq(bytes, "answer", 6);
    ck_took_ms(0, ck_fails(ETIMEDOUT, read(fd, bytes, 8)));
    ck_took_ms(0, ck_returns(0, read(fd, bytes, 8)));
    end_server(&s);
}
END_TEST

START_TEST(an_unconnected_client_of_datagrams_stays_usable)
{
    struct server s = serve(SOCK_DGRAM);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_ok(bind(fd, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)));
    ck_returns(3, sendto(fd, "ask", 3, 0, (struct sockaddr *)&s.name, s.len));
    ck_took_ms(LIMIT, ck_fails(ETIMEDOUT, recv(fd, bytes, 8, 0)));
    struct sockaddr_un from;
    socklen_t from_len = sizeof from;
    ck_returns(3, recvfrom(s.fd, bytes, 8, 0, (struct sockaddr *)&from, &from_len));
    ck_returns(4, sendto(s.fd, "late", 4, 0, (struct sockaddr *)&from, from_len));
    from_len = sizeof from;
    ck_returns(4, recvfrom(fd, bytes, 8, 0, (struct sockaddr *)&from, &from_len));
    ck_assert_uint_eq(from_len, s.name.sun_path[0] ? offsetof(struct sockaddr_un, sun_path) + strlen(s.name.sun_path) + 1 : s.len);
    ck_assert_mem_eq(&from, &s.name, from_len);
    end_server(&s);
}
END_TEST

START_TEST(a_name_that_nobody_serves_is_refused_at_once)
{
    struct server s = serve(SOCK_STREAM);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    close(s.fd);
    ck_took_ms(0, ck_fails(ECONNREFUSED, connect(fd, (struct sockaddr *)&s.name, s.len)));
    s.fd = -1;
    end_server(&s);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"local server", SETTINGS("TIMEOUTSOCK_DEFAULT=80ms", "TIMEOUTSOCK_KINDS=unix"),
         TESTS(a_server_that_does_not_accept_lets_its_client_time_out, a_server_that_does_not_answer_ends_a_wait,
               the_answer_that_was_there_in_time_is_read_before_the_end, an_unconnected_client_of_datagrams_stays_usable,
               a_name_that_nobody_serves_is_refused_at_once), NAMES_IN(namings)},
        {0}};
    return run_suites(argv, suites);
}
