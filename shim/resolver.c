#include "resolver.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

/* Where server n has an IPv6 address, the place of its IPv4 one says so by family 0. */
static bool is_ipv6(const struct __res_state *state, int n)
{
    return !state->nsaddr_list[n].sin_family && state->_u._ext.nsaddrs[n];
}

/* A look-up first reads /etc/resolv.conf if it has changed and the program has not changed
 * _res itself; building a query is the part of it that asks nobody. */
static void refresh(void)
{
    unsigned char query[NS_PACKETSZ];
    res_mkquery(QUERY, ".", C_IN, T_NS, NULL, 0, NULL, query, sizeof query);
}

/* The domains lie in the state's own defdname, or wherever the program has put them. */
static void copy_domains(res_state to, const struct __res_state *from)
{
    memcpy(to->defdname, from->defdname, sizeof to->defdname);
    for (int n = 0; n <= MAXDNSRCH; n++) {
        char *domain = from->dnsrch[n];
        bool inside = domain >= from->defdname && domain < from->defdname + sizeof from->defdname;
        to->dnsrch[n] = inside ? to->defdname + (domain - from->defdname) : domain;
    }
}

void resolver_keep(struct resolver *copy, res_state state)
{
    if (state == &_res)
        refresh();
    copy->state = *state;
    copy_domains(&copy->state, state);
    for (int n = 0; n < MAXNS; n++)
        if (is_ipv6(state, n))
            copy->ipv6[n] = *state->_u._ext.nsaddrs[n];
}

/* What nsaddrs point to is the state's own memory: res_nclose(3) and the end of the thread
 * free as many as there are servers. */
static void set_ipv6(res_state state, int n, const struct sockaddr_in6 *address)
{
    struct sockaddr_in6 **place = &state->_u._ext.nsaddrs[n];
    if (!address) {
        free(*place);
        *place = NULL;
    } else if (*place || (*place = malloc(sizeof **place))) {
        **place = *address;
    }
}

static void copy_servers(res_state to, const struct resolver *from)
{
    to->nscount = from->state.nscount;
    for (int n = 0; n < MAXNS; n++) {
        to->nsaddr_list[n] = from->state.nsaddr_list[n];
        set_ipv6(to, n, is_ipv6(&from->state, n) ? &from->ipv6[n] : NULL);
    }
}

void resolver_adopt(const struct resolver *copy)
{
    const struct __res_state *from = &copy->state;
    res_state to = &_res;
    if (!(from->options & RES_INIT) || res_init())
        return;
    to->retrans = from->retrans;
    to->retry = from->retry;
    to->options = from->options;
    to->ndots = from->ndots;
    to->nsort = from->nsort;
    memcpy(to->sort_list, from->sort_list, sizeof to->sort_list);
    copy_servers(to, copy);
    copy_domains(to, from);
}
