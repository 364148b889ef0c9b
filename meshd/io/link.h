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
 */
#include "base/bytes.h"
#include "base/endpoint.h"

#include "meshd/fault.h"
#include "meshd/io/intake.h"

#include <stdbool.h>
#include <zmq.h>

#define LINK_SNDHWM 64 /* messages; what is behind them waits in the core's log */
#define LINK_RCVHWM 1000
#define LINK_MESSAGE_MAX 65536
#define LINK_PORT_MIN 10240 /* of a random port: above the well-known, below the ephemeral ones */
#define LINK_PORT_MAX 32767
#define LINK_BIND_TRIES 100
#define LINK_CHECK_MS 100

struct link_counters {
        uint64_t received;
        uint64_t malformed;            /* messages without exactly two parts */
        uint64_t accepted, handshaken; /* connections */
        uint64_t rejected; /* of these, ended in their handshake: not ZeroMQ, or too slow */
        uint64_t dials, hangups;
        uint64_t endless; /* connections ended since a message on them had no end */
};

struct links {
        void *context;
        void *router;
        void *monitor;  /* events of the router */
        void **dealers; /* by link number; NULL: none */
        uint32_t n_dealers;
        uint32_t dealer_limit; /* those that were ever dialled lie below it */
        struct cmi_endpoint bound;
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
};

/**
 * links_open() - make the context, bind the ROUTER
 * @links:   zeroed
 * @options: borrowed
 * @fault:   filled on failure
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

/* End connections that stuff this process with a message without an end: see intake.h. Call it
 * each turn; it looks a few times a second. */
void links_check(struct links *links, uint64_t now_ns);

/* Count what the ROUTER's monitor tells. */
void links_drain_monitor(struct links *links);
