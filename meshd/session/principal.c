/* SPDX-License-Identifier: MIT */
/*
 * Principals: how often each node has ended all sessions of somebody. A session carries what was
 * known when it was created, and is dead unless that is at least what is known now, node by node;
 * no clocks of two nodes are compared. Counts are merged by maximum.
 */
#include "meshd/session/state.h"

#include <assert.h>

struct principal *principal_take(struct store *store, const struct cmi_hash *hash, int *ret_full)
{
        struct principal **slot = table_principal_slot(store, hash);
        struct principal *principal = *slot;

        if (principal && cmi_hash_equal(&principal->hash, hash)) {
                return principal;
        }
        principal = room_take(store, ROOM_TOMBSTONES, sizeof(*principal), 0, ret_full);
        if (principal) {
                *principal = (struct principal){.due = {.index = DUE_NONE, .is_principal = true},
                                .hash = *hash,
                                .next = *slot};
                *slot = principal;
                store->status.n_principals++;
        }
        return principal;
}

void principal_settle(struct store *store, struct principal *principal)
{
        if (principal->n_sessions == 0 && principal->n_counts == 0 &&
                        principal->blocked_until_ms == 0) {
                *table_principal_slot(store, &principal->hash) = principal->next;
                due_remove(store, &principal->due);
                store->status.n_principals--;
                room_give(store, ROOM_TOMBSTONES, principal, sizeof(*principal));
        }
}

/* Dead or alive */

static bool covers(const struct cmi_session *session, const struct cmi_principal_count *count)
{
        if (SESSION_MUTANT(PRINCIPAL_BY_CLOCK)) {
                return session->created_ms + CMI_SESSION_LIFE_MAX_MS + CMI_SESSION_MARGIN_MS >=
                       count->until_ms;
        }
        for (uint32_t i = 0; i < session->n_vector; i++) {
                if (cmi_id_equal(&session->vector[i].node, &count->node)) {
                        return session->vector[i].count >= count->count;
                }
        }
        return false;
}

bool principal_allows(struct store *store, const struct cmi_session *session)
{
        const struct principal *principal = table_find_principal(store, &session->principal);

        for (uint32_t i = 0; principal && i < principal->n_counts; i++) {
                if (!covers(session, &principal->counts[i].count)) {
                        return false;
                }
        }
        return true;
}

bool principal_is_blocked(
                struct store *store, struct cmi_time now, const struct cmi_session *session)
{
        const struct principal *principal = table_find_principal(store, &session->principal);

        return principal && (utc_ms(now) < principal->blocked_until_ms ||
                                            now.mono_ns < principal->blocked_until_ns);
}

static bool covers_all(const struct cmi_session *session, struct cmi_time now,
                const struct cmi_principal *counts)
{
        for (uint32_t i = 0; i < counts->n_counts; i++) {
                if (counts->counts[i].until_ms > utc_ms(now) &&
                                !covers(session, &counts->counts[i])) {
                        return false;
                }
        }
        return true;
}

/* Sessions that are here were allowed by what was known before. */
static void end_sessions(
                struct store *store, struct cmi_time now, const struct cmi_principal *counts)
{
        const struct principal *principal = table_find_principal(store, &counts->principal);
        struct body *body = principal ? principal->sessions : NULL;
        struct body *next;

        if (SESSION_MUTANT(PRINCIPAL_NEW_ONLY)) {
                return;
        }
        for (; body; body = next) {
                struct entry *entry = body->entry;
                struct store_view view;

                next = body->next;
                entry_view(entry, &view);
                if (!covers_all(&view.session, now, counts)) {
                        entry_empty(store, entry, CMI_TOMBSTONE_PRINCIPAL, STORE_GONE_PRINCIPAL);
                        due_entry(store, now, entry);
                }
        }
}

/* Counts */

static void drop_counts(struct store *store, struct principal *principal)
{
        if (principal->counts) {
                room_give(store, ROOM_TOMBSTONES, principal->counts,
                                principal->n_room * sizeof(struct count));
        }
        principal->counts = NULL;
        principal->n_counts = 0;
        principal->n_room = 0;
}

/* Room for one more. */
static int grow(struct store *store, struct principal *principal)
{
        uint32_t n = principal->n_counts;
        struct count *counts;
        int full;

        if (n < principal->n_room) {
                return 0;
        }
        counts = room_take(store, ROOM_TOMBSTONES, (n + 1) * sizeof(*counts), 0, &full);
        if (!counts) {
                return full;
        }
        if (n > 0) {
                memcpy(counts, principal->counts, n * sizeof(*counts));
        }
        drop_counts(store, principal);
        principal->counts = counts;
        principal->n_counts = n;
        principal->n_room = n + 1;
        return 0;
}

/* Return: STORED, SAME, or what is full. */
static int merge_count(struct store *store, struct cmi_time now, struct principal *principal,
                const struct cmi_principal_count *count)
{
        struct cmi_principal_count *known;
        uint32_t i = 0;
        int r = STORE_SAME;

        while (i < principal->n_counts &&
                        cmi_id_compare(&principal->counts[i].count.node, &count->node) < 0) {
                i++;
        }
        if (i == principal->n_counts ||
                        !cmi_id_equal(&principal->counts[i].count.node, &count->node)) {
                uint32_t n = principal->n_counts;

                r = n == CMI_SESSION_VECTOR_MAX ? STORE_FULL_PRINCIPAL : grow(store, principal);
                if (r != 0) {
                        return r;
                }
                assert(principal->counts != NULL);
                principal->n_counts++;
                memmove(&principal->counts[i + 1], &principal->counts[i],
                                (n - i) * sizeof(principal->counts[0]));
                principal->counts[i] = (struct count){.count = {.node = count->node}};
        }
        known = &principal->counts[i].count;
        if (count->count > known->count ||
                        (SESSION_MUTANT(COUNTS_REPLACED) && count->count != known->count)) {
                known->count = count->count;
                r = STORE_STORED;
        }
        if (count->until_ms > known->until_ms) {
                known->until_ms = count->until_ms;
                r = STORE_STORED;
        }
        if (due_at_ns(now, known->until_ms) > principal->counts[i].forget_ns) {
                principal->counts[i].forget_ns = due_at_ns(now, known->until_ms);
        }
        return r;
}

static void set_due(struct store *store, struct principal *principal)
{
        uint64_t at_ns =
                        principal->blocked_until_ms != 0 ? principal->blocked_until_ns : UINT64_MAX;

        for (uint32_t i = 0; i < principal->n_counts; i++) {
                if (principal->counts[i].forget_ns < at_ns) {
                        at_ns = principal->counts[i].forget_ns;
                }
        }
        if (at_ns != UINT64_MAX) {
                due_set(store, &principal->due, at_ns);
        } else {
                due_remove(store, &principal->due);
        }
}

/* A count was lost: no session of this principal is known to be allowed until it is over. */
static void block(struct store *store, struct cmi_time now, struct principal *principal,
                uint64_t until_ms)
{
        if (SESSION_MUTANT(OVERFLOW_FORGOTTEN)) {
                return;
        }
        if (principal->blocked_until_ms < until_ms) {
                principal->blocked_until_ms = until_ms;
        }
        if (principal->blocked_until_ns < due_at_ns(now, until_ms)) {
                principal->blocked_until_ns = due_at_ns(now, until_ms);
        }
}

static int merge_counts(
                struct store *store, struct cmi_time now, const struct cmi_principal *counts)
{
        int outcome = STORE_EXPIRED;

        for (uint32_t i = 0; i < counts->n_counts; i++) {
                const struct cmi_principal_count *count = &counts->counts[i];
                struct principal *principal;
                int r = 0;

                if (count->until_ms <= utc_ms(now)) {
                        continue;
                }
                principal = principal_take(store, &counts->principal, &r);
                if (principal) {
                        r = merge_count(store, now, principal, count);
                        if (store_is_full(r)) {
                                block(store, now, principal, count->until_ms);
                        }
                        set_due(store, principal);
                        principal_settle(store, principal);
                } else {
                        due_block(store, now, count->until_ms);
                }
                if (store_is_full(r) || (r == STORE_STORED && !store_is_full(outcome)) ||
                                outcome == STORE_EXPIRED) {
                        outcome = r;
                }
        }
        return outcome;
}

int principal_merge(struct store *store, struct cmi_time now, const struct cmi_principal *counts)
{
        int outcome = merge_counts(store, now, counts);

        end_sessions(store, now, counts);
        return outcome;
}

int store_principal_next(struct store *store, struct cmi_time now, const struct cmi_hash *hash,
                const struct cmi_id *node, struct cmi_principal *ret_principal)
{
        const struct principal *principal = table_find_principal(store, hash);
        uint64_t count = utc_ms(now);
        bool has_place = !principal || principal->n_counts < CMI_SESSION_VECTOR_MAX;

        for (uint32_t i = 0; principal && i < principal->n_counts; i++) {
                const struct cmi_principal_count *known = &principal->counts[i].count;

                if (cmi_id_equal(&known->node, node)) {
                        count = known->count < count ? count : known->count + 1;
                        has_place = true;
                }
        }
        if (!has_place) {
                return STORE_FULL_PRINCIPAL;
        }
        *ret_principal = (struct cmi_principal){
                        .principal = *hash,
                        .n_counts = 1,
                        .counts = {{*node, count,
                                        utc_ms(now) + CMI_SESSION_LIFE_MAX_MS +
                                                        CMI_SESSION_MARGIN_MS}},
        };
        return 0;
}

bool principal_expire(struct store *store, struct cmi_time now, struct principal *principal)
{
        uint32_t n = 0;
        bool is_any;

        for (uint32_t i = 0; i < principal->n_counts; i++) {
                struct count *count = &principal->counts[i];

                if (count->forget_ns <= now.mono_ns) {
                        if (count->count.until_ms <= utc_ms(now)) {
                                continue;
                        }
                        count->forget_ns = due_at_ns(now, count->count.until_ms);
                }
                principal->counts[n++] = *count;
        }
        is_any = n < principal->n_counts;
        if (principal->blocked_until_ms != 0 && principal->blocked_until_ns <= now.mono_ns) {
                if (principal->blocked_until_ms <= utc_ms(now)) {
                        principal->blocked_until_ms = 0;
                        is_any = true;
                } else {
                        principal->blocked_until_ns = due_at_ns(now, principal->blocked_until_ms);
                }
        }
        principal->n_counts = n;
        if (n == 0) {
                drop_counts(store, principal);
        }
        set_due(store, principal);
        principal_settle(store, principal);
        return is_any;
}

void principal_forget(struct store *store, struct principal *principal)
{
        drop_counts(store, principal);
        principal->blocked_until_ms = 0;
        principal_settle(store, principal);
}
