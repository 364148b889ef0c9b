/* SPDX-License-Identifier: MIT */
#include "discovery/interface.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const struct interface *interface_list_find(const struct interface_list *list, const char *name)
{
        for (size_t i = 0; i < list->n; i++) {
                if (strcmp(list->items[i].name, name) == 0) {
                        return &list->items[i];
                }
        }
        return NULL;
}

/* The entry of that name, made if it is new; NULL if there is no room or the
 * interface has just gone. */
static struct interface *find_or_add(struct interface_list *list, const struct ifaddrs *found)
{
        struct interface *interface =
                        (struct interface *)interface_list_find(list, found->ifa_name);
        unsigned int ifindex;

        if (interface || list->n == INTERFACE_LIST_MAX || strlen(found->ifa_name) >= IF_NAMESIZE) {
                return interface;
        }
        ifindex = if_nametoindex(found->ifa_name);
        if (ifindex == 0) {
                return NULL;
        }
        interface = &list->items[list->n++];
        *interface = (struct interface){
                        .ifindex = ifindex,
                        .is_up = (found->ifa_flags & IFF_UP) != 0,
                        .is_loopback = (found->ifa_flags & IFF_LOOPBACK) != 0,
        };
        strcpy(interface->name, found->ifa_name);
        return interface;
}

static void take_address(struct interface *interface, const struct sockaddr *address)
{
        struct cmi_endpoint endpoint;

        if (!address || cmi_endpoint_from_sockaddr(address, &endpoint) < 0) {
                return;
        }
        if (endpoint.family == 4 && interface->v4.family == 0) {
                interface->v4 = endpoint;
        } else if (endpoint.family == 6 &&
                        (interface->v6.family == 0 || cmi_endpoint_is_link_local(&interface->v6))) {
                interface->v6 = endpoint;
        }
}

int interface_list_read(struct interface_list *ret_list)
{
        struct ifaddrs *all;

        if (getifaddrs(&all) < 0) {
                return -errno;
        }
        ret_list->n = 0;
        for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
                struct interface *interface = find_or_add(ret_list, one);

                if (interface) {
                        take_address(interface, one->ifa_addr);
                }
        }
        freeifaddrs(all);
        return 0;
}

int interface_watch_open(int *ret_fd)
{
        struct sockaddr_nl address = {
                        .nl_family = AF_NETLINK,
                        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
        };
        int fd, r;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (fd < 0) {
                return -errno;
        }
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        *ret_fd = fd;
        return 0;
}

static bool tells_of_deletion(const char *news, size_t size)
{
        struct nlmsghdr header;
        size_t step;

        for (; size >= sizeof(header); news += step, size -= step) {
                memcpy(&header, news, sizeof(header));
                if (header.nlmsg_type == RTM_DELLINK) {
                        return true;
                }
                step = NLMSG_ALIGN(header.nlmsg_len);
                if (header.nlmsg_len < sizeof(header) || step > size) {
                        return false;
                }
        }
        return false;
}

int interface_watch_drain(int fd)
{
        int result = INTERFACE_NO_NEWS;
        char news[8192];
        ssize_t n;

        for (;;) {
                n = recv(fd, news, sizeof(news), MSG_DONTWAIT);
                if (n < 0 && errno == EINTR) {
                        continue;
                }
                if (n < 0 && errno == ENOBUFS) {
                        result = INTERFACE_DELETED;
                        continue;
                }
                if (n <= 0) {
                        return result;
                }
                if (tells_of_deletion(news, (size_t)n)) {
                        result = INTERFACE_DELETED;
                } else if (result == INTERFACE_NO_NEWS) {
                        result = INTERFACE_CHANGED;
                }
        }
}
