/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Multicast: datagrams to and from a group, over IPv4 and IPv6 and several interfaces. It decides
 * which interfaces take part and keeps the memberships alive; it leaves to others what is in a
 * datagram and when one is sent. No datagram is ever answered here.
 *
 * It needs no route: a group is joined by the interface's index, and each datagram names
 * its interface and source. An interface that is missing, down or without an address
 * means "not yet": it is kept in the status with a text that says what to do, and tried
 * again by multicast_refresh(), which the owner calls every MULTICAST_REFRESH_MS and
 * when the watch descriptor says so (an interface that was deleted and made anew has
 * silently lost its membership).
 *
 * Several processes of one host share the port and hear each other, and themselves. One thread.
 */
#include "base/endpoint.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MULTICAST_GROUP4 "239.255.67.80"   /* RFC 2365: local scope */
#define MULTICAST_GROUP6 "ff02::efff:4350" /* link-local scope; its end is the IPv4 group */

enum multicast_number {
        MULTICAST_PORT = 6780,
        MULTICAST_REFRESH_MS = 5000,
        MULTICAST_LINKS_MAX = 40,      /* interfaces times families */
        MULTICAST_INTERFACES_MAX = 16, /* that can be named */
        MULTICAST_DATAGRAM_MAX = 512,  /* of a longer one the size is told, and the beginning */
        MULTICAST_ADVICE_SIZE = 256,
};

struct multicast_options {
        const char *group4; /* NULL: MULTICAST_GROUP4; "": no IPv4 */
        const char *group6; /* NULL: MULTICAST_GROUP6; "": no IPv6 */
        uint16_t port;      /* 0: MULTICAST_PORT */
        uint8_t ttl;        /* 0: 1, which stays on the link; up to 32 */
        bool is_loopback_only;
        const char *const *interfaces; /* names; borrowed during multicast_open() */
        size_t n_interfaces;           /* 0: every interface that is up */
};

/* One interface and one family. */
struct multicast_link {
        char interface[IF_NAMESIZE];
        uint32_t ifindex; /* 0: there is no such interface now */
        uint8_t family;   /* 4 or 6 */
        bool is_joined;
        int error; /* positive errno of the newest join or send, 0: all is well */
        uint64_t n_sent;
        uint64_t n_received;
        /* That datagrams leave from, port 0; family 0: the kernel chooses. */
        struct cmi_endpoint address;
};

struct multicast_status {
        int error4, error6;  /* positive errno why there is no socket; EAFNOSUPPORT: not wanted */
        uint64_t n_overflow; /* datagrams that the kernel dropped: nobody read them in time */
        uint64_t n_astray;   /* to another address, or from an interface that does not take part */
        size_t n_links;
        /* Borrowed until the next multicast_refresh() or free. */
        const struct multicast_link *links;
};

struct multicast_datagram {
        uint8_t bytes[MULTICAST_DATAGRAM_MAX];
        size_t size;                /* its true size, also if more than MULTICAST_DATAGRAM_MAX */
        struct cmi_endpoint source; /* a hint: anybody can forge it */
        uint32_t ifindex;           /* that it came in on */
};

struct multicast;

/**
 * multicast_open() - open sockets and join where possible
 * @options:       borrowed for the call
 * @ret_multicast: to be freed with multicast_free()
 *
 * Succeeds without any usable interface, and with one family only: see multicast_get_status().
 *
 * Return: 0; -EINVAL for a group that is none, a TTL over 32, an interface name that cannot be one;
 *         -E2BIG for too many names; another negative errno if no socket of any family can be
 *         opened, as -EADDRINUSE if some program holds the port for itself.
 */
int multicast_open(const struct multicast_options *options, struct multicast **ret_multicast);

struct multicast *multicast_free(struct multicast *multicast);

/**
 * multicast_get_fds() - descriptors to wait on for reading
 * @multicast: open
 * @ret_fds:   IPv4 socket, IPv6 socket (readable: call multicast_receive()), watch (readable: call
 *             multicast_take_changes() and then multicast_refresh()); -1 for one that does not
 *             exist. They stay the same, and belong to @multicast.
 */
void multicast_get_fds(const struct multicast *multicast, int ret_fds[3]);

/**
 * multicast_take_changes() - drain the watch descriptor
 * @multicast: open
 *
 * Return: 1 if interfaces or addresses changed, so that multicast_refresh() is due; else 0.
 */
int multicast_take_changes(struct multicast *multicast);

/**
 * multicast_refresh() - look at the interfaces anew, join where not joined
 * @multicast: open
 *
 * Return: how many links were joined that had not been: then it is time for some beacons. A
 *         negative errno if the interfaces cannot be listed; the next call may do better.
 */
int multicast_refresh(struct multicast *multicast);

/**
 * multicast_send() - one datagram to each joined link
 * @multicast: open
 * @bytes:     to send
 * @size:      of them
 *
 * Never blocks. An error of one link is in its status, and does not keep the others from sending.
 *
 * Return: how many links took it.
 */
int multicast_send(struct multicast *multicast, const void *bytes, size_t size);

/**
 * multicast_receive() - one datagram
 * @multicast:    open
 * @ret_datagram: filled if there was one
 *
 * The caller decides how many it takes in a turn. Those that are astray are counted and passed
 * over, at most 64 of them in one call.
 *
 * Return: 1 for a datagram; 0 if there is none now, or only stray ones were seen.
 */
int multicast_receive(struct multicast *multicast, struct multicast_datagram *ret_datagram);

/**
 * multicast_get_status() - what works, what does not
 * @multicast:  open
 * @ret_status: filled
 */
void multicast_get_status(const struct multicast *multicast, struct multicast_status *ret_status);

/**
 * multicast_advise() - what to do about a link that does not work
 * @link:       from a status
 * @ret_advice: one line without a full stop; empty if all is well
 */
void multicast_advise(const struct multicast_link *link, char ret_advice[MULTICAST_ADVICE_SIZE]);
