/* SPDX-License-Identifier: MIT */
#include "discovery/candidate_table.h"

#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void candidate_table_init(struct candidate_table *table, struct candidate *slots, uint32_t n_slots,
                const struct cmi_id *own_id, uint64_t seed)
{
        *table = (struct candidate_table){.slots = slots, .n_slots = n_slots, .own_id = *own_id};
        memset(slots, 0, n_slots * sizeof(*slots));
        table->random = seed;
        source_limit_init(&table->limit, cmi_random_next(&table->random));
}

void candidate_table_set_own(struct candidate_table *table, uint64_t incarnation,
                const struct cmi_endpoint *endpoints, uint8_t n_endpoints)
{
        table->own_incarnation = incarnation;
        address_filter_set_own(&table->filter, endpoints, n_endpoints);
}

void candidate_table_set_loopback_only(struct candidate_table *table, bool is_loopback_only)
{
        table->filter.is_loopback_only = is_loopback_only;
}

static struct candidate *find_id(const struct candidate_table *table, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < table->n_slots; i++) {
                if (table->slots[i].is_used && cmi_id_equal(&table->slots[i].id, id)) {
                        return &table->slots[i];
                }
        }
        return NULL;
}

const struct candidate *candidate_table_find(
                const struct candidate_table *table, const struct cmi_id *id)
{
        return find_id(table, id);
}

static void release(struct candidate_table *table, struct candidate *candidate)
{
        assert(candidate->state != CANDIDATE_DIALLING);
        memset(candidate, 0, sizeof(*candidate));
        table->n_used--;
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

/* An empty candidate that is due now; NULL if there is no room. */
static struct candidate *claim(struct candidate_table *table, bool is_trusted, uint64_t now_ns)
{
        struct candidate *candidate = find_free(table);

        if (!candidate) {
                candidate = find_victim(table, is_trusted, now_ns);
                if (!candidate) {
                        return NULL;
                }
                release(table, candidate);
        }
        candidate->is_used = true;
        candidate->heard_ns = now_ns;
        candidate->due_ns = now_ns;
        table->n_used++;
        return candidate;
}

/* The one that stands for a static endpoint, or for one of DNS. */
static struct candidate *find_fixed(
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

/* By id if there is one. By endpoint among static ones, and among those that have no other id. */
static struct candidate *find_added(const struct candidate_table *table,
                enum candidate_origin origin, const struct cmi_id *id,
                const struct cmi_endpoint *endpoint)
{
        struct candidate *candidate = id ? find_id(table, id) : NULL;

        if (origin == CANDIDATE_DNS) {
                return find_fixed(table, endpoint);
        }
        for (uint32_t i = 0; !candidate && i < table->n_slots; i++) {
                struct candidate *other = &table->slots[i];

                if (other->is_used && candidate_has_endpoint(other, endpoint) &&
                                (!id || cmi_id_is_zero(&other->id)) &&
                                (origin != CANDIDATE_STATIC || other->n_fixed > 0)) {
                        candidate = other;
                }
        }
        return candidate;
}

int candidate_table_add(struct candidate_table *table, enum candidate_origin origin,
                const struct cmi_id *id, const struct cmi_endpoint *endpoint, uint64_t now_ns)
{
        bool is_fixed = origin == CANDIDATE_STATIC || origin == CANDIDATE_DNS;
        struct candidate *candidate;
        int r;

        if (is_fixed || (id && cmi_id_is_zero(id))) {
                id = NULL;
        }
        r = origin == CANDIDATE_DNS ? address_filter_check_dns(&table->filter, endpoint)
                                    : address_filter_check(&table->filter, endpoint);
        if (r < 0) {
                return r;
        }
        if (id && cmi_id_equal(id, &table->own_id)) {
                return -ELOOP;
        }
        candidate = find_added(table, origin, id, endpoint);
        if (!candidate) {
                candidate = claim(table, origin != CANDIDATE_DNS, now_ns);
                if (!candidate) {
                        return -ENOSPC;
                }
                candidate->n_fixed = is_fixed;
        }
        if (origin == CANDIDATE_DNS) {
                candidate->heard_ns = now_ns;
        }
        candidate->is_withdrawn = false;
        if (id) {
                candidate->id = *id;
        }
        candidate->origins |= (uint8_t)origin;
        candidate_append_endpoint(candidate, endpoint);
        return 0;
}

void candidate_table_withdraw(struct candidate_table *table, const struct cmi_endpoint *endpoint)
{
        struct candidate *candidate = find_fixed(table, endpoint);

        if (!candidate || !(candidate->origins & CANDIDATE_DNS)) {
                return;
        }
        candidate->origins &= (uint8_t)~CANDIDATE_DNS;
        if (candidate->origins & CANDIDATE_STATIC) {
                return;
        }
        candidate->n_fixed = 0;
        if (candidate->was_connected) {
                candidate->origins |= CANDIDATE_PEER;
        } else if (candidate->origins == 0 && candidate->state == CANDIDATE_DIALLING) {
                candidate->origins = CANDIDATE_BEACON;
                candidate->is_withdrawn = true;
        } else if (candidate->origins == 0) {
                release(table, candidate);
        }
}

static bool has_all_endpoints(
                const struct candidate *candidate, const struct cmi_endpoint *endpoints, uint8_t n)
{
        for (uint8_t i = 0; i < n; i++) {
                if (!candidate_has_endpoint(candidate, &endpoints[i])) {
                        return false;
                }
        }
        return true;
}

/*
 * A beacon of an id that nobody knows may be about a candidate that is there: a static peer that
 * has not said HELLO yet, or one more invented id for an endpoint that is being tried already. Only
 * if all its endpoints are that candidate's, since different hosts may share some address
 * (172.17.0.1 is on each host with containers).
 */
static struct candidate *find_alias(const struct candidate_table *table,
                const struct cmi_endpoint *endpoints, uint8_t n)
{
        struct candidate *connected = NULL;

        for (uint32_t i = 0; i < table->n_slots; i++) {
                struct candidate *candidate = &table->slots[i];

                if (!candidate->is_used || !has_all_endpoints(candidate, endpoints, n)) {
                        continue;
                }
                if (!candidate_has_proven_id(candidate)) {
                        return candidate;
                }
                if (candidate->state == CANDIDATE_CONNECTED) {
                        connected = candidate;
                }
        }
        return connected;
}

/* Of an id that is not in the table. */
static int feed_stranger(struct candidate_table *table, const struct beacon *beacon,
                const struct cmi_endpoint *endpoints, uint8_t n, uint64_t now_ns)
{
        struct candidate *candidate = find_alias(table, endpoints, n);
        int outcome = CANDIDATE_REFRESHED;

        if (candidate && candidate_has_proven_id(candidate)) {
                return outcome;
        }
        if (!candidate) {
                candidate = claim(table, false, now_ns);
                outcome = CANDIDATE_ADDED;
        }
        if (!candidate) {
                return CANDIDATE_FULL;
        }
        candidate->id = beacon->id;
        candidate->incarnation = 0;
        candidate_refresh(candidate, beacon, endpoints, n, now_ns);
        return outcome;
}

static int feed(struct candidate_table *table, const struct beacon *beacon,
                const struct cmi_endpoint *source, uint32_t ifindex, uint64_t now_ns)
{
        struct cmi_endpoint endpoints[BEACON_ENDPOINTS_MAX];
        struct candidate *candidate;
        uint8_t n;

        if (cmi_id_equal(&beacon->id, &table->own_id)) {
                return beacon->incarnation > table->own_incarnation ? CANDIDATE_CLONE
                                                                    : CANDIDATE_OWN;
        }
        if (!source_limit_take(&table->limit, source, now_ns)) {
                return CANDIDATE_LIMITED;
        }
        candidate = find_id(table, &beacon->id);
        if (candidate && !candidate_is_news(candidate, beacon)) {
                return candidate->incarnation == beacon->incarnation &&
                                                       candidate->counter == beacon->counter
                                       ? CANDIDATE_DUPLICATE
                                       : CANDIDATE_REPLAYED;
        }
        n = address_filter_pick(&table->filter, beacon, source, ifindex, endpoints);
        if (n == 0) {
                return CANDIDATE_UNUSABLE;
        }
        if (!candidate) {
                return feed_stranger(table, beacon, endpoints, n, now_ns);
        }
        return candidate_refresh(candidate, beacon, endpoints, n, now_ns) ? CANDIDATE_RESTARTED
                                                                          : CANDIDATE_REFRESHED;
}

int candidate_table_feed(struct candidate_table *table, const struct beacon *beacon,
                const struct cmi_endpoint *source, uint32_t ifindex, uint64_t now_ns)
{
        int outcome = feed(table, beacon, source, ifindex, now_ns);

        table->n_outcomes[outcome]++;
        return outcome;
}

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
                        release(table, twin);
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
        candidate = find_id(table, id);
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
                release(table, candidate);
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
                release(table, candidate);
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

const char *candidate_outcome_text(int outcome)
{
        switch ((enum candidate_outcome)outcome) {
        case CANDIDATE_REFRESHED:
                return "refreshed";
        case CANDIDATE_ADDED:
                return "added";
        case CANDIDATE_RESTARTED:
                return "restarted";
        case CANDIDATE_OWN:
                return "own";
        case CANDIDATE_CLONE:
                return "clone";
        case CANDIDATE_DUPLICATE:
                return "duplicate";
        case CANDIDATE_REPLAYED:
                return "replayed";
        case CANDIDATE_LIMITED:
                return "limited";
        case CANDIDATE_UNUSABLE:
                return "unusable";
        case CANDIDATE_FULL:
                return "full";
        case CANDIDATE_N_OUTCOMES:
                break;
        }
        return "unknown";
}
