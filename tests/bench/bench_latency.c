/* SPDX-License-Identifier: MIT */
/*
 * From the begin of the call that says "this key has changed" to the moment the last of N other
 * processes knows it. Closed loop (one message at a time, seen by all before the next) or at a
 * fixed rate. The receivers write the time into test pages; this program sleeps between looks, so
 * it takes no processor from them. See bench.h for the rest.
 */
#include "tests/bench/way_cachemesh.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_NS 40000
#define LOST_NS UINT64_C(5000000000)
#define WARM_UP 200 /* messages that are not counted */

struct options {
        struct way_options way;
        unsigned count;
        unsigned rate;   /* per second; 0: closed loop */
        bool is_waiting; /* CM_WAIT_MESH: the caller's own round trip */
};

static const struct way *const ways[] = {
                &way_unix, &way_zmq, &way_chain, &way_cachemesh, &way_redis, &way_nats};

/* When the last receiver had it; 0: not yet. */
static uint64_t arrival_ns(const struct way *way, unsigned n_receivers, uint64_t number)
{
        uint64_t last_ns = 0;

        for (unsigned i = 0; i < n_receivers; i++) {
                uint64_t at_ns = atomic_load_explicit(
                                &way->stamps[i]->at_ns[(way->base + number) % STAMPS_SIZE],
                                memory_order_acquire);

                if (at_ns == 0) {
                        return 0;
                }
                last_ns = at_ns > last_ns ? at_ns : last_ns;
        }
        return last_ns;
}

static uint64_t await(const struct way *way, unsigned n_receivers, uint64_t number)
{
        uint64_t end_ns = bench_now_ns() + LOST_NS;
        uint64_t at_ns;

        while ((at_ns = arrival_ns(way, n_receivers, number)) == 0) {
                if (bench_now_ns() > end_ns) {
                        bench_die("%s: message %llu was lost", way->name,
                                        (unsigned long long)number);
                }
                bench_nap(LOOK_NS);
        }
        return at_ns;
}

static void run_closed(struct way *way, const struct options *options, uint64_t *ret_samples)
{
        for (uint64_t i = 0; i < options->count; i++) {
                uint64_t begin_ns = bench_now_ns();

                way->send(way, i);
                bench_nap(LOOK_NS);
                ret_samples[i] = await(way, options->way.n_receivers, i) - begin_ns;
        }
}

static void run_open(struct way *way, const struct options *options, uint64_t *ret_samples)
{
        uint64_t start_ns = bench_now_ns();

        for (uint64_t i = 0; i < options->count; i++) {
                uint64_t due_ns = start_ns + i * 1000000000 / options->rate;
                uint64_t now_ns = bench_now_ns();

                if (due_ns > now_ns) {
                        bench_nap(due_ns - now_ns);
                        now_ns = bench_now_ns();
                }
                ret_samples[i] = now_ns;
                way->send(way, i);
        }
        for (uint64_t i = 0; i < options->count; i++) {
                ret_samples[i] = await(way, options->way.n_receivers, i) - ret_samples[i];
        }
}

static void run_waiting(struct way *way, const struct options *options, uint64_t *ret_samples)
{
        for (uint64_t i = 0; i < options->count; i++) {
                uint64_t begin_ns = bench_now_ns();

                way_cachemesh_wait(way, i);
                ret_samples[i] = bench_now_ns() - begin_ns;
                bench_nap(LOOK_NS);
        }
}

static void run(struct way *way, const struct options *options)
{
        uint64_t *samples = calloc(options->count, sizeof(*samples));
        uint64_t start_ns = bench_now_ns();
        unsigned skipped = options->count > 10 * WARM_UP ? WARM_UP : 0;
        size_t n = options->count - skipped;
        double seconds;

        if (options->is_waiting) {
                run_waiting(way, options, samples);
        } else if (options->rate > 0) {
                run_open(way, options, samples);
        } else {
                run_closed(way, options, samples);
        }
        seconds = (double)(bench_now_ns() - start_ns) / 1e9;
        bench_sort(samples + skipped, n);
        printf("{\"way\": \"%s%s\", \"receivers\": %u, \"rate\": %u, \"count\": %u, \"per_s\": "
               "%.0f, \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.1f}\n",
                        way->name, options->is_waiting ? "-wait" : "", options->way.n_receivers,
                        options->rate, options->count, options->count / seconds,
                        (double)bench_percentile(samples + skipped, n, 50) / 1e3,
                        (double)bench_percentile(samples + skipped, n, 90) / 1e3,
                        (double)bench_percentile(samples + skipped, n, 99) / 1e3,
                        (double)samples[options->count - 1] / 1e3);
        free(samples);
}

static void usage(void)
{
        bench_die("usage: bench_latency WAY [--receivers N] [--count N] [--rate PER_SECOND] "
                  "[--wait]\n"
                  "                     [--meshd FILE] [--meshctl FILE] [--address PORT] [--local "
                  "FILE]\n"
                  "WAY: unix, zmq, chain, cachemesh, redis or nats");
}

static void parse(int argc, char **argv, struct options *options)
{
        static const struct option known[] = {
                        {"count", required_argument, NULL, 'c'},
                        {"rate", required_argument, NULL, 'f'},
                        {"wait", no_argument, NULL, 'w'},
                        WAY_OPTIONS,
                        {0},
        };
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
                switch (option) {
                case 'c':
                        options->count = (unsigned)atoi(optarg);
                        break;
                case 'f':
                        options->rate = (unsigned)atoi(optarg);
                        break;
                case 'w':
                        options->is_waiting = true;
                        break;
                default:
                        if (!way_option(&options->way, option, optarg)) {
                                usage();
                        }
                }
        }
        if (options->count < 1 || options->count > STAMPS_SIZE - 1) {
                usage();
        }
}

int main(int argc, char **argv)
{
        struct options options = {.way.n_receivers = 1, .count = 20000};
        struct way way;

        bench_start();
        parse(argc, argv, &options);
        if (!way_find(ways, sizeof(ways) / sizeof(ways[0]), argv[optind], &way)) {
                usage();
        }
        if (options.is_waiting && strcmp(way.name, "cachemesh") != 0) {
                usage();
        }
        way_start(&way, &options.way);
        run(&way, &options);
        way.stop(&way);
        return 0;
}
