/* What look-ups answer is the same with a limit that is not reached and without one: each
 * test runs under both. */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>

#include "dns.h"
#include "suites.h"

START_TEST(getaddrinfo_gives_all_addresses_the_port_and_the_canonical_name)
{
    dns_begin();
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME}, *result;
    ck_assert_int_eq(getaddrinfo("alias.test", "4711", &hints, &result), 0);
    ck_assert_str_eq(result->ai_canonname, "one.test");
    int ipv4 = 0, ipv6 = 0;
    for (struct addrinfo *a = result; a; a = a->ai_next) {
        char text[INET6_ADDRSTRLEN], port[8];
        ck_assert_int_eq(a->ai_socktype, SOCK_STREAM);
        ck_assert_int_eq(getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, port, sizeof port,
                                     NI_NUMERICHOST | NI_NUMERICSERV), 0);
        ck_assert_str_eq(port, "4711");
        ck_assert_str_eq(text, a->ai_family == AF_INET ? "192.0.2.1" : "2001:db8::1");
        (a->ai_family == AF_INET ? (ipv4++) : (ipv6++));
    }
    ck_assert_int_eq(ipv4, 1);
    ck_assert_int_eq(ipv6, 1);
    freeaddrinfo(result);
}
END_TEST

START_TEST(getaddrinfo_refuses_what_it_always_refuses)
{
    dns_begin();
    struct addrinfo bad = {.ai_flags = 0x40000000}, numeric = {.ai_flags = AI_NUMERICHOST}, *result;
    ck_assert_int_eq(getaddrinfo("one.test", NULL, &bad, &result), EAI_BADFLAGS);
    ck_assert_int_eq(getaddrinfo("one.test", NULL, &numeric, &result), EAI_NONAME);
    ck_assert_int_eq(getaddrinfo("one.test", "no-such-service", NULL, &result), EAI_SERVICE);
    ck_assert_int_eq(getaddrinfo(NULL, NULL, NULL, &result), EAI_NONAME);
    ck_assert_int_eq(getaddrinfo("gone.test", NULL, NULL, &result), EAI_NONAME);
}
END_TEST

static struct sockaddr_in one_test(void)
{
    struct sockaddr_in one = {.sin_family = AF_INET, .sin_port = htons(22)};
    inet_aton("192.0.2.1", &one.sin_addr);
    return one;
}

START_TEST(getnameinfo_gives_host_and_service_or_says_why_not)
{
    dns_begin();
    struct sockaddr_in one = one_test();
    char host[64], service[32];
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&one, sizeof one, host, sizeof host, service, sizeof service,
                                 NI_NUMERICSERV), 0);
    ck_assert_str_eq(host, "one.test");
    ck_assert_str_eq(service, "22");
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&one, sizeof one, host, 4, NULL, 0, 0), EAI_OVERFLOW);
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&one, 4, host, sizeof host, NULL, 0, 0), EAI_FAMILY);
    ck_assert_int_eq(getnameinfo(NULL, 0, host, sizeof host, NULL, 0, 0), EAI_FAMILY);
    inet_aton("192.0.2.9", &one.sin_addr);
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&one, sizeof one, host, sizeof host, NULL, 0, NI_NAMEREQD), EAI_NONAME);
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&one, sizeof one, host, sizeof host, NULL, 0, 0), 0);
    ck_assert_str_eq(host, "192.0.2.9");
}
END_TEST

START_TEST(gethostbyname_gives_names_aliases_and_addresses)
{
    dns_begin();
    struct hostent *host = gethostbyname("alias.test");
    ck_assert_ptr_nonnull(host);
    ck_assert_str_eq(host->h_name, "one.test");
    ck_assert_str_eq(host->h_aliases[0], "alias.test");
    ck_assert_ptr_null(host->h_aliases[1]);
    ck_assert_int_eq(host->h_addrtype, AF_INET);
    ck_assert_int_eq(host->h_length, 4);
    ck_assert_mem_eq(host->h_addr_list[0], "\xc0\0\2\1", 4);
    ck_assert_ptr_null(host->h_addr_list[1]);
    host = gethostbyname2("one.test", AF_INET6);
    ck_assert_ptr_nonnull(host);
    ck_assert_int_eq(host->h_length, 16);
}
END_TEST

START_TEST(gethostbyname_takes_an_address_and_finds_room_for_many)
{
    dns_begin();
    struct hostent *host = gethostbyname("192.0.2.7");
    ck_assert_ptr_nonnull(host);
    ck_assert_mem_eq(host->h_addr_list[0], "\xc0\0\2\7", 4);
    ck_assert_int_eq(dns.asked, 0);
    host = gethostbyname("many.test");
    ck_assert_ptr_nonnull(host);
    int count = 0;
    while (host->h_addr_list[count])
        count++;
    ck_assert_int_eq(count, 20);
}
END_TEST

START_TEST(gethostbyname_that_fails_sets_h_errno)
{
    dns_begin();
    ck_assert_ptr_null(gethostbyname("gone.test"));
    ck_assert_int_eq(h_errno, HOST_NOT_FOUND);
    ck_assert_ptr_null(gethostbyname("_svc._tcp.test"));
    ck_assert_int_eq(h_errno, NO_DATA);
}
END_TEST

START_TEST(what_gethostbyname_gave_outlives_gethostbyaddr_and_the_other_way_round)
{
    dns_begin();
    struct in_addr one = one_test().sin_addr;
    struct hostent *by_name = gethostbyname("many.test"), *by_address = gethostbyaddr(&one, sizeof one, AF_INET);
    ck_assert_ptr_nonnull(by_name);
    ck_assert_ptr_nonnull(by_address);
    ck_assert_str_eq(by_name->h_name, "many.test");
    ck_assert_str_eq(by_address->h_name, "one.test");
    ck_assert_ptr_nonnull(gethostbyname("many.test"));
    ck_assert_str_eq(by_address->h_name, "one.test");
}
END_TEST

static bool lies_in(const void *pointer, const char *buf, size_t len)
{
    return (const char *)pointer >= buf && (const char *)pointer < buf + len;
}

static void ck_lies_in(const struct hostent *host, const char *buf, size_t len)
{
    ck_assert(lies_in(host->h_name, buf, len));
    ck_assert(lies_in(host->h_aliases, buf, len));
    ck_assert(lies_in(host->h_addr_list, buf, len));
    ck_assert_int_eq((uintptr_t)host->h_aliases % _Alignof(char *), 0);
    ck_assert_int_eq((uintptr_t)host->h_addr_list % _Alignof(char *), 0);
    for (char **alias = host->h_aliases; *alias; alias++)
        ck_assert(lies_in(*alias, buf, len));
    for (char **address = host->h_addr_list; *address; address++)
        ck_assert(lies_in(*address, buf, len));
}

START_TEST(gethostbyname_r_answers_within_the_callers_buffer_however_that_is_aligned)
{
    dns_begin();
    static char room[1024 + 16];
    for (size_t shift = 0; shift < 16; shift += 5) {
        struct hostent host, *result = NULL;
        int error = 4711;
        ck_assert_int_eq(gethostbyname_r("alias.test", &host, room + shift, 1024, &result, &error), 0);
        ck_assert_ptr_eq(result, &host);
        ck_assert_int_eq(error, 0);
        ck_assert_str_eq(host.h_name, "one.test");
        ck_assert_str_eq(host.h_aliases[0], "alias.test");
        ck_assert_mem_eq(host.h_addr_list[0], "\xc0\0\2\1", 4);
        ck_lies_in(&host, room + shift, 1024);
    }
}
END_TEST

START_TEST(a_buffer_that_is_too_small_fails_it_with_erange)
{
    dns_begin();
    char room[512];
    struct hostent host, *result = &host;
    int error = 4711;
    struct in_addr one = one_test().sin_addr;
    ck_assert_int_eq(gethostbyname_r("many.test", &host, room, 64, &result, &error), ERANGE);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(error, NETDB_INTERNAL);
    ck_assert_int_eq(gethostbyaddr_r(&one, sizeof one, AF_INET, &host, room, 8, &result, &error), ERANGE);
    ck_assert_int_eq(error, NETDB_INTERNAL);
    ck_assert_int_eq(gethostbyname2_r("one.test", AF_INET6, &host, room, 0, &result, &error), ERANGE);
    ck_assert_int_eq(gethostbyname2_r("one.test", AF_INET6, &host, room, sizeof room, &result, &error), 0);
}
END_TEST

START_TEST(gethostbyname_r_and_gethostbyaddr_r_say_who_was_not_found)
{
    dns_begin();
    char room[512];
    struct hostent host, *result = &host;
    int error = 4711;
    struct in_addr none = one_test().sin_addr;
    none.s_addr = htonl(0xc0000209);
    ck_assert_int_eq(gethostbyname_r("gone.test", &host, room, sizeof room, &result, &error), 0);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(error, HOST_NOT_FOUND);
    result = &host;
    ck_assert_int_eq(gethostbyaddr_r(&none, sizeof none, AF_INET, &host, room, sizeof room, &result, &error), 0);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(error, HOST_NOT_FOUND);
    ck_assert_ptr_null(gethostbyaddr(&none, 3, AF_INET));
}
END_TEST

START_TEST(res_query_gives_the_whole_message_and_its_true_length)
{
    dns_begin();
    unsigned char answer[512], little[20];
    int len = res_query("_svc._tcp.test", ns_c_in, ns_t_srv, answer, sizeof answer);
    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(answer[7], 1);
    ck_assert_ptr_nonnull(memmem(answer, (size_t)len, "\0\1\0\2\x1f\x90\3one\4test", 16));
    ck_assert_int_eq(res_query("gone.test", ns_c_in, ns_t_srv, answer, sizeof answer), -1);
    ck_assert_int_eq(h_errno, HOST_NOT_FOUND);
    ck_assert_int_eq(answer[3] & 0xf, ns_r_nxdomain);
    ck_assert_int_eq(res_query("one.test", ns_c_in, ns_t_srv, answer, sizeof answer), -1);
    ck_assert_int_eq(h_errno, NO_DATA);
    _res.options |= RES_IGNTC;      /* no second try by TCP */
    ck_assert_int_ge(res_query("one.test", ns_c_in, ns_t_a, little, sizeof little), (int)sizeof little);
    ck_assert_int_eq(res_query("one.test", ns_c_in, ns_t_a, answer, -1), -1);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    const TTest *const *tests =
        TESTS(getaddrinfo_gives_all_addresses_the_port_and_the_canonical_name, getaddrinfo_refuses_what_it_always_refuses,
              getnameinfo_gives_host_and_service_or_says_why_not, gethostbyname_gives_names_aliases_and_addresses,
              gethostbyname_takes_an_address_and_finds_room_for_many,
              gethostbyname_that_fails_sets_h_errno,
              what_gethostbyname_gave_outlives_gethostbyaddr_and_the_other_way_round,
              gethostbyname_r_answers_within_the_callers_buffer_however_that_is_aligned,
              a_buffer_that_is_too_small_fails_it_with_erange, gethostbyname_r_and_gethostbyaddr_r_say_who_was_not_found,
              res_query_gives_the_whole_message_and_its_true_length);
    const struct suite suites[] = {
        {"answers within a limit", SETTINGS("TIMEOUTSOCK_DEFAULT=20s"), tests, NULL},
        {"answers without a limit", SETTINGS("TIMEOUTSOCK_DEFAULT=none"), tests, NULL},
        {0}};
    return run_suites(argv, suites);
}
