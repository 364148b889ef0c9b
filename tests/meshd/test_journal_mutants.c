/* SPDX-License-Identifier: MIT */
/* Each bug of meshd/session/journal_mutant.h is found by plays with a disk. */
#include "meshd/session/journal_mutant.h"
#include "tests/meshd/journal_play.h"
#include "tests/meshd/mutant_suite.h"

enum journal_mutant journal_mutant_chosen;

static const char *const names[] = {
#define MUTANT_NAME(name) [JOURNAL_MUTANT_##name] = #name,
                JOURNAL_MUTANT_LIST(MUTANT_NAME)
#undef MUTANT_NAME
};

static void choose(unsigned bug)
{
        journal_mutant_chosen = (enum journal_mutant)bug;
}

int main(int argc, char **argv)
{
        const struct mutant_suite suite = {
                        .name = "journal_mutants",
                        .names = names,
                        .n_names = sizeof(names) / sizeof(names[0]),
                        .choose = choose,
                        .play = journal_play,
                        .plays_max = 20000,
        };

        return mutant_suite_run(&suite, argc, argv);
}
