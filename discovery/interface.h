/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Interfaces of this host (of this network namespace): a list of them, and a descriptor that tells
 * when the list changed. What is done with an interface is up to multicast.h.
 */
#include "base/endpoint.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERFACE_LIST_MAX 64 /* the rest is not looked at */

enum interface_news {
        INTERFACE_NO_NEWS = 0,
        INTERFACE_CHANGED,
        INTERFACE_DELETED, /* one at least, or the kernel had more news than it could keep */
};

struct interface {
        char name[IF_NAMESIZE];
        uint32_t ifindex;
        bool is_up;
        bool is_loopback;
        struct cmi_endpoint v4; /* its first address with port 0; family 0: it has none */
        struct cmi_endpoint v6; /* the same; a global address is preferred to a link-local one */
};

struct interface_list {
        size_t n;
        struct interface items[INTERFACE_LIST_MAX];
};

/**
 * interface_list_read() - ask the kernel
 * @ret_list: filled; with at most INTERFACE_LIST_MAX
 *
 * Return: 0, or -ENOMEM and the like, in which case nothing is stored.
 */
int interface_list_read(struct interface_list *ret_list);

/**
 * interface_list_find() - one interface by its name
 * @list: to look in
 * @name: NUL-terminated
 *
 * Return: borrowed from the list, or NULL.
 */
const struct interface *interface_list_find(const struct interface_list *list, const char *name);

/**
 * interface_watch_open() - a descriptor that becomes readable when interfaces or
 * their addresses change
 * @ret_fd: netlink, non-blocking, close-on-exec; the caller closes it
 *
 * Return: 0 or a negative errno: where a sandbox forbids netlink, look at the list now and then.
 */
int interface_watch_open(int *ret_fd);

/**
 * interface_watch_drain() - take all news from the descriptor
 * @fd: from interface_watch_open()
 *
 * Return: an enum interface_news.
 */
int interface_watch_drain(int fd);
