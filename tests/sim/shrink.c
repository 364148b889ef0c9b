/* SPDX-License-Identifier: MIT */
#include "tests/sim/shrink.h"

#include "tests/sim/mutants.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX 6

struct shrinking {
        struct world *world;
        struct script *best; /* fails */
        struct script trial;
        uint64_t n_trials;
        bool is_shown;
};

void shrink_code(const struct world *world, char ret_code[SCRIPT_CODE_MAX])
{
        size_t len = strcspn(world->violation, " ");

        if (len >= SCRIPT_CODE_MAX) {
                len = SCRIPT_CODE_MAX - 1;
        }
        memcpy(ret_code, world->violation, len);
        ret_code[len] = '\0';
}

static bool fails(struct world *world, const struct script *script)
{
        char code[SCRIPT_CODE_MAX];
        bool is_kept;

        world->script = script;
        is_kept = simulation_run(world, script->seed);
        world->script = NULL;
        shrink_code(world, code);
        return !is_kept && strcmp(code, script->code) == 0;
}

/* Return: does the trial fail too? Then it is the best from now on. */
static bool try(struct shrinking *shrinking)
{
        shrinking->n_trials++;
        if (shrinking->is_shown && shrinking->n_trials % 64 == 0) {
                fprintf(stderr, "\r%8zu acts after %llu runs ", shrinking->best->n_acts,
                                (unsigned long long)shrinking->n_trials);
        }
        if (!fails(shrinking->world, &shrinking->trial)) {
                return false;
        }
        script_copy(shrinking->best, &shrinking->trial);
        return true;
}

static void begin_trial(struct shrinking *shrinking)
{
        script_copy(&shrinking->trial, shrinking->best);
}

/* Acts */

static bool try_without(struct shrinking *shrinking, size_t first, size_t n)
{
        struct script *trial = &shrinking->trial;

        begin_trial(shrinking);
        if (n > trial->n_acts - first) {
                n = trial->n_acts - first;
        }
        memmove(&trial->acts[first], &trial->acts[first + n],
                        (trial->n_acts - first - n) * sizeof(*trial->acts));
        trial->n_acts -= n;
        return try(shrinking);
}

static bool remove_chunks(struct shrinking *shrinking, size_t n)
{
        bool is_smaller = false;
        size_t at = 0;

        while (at < shrinking->best->n_acts) {
                if (try_without(shrinking, at, n)) {
                        is_smaller = true;
                } else {
                        at += n;
                }
        }
        return is_smaller;
}

static bool remove_acts(struct shrinking *shrinking)
{
        bool is_smaller = false;

        for (size_t n = shrinking->best->n_acts; n > 1; n = (n + 1) / 2) {
                is_smaller = remove_chunks(shrinking, n) || is_smaller;
        }
        while (remove_chunks(shrinking, 1)) {
                is_smaller = true;
        }
        return is_smaller;
}

/* What comes after the violation cannot be its cause. */
static void cut_off(struct shrinking *shrinking)
{
        struct script *trial = &shrinking->trial;

        begin_trial(shrinking);
        while (trial->n_acts > 0 &&
                        trial->acts[trial->n_acts - 1].at_ns > shrinking->world->now_ns) {
                trial->n_acts--;
        }
        try(shrinking);
}

/* Options */

static bool set_narrow(struct shrinking *shrinking, uint32_t *of_trial, uint32_t value)
{
        if (*of_trial == value) {
                return false;
        }
        *of_trial = value;
        return try(shrinking);
}

static bool set_time(struct shrinking *shrinking, uint64_t *of_trial, uint64_t value)
{
        if (*of_trial <= value) {
                return false;
        }
        *of_trial = value;
        return try(shrinking);
}

/* The last one goes, if nobody asks it for anything. */
static bool simplify_counts(struct shrinking *shrinking)
{
        struct options *options = &shrinking->trial.options;
        bool is_simpler = false;

        for (begin_trial(shrinking); options->n_nodes > 2; begin_trial(shrinking)) {
                if (!set_narrow(shrinking, &options->n_nodes, options->n_nodes - 1)) {
                        break;
                }
                is_simpler = true;
        }
        for (begin_trial(shrinking); options->n_apps > 1; begin_trial(shrinking)) {
                if (!set_narrow(shrinking, &options->n_apps, options->n_apps - 1)) {
                        break;
                }
                is_simpler = true;
        }
        for (begin_trial(shrinking); options->n_readers > 1; begin_trial(shrinking)) {
                if (!set_narrow(shrinking, &options->n_readers, options->n_readers - 1)) {
                        break;
                }
                is_simpler = true;
        }
        for (begin_trial(shrinking); options->n_keys > options->n_ttl + 1; begin_trial(shrinking)) {
                if (!set_narrow(shrinking, &options->n_keys, options->n_keys - 1)) {
                        break;
                }
                is_simpler = true;
        }
        return is_simpler;
}

static bool simplify_rates(struct shrinking *shrinking)
{
        struct options *options = &shrinking->trial.options;
        bool is_simpler = false;

        begin_trial(shrinking);
        is_simpler = set_narrow(shrinking, &options->spike_ppm, 0) || is_simpler;
        begin_trial(shrinking);
        is_simpler = set_narrow(shrinking, &options->queue_max, 64) || is_simpler;
        begin_trial(shrinking);
        is_simpler = set_narrow(shrinking, &options->n_tags, 1) || is_simpler;
        begin_trial(shrinking);
        is_simpler = set_time(shrinking, &options->jitter_ns, 1) || is_simpler;
        begin_trial(shrinking);
        is_simpler = set_time(shrinking, &options->turn_ns, 20 * CMI_NS_PER_US) || is_simpler;
        begin_trial(shrinking);
        is_simpler = set_time(shrinking, &options->chaos_ns, options->chaos_ns / 2) || is_simpler;
        return is_simpler;
}

/* Values */

static bool set_value(struct shrinking *shrinking, size_t act, size_t value, int64_t to)
{
        begin_trial(shrinking);
        if (shrinking->trial.acts[act].values[value] == to) {
                return false;
        }
        shrinking->trial.acts[act].values[value] = to;
        return try(shrinking);
}

#define VALUE(member) ((size_t)(offsetof(struct act, member) - offsetof(struct act, values)) / 8)

static bool simplify_act(struct shrinking *shrinking, size_t at)
{
        const struct act *act = &shrinking->best->acts[at];
        bool is_simpler = false;

        switch (act->kind) {
        case ACT_READ:
                for (size_t i = 0; i < 5; i++) {
                        is_simpler = set_value(shrinking, at, VALUE(read.pause_ns) + i, 0) ||
                                     is_simpler;
                }
                return is_simpler;
        case ACT_WRITE:
                is_simpler = set_value(shrinking, at, VALUE(write.timeout_ns), 0);
                is_simpler = set_value(shrinking, at, VALUE(write.after_ns), 1000) || is_simpler;
                return set_value(shrinking, at, VALUE(write.op), OP_KEY) || is_simpler;
        case ACT_CUT:
        case ACT_BREAK:
        case ACT_STOP:
        case ACT_FREEZE:
        case ACT_SUSPEND:
        case ACT_KILL:
        case ACT_CRASH:
        case ACT_LEAVE:
        case ACT_START:
        case ACT_STEP:
        case ACT_INTERRUPT:
        case ACT_TEAR:
        case ACT_ASK:
        case ACT_REGIONS:
        case ACT_DESCRIBE:
        case ACT_FORGET:
        case ACT_DROP:
        case ACT_QUIT:
        case ACT_HALT:
        case ACT_OBITUARY:
        case ACT_CONFIGURE:
        case ACT_POST:
        case ACT_CLICK:
        case ACT_ADDRESS:
        case ACT_KINDS:
                break;
        }
        return false;
}

static int64_t rounded(int64_t ns, int64_t unit)
{
        return (ns + unit / 2) / unit * unit;
}

/* Times that a person can read; the order of the acts stays. */
static void round_act(struct shrinking *shrinking, size_t at, int64_t unit)
{
        struct script *trial = &shrinking->trial;
        uint64_t at_ns;

        begin_trial(shrinking);
        at_ns = (uint64_t)rounded((int64_t)trial->acts[at].at_ns, unit);
        if (at_ns == trial->acts[at].at_ns || (at > 0 && at_ns < trial->acts[at - 1].at_ns) ||
                        (at + 1 < trial->n_acts && at_ns > trial->acts[at + 1].at_ns)) {
                return;
        }
        trial->acts[at].at_ns = at_ns;
        try(shrinking);
}

static void round_values(struct shrinking *shrinking, size_t at)
{
        const struct act *act = &shrinking->best->acts[at];

        for (size_t i = 0; i < ACT_VALUES; i++) {
                for (int64_t unit = 100 * (int64_t)CMI_NS_PER_MS;
                                act->values[i] > 10000 && unit >= 1000; unit /= 10) {
                        if (set_value(shrinking, at, i, rounded(act->values[i], unit))) {
                                break;
                        }
                }
        }
}

static void round_all(struct shrinking *shrinking)
{
        for (size_t at = 0; at < shrinking->best->n_acts; at++) {
                for (int64_t unit = 1000; unit <= 100 * (int64_t)CMI_NS_PER_MS; unit *= 10) {
                        round_act(shrinking, at, unit);
                }
                round_values(shrinking, at);
        }
}

static bool simplify(struct shrinking *shrinking)
{
        bool is_simpler = simplify_counts(shrinking);

        is_simpler = simplify_rates(shrinking) || is_simpler;
        for (size_t at = 0; at < shrinking->best->n_acts; at++) {
                is_simpler = simplify_act(shrinking, at) || is_simpler;
        }
        return is_simpler;
}

/* Play the seed and note what is done. */
static enum shrink_outcome note(struct world *world, uint64_t seed, struct script *ret_script)
{
        bool is_kept;

        world->notes = ret_script;
        is_kept = simulation_run(world, seed);
        world->notes = NULL;
        shrink_code(world, ret_script->code);
        return is_kept ? SHRINK_PASSES : SHRINK_DONE;
}

enum shrink_outcome shrink(struct world *world, uint64_t seed, struct script *ret_script)
{
        struct shrinking shrinking = {
                        .world = world, .best = ret_script, .is_shown = isatty(STDERR_FILENO)};

        if (note(world, seed, ret_script) == SHRINK_PASSES) {
                return SHRINK_PASSES;
        }
        if (!fails(world, ret_script)) {
                return SHRINK_DIFFERS;
        }
        cut_off(&shrinking);
        for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
                bool is_smaller = remove_acts(&shrinking);

                if (!simplify(&shrinking) && !is_smaller) {
                        break;
                }
        }
        round_all(&shrinking);
        remove_acts(&shrinking);
        if (shrinking.is_shown) {
                fputc('\n', stderr);
        }
        script_deinit(&shrinking.trial);
        fails(world, ret_script);
        return SHRINK_DONE;
}

static void report(uint64_t seed, enum shrink_outcome outcome)
{
        fprintf(stderr, "meshsim: seed %llu %s\n", (unsigned long long)seed,
                        outcome == SHRINK_PASSES ? "keeps every promise"
                                                 : "is another history when its acts are played");
}

int shrink_to_file(struct world *world, uint64_t seed, enum mutant mutant, const char *path)
{
        struct script script = {0};
        enum shrink_outcome outcome;
        int r = 1;

        mutants_choose(mutant);
        outcome = shrink(world, seed, &script);
        mutants_choose(MUTANT_NONE);
        if (outcome != SHRINK_DONE) {
                report(seed, outcome);
        } else {
                if (mutant != MUTANT_NONE) {
                        snprintf(script.mutant, sizeof(script.mutant), "%s", mutants_name(mutant));
                }
                r = script_save(&script, path, world->violation);
                if (r < 0) {
                        fprintf(stderr, "meshsim: cannot write %s: %s\n", path, strerror(-r));
                } else {
                        printf("# %s: %zu acts: %s\n", path, script.n_acts, world->violation);
                }
        }
        script_deinit(&script);
        return r == 0 ? 0 : 1;
}
