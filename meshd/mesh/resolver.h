/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Resolver: asks DNS servers on the loop, with c-ares, for one source. It takes care of packets,
 * repetition, TCP and search domains, and turns what comes into answers of dns_source.h; which
 * questions, when, and what follows is not its business. Nothing here waits: between two packets
 * there is only the loop.
 *
 * What comes is not to be trusted. c-ares drops what no question belongs to (id, question, source);
 * what it hands over is bounded here before it is read. One thread.
 */
#include "discovery/dns_source.h"
#include "meshd/io/poller.h"

#include <ares.h>

enum resolver_number {
        RESOLVER_SOCKETS_MAX = 16,
        RESOLVER_TRY_MS = 2000, /* for one server, doubled with each round through all of them */
        RESOLVER_TRIES = 2,     /* of each server */
        /* Passes everywhere unfragmented; what is longer comes by TCP. */
        RESOLVER_DATAGRAM_MAX = 1232,
        /* Room for 64 hosts of a service, or 500 addresses. What is longer is not read: each record
         * costs memory, and a walk along the pointers of its name. */
        RESOLVER_ANSWER_MAX = 8192,
        RESOLVER_ADDRESSES_MAX = RESOLVER_ANSWER_MAX / 16,
};

struct resolver;

struct resolver_socket {
        uv_poll_t poll;
        struct resolver *resolver;
        ares_socket_t fd;
        bool is_used; /* until libuv is done with it */
        bool is_closing;
};

struct resolver {
        struct poller *poller;
        const struct cmi_endpoint *server; /* borrowed; family 0: those of the host */
        /* Called from the loop; for a question that cannot even be sent, by resolver_ask(). */
        void (*answered)(void *context, uint32_t number, const struct dns_answer *answer);
        /* All that came in a turn was answered: time to ask more, or to close. */
        void (*progressed)(void *context);
        void *context;
        bool is_open;
        ares_channel channel;
        uv_timer_t timer;
        struct resolver_socket sockets[RESOLVER_SOCKETS_MAX];
        uint64_t n_questions;
};

/* @resolver: filled up to context. Its timer joins the loop. */
void resolver_init(struct resolver *resolver);

/**
 * resolver_ask() - send a question
 * @resolver: opened by it if it is not, with what /etc/resolv.conf says now
 * @question: borrowed for the call
 *
 * It is answered once, by answered(), unless resolver_close() comes first.
 */
void resolver_ask(struct resolver *resolver, const struct dns_question *question);

/* Give up what is not answered, and close all sockets. Not from inside answered(). */
void resolver_close(struct resolver *resolver);

/* After resolver_close(), for ever. Run the loop until its handles are closed. */
void resolver_stop(struct resolver *resolver);
