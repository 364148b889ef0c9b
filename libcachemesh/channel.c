/* SPDX-License-Identifier: MIT */
#include "libcachemesh/channel.h"

#include "wire/local.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 4 /* taken off a message; the kernel drops the rest and says so */

static void forget_buffers(struct cmi_channel *channel)
{
        channel->out_len = channel->out_sent = 0;
        channel->n_sent = channel->n_written;
        channel->in_start = channel->in_len = 0;
}

int cmi_channel_init(struct cmi_channel *channel, struct cm *cm)
{
        *channel = (struct cmi_channel){.cm = cm, .page_fd = -1};
        channel->out = cmi_handle_allocate(cm, 16, CMI_CHANNEL_OUT_SIZE);
        channel->in = cmi_handle_allocate(cm, 16, CMI_CHANNEL_IN_SIZE);
        channel->in_capacity = CMI_CHANNEL_IN_SIZE;
        if (!channel->out || !channel->in) {
                cmi_channel_deinit(channel);
                return -ENOMEM;
        }
        return 0;
}

void cmi_channel_deinit(struct cmi_channel *channel)
{
        cmi_channel_close(channel);
        if (channel->out) {
                cmi_handle_deallocate(channel->cm, channel->out, CMI_CHANNEL_OUT_SIZE);
        }
        if (channel->in) {
                cmi_handle_deallocate(channel->cm, channel->in, channel->in_capacity);
        }
        channel->out = NULL;
        channel->in = NULL;
}

/* A stranger's meshd could keep this process from seeing invalidations; root and the path's
 * owner could anyway. */
static int check_peer(int fd, const char *path)
{
        struct ucred peer;
        socklen_t size = sizeof(peer);
        struct stat status;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
                return -errno;
        }
        if (peer.uid == geteuid() || peer.uid == 0) {
                return 0;
        }
        return stat(path, &status) == 0 && status.st_uid == peer.uid ? 0 : -EPERM;
}

static int open_socket(struct cmi_socket *holder, const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int larger = 1 << 20;

        if (strlen(path) >= sizeof(address.sun_path)) {
                return -ENAMETOOLONG;
        }
        strcpy(address.sun_path, path);
        /* Stored at once: a child forked meanwhile has to find it. */
        holder->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (holder->fd < 0) {
                return -errno;
        }
        /* The kernel charges about 1 KiB for a small message; the more fit, the fewer times
         * a sender must sleep. */
        setsockopt(holder->fd, SOL_SOCKET, SO_SNDBUF, &larger, sizeof(larger));
        if (connect(holder->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                return -errno;
        }
        return check_peer(holder->fd, path);
}

int cmi_channel_connect(struct cmi_channel *channel, const char *path)
{
        struct cmi_socket *holder = cmi_handle_allocate(channel->cm, 16, sizeof(*holder));
        int r;

        if (!holder) {
                return -ENOMEM;
        }
        *holder = (struct cmi_socket){.next = channel->sockets, .fd = -1, .n_holders = 1};
        channel->sockets = holder;
        r = open_socket(holder, path);
        if (r < 0) {
                cmi_channel_unhold(channel, holder);
                return r;
        }
        channel->socket = holder;
        forget_buffers(channel);
        return 0;
}

/* The field first: a child forked in between would otherwise close what another
 * thread has just opened. */
static void close_field(int *fd)
{
        int number = *fd;

        *fd = -1;
        if (number >= 0) {
                close(number);
        }
}

void cmi_channel_close(struct cmi_channel *channel)
{
        struct cmi_socket *holder = channel->socket;

        close_field(&channel->page_fd);
        forget_buffers(channel);
        channel->socket = NULL;
        if (holder) {
                if (holder->n_holders > 1) {
                        shutdown(holder->fd, SHUT_RDWR);
                }
                cmi_channel_unhold(channel, holder);
        }
}

void cmi_channel_after_fork(struct cmi_channel *channel)
{
        close_field(&channel->page_fd);
        for (struct cmi_socket *holder = channel->sockets; holder; holder = holder->next) {
                close_field(&holder->fd);
        }
        channel->socket = channel->sockets = NULL;
        forget_buffers(channel);
}

struct cmi_socket *cmi_channel_hold(struct cmi_channel *channel)
{
        channel->socket->n_holders++;
        return channel->socket;
}

void cmi_channel_unhold(struct cmi_channel *channel, struct cmi_socket *socket)
{
        struct cmi_socket **link = &channel->sockets;

        if (--socket->n_holders > 0) {
                return;
        }
        close_field(&socket->fd);
        while (*link != socket) {
                link = &(*link)->next;
        }
        *link = socket->next;
        cmi_handle_deallocate(channel->cm, socket, sizeof(*socket));
}

bool cmi_channel_has_room(struct cmi_channel *channel, size_t size)
{
        if (CMI_CHANNEL_OUT_SIZE - channel->out_len >= size) {
                return true;
        }
        if (CMI_CHANNEL_OUT_SIZE - (channel->out_len - channel->out_sent) < size) {
                return false;
        }
        channel->out_len -= channel->out_sent;
        memmove(channel->out, channel->out + channel->out_sent, channel->out_len);
        channel->out_sent = 0;
        return true;
}

struct cmi_writer cmi_channel_begin(struct cmi_channel *channel)
{
        return cmi_writer(channel->out + channel->out_len, CMI_CHANNEL_OUT_SIZE - channel->out_len);
}

void cmi_channel_end(struct cmi_channel *channel, const struct cmi_writer *writer)
{
        channel->out_len += writer->len;
        channel->n_written += writer->len;
}

int cmi_channel_flush(struct cmi_channel *channel)
{
        while (channel->out_sent < channel->out_len) {
                ssize_t n = send(channel->socket->fd, channel->out + channel->out_sent,
                                channel->out_len - channel->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR) {
                        continue;
                }
                if (n < 0) {
                        return -errno;
                }
                channel->out_sent += (size_t)n;
                channel->n_sent += (uint64_t)n;
        }
        channel->out_sent = channel->out_len = 0;
        return 0;
}

/*
 * Keep the one descriptor that a page may come in; any other is closed. The kernel leaves out those
 * for which it finds no number, and says so as it does of those for which there is no room.
 */
static int take_descriptors(struct cmi_channel *channel, struct msghdr *message)
{
        int r = message->msg_flags & MSG_CTRUNC ? -EMFILE : 0;

        for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
                        part = CMSG_NXTHDR(message, part)) {
                size_t n = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
                        continue;
                }
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
                        if (channel->page_fd < 0) {
                                channel->page_fd = fd;
                        } else {
                                close(fd);
                                r = -EPROTO;
                        }
                }
        }
        return r;
}

/* The message being received must fit whole; its announced length was checked when the
 * last one was cut off. */
static int make_room(struct cmi_channel *channel)
{
        size_t len = channel->in_len - channel->in_start;
        size_t larger = 2 * channel->in_capacity;
        uint8_t *smaller;
        uint8_t *in;

        memmove(channel->in, channel->in + channel->in_start, len);
        channel->in_start = 0;
        channel->in_len = len;
        if (len < channel->in_capacity) {
                return 0;
        }
        in = cmi_handle_allocate(channel->cm, 16, larger);
        if (!in) {
                return -ENOMEM;
        }
        memcpy(in, channel->in, len);
        smaller = channel->in;
        channel->in = in;
        cmi_handle_deallocate(channel->cm, smaller, channel->in_capacity);
        channel->in_capacity = larger;
        return 0;
}

int cmi_channel_receive(struct cmi_channel *channel)
{
        union {
                char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec part;
        struct msghdr message = {
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
        };
        int r = make_room(channel);
        ssize_t n;

        if (r < 0) {
                return r;
        }
        part.iov_base = channel->in + channel->in_len;
        part.iov_len = channel->in_capacity - channel->in_len;
        do {
                n = recvmsg(channel->socket->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        } while (n < 0 && errno == EINTR);
        if (n < 0) {
                return errno == EAGAIN ? 0 : -errno;
        }
        r = take_descriptors(channel, &message);
        if (r < 0) {
                return r;
        }
        channel->in_len += (size_t)n;
        return n > 0 ? 1 : -ECONNRESET;
}

int cmi_channel_next(struct cmi_channel *channel, struct cmi_slice *ret_payload)
{
        struct cmi_slice received = {
                        channel->in + channel->in_start, channel->in_len - channel->in_start};
        int64_t size = cmi_local_split(received, CMI_LOCAL_ANSWER_MAX, ret_payload);

        if (size > 0) {
                channel->in_start += (size_t)size;
                return 1;
        }
        return (int)size;
}
