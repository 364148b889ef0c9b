/* SPDX-License-Identifier: MIT */
/* meshsim: the whole mesh in one thread, from a seed. It prints TAP. */
#include "meshd/core/mutant.h"
#include "tests/sim/simulation.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TWICE_EVERY 100 /* seeds: each such one is run twice, and must be the same */

#ifdef CM_MUTANTS_CHOSEN
enum mutant mutant_chosen;
#endif

static const char *const mutant_names[] = {[MUTANT_NONE] = "NONE",
#define MUTANT_NAME(name) [MUTANT_##name] = #name,
                MUTANT_LIST(MUTANT_NAME)
#undef MUTANT_NAME
};

struct arguments {
        uint64_t first;
        uint64_t n_seeds;
        uint64_t until_ns;
        bool is_tracing;
        bool is_verbose;
        enum mutant mutant; /* must be found */
};

static void usage(FILE *file)
{
        fputs("usage: meshsim [--seed S] [--seeds N] [--until T] [--trace] [--verbose] [--mutant "
              "NAME]\n"
              "\n"
              "Runs seeds S (1) to S + N - 1 (N is 1). A seed that violates an invariant is "
              "printed with its\n"
              "last events; 'meshsim --seed S --trace' replays it, up to virtual second T.\n"
              "\n"
              "  --mutant NAME  plant this bug, and pass when one of the seeds finds it (in "
              "meshsim-mutants only)\n"
              "  --verbose      what was simulated, and how fast\n"
              "\n"
              "Exit status: 0 passed, 1 failed, 2 usage.\n",
                        file);
}

static enum mutant find_mutant(const char *name)
{
        for (size_t i = 1; i < sizeof(mutant_names) / sizeof(mutant_names[0]); i++) {
                if (strcmp(mutant_names[i], name) == 0) {
                        return (enum mutant)i;
                }
        }
        return MUTANT_NONE;
}

static int parse_arguments(int argc, char **argv, struct arguments *ret_arguments)
{
        static const struct option options[] = {
                        {"seed", required_argument, NULL, 's'},
                        {"seeds", required_argument, NULL, 'n'},
                        {"until", required_argument, NULL, 'u'},
                        {"trace", no_argument, NULL, 't'},
                        {"verbose", no_argument, NULL, 'v'},
                        {"mutant", required_argument, NULL, 'm'},
                        {"help", no_argument, NULL, 'h'},
                        {0},
        };
        int c;

        *ret_arguments = (struct arguments){.first = 1, .n_seeds = 1, .until_ns = UINT64_MAX};
        while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                switch (c) {
                case 's':
                        ret_arguments->first = strtoull(optarg, NULL, 10);
                        break;
                case 'n':
                        ret_arguments->n_seeds = strtoull(optarg, NULL, 10);
                        break;
                case 'u':
                        ret_arguments->until_ns = (uint64_t)(strtod(optarg, NULL) * 1e9);
                        break;
                case 't':
                        ret_arguments->is_tracing = true;
                        break;
                case 'v':
                        ret_arguments->is_verbose = true;
                        break;
                case 'm':
                        ret_arguments->mutant = find_mutant(optarg);
                        if (ret_arguments->mutant == MUTANT_NONE) {
                                fprintf(stderr, "meshsim: no mutant is named %s\n", optarg);
                                return 2;
                        }
                        break;
                case 'h':
                        usage(stdout);
                        exit(0);
                default:
                        usage(stderr);
                        return 2;
                }
        }
        return 0;
}

static void print_last_lines(struct world *world)
{
        uint64_t from = world->n_lines > TRACE_LINES ? world->n_lines - TRACE_LINES : 0;

        for (uint64_t i = from; i < world->n_lines; i++) {
                printf("# %s\n", world->lines[i % TRACE_LINES]);
        }
}

/* A run is cheap, so its events are recorded when it is known that somebody wants to read them. */
static void explain(struct world *world, uint64_t seed)
{
        if (!world->is_tracing) {
                world->is_recording = true;
                simulation_run(world, seed);
                world->is_recording = false;
                print_last_lines(world);
        }
        printf("# seed %llu: %s\n", (unsigned long long)seed, world->violation);
}

static bool run_seed(struct world *world, uint64_t seed)
{
        uint64_t digest;

        if (!simulation_run(world, seed)) {
                return false;
        }
        digest = world->digest;
        if (seed % TWICE_EVERY == 0 && simulation_run(world, seed) && digest != world->digest) {
                violation(world, "a second run of this seed is another history");
        }
        return !world->is_violated;
}

static void print_tally(const struct world *world, double seconds)
{
        const struct tally *tally = &world->tally;
        double simulated = (double)tally->virtual_ns / 1e9;

        printf("# %.0f s simulated in %.1f s: %.0f times real time\n", simulated, seconds,
                        simulated / seconds);
        printf("# events %llu, calls %llu, interrupted %llu, cut off in the log %llu, frames %llu, "
               "starts %llu, faults %llu\n",
                        (unsigned long long)tally->n_events, (unsigned long long)tally->n_calls,
                        (unsigned long long)tally->n_interrupts, (unsigned long long)tally->n_torn,
                        (unsigned long long)tally->n_frames, (unsigned long long)tally->n_starts,
                        (unsigned long long)tally->n_faults);
        printf("# intents held %llu, ended late %llu\n", (unsigned long long)tally->n_intents,
                        (unsigned long long)tally->n_late_ends);
        printf("# hits %llu, misses %llu, writes %llu, waits: 0 %llu, PARTIAL %llu, PENDING %llu, "
               "TIMEOUT %llu, forgot %llu, RESET %llu\n",
                        (unsigned long long)tally->n_hits, (unsigned long long)tally->n_misses,
                        (unsigned long long)tally->n_writes,
                        (unsigned long long)tally->n_acknowledged,
                        (unsigned long long)tally->n_partial, (unsigned long long)tally->n_pending,
                        (unsigned long long)tally->n_timeouts, (unsigned long long)tally->n_forgot,
                        (unsigned long long)tally->n_resets);
}

static double elapsed(const struct timespec *since)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)(now.tv_sec - since->tv_sec) + (double)(now.tv_nsec - since->tv_nsec) / 1e9;
}

static int run_mutant(struct world *world, const struct arguments *arguments)
{
        const char *name = mutant_names[arguments->mutant];

#ifdef CM_MUTANTS_CHOSEN
        mutant_chosen = arguments->mutant;
#endif
        puts("1..1");
        for (uint64_t i = 0; i < arguments->n_seeds; i++) {
                if (!run_seed(world, arguments->first + i)) {
                        printf("ok 1 - %s is found by seed %llu\n# %s\n", name,
                                        (unsigned long long)(i + 1), world->violation);
                        return 0;
                }
        }
        printf("not ok 1 - %s is found within %llu seeds\n", name,
                        (unsigned long long)arguments->n_seeds);
        return 1;
}

static int run_seeds(struct world *world, const struct arguments *arguments)
{
        struct timespec begin;
        uint64_t n_failed = 0;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        puts("1..1");
        for (uint64_t i = 0; i < arguments->n_seeds && n_failed < 5; i++) {
                if (!run_seed(world, arguments->first + i)) {
                        explain(world, arguments->first + i);
                        n_failed++;
                }
        }
        if (arguments->is_verbose) {
                print_tally(world, elapsed(&begin));
        }
        printf("%sok 1 - %llu seeds from %llu keep every promise\n", n_failed ? "not " : "",
                        (unsigned long long)arguments->n_seeds,
                        (unsigned long long)arguments->first);
        return n_failed ? 1 : 0;
}

int main(int argc, char **argv)
{
        struct arguments arguments;
        struct world *world;
        int r = parse_arguments(argc, argv, &arguments);

        if (r != 0) {
                return r;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        world = sim_allocate(sizeof(*world));
        world->until_ns = arguments.until_ns;
        world->is_tracing = arguments.is_tracing;
        world->lines = sim_allocate(TRACE_LINES * sizeof(*world->lines));
        r = arguments.mutant == MUTANT_NONE ? run_seeds(world, &arguments)
                                            : run_mutant(world, &arguments);
        simulation_free(world);
        free(world);
        return r;
}
