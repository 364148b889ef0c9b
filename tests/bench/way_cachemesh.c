/* SPDX-License-Identifier: MIT */
#include "tests/bench/way_cachemesh.h"

#include <stdlib.h>

#define WARM_UP_KEYS (1u << 15)
#define LIVE_NS UINT64_C(90000000000) /* alone, 12 s without an interruption */

size_t way_cachemesh_key(char ret_key[WAY_KEY_LEN + 1], uint64_t number)
{
        return (size_t)snprintf(
                        ret_key, WAY_KEY_LEN + 1, "b:%08x", (unsigned)(number % STAMPS_SIZE));
}

static void open_app(struct way_cachemesh *state)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .socket_path = state->mesh.nodes[0].socket,
                        .name = "bench",
        };
        struct cm_state now = {0};
        uint64_t end_ns = bench_now_ns() + LIVE_NS;
        int r = cm_open(&state->cm, &options);

        r = r == 0 ? cm_region_open(&state->region, state->cm, "bench", NULL) : r;
        r = r == 0 ? cm_batch_new(&state->batch, state->cm) : r;
        if (r != 0) {
                bench_die("libcachemesh: %s", cm_strerror(r));
        }
        while (cm_state(state->cm, &now) == 0 && now.mode != CM_LIVE) {
                if (bench_now_ns() > end_ns) {
                        bench_die("the first node does not become live: %s", now.reason);
                }
                bench_nap(1000000);
        }
}

uint64_t way_cachemesh_wait(struct way *way, uint64_t number)
{
        struct way_cachemesh *state = way->state;
        struct cm_result result = {0};
        uint64_t position;
        char key[WAY_KEY_LEN + 1];
        size_t len = way_cachemesh_key(key, number);
        int r = cm_invalidate(state->region, key, len, CM_WAIT_MESH, &result);

        if (r != 0 || result.n_applied != state->mesh.n_nodes - 1) {
                bench_die("not all nodes have applied %s: %s, %u did", key, cm_strerror(r),
                                result.n_applied);
        }
        position = result.position;
        cm_result_clear(&result);
        return position;
}

static void send_one(struct way *way, uint64_t number)
{
        struct way_cachemesh *state = way->state;
        char key[WAY_KEY_LEN + 1];
        size_t len = way_cachemesh_key(key, number);
        int r = cm_invalidate(state->region, key, len, CM_WAIT_NONE, NULL);

        if (r != 0) {
                bench_die("cm_invalidate: %s", cm_strerror(r));
        }
}

static void send_batch(struct way *way, uint64_t first, unsigned n)
{
        struct way_cachemesh *state = way->state;
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++) {
                char key[WAY_KEY_LEN + 1];
                size_t len = way_cachemesh_key(key, first + i);

                r = cm_batch_add_key(state->batch, state->region, key, len);
        }
        r = r == 0 ? cm_batch_publish(state->batch, CM_WAIT_NONE, 0, NULL) : r;
        if (r != 0) {
                bench_die("cm_batch_publish: %s", cm_strerror(r));
        }
}

/* The kernel makes a page's memory when it is first written; a node that has run
 * for a while has it. */
static void warm_up(struct way *way)
{
        for (unsigned i = 0; i < WARM_UP_KEYS; i += WAY_BATCH_MAX) {
                send_batch(way, i, WAY_BATCH_MAX);
        }
}

static void start(struct way *way, const struct way_options *options)
{
        struct way_cachemesh *state = calloc(1, sizeof(*state));
        int fds[WAY_RECEIVERS_MAX + 1] = {-1};

        if (!state) {
                bench_die("no memory");
        }
        for (unsigned i = 0; i < options->n_receivers; i++) {
                fds[i + 1] = way->stamp_fds[i];
        }
        mesh_start(&state->mesh, options->n_receivers + 1, options->meshd, options->meshctl,
                        &options->hosts, fds);
        way->state = state;
        open_app(state);
        warm_up(way);
        way->base = way_cachemesh_wait(way, 0) + 1;
}

static void stop(struct way *way)
{
        struct way_cachemesh *state = way->state;

        cm_batch_free(state->batch);
        cm_close(state->cm);
        mesh_stop(&state->mesh);
        free(state);
        way->state = NULL;
}

const struct way way_cachemesh = {.name = "cachemesh",
                .start = start,
                .stop = stop,
                .send = send_one,
                .send_batch = send_batch};
