#include "lookups.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdio.h>

#include "suites.h"

static const char *name_of_number(int n)
{
    static _Thread_local char name[32];
    const char *kind = n == 1 ? "one" : n < 10 ? "gone" : "silent";
    snprintf(name, sizeof name, n == 1 ? "%s.test" : "%s%d.test", kind, n);
    return name;
}

static struct sockaddr_in address_of_number(int n)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl((n < 10 ? 0xc0000200U : 0xc6336400U) + (unsigned)n);
    return address;
}

static enum outcome outcome_of_addrinfo(int answer)
{
    return answer == 0 ? FOUND : answer == EAI_AGAIN ? AGAIN : answer == EAI_NONAME ? NOT_FOUND : OTHER;
}

static enum outcome outcome_of_host(bool found, int error)
{
    return found ? FOUND : error == TRY_AGAIN ? AGAIN : error == HOST_NOT_FOUND ? NOT_FOUND : OTHER;
}

static enum outcome by_getaddrinfo(int n)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *result;
    int answer = getaddrinfo(name_of_number(n), "80", &hints, &result), error = errno;
    if (!answer)
        freeaddrinfo(result);
    errno = error;
    return outcome_of_addrinfo(answer);
}

static enum outcome by_getnameinfo(int n)
{
    struct sockaddr_in address = address_of_number(n);
    char name[NI_MAXHOST];
    return outcome_of_addrinfo(
        getnameinfo((struct sockaddr *)&address, sizeof address, name, sizeof name, NULL, 0, NI_NAMEREQD));
}

static enum outcome by_gethostbyname(int n)
{
    struct hostent *host = gethostbyname(name_of_number(n));
    return outcome_of_host(host, h_errno);
}

static enum outcome by_gethostbyname2(int n)
{
    struct hostent *host = gethostbyname2(name_of_number(n), AF_INET6);
    return outcome_of_host(host, h_errno);
}

static enum outcome by_gethostbyaddr(int n)
{
    struct sockaddr_in address = address_of_number(n);
    struct hostent *host = gethostbyaddr(&address.sin_addr, sizeof address.sin_addr, AF_INET);
    return outcome_of_host(host, h_errno);
}

#define BY_R(by, call)                                 \
    static enum outcome by(int n)                      \
    {                                                  \
        struct hostent host, *result = &host;          \
        struct sockaddr_in address = address_of_number(n); \
        char buf[1024];                                \
        int error = 0, answer = call;                  \
        (void)address;                                 \
        return outcome_of_host(!answer && result, error); \
    }
BY_R(by_gethostbyname_r, gethostbyname_r(name_of_number(n), &host, buf, sizeof buf, &result, &error))
BY_R(by_gethostbyname2_r, gethostbyname2_r(name_of_number(n), AF_INET, &host, buf, sizeof buf, &result, &error))
BY_R(by_gethostbyaddr_r, gethostbyaddr_r(&address.sin_addr, 4, AF_INET, &host, buf, sizeof buf, &result, &error))

static enum outcome by_res_query(int n)
{
    unsigned char answer[512];
    int len = res_query(name_of_number(n), ns_c_in, ns_t_a, answer, sizeof answer);
    return outcome_of_host(len > 0, h_errno);
}

static enum outcome by_res_search(int n)
{
    unsigned char answer[512];
    int len = res_search(name_of_number(n), ns_c_in, ns_t_a, answer, sizeof answer);
    return outcome_of_host(len > 0, h_errno);
}

/* What refuses is an answer too; and h_errno is left alone. */
static enum outcome outcome_of_message(const unsigned char *answer, int len)
{
    if (h_errno != 4711)
        return OTHER;
    bool refused = len > NS_HFIXEDSZ && (answer[3] & 0xf) == ns_r_nxdomain;
    return len < 0 ? (errno == ETIMEDOUT ? AGAIN : OTHER) : refused ? NOT_FOUND : FOUND;
}

static enum outcome by_res_send(int n)
{
    unsigned char message[512], answer[512];
    int len = res_mkquery(QUERY, name_of_number(n), ns_c_in, ns_t_a, NULL, 0, NULL, message, sizeof message);
    h_errno = 4711;
    len = res_send(message, len, answer, sizeof answer);
    return outcome_of_message(answer, len);
}

/* A state of the program's own. */
static res_state own_state(void)
{
    static _Thread_local struct __res_state state;
    if (!(state.options & RES_INIT)) {
        ck_assert_int_eq(res_ninit(&state), 0);
        dns_use(&state, &dns);
    }
    return &state;
}

static enum outcome by_res_nquery(int n)
{
    unsigned char answer[512];
    int len = res_nquery(own_state(), name_of_number(n), ns_c_in, ns_t_a, answer, sizeof answer);
    return outcome_of_host(len > 0, own_state()->res_h_errno);
}

static enum outcome by_res_nsearch(int n)
{
    unsigned char answer[512];
    int len = res_nsearch(own_state(), name_of_number(n), ns_c_in, ns_t_a, answer, sizeof answer);
    return outcome_of_host(len > 0, own_state()->res_h_errno);
}

static enum outcome by_res_nsend(int n)
{
    unsigned char message[512], answer[512];
    int len = res_nmkquery(own_state(), QUERY, name_of_number(n), ns_c_in, ns_t_a, NULL, 0, NULL, message, sizeof message);
    h_errno = 4711;
    len = res_nsend(own_state(), message, len, answer, sizeof answer);
    return outcome_of_message(answer, len);
}

const struct lookup lookups[] = {
    {"getaddrinfo", by_getaddrinfo},
    {"getnameinfo", by_getnameinfo},
    {"gethostbyname", by_gethostbyname},
    {"gethostbyname2", by_gethostbyname2},
    {"gethostbyaddr", by_gethostbyaddr},
    {"gethostbyname_r", by_gethostbyname_r},
    {"gethostbyname2_r", by_gethostbyname2_r},
    {"gethostbyaddr_r", by_gethostbyaddr_r},
    {"res_query", by_res_query},
    {"res_search", by_res_search},
    {"res_send", by_res_send},
    {"res_nquery", by_res_nquery},
    {"res_nsearch", by_res_nsearch},
    {"res_nsend", by_res_nsend},
};
const size_t lookup_count = sizeof lookups / sizeof *lookups;

enum outcome look_up(int n)
{
    return VARIANT_IN(lookups)->ask(n);
}

const char *const *lookup_names(void)
{
    return NAMES_IN(lookups);
}
