/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/link.h"

#include "base/time.h"
#include "meshd/core/mutant.h"
#include "meshd/io/logger.h"
#include "meshd/mesh/curve.h"
#include "meshd/mesh/inbound.h"
#include "meshd/mesh/port_holder.h"
#include "meshd/mesh/proof.h"
#include "meshd/mesh/redial.h"
#include "meshd/mesh/zap.h"
#include "wire/frame.h"
#include "wire/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setting {
        int option;
        int value;
};

static int apply(void *socket, const struct setting *settings, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (zmq_setsockopt(socket, settings[i].option, &settings[i].value,
                                    sizeof(settings[i].value)) < 0) {
                        return -errno;
                }
        }
        return 0;
}

static int apply_common(void *socket, const struct cmi_endpoint *endpoint)
{
        const struct setting settings[] = {
                        {ZMQ_LINGER, 0},
                        {ZMQ_IPV6, endpoint->family == 6},
                        /* Also before a handshake: a stranger could make
                         * libzmq allocate at will. */
                        {ZMQ_HANDSHAKE_IVL, 2000},
                        /* The kernel ends half-open connections in both directions. */
                        {ZMQ_TCP_KEEPALIVE, 1},
                        {ZMQ_TCP_KEEPALIVE_IDLE, 15},
                        {ZMQ_TCP_KEEPALIVE_INTVL, 5},
                        {ZMQ_TCP_KEEPALIVE_CNT, 3},
                        {ZMQ_TCP_MAXRT, 10000},
        };
        int64_t max = LINK_MESSAGE_MAX;

        if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) < 0) {
                return -errno;
        }
        return apply(socket, settings, sizeof(settings) / sizeof(settings[0]));
}

static int make_router(struct links *links, const struct cmi_endpoint *endpoint)
{
        const struct setting settings[] = {
                        {ZMQ_RCVHWM, LINK_RCVHWM},
                        {ZMQ_BACKLOG, 1024},
        };
        int r;

        links->router = zmq_socket(links->context, ZMQ_ROUTER);
        if (!links->router) {
                return -errno;
        }
        r = apply_common(links->router, endpoint);
        if (r == 0) {
                r = apply(links->router, settings, sizeof(settings) / sizeof(settings[0]));
        }
        if (r == 0 && links->ring) {
                r = curve_serve(links->router, key_ring_used(links->ring));
        } else if (r == 0 && zmq_setsockopt(links->router, ZMQ_ZAP_DOMAIN, CURVE_DOMAIN,
                                             strlen(CURVE_DOMAIN)) < 0) {
                /* With a domain old protocol versions are refused, by which any bytes would pass as
                 * messages. */
                r = -errno;
        }
        return r;
}

static int refuse(const struct cmi_endpoint *endpoint, int error, struct fault *fault)
{
        char text[CMI_ENDPOINT_TEXT_SIZE];
        char holder[PORT_HOLDER_TEXT_SIZE];

        cmi_endpoint_format(endpoint, text);
        if (error != -EADDRINUSE || endpoint->port == 0) {
                return fault_set(fault, FAULT_FAILED, error,
                                "Listening on %s: %s. Choose another address with --listen.", text,
                                zmq_strerror(-error));
        }
        port_holder_find(endpoint->port, holder);
        return fault_set(fault, FAULT_FAILED, error,
                        "Listening on %s: the port is in use by %s. Stop that, or choose another "
                        "port with --listen; port 0 takes any free one.",
                        text, holder);
}

static int make(struct links *links, const struct links_options *options)
{
        int r;

        links->context = zmq_ctx_new();
        links->dealers = calloc(options->n_links, sizeof(*links->dealers));
        links->n_dealers = options->n_links;
        if (!links->context || !links->dealers) {
                return -ENOMEM;
        }
        if (zmq_ctx_set(links->context, ZMQ_MAX_SOCKETS,
                            (int)options->n_links + REDIAL_TRIALS_MAX + 16) < 0) {
                return -errno;
        }
        r = options->ring ? redial_new(&links->redial, options->n_links) : 0;
        r = r < 0 ? r : make_router(links, &options->listen);
        return r < 0 ? r : inbound_watch(links);
}

static int refuse_proof(int outcome, const char *what, struct fault *fault)
{
        return fault_set(fault, FAULT_FAILED, -EPERM,
                        "Self-test of the encryption: %s %s. meshd does not start with a libzmq "
                        "that cannot tell members from strangers.",
                        what,
                        outcome < 0                 ? strerror(-outcome)
                        : outcome == PROOF_ACCEPTED ? "was accepted"
                                                    : "was refused");
}

/* Strangers are refused with and without a handler, and members are let in. */
static int admit(struct links *links, struct fault *fault)
{
        int r = proof_try(links->context, links->ring, true);

        if (r != PROOF_REFUSED) {
                return refuse_proof(r, "a random key without a handler", fault);
        }
        r = zap_start(&links->zap, links->context, links->ring);
        if (r < 0) {
                return fault_set(fault, FAULT_FAILED, r, "Handler of connections: %s.",
                                zmq_strerror(-r));
        }
        r = proof_try(links->context, links->ring, true);
        if (r != PROOF_REFUSED) {
                return refuse_proof(r, "a random key", fault);
        }
        r = proof_try(links->context, links->ring, false);
        if (r != PROOF_ACCEPTED) {
                return refuse_proof(r, "the mesh's own key", fault);
        }
        return 0;
}

int links_open(struct links *links, const struct links_options *options, struct fault *fault)
{
        int r;

        links->listener.fd = -1;
        links->ring = options->ring;
        links->open_max = options->open_max;
        links->strangers_max = options->strangers_max;
        r = make(links, options);
        if (r < 0) {
                links_close(links, 0);
                return fault_set(fault, FAULT_FAILED, r, "Sockets of the mesh: %s.%s",
                                zmq_strerror(-r),
                                r == -ENOMEM ? ""
                                             : " Raise the limit of open files (ulimit -n), or "
                                               "lower --max-peers.");
        }
        r = links->ring ? admit(links, fault) : 0;
        if (r < 0) {
                links_close(links, 0);
                return r;
        }
        r = inbound_bind(links, options);
        if (r < 0) {
                links_close(links, 0);
                return refuse(&options->listen, r, fault);
        }
        return 0;
}

void links_close(struct links *links, int linger_ms)
{
        for (uint32_t i = 0; links->dealers && i < links->n_dealers; i++) {
                if (links->dealers[i]) {
                        zmq_setsockopt(links->dealers[i], ZMQ_LINGER, &linger_ms,
                                        sizeof(linger_ms));
                }
                links_hangup(links, i);
        }
        links->redial = redial_free(links->redial);
        if (links->has_shared) {
                zmq_msg_close(&links->shared);
                links->has_shared = false;
        }
        if (links->router) {
                zmq_socket_monitor(links->router, NULL, 0);
                zmq_close(links->router);
        }
        if (links->monitor) {
                zmq_close(links->monitor);
        }
        if (links->context) {
                zmq_ctx_term(links->context);
        }
        intake_deinit(&links->intake);
        links->zap = zap_join(links->zap);
        listener_close(&links->listener);
        free(links->dealers);
        links->dealers = NULL;
        links->router = NULL;
        links->monitor = NULL;
        links->context = NULL;
}

int links_make_dealer(struct links *links, const struct cmi_endpoint *endpoint,
                const struct key_ring_entry *server, void **ret_socket)
{
        const struct setting settings[] = {
                        /* Nothing is queued for a dead process that its successor would get. */
                        {ZMQ_IMMEDIATE, 1},
                        {ZMQ_SNDHWM, LINK_SNDHWM},
                        /* Nobody has reason to send on this connection, and nobody reads it. */
                        {ZMQ_RCVHWM, 1},
                        /* A node that exchanges its key cuts its links, and expects them back. */
                        {ZMQ_RECONNECT_IVL, server ? 20 : 100},
                        {ZMQ_RECONNECT_IVL_MAX, 2000},
                        {ZMQ_CONNECT_TIMEOUT, 5000},
        };
        char text[CMI_ENDPOINT_TEXT_SIZE + 8];
        void *socket = zmq_socket(links->context, ZMQ_DEALER);
        int r;

        if (!socket) {
                return -errno;
        }
        r = apply_common(socket, endpoint);
        if (r == 0) {
                r = apply(socket, settings, sizeof(settings) / sizeof(settings[0]));
        }
        if (r == 0 && server) {
                const struct key_ring_entry *own = key_ring_used(links->ring);

                r = curve_dial(socket, server->server_public, own->client_public,
                                own->client_secret);
        }
        inbound_format(endpoint, text);
        if (r == 0 && zmq_connect(socket, text) < 0) {
                r = -errno;
        }
        if (r < 0) {
                zmq_close(socket);
                return r;
        }
        *ret_socket = socket;
        return 0;
}

int links_dial(struct links *links, uint32_t link, const struct cmi_endpoint *endpoint)
{
        int r;

        if (link >= links->n_dealers || links->dealers[link]) {
                return -EINVAL;
        }
        r = links_make_dealer(links, endpoint, links->ring ? key_ring_used(links->ring) : NULL,
                        &links->dealers[link]);
        if (r < 0) {
                return r;
        }
        if (links->redial) {
                redial_begin(links->redial, link, endpoint, links->ring);
                links->next_turn_ns = 1;
        }
        if (link >= links->dealer_limit) {
                links->dealer_limit = link + 1;
        }
        links->counters.dials++;
        return 0;
}

void links_hangup(struct links *links, uint32_t link)
{
        if (link < links->n_dealers && links->dealers[link]) {
                zmq_close(links->dealers[link]);
                links->dealers[link] = NULL;
                if (links->redial) {
                        redial_end(links->redial, link);
                }
                links->counters.hangups++;
        }
}

static int make_message(zmq_msg_t *ret_message, struct cmi_slice bytes)
{
        if (zmq_msg_init_size(ret_message, bytes.len) < 0) {
                return -errno;
        }
        if (bytes.len > 0) {
                memcpy(zmq_msg_data(ret_message), bytes.data, bytes.len);
        }
        return 0;
}

/* A message with this body: the bytes are copied once for all links in a row that send it. */
static int share_body(struct links *links, struct cmi_slice body, uint64_t body_id,
                zmq_msg_t *ret_message)
{
        int r;

        if (body_id == 0) {
                return make_message(ret_message, body);
        }
        if (!links->has_shared || links->shared_id != body_id) {
                if (links->has_shared) {
                        zmq_msg_close(&links->shared);
                        links->has_shared = false;
                }
                r = make_message(&links->shared, body);
                if (r < 0) {
                        return r;
                }
                links->has_shared = true;
                links->shared_id = body_id;
        }
        zmq_msg_init(ret_message);
        return zmq_msg_copy(ret_message, &links->shared) < 0 ? -errno : 0;
}

static int send_part(void *socket, zmq_msg_t *message, int flags)
{
        int r = zmq_msg_send(message, socket, ZMQ_DONTWAIT | flags) < 0 ? -errno : 0;

        if (r < 0) {
                zmq_msg_close(message);
        }
        return r;
}

int links_send(struct links *links, uint32_t link, struct cmi_slice header, struct cmi_slice body,
                uint64_t body_id)
{
        zmq_msg_t head;
        zmq_msg_t rest;
        void *socket = link < links->n_dealers ? links->dealers[link] : NULL;
        int r;

        if (!socket) {
                return -ENOTCONN;
        }
        r = make_message(&head, header);
        if (r == 0) {
                r = send_part(socket, &head, ZMQ_SNDMORE);
        }
        /* Room is asked for with the first part only, so the second one cannot be
         * refused for lack of it. */
        if (r == 0) {
                r = share_body(links, body, body_id, &rest);
        }
        return r < 0 ? r : send_part(socket, &rest, 0);
}

static uint64_t name_connection(zmq_msg_t *routing_id)
{
        return XXH3_64bits(zmq_msg_data(routing_id), zmq_msg_size(routing_id));
}

/* libzmq asks once for each connection; a key may have been removed since. The id frame does not
 * carry the name in 4.3.4, the last one does. */
static bool is_admitted(const struct links *links, zmq_msg_t *body)
{
        return !links->ring || key_ring_has(links->ring, zmq_msg_gets(body, "User-Id"));
}

/*
 * Which connection a message came over. libzmq 4.3.4 forgets it in the routing id if the socket was
 * polled before the message was received; the part after it, which is always there, has it.
 */
static int find_fd(const zmq_msg_t parts[INBOUND_PARTS], int n)
{
        return n > 1 ? zmq_msg_get(&parts[1], ZMQ_SRCFD) : -1;
}

/* Also one of another mesh: whoever sends frames is no idle stranger. */
static void look_at_stranger(struct links *links, int fd, const zmq_msg_t *header)
{
        struct cmi_slice bytes = cmi_slice(zmq_msg_data((zmq_msg_t *)header), zmq_msg_size(header));
        struct cmi_frame_header decoded;

        if (intake_is_stranger(&links->intake, fd) &&
                        cmi_frame_header_decode(bytes, &decoded) == 0) {
                intake_know(&links->intake, fd);
        }
}

int links_receive(struct links *links, struct link_message *ret_message)
{
        links->is_touched = false;
        for (;;) {
                zmq_msg_t parts[INBOUND_PARTS];
                uint64_t size = 0;
                int n = inbound_parts(links->router, parts,
                                links->ring ? INBOUND_CURVE_OVERHEAD : 0, &size);
                int fd = find_fd(parts, n);

                if (n == 0) {
                        return 0;
                }
                intake_handed_over(&links->intake, fd, size);
                if (n == INBOUND_PARTS && is_admitted(links, &parts[2])) {
                        look_at_stranger(links, fd, &parts[1]);
                        ret_message->connection = name_connection(&parts[0]);
                        zmq_msg_close(&parts[0]);
                        /* libzmq's messages may be moved, not copied as bytes. */
                        zmq_msg_init(&ret_message->header);
                        zmq_msg_init(&ret_message->body);
                        zmq_msg_move(&ret_message->header, &parts[1]);
                        zmq_msg_move(&ret_message->body, &parts[2]);
                        links->counters.received++;
                        return 1;
                }
                for (int i = 0; i < n && i < INBOUND_PARTS; i++) {
                        zmq_msg_close(&parts[i]);
                }
                if (n == INBOUND_PARTS) {
                        links->counters.unadmitted++;
                } else {
                        links->counters.malformed++;
                }
        }
}

void link_message_close(struct link_message *message)
{
        zmq_msg_close(&message->header);
        zmq_msg_close(&message->body);
}

void links_rekey(struct links *links, bool is_cutting, uint64_t now_ns)
{
        zap_set(links->zap, links->ring);
        redial_rekey(links->redial, now_ns);
        if (is_cutting) {
                inbound_stop(links);
                inbound_rebind(links);
        }
        links->next_turn_ns = now_ns;
}

int links_turn(struct links *links, uint64_t now_ns)
{
        if (!links->ring || links->next_turn_ns == 0) {
                return -1;
        }
        if (now_ns >= links->next_turn_ns) {
                bool is_busy;

                if (links->is_deaf) {
                        inbound_rebind(links);
                }
                is_busy = redial_turn(links, now_ns) || links->is_deaf;
                links->next_turn_ns = is_busy ? now_ns + cmi_ms(REDIAL_TURN_MS) : 0;
        }
        return links->next_turn_ns == 0 ? -1
                                        : (int)((links->next_turn_ns - now_ns) / CMI_NS_PER_MS) + 1;
}

static void thin_strangers(struct links *links, uint64_t now_ns)
{
        uint64_t age_ns =
                        cmi_ms(links->listener.is_shut ? LINK_STRANGER_FULL_MS : LINK_STRANGER_MS);
        struct cmi_endpoint endpoint = {0};
        int n;

        if (links->strangers_max == 0 || now_ns < age_ns || MUTANT(STRANGERS_KEPT)) {
                return;
        }
        n = intake_thin(&links->intake, (int)links->strangers_max, now_ns - age_ns, &endpoint);
        if (n > 0) {
                links->counters.strangers += (uint64_t)n;
                logger(LOGGER_WARNING, "mesh.strangers", L_ENDPOINT("peer", &endpoint),
                                L_UINT("total", links->counters.strangers),
                                L_TEXT("msg", "connections that bring nothing were ended, since "
                                              "there were too many"));
        }
}

/* Nothing is let in without it, so what is connected goes on, and no more. */
static void look_at_handler(const struct links *links)
{
        int error = links->zap ? zap_error(links->zap) : 0;

        if (error < 0) {
                logger_cause(LOGGER_ERROR, "mesh.shut", L_TEXT("error", zmq_strerror(-error)),
                                L_TEXT("msg", "the handler of new connections has ended: no node "
                                              "gets in any more; restart meshd"));
        }
}

void links_check(struct links *links, uint64_t now_ns)
{
        struct cmi_endpoint endpoint = {0};
        int n;

        if (now_ns - links->checked_ns < cmi_ms(LINK_CHECK_MS)) {
                return;
        }
        links->checked_ns = now_ns;
        n = intake_check(&links->intake, &endpoint);
        if (n > 0) {
                links->counters.endless += (uint64_t)n;
                logger(LOGGER_WARNING, "mesh.endless", L_ENDPOINT("peer", &endpoint),
                                L_TEXT("msg", "a connection was ended: it sent a message without "
                                              "an end"));
        }
        thin_strangers(links, now_ns);
        look_at_handler(links);
}
