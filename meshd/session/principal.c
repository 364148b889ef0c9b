/* SPDX-License-Identifier: MIT */
/*
 * Principals: how often each node has ended all sessions of somebody. A session carries what was
 * known when it was created, and is dead unless that is at least what is known now, node by node;
 * no clocks of two nodes are compared. Counts are merged by maximum.
 */
#include "meshd/session/state.h"

#include <assert.h>

struct principal *principal_take(struct store *store, const struct cmi_id *hash, int *ret_full)
{
        struct principal *principal = table_find_principal(store, hash);

        if (principal) {
                return principal;
        }
        principal = room_take(store, ROOM_KEYS, sizeof(*principal), 0, ret_full);
        if (principal) {
                *principal = (struct principal){
                                .item = {.key = *hash, .due_index = DUE_NONE, .is_principal = true},
                };
                table_add(store, &principal->item);
                store->status.n_principals++;
        }
        return principal;
}

/* What one takes that has one count. */
#define BLIND_BYTES (sizeof(struct principal) + sizeof(struct count))

static void set_blind(struct store *store, struct principal *principal)
{
        principal->is_blind = true;
        store->status.n_blind++;
        store->status.blind_bytes += BLIND_BYTES;
}

void principal_unblind(struct store *store, struct principal *principal)
{
        if (principal->is_blind) {
                principal->is_blind = false;
                store->status.n_blind--;
                store->status.blind_bytes -= BLIND_BYTES;
        }
}

void principal_count(struct store *store, struct principal *principal, uint64_t space)
{
        if (principal->place == 0) {
                principal->place = user_join(store, space,
                                sizeof(*principal) + principal->n_room * sizeof(struct count));
        }
}

void principal_settle(struct store *store, struct principal *principal)
{
        if (principal->n_sessions == 0 && principal->n_counts == 0 &&
                        principal->blocked.until_ms == 0) {
                principal_unblind(store, principal);
                table_remove(store, &principal->item);
                due_remove(store, &principal->item);
                store->status.n_principals--;
                user_shrink(store, principal->place, sizeof(*principal));
                room_give(store, ROOM_KEYS, principal, sizeof(*principal));
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

bool principal_is_blocked(struct store *store, struct cmi_time now, const struct cmi_id *hash)
{
        const struct principal *principal = table_find_principal(store, hash);

        return principal && principal->blocked.until_ms != 0 &&
               !life_is_over(store, &principal->blocked, now) && !SESSION_MUTANT(COUNT_FORGOTTEN);
}

void principal_give_vector(struct store *store, struct cmi_session *session)
{
        const struct principal *principal = table_find_principal(store, &session->principal);

        for (uint32_t i = 0; principal && i < principal->n_counts; i++) {
                const struct cmi_principal_count *count = &principal->counts[i].count;

                session->vector[session->n_vector++] =
                                (struct cmi_session_count){count->node, count->count};
        }
}

/*
 * When counts are raised, who has many sessions ends none of them at once, for that would take as
 * long as there are sessions: each is looked at before anybody sees it, and the rest bit by bit.
 */
bool principal_check(struct store *store, struct cmi_time now, struct entry *entry)
{
        struct body *body = entry->body;
        struct principal *principal = body ? body->principal : NULL;
        struct store_view view;

        if (!principal || body->checked_no == principal->counts_no ||
                        SESSION_MUTANT(PRINCIPAL_NEW_ONLY)) {
                return true;
        }
        entry_view(entry, &view);
        if (body->checked_no < principal->lost_no || !principal_allows(store, &view.session)) {
                entry_empty(store, now, entry, CMI_TOMBSTONE_PRINCIPAL, STORE_GONE_PRINCIPAL);
                return false;
        }
        body->checked_no = principal->counts_no;
        return true;
}

static void check_all_again(struct principal *principal)
{
        principal->counts_no++;
        principal->unchecked = principal->sessions;
}

/* Counts */

static void drop_counts(struct store *store, struct principal *principal)
{
        if (principal->counts) {
                user_shrink(store, principal->place, principal->n_room * sizeof(struct count));
                room_give(store, ROOM_KEYS, principal->counts,
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
        counts = room_take(store, ROOM_KEYS, (n + 1) * sizeof(*counts), 0, &full);
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
        user_grow(store, principal->place, (n + 1) * sizeof(*counts));
        return 0;
}

/* Return: its place, where it may have to be put; NULL: no room for it. */
static struct count *place_of(struct store *store, struct principal *principal,
                const struct cmi_id *node, int *ret_full)
{
        uint32_t n = principal->n_counts;
        uint32_t i = 0;

        while (i < n && cmi_id_compare(&principal->counts[i].count.node, node) < 0) {
                i++;
        }
        if (i < n && cmi_id_equal(&principal->counts[i].count.node, node)) {
                return &principal->counts[i];
        }
        *ret_full = n == CMI_SESSION_VECTOR_MAX ? STORE_FULL_NODES : grow(store, principal);
        if (*ret_full != 0) {
                return NULL;
        }
        assert(principal->counts != NULL);
        principal->n_counts++;
        memmove(&principal->counts[i + 1], &principal->counts[i],
                        (n - i) * sizeof(principal->counts[0]));
        principal->counts[i] = (struct count){.count = {.node = *node}};
        return &principal->counts[i];
}

/* Return: STORED, SAME, or what is full. */
static int merge_count(struct store *store, struct cmi_time now, struct principal *principal,
                const struct cmi_principal_count *count)
{
        int r = STORE_SAME;
        struct count *known = place_of(store, principal, &count->node, &r);

        if (!known) {
                return r;
        }
        if (count->count > known->count.count ||
                        (SESSION_MUTANT(COUNTS_REPLACED) && count->count != known->count.count)) {
                known->count.count = count->count;
                check_all_again(principal);
                r = STORE_STORED;
        }
        if (count->until_ms > known->count.until_ms) {
                known->count.until_ms = count->until_ms;
                r = STORE_STORED;
        }
        life_extend(&known->life, now, count->until_ms);
        if (r == STORE_STORED) {
                store_tell_changed(store, &principal->item.key, true);
        }
        return r;
}

static void set_due(struct store *store, struct cmi_time now, struct principal *principal)
{
        uint64_t at_ns = principal->unchecked ? now.mono_ns : UINT64_MAX;

        for (uint32_t i = 0; i <= principal->n_counts; i++) {
                const struct life *life = i < principal->n_counts ? &principal->counts[i].life
                                                                  : &principal->blocked;
                uint64_t life_ns = life_due_ns(store, life, now);

                if (life->until_ms != 0 && life_ns < at_ns) {
                        at_ns = life_ns;
                }
        }
        if (at_ns != UINT64_MAX) {
                due_set(store, &principal->item, at_ns);
        } else {
                due_remove(store, &principal->item);
        }
}

/*
 * A count was lost. Whom it ends cannot be told later, so all end that are here, and until it is
 * over no other session of this principal is known to be allowed.
 */
static void lose_count(struct principal *principal, struct cmi_time now, uint64_t until_ms)
{
        if (!SESSION_MUTANT(OVERFLOW_FORGOTTEN)) {
                life_extend(&principal->blocked, now, until_ms);
                check_all_again(principal);
                principal->lost_no = principal->counts_no;
        }
}

static int merge_bounded(struct store *store, struct cmi_time now, const struct cmi_id *hash,
                const struct cmi_principal_count *count)
{
        int r = 0;
        struct principal *principal = principal_take(store, hash, &r);

        if (!principal) {
                if (!SESSION_MUTANT(OVERFLOW_FORGOTTEN)) {
                        life_extend(&store->blocked, now, count->until_ms);
                }
                return r;
        }
        r = merge_count(store, now, principal, count);
        if (store_is_full(r)) {
                lose_count(principal, now, count->until_ms);
        }
        set_due(store, now, principal);
        principal_settle(store, principal);
        return r;
}

int principal_merge(struct store *store, struct cmi_time now, const struct cmi_principal *counts)
{
        int outcome = STORE_SAME;

        for (uint32_t i = 0; i < counts->n_counts; i++) {
                struct cmi_principal_count count = counts->counts[i];
                int r;

                if (count.until_ms > life_end_max_ms(store, now, 2)) {
                        count.until_ms = life_end_max_ms(store, now, 2);
                }
                r = merge_bounded(store, now, &counts->principal, &count);
                if (!store_is_full(r) && utc_ms(now) >= count.until_ms + store->options.margin_ms) {
                        r = STORE_EXPIRED;
                }
                if (store_is_full(r) || outcome == STORE_SAME ||
                                (r == STORE_EXPIRED && !store_is_full(outcome))) {
                        outcome = r;
                }
        }
        return outcome;
}

uint32_t store_principal_sessions(struct store *store, const struct cmi_id *hash)
{
        const struct principal *principal = table_find_principal(store, hash);

        return principal ? principal->n_sessions : 0;
}

/* Return: the count of a node; NULL: it has none. */
static const struct count *count_of(const struct principal *principal, const struct cmi_id *node)
{
        for (uint32_t i = 0; principal && i < principal->n_counts; i++) {
                if (cmi_id_equal(&principal->counts[i].count.node, node)) {
                        return &principal->counts[i];
                }
        }
        return NULL;
}

/* Of one with sessions here, or that is known already, there are no more than sessions made. */
static int admit_count(const struct store *store, const struct principal *principal)
{
        const size_t size = sizeof(*principal) + STORE_RAISERS_MAX * sizeof(struct count);

        if (!principal) {
                return room_for_blind(store, BLIND_BYTES);
        }
        if (principal->n_counts >= STORE_RAISERS_MAX) {
                return STORE_FULL_NODES;
        }
        return room_has_keys(store, size, RESERVE_NEW) ? 0 : STORE_FULL_KEYS;
}

/* Room, and a place, for a count of this node, which has none. Return: 0, or what is full. */
static int make_place(struct store *store, const struct cmi_id *hash)
{
        struct principal *principal = table_find_principal(store, hash);
        bool is_new = !principal;
        int r = admit_count(store, principal);

        if (r != 0) {
                return r;
        }
        principal = principal_take(store, hash, &r);
        if (!principal) {
                return r;
        }
        r = grow(store, principal);
        if (r == 0 && is_new) {
                set_blind(store, principal);
        }
        if (r != 0) {
                principal_settle(store, principal);
        }
        return r;
}

static bool has_sessions(const struct principal *principal)
{
        return principal && principal->n_sessions > 0;
}

int store_principal_raise(struct store *store, struct cmi_time now, const struct cmi_id *hash,
                const struct cmi_id *node, bool is_alone, struct cmi_principal *ret_principal)
{
        const struct principal *principal = table_find_principal(store, hash);
        const struct count *known = count_of(principal, node);
        int r = 0;

        *ret_principal = (struct cmi_principal){.principal = *hash};
        if (is_alone && !has_sessions(principal)) {
                return STORE_SAME;
        }
        if (!known) {
                r = make_place(store, hash);
        }
        if (r != 0) {
                store->status.n_refused++;
                return r;
        }
        ret_principal->n_counts = 1;
        ret_principal->counts[0] = (struct cmi_principal_count){
                        *node,
                        later(known ? known->count.count + 1 : 1, utc_ms(now)),
                        life_end_max_ms(store, now, 1),
        };
        return principal_merge(store, now, ret_principal);
}

/* Time */

static int check_some(struct store *store, struct cmi_time now, struct principal *principal)
{
        principal->n_sessions++; /* so that it outlives them */
        for (uint32_t n = 0; principal->unchecked && n < STORE_ENDED_AT_ONCE; n++) {
                struct body *body = principal->unchecked;

                principal->unchecked = body->next;
                principal_check(store, now, body->entry);
        }
        principal->n_sessions--;
        return STORE_CHECKED;
}

static int drop_what_is_over(struct store *store, struct cmi_time now, struct principal *principal)
{
        bool is_any = false;
        uint32_t n = 0;

        for (uint32_t i = 0; i < principal->n_counts; i++) {
                if (life_is_over(store, &principal->counts[i].life, now)) {
                        is_any = true;
                } else {
                        principal->counts[n++] = principal->counts[i];
                }
        }
        principal->n_counts = n;
        if (n == 0) {
                drop_counts(store, principal);
        }
        if (principal->blocked.until_ms != 0 && life_is_over(store, &principal->blocked, now)) {
                principal->blocked = (struct life){0};
                is_any = true;
        }
        if (is_any) {
                store_tell_changed(store, &principal->item.key, true);
        }
        return is_any ? STORE_FORGOTTEN : STORE_CHECKED;
}

int principal_expire(struct store *store, struct cmi_time now, struct principal *principal)
{
        int r = principal->unchecked ? check_some(store, now, principal)
                                     : drop_what_is_over(store, now, principal);

        set_due(store, now, principal);
        principal_settle(store, principal);
        return r;
}

void principal_forget(struct store *store, struct principal *principal)
{
        drop_counts(store, principal);
        principal->blocked = (struct life){0};
        principal_settle(store, principal);
}
