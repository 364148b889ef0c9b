/* SPDX-License-Identifier: MIT */
/* Each bug of meshd/session/plane_mutant.h is found by the plane's plays. */
#include "meshd/session/mutant.h"
#include "meshd/session/plane_mutant.h"
#include "tests/meshd/mutant_suite.h"
#include "tests/meshd/plane_play.h"

enum plane_mutant plane_mutant_chosen;
enum session_mutant session_mutant_chosen;
enum mutant mutant_chosen;

static const char *const names[] = {
#define MUTANT_NAME(name) [PLANE_MUTANT_##name] = #name,
                PLANE_MUTANT_LIST(MUTANT_NAME)
#undef MUTANT_NAME
};

static void choose(unsigned bug)
{
        plane_mutant_chosen = (enum plane_mutant)bug;
}

int main(int argc, char **argv)
{
        const struct mutant_suite suite = {
                        .name = "plane_mutants",
                        .names = names,
                        .n_names = sizeof(names) / sizeof(names[0]),
                        .choose = choose,
                        .play = plane_play,
                        .plays_max = 2000,
        };

        return mutant_suite_run(&suite, argc, argv);
}
