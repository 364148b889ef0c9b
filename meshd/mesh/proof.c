/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/proof.h"

#include "base/time.h"
#include "meshd/io/clock.h"
#include "meshd/mesh/curve.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define TEXT_SIZE 80
#define WAIT_MS 5000

struct trial {
        void *server;
        void *monitor; /* of the server */
        void *client;
};

static void *open_socket(void *context, int type)
{
        void *socket = zmq_socket(context, type);
        int linger = 0;

        if (socket) {
                zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
        }
        return socket;
}

/* libzmq gives a name free some time after its socket was closed: each is used once. */
static void make_endpoint(const char *transport, char ret_text[TEXT_SIZE])
{
        snprintf(ret_text, TEXT_SIZE, "%scachemesh-proof-%d-%08x%08x", transport, (int)getpid(),
                        randombytes_random(), randombytes_random());
}

static int open_server(struct trial *trial, void *context, const struct key_ring *ring,
                const char *endpoint)
{
        char monitor[TEXT_SIZE];
        int r;

        make_endpoint("inproc://", monitor);
        trial->server = open_socket(context, ZMQ_ROUTER);
        trial->monitor = open_socket(context, ZMQ_PAIR);
        if (!trial->server || !trial->monitor) {
                return -errno;
        }
        r = curve_serve(trial->server, key_ring_used(ring));
        if (r < 0) {
                return r;
        }
        if (zmq_socket_monitor(trial->server, monitor,
                            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) < 0 ||
                        zmq_connect(trial->monitor, monitor) < 0 ||
                        zmq_bind(trial->server, endpoint) < 0) {
                return -errno;
        }
        return 0;
}

static int open_client(struct trial *trial, void *context, const struct key_ring *ring,
                bool is_stranger, const char *endpoint)
{
        const struct key_ring_entry *entry = key_ring_used(ring);
        uint8_t public[KEY_RING_CURVE_SIZE];
        uint8_t secret[KEY_RING_CURVE_SIZE];
        int r;

        trial->client = open_socket(context, ZMQ_DEALER);
        if (!trial->client) {
                return -errno;
        }
        if (is_stranger) {
                crypto_box_keypair(public, secret);
                r = curve_dial(trial->client, entry->server_public, public, secret);
                sodium_memzero(secret, sizeof(secret));
        } else {
                r = curve_dial(trial->client, entry->server_public, entry->client_public,
                                entry->client_secret);
        }
        if (r == 0 && zmq_connect(trial->client, endpoint) < 0) {
                r = -errno;
        }
        return r;
}

/* The first event decides: a refused client may come back before it is closed here. */
static int wait_for_event(struct trial *trial)
{
        uint64_t end_ns = clock_read_ns(CLOCK_MONOTONIC) + cmi_ms(WAIT_MS);
        zmq_pollitem_t item = {.socket = trial->monitor, .events = ZMQ_POLLIN};

        for (;;) {
                uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);
                uint8_t bytes[6];
                uint16_t event;

                if (now_ns >= end_ns) {
                        return -ETIMEDOUT;
                }
                if (zmq_poll(&item, 1, (long)((end_ns - now_ns) / CMI_NS_PER_MS) + 1) <= 0) {
                        continue;
                }
                if (zmq_recv(trial->monitor, bytes, sizeof(bytes), 0) != sizeof(bytes)) {
                        return -EPROTO;
                }
                memcpy(&event, bytes, sizeof(event));
                return event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? PROOF_ACCEPTED : PROOF_REFUSED;
        }
}

static void close_all(struct trial *trial)
{
        if (trial->client) {
                zmq_close(trial->client);
        }
        if (trial->server) {
                zmq_socket_monitor(trial->server, NULL, 0);
                zmq_close(trial->server);
        }
        if (trial->monitor) {
                zmq_close(trial->monitor);
        }
}

int proof_try(void *context, const struct key_ring *ring, bool is_stranger)
{
        struct trial trial = {0};
        char endpoint[TEXT_SIZE];
        int r;

        /* An abstract Unix socket: needs no network and leaves nothing behind. */
        make_endpoint("ipc://@", endpoint);
        r = open_server(&trial, context, ring, endpoint);
        r = r < 0 ? r : open_client(&trial, context, ring, is_stranger, endpoint);
        r = r < 0 ? r : wait_for_event(&trial);
        close_all(&trial);
        return r;
}
