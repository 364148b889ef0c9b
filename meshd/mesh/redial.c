/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/redial.h"

#include "base/time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The keys of a link's own connection, and what is tried beside it. */
struct way {
        struct cmi_endpoint endpoint;
        char server[KEY_RING_FINGERPRINT_SIZE];
        char client[KEY_RING_FINGERPRINT_SIZE];
        void *trials[CMI_KEYS_MAX]; /* by index of the server's key in the ring */
        uint64_t until_ns;          /* when trials end, or may begin again */
};

struct redial {
        struct way *ways;
        uint32_t n_links;
        uint32_t n_trials;
        uint64_t rekeyed_ns;
};

int redial_new(struct redial **ret_redial, uint32_t n_links)
{
        struct redial *redial = calloc(1, sizeof(*redial));

        if (redial) {
                redial->n_links = n_links;
                redial->ways = calloc(n_links, sizeof(*redial->ways));
        }
        if (!redial || !redial->ways) {
                free(redial);
                return -ENOMEM;
        }
        *ret_redial = redial;
        return 0;
}

static bool has_trials(const struct way *way)
{
        return way->trials[0] || way->trials[1] || way->trials[2];
}

static void close_trials(struct redial *redial, struct way *way)
{
        for (int i = 0; i < CMI_KEYS_MAX; i++) {
                if (way->trials[i]) {
                        zmq_close(way->trials[i]);
                        way->trials[i] = NULL;
                        redial->n_trials--;
                }
        }
}

struct redial *redial_free(struct redial *redial)
{
        if (redial) {
                for (uint32_t i = 0; i < redial->n_links; i++) {
                        close_trials(redial, &redial->ways[i]);
                }
                free(redial->ways);
                free(redial);
        }
        return NULL;
}

static void note_keys(struct way *way, const char *server, const char *client)
{
        memcpy(way->server, server, sizeof(way->server));
        memcpy(way->client, client, sizeof(way->client));
}

void redial_begin(struct redial *redial, uint32_t link, const struct cmi_endpoint *endpoint,
                const struct key_ring *ring)
{
        struct way *way = &redial->ways[link];
        const char *used = key_ring_used(ring)->fingerprint;

        way->endpoint = *endpoint;
        way->until_ns = 0;
        note_keys(way, used, used);
}

void redial_end(struct redial *redial, uint32_t link)
{
        close_trials(redial, &redial->ways[link]);
}

/* What is tried is tried with the keys of before. */
void redial_rekey(struct redial *redial, uint64_t now_ns)
{
        redial->rekeyed_ns = now_ns;
        for (uint32_t i = 0; i < redial->n_links; i++) {
                close_trials(redial, &redial->ways[i]);
                redial->ways[i].until_ns = 0;
        }
}

/*
 * With ZMQ_IMMEDIATE a socket has room only once its connection has been taken in. No room may also
 * mean a full queue: then the other keys are tried in vain.
 */
static bool is_taken_in(void *socket)
{
        int events = 0;
        size_t size = sizeof(events);

        return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLOUT);
}

static void replace(struct links *links, uint32_t link, void *socket, int linger_ms)
{
        zmq_setsockopt(links->dealers[link], ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
        zmq_close(links->dealers[link]);
        links->dealers[link] = socket;
        links->counters.rekeyed++;
}

static bool adopt(struct links *links, uint32_t link)
{
        struct redial *redial = links->redial;
        struct way *way = &redial->ways[link];

        for (uint32_t i = 0; i < links->ring->file.n_keys; i++) {
                if (way->trials[i] && is_taken_in(way->trials[i])) {
                        replace(links, link, way->trials[i], REDIAL_DRAIN_MS);
                        way->trials[i] = NULL;
                        redial->n_trials--;
                        note_keys(way, links->ring->entries[i].fingerprint,
                                        key_ring_used(links->ring)->fingerprint);
                        close_trials(redial, way);
                        way->until_ns = 0;
                        return true;
                }
        }
        return false;
}

static void try_keys(struct links *links, struct way *way, bool is_old)
{
        struct redial *redial = links->redial;

        for (uint32_t i = 0; i < links->ring->file.n_keys; i++) {
                const struct key_ring_entry *server = &links->ring->entries[i];

                if (way->trials[i] || redial->n_trials >= REDIAL_TRIALS_MAX ||
                                (!is_old && strcmp(server->fingerprint, way->server) == 0)) {
                        continue;
                }
                if (links_make_dealer(links, &way->endpoint, server, &way->trials[i]) == 0) {
                        redial->n_trials++;
                }
        }
}

/* Neither of a link's keys may be one that was removed. */
static void end_doomed(struct links *links, uint32_t link, uint64_t now_ns)
{
        struct way *way = &links->redial->ways[link];
        void *socket;

        if (now_ns < links->redial->rekeyed_ns + cmi_ms(REDIAL_DOOMED_MS) ||
                        (key_ring_has(links->ring, way->server) &&
                                        key_ring_has(links->ring, way->client))) {
                return;
        }
        if (links_make_dealer(links, &way->endpoint, key_ring_used(links->ring), &socket) == 0) {
                const char *used = key_ring_used(links->ring)->fingerprint;

                replace(links, link, socket, 0);
                note_keys(way, used, used);
        }
}

static void tend_trials(struct links *links, struct way *way, bool is_old, uint64_t now_ns)
{
        struct redial *redial = links->redial;

        if (now_ns >= way->until_ns) {
                if (has_trials(way)) {
                        close_trials(redial, way);
                } else {
                        try_keys(links, way, is_old);
                }
                way->until_ns = now_ns + cmi_ms(REDIAL_TRIAL_MS);
        }
}

static bool tend(struct links *links, uint32_t link, uint64_t now_ns)
{
        struct way *way = &links->redial->ways[link];
        bool is_old = strcmp(way->client, key_ring_used(links->ring)->fingerprint) != 0 ||
                      !key_ring_has(links->ring, way->server);

        if (adopt(links, link)) {
                return false;
        }
        if (is_old || (links->ring->file.n_keys > 1 && !is_taken_in(links->dealers[link]))) {
                tend_trials(links, way, is_old, now_ns);
        } else {
                close_trials(links->redial, way);
                way->until_ns = 0;
        }
        if (is_old) {
                end_doomed(links, link, now_ns);
        }
        return is_old || has_trials(way);
}

bool redial_turn(struct links *links, uint64_t now_ns)
{
        bool is_busy = links->ring->file.n_keys > 1;

        for (uint32_t i = 0; i < links->dealer_limit; i++) {
                if (links->dealers[i]) {
                        is_busy |= tend(links, i, now_ns);
                }
        }
        return is_busy;
}
