/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mesh's sockets: one ROUTER that is bound and only receives, and one DEALER per link that
 * is connected and only sends. Which link leads where, what a frame means and what is sent
 * again is decided by the core; this file decides the options of the sockets, and shares the
 * bytes of a body between links.
 *
 * Nobody receives on a connecting socket and ZMTP heartbeats stay off: together they abort the
 * process in libzmq 4.3.4. Routing ids are libzmq's own; their hash names an inbound connection.
 *
 * With a key ring every connection is encrypted by CURVE and admitted by zap.h, and each frame is
 * looked at once more: what came by a key that the ring does not hold any more is dropped. Without
 * one there is no encryption, and only loopback is listened on.
 */
#include "base/bytes.h"
#include "base/endpoint.h"

#include "meshd/io/fault.h"
#include "meshd/mesh/intake.h"
#include "meshd/mesh/key_ring.h"
#include "meshd/mesh/listener.h"

#include <stdbool.h>
#include <zmq.h>

#define LINK_SNDHWM 64 /* messages; what is behind them waits in the core's log */
#define LINK_RCVHWM 1000
#define LINK_MESSAGE_MAX 65536
#define LINK_PORT_MIN 10240 /* of a random port: above the well-known, below the ephemeral ones */
#define LINK_PORT_MAX 32767
#define LINK_BIND_TRIES 100
#define LINK_CHECK_MS 100
#define LINK_SPARE_CONNECTIONS 512 /* inbound ones beyond a mesh's own: strangers, handshakes */
/* So many connections that bring no frame may stay, each with up to a message of LINK_MESSAGE_MAX
 * that is not whole. A member's has brought one long before it is old. */
#define LINK_STRANGERS_MAX 64
#define LINK_STRANGER_MS 1000
#define LINK_STRANGER_FULL_MS 200 /* while nobody else gets in */

struct redial;
struct zap;

struct link_counters {
        uint64_t received;
        uint64_t malformed;            /* messages without exactly two parts */
        uint64_t accepted, handshaken; /* connections */
        uint64_t rejected;     /* of these, ended in their handshake: not ZeroMQ, or too slow */
        uint64_t unauthorized; /* of these, without a key of the mesh */
        uint64_t unadmitted;   /* messages by a key that was removed */
        uint64_t full;         /* times that no more connections were taken in */
        uint64_t rekeyed;      /* links that changed their key */
        uint64_t dials, hangups;
        uint64_t endless;   /* connections ended since a message on them had no end */
        uint64_t strangers; /* since there were many that brought no frame */
};

struct links {
        void *context;
        void *router;
        void *monitor;  /* events of the router */
        void **dealers; /* by link number; NULL: none */
        uint32_t n_dealers;
        uint32_t dealer_limit; /* those that were ever dialled lie below it */
        struct cmi_endpoint bound;
        struct listener listener;
        const struct key_ring *ring; /* NULL: no encryption */
        struct zap *zap;             /* NULL without a ring, like the next one */
        struct redial *redial;
        uint64_t next_turn_ns; /* of links_turn(); 0: nothing to do */
        uint32_t n_open;       /* inbound connections, also before their handshake */
        uint32_t open_max;
        uint32_t strangers_max;
        uint64_t n_unfinished_dropped; /* of those that a new bind cut */
        bool is_deaf;                  /* listening anew failed and is tried again */
        bool is_touched;  /* the ROUTER was used beside links_receive(), and may hold messages */
        zmq_msg_t shared; /* body of the newest frame that others may share */
        uint64_t shared_id;
        bool has_shared;
        struct link_counters counters;
        struct intake intake;
        uint64_t checked_ns;
};

struct links_options {
        struct cmi_endpoint listen; /* port 0: a random one */
        bool is_port_chosen;        /* else a random port will do if this one is taken */
        uint32_t n_links;
        const struct key_ring *ring; /* NULL: none; kept, and borrowed for the links' life */
        uint32_t open_max;           /* inbound connections at once, about; 0: no limit */
        uint32_t strangers_max;      /* of these, those that bring no frame */
};

/**
 * links_open() - make the context, bind the ROUTER
 * @links:   zeroed
 * @options: borrowed
 * @fault:   filled on failure
 *
 * With a ring it is proven first that a stranger is refused (proof.h).
 *
 * Return: 0; -EADDRINUSE (the text names the process that has the port, where that can be read),
 * -EADDRNOTAVAIL or another errno, with @fault.
 */
int links_open(struct links *links, const struct links_options *options, struct fault *fault);

/**
 * links_close() - close all sockets and end libzmq's threads
 * @linger_ms: how long what is queued may still take; the rest is lost
 */
void links_close(struct links *links, int linger_ms);

/**
 * links_rekey() - the ring holds other keys, or another one is in use
 * @is_cutting: listen anew, with the key in use: every inbound connection ends, and comes back if
 *              it has a key of the ring
 */
void links_rekey(struct links *links, bool is_cutting, uint64_t now_ns);

/**
 * links_turn() - what goes on while keys are exchanged; call it each turn
 *
 * Return: milliseconds until the next call is due; -1: none is.
 */
int links_turn(struct links *links, uint64_t now_ns);

/* A connecting socket that expects @server's key and shows the one in use (NULL: without keys). For
 * redial.h. Return: 0, a negative errno. */
int links_make_dealer(struct links *links, const struct cmi_endpoint *endpoint,
                const struct key_ring_entry *server, void **ret_socket);

/**
 * links_dial() - open link number @link
 *
 * Return: 0, -EMFILE (libzmq's or the process's limit), another errno.
 */
int links_dial(struct links *links, uint32_t link, const struct cmi_endpoint *endpoint);
void links_hangup(struct links *links, uint32_t link);

/**
 * links_send() - send one frame
 * @body_id: frames of equal, non-zero @body_id that follow each other share one copy of the body
 *
 * Return: 0, -EAGAIN (not connected, or the queue is full), -ENOTCONN (no
 *         such link), another errno.
 */
int links_send(struct links *links, uint32_t link, struct cmi_slice header, struct cmi_slice body,
                uint64_t body_id);

struct link_message {
        uint64_t connection;
        zmq_msg_t header;
        zmq_msg_t body;
};

/**
 * links_receive() - take one message off the ROUTER
 * @ret_message: on 1: to be given back with link_message_close()
 *
 * Return: 1 with a message, 0 if there is none. What has another number of parts is
 *         counted and passed over.
 */
int links_receive(struct links *links, struct link_message *ret_message);
void link_message_close(struct link_message *message);

/* End connections that stuff this process with a message without an end, and strangers' where there
 * are too many (see intake.h), and see whether the handler of connections is still there. Call it
 * each turn; it looks a few times a second. */
void links_check(struct links *links, uint64_t now_ns);

/* Count what the ROUTER's monitor tells. */
void links_drain_monitor(struct links *links);
