/* What the program has changed in its resolver's state counts for its look-ups, with a limit
 * as without: each test runs under both. */
#include <arpa/nameser.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

#include "dns.h"
#include "suites.h"

static int found_by_query(const char *name)
{
    unsigned char answer[512];
    return res_query(name, ns_c_in, ns_t_a, answer, sizeof answer) > 0;
}

START_TEST(the_domain_to_search_and_whether_to_search_it_are_the_programs)
{
    dns_begin();
    strcpy(_res.defdname, "test");
    _res.dnsrch[0] = _res.defdname;
    ck_assert_ptr_nonnull(gethostbyname("one"));
    _res.options &= ~(unsigned long)(RES_DEFNAMES | RES_DNSRCH);
    ck_assert_ptr_null(gethostbyname("one"));
    _res.options |= RES_DEFNAMES | RES_DNSRCH;
    static char domain[] = "test";
    _res.defdname[0] = '\0';
    _res.dnsrch[0] = domain;
    ck_assert_ptr_nonnull(gethostbyname("one"));
    ck_assert_int_eq(_res.dnsrch[0] == domain, 1);
}
END_TEST

START_TEST(the_name_server_is_the_programs)
{
    static struct dns other;
    dns_begin();
    ck_assert(dns_start(&other, "127.0.0.1", 0));
    ck_assert_ptr_nonnull(gethostbyname("one.test"));
    ck_assert_int_eq(dns.asked, 1);
    dns_use(&_res, &other);
    ck_assert_ptr_nonnull(gethostbyname("one.test"));
    ck_assert(found_by_query("one.test"));
    ck_assert_int_eq(other.asked, 2);
    ck_assert_int_eq(dns.asked, 1);
}
END_TEST

START_TEST(how_long_and_how_often_to_ask_is_the_programs)
{
    dns_begin();
    _res.retrans = 1;
    ck_took_ms(1000, ck_assert_ptr_null(gethostbyname("silent.test")));
    ck_assert_int_eq(h_errno, TRY_AGAIN);
    ck_assert_int_eq(dns.asked, 1);
    _res.retry = 3;
    ck_assert(!found_by_query("silent2.test"));
    ck_assert_int_eq(dns.asked, 4);
}
END_TEST

START_TEST(a_state_of_the_programs_own_asks_its_own_name_server)
{
    static struct dns other;
    struct __res_state state = {.options = 0};
    unsigned char answer[512];
    dns_begin();
    ck_assert(dns_start(&other, "127.0.0.1", 0));
    ck_assert_int_eq(res_ninit(&state), 0);
    dns_use(&state, &other);
    ck_assert_int_gt(res_nquery(&state, "one.test", ns_c_in, ns_t_a, answer, sizeof answer), 0);
    ck_assert_int_eq(res_nsearch(&state, "gone.test", ns_c_in, ns_t_a, answer, sizeof answer), -1);
    ck_assert_int_eq(state.res_h_errno, HOST_NOT_FOUND);
    ck_assert_int_eq(other.asked, 2);
    ck_assert_int_eq(dns.asked, 0);
    ck_assert(found_by_query("one.test"));
    ck_assert_int_eq(dns.asked, 1);
    ck_assert_int_eq(other.asked, 2);
    res_nclose(&state);
}
END_TEST

static void *ask_in_thread(void *server)
{
    if (res_init())
        return NULL;
    dns_use(&_res, server);
    return gethostbyname("one.test");
}

START_TEST(each_thread_has_a_state_of_its_own)
{
    static struct dns other;
    pthread_t thread;
    void *host;
    dns_begin();
    ck_assert(dns_start(&other, "127.0.0.1", 0));
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_in_thread, &other), 0);
    pthread_join(thread, &host);
    ck_assert_ptr_nonnull(host);
    ck_assert_int_eq(other.asked, 1);
    ck_assert_ptr_nonnull(gethostbyname("one.test"));
    ck_assert_int_eq(other.asked, 1);
    ck_assert_int_eq(dns.asked, 1);
}
END_TEST

/* /etc/resolv.conf */

static char configuration[] = "/tmp/timeoutsock-resolv-XXXXXX";

static bool has_own_configuration(void)
{
    int fd = mkstemp(configuration);
    ck_ok(fd);
    close(fd);
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           !mount(configuration, "/etc/resolv.conf", NULL, MS_BIND, NULL);
}

/* libc tells a file that has changed by its size too. */
static void configure(const char *text)
{
    FILE *file = fopen(configuration, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void ck_asks(struct dns *server, const char *name)
{
    int before = server->asked;
    struct addrinfo hints = {.ai_family = AF_INET}, *result;
    ck_assert_int_eq(getaddrinfo(name, NULL, &hints, &result), 0);
    freeaddrinfo(result);
    ck_assert_int_eq(server->asked, before + 1);
}

static void ck_asks_each(struct dns *first, struct dns *second)
{
    configure("nameserver 127.77.53.1\nsearch test\n");
    ck_asks(first, "one.test");
    configure("nameserver 127.77.53.2\n");
    ck_asks(second, "one.test");
    configure("nameserver 127.77.53.1\nsearch no-such.test test\n");
    int before = first->asked;
    ck_assert_ptr_nonnull(gethostbyname("one"));
    ck_assert_int_eq(first->asked, before + 2);
    static struct dns ipv6;
    if (!dns_start(&ipv6, "::1", 53))
        return;
    configure("nameserver ::1\noptions timeout:1\n");
    ck_asks(&ipv6, "one.test");
    ck_asks(&ipv6, "alias.test");
}

START_TEST(what_has_changed_in_resolv_conf_counts_at_once)
{
    static struct dns first, second;
    bool can = dns_start(&first, "127.77.53.1", 53) && dns_start(&second, "127.77.53.2", 53) && has_own_configuration();
    if (can) {
        dns_begin();
        ck_assert_int_eq(res_init(), 0);
        ck_asks_each(&first, &second);
    } else {
        fprintf(stderr, "needs the rights to mount and to have port 53: not tested\n");
    }
    unlink(configuration);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const TTest *const *tests = TESTS(
        the_domain_to_search_and_whether_to_search_it_are_the_programs, the_name_server_is_the_programs,
        how_long_and_how_often_to_ask_is_the_programs, a_state_of_the_programs_own_asks_its_own_name_server,
        each_thread_has_a_state_of_its_own, what_has_changed_in_resolv_conf_counts_at_once);
    const struct suite suites[] = {
        {"resolver within a limit", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"), tests, NULL},
        {"resolver without a limit", SETTINGS("TIMEOUTSOCK_DEFAULT=none"), tests, NULL},
        {0}};
    return run_suites(argv, suites);
}
