/* SPDX-License-Identifier: MIT */
/*
 * The dials of a candidate table (candidate_table.h): which one is due, and what becomes of its
 * candidate, and of others that turn out to be the same node, when it ends, or a link does, or a
 * node is not to be dialled any more.
 */
#include "base/time.h"
#include "discovery/candidate_slots.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool may_dial(const struct candidate_table *table, const struct candidate *candidate)
{
        if (!candidate->is_used || candidate->state != CANDIDATE_PAUSED) {
                return false;
        }
        return !candidate_is_unknown(candidate) ||
               table->n_unknown_dialling < CANDIDATE_UNKNOWN_DIALS_MAX;
}

/* The one that is due first, maybe not yet. */
static struct candidate *find_due(const struct candidate_table *table)
{
        struct candidate *first = NULL;

        if (table->n_dialling >= CANDIDATE_DIALS_MAX) {
                return NULL;
        }
        for (uint32_t i = 0; i < table->n_slots; i++) {
                struct candidate *candidate = &table->slots[i];

                if (may_dial(table, candidate) && (!first || candidate->due_ns < first->due_ns)) {
                        first = candidate;
                }
        }
        return first;
}

int candidate_table_next_dial(
                struct candidate_table *table, uint64_t now_ns, struct candidate_dial *ret_dial)
{
        struct candidate *candidate = find_due(table);

        if (!candidate || candidate->due_ns > now_ns) {
                return 0;
        }
        candidate->state = CANDIDATE_DIALLING;
        candidate->dialled = candidate->endpoints[candidate->next_endpoint];
        candidate->dialled_ns = now_ns;
        candidate->is_unknown_dial = candidate_is_unknown(candidate);
        table->n_unknown_dialling += candidate->is_unknown_dial;
        table->n_dialling++;
        table->n_dials++;
        *ret_dial = (struct candidate_dial){
                        .slot = (uint32_t)(candidate - table->slots),
                        .id = candidate->id,
                        .endpoint = candidate->dialled,
        };
        return 1;
}

uint64_t candidate_table_deadline(const struct candidate_table *table)
{
        const struct candidate *candidate = find_due(table);

        return candidate ? candidate->due_ns : UINT64_MAX;
}

static struct candidate *end_dial(struct candidate_table *table, uint32_t slot)
{
        struct candidate *candidate;

        assert(slot < table->n_slots);
        candidate = &table->slots[slot];
        assert(candidate->is_used && candidate->state == CANDIDATE_DIALLING);
        candidate->state = CANDIDATE_PAUSED;
        table->n_dialling--;
        table->n_unknown_dialling -= candidate->is_unknown_dial;
        return candidate;
}

/* One of @candidate's node that is not in the middle of a dial; NULL if there is no further one. */
static struct candidate *next_twin(const struct candidate_table *table,
                const struct candidate *candidate, const struct candidate *after)
{
        uint32_t i = after ? (uint32_t)(after - table->slots) + 1 : 0;

        for (; i < table->n_slots; i++) {
                struct candidate *other = &table->slots[i];

                if (other != candidate && other->is_used && other->state != CANDIDATE_DIALLING &&
                                cmi_id_equal(&other->id, &candidate->id)) {
                        return other;
                }
        }
        return NULL;
}

/*
 * There is a link to the node of @candidate: all that are known to be this node rest, and those
 * that need not stay are absorbed by a static one, or by @candidate. One that is being dialled
 * comes here when that ends.
 */
static void join_twins(struct candidate_table *table, struct candidate *candidate)
{
        struct candidate *keeper = candidate;
        struct candidate *twin = NULL;

        while (keeper->n_fixed == 0 && (twin = next_twin(table, candidate, twin))) {
                keeper = twin->n_fixed > 0 ? twin : keeper;
        }
        candidate_rest(keeper);
        twin = NULL;
        while ((twin = next_twin(table, keeper, twin))) {
                if (twin->n_fixed > 0) {
                        candidate_rest(twin);
                } else {
                        candidate_absorb(keeper, twin);
                        candidate_slot_release(table, twin);
                }
        }
}

void candidate_table_connected(
                struct candidate_table *table, uint32_t slot, const struct cmi_id *id)
{
        struct candidate *candidate = end_dial(table, slot);

        candidate_prove(candidate, id);
        join_twins(table, candidate);
}

int candidate_table_find_dial(const struct candidate_table *table,
                const struct cmi_endpoint *endpoint, uint32_t *ret_slot)
{
        for (uint32_t i = 0; i < table->n_slots; i++) {
                const struct candidate *candidate = &table->slots[i];

                if (candidate->is_used && candidate->state == CANDIDATE_DIALLING &&
                                cmi_endpoint_equal(&candidate->dialled, endpoint)) {
                        *ret_slot = i;
                        return 1;
                }
        }
        return 0;
}

int candidate_table_met(struct candidate_table *table, const struct cmi_id *id,
                const struct cmi_endpoint *endpoint, uint64_t now_ns)
{
        struct candidate *candidate;
        uint32_t slot;
        int r;

        if (cmi_id_is_zero(id)) {
                return -EINVAL;
        }
        if (candidate_table_find_dial(table, endpoint, &slot)) {
                candidate_table_connected(table, slot, id);
                return 0;
        }
        r = candidate_table_add(table, CANDIDATE_PEER, id, endpoint, now_ns);
        if (r < 0) {
                return r;
        }
        candidate = candidate_slot_of_id(table, id);
        if (candidate->state == CANDIDATE_DIALLING) {
                candidate->is_met = true;
        } else {
                join_twins(table, candidate);
        }
        return 0;
}

static bool has_linked_twin(const struct candidate_table *table, const struct candidate *candidate)
{
        struct candidate *twin = NULL;

        while (!cmi_id_is_zero(&candidate->id) && (twin = next_twin(table, candidate, twin))) {
                if (twin->state == CANDIDATE_CONNECTED) {
                        return true;
                }
        }
        return false;
}

void candidate_table_failed(struct candidate_table *table, uint32_t slot,
                enum candidate_failure failure, uint64_t now_ns)
{
        struct candidate *candidate = end_dial(table, slot);

        if (candidate->is_met || has_linked_twin(table, candidate)) {
                join_twins(table, candidate);
        } else if (candidate->is_withdrawn) {
                candidate_slot_release(table, candidate);
        } else {
                candidate_begin_pause(candidate, failure, &table->random, now_ns);
        }
}

void candidate_table_disconnected(
                struct candidate_table *table, const struct cmi_id *id, uint64_t now_ns)
{
        for (uint32_t i = 0; i < table->n_slots; i++) {
                struct candidate *candidate = &table->slots[i];

                if (!candidate->is_used || !cmi_id_equal(&candidate->id, id)) {
                        continue;
                }
                candidate->is_met = false;
                if (candidate->state == CANDIDATE_CONNECTED) {
                        candidate->state = CANDIDATE_PAUSED;
                        candidate->due_ns =
                                        now_ns + cmi_random_up_to(&table->random,
                                                                 cmi_ms(CANDIDATE_PAUSE_FIRST_MS));
                }
        }
}

bool candidate_table_is_missing(const struct candidate_table *table)
{
        bool is_alone = true;

        for (uint32_t i = 0; i < table->n_slots; i++) {
                const struct candidate *candidate = &table->slots[i];

                if (!candidate->is_used) {
                        continue;
                }
                if (candidate->state == CANDIDATE_CONNECTED) {
                        is_alone = false;
                } else if (!candidate_is_unknown(candidate) && !candidate->is_refused) {
                        return true;
                }
        }
        return is_alone;
}

static void forget(struct candidate_table *table, struct candidate *candidate)
{
        candidate->was_connected = false;
        if (candidate->n_fixed > 0) {
                memset(&candidate->id, 0, sizeof(candidate->id));
                candidate->incarnation = 0;
                candidate->counter = 0;
                candidate->origins &= CANDIDATE_STATIC | CANDIDATE_DNS;
        } else if (candidate->state == CANDIDATE_DIALLING) {
                candidate->origins = CANDIDATE_BEACON;
        } else {
                candidate_slot_release(table, candidate);
        }
}

void candidate_table_forget(struct candidate_table *table, const struct cmi_id *id, uint64_t now_ns)
{
        if (cmi_id_is_zero(id)) {
                return;
        }
        candidate_table_disconnected(table, id, now_ns);
        for (uint32_t i = 0; i < table->n_slots; i++) {
                if (table->slots[i].is_used && cmi_id_equal(&table->slots[i].id, id)) {
                        forget(table, &table->slots[i]);
                }
        }
}
