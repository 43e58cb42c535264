/* gethostbyname(3) and its kin (lookup.c). */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "deadline.h"
#include "lookup.h"
#include "real.h"

enum how { BY_NAME, BY_NAME2, BY_ADDRESS, HOW_COUNT };

struct question {
    enum how how;
    const void *key;        /* a name, or an address */
    socklen_t len;
    int family;
};

/* What a _r function gets from its caller besides. */
struct place {
    struct hostent *host;
    char *buf;
    size_t room;
    struct hostent **result;
    int *error;
};

static int ask(const struct question *q, const struct place *p)
{
    switch (q->how) {
    case BY_NAME: return REAL(gethostbyname_r)(q->key, p->host, p->buf, p->room, p->result, p->error);
    case BY_NAME2: return REAL(gethostbyname2_r)(q->key, q->family, p->host, p->buf, p->room, p->result, p->error);
    default: return REAL(gethostbyaddr_r)(q->key, q->len, q->family, p->host, p->buf, p->room, p->result, p->error);
    }
}

static struct hostent *ask_plainly(const struct question *q)
{
    switch (q->how) {
    case BY_NAME: return REAL(gethostbyname)(q->key);
    case BY_NAME2: return REAL(gethostbyname2)(q->key, q->family);
    default: return REAL(gethostbyaddr)(q->key, q->len, q->family);
    }
}

struct host_job {
    struct job job;
    struct question question;
    struct hostent host, *result;
    int error, answer;
    size_t room, shift;
    char *memory;           /* from its byte `shift` on, the buffer */
    char key[];
};

static void run_host(struct job *job)
{
    struct host_job *h = (struct host_job *)job;
    struct place place = {&h->host, h->memory + h->shift, h->room, &h->result, &h->error};
    h->answer = ask(&h->question, &place);
}

/* The functions without a buffer find room for every answer. */
static void run_static(struct job *job)
{
    struct host_job *h = (struct host_job *)job;
    run_host(job);
    while (h->answer == ERANGE && h->error == NETDB_INTERNAL) {
        char *more = realloc(h->memory, h->room *= 2);
        if (!more)
            return;
        h->memory = more;
        run_host(job);
    }
}

static void discard_host(struct job *job)
{
    struct host_job *h = (struct host_job *)job;
    free(h->memory);
    free(h);
}

static size_t key_size(const struct question *q)
{
    return q->how == BY_ADDRESS ? q->len : strlen(q->key);
}

/* The buffer is aligned as the caller's is, because libc puts pointers into it. */
static struct host_job *new_host_job(const struct question *q, void (*run)(struct job *), const char *like, size_t room)
{
    size_t key_len = key_size(q) + 1;
    size_t shift = (uintptr_t)like % _Alignof(max_align_t);
    struct host_job *h = calloc(1, sizeof *h + key_len);
    char *memory = malloc(shift + room);
    if (!h || !memory) {
        free(h);
        free(memory);
        return NULL;
    }
    h->job.run = run;
    h->job.discard = discard_host;
    h->question = *q;
    h->question.key = memcpy(h->key, q->key, key_len - 1);
    h->room = room;
    h->shift = shift;
    h->memory = memory;
    resolver_keep(&h->job.resolver, &_res);
    return h;
}

/* A worker's job for the question, or NULL: it is to be asked plainly. */
static struct host_job *job_for(const struct question *q, void (*run)(struct job *), const char *like, size_t room,
                                int64_t *deadline)
{
    int error = errno;
    struct host_job *h = NULL;
    *deadline = lookup_deadline();
    if (*deadline != NEVER && (q->how == BY_ADDRESS ? q->len <= sizeof(struct in6_addr) : !lookup_is_address(q->key)))
        h = new_host_job(q, run, like, room);
    errno = error;
    return h;
}

/* From the job's buffer to the caller's. */
static char *moved(const struct host_job *h, const struct place *p, char *pointer)
{
    char *start = h->memory + h->shift;
    return pointer >= start && pointer < start + h->room ? p->buf + (pointer - start) : pointer;
}

static char **moved_list(const struct host_job *h, const struct place *p, char **list)
{
    char **there = (char **)(void *)moved(h, p, (char *)list);
    for (char **entry = there; entry && *entry; entry++)
        *entry = moved(h, p, *entry);
    return there;
}

static void give_host(const struct host_job *h, const struct place *p)
{
    memcpy(p->buf, h->memory + h->shift, h->room);
    *p->host = h->host;
    p->host->h_name = moved(h, p, h->host.h_name);
    p->host->h_aliases = moved_list(h, p, h->host.h_aliases);
    p->host->h_addr_list = moved_list(h, p, h->host.h_addr_list);
    *p->result = p->host;
    *p->error = h->error;
}

static int give_none(const struct place *p, int answer, int error, int host_error)
{
    *p->result = NULL;
    *p->error = host_error;
    errno = error;
    return answer;
}

static int take_host(struct host_job *h, const struct place *p)
{
    int answer = h->answer;
    if (h->result)
        give_host(h, p);
    else
        give_none(p, answer, h->job.error, h->error);
    discard_host(&h->job);
    return answer;
}

static int look_up(const struct question *q, const struct place *p)
{
    int64_t deadline;
    struct host_job *h = job_for(q, run_host, p->buf, p->room, &deadline);
    if (!h)
        return ask(q, p);
    int error = errno;
    bool done = lookup_run(&h->job, q->key, key_size(q), deadline);
    errno = error;
    return done ? take_host(h, p) : give_none(p, EAGAIN, ETIMEDOUT, TRY_AGAIN);
}

/* libc gives out the same memory for every answer, and a program whose threads share that
 * has always got away with it: each answer outlives some later ones. */
static struct hostent *keep_host(struct host_job *h, enum how how)
{
    enum { KEPT = 8 };
    static struct host_job *_Atomic kept[HOW_COUNT][KEPT];
    static atomic_uint count;
    struct host_job *oldest = atomic_exchange(&kept[how][atomic_fetch_add(&count, 1) % KEPT], h);
    if (oldest)
        discard_host(&oldest->job);
    return h->result;
}

static struct hostent *fail(int error, int host_error)
{
    errno = error;
    h_errno = host_error;
    return NULL;
}

static struct hostent *look_up_static(const struct question *q)
{
    int64_t deadline;
    struct host_job *h = job_for(q, run_static, NULL, 1024, &deadline);
    if (!h)
        return ask_plainly(q);
    int error = errno;
    if (!lookup_run(&h->job, q->key, key_size(q), deadline))
        return fail(ETIMEDOUT, TRY_AGAIN);
    if (!h->result)
        fail(h->job.error, h->error);
    else
        errno = error;
    return keep_host(h, q->how);
}

INTERPOSE struct hostent *gethostbyname(const char *name)
{
    struct question q = {BY_NAME, name, 0, AF_INET};
    return look_up_static(&q);
}

INTERPOSE struct hostent *gethostbyname2(const char *name, int family)
{
    struct question q = {BY_NAME2, name, 0, family};
    return look_up_static(&q);
}

INTERPOSE struct hostent *gethostbyaddr(const void *addr, socklen_t len, int family)
{
    struct question q = {BY_ADDRESS, addr, len, family};
    return look_up_static(&q);
}

INTERPOSE int gethostbyname_r(const char *name, struct hostent *host, char *buf, size_t room, struct hostent **result, int *error)
{
    struct question q = {BY_NAME, name, 0, AF_INET};
    struct place p = {host, buf, room, result, error};
    return look_up(&q, &p);
}

INTERPOSE int gethostbyname2_r(const char *name, int family, struct hostent *host, char *buf, size_t room,
                               struct hostent **result, int *error)
{
    struct question q = {BY_NAME2, name, 0, family};
    struct place p = {host, buf, room, result, error};
    return look_up(&q, &p);
}

INTERPOSE int gethostbyaddr_r(const void *addr, socklen_t len, int family, struct hostent *host, char *buf, size_t room,
                              struct hostent **result, int *error)
{
    struct question q = {BY_ADDRESS, addr, len, family};
    struct place p = {host, buf, room, result, error};
    return look_up(&q, &p);
}
