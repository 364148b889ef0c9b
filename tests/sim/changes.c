/* SPDX-License-Identifier: MIT */
#include "tests/sim/changes.h"

#include <stdio.h>

static const char *const names[] = {"SEEN", "JOINING", "LIVE", "SILENT", "GONE", "LEFT"};

#define BIT(state) (1u << MEMBER_##state)

/* What core.h draws. Whoever is GONE is heard first, and JOINING before anything else. */
static const unsigned allowed[MEMBER_LEFT + 1] = {
                [MEMBER_SEEN] = BIT(JOINING) | BIT(GONE),
                [MEMBER_JOINING] = BIT(LIVE) | BIT(SILENT) | BIT(LEFT),
                [MEMBER_LIVE] = BIT(JOINING) | BIT(SILENT) | BIT(LEFT),
                [MEMBER_SILENT] = BIT(JOINING) | BIT(LIVE) | BIT(GONE) | BIT(LEFT),
                [MEMBER_GONE] = BIT(JOINING),
                [MEMBER_LEFT] = BIT(JOINING),
};

/* Somebody's last word comes without a beat before it only if those were lost: rare. */
static bool is_rare(unsigned from, unsigned to)
{
        return from == MEMBER_SILENT && to == MEMBER_LEFT;
}

static bool print_change(const struct tally *tally, unsigned from, unsigned to, uint64_t least)
{
        uint64_t n = tally->n_changes[from][to];
        bool is_allowed = allowed[from] & 1u << to;
        bool is_wrong = is_allowed ? n < least && !is_rare(from, to) : n > 0;

        if (is_allowed || is_wrong) {
                printf("# %-8s to %-8s %8llu%s\n", names[from], names[to], (unsigned long long)n,
                                !is_wrong    ? ""
                                : is_allowed ? " is too seldom"
                                             : " is not allowed");
        }
        return !is_wrong;
}

bool changes_print(const struct tally *tally, uint64_t least)
{
        bool is_good = true;

        for (unsigned from = 0; from <= MEMBER_LEFT; from++) {
                for (unsigned to = 0; to <= MEMBER_LEFT; to++) {
                        is_good = print_change(tally, from, to, least) && is_good;
                }
        }
        return is_good;
}
