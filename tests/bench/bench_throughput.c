/* SPDX-License-Identifier: MIT */
/*
 * How many keys one app can invalidate in a second, until every other node has applied the last
 * of them: in batches, or with one call for each key. cachemesh's receivers count themselves
 * (meshctl stats): a key that was not applied, merged with another or covered by "forget
 * everything" fails the run.
 */
#include "tests/bench/way_cachemesh.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW (1u << 15) /* keys on their way that the others may have; cachemesh limits itself */
#define NAP_NS 50000
#define LOST_NS UINT64_C(10000000000)

struct options {
        struct way_options way;
        unsigned batch; /* keys; 1: single calls */
        double seconds;
};

struct counters {
        uint64_t keys[WAY_RECEIVERS_MAX + 1];
        uint64_t cpu_ns[WAY_RECEIVERS_MAX + 1];
        uint64_t forgot;
        uint64_t resets;
};

static uint64_t least_received(const struct way *way, unsigned n_receivers)
{
        uint64_t least = UINT64_MAX;

        for (unsigned i = 0; i < n_receivers; i++) {
                uint64_t n = atomic_load_explicit(&way->stamps[i]->n, memory_order_acquire);

                least = n < least ? n : least;
        }
        return least;
}

static void await_received(const struct way *way, unsigned n_receivers, uint64_t n)
{
        uint64_t end_ns = bench_now_ns() + LOST_NS;

        while (least_received(way, n_receivers) < n) {
                if (bench_now_ns() > end_ns) {
                        bench_die("%s: %llu of %llu keys arrived", way->name,
                                        (unsigned long long)least_received(way, n_receivers),
                                        (unsigned long long)n);
                }
                bench_nap(NAP_NS);
        }
}

static void send(struct way *way, const struct options *options, uint64_t first)
{
        if (options->batch > 1) {
                way->send_batch(way, first, options->batch);
        } else {
                way->send(way, first);
        }
}

static uint64_t run_others(struct way *way, const struct options *options, uint64_t end_ns)
{
        uint64_t n = 0;

        while (bench_now_ns() < end_ns) {
                send(way, options, n);
                n += options->batch;
                if (n > WINDOW) {
                        await_received(way, options->way.n_receivers, n - WINDOW);
                }
        }
        await_received(way, options->way.n_receivers, n);
        return n;
}

static uint64_t run_cachemesh(struct way *way, const struct options *options, uint64_t end_ns)
{
        uint64_t n = 0;

        while (bench_now_ns() < end_ns) {
                send(way, options, n);
                n += options->batch;
        }
        way_cachemesh_wait(way, n);
        return n + 1;
}

static void count(const struct way *way, struct counters *ret_counters)
{
        const struct way_cachemesh *state = way->state;

        *ret_counters = (struct counters){0};
        for (unsigned i = 0; i < state->mesh.n_nodes; i++) {
                ret_counters->keys[i] = mesh_counter(
                                &state->mesh, i, i == 0 ? "published_keys" : "applied_keys");
                ret_counters->cpu_ns[i] = bench_cpu_ns(state->mesh.nodes[i].pid);
                ret_counters->forgot += mesh_counter(&state->mesh, i, "forgot");
                ret_counters->resets += mesh_counter(&state->mesh, i, "resets_sent");
        }
}

static void check(const struct way *way, const struct counters *before,
                const struct counters *after, uint64_t n)
{
        const struct way_cachemesh *state = way->state;

        for (unsigned i = 0; i < state->mesh.n_nodes; i++) {
                if (after->keys[i] - before->keys[i] != n) {
                        bench_die("node %u has counted %llu keys of %llu", i + 1,
                                        (unsigned long long)(after->keys[i] - before->keys[i]),
                                        (unsigned long long)n);
                }
        }
        if (after->forgot != before->forgot || after->resets != before->resets) {
                bench_die("%llu times everything was forgotten",
                                (unsigned long long)(after->forgot - before->forgot));
        }
}

/* Processor time of the daemons for one key: of the app's own node, and of one other. */
static void print_cost(const struct counters *before, const struct counters *after, uint64_t n)
{
        printf(", \"origin_ns_per_key\": %.0f, \"receiver_ns_per_key\": %.0f",
                        (double)(after->cpu_ns[0] - before->cpu_ns[0]) / (double)n,
                        (double)(after->cpu_ns[1] - before->cpu_ns[1]) / (double)n);
}

static void run(struct way *way, const struct options *options)
{
        struct counters before = {0};
        struct counters after = {0};
        uint64_t start_ns, end_ns, n;
        int is_cachemesh = strcmp(way->name, "cachemesh") == 0;

        if (is_cachemesh) {
                count(way, &before);
        }
        start_ns = bench_now_ns();
        end_ns = start_ns + (uint64_t)(options->seconds * 1e9);
        n = is_cachemesh ? run_cachemesh(way, options, end_ns) : run_others(way, options, end_ns);
        end_ns = bench_now_ns();
        printf("{\"way\": \"%s\", \"receivers\": %u, \"batch\": %u, \"keys\": %llu, \"per_s\": "
               "%.0f",
                        way->name, options->way.n_receivers, options->batch, (unsigned long long)n,
                        (double)n * 1e9 / (double)(end_ns - start_ns));
        if (is_cachemesh) {
                count(way, &after);
                check(way, &before, &after, n);
                print_cost(&before, &after, n);
        }
        printf("}\n");
}

static void usage(void)
{
        bench_die("usage: bench_throughput cachemesh|redis|nats [--receivers N] [--batch KEYS] "
                  "[--seconds S]\n"
                  "                        [--meshd FILE] [--meshctl FILE] [--address PORT] "
                  "[--local FILE]");
}

static void parse(int argc, char **argv, struct options *options)
{
        static const struct option known[] = {
                        {"batch", required_argument, NULL, 'b'},
                        {"seconds", required_argument, NULL, 's'},
                        WAY_OPTIONS,
                        {0},
        };
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
                switch (option) {
                case 'b':
                        options->batch = (unsigned)atoi(optarg);
                        break;
                case 's':
                        options->seconds = atof(optarg);
                        break;
                default:
                        if (!way_option(&options->way, option, optarg)) {
                                usage();
                        }
                }
        }
        if (options->batch < 1 || options->batch > WAY_BATCH_MAX || options->seconds <= 0) {
                usage();
        }
}

int main(int argc, char **argv)
{
        struct options options = {.way.n_receivers = 1, .batch = WAY_BATCH_MAX, .seconds = 2};
        static const struct way *const ways[] = {&way_cachemesh, &way_redis, &way_nats};
        struct way way;

        bench_start();
        parse(argc, argv, &options);
        if (!way_find(ways, sizeof(ways) / sizeof(ways[0]), argv[optind], &way)) {
                usage();
        }
        way_start(&way, &options.way);
        run(&way, &options);
        way.stop(&way);
        return 0;
}
