/* A name server of the test's own, on loopback.  It knows
 *
 *     one.test          A 192.0.2.1, AAAA 2001:db8::1, and both the other way round
 *     alias.test        CNAME one.test
 *     many.test         20 times A
 *     _svc._tcp.test    SRV one.test, port 8080
 *
 * and no other, and keeps silent about each that begins with "silent" and each IPv4 address
 * that begins with 198. */
#ifndef DNS_H
#define DNS_H

#include <netinet/in.h>
#include <resolv.h>

#include "harness.h"

/* Starts it, and makes this thread, and whatever look-ups of hosts there are, ask it only:
 * once, and for 2 s. */
void dns_begin(void);

/* Makes a resolver state ask one. */
struct dns;
void dns_use(res_state state, const struct dns *dns);

/* One more, which counts for itself; it sleeps already, and a fork() finds no lock that its thread
 * holds while it begins.  False: the address cannot be had. */
struct dns {
    int fd;
    struct sockaddr_storage name;
    _Atomic int asked;      /* how many questions have come */
    _Atomic pid_t server;   /* its thread */
};
bool dns_start(struct dns *dns, const char *address, unsigned short port);

/* That of dns_begin. */
extern struct dns dns;

#endif
