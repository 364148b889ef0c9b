/* SPDX-License-Identifier: MIT */
/*
 * Advice: what a person can do about a multicast link that does not work. Apart from the link
 * itself, since it is about words only.
 */
#include "discovery/multicast.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Datagrams that were sent come back to the sender; that many without one mean that
 * something swallows them. */
#define SILENT_AFTER 3

static void advise_route(const struct multicast_link *link, char *ret, size_t size)
{
        const char *name = link->interface;

        if (link->family == 4) {
                snprintf(ret, size, "no way out over %s: ip route add 224.0.0.0/4 dev %s", name,
                                name);
        } else if (strcmp(name, "lo") == 0) {
                snprintf(ret, size,
                                "IPv6 multicast does not work on lo: "
                                "ip -6 route add local ff00::/8 dev lo table local");
        } else {
                snprintf(ret, size,
                                "no way out over %s: "
                                "ip -6 route add multicast ff00::/8 dev %s table local",
                                name, name);
        }
}

static void advise_missing(const struct multicast_link *link, char *ret, size_t size)
{
        const char *name = link->interface;

        switch (link->error) {
        case ENODEV:
                snprintf(ret, size, "there is no interface %s: create it, or name another", name);
                break;
        case ENETDOWN:
                snprintf(ret, size, "interface %s is down: ip link set %s up", name, name);
                break;
        case EADDRNOTAVAIL:
                snprintf(ret, size,
                                "interface %s has no IPv%d address (yet): "
                                "ip address add ADDRESS/LENGTH dev %s",
                                name, link->family, name);
                break;
        default:
                snprintf(ret, size, "interface %s: %s", name, strerror(link->error));
                break;
        }
}

static bool lacks_route(const struct multicast_link *link, bool is_silent)
{
        if (link->error == 0) {
                return is_silent && link->family == 6 && strcmp(link->interface, "lo") == 0;
        }
        return link->error == ENETUNREACH || link->error == EHOSTUNREACH;
}

void multicast_advise(const struct multicast_link *link, char ret_advice[MULTICAST_ADVICE_SIZE])
{
        bool is_silent = link->is_joined && link->n_sent >= SILENT_AFTER && link->n_received == 0;
        size_t size = MULTICAST_ADVICE_SIZE;

        ret_advice[0] = '\0';
        if (lacks_route(link, is_silent)) {
                advise_route(link, ret_advice, size);
        } else if (link->error == ENOBUFS && !link->is_joined) {
                snprintf(ret_advice, size,
                                "too many groups: raise sysctl net.ipv4.igmp_max_memberships, "
                                "or name fewer interfaces");
        } else if (link->error == EPERM || link->error == EACCES) {
                snprintf(ret_advice, size,
                                "a packet filter refuses multicast on %s: allow UDP and IGMP",
                                link->interface);
        } else if (link->error != 0) {
                advise_missing(link, ret_advice, size);
        } else if (is_silent) {
                snprintf(ret_advice, size,
                                "not even the own beacons come back over %s: "
                                "a packet filter may drop what comes in",
                                link->interface);
        }
}
