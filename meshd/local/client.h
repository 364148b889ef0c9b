/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One connection to the local socket: cuts what it sends into messages for the handler, and keeps
 * what it has not read yet. The bounds, and what to do about them, are listed in local.h.
 */
#include "base/bytes.h"

#include "meshd/io/poller.h"
#include "meshd/local/rota.h"

#include <sys/socket.h>
#include <sys/types.h>

struct local;

struct client {
        struct local *local;
        struct client *previous, *next;
        struct client *next_dirty;
        uv_poll_t poll;
        int fd;
        int events;
        pid_t pid;
        uid_t uid;
        uint64_t opened_ns;
        uint64_t progress_ns; /* when it last took bytes, or had none to take */
        struct rota_seat seat;
        uint8_t *in; /* begun or held back messages, from in_at to n_in */
        size_t in_at, n_in;
        uint8_t *out;
        size_t n_out, n_sent, out_capacity;
        uint64_t bytes_in, bytes_out, requests;
        bool is_dropped;
        bool is_ended;    /* takes no more; to be dropped once what it had sent is handled */
        bool is_doomed;   /* to be dropped by the next flush */
        bool is_leaving;  /* to be dropped once what waits for it is sent */
        bool is_reserved; /* beyond the shares: see client_limit.h */
        bool is_dirty;
        bool is_known; /* set by the handler after the first good request */
        bool has_held; /* whole messages may lie in in: nothing is read before they are handled */
        void *guest;   /* of the handler */
};

/**
 * client_send() - queue bytes for a client
 *
 * A client that lets too much pile up is dropped with the next flush. For one
 * that has ended they are thrown away. May be called from inside the core.
 */
void client_send(struct client *client, struct cmi_slice bytes);

/**
 * client_send_fd() - send bytes together with a descriptor, at once
 *
 * Return: 0 (also if the client has ended), -EBUSY (something is queued before
 *         it), or the errno of the call; then nothing was sent.
 */
int client_send_fd(struct client *client, struct cmi_slice bytes, int fd);

/* Bytes that wait for this client. */
size_t client_n_waiting(const struct client *client);

/* Have local_flush() look at this client. */
void client_touch(struct client *client);

/* End the connection once it has got what was sent; requests are taken no more. */
void client_leave(struct client *client);

/* End the connection. */
void client_drop(struct client *client);

/* For local.c */

/* Takes @fd over, also on failure. Nothing is read before client_watch(). NULL: no memory. */
struct client *client_new(struct local *local, int fd, const struct ucred *peer, bool is_reserved);

/* Of one that was dropped, once nothing names it any more. Return: NULL. */
struct client *client_free(struct client *client);

/* Wait for what it may do now; call it when that has changed. */
void client_watch(struct client *client);

/* A line in the log: this process was disconnected for lack of memory. */
void client_tell_no_memory(pid_t pid, uid_t uid);

/* Stand in line with what was held back, or what one that has ended had sent, if requests are taken
 * again. */
void client_resume(struct client *client);

/* It is this one's time: handle what was held back, or else what it sends; may drop it. */
void client_serve(struct client *client);

/* Let the handler add what it has, and send; may drop it. */
void client_flush(struct client *client, uint64_t now_ns);
