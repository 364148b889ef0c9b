/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/inbound.h"

#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/mesh/curve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MONITOR "inproc://mesh-monitor"

void inbound_format(const struct cmi_endpoint *endpoint, char ret_text[INBOUND_TEXT_SIZE])
{
        char text[CMI_ENDPOINT_TEXT_SIZE];

        cmi_endpoint_format(endpoint, text);
        snprintf(ret_text, INBOUND_TEXT_SIZE, "tcp://%s", text);
}

int inbound_watch(struct links *links)
{
        int linger = 0;

        if (zmq_socket_monitor(links->router, MONITOR,
                            ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
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

/* libzmq takes the descriptor over, and closes it with the bind's end. */
static int bind_listener(struct links *links)
{
        char text[INBOUND_TEXT_SIZE];
        int fd = listener_copy(&links->listener);
        int r = 0;

        if (fd < 0) {
                return fd;
        }
        inbound_format(&links->bound, text);
        if (zmq_setsockopt(links->router, ZMQ_USE_FD, &fd, sizeof(fd)) < 0 ||
                        zmq_bind(links->router, text) < 0) {
                r = -errno;
                close(fd);
        }
        return r;
}

static int bind_one(struct links *links, const struct cmi_endpoint *endpoint)
{
        int r = listener_open(&links->listener, endpoint);

        if (r < 0) {
                return r;
        }
        links->bound = links->listener.bound;
        r = bind_listener(links);
        if (r < 0) {
                listener_close(&links->listener);
        }
        return r;
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

int inbound_bind(struct links *links, const struct links_options *options)
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

/* Of a part in ZMTP: flags, length, bytes. */
static uint64_t wire_size(const zmq_msg_t *part, size_t overhead)
{
        size_t n = zmq_msg_size(part) + overhead;

        return n + (n > UINT8_MAX ? 9 : 2);
}

int inbound_parts(void *socket, zmq_msg_t parts[INBOUND_PARTS], size_t overhead, uint64_t *ret_size)
{
        uint64_t size = 0;
        int n = 0;
        bool has_more = true;

        while (has_more) {
                zmq_msg_t surplus;
                zmq_msg_t *part = n < INBOUND_PARTS ? &parts[n] : &surplus;
                int r;

                zmq_msg_init(part);
                do {
                        r = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
                } while (r < 0 && errno == EINTR);
                if (r < 0) {
                        zmq_msg_close(part);
                        return n < INBOUND_PARTS ? n : INBOUND_PARTS + 1;
                }
                has_more = zmq_msg_more(part) != 0;
                size += n > 0 ? wire_size(part, overhead) : 0;
                if (n >= INBOUND_PARTS) {
                        zmq_msg_close(part);
                }
                n++;
        }
        *ret_size = size;
        return n;
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
        links->n_open += event == ZMQ_EVENT_ACCEPTED;
        links->n_open -= event == ZMQ_EVENT_DISCONNECTED && links->n_open > 0;
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
                counters->unauthorized++;
                logger(LOGGER_WARNING, "mesh.unauthorized", L_ENDPOINT("listen", &links->bound),
                                L_UINT("total", counters->unauthorized),
                                L_TEXT("msg", "a connection without a key of this mesh was "
                                              "refused; see \"meshctl key list\" on each node"));
        }
        n_unfinished = counters->accepted - counters->handshaken - links->n_unfinished_dropped;
        if (event == ZMQ_EVENT_DISCONNECTED && n_unfinished > counters->rejected) {
                counters->rejected++;
                logger(LOGGER_INFO, "mesh.rejected", L_ENDPOINT("listen", &links->bound),
                                L_UINT("total", counters->rejected),
                                L_TEXT("msg", "a connection ended before its handshake"));
        } else if (n_unfinished < counters->rejected) {
                counters->rejected = n_unfinished;
        }
}

/* Descriptors are kept for apps and files: beyond the limit strangers and members wait alike. */
static void tend_gate(struct links *links)
{
        bool is_full = links->listener.is_shut ? links->n_open >= links->open_max / 8 * 7
                                               : links->n_open >= links->open_max;

        if (links->open_max == 0 || is_full == links->listener.is_shut) {
                return;
        }
        if (listener_shut(&links->listener, is_full) == 0 && is_full) {
                links->counters.full++;
                logger(LOGGER_WARNING, "mesh.full", L_ENDPOINT("listen", &links->bound),
                                L_UINT("connections", links->n_open),
                                L_TEXT("msg", "no more connections are taken in until some end"));
        }
}

/* An event is a message of two parts: number and value, then the address. */
void links_drain_monitor(struct links *links)
{
        zmq_msg_t parts[INBOUND_PARTS];
        uint64_t size;
        int n;

        for (n = inbound_parts(links->monitor, parts, 0, &size); n > 0;
                        n = inbound_parts(links->monitor, parts, 0, &size)) {
                uint16_t event = 0;
                uint32_t value = 0;

                if (zmq_msg_size(&parts[0]) >= sizeof(event) + sizeof(value)) {
                        const char *bytes = zmq_msg_data(&parts[0]);

                        memcpy(&event, bytes, sizeof(event));
                        memcpy(&value, bytes + sizeof(event), sizeof(value));
                        count_event(links, event);
                }
                if (event == ZMQ_EVENT_ACCEPTED) {
                        intake_opened(&links->intake, (int)value, links->bound.port,
                                        clock_read_ns(CLOCK_MONOTONIC));
                }
                for (int i = 0; i < n && i < INBOUND_PARTS; i++) {
                        zmq_msg_close(&parts[i]);
                }
        }
        tend_gate(links);
}

void inbound_rebind(struct links *links)
{
        int r = curve_serve(links->router, key_ring_used(links->ring));

        r = r < 0 ? r : bind_listener(links);

        links->is_deaf = r < 0;
        if (r < 0) {
                logger(LOGGER_ERROR, "mesh.deaf", L_ENDPOINT("listen", &links->bound),
                                L_TEXT("error", zmq_strerror(-r)),
                                L_TEXT("msg", "cannot listen with the new key yet; trying again"));
        }
}

void inbound_stop(struct links *links)
{
        struct link_counters *counters = &links->counters;
        char text[INBOUND_TEXT_SIZE];
        size_t size = sizeof(text);

        links_drain_monitor(links);
        links->is_touched = true;
        if (zmq_getsockopt(links->router, ZMQ_LAST_ENDPOINT, text, &size) == 0) {
                zmq_unbind(links->router, text);
        }
        /* What is cut by the end of a bind is told by no event. */
        links->n_open = 0;
        links->n_unfinished_dropped =
                        counters->accepted - counters->handshaken - counters->rejected;
}
