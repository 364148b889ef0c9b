/* SPDX-License-Identifier: MIT */
/* Each bug of meshd/session/mutant.h is found by the store's plays. */
#include "meshd/session/mutant.h"
#include "tests/meshd/mutant_suite.h"
#include "tests/meshd/store_play.h"

enum session_mutant session_mutant_chosen;
enum mutant mutant_chosen;

static const char *const names[] = {
#define MUTANT_NAME(name) [SESSION_MUTANT_##name] = #name,
                SESSION_MUTANT_LIST(MUTANT_NAME)
#undef MUTANT_NAME
};

static void choose(unsigned bug)
{
        session_mutant_chosen = (enum session_mutant)bug;
}

int main(int argc, char **argv)
{
        const struct mutant_suite suite = {
                        .name = "session_mutants",
                        .names = names,
                        .n_names = sizeof(names) / sizeof(names[0]),
                        .choose = choose,
                        .play = store_play,
                        .plays_max = 800,
        };

        return mutant_suite_run(&suite, argc, argv);
}
