/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a record that others made. All that can be said of a key, but a final tombstone,
 * has a place in one order: by version, then by the number of the holder. The highest is what is
 * kept, and a final tombstone is above all. The latest touch of any record of the key is kept
 * beside it. Both are maxima, and the same whatever came first, and however often: that is why two
 * stores that were given the same hold the same.
 *
 * 1. A final tombstone (destroyed, rotated): nothing brings the key back.
 * 2. A record that its principal's counts do not allow counts as a tombstone at its own place.
 * 3. A tombstone that yields ends the records up to its own place, but one of its own place that
 *    was touched later. What it has ended lives again only when it comes again.
 * 4. Of two records that are alive the higher version stays. That is a conflict unless it is built
 *    on the other; the order alone would lose a save silently. The winner adopts the loser, so it
 *    is told once.
 * 5. At one place two contents, or two holders, are in an order that means nothing: all find the
 *    same winner.
 */
#include "meshd/session/state.h"

#include <errno.h>

/* One record on its way in. */
struct copy {
        const struct store_record *record;
        enum store_way way;
        struct cmi_session session;
        bool is_allowed; /* by its principal's counts */
};

static int compare_number(uint64_t a, uint64_t b)
{
        return (a > b) - (a < b);
}

/* Of the copy and what is here: above 0 when the copy is higher. */
static int compare_place(const struct entry *entry, const struct cmi_session *session)
{
        int r = cmi_session_version_compare(&session->version, &entry->version);

        return r != 0 ? r : compare_number(session->holder.no, entry->holder_no);
}

static bool is_content(const struct body *body, const struct cmi_session *session)
{
        return cmi_id_equal(&body->save_id, &session->save_id) &&
               body->blob_sum == session->blob_sum && body->blob_len == session->blob_len;
}

/* Is it the version that is here, with the same in it? */
static bool is_same_version(const struct entry *entry, const struct cmi_session *session)
{
        return entry->body && is_content(entry->body, session) &&
               cmi_session_version_compare(&entry->version, &session->version) == 0;
}

static int compare_record(const struct entry *entry, const struct cmi_session *session)
{
        const struct body *body = entry->body;
        int r = compare_place(entry, session);

        if (r == 0) {
                r = cmi_id_compare(&session->save_id, &body->save_id);
        }
        if (r == 0) {
                r = compare_number(session->blob_sum, body->blob_sum);
        }
        if (r == 0) {
                r = cmi_id_compare(&session->holder.node, &body->holder.node);
        }
        if (r == 0) {
                r = compare_number(session->holder.incarnation, body->holder.incarnation);
        }
        return r;
}

static uint64_t touch_ns(struct cmi_time now, uint64_t last_touch_ms)
{
        uint64_t age_ms = utc_ms(now) > last_touch_ms ? utc_ms(now) - last_touch_ms : 0;

        return age_ms < now.mono_ns / CMI_NS_PER_MS ? now.mono_ns - cmi_ms(age_ms) : 0;
}

/* All that is not in any order. */
static void note_copy(struct store *store, struct cmi_time now, struct entry *entry,
                const struct copy *copy)
{
        const struct cmi_session *session = &copy->session;

        life_extend(&entry->life, now, session->max_end_ms);
        entry_fence(entry, &session->version.epoch);
        if (copy->way == STORE_ORDERED) {
                entry_fence(entry, &copy->record->epoch);
        }
        if (!(SESSION_MUTANT(TOUCH_OF_LOSER_LOST) && compare_place(entry, session) < 0)) {
                entry_touch(store, now, entry, session->last_touch_ms,
                                touch_ns(now, session->last_touch_ms));
        }
}

/* It is not alive here, and stays known as that, at its place. */
static int become_dead(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_session *session)
{
        const struct cmi_tombstone tombstone = {
                        .space = session->space,
                        .version = session->version,
                        .max_end_ms = session->max_end_ms,
                        .reason = CMI_TOMBSTONE_PRINCIPAL,
                        .last_touch_ms = session->last_touch_ms,
                        .holder_no = session->holder.no,
        };

        tombstone_set(store, now, entry, &tombstone);
        return STORE_DEAD;
}

static int fill(struct store *store, struct cmi_time now, struct entry *entry,
                const struct copy *copy, bool is_conflict)
{
        if (copy->record->is_bare) {
                return STORE_WANTED;
        }
        return entry_fill(store, now, entry, copy->way, &copy->session, copy->record->blob,
                        is_conflict);
}

/* A key of which nothing was known. */
static int insert(struct store *store, struct cmi_time now, const struct copy *copy)
{
        int r = STORE_STORED;
        struct entry *entry;

        if (copy->is_allowed && copy->record->is_bare) {
                return STORE_WANTED;
        }
        if (copy->is_allowed && decide_is_blocked(store, now, &copy->session.principal)) {
                return STORE_FULL_BLOCKED;
        }
        entry = entry_new(store, &copy->session.key, RESERVE_COPY, &r);
        if (!entry) { /* if it is not allowed, the counts that say so keep it out */
                return copy->is_allowed ? r : STORE_DEAD;
        }
        life_extend(&entry->life, now, copy->session.max_end_ms);
        r = copy->is_allowed ? fill(store, now, entry, copy, false)
                             : become_dead(store, now, entry, &copy->session);
        if (entry_is_unknown(entry)) {
                entry_drop(store, entry);
        } else {
                note_copy(store, now, entry, copy);
        }
        return r;
}

/* There is no record here, but perhaps a tombstone that yields to this one. */
static int revive(struct store *store, struct cmi_time now, struct entry *entry,
                const struct copy *copy)
{
        int r = compare_place(entry, &copy->session);

        if (entry->reason == CMI_TOMBSTONE_IDLE && SESSION_MUTANT(IDLE_IS_FINAL)) {
                return STORE_DEAD;
        }
        if (entry->reason != 0 &&
                        (r < 0 || (r == 0 && entry->last_touch_ms <= entry->dead_touch_ms)) &&
                        !SESSION_MUTANT(LAST_COPY_WINS)) {
                return STORE_DEAD;
        }
        if (decide_is_blocked(store, now, &copy->session.principal) &&
                        !SESSION_MUTANT(BLOCK_OF_UNKNOWN_ONLY)) {
                return STORE_FULL_BLOCKED;
        }
        return fill(store, now, entry, copy, false);
}

/* The two are different versions, or one version with two contents. */
static bool is_built_on(const struct cmi_session *session, const struct cmi_session *other)
{
        return SESSION_MUTANT(LINEAGE_UNCHECKED) ||
               (cmi_session_version_compare(&session->version, &other->version) != 0 &&
                               cmi_session_has_ancestor(session, &other->version));
}

/* What is here learns of what somebody was told about. Without room it is told again. */
static void adopt(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_session *other)
{
        struct store_view view;

        entry_view(entry, &view);
        if (cmi_session_adopt(&view.session, other)) {
                uint64_t note = entry->note;
                bool is_behind = entry->is_behind;

                entry_fill(store, now, entry, STORE_COPY, &view.session, view.blob, false);
                entry->note = note;
                entry->is_behind = is_behind;
        }
}

/* The same version; who holds it may be another one. */
static int renew(struct store *store, struct cmi_time now, struct entry *entry,
                const struct copy *copy)
{
        bool is_above = compare_record(entry, &copy->session) > 0;

        adopt(store, now, entry, &copy->session);
        if (is_above) {
                entry->body->holder = copy->session.holder;
                entry->holder_no = copy->session.holder.no;
        }
        return is_above ? STORE_STORED : STORE_SAME;
}

/* The copy is above what is here. */
static int take(struct store *store, struct cmi_time now, struct entry *entry, struct copy *copy)
{
        struct store_view view;
        bool is_conflict;
        int r;

        entry_view(entry, &view);
        is_conflict = !is_built_on(&copy->session, &view.session);
        cmi_session_adopt(&copy->session, &view.session);
        r = fill(store, now, entry, copy, is_conflict);
        if (store_is_full(r)) {
                entry->is_behind = true;
        }
        return r == 0 && is_conflict ? STORE_WON : r;
}

/* What is here is above the copy. */
static int keep(struct store *store, struct cmi_time now, struct entry *entry,
                const struct copy *copy)
{
        struct store_view view;

        entry_view(entry, &view);
        if (is_built_on(&view.session, &copy->session)) {
                return STORE_OLDER;
        }
        if (copy->record->is_bare) {
                return STORE_WANTED; /* who is told of a loser gets its blob */
        }
        entry_tell_conflict(store, &view.session, &copy->session, copy->record->blob);
        adopt(store, now, entry, &copy->session);
        return STORE_LOST;
}

static int meet(struct store *store, struct cmi_time now, struct entry *entry, struct copy *copy)
{
        if (is_same_version(entry, &copy->session)) {
                return renew(store, now, entry, copy);
        }
        if (compare_record(entry, &copy->session) > 0 || SESSION_MUTANT(LAST_COPY_WINS)) {
                return take(store, now, entry, copy);
        }
        return keep(store, now, entry, copy);
}

static int merge_known(
                struct store *store, struct cmi_time now, struct entry *entry, struct copy *copy)
{
        if (entry->is_blind && !SESSION_MUTANT(BLIND_FOR_GOOD)) {
                entry_unblind(store, entry);
                life_extend(&entry->life, now, copy->session.max_end_ms);
                due_entry(store, now, entry);
        }
        if (copy->record->is_new && copy->way == STORE_ORDERED && !entry_is_unknown(entry) &&
                        !is_same_version(entry, &copy->session)) {
                return entry->body ? STORE_EXISTS : STORE_DEAD;
        }
        note_copy(store, now, entry, copy);
        if (entry_is_final(entry) && !SESSION_MUTANT(CHECK_APART)) {
                if (cmi_session_version_compare(&entry->version, &copy->session.version) < 0) {
                        entry->version = copy->session.version;
                }
                return STORE_DEAD;
        }
        if (!copy->is_allowed) {
                return compare_place(entry, &copy->session) < 0
                                       ? STORE_DEAD
                                       : become_dead(store, now, entry, &copy->session);
        }
        return entry->body ? meet(store, now, entry, copy) : revive(store, now, entry, copy);
}

static bool is_valid(const struct store_change *change)
{
        const struct store_record *record = &change->record;

        if (!record->session || cmi_session_check(record->session) != 0) {
                return false;
        }
        if (change->way == STORE_ORDERED && cmi_session_epoch_compare(&record->epoch,
                                                            &record->session->version.epoch) < 0) {
                return false;
        }
        return record->is_bare ||
               (record->blob.len == record->session->blob_len &&
                               cmi_session_sum(record->blob) == record->session->blob_sum);
}

int copy_merge(struct store *store, struct cmi_time now, const struct store_change *change)
{
        struct copy copy = {.record = &change->record, .way = change->way};
        uint64_t touch_max_ms = utc_ms(now) + store->options.margin_ms;
        struct cmi_session *session = &copy.session;
        struct entry *entry;

        if (!is_valid(change)) {
                return -EINVAL;
        }
        *session = *change->record.session;
        if (SESSION_MUTANT(MAX_END_BY_AGE)) {
                session->max_end_ms += utc_ms(now) - session->created_ms;
                session->created_ms = utc_ms(now);
        }
        entry = table_find(store, now, &session->key);
        if (change->way == STORE_ORDERED && entry_is_fenced(entry, &change->record.epoch)) {
                return STORE_FENCED;
        }
        if (session->max_end_ms <= utc_ms(now)) {
                return STORE_EXPIRED;
        }
        if (session->max_end_ms > life_end_max_ms(store, now, 1) && !SESSION_MUTANT(AHEAD_TAKEN)) {
                return STORE_AHEAD;
        }
        if (session->last_touch_ms > touch_max_ms) {
                session->last_touch_ms = touch_max_ms;
        }
        copy.is_allowed = principal_allows(store, session);
        return entry ? merge_known(store, now, entry, &copy) : insert(store, now, &copy);
}
