/* SPDX-License-Identifier: MIT */
#include "tests/sim/mutants.h"

#include "tests/sim/shrink.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef CM_MUTANTS_CHOSEN
enum mutant mutant_chosen;
#endif

/*
 * Those with more than 200 seeds need several faults in a row at the right moments. The rule is the
 * one that is left out.
 */
static const struct {
        const char *name;
        uint64_t limit;
        const char *rule;
} table[] = {
                [MUTANT_NONE] = {"NONE", 0, ""},
#define RULE(name, limit, rule) [MUTANT_##name] = {#name, limit, rule}
                RULE(TOKEN_AFTER_LOAD, 200, "the token is from before the load"),
                RULE(LEASE_AFTER_SLOTS, 200, "lease_end is loaded before the slots"),
                RULE(FLOOR_UNCHECKED, 200, "a token below the floor is good for nothing"),
                RULE(EPOCH_UNCHECKED, 200, "a token is good in its own epoch only"),
                RULE(PUT_REPLACES, 200, "a put never replaces a good entry"),
                RULE(WAITER_UNCHECKED, 200, "a waiter of a load checks its result like a get"),
                RULE(OWNER_UNCHECKED, 600, "a put asks whose the region's index is"),
                RULE(TTL_UNVOUCHED, 200, "by TTL: only a page that is still the node's"),
                RULE(TTL_UNJOINED, 200, "by TTL: not before the node was LIVE once"),
                RULE(TTL_GAP_KEPT, 600, "by TTL: look in time, or wait for a new page"),
                RULE(TTL_PAGE_OPEN, 200, "by TTL: who ends closes the page"),
                RULE(OBITUARY_UNHEARD, 1000, "by TTL: who speaks for a dead one is found"),
                RULE(TTL_LAPSED_ENOUGH, 200, "by TTL: who has lapsed goes on serving"),
                RULE(SPOOL_UNREAD, 200, "what is spooled is published by the next meshd"),
                RULE(FULL_QUEUE_DROPS, 200, "what a full queue refuses is sent later"),
                RULE(LOST_LOG_KEPT, 200, "a new stream of a known node: forget"),
                RULE(STREAM_NOT_DURABLE, 200, "B6: the stream survives meshd"),
                RULE(TAIL_FORGOTTEN, 200, "B6: and so does its newest operation"),
                RULE(UNKNOWN_STREAM_CURRENT, 200, "an unknown stream is applied from 1, or RESET"),
                RULE(UNKNOWN_OP_SKIPPED, 200, "an unknown operation: forget"),
                RULE(ACK_BEFORE_BUMP, 200, "applied, then acknowledged"),
                RULE(GONE_KEPT, 200, "gone without a goodbye: forget"),
                RULE(UNMET_KEPT, 200, "also one that was never met"),
                RULE(LEASE_FROM_RECEIPT, 200, "a lease counts from the beat that was echoed"),
                RULE(NO_DRIFT_MARGIN, 600, "clocks drift: L(1 + rho) + margin"),
                RULE(GRANT_FROM_TURN, 200, "r is read after the receipt, not in the turn's start"),
                RULE(ONE_CLOCK, 600, "the lease ends on two clocks"),
                RULE(LAPSE_NOT_CAUGHT_UP, 1000, "catch up, then renew"),
                RULE(GOODBYE_BEFORE_LEASE, 200, "lease_end is 0 before the goodbye"),
                RULE(GOODBYE_IN_PAUSE, 2000, "no goodbye in the start pause"),
                RULE(B1_NO_START_PAUSE, 200, "B1: the start pause"),
                RULE(B1_OWN_LEASE, 1000, "B1: which lasts as long as the lease of before"),
                RULE(PAUSE_COUNTS, 2000, "B1: in which nobody is counted"),
                RULE(B2_WAIT_BY_STATE, 200, "B2: wait by grant, not by state"),
                RULE(B3_ANSWERS_EARLY, 200, "B3: answer no wait before LIVE"),
                RULE(B4_AWAY_COUNTS, 200, "B4: silence is counted in own awake time"),
                RULE(B5_UNCONFIRMED, 200, "B5: who may have dropped us is not confirmed"),
                RULE(B5_OWN_GONE, 1000, "B5: who drops others sooner than we do is not, either"),
                RULE(B5_GONE_UNKEPT, 200, "B5: and what a process before told holds for a start"),
                RULE(WAIT_UNBOUNDED, 200, "a wait ends within L(1 + 3 rho) + 20 ms"),
                RULE(CANCEL_KEPT, 200, "a wait ends with its client"),
                RULE(ROOM_IGNORED, 200, "who has no place for a live node is not LIVE"),
                RULE(LIST_UNASKED, 200, "whom a member counts is a member"),
                RULE(POST_BEFORE_BEATS, 200, "beats and operations go before messages"),
                RULE(POST_UNBOUNDED, 200, "a beat finds no more than a window of messages"),
                RULE(POST_OVERTAKEN, 200, "messages come once, and in order"),
                RULE(POST_TO_OLD_INCARNATION, 200, "a message is for one process"),
                RULE(INTENT_FLAG_LOST, 200, "each stamp keeps the intent flag"),
                RULE(INTENT_ENDED_BY_DEATH, 200, "no death ends an intent"),
                RULE(INTENT_LATE_END_TWICE, 200, "an intent is removed once"),
                RULE(INTENT_END_UNSTAMPED, 200, "the end of an intent is a stamp"),
                RULE(HOLD_END_UNSTAMPED, 200, "the end of a hold is a stamp"),
                RULE(HOLD_INDEX_LOST, 200, "a region with another index is still held"),
                RULE(HOLD_MISSED, 600, "what may have been missed may have held"),
                RULE(INTENT_UNTOLD, 200, "HELLO and RESET carry the open intents"),
                RULE(INTENT_GRANT_EARLY, 200, "no grant counts before they are flagged"),
                RULE(INTENT_NOT_DURABLE, 200, "open intents survive meshd"),
                RULE(INTENT_LAPSED_ENOUGH, 600, "a begin waits until each member has applied it"),
#undef RULE
};

#define COUNTED(name) COUNTED_##name,
enum { MUTANT_LIST(COUNTED) N_MUTANTS };
#undef COUNTED

_Static_assert(sizeof(table) / sizeof(table[0]) == N_MUTANTS + 1, "a mutant is not in the table");

/* Behind the core's come those of sessions. */
#define N_ALL (N_MUTANTS + SESSION_MUTANTS)

static const struct session_mutant_row *row_of_sessions(unsigned mutant)
{
        return mutant > N_MUTANTS ? session_mutants_row(mutant - N_MUTANTS - 1) : NULL;
}

static uint64_t limit_of(unsigned mutant)
{
        return mutant > N_MUTANTS ? row_of_sessions(mutant)->limit : table[mutant].limit;
}

static const char *rule_of(unsigned mutant)
{
        return mutant > N_MUTANTS ? row_of_sessions(mutant)->rule : table[mutant].rule;
}

enum mutant mutants_find(const char *name)
{
        for (unsigned i = 1; i <= N_ALL; i++) {
                const char *own = mutants_name((enum mutant)i);

                if (own && strcmp(own, name) == 0) {
                        return (enum mutant)i;
                }
        }
        return MUTANT_NONE;
}

const char *mutants_name(enum mutant mutant)
{
        unsigned index = mutant;

        return index > N_MUTANTS ? row_of_sessions(index)->name : table[index].name;
}

void mutants_choose(enum mutant mutant)
{
#ifdef CM_MUTANTS_CHOSEN
        const struct session_mutant_row *row = row_of_sessions(mutant);

        mutant_chosen = row ? MUTANT_NONE : mutant;
        session_mutants_choose(row);
#else
        if (mutant != MUTANT_NONE) {
                abort();
        }
#endif
}

/* Return: tries until it was found; 0: it was not. */
static uint64_t look_for(struct world *world, enum mutant mutant, uint64_t first, uint64_t most)
{
        bool is_shown = isatty(STDERR_FILENO);
        uint64_t tries = 0;

        mutants_choose(mutant);
        while (tries < most && simulation_run(world, first + tries)) {
                tries++;
                if (is_shown) {
                        fprintf(stderr, "\r%s: %llu of %llu ", mutants_name(mutant),
                                        (unsigned long long)tries, (unsigned long long)most);
                }
        }
        mutants_choose(MUTANT_NONE);
        if (is_shown) {
                fputs("\r\033[K", stderr);
        }
        return tries < most ? tries + 1 : 0;
}

static void store(struct world *world, uint64_t seed, enum mutant mutant, const char *directory)
{
        char path[PATH_MAX];
        int n = snprintf(path, sizeof(path), "%s/", directory);

        for (const char *at = mutants_name(mutant); *at && n < PATH_MAX - 8; at++) {
                path[n++] = *at == '_' ? '-' : (char)tolower(*at);
        }
        strcpy(path + n, ".mesh");
        shrink_to_file(world, seed, mutant, path);
}

/* Return: tries. */
static uint64_t print_row(struct world *world, unsigned number, enum mutant mutant, uint64_t first,
                uint64_t most)
{
        uint64_t tries = look_for(world, mutant, first, most);
        char code[SCRIPT_CODE_MAX] = "-";

        if (tries > 0) {
                shrink_code(world, code);
        }
        printf("%sok %u - %-22s %-4s seed %-6llu %3llu of %3llu  %s\n", tries ? "" : "not ", number,
                        mutants_name(mutant), code,
                        (unsigned long long)(tries ? first + tries - 1 : 0),
                        (unsigned long long)tries, (unsigned long long)most, rule_of(mutant));
        return tries;
}

int mutants_run(struct world *world, enum mutant only, uint64_t first, uint64_t most,
                const char *directory)
{
        unsigned n_missed = 0;
        unsigned number = 0;

        printf("1..%d\n", only == MUTANT_NONE ? (int)N_ALL : 1);
        puts("# planted bug, invariant that breaks, seed, tries, and the rule that is left out");
        for (unsigned i = 1; i <= N_ALL; i++) {
                uint64_t tries;

                if (only != MUTANT_NONE && only != (enum mutant)i) {
                        continue;
                }
                tries = print_row(
                                world, ++number, (enum mutant)i, first, most ? most : limit_of(i));
                n_missed += tries == 0;
                if (tries > 0 && directory) {
                        store(world, first + tries - 1, (enum mutant)i, directory);
                }
        }
        return n_missed ? 1 : 0;
}
