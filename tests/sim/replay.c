/* SPDX-License-Identifier: MIT */
#include "tests/sim/replay.h"

#include "tests/sim/mutants.h"
#include "tests/sim/shrink.h"

#include <stdio.h>

#define CHANCES 20 /* of which each plays a script with other delays, clocks and hash seeds */

static bool play(struct world *world, const struct script *script, uint64_t chance)
{
        struct script copy = *script; /* the same acts */
        bool is_kept;

        copy.seed += chance;
        world->script = script->options.n_nodes > 0 ? &copy : NULL;
        is_kept = simulation_run(world, copy.seed);
        world->script = NULL;
        return is_kept;
}

static bool play_whole(
                struct world *world, unsigned number, const char *path, const struct script *script)
{
        uint64_t chance = 0;

        while (chance < CHANCES && play(world, script, chance)) {
                chance++;
        }
        printf("%sok %u - %s keeps every promise\n", chance == CHANCES ? "" : "not ", number, path);
        if (chance < CHANCES) {
                printf("# with seed %llu: %s\n", (unsigned long long)(script->seed + chance),
                                world->violation);
        }
        return chance == CHANCES;
}

static bool is_broken(struct world *world, const struct script *script, uint64_t chance)
{
        char code[SCRIPT_CODE_MAX];

        if (play(world, script, chance)) {
                return false;
        }
        shrink_code(world, code);
        return strcmp(code, script->code) == 0;
}

/* A core that has changed may give the acts other moments: then one of its chances has to do. */
static bool play_planted(
                struct world *world, unsigned number, const char *path, const struct script *script)
{
        enum mutant mutant = mutants_find(script->mutant);
        uint64_t chance = 0;

        mutants_choose(mutant);
        while (mutant != MUTANT_NONE && chance < CHANCES && !is_broken(world, script, chance)) {
                chance++;
        }
        mutants_choose(MUTANT_NONE);
        if (mutant == MUTANT_NONE || chance == CHANCES) {
                printf("not ok %u - %s breaks %s with %s\n", number, path, script->code,
                                script->mutant);
                puts("# If the core has changed so that this is another history now, find it "
                     "again: tests/README.md");
                return false;
        }
        printf("ok %u - %s breaks %s with %s, seed %llu\n", number, path, script->code,
                        script->mutant, (unsigned long long)(script->seed + chance));
        return true;
}

static unsigned replay_file(struct world *world, unsigned *number, const char *path)
{
        unsigned n_failed = 0;
        struct script script;
        unsigned line;
        int r = script_load(path, &script, &line);

        if (r < 0) {
                printf("not ok %u - %s, line %u: %s\n", ++*number, path, line, strerror(-r));
                *number += MUTANTS_CAN_CHOOSE;
                return 1;
        }
        n_failed += !play_whole(world, ++*number, path, &script);
        if (MUTANTS_CAN_CHOOSE && script.mutant[0]) {
                n_failed += !play_planted(world, ++*number, path, &script);
        } else if (MUTANTS_CAN_CHOOSE) {
                printf("ok %u - %s names no planted bug\n", ++*number, path);
        }
        script_deinit(&script);
        return n_failed;
}

int replay_files(struct world *world, char **paths, int n_paths)
{
        unsigned n_failed = 0;
        unsigned number = 0;

        printf("1..%d\n", MUTANTS_CAN_CHOOSE ? 2 * n_paths : n_paths);
        for (int i = 0; i < n_paths; i++) {
                n_failed += replay_file(world, &number, paths[i]);
        }
        return n_failed ? 1 : 0;
}
