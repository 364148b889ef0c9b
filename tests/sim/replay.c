/* SPDX-License-Identifier: MIT */
#include "tests/sim/replay.h"

#include "tests/sim/mutants.h"
#include "tests/sim/shrink.h"

#include <stdio.h>

static bool play(struct world *world, const struct script *script)
{
        bool is_kept;

        world->script = script->options.n_nodes > 0 ? script : NULL;
        is_kept = simulation_run(world, script->seed);
        world->script = NULL;
        return is_kept;
}

/* Return: was it as expected? */
static bool play_whole(
                struct world *world, unsigned number, const char *path, const struct script *script)
{
        bool is_kept = play(world, script);

        printf("%sok %u - %s keeps every promise\n", is_kept ? "" : "not ", number, path);
        if (!is_kept) {
                printf("# %s\n", world->violation);
        }
        return is_kept;
}

static bool play_planted(
                struct world *world, unsigned number, const char *path, const struct script *script)
{
        enum mutant mutant = mutants_find(script->mutant);
        char code[SCRIPT_CODE_MAX] = "";
        bool is_broken = false;

        if (mutant != MUTANT_NONE) {
                mutants_choose(mutant);
                is_broken = !play(world, script);
                mutants_choose(MUTANT_NONE);
                shrink_code(world, code);
        }
        is_broken = is_broken && strcmp(code, script->code) == 0;
        printf("%sok %u - %s breaks %s with %s\n", is_broken ? "" : "not ", number, path,
                        script->code, script->mutant);
        if (!is_broken) {
                puts("# The core may have changed so that this history is another one: find it "
                     "again with --mutant and --shrink.");
        }
        return is_broken;
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
