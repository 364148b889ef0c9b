/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/curve.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

/* A name of libzmq's draft header, and honoured by its releases: without it a missing handler would
 * mean that everybody is let in. */
#define ENFORCE_DOMAIN 93

static int set(void *socket, int option, const void *value, size_t size)
{
        return zmq_setsockopt(socket, option, value, size) < 0 ? -errno : 0;
}

int curve_serve(void *socket, const struct key_ring_entry *entry)
{
        int on = 1;
        int r = set(socket, ZMQ_CURVE_SERVER, &on, sizeof(on));

        r = r < 0 ? r
                  : set(socket, ZMQ_CURVE_SECRETKEY, entry->server_secret,
                                    sizeof(entry->server_secret));
        r = r < 0 ? r : set(socket, ZMQ_ZAP_DOMAIN, CURVE_DOMAIN, strlen(CURVE_DOMAIN));
#ifdef CM_MUTANT_ZAP_UNENFORCED
        return r;
#else
        return r < 0 ? r : set(socket, ENFORCE_DOMAIN, &on, sizeof(on));
#endif
}

int curve_dial(void *socket, const uint8_t server_public[KEY_RING_CURVE_SIZE],
                const uint8_t client_public[KEY_RING_CURVE_SIZE],
                const uint8_t client_secret[KEY_RING_CURVE_SIZE])
{
        int r = set(socket, ZMQ_CURVE_SERVERKEY, server_public, KEY_RING_CURVE_SIZE);

        r = r < 0 ? r : set(socket, ZMQ_CURVE_PUBLICKEY, client_public, KEY_RING_CURVE_SIZE);
        return r < 0 ? r : set(socket, ZMQ_CURVE_SECRETKEY, client_secret, KEY_RING_CURVE_SIZE);
}
