/* SPDX-License-Identifier: MIT */
#include "meshd/io/link.h"

#include "meshd/io/logger.h"
#include "meshd/io/port_holder.h"
#include "wire/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MONITOR "inproc://mesh-monitor"
#define PARTS 3 /* routing id, header, body */

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

static void format(const struct cmi_endpoint *endpoint, char ret_text[CMI_ENDPOINT_TEXT_SIZE + 8])
{
        char text[CMI_ENDPOINT_TEXT_SIZE];

        cmi_endpoint_format(endpoint, text);
        snprintf(ret_text, CMI_ENDPOINT_TEXT_SIZE + 8, "tcp://%s", text);
}

static int make_router(struct links *links, const struct cmi_endpoint *endpoint)
{
        static const char domain[] = "cachemesh";
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
        /* With a domain old protocol versions are refused, by which any bytes
         * would pass as messages. */
        if (r == 0 && zmq_setsockopt(links->router, ZMQ_ZAP_DOMAIN, domain, sizeof(domain) - 1) <
                                        0) {
                r = -errno;
        }
        return r;
}

static int watch_router(struct links *links)
{
        int linger = 0;

        if (zmq_socket_monitor(links->router, MONITOR,
                            ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                                            ZMQ_EVENT_DISCONNECTED) < 0) {
                return -errno;
        }
        links->monitor = zmq_socket(links->context, ZMQ_PAIR);
        if (!links->monitor ||
                        zmq_setsockopt(links->monitor, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
                        zmq_connect(links->monitor, MONITOR) < 0) {
                return -errno;
        }
        return 0;
}

static int bind_one(struct links *links, const struct cmi_endpoint *endpoint)
{
        char text[CMI_ENDPOINT_TEXT_SIZE + 8];

        format(endpoint, text);
        if (zmq_bind(links->router, text) < 0) {
                return -errno;
        }
        links->bound = *endpoint;
        return 0;
}

static int bind_random(struct links *links, struct cmi_endpoint endpoint)
{
        int r = -EADDRINUSE;

        for (int i = 0; i < LINK_BIND_TRIES && r == -EADDRINUSE; i++) {
                uint32_t random;

                if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
                        return -EIO;
                }
                endpoint.port = (uint16_t)(LINK_PORT_MIN +
                                           random % (LINK_PORT_MAX - LINK_PORT_MIN + 1));
                r = bind_one(links, &endpoint);
        }
        return r;
}

static int bind_router(struct links *links, const struct links_options *options)
{
        int r = -EADDRINUSE;

        if (options->listen.port != 0) {
                r = bind_one(links, &options->listen);
        }
        if (r == -EADDRINUSE && (options->listen.port == 0 || !options->is_port_chosen)) {
                r = bind_random(links, options->listen);
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
                        "port "
                        "with --listen; port 0 takes any free one.",
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
        if (zmq_ctx_set(links->context, ZMQ_MAX_SOCKETS, (int)options->n_links + 16) < 0) {
                return -errno;
        }
        r = make_router(links, &options->listen);
        return r < 0 ? r : watch_router(links);
}

int links_open(struct links *links, const struct links_options *options, struct fault *fault)
{
        int r = make(links, options);

        if (r < 0) {
                links_close(links, 0);
                return fault_set(fault, FAULT_FAILED, r,
                                "Sockets of the mesh: %s. Raise the limit of open files (ulimit "
                                "-n), "
                                "or lower --max-peers.",
                                zmq_strerror(-r));
        }
        r = bind_router(links, options);
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
        free(links->dealers);
        links->dealers = NULL;
        links->router = NULL;
        links->monitor = NULL;
        links->context = NULL;
}

int links_dial(struct links *links, uint32_t link, const struct cmi_endpoint *endpoint)
{
        const struct setting settings[] = {
                        /* Nothing is queued for a dead process that its successor would get. */
                        {ZMQ_IMMEDIATE, 1},
                        {ZMQ_SNDHWM, LINK_SNDHWM},
                        /* Nobody has reason to send on this connection, and nobody reads it. */
                        {ZMQ_RCVHWM, 1},
                        {ZMQ_RECONNECT_IVL, 100},
                        {ZMQ_RECONNECT_IVL_MAX, 2000},
                        {ZMQ_CONNECT_TIMEOUT, 5000},
        };
        char text[CMI_ENDPOINT_TEXT_SIZE + 8];
        void *socket;
        int r;

        if (link >= links->n_dealers || links->dealers[link]) {
                return -EINVAL;
        }
        socket = zmq_socket(links->context, ZMQ_DEALER);
        if (!socket) {
                return -errno;
        }
        r = apply_common(socket, endpoint);
        if (r == 0) {
                r = apply(socket, settings, sizeof(settings) / sizeof(settings[0]));
        }
        format(endpoint, text);
        if (r == 0 && zmq_connect(socket, text) < 0) {
                r = -errno;
        }
        if (r < 0) {
                zmq_close(socket);
                return r;
        }
        links->dealers[link] = socket;
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

/* Of a part in ZMTP: flags, length, bytes. */
static uint64_t wire_size(const zmq_msg_t *part)
{
        size_t n = zmq_msg_size(part);

        return n + (n > UINT8_MAX ? 9 : 2);
}

/*
 * Which connection a message came over. libzmq 4.3.4 forgets it in the routing id if the socket was
 * polled before the message was received; the part after it, which is always there, has it.
 */
static int find_fd(const zmq_msg_t parts[PARTS], int n)
{
        return n > 1 ? zmq_msg_get(&parts[1], ZMQ_SRCFD) : -1;
}

/* Receives all parts of one message, keeps the first three. Return: their number, 0 if
 * there is no message. @ret_size: of all but the routing id, on the wire. */
static int receive_parts(void *socket, zmq_msg_t parts[PARTS], uint64_t *ret_size)
{
        uint64_t size = 0;
        int n = 0;
        bool has_more = true;

        while (has_more) {
                zmq_msg_t surplus;
                zmq_msg_t *part = n < PARTS ? &parts[n] : &surplus;
                int r;

                zmq_msg_init(part);
                do {
                        r = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
                } while (r < 0 && errno == EINTR);
                if (r < 0) {
                        zmq_msg_close(part);
                        return n < PARTS ? n : PARTS + 1;
                }
                has_more = zmq_msg_more(part) != 0;
                size += n > 0 ? wire_size(part) : 0;
                if (n >= PARTS) {
                        zmq_msg_close(part);
                }
                n++;
        }
        *ret_size = size;
        return n;
}

int links_receive(struct links *links, struct link_message *ret_message)
{
        for (;;) {
                zmq_msg_t parts[PARTS];
                uint64_t size = 0;
                int n = receive_parts(links->router, parts, &size);

                if (n == 0) {
                        return 0;
                }
                intake_handed_over(&links->intake, find_fd(parts, n), size);
                if (n == PARTS) {
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
                for (int i = 0; i < n && i < PARTS; i++) {
                        zmq_msg_close(&parts[i]);
                }
                links->counters.malformed++;
        }
}

void link_message_close(struct link_message *message)
{
        zmq_msg_close(&message->header);
        zmq_msg_close(&message->body);
}

/*
 * libzmq does not say which connection has ended. One that ends while some have not finished
 * their handshake is taken to be one of these; should that have been wrong, the handshake that
 * succeeds later corrects it.
 */
static void count_event(struct links *links, uint16_t event)
{
        struct link_counters *counters = &links->counters;
        uint64_t n_unfinished;

        counters->accepted += event == ZMQ_EVENT_ACCEPTED;
        counters->handshaken += event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        n_unfinished = counters->accepted - counters->handshaken;
        if (event == ZMQ_EVENT_DISCONNECTED && n_unfinished > counters->rejected) {
                counters->rejected++;
                logger(LOGGER_INFO, "mesh.rejected", L_ENDPOINT("listen", &links->bound),
                                L_UINT("total", counters->rejected),
                                L_TEXT("msg", "a connection ended before its handshake"));
        } else if (n_unfinished < counters->rejected) {
                counters->rejected = n_unfinished;
        }
}

/* An event is a message of two parts: number and value, then the address. */
void links_drain_monitor(struct links *links)
{
        zmq_msg_t parts[PARTS];
        uint64_t size;
        int n;

        for (n = receive_parts(links->monitor, parts, &size); n > 0;
                        n = receive_parts(links->monitor, parts, &size)) {
                uint16_t event = 0;
                uint32_t value = 0;

                if (zmq_msg_size(&parts[0]) >= sizeof(event) + sizeof(value)) {
                        const char *bytes = zmq_msg_data(&parts[0]);

                        memcpy(&event, bytes, sizeof(event));
                        memcpy(&value, bytes + sizeof(event), sizeof(value));
                        count_event(links, event);
                }
                if (event == ZMQ_EVENT_ACCEPTED) {
                        intake_opened(&links->intake, (int)value);
                }
                for (int i = 0; i < n && i < PARTS; i++) {
                        zmq_msg_close(&parts[i]);
                }
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
}
