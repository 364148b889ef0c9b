/* SPDX-License-Identifier: MIT */
#include "discovery/candidate_slots.h"

#include "base/time.h"

#include <assert.h>
#include <string.h>

struct candidate *candidate_slot_of_id(const struct candidate_table *table, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < table->n_slots; i++) {
                if (table->slots[i].is_used && cmi_id_equal(&table->slots[i].id, id)) {
                        return &table->slots[i];
                }
        }
        return NULL;
}

struct candidate *candidate_slot_of_fixed(
                const struct candidate_table *table, const struct cmi_endpoint *endpoint)
{
        for (uint32_t i = 0; i < table->n_slots; i++) {
                struct candidate *candidate = &table->slots[i];

                if (candidate->is_used && candidate->n_fixed > 0 &&
                                cmi_endpoint_equal(&candidate->endpoints[0], endpoint)) {
                        return candidate;
                }
        }
        return NULL;
}

static bool is_long_unheard(const struct candidate *candidate, uint64_t now_ns)
{
        return candidate->dialled_ns != 0 &&
               now_ns >= candidate->heard_ns + cmi_ms(CANDIDATE_UNHEARD_MS);
}

/*
 * Who gives way in a full table: never one that is dialled or linked, never one that was vouched
 * for. A beacon displaces only what time has already told to be dead, so a flood of them cannot
 * push out a node that is really there.
 */
static struct candidate *find_victim(
                const struct candidate_table *table, bool is_trusted, uint64_t now_ns)
{
        struct candidate *victim = NULL;

        for (uint32_t i = 0; i < table->n_slots; i++) {
                struct candidate *candidate = &table->slots[i];

                if (!candidate_is_unknown(candidate) || candidate->state != CANDIDATE_PAUSED) {
                        continue;
                }
                if (!is_trusted && !is_long_unheard(candidate, now_ns)) {
                        continue;
                }
                if (!victim || candidate->heard_ns < victim->heard_ns) {
                        victim = candidate;
                }
        }
        return victim;
}

static struct candidate *find_free(const struct candidate_table *table)
{
        for (uint32_t i = 0; i < table->n_slots; i++) {
                if (!table->slots[i].is_used) {
                        return &table->slots[i];
                }
        }
        return NULL;
}

struct candidate *candidate_slot_claim(
                struct candidate_table *table, bool is_trusted, uint64_t now_ns)
{
        struct candidate *candidate = find_free(table);

        if (!candidate) {
                candidate = find_victim(table, is_trusted, now_ns);
                if (!candidate) {
                        return NULL;
                }
                candidate_slot_release(table, candidate);
        }
        candidate->is_used = true;
        candidate->heard_ns = now_ns;
        candidate->due_ns = now_ns;
        table->n_used++;
        return candidate;
}

void candidate_slot_release(struct candidate_table *table, struct candidate *candidate)
{
        assert(candidate->state != CANDIDATE_DIALLING);
        memset(candidate, 0, sizeof(*candidate));
        table->n_used--;
}
