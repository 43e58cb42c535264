/* Name lookup waits inside libc, where no deadline reaches it: a worker makes the call, and
 * past the deadline the caller goes on with the answer of a server that cannot be reached.
 * Addresses need no worker. */
#include "lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "fdtab.h"
#include "real.h"
#include "scope.h"

int64_t lookup_deadline(void)
{
    if (!policy_is_armed() || !fdtab_is_ours())
        return NEVER;
    return earlier(deadline_after(clock_now(), policy_lookup_span()), scope_deadline());
}

bool lookup_is_address(const char *name)
{
    struct in_addr ipv4;
    struct in6_addr ipv6;
    char text[INET6_ADDRSTRLEN] = "";
    size_t len = strcspn(name, "%");        /* fe80::1%eth0 */
    if (len < sizeof text)
        memcpy(text, name, len);
    /* inet_aton(3) ends at white space; getaddrinfo(3) does not. */
    return inet_pton(AF_INET6, text, &ipv6) == 1 || (!strpbrk(name, " \t\n\v\f\r") && inet_aton(name, &ipv4));
}

void *lookup_put(char **end, const void *bytes, size_t len)
{
    void *place = memcpy(*end, bytes, len);
    *end += len;
    return place;
}

#define AT_ONCE SECOND

/* The last name without an answer, and when that was. */
static _Atomic uint64_t unanswered;
static _Atomic int64_t unanswered_at;

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const unsigned char *bytes, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool was_just_unanswered(uint64_t hash)
{
    return atomic_load(&unanswered) == hash && clock_now() - atomic_load(&unanswered_at) < AT_ONCE;
}

bool lookup_run(struct job *job, const void *name, size_t len, int64_t deadline)
{
    uint64_t hash = hash_of(name, len);
    if (was_just_unanswered(hash)) {
        job->discard(job);
        return false;
    }
    if (worker_run(job, deadline))
        return true;
    if (deadline == scope_deadline()) {
        scope_note_expiry();
        return false;
    }
    atomic_store(&unanswered_at, clock_now());
    atomic_store(&unanswered, hash);
    return false;
}

struct addrinfo_job {
    struct job job;
    const char *node, *service;
    struct addrinfo hints, *hinted, *result;
    int answer;
    char strings[];
};

static void run_addrinfo(struct job *job)
{
    struct addrinfo_job *a = (struct addrinfo_job *)job;
    a->answer = REAL(getaddrinfo)(a->node, a->service, a->hinted, &a->result);
}

static void discard_addrinfo(struct job *job)
{
    struct addrinfo_job *a = (struct addrinfo_job *)job;
    if (!a->answer)
        freeaddrinfo(a->result);
    free(a);
}

static struct addrinfo_job *new_addrinfo_job(const char *node, const char *service, const struct addrinfo *hints)
{
    size_t node_len = strlen(node) + 1, service_len = service ? strlen(service) + 1 : 0;
    struct addrinfo_job *a = calloc(1, sizeof *a + node_len + service_len);
    if (!a)
        return NULL;
    char *end = a->strings;
    a->job.run = run_addrinfo;
    a->job.discard = discard_addrinfo;
    a->answer = EAI_AGAIN;
    a->node = lookup_put(&end, node, node_len);
    if (service)
        a->service = lookup_put(&end, service, service_len);
    if (hints) {
        a->hints = *hints;
        a->hinted = &a->hints;
    }
    resolver_keep(&a->job.resolver, &_res);
    return a;
}

static bool asks_nobody(const char *node, const struct addrinfo *hints)
{
    return !node || (hints && hints->ai_flags & AI_NUMERICHOST) || lookup_is_address(node);
}

static int take_addrinfo(struct addrinfo_job *a, struct addrinfo **result, int error)
{
    int answer = a->answer;
    if (!answer)
        *result = a->result;
    errno = answer ? a->job.error : error;
    free(a);
    return answer;
}

INTERPOSE int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int error = errno;
    int64_t deadline = lookup_deadline();
    struct addrinfo_job *a;
    if (deadline == NEVER || asks_nobody(node, hints) || !(a = new_addrinfo_job(node, service, hints))) {
        errno = error;
        return REAL(getaddrinfo)(node, service, hints, result);
    }
    if (lookup_run(&a->job, node, strlen(node), deadline))
        return take_addrinfo(a, result, error);
    errno = ETIMEDOUT;
    return EAI_AGAIN;
}

struct nameinfo_job {
    struct job job;
    const struct sockaddr *addr;
    socklen_t len, host_len, service_len;
    char *host, *service;
    int flags, answer;
    _Alignas(struct sockaddr_storage) char bytes[];
};

static void run_nameinfo(struct job *job)
{
    struct nameinfo_job *n = (struct nameinfo_job *)job;
    n->answer = REAL(getnameinfo)(n->addr, n->len, n->host, n->host_len, n->service, n->service_len, n->flags);
}

static void discard_job(struct job *job)
{
    free(job);
}

static struct nameinfo_job *new_nameinfo_job(const struct sockaddr *addr, socklen_t len, const char *host, socklen_t host_len,
                                             const char *service, socklen_t service_len, int flags)
{
    host_len = host ? host_len : 0;
    service_len = service ? service_len : 0;
    struct nameinfo_job *n = calloc(1, sizeof *n + len + host_len + service_len);
    if (!n)
        return NULL;
    char *end = n->bytes;
    n->job.run = run_nameinfo;
    n->job.discard = discard_job;
    n->addr = lookup_put(&end, addr, len);
    n->len = len;
    n->host = host ? end : NULL;
    n->host_len = host_len;
    n->service = service ? end + host_len : NULL;
    n->service_len = service_len;
    n->flags = flags;
    resolver_keep(&n->job.resolver, &_res);
    return n;
}

static int take_nameinfo(struct nameinfo_job *n, char *host, char *service, int error)
{
    int answer = n->answer;
    if (!answer && n->host_len)
        strcpy(host, n->host);
    if (!answer && n->service_len)
        strcpy(service, n->service);
    errno = answer ? n->job.error : error;
    free(n);
    return answer;
}

INTERPOSE int getnameinfo(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_len, char *service,
                          socklen_t service_len, int flags)
{
    int error = errno;
    int64_t deadline = lookup_deadline();
    struct nameinfo_job *n;
    if (deadline == NEVER || flags & NI_NUMERICHOST || !host || !addr || len > sizeof(struct sockaddr_storage) ||
        !(n = new_nameinfo_job(addr, len, host, host_len, service, service_len, flags))) {
        errno = error;
        return REAL(getnameinfo)(addr, len, host, host_len, service, service_len, flags);
    }
    if (lookup_run(&n->job, addr, len, deadline))
        return take_nameinfo(n, host, service, error);
    errno = ETIMEDOUT;
    return EAI_AGAIN;
}
