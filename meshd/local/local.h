/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The Unix stream socket: accepts, and holds what its clients share. How one client is read and
 * written is client.h's; what a message means is decided by the handler (service.h).
 *
 * Bounds: connections in all and of one user (client_limit.h); bytes read in one turn of the loop
 * from one client; the time that all requests have in one turn (rota.h); bytes that wait for a
 * client to read them. A client that reads slowly is not read from; one that takes nothing at all
 * for a while, or lets more pile up than is allowed, is disconnected. A message that cannot be cut
 * or that the handler calls malformed ends its connection, and is counted. No control buffer is
 * given when receiving, so no descriptor can be smuggled in. Whole messages of a client that has
 * ended, or takes no more, are handled all the same, before it is dropped: they are what its socket
 * held.
 *
 * One thread. Clients are freed at the end of the turn in which they were dropped, not before.
 */
#include "base/bytes.h"
#include "wire/local.h"

#include "meshd/io/poller.h"
#include "meshd/local/client.h"
#include "meshd/local/socket_file.h"

#include <sys/types.h>

#define LOCAL_READ_MAX (128u << 10) /* bytes of one client in a turn, beside the last one's rest */
#define LOCAL_TURN_MAX (2u << 20)   /* bytes of all clients in one turn, but at least */
#define LOCAL_READ_MIN 4096         /* of each one */
#define LOCAL_OUT_HOLD (256u << 10) /* so much unread: no more requests are taken */
#define LOCAL_OUT_MAX (4u << 20)    /* more unread: disconnected */
#define LOCAL_STALL_MS 30000        /* takes nothing for so long: disconnected */
#define LOCAL_ATTACH_MS 10000       /* no first request for so long: disconnected */
#define LOCAL_ACCEPTS_PER_TURN 64

struct local_handler {
        void *context;
        /* A new connection. Return: 0, or a negative errno to refuse it. */
        int (*opened)(void *context, struct client *client);
        /* One message. Return: 0, or a negative errno: it is malformed, and the
         * connection is closed. */
        int (*request)(void *context, struct client *client, struct cmi_slice payload);
        /* Before this client's answers are sent: the last chance to add some. */
        void (*flush)(void *context, struct client *client);
        void (*closed)(void *context, struct client *client);
        /* May requests be taken now? */
        bool (*is_writable)(void *context);
};

struct local_counters {
        uint64_t accepted;
        uint64_t refused_full, refused_user, refused_credentials;
        uint64_t garbage; /* connections closed for what they sent */
        uint64_t closed_overflow, closed_stalled, closed_silent;
        uint64_t bytes_in, bytes_out, requests;
        uint64_t cut_turns; /* that ended before everybody was served */
};

struct local {
        struct poller *poller;
        struct socket_file file;
        int spare_fd; /* given up to accept and refuse when descriptors run out; -1: it is lost */
        bool is_listening;
        bool is_paused; /* nobody can be accepted; tried again by the timer */
        bool is_held;
        bool is_stopped;
        uv_poll_t poll;
        uv_timer_t timer;
        uint32_t n_clients, max_clients;
        uint32_t n_held;    /* clients with held back messages */
        uint32_t n_ended;   /* clients that take no more */
        uint32_t n_in_line; /* clients that want to be served, at the begin of this turn */
        struct rota rota;
        struct client *clients, *dirty, *dropped;
        uint8_t *scratch;
        struct local_handler handler;
        struct local_counters counters;
};

/**
 * local_open() - take connections
 * @local:       zeroed but for file, which socket_file_open() filled
 * @poller:      borrowed for the life of @local
 * @max_clients: of which one user gets half
 * @handler:     copied
 *
 * Return: 0, -ENOMEM.
 */
int local_open(struct local *local, struct poller *poller, uint32_t max_clients,
                const struct local_handler *handler);

/* Take requests, for as long as a turn's time is; call it each turn, before core_tick(). What is
 * left makes the next turn come at once. */
void local_serve(struct local *local);

/* Send what has gathered; call it at the end of each turn. */
void local_flush(struct local *local);

/* Take no requests and no connections any more; answers still go out. */
void local_stop(struct local *local);

/* Drop everybody, remove the socket, unlock. Run the loop until its handles are closed,
 * then local_deinit(). */
void local_close(struct local *local);
void local_deinit(struct local *local);
