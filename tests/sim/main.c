/* SPDX-License-Identifier: MIT */
/* meshsim: the whole mesh in one thread, from a seed. It prints TAP. */
#include "tests/sim/changes.h"
#include "tests/sim/mutants.h"
#include "tests/sim/replay.h"
#include "tests/sim/shrink.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TWICE_EVERY 100 /* seeds: each such one is run three times, and must be the same */

static uint32_t n_nodes; /* in every seed; 0: as drawn */

struct arguments {
        uint64_t first;
        uint64_t n_seeds; /* 0: not said */
        uint64_t changes;
        uint64_t speed;
        uint64_t until_ns;
        bool is_tracing;
        bool is_verbose;
        bool is_shrinking;
        bool is_replaying;
        bool is_hunting; /* for planted bugs: each, or mutant */
        bool is_every;
        const char *output; /* NULL: seed-S.mesh */
        enum mutant mutant;
};

static void usage(FILE *file)
{
        fputs("usage: meshsim [--seed S] [--seeds N] [--nodes N] [--until T] [--trace] "
              "[--verbose]\n"
              "       meshsim --seed S --shrink [--mutant NAME] [--output FILE]\n"
              "       meshsim --replay FILE... [--trace]\n"
              "       meshsim --mutants | --mutant NAME [--seed S] [--seeds N]\n"
              "       meshsim --mutants --shrink --output DIRECTORY\n"
              "\n"
              "Plays whole meshes in one thread, each from a seed: S (1) to S + N - 1 (N is 1). A "
              "seed that breaks a\n"
              "promise is printed with its last events. It prints TAP.\n"
              "\n"
              "  --seed S       the first seed\n"
              "  --seeds N      how many; for planted bugs: at most, instead of each one's limit\n"
              "  --nodes N      2 to 9 nodes in every seed, instead of what it draws\n"
              "  --until T      stop at virtual second T\n"
              "  --trace        print each event\n"
              "  --verbose      what was simulated, and how fast\n"
              "  --changes N    fail if a change of a member's state is seen less than N times\n"
              "  --speed N      fail if it is slower than N times real time, in time of one core\n"
              "  --shrink       make of a failing seed the shortest script that fails too\n"
              "  --output FILE  where to write it (seed-S.mesh)\n"
              "  --replay FILE  play scripts; each must keep every promise, and break the one it\n"
              "                 names when its planted bug is there (meshsim-mutants only)\n"
              "  --mutants      find every planted bug within its limit (meshsim-mutants only)\n"
              "  --mutant NAME  only this one; with --shrink: plant it\n"
              "\n"
              "Exit status: 0 passed, 1 failed, 2 usage.\n",
                        file);
}

/* An option with a value. */
static int take_value(int c, struct arguments *arguments)
{
        switch (c) {
        case 's':
                arguments->first = strtoull(optarg, NULL, 10);
                return 0;
        case 'n':
                arguments->n_seeds = strtoull(optarg, NULL, 10);
                return 0;
        case 'u':
                arguments->until_ns = (uint64_t)(strtod(optarg, NULL) * 1e9);
                return 0;
        case 'N':
                n_nodes = (uint32_t)strtoul(optarg, NULL, 10);
                return 0;
        case 'c':
                arguments->changes = strtoull(optarg, NULL, 10);
                return 0;
        case 'x':
                arguments->speed = strtoull(optarg, NULL, 10);
                return 0;
        case 'o':
                arguments->output = optarg;
                return 0;
        case 'm':
                arguments->mutant = mutants_find(optarg);
                arguments->is_hunting = true;
                if (arguments->mutant != MUTANT_NONE) {
                        return 0;
                }
                fprintf(stderr, "meshsim: no mutant is named %s\n", optarg);
                return 2;
        default:
                usage(stderr);
                return 2;
        }
}

static int take_option(int c, struct arguments *arguments)
{
        switch (c) {
        case 't':
                arguments->is_tracing = true;
                return 0;
        case 'v':
                arguments->is_verbose = true;
                return 0;
        case 'M':
                arguments->is_hunting = true;
                arguments->is_every = true;
                return 0;
        case 'k':
                arguments->is_shrinking = true;
                return 0;
        case 'r':
                arguments->is_replaying = true;
                return 0;
        case 'h':
                usage(stdout);
                exit(0);
        default:
                return take_value(c, arguments);
        }
}

static int parse_arguments(int argc, char **argv, struct arguments *ret_arguments)
{
        static const struct option options[] = {
                        {"seed", required_argument, NULL, 's'},
                        {"seeds", required_argument, NULL, 'n'},
                        {"nodes", required_argument, NULL, 'N'},
                        {"changes", required_argument, NULL, 'c'},
                        {"speed", required_argument, NULL, 'x'},
                        {"until", required_argument, NULL, 'u'},
                        {"trace", no_argument, NULL, 't'},
                        {"verbose", no_argument, NULL, 'v'},
                        {"mutant", required_argument, NULL, 'm'},
                        {"mutants", no_argument, NULL, 'M'},
                        {"shrink", no_argument, NULL, 'k'},
                        {"output", required_argument, NULL, 'o'},
                        {"replay", no_argument, NULL, 'r'},
                        {"help", no_argument, NULL, 'h'},
                        {0},
        };
        int c;
        int r = 0;

        *ret_arguments = (struct arguments){.first = 1, .until_ns = UINT64_MAX};
        while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                r = take_option(c, ret_arguments);
        }
        return r;
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
        char violation[sizeof(world->violation)];

        memcpy(violation, world->violation, sizeof(violation));
        if (!world->is_tracing) {
                world->is_recording = true;
                simulation_run(world, seed);
                world->is_recording = false;
                print_last_lines(world);
        }
        printf("# seed %llu: %s\n", (unsigned long long)seed, violation);
}

/* Again, and then once more from its acts: the same history each time. */
static bool run_again(struct world *world, uint64_t seed)
{
        uint64_t digest = world->digest;
        uint64_t story = world->story;
        struct script notes = {0};
        bool is_kept;

        world->notes = &notes;
        is_kept = simulation_run(world, seed);
        world->notes = NULL;
        if (is_kept && digest != world->digest) {
                violation(world, "a second run of this seed is another history");
        }
        if (is_kept && digest == world->digest) {
                world->script = &notes;
                is_kept = simulation_run(world, seed);
                world->script = NULL;
                if (is_kept && story != world->story) {
                        violation(world, "its acts, played, are another history");
                }
        }
        script_deinit(&notes);
        return !world->is_violated;
}

static bool run_seed(struct world *world, uint64_t seed)
{
        return simulation_run(world, seed) && (seed % TWICE_EVERY != 0 || run_again(world, seed));
}

static void print_tally(const struct world *world, double seconds)
{
        const struct tally *tally = &world->tally;
        double simulated = (double)tally->virtual_ns / 1e9;

        printf("# %.0f s simulated in %.1f s of one core: %.0f times real time\n", simulated,
                        seconds, simulated / seconds);
        printf("# events %llu, calls %llu, interrupted %llu, cut off in the log %llu, frames %llu, "
               "starts %llu, faults %llu, frames to a peer in a lease at most %llu\n",
                        (unsigned long long)tally->n_events, (unsigned long long)tally->n_calls,
                        (unsigned long long)tally->n_interrupts, (unsigned long long)tally->n_torn,
                        (unsigned long long)tally->n_frames, (unsigned long long)tally->n_starts,
                        (unsigned long long)tally->n_faults,
                        (unsigned long long)tally->n_frames_lease);
        printf("# intents held %llu, ended late %llu; questions %llu, answers %llu, connections of "
               "apps ended %llu, loads awaited %llu\n"
               "# apps killed %llu, published out of spools %llu, obituaries %llu, looks by TTL "
               "%llu\n",
                        (unsigned long long)tally->n_intents,
                        (unsigned long long)tally->n_late_ends,
                        (unsigned long long)tally->n_questions,
                        (unsigned long long)tally->n_answers, (unsigned long long)tally->n_drops,
                        (unsigned long long)tally->n_awaited, (unsigned long long)tally->n_quits,
                        (unsigned long long)tally->n_spooled,
                        (unsigned long long)tally->n_obituaries,
                        (unsigned long long)tally->n_looks);
        printf("# messages posted %llu, received %llu\n", (unsigned long long)tally->n_posts,
                        (unsigned long long)tally->n_messages);
        printf("# clicks %llu, answers of planes %llu, sessions hit in processes %llu\n",
                        (unsigned long long)tally->n_clicks, (unsigned long long)tally->n_told,
                        (unsigned long long)tally->n_session_hits);
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

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double)(now.tv_sec - since->tv_sec) + (double)(now.tv_nsec - since->tv_nsec) / 1e9;
}

/* Return: is the mesh that the seeds have seen the whole one? */
static bool print_changes(const struct world *world, uint64_t least)
{
        bool is_good;

        if (least == 0) {
                return true;
        }
        is_good = changes_print(&world->tally, least);
        printf("%sok 2 - each change of a member's state is seen %llu times\n",
                        is_good ? "" : "not ", (unsigned long long)least);
        return is_good;
}

/* Return: is it fast enough? */
static bool print_speed(
                const struct world *world, double seconds, const struct arguments *arguments)
{
        bool is_good;

        if (arguments->speed == 0) {
                return true;
        }
        is_good = (double)world->tally.virtual_ns / 1e9 >= seconds * (double)arguments->speed;
        printf("%sok %d - at least %llu times real time\n", is_good ? "" : "not ",
                        arguments->changes > 0 ? 3 : 2, (unsigned long long)arguments->speed);
        return is_good;
}

static int run_seeds(struct world *world, const struct arguments *arguments)
{
        struct timespec begin;
        uint64_t n_seeds = arguments->n_seeds ? arguments->n_seeds : 1;
        uint64_t n_failed = 0;
        double seconds;
        bool is_good;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
        printf("1..%d\n", 1 + (arguments->changes > 0) + (arguments->speed > 0));
        for (uint64_t i = 0; i < n_seeds && n_failed < 5; i++) {
                if (!run_seed(world, arguments->first + i)) {
                        explain(world, arguments->first + i);
                        n_failed++;
                }
        }
        seconds = elapsed(&begin);
        if (arguments->is_verbose) {
                print_tally(world, seconds);
        }
        printf("%sok 1 - %llu seeds from %llu keep every promise\n", n_failed ? "not " : "",
                        (unsigned long long)n_seeds, (unsigned long long)arguments->first);
        is_good = print_changes(world, arguments->changes);
        is_good = print_speed(world, seconds, arguments) && is_good;
        return is_good && n_failed == 0 ? 0 : 1;
}

static void use_nodes(struct options *options)
{
        options->n_nodes = n_nodes;
}

static int run_shrink(struct world *world, const struct arguments *arguments)
{
        char path[40];

        snprintf(path, sizeof(path), "seed-%llu.mesh", (unsigned long long)arguments->first);
        return shrink_to_file(world, arguments->first, arguments->mutant,
                        arguments->output ? arguments->output : path);
}

static int check_arguments(const struct arguments *arguments, int n_files)
{
        if (n_nodes != 0 && (n_nodes < 2 || n_nodes > NODES_MAX)) {
                fprintf(stderr, "meshsim: a mesh has 2 to %d nodes\n", NODES_MAX);
                return 2;
        }
        if (arguments->is_hunting && !MUTANTS_CAN_CHOOSE) {
                fputs("meshsim: no bug is planted in this program, but in meshsim-mutants\n",
                                stderr);
                return 2;
        }
        if (arguments->is_replaying != (n_files > 0)) {
                fputs(n_files > 0 ? "meshsim: files are for --replay\n"
                                  : "meshsim: --replay which file?\n",
                                stderr);
                return 2;
        }
        return 0;
}

static int run(struct world *world, const struct arguments *arguments, char **files, int n_files)
{
        if (arguments->is_replaying) {
                return replay_files(world, files, n_files);
        }
        if (arguments->is_shrinking && !arguments->is_every) {
                return run_shrink(world, arguments);
        }
        if (arguments->is_hunting) {
                return mutants_run(world, arguments->mutant, arguments->first, arguments->n_seeds,
                                arguments->output);
        }
        return run_seeds(world, arguments);
}

int main(int argc, char **argv)
{
        struct arguments arguments;
        struct world *world;
        int r = parse_arguments(argc, argv, &arguments);

        if (r == 0) {
                r = check_arguments(&arguments, argc - optind);
        }
        if (r != 0) {
                return r;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        world = sim_allocate(sizeof(*world));
        world->until_ns = arguments.until_ns;
        world->is_tracing = arguments.is_tracing;
        world->lines = sim_allocate(TRACE_LINES * sizeof(*world->lines));
        world->adjust = n_nodes > 0 ? use_nodes : NULL;
        r = run(world, &arguments, argv + optind, argc - optind);
        simulation_free(world);
        free(world);
        return r;
}
