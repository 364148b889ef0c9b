/* SPDX-License-Identifier: MIT */
#include "discovery/candidate_table.h"

#include "discovery/candidate_slots.h"

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

const struct candidate *candidate_table_find(
                const struct candidate_table *table, const struct cmi_id *id)
{
        return candidate_slot_of_id(table, id);
}

/* By id if there is one. By endpoint among static ones, and among those that have no other id. */
static struct candidate *find_added(const struct candidate_table *table,
                enum candidate_origin origin, const struct cmi_id *id,
                const struct cmi_endpoint *endpoint)
{
        struct candidate *candidate = id ? candidate_slot_of_id(table, id) : NULL;

        if (origin == CANDIDATE_DNS) {
                return candidate_slot_of_fixed(table, endpoint);
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
                candidate = candidate_slot_claim(table, origin != CANDIDATE_DNS, now_ns);
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
        struct candidate *candidate = candidate_slot_of_fixed(table, endpoint);

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
                candidate_slot_release(table, candidate);
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
                candidate = candidate_slot_claim(table, false, now_ns);
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
        candidate = candidate_slot_of_id(table, &beacon->id);
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
