/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Group socket: one UDP socket of one family that sends to and hears from one multicast group.
 * Which interfaces take part is multicast.h's part, which is its only user.
 */
#include "base/endpoint.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct group_socket {
        int fd;         /* -1: none */
        uint8_t family; /* 4 or 6 */
        uint16_t port;
        struct in_addr group4;
        struct in6_addr group6;
        uint32_t n_dropped; /* by the kernel, since nobody read them in time; it wraps */
};

/* Where a datagram came from, where it came in, and how long it is. */
struct group_arrival {
        struct cmi_endpoint source;
        uint32_t ifindex;
        bool is_to_group;
        size_t size; /* its true size */
};

/**
 * group_socket_open() - open, bind, prepare; join nothing yet
 * @group:      numeric address of a multicast group; its form says the family
 * @family:     4 or 6
 * @port:       shared with other processes that ask for that too (SO_REUSEADDR)
 * @ttl:        hops
 * @ret_socket: set on success; to be closed with group_socket_close()
 *
 * Return: 0; -EINVAL if @group is no multicast address of @family; another negative errno of
 *         socket(), bind() and so on: -EAFNOSUPPORT without IPv6, -EADDRINUSE if another program
 *         holds the port for itself.
 */
int group_socket_open(const char *group, uint8_t family, uint16_t port, int ttl,
                struct group_socket *ret_socket);

void group_socket_close(struct group_socket *socket);

/**
 * group_socket_join() - become a member on one interface
 * @socket:  open
 * @ifindex: of the interface; so no route is looked up
 *
 * Return: 0, also if it is a member already; a negative errno.
 */
int group_socket_join(const struct group_socket *socket, uint32_t ifindex);

/* Ends a membership, also that of an interface that is gone: the kernel allows
 * only so many of them. */
void group_socket_leave(const struct group_socket *socket, uint32_t ifindex);

/**
 * group_socket_send() - one datagram to the group over one interface
 * @socket:  open
 * @ifindex: of the interface
 * @source:  own IPv4 address on it (else the kernel may borrow that of another one);
 *           IPv6 chooses by itself
 * @bytes:   to send
 * @size:    of them
 *
 * Return: 0, or a negative errno; -EAGAIN if it would block.
 */
int group_socket_send(const struct group_socket *socket, uint32_t ifindex,
                const struct cmi_endpoint *source, const void *bytes, size_t size);

/**
 * group_socket_receive() - one datagram
 * @socket:      open
 * @ret_bytes:   room
 * @room:        size of it; what is beyond is lost, but counted in the arrival's size
 * @ret_arrival: filled on success
 *
 * Return: 1 for a datagram, 0 for none, or -EBADMSG for one without a usable source.
 */
int group_socket_receive(struct group_socket *socket, void *ret_bytes, size_t room,
                struct group_arrival *ret_arrival);
