/* The idea of pyTimeout: calls of a web server, a cache and a database that may each be slow
 * get a time limit around them as they are, down to what libmariadb does by itself.
 *
 * tests/examples/slow.py starts real ones behind a slow network and says where they are. */
#include <arpa/inet.h>
#include <mariadb/mysql.h>
#include <netinet/in.h>
#include <stdio.h>

#include "../../shim/timeoutsock.h"
#include "../suites.h"

#define ENOUGH 60000

static int number_of(const char *name)
{
    const char *text = getenv(name);
    ck_assert_msg(text != NULL, "%s is not set", name);
    return (int)strtol(text, NULL, 10);
}

static int connect_to(const char *port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number_of(port))};
    inet_pton(AF_INET, getenv("SLOW_ADDRESS"), &server.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (!connect(fd, (struct sockaddr *)&server, sizeof server))
        return fd;
    close(fd);
    return -1;
}

/* Whether the server answers so; errno is that of what failed. */
static int answers(const char *port, const char *question, const char *expected)
{
    char answer[64];
    size_t len = strlen(expected);
    int fd = connect_to(port);
    if (fd < 0)
        return -1;
    ssize_t n = send(fd, question, strlen(question), 0);
    if (n >= 0)
        n = recv(fd, answer, len, MSG_WAITALL);
    int error = errno;
    close(fd);
    errno = error;
    return n == (ssize_t)len && !memcmp(answer, expected, len) ? 0 : -1;
}

static int get_page(void *unused)
{
    (void)unused;
    return answers("SLOW_HTTP", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n");
}

static int look_into_cache(void *unused)
{
    (void)unused;
    return answers("SLOW_CACHE", "get item\r\n", "END\r\n");
}

static int select_one(MYSQL *database)
{
    if (mysql_query(database, "select 1"))
        return -1;
    MYSQL_RES *result = mysql_store_result(database);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    int good = row && !strcmp(row[0], "1");
    mysql_free_result(result);
    return good ? 0 : -1;
}

static int ask_database(void *unused)
{
    (void)unused;
    MYSQL *database = mysql_init(NULL);
    const char *host = getenv("SLOW_ADDRESS");
    unsigned port = (unsigned)number_of("SLOW_DATABASE");
    int result = mysql_real_connect(database, host, "tester", NULL, NULL, port, NULL, 0) ? select_one(database) : -1;
    int error = errno;
    mysql_close(database);
    errno = error;
    return result;
}

static const struct service {
    const char *name;
    int (*call)(void *unused);
} services[] = {{"http", get_page}, {"cache", look_into_cache}, {"database", ask_database}};

static int call_within(int ms)
{
    return tsock_with_timeout(ms, VARIANT_IN(services)->call, NULL, NULL);
}

/* Each takes a round trip to connect and one for the answer. */
START_TEST(it_is_slow_and_answers_if_it_may)
{
    int64_t began = now_ns(), least = 2 * number_of("SLOW_ROUND_TRIP") * INT64_C(1000000);
    ck_assert_int_eq(call_within(TSOCK_NONE), 0);
    ck_assert_int_ge(now_ns() - began, least);
    ck_assert_int_eq(call_within(ENOUGH), 0);
}
END_TEST

START_TEST(it_ends_at_a_limit_while_it_connects)
{
    int limit = number_of("SLOW_ROUND_TRIP") / 2;
    ck_took_ms(limit, ck_fails(ETIMEDOUT, call_within(limit)));
}
END_TEST

START_TEST(it_ends_at_a_limit_while_it_waits_for_the_answer)
{
    int limit = number_of("SLOW_ROUND_TRIP") * 3 / 2;
    ck_took_ms(limit, ck_fails(ETIMEDOUT, call_within(limit)));
}
END_TEST

/* A page that is made of all three. */
static int make_page(void *made)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++, ++*(int *)made)
        if (services[i].call(NULL))
            return -1;
    return 0;
}

START_TEST(several_calls_have_one_limit_together)
{
    int limit = number_of("SLOW_ROUND_TRIP") * 3, made = 0;
    ck_took_ms(limit, ck_fails(ETIMEDOUT, tsock_with_timeout(limit, make_page, &made, NULL)));
    ck_assert_int_eq(made, 1);
    made = 0;
    ck_assert_int_eq(tsock_with_timeout(ENOUGH, make_page, &made, NULL), 0);
    ck_assert_int_eq(made, 3);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"slow", SETTINGS(NULL),
         TESTS(it_is_slow_and_answers_if_it_may, it_ends_at_a_limit_while_it_connects,
               it_ends_at_a_limit_while_it_waits_for_the_answer), NAMES_IN(services)},
        {"slow together", SETTINGS(NULL), TESTS(several_calls_have_one_limit_together), NULL},
        {0}};
    return run_suites(argv, suites);
}
