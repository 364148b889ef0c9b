/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One connection to meshd's socket: bytes out, messages in, and descriptors that come with
 * them. It decides how bytes are buffered and cut into messages; what they mean is the
 * connection's business. Never blocks. Under the connection's lock, except that a thread may
 * poll() a socket that it holds.
 */
#include "base/bytes.h"
#include "libcachemesh/handle.h"
#include "wire/writer.h"

#include <stdbool.h>
#include <stdint.h>

#define CMI_CHANNEL_OUT_SIZE (128u << 10)
#define CMI_CHANNEL_IN_SIZE (32u << 10) /* at first; grows to the longest answer */

/*
 * A descriptor that threads may be polling. The last holder closes it, so that the number is not
 * given to another file while somebody polls it.
 */
struct cmi_socket {
        struct cmi_socket *next; /* of all sockets not closed yet, for a forked child */
        int fd;
        unsigned n_holders;
        bool has_reader; /* a thread polls it for reading, and only that thread reads it */
        bool has_writer; /* the same for writing */
};

struct cmi_channel {
        struct cm *cm;             /* for its allocator */
        struct cmi_socket *socket; /* NULL: closed */
        struct cmi_socket *sockets;
        uint8_t *out;
        size_t out_len;
        size_t out_sent;    /* of out_len */
        uint64_t n_written; /* bytes put into out in the channel's life */
        uint64_t n_sent;
        uint8_t *in;
        size_t in_capacity;
        size_t in_start; /* of what has not been cut off yet */
        size_t in_len;   /* end of it */
        int page_fd;     /* came with a message and was not taken; -1: none */
};

int cmi_channel_init(struct cmi_channel *channel, struct cm *cm);
void cmi_channel_deinit(struct cmi_channel *channel);

/**
 * cmi_channel_connect() - one attempt; the peer must be of this user, of root,
 * or of the socket's owner
 * @path: up to CM_SOCKET_PATH_MAX bytes
 *
 * Return: 0, -EAGAIN (too many wait for meshd's accept()), -EPERM (a peer of another user),
 * -ENOMEM, or another error of connect().
 */
int cmi_channel_connect(struct cmi_channel *channel, const char *path);

/* Forget the socket and what is buffered. Threads that poll it wake up. */
void cmi_channel_close(struct cmi_channel *channel);

/* In a forked child: close the copies of the parent's descriptors, without a word to their peer. */
void cmi_channel_after_fork(struct cmi_channel *channel);

/* Keep the socket's descriptor open while this thread polls it without the lock. */
struct cmi_socket *cmi_channel_hold(struct cmi_channel *channel);
void cmi_channel_unhold(struct cmi_channel *channel, struct cmi_socket *socket);

/* Can @size bytes be written? Makes room if that is possible without sending. */
bool cmi_channel_has_room(struct cmi_channel *channel, size_t size);

/* Write one message or several: begin, encode, end. The writer has the room there is. */
struct cmi_writer cmi_channel_begin(struct cmi_channel *channel);
void cmi_channel_end(struct cmi_channel *channel, const struct cmi_writer *writer);

static inline bool cmi_channel_is_flushed(const struct cmi_channel *channel)
{
        return channel->out_sent == channel->out_len;
}

/**
 * cmi_channel_flush() - send what is written
 *
 * Return: 0 if all is sent, -EAGAIN if the socket takes no more now, or another error of send().
 */
int cmi_channel_flush(struct cmi_channel *channel);

/**
 * cmi_channel_receive() - read once
 *
 * Return: 1 if something came, 0 if there is nothing now, -ECONNRESET at the end of the stream,
 * -EPROTO (more descriptors than one), -EMFILE (none is left for the one), -ENOMEM, or another
 * error of recvmsg().
 */
int cmi_channel_receive(struct cmi_channel *channel);

/**
 * cmi_channel_next() - cut the next message off what was received
 * @ret_payload: borrowed until the next cmi_channel_receive()
 *
 * Return: 1, 0 if none is complete, -EMSGSIZE.
 */
int cmi_channel_next(struct cmi_channel *channel, struct cmi_slice *ret_payload);
