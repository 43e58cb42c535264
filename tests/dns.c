#include "dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <nss.h>
#include <pthread.h>
#include <sys/syscall.h>

struct dns dns;

#define ONE "\3one\4test"

/* Their data as it is sent. */
static const struct record {
    const char *name;
    int type;
    size_t len;
    const char *data;
} records[] = {
    {"one.test", ns_t_a, 4, "\xc0\x00\x02\x01"},
    {"one.test", ns_t_aaaa, 16, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"},
    {"1.2.0.192.in-addr.arpa", ns_t_ptr, sizeof ONE, ONE},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", ns_t_ptr, sizeof ONE, ONE},
    {"alias.test", ns_t_cname, sizeof ONE, ONE},
    {"_svc._tcp.test", ns_t_srv, 6 + sizeof ONE, "\0\1\0\2\x1f\x90" ONE},
};

struct reply {
    unsigned char bytes[1500], *end;
    int count;
    bool knows_name;
};

static void put16(struct reply *r, unsigned value)
{
    *r->end++ = (unsigned char)(value >> 8);
    *r->end++ = (unsigned char)value;
}

/* A record's name is a pointer (0xc000) into the message. */
static void put_record(struct reply *r, unsigned name_at, int type, const char *data, size_t len)
{
    put16(r, 0xc000 | name_at);
    put16(r, (unsigned)type);
    put16(r, ns_c_in);
    put16(r, 0);
    put16(r, 60);       /* its time to live */
    put16(r, (unsigned)len);
    memcpy(r->end, data, len);
    r->end += len;
    r->count++;
}

static void put_many(struct reply *r)
{
    for (char n = 1; n <= 20; n++)
        put_record(r, NS_HFIXEDSZ, ns_t_a, (char[]){(char)192, 0, 2, n}, 4);
}

/* What a canonical name stands for lies where its data begin. */
static void put_matching(struct reply *r, const char *name, int type, unsigned name_at)
{
    for (const struct record *record = records; record < records + sizeof records / sizeof *records; record++) {
        if (strcasecmp(name, record->name))
            continue;
        r->knows_name = true;
        if (type != record->type && record->type != ns_t_cname)
            continue;
        put_record(r, name_at, record->type, record->data, record->len);
        if (record->type == ns_t_cname && type != ns_t_cname)
            put_matching(r, "one.test", type, (unsigned)(r->end - r->bytes - (int)record->len));
    }
}

/* Turns the question into its answer; false: there is none. */
static bool answer(struct reply *r, size_t len)
{
    char name[NS_MAXDNAME];
    int name_len = dn_expand(r->bytes, r->bytes + len, r->bytes + NS_HFIXEDSZ, name, sizeof name);
    if (name_len < 0 || !strncasecmp(name, "silent", 6) || strstr(name, ".198.in-addr"))
        return false;
    const unsigned char *after = r->bytes + NS_HFIXEDSZ + name_len;
    int type = after[0] << 8 | after[1];
    r->end = r->bytes + NS_HFIXEDSZ + name_len + NS_QFIXEDSZ;
    r->count = 0;
    r->knows_name = !strcasecmp(name, "many.test");
    if (r->knows_name && type == ns_t_a)
        put_many(r);
    put_matching(r, name, type, NS_HFIXEDSZ);
    r->bytes[2] = 0x85;                                         /* an answer, by whom it may concern */
    r->bytes[3] = (unsigned char)(0x80 | (r->knows_name ? ns_r_noerror : ns_r_nxdomain));
    r->bytes[7] = (unsigned char)r->count;
    r->bytes[11] = 0;                                           /* no additional record */
    return true;
}

/* By system calls: the library is no concern of a name server. */
static void *serve(void *argument)
{
    struct dns *d = argument;
    d->server = gettid();
    for (;;) {
        struct reply r;
        struct sockaddr_storage from;
        socklen_t from_len = sizeof from;
        long len = syscall(SYS_recvfrom, d->fd, r.bytes, sizeof r.bytes, 0, &from, &from_len);
        if (len < NS_HFIXEDSZ)
            continue;
        d->asked++;
        if (answer(&r, (size_t)len))
            syscall(SYS_sendto, d->fd, r.bytes, r.end - r.bytes, 0, &from, from_len);
    }
    return NULL;
}

static socklen_t loopback(struct sockaddr_storage *name, const char *address, unsigned short port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)name;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;
    memset(name, 0, sizeof *name);
    v4->sin_family = strchr(address, ':') ? AF_INET6 : AF_INET;
    v4->sin_port = htons(port);
    inet_pton(v4->sin_family, address, v4->sin_family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr);
    return v4->sin_family == AF_INET ? sizeof *v4 : sizeof *v6;
}

bool dns_start(struct dns *d, const char *address, unsigned short port)
{
    socklen_t len = loopback(&d->name, address, port);
    d->fd = socket(d->name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (d->fd < 0 || bind(d->fd, (struct sockaddr *)&d->name, len))
        return false;
    d->name = name_of(d->fd, &len);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, d), 0);
    pthread_detach(thread);
    while (!d->server)
        plain_sleep_ms(1);
    await_sleep(d->server);
    return true;
}

void dns_use(res_state state, const struct dns *d)
{
    state->nscount = 1;
    memcpy(&state->nsaddr_list[0], &d->name, sizeof state->nsaddr_list[0]);
    state->retrans = 2;
    state->retry = 1;
    state->defdname[0] = '\0';
    state->dnsrch[0] = NULL;
}

void dns_begin(void)
{
    ck_assert_int_eq(__nss_configure_lookup("hosts", "dns"), 0);
    ck_assert_int_eq(res_init(), 0);
    ck_assert(dns_start(&dns, "127.0.0.1", 0));
    dns_use(&_res, &dns);
}
