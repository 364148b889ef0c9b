/* SPDX-License-Identifier: MIT */
#include "discovery/group_socket.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29 /* Linux 4.20; glibc 2.36 does not name it */
#endif

/* The usual one holds 256 beacons: less than a large mesh sends in a second. */
#define RECEIVE_BUFFER (1 << 20)

static int set_number(int fd, int level, int option, int value)
{
        return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* What both families need. The larger buffer is a wish: without a privilege the kernel gives
 * what its limit allows. */
static int prepare(int fd)
{
        if (set_number(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) < 0) {
                set_number(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
        }
        set_number(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
        return set_number(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/*
 * Bound to the group, not to all addresses: no unicast and no other group gets in. IP_MULTICAST_ALL
 * 0: nothing from an interface that only somebody else joined.
 */
static int set_up_v4(const struct group_socket *socket, int ttl)
{
        struct sockaddr_in address = {
                        .sin_family = AF_INET,
                        .sin_port = htons(socket->port),
                        .sin_addr = socket->group4,
        };
        int fd = socket->fd;
        int r = prepare(fd);

        r = r < 0 ? r : set_number(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
        r = r < 0 ? r : set_number(fd, IPPROTO_IP, IP_PKTINFO, 1);
        r = r < 0 ? r : set_number(fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
        r = r < 0 ? r : set_number(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
        r = r < 0 ? r : set_number(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
        if (r < 0) {
                return r;
        }
        return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* A link-local group can be bound for one interface only, so this one is bound to all;
 * is_to_group sorts them. */
static int set_up_v6(const struct group_socket *socket, int ttl)
{
        struct sockaddr_in6 address = {
                        .sin6_family = AF_INET6,
                        .sin6_port = htons(socket->port),
                        .sin6_addr = in6addr_any,
        };
        int fd = socket->fd;
        int r = prepare(fd);

        r = r < 0 ? r : set_number(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        r = r < 0 ? r : set_number(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        r = r < 0 ? r : set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl);
        r = r < 0 ? r : set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
        if (r < 0) {
                return r;
        }
        set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
        return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static bool take_group(struct group_socket *socket, const char *group)
{
        if (socket->family == 4) {
                return inet_pton(AF_INET, group, &socket->group4) == 1 &&
                       IN_MULTICAST(ntohl(socket->group4.s_addr));
        }
        return inet_pton(AF_INET6, group, &socket->group6) == 1 &&
               IN6_IS_ADDR_MULTICAST(&socket->group6);
}

int group_socket_open(const char *group, uint8_t family, uint16_t port, int ttl,
                struct group_socket *ret_socket)
{
        struct group_socket made = {.family = family, .port = port};
        int r;

        if (!take_group(&made, group)) {
                return -EINVAL;
        }
        made.fd = socket(family == 4 ? AF_INET : AF_INET6,
                        SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (made.fd < 0) {
                return -errno;
        }
        r = family == 4 ? set_up_v4(&made, ttl) : set_up_v6(&made, ttl);
        if (r < 0) {
                group_socket_close(&made);
                return r;
        }
        *ret_socket = made;
        return 0;
}

void group_socket_close(struct group_socket *socket)
{
        cmi_close_p(&socket->fd);
        socket->fd = -1;
}

static int set_membership(const struct group_socket *socket, uint32_t ifindex, bool is_joining)
{
        struct ip_mreqn request4 = {
                        .imr_multiaddr = socket->group4,
                        .imr_ifindex = (int)ifindex,
        };
        struct ipv6_mreq request6 = {
                        .ipv6mr_multiaddr = socket->group6,
                        .ipv6mr_interface = ifindex,
        };
        int r;

        if (socket->family == 4) {
                r = setsockopt(socket->fd, IPPROTO_IP,
                                is_joining ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request4,
                                sizeof(request4));
        } else {
                r = setsockopt(socket->fd, IPPROTO_IPV6,
                                is_joining ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request6,
                                sizeof(request6));
        }
        return r < 0 ? -errno : 0;
}

int group_socket_join(const struct group_socket *socket, uint32_t ifindex)
{
        int r = set_membership(socket, ifindex, true);

        return r == -EADDRINUSE ? 0 : r;
}

void group_socket_leave(const struct group_socket *socket, uint32_t ifindex)
{
        set_membership(socket, ifindex, false);
}

/* Interface and source are said with each datagram, so that neither a route nor the state of
 * the socket decides. */
static int send_v4(const struct group_socket *socket, uint32_t ifindex,
                const struct cmi_endpoint *source, const void *bytes, size_t size)
{
        struct sockaddr_in to = {
                        .sin_family = AF_INET,
                        .sin_port = htons(socket->port),
                        .sin_addr = socket->group4,
        };
        struct in_pktinfo info = {.ipi_ifindex = (int)ifindex};
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(info))] = {0};
        struct iovec part = {(void *)bytes, size};
        struct msghdr message = {
                        .msg_name = &to,
                        .msg_namelen = sizeof(to),
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        memcpy(&info.ipi_spec_dst, source->address, 4);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(header), &info, sizeof(info));
        return sendmsg(socket->fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int group_socket_send(const struct group_socket *socket, uint32_t ifindex,
                const struct cmi_endpoint *source, const void *bytes, size_t size)
{
        struct sockaddr_in6 to = {
                        .sin6_family = AF_INET6,
                        .sin6_port = htons(socket->port),
                        .sin6_addr = socket->group6,
                        .sin6_scope_id = ifindex,
        };
        ssize_t n;

        if (socket->family == 4) {
                return send_v4(socket, ifindex, source, bytes, size);
        }
        n = sendto(socket->fd, bytes, size, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to));
        return n < 0 ? -errno : 0;
}

static void read_control(
                struct group_socket *socket, struct msghdr *message, struct group_arrival *arrival)
{
        struct in_pktinfo info4;
        struct in6_pktinfo info6;

        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
                        header = CMSG_NXTHDR(message, header)) {
                int level = header->cmsg_level, type = header->cmsg_type;

                if (level == IPPROTO_IP && type == IP_PKTINFO) {
                        memcpy(&info4, CMSG_DATA(header), sizeof(info4));
                        arrival->ifindex = (uint32_t)info4.ipi_ifindex;
                        arrival->is_to_group = info4.ipi_addr.s_addr == socket->group4.s_addr;
                } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
                        memcpy(&info6, CMSG_DATA(header), sizeof(info6));
                        arrival->ifindex = info6.ipi6_ifindex;
                        arrival->is_to_group =
                                        IN6_ARE_ADDR_EQUAL(&info6.ipi6_addr, &socket->group6);
                } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL) {
                        memcpy(&socket->n_dropped, CMSG_DATA(header), sizeof(socket->n_dropped));
                }
        }
}

int group_socket_receive(struct group_socket *socket, void *ret_bytes, size_t room,
                struct group_arrival *ret_arrival)
{
        _Alignas(struct cmsghdr) char control[256];
        struct iovec part = {ret_bytes, room};
        struct sockaddr_storage from = {0};
        struct msghdr message = {
                        .msg_name = &from,
                        .msg_namelen = sizeof(from),
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
        };
        struct group_arrival arrival = {0};
        ssize_t n;

        do {
                n = recvmsg(socket->fd, &message, MSG_DONTWAIT | MSG_TRUNC);
        } while (n < 0 && errno == EINTR);
        if (n < 0) {
                return 0;
        }
        read_control(socket, &message, &arrival);
        arrival.size = (size_t)n;
        if (cmi_endpoint_from_sockaddr((struct sockaddr *)&from, &arrival.source) < 0) {
                return -EBADMSG;
        }
        *ret_arrival = arrival;
        return 1;
}
