/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/listener.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int set_options(int fd, uint8_t family)
{
        int on = 1;
        int off = 0;

        /* After a restart the port is free at once. */
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) {
                return -errno;
        }
        /* [::] takes IPv4 in as well. */
        if (family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) {
                return -errno;
        }
        return 0;
}

static int read_bound(int fd, const struct cmi_endpoint *endpoint, struct cmi_endpoint *ret_bound)
{
        struct sockaddr_storage address;
        socklen_t size = sizeof(address);
        int r;

        if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
                return -errno;
        }
        *ret_bound = *endpoint;
        if (endpoint->port == 0) {
                r = cmi_endpoint_from_sockaddr((struct sockaddr *)&address, ret_bound);
                return r;
        }
        return 0;
}

int listener_open(struct listener *listener, const struct cmi_endpoint *endpoint)
{
        struct sockaddr_storage address;
        socklen_t size = cmi_endpoint_to_sockaddr(endpoint, &address);
        struct cmi_endpoint bound;
        CM_CLEANUP(cmi_close_p)
        int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r;

        if (fd < 0) {
                return -errno;
        }
        r = set_options(fd, endpoint->family);
        if (r < 0) {
                return r;
        }
        if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, LISTENER_BACKLOG) < 0) {
                return -errno;
        }
        r = read_bound(fd, endpoint, &bound);
        if (r < 0) {
                return r;
        }
        *listener = (struct listener){.fd = cmi_take_fd(&fd), .bound = bound};
        return 0;
}

void listener_close(struct listener *listener)
{
        cmi_close_p(&listener->fd);
        listener->fd = -1;
}

int listener_copy(const struct listener *listener)
{
        int fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);

        return fd < 0 ? -errno : fd;
}

int listener_shut(struct listener *listener, bool is_shut)
{
        static struct sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
        const struct sock_fprog program = {
                        .len = sizeof(drop_all) / sizeof(drop_all[0]), .filter = drop_all};
        int unused = 0;
        int r = is_shut ? setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                                          sizeof(program))
                        : setsockopt(listener->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused,
                                          sizeof(unused));

        if (r < 0) {
                return -errno;
        }
        listener->is_shut = is_shut;
        return 0;
}
