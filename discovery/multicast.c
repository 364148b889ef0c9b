/* SPDX-License-Identifier: MIT */
#include "discovery/multicast.h"

#include "base/cleanup.h"
#include "discovery/group_socket.h"
#include "discovery/interface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRAY_MAX 64 /* passed over in one call, so that a flood cannot hold the loop */
#define TTL_MAX 32

struct multicast {
        struct group_socket sockets[2]; /* IPv4, IPv6 */
        int errors[2];                  /* positive errno why there is none */
        int watch_fd;                   /* -1: none */
        bool is_stale; /* an interface was deleted: a membership that is listed may be gone */
        bool is_v6_next;
        size_t n_names; /* 0: every interface that is up */
        char names[MULTICAST_INTERFACES_MAX][IF_NAMESIZE];
        uint64_t n_astray;
        size_t n_links;
        struct multicast_link links[MULTICAST_LINKS_MAX];
};

struct multicast *multicast_free(struct multicast *multicast)
{
        if (multicast) {
                group_socket_close(&multicast->sockets[0]);
                group_socket_close(&multicast->sockets[1]);
                cmi_close_p(&multicast->watch_fd);
                free(multicast);
        }
        return NULL;
}

static struct group_socket *get_socket(struct multicast *multicast, uint8_t family)
{
        return &multicast->sockets[family == 6];
}

static bool has_socket(const struct multicast *multicast, uint8_t family)
{
        return multicast->sockets[family == 6].fd >= 0;
}

static int take_names(struct multicast *multicast, const struct multicast_options *options)
{
        if (options->is_loopback_only) {
                multicast->n_names = 1;
                strcpy(multicast->names[0], "lo");
                return 0;
        }
        if (options->n_interfaces > MULTICAST_INTERFACES_MAX) {
                return -E2BIG;
        }
        for (size_t i = 0; i < options->n_interfaces; i++) {
                size_t n = strlen(options->interfaces[i]);

                if (n == 0 || n >= IF_NAMESIZE) {
                        return -EINVAL;
                }
                memcpy(multicast->names[multicast->n_names++], options->interfaces[i], n + 1);
        }
        return 0;
}

/* One family; that it does not work is an error only if none does. A group that is none is a
 * mistake to be told. */
static int open_family(struct multicast *multicast, const struct multicast_options *options,
                uint8_t family, const char *group)
{
        uint16_t port = options->port ? options->port : MULTICAST_PORT;
        int ttl = options->ttl ? options->ttl : 1;
        int r = -EAFNOSUPPORT;

        if (group[0] != '\0') {
                r = group_socket_open(group, family, port, ttl, get_socket(multicast, family));
        }
        multicast->errors[family == 6] = -r;
        return r == -EINVAL ? r : 0;
}

static int open_sockets(struct multicast *multicast, const struct multicast_options *options)
{
        int r;

        r = open_family(multicast, options, 4,
                        options->group4 ? options->group4 : MULTICAST_GROUP4);
        if (r < 0) {
                return r;
        }
        r = open_family(multicast, options, 6,
                        options->group6 ? options->group6 : MULTICAST_GROUP6);
        if (r < 0) {
                return r;
        }
        if (has_socket(multicast, 4) || has_socket(multicast, 6)) {
                return 0;
        }
        /* That a family does not exist, or is not wanted, says less than the other one's error. */
        return multicast->errors[0] == EAFNOSUPPORT ? -multicast->errors[1] : -multicast->errors[0];
}

static int set_up(struct multicast *multicast, const struct multicast_options *options)
{
        int r;

        multicast->sockets[0].fd = multicast->sockets[1].fd = multicast->watch_fd = -1;
        r = take_names(multicast, options);
        if (r < 0) {
                return r;
        }
        r = open_sockets(multicast, options);
        if (r < 0) {
                return r;
        }
        /* Without it the owner's regular refresh has to do. */
        interface_watch_open(&multicast->watch_fd);
        multicast_refresh(multicast);
        return 0;
}

int multicast_open(const struct multicast_options *options, struct multicast **ret_multicast)
{
        struct multicast *multicast;
        int r;

        if (options->ttl > TTL_MAX) {
                return -EINVAL;
        }
        multicast = calloc(1, sizeof(*multicast));
        if (!multicast) {
                return -ENOMEM;
        }
        r = set_up(multicast, options);
        if (r < 0) {
                multicast_free(multicast);
                return r;
        }
        *ret_multicast = multicast;
        return 0;
}

void multicast_get_fds(const struct multicast *multicast, int ret_fds[3])
{
        ret_fds[0] = multicast->sockets[0].fd;
        ret_fds[1] = multicast->sockets[1].fd;
        ret_fds[2] = multicast->watch_fd;
}

int multicast_take_changes(struct multicast *multicast)
{
        int r = multicast->watch_fd < 0 ? INTERFACE_NO_NEWS
                                        : interface_watch_drain(multicast->watch_fd);

        if (r == INTERFACE_DELETED) {
                multicast->is_stale = true;
        }
        return r != INTERFACE_NO_NEWS;
}

static void leave(struct multicast *multicast, struct multicast_link *link)
{
        if (link->is_joined) {
                group_socket_leave(get_socket(multicast, link->family), link->ifindex);
                link->is_joined = false;
        }
}

/* Why a link cannot take part now, as a positive errno. */
static int find_obstacle(const struct multicast_link *link, bool is_up)
{
        if (link->ifindex == 0) {
                return ENODEV;
        }
        if (!is_up) {
                return ENETDOWN;
        }
        return link->address.family == 0 ? EADDRNOTAVAIL : 0;
}

/* Returns whether the link was joined just now. An error of sending stays until one succeeds. */
static bool join(struct multicast *multicast, struct multicast_link *link, bool is_up)
{
        bool was_joined = link->is_joined;
        int error = find_obstacle(link, is_up);

        if (error == 0) {
                error = -group_socket_join(get_socket(multicast, link->family), link->ifindex);
                link->is_joined = error == 0;
        } else {
                leave(multicast, link);
        }
        if (error != 0 || !was_joined) {
                link->error = error;
        }
        return link->is_joined && !was_joined;
}

static struct multicast_link *find_link(
                struct multicast_link *links, size_t n, const char *name, uint8_t family)
{
        for (size_t i = 0; i < n; i++) {
                if (links[i].family == family && strcmp(links[i].interface, name) == 0) {
                        return &links[i];
                }
        }
        return NULL;
}

struct refresh {
        struct multicast_link before[MULTICAST_LINKS_MAX];
        size_t n_before;
        int n_joined;
};

/* One link of the new list, which takes over what the old one of this name had. */
static void add_link(struct multicast *multicast, struct refresh *refresh, const char *name,
                const struct interface *interface, uint8_t family)
{
        struct multicast_link *before = find_link(refresh->before, refresh->n_before, name, family);
        struct multicast_link *link;

        if (multicast->n_links == MULTICAST_LINKS_MAX) {
                return;
        }
        link = &multicast->links[multicast->n_links++];
        *link = (struct multicast_link){.family = family};
        if (before && interface && before->ifindex == interface->ifindex) {
                *link = *before;
                before->is_joined = false;
        }
        strcpy(link->interface, name);
        if (interface) {
                link->ifindex = interface->ifindex;
                link->address = family == 4 ? interface->v4 : interface->v6;
        }
        refresh->n_joined += join(multicast, link, interface && interface->is_up);
}

static void add_links(struct multicast *multicast, struct refresh *refresh, const char *name,
                const struct interface *interface)
{
        bool is_named = multicast->n_names > 0;

        if (has_socket(multicast, 4) && (is_named || interface->v4.family)) {
                add_link(multicast, refresh, name, interface, 4);
        }
        if (has_socket(multicast, 6) && (is_named || interface->v6.family)) {
                add_link(multicast, refresh, name, interface, 6);
        }
}

int multicast_refresh(struct multicast *multicast)
{
        struct interface_list list;
        struct refresh refresh = {0};
        int r;

        r = interface_list_read(&list);
        if (r < 0) {
                return r;
        }
        for (size_t i = 0; multicast->is_stale && i < multicast->n_links; i++) {
                leave(multicast, &multicast->links[i]);
        }
        multicast->is_stale = false;
        refresh.n_before = multicast->n_links;
        memcpy(refresh.before, multicast->links, sizeof(refresh.before));
        multicast->n_links = 0;
        for (size_t i = 0; i < multicast->n_names; i++) {
                const char *name = multicast->names[i];

                add_links(multicast, &refresh, name, interface_list_find(&list, name));
        }
        for (size_t i = 0; multicast->n_names == 0 && i < list.n; i++) {
                if (list.items[i].is_up) {
                        add_links(multicast, &refresh, list.items[i].name, &list.items[i]);
                }
        }
        for (size_t i = 0; i < refresh.n_before; i++) {
                leave(multicast, &refresh.before[i]);
        }
        return refresh.n_joined;
}

int multicast_send(struct multicast *multicast, const void *bytes, size_t size)
{
        int n_sent = 0;

        for (size_t i = 0; i < multicast->n_links; i++) {
                struct multicast_link *link = &multicast->links[i];
                int r;

                if (!link->is_joined) {
                        continue;
                }
                r = group_socket_send(get_socket(multicast, link->family), link->ifindex,
                                &link->address, bytes, size);
                link->error = -r;
                if (r == 0) {
                        link->n_sent++;
                        n_sent++;
                }
        }
        return n_sent;
}

static struct multicast_link *find_arrival(
                struct multicast *multicast, const struct group_arrival *arrival, uint8_t family)
{
        for (size_t i = 0; arrival->is_to_group && i < multicast->n_links; i++) {
                struct multicast_link *link = &multicast->links[i];

                if (link->is_joined && link->family == family &&
                                link->ifindex == arrival->ifindex) {
                        return link;
                }
        }
        return NULL;
}

enum taken { TAKEN_NONE, TAKEN_STRAY, TAKEN_ONE };

static enum taken take_one(
                struct multicast *multicast, uint8_t family, struct multicast_datagram *datagram)
{
        struct group_arrival arrival;
        struct multicast_link *link;
        int r;

        if (!has_socket(multicast, family)) {
                return TAKEN_NONE;
        }
        r = group_socket_receive(get_socket(multicast, family), datagram->bytes,
                        sizeof(datagram->bytes), &arrival);
        if (r == 0) {
                return TAKEN_NONE;
        }
        link = r < 0 ? NULL : find_arrival(multicast, &arrival, family);
        if (!link) {
                multicast->n_astray++;
                return TAKEN_STRAY;
        }
        link->n_received++;
        datagram->size = arrival.size;
        datagram->source = arrival.source;
        datagram->ifindex = arrival.ifindex;
        return TAKEN_ONE;
}

int multicast_receive(struct multicast *multicast, struct multicast_datagram *ret_datagram)
{
        int n_empty = 0;

        for (int i = 0; i < STRAY_MAX && n_empty < 2; i++) {
                /* The families take turns, so that a flood on one leaves the other its share. */
                enum taken taken = take_one(multicast, multicast->is_v6_next ? 6 : 4, ret_datagram);

                multicast->is_v6_next = !multicast->is_v6_next;
                if (taken == TAKEN_ONE) {
                        return 1;
                }
                n_empty = taken == TAKEN_NONE ? n_empty + 1 : 0;
        }
        return 0;
}

void multicast_get_status(const struct multicast *multicast, struct multicast_status *ret_status)
{
        *ret_status = (struct multicast_status){
                        .error4 = multicast->errors[0],
                        .error6 = multicast->errors[1],
                        .n_overflow = (uint64_t)multicast->sockets[0].n_dropped +
                                      multicast->sockets[1].n_dropped,
                        .n_astray = multicast->n_astray,
                        .n_links = multicast->n_links,
                        .links = multicast->links,
        };
}
