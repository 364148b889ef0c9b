/* SPDX-License-Identifier: MIT */
#include "tests/sim/options.h"

#define PICK(random, ...)                                                                          \
        ((const uint64_t[]){__VA_ARGS__}[random_below(                                             \
                        random, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))])

static void draw_timers(struct options *options, struct random *random)
{
        options->lease_ns = cmi_ms(PICK(random, 100, 200, 400, 1000));
        options->gone_ns = options->lease_ns * PICK(random, 2, 3, 3);
        options->margin_ns = cmi_ms(PICK(random, 1, 1, 8));
        options->drift_ppm = PICK(random, 1000, 20000, 50000, 50000);
        options->start_ns = options->lease_ns * 6 / 5;
        options->alone_ns = options->lease_ns * 4;
        options->tick_ns = cmi_ms(PICK(random, 1, 4));
        options->turn_ns = CMI_NS_PER_US * PICK(random, 20, 200, 2000);
}

static void draw_network(struct options *options, struct random *random)
{
        options->latency_ns = CMI_NS_PER_US * PICK(random, 20, 200, 2000, 20000);
        if (options->latency_ns > options->lease_ns / 20) {
                options->latency_ns = options->lease_ns / 20;
        }
        options->jitter_ns = options->latency_ns * PICK(random, 1, 2);
        options->spike_ppm = (uint32_t)PICK(random, 0, 0, 1000, 20000);
        options->spike_ns = options->lease_ns * PICK(random, 1, 2) / 2;
        options->break_ppm = (uint32_t)PICK(random, 0, 0, 5000, 100000);
        options->queue_max = (uint32_t)PICK(random, 3, 8, 64, 64);
        options->retry_ns = options->lease_ns / PICK(random, 1, 10);
        options->discover_ns = options->lease_ns / 2;
        options->log_size = 256u << 10;
}

static void draw_apps(struct options *options, struct random *random)
{
        options->n_apps = (uint32_t)PICK(random, 1, 1, 2);
        options->n_readers = (uint32_t)PICK(random, 1, 2, 2, 3);
        options->n_keys = (uint32_t)PICK(random, 1, 2, 4, 6);
        options->n_tags = (uint32_t)random_between(random, 1, 2);
        options->read_ns = options->lease_ns / PICK(random, 10, 30, 100);
        options->load_ns = options->lease_ns / PICK(random, 1, 10, 100);
        options->pause_ppm = (uint32_t)PICK(random, 0, 10000, 50000);
        options->pause_ns = options->lease_ns * PICK(random, 1, 4) / 2;
        options->write_ns = options->lease_ns * PICK(random, 1, 3, 12) / 3;
        options->announce_ns = options->lease_ns / PICK(random, 2, 20, 1000);
        options->wait_mesh_ppm = (uint32_t)PICK(random, 200000, 500000, 900000);
        options->wide_ppm = (uint32_t)PICK(random, 0, 100000, 300000);
        options->unknown_ppm = (uint32_t)PICK(random, 0, 0, 50000);
        options->fat_ppm = (uint32_t)PICK(random, 0, 0, 0, 300000, 700000);
        options->intent_ppm = (uint32_t)PICK(random, 0, 0, 0, 500000);
        options->dying_ppm = (uint32_t)PICK(random, 0, 300000, 800000);
}

static void draw_faults(struct options *options, struct random *random)
{
        options->interrupt_ppm = (uint32_t)PICK(random, 0, 500, 5000);
        options->tear_ppm = (uint32_t)PICK(random, 0, 0, 5000, 50000);
        options->chaos_ns = options->lease_ns * PICK(random, 20, 40);
        options->fault_ns = options->lease_ns * PICK(random, 1, 3, 10) / 2;
        options->fault_max_ns = options->gone_ns * PICK(random, 1, 2, 3);
        for (uint32_t i = 0; i < FAULT_KINDS; i++) {
                options->weights[i] = (uint32_t)PICK(random, 0, 0, 1, 3);
        }
}

void options_draw(struct options *options, struct random *random)
{
        *options = (struct options){0};
        options->n_nodes = (uint32_t)PICK(random, 2, 3, 3, 3, 4, 5);
        draw_timers(options, random);
        draw_network(options, random);
        draw_apps(options, random);
        draw_faults(options, random);
}
