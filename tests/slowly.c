/* A call for much that moves slowly ends at its limit with a part; the connection ends only
 * when nothing has moved for that long. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "peer.h"
#include "suites.h"

#define LIMIT 300           /* as in the settings below */
#define MUCH ((size_t)1 << 24)
#define ROUNDS 3

static void *room(void)
{
    static void *much;
    return much ? much : (much = keep(MUCH));
}

static ssize_t send_much(int fd) { return send(fd, room(), MUCH, 0); }

static ssize_t sendfile_much(int fd)
{
    int file = memfd_create("much", 0);
    ck_ok(ftruncate(file, MUCH));
    ssize_t n = sendfile(fd, file, NULL, MUCH);
    int error = errno;
    close(file);
    errno = error;
    return n;
}

static ssize_t receive_all(int fd) { return recv(fd, room(), MUCH, MSG_WAITALL); }

static const struct sort {
    const char *name;
    ssize_t (*call)(int fd);
    bool sends;
} sorts[] = {{"send", send_much, true}, {"sendfile", sendfile_much, true}, {"recv", receive_all, false}};

/* Little of it is under way. */
static struct pair narrow_pair(void)
{
    struct pair p = tcp_pair();
    int size = 1 << 17;
    ck_ok(setsockopt(p.here, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    ck_ok(setsockopt(p.there, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    return p;
}

struct slow {
    int fd;
    bool takes;
    atomic_bool stops;
};

#define STEP 10

/* A little every STEP ms, until it is to stop. */
static void *move_slowly(void *slow_)
{
    struct slow *slow = slow_;
    static char some[65536];
    while (!atomic_load(&slow->stops)) {
        plain_sleep_ms(STEP);
        if (slow->takes ? plain_read(slow->fd, some, sizeof some) <= 0 : plain_write(slow->fd, some, sizeof some) <= 0)
            break;
    }
    return NULL;
}

static void ck_moves_a_part(const struct sort *sort, int fd)
{
    ssize_t n = sort->call(fd);
    ck_assert_msg(n > 0, "%s returned %zd: %s", sort->name, n, strerror(errno));
}

START_TEST(while_bytes_move_each_call_ends_with_a_part)
{
    const struct sort *sort = VARIANT_IN(sorts);
    struct pair p = narrow_pair();
    struct slow slow = {.fd = p.there, .takes = sort->sends};
    pthread_t peer;
    ck_assert_int_eq(pthread_create(&peer, NULL, move_slowly, &slow), 0);
    ck_took_ms(LIMIT, ck_moves_a_part(sort, p.here));
    for (int i = 1; i < ROUNDS; i++)
        ck_moves_a_part(sort, p.here);
    atomic_store(&slow.stops, true);
    ck_assert_int_eq(pthread_join(peer, NULL), 0);
    ck_assert_int_eq(plain_write(p.there, "x", 1), 1);
}
END_TEST

/* For how long nothing has moved on a connection: its own kernel still fills what is left of
 * the window after its peer has stopped reading. */
static int64_t quiet_for(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    ck_ok(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
    uint32_t sent = info.tcpi_last_data_sent, received = info.tcpi_last_data_recv;
    return (sent < received ? sent : received) * INT64_C(1000000);
}

/* What the last part has waited is not waited again. */
START_TEST(when_nothing_moves_any_more_the_connection_ends_at_the_limit)
{
    const struct sort *sort = VARIANT_IN(sorts);
    struct pair p = narrow_pair();
    struct slow slow = {.fd = p.there, .takes = sort->sends};
    pthread_t peer;
    ck_assert_int_eq(pthread_create(&peer, NULL, move_slowly, &slow), 0);
    ck_took_ms(LIMIT, ck_moves_a_part(sort, p.here));
    atomic_store(&slow.stops, true);
    ck_assert_int_eq(pthread_join(peer, NULL), 0);
    ssize_t n;
    int calls = 0;
    while ((n = sort->call(p.here)) > 0)
        ck_assert_int_le(++calls, 2);
    ck_assert_int_eq(errno, ETIMEDOUT);
    assert_took_ms(LIMIT - 3 * STEP, quiet_for(p.there));   /* each side's kernel counts ticks of up to 10 ms */
    char byte;
    ck_assert_int_le(send(p.here, &byte, 1, MSG_NOSIGNAL), 0);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const struct suite suites[] = {
        {"slowly", SETTINGS("TIMEOUTSOCK_DEFAULT=300ms"),
         TESTS(while_bytes_move_each_call_ends_with_a_part,
               when_nothing_moves_any_more_the_connection_ends_at_the_limit),
         NAMES_IN(sorts)},
        {0}};
    return run_suites(argv, suites);
}
