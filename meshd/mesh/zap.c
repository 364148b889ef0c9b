/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/zap.h"

#include "meshd/mesh/curve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ENDPOINT "inproc://zeromq.zap.01"
#define VERSION "1.0"
#define PART_MAX 256

/* Parts of a request. */
enum part {
        PART_VERSION = 0,
        PART_REQUEST_ID,
        PART_DOMAIN,
        PART_ADDRESS,
        PART_ROUTING_ID,
        PART_MECHANISM,
        PART_KEY,
        N_PARTS,
};

struct request {
        uint8_t parts[N_PARTS][PART_MAX];
        size_t sizes[N_PARTS];
        bool is_whole; /* as many parts as there should be, none too long */
};

struct member_key {
        uint8_t client_public[KEY_RING_CURVE_SIZE];
        char fingerprint[KEY_RING_FINGERPRINT_SIZE];
};

struct zap {
        void *socket;
        pthread_t thread;
        atomic_int error;     /* why the thread has ended; 0: it has not */
        pthread_mutex_t lock; /* of what follows */
        uint32_t n_keys;
        struct member_key keys[CMI_KEYS_MAX];
};

void zap_set(struct zap *zap, const struct key_ring *ring)
{
        pthread_mutex_lock(&zap->lock);
        zap->n_keys = ring->file.n_keys;
        for (uint32_t i = 0; i < zap->n_keys; i++) {
                memcpy(zap->keys[i].client_public, ring->entries[i].client_public,
                                sizeof(zap->keys[i].client_public));
                memcpy(zap->keys[i].fingerprint, ring->entries[i].fingerprint,
                                sizeof(zap->keys[i].fingerprint));
        }
        pthread_mutex_unlock(&zap->lock);
}

static bool find(struct zap *zap, const uint8_t key[KEY_RING_CURVE_SIZE],
                char ret_fingerprint[KEY_RING_FINGERPRINT_SIZE])
{
        bool is_found = false;

        pthread_mutex_lock(&zap->lock);
        for (uint32_t i = 0; i < zap->n_keys; i++) {
                if (sodium_memcmp(key, zap->keys[i].client_public, KEY_RING_CURVE_SIZE) == 0) {
                        memcpy(ret_fingerprint, zap->keys[i].fingerprint,
                                        KEY_RING_FINGERPRINT_SIZE);
                        is_found = true;
                }
        }
        pthread_mutex_unlock(&zap->lock);
        return is_found;
}

/* Return: 0, or a negative errno when the context ends. */
static int receive(void *socket, struct request *request)
{
        bool has_more = true;
        int n = 0;

        request->is_whole = true;
        for (; has_more; n++) {
                uint8_t surplus[PART_MAX];
                int more = 0;
                size_t size = sizeof(more);
                int r;

                do {
                        r = zmq_recv(socket, n < N_PARTS ? request->parts[n] : surplus, PART_MAX,
                                        0);
                } while (r < 0 && errno == EINTR);
                if (r < 0 || zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) < 0) {
                        return -errno;
                }
                request->is_whole = request->is_whole && r <= PART_MAX && n < N_PARTS;
                if (n < N_PARTS) {
                        request->sizes[n] = r <= PART_MAX ? (size_t)r : 0;
                }
                has_more = more != 0;
        }
        for (; n < N_PARTS; n++) {
                request->sizes[n] = 0;
                request->is_whole = false;
        }
        return 0;
}

static bool is_text(const struct request *request, enum part part, const char *text)
{
        return request->sizes[part] == strlen(text) &&
               memcmp(request->parts[part], text, strlen(text)) == 0;
}

static bool is_allowed(struct zap *zap, const struct request *request,
                char ret_fingerprint[KEY_RING_FINGERPRINT_SIZE])
{
        return request->is_whole && is_text(request, PART_VERSION, VERSION) &&
               is_text(request, PART_DOMAIN, CURVE_DOMAIN) &&
               is_text(request, PART_MECHANISM, "CURVE") &&
               request->sizes[PART_KEY] == KEY_RING_CURVE_SIZE &&
               find(zap, request->parts[PART_KEY], ret_fingerprint);
}

static int reply(void *socket, const struct request *request, const char *user)
{
        const struct {
                const void *data;
                size_t size;
        } parts[] = {
                        {VERSION, strlen(VERSION)},
                        {request->parts[PART_REQUEST_ID], request->sizes[PART_REQUEST_ID]},
                        {user ? "200" : "400", 3}, {"", 0},
                        {user ? user : "", user ? strlen(user) : 0}, {"", 0}, /* metadata */
        };
        const size_t n = sizeof(parts) / sizeof(parts[0]);

        for (size_t i = 0; i < n; i++) {
                int r;

                do {
                        r = zmq_send(socket, parts[i].data, parts[i].size,
                                        i + 1 < n ? ZMQ_SNDMORE : 0);
                } while (r < 0 && errno == EINTR);
                if (r < 0) {
                        return -errno;
                }
        }
        return 0;
}

static void *run(void *argument)
{
        struct zap *zap = argument;
        struct request request;
        int r = receive(zap->socket, &request);

        while (r == 0) {
                char fingerprint[KEY_RING_FINGERPRINT_SIZE];
                bool is_let_in = is_allowed(zap, &request, fingerprint);

                r = reply(zap->socket, &request, is_let_in ? fingerprint : NULL);
                r = r < 0 ? r : receive(zap->socket, &request);
        }
        zmq_close(zap->socket);
        atomic_store(&zap->error, r);
        return NULL;
}

int zap_error(const struct zap *zap)
{
        return atomic_load(&zap->error);
}

/* Signals are the main thread's. */
static int start_thread(struct zap *zap)
{
        sigset_t all;
        sigset_t before;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&zap->thread, NULL, run, zap);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}

int zap_start(struct zap **ret_zap, void *context, const struct key_ring *ring)
{
        struct zap *zap = calloc(1, sizeof(*zap));
        int linger = 0;
        int r = 0;

        if (!zap) {
                return -ENOMEM;
        }
        pthread_mutex_init(&zap->lock, NULL);
        zap_set(zap, ring);
        zap->socket = zmq_socket(context, ZMQ_REP);
        if (!zap->socket || zmq_setsockopt(zap->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
                        zmq_bind(zap->socket, ENDPOINT) < 0) {
                r = -errno;
        }
        r = r < 0 ? r : start_thread(zap);
        if (r < 0) {
                if (zap->socket) {
                        zmq_close(zap->socket);
                }
                pthread_mutex_destroy(&zap->lock);
                free(zap);
                return r;
        }
        *ret_zap = zap;
        return 0;
}

struct zap *zap_join(struct zap *zap)
{
        if (zap) {
                pthread_join(zap->thread, NULL);
                pthread_mutex_destroy(&zap->lock);
                free(zap);
        }
        return NULL;
}
