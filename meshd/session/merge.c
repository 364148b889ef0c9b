/* SPDX-License-Identifier: MIT */
/*
 * What becomes of two that meet. All that can be said of a key, but a final tombstone, has a place
 * in one order: by version, then holder_no, then last_touch; at the same place an idle tombstone is
 * above one of a principal, and that above the record. The highest is what is kept, and a final
 * tombstone is above all. The maximum of an order is the same whatever came first, and however
 * often: that is why two stores that were given the same hold the same.
 *
 * 1. A final tombstone (destroyed, rotated): nothing brings the key back. It keeps the highest
 *    version, reason and end that it meets.
 * 2. A record that its principal's counts do not allow counts as a tombstone at its own place.
 * 3. An idle tombstone ends the record up to its own place, and yields to what is above it.
 * 4. Of two records that are alive the higher version stays. That is a conflict unless it is built
 *    on the other; the order alone would lose a save silently.
 * 5. Within a version a takeover is above a touch: who takes a session over touches it.
 */
#include "meshd/session/state.h"

#include <errno.h>

static bool is_final(const struct entry *entry)
{
        return !entry->body && cmi_tombstone_is_final(entry->reason);
}

static void keep_until(struct store *store, struct cmi_time now, struct entry *entry, uint64_t ms)
{
        if (entry->keep_ms < ms) {
                entry->keep_ms = ms;
                if (!entry->body) {
                        due_entry(store, now, entry);
                }
        }
}

/* What a final tombstone learns of anything that comes. */
static void keep_version(struct entry *entry, const struct cmi_session_version *version)
{
        if (cmi_session_version_compare(&entry->version, version) < 0) {
                entry->version = *version;
        }
}

static bool has_request(const struct cmi_session *session, uint64_t id)
{
        for (uint32_t i = 0; i < session->n_requests; i++) {
                if (session->requests[i] == id) {
                        return true;
                }
        }
        return false;
}

/* Is the change one whose answer got lost? */
static bool is_retry(const struct entry *entry, const struct cmi_session *session)
{
        struct store_view view;

        entry_view(entry, &view);
        return session->n_requests > 0 && has_request(&view.session, session->requests[0]);
}

/* Records */

/* Something dead has found no room: what is not alive here may be that. */
static bool is_blocked(struct store *store, struct cmi_time now, const struct cmi_session *session)
{
        return due_is_blocked(store, now) || principal_is_blocked(store, now, session);
}

/* A key that nothing is known of. */
static int insert(struct store *store, struct cmi_time now, const struct store_change *change,
                const struct cmi_session *session)
{
        int full = STORE_STORED;
        struct entry *entry;

        if (is_blocked(store, now, session)) {
                return STORE_FULL_BLOCKED;
        }
        entry = entry_new(store, &session->key, change->way == STORE_CREATE, &full);
        if (!entry) {
                return full;
        }
        full = entry_fill(store, now, entry, change, session, false);
        if (full != 0) {
                entry_drop(store, entry);
        }
        return full;
}

/* It is not alive here, and stays known as that, at its place. */
static void become_dead(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_session *session)
{
        entry_empty(store, entry, CMI_TOMBSTONE_PRINCIPAL, STORE_GONE_PRINCIPAL);
        entry->space = session->space;
        entry->version = session->version;
        entry->holder_no = session->holder_no;
        entry->last_touch_ms = session->last_touch_ms;
        keep_until(store, now, entry, session->max_end_ms);
        due_entry(store, now, entry);
}

static int insert_dead(struct store *store, struct cmi_time now, const struct cmi_session *session)
{
        int full;
        struct entry *entry = entry_new(store, &session->key, false, &full);

        if (entry) { /* else its principal's counts keep it out as well */
                become_dead(store, now, entry, session);
        }
        return STORE_DEAD;
}

static int create(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_change *change)
{
        const struct cmi_session *session = change->session;

        if (entry && !entry->body) {
                return STORE_DEAD;
        }
        if (entry) {
                return is_retry(entry, session) ? STORE_SAME : STORE_EXISTS;
        }
        if (!principal_allows(store, session)) {
                return STORE_DEAD;
        }
        return insert(store, now, change, session);
}

static int save(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_change *change)
{
        struct cmi_session session = *change->session;

        if ((!entry || !entry->body) && SESSION_MUTANT(SAVE_CREATES)) {
                if (entry) {
                        entry_drop(store, entry);
                }
                return insert(store, now, change, &session);
        }
        if (!entry) {
                return STORE_ABSENT;
        }
        if (!entry->body) {
                return STORE_DEAD;
        }
        if (is_retry(entry, &session)) {
                return STORE_SAME;
        }
        if (session.holder_no < entry->holder_no && !SESSION_MUTANT(HOLDER_UNCHECKED)) {
                return STORE_STALE;
        }
        if (cmi_session_version_compare(&change->expected, &entry->version) != 0 &&
                        !SESSION_MUTANT(SAVE_UNCHECKED)) {
                return STORE_CHANGED;
        }
        if (cmi_session_version_compare(&session.version, &change->expected) <= 0 ||
                        !cmi_session_has_ancestor(&session, &change->expected) ||
                        session.max_end_ms > entry->max_end_ms) {
                return -EINVAL;
        }
        if (!principal_allows(store, &session)) {
                return STORE_DEAD;
        }
        if (session.last_touch_ms < entry->last_touch_ms) {
                session.last_touch_ms = entry->last_touch_ms;
        }
        return entry_fill(store, now, entry, change, &session, false);
}

/* The same version with the same content; who holds it, and when it was touched, may be newer. */
static int renew(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_session *session)
{
        entry->holder_no = session->holder_no;
        entry->last_touch_ms = session->last_touch_ms;
        entry->holder = session->holder;
        entry->holder_incarnation = session->holder_incarnation;
        due_entry(store, now, entry);
        return STORE_STORED;
}

static bool is_built_on(const struct cmi_session *session, const struct cmi_session *other)
{
        if (SESSION_MUTANT(LINEAGE_UNCHECKED)) {
                return true;
        }
        if (cmi_session_version_compare(&session->version, &other->version) == 0) {
                return entry_content_sum(session) == entry_content_sum(other);
        }
        return cmi_session_has_ancestor(session, &other->version);
}

/* The copy is above what is here. */
static int take_copy(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_change *change, const struct cmi_session *session)
{
        bool is_conflict = false;
        int r;

        if (entry->body && entry->body->sum == entry_content_sum(session)) {
                return renew(store, now, entry, session);
        }
        if (!entry->body && is_blocked(store, now, session)) {
                return STORE_FULL_BLOCKED;
        }
        if (entry->body) {
                struct store_view view;

                entry_view(entry, &view);
                is_conflict = !is_built_on(session, &view.session);
        }
        r = entry_fill(store, now, entry, change, session, is_conflict);
        return r == 0 && is_conflict ? STORE_WON : r;
}

/* What is here is above the copy, or the same. */
static int keep_ours(struct store *store, const struct entry *entry,
                const struct store_change *change, const struct cmi_session *session)
{
        struct store_view view;

        if (cmi_session_version_compare(&entry->version, &session->version) == 0 &&
                        entry->body->sum == entry_content_sum(session)) {
                return STORE_SAME;
        }
        entry_view(entry, &view);
        if (is_built_on(&view.session, session)) {
                return STORE_OLDER;
        }
        entry_tell_conflict(store, &view.session, session, change->blob);
        return STORE_LOST;
}

static int compare_copy(
                const struct entry *entry, const struct cmi_session *session, bool is_allowed)
{
        struct place here = place_of_entry(entry);
        struct place theirs = place_of_session(session, is_allowed);

        if (SESSION_MUTANT(LAST_COPY_WINS) || (is_final(entry) && SESSION_MUTANT(CHECK_APART))) {
                return 1;
        }
        if (!entry->body && entry->reason == CMI_TOMBSTONE_IDLE && SESSION_MUTANT(IDLE_IS_FINAL)) {
                return -1;
        }
        return place_compare(&theirs, &here);
}

static int copy(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_change *change, const struct cmi_session *session)
{
        bool is_allowed = principal_allows(store, session);

        if (!entry) {
                return is_allowed ? insert(store, now, change, session)
                                  : insert_dead(store, now, session);
        }
        keep_until(store, now, entry, session->max_end_ms);
        if (is_final(entry) && !SESSION_MUTANT(CHECK_APART)) {
                keep_version(entry, &session->version);
                return STORE_DEAD;
        }
        if (compare_copy(entry, session, is_allowed) > 0) {
                if (is_allowed) {
                        return take_copy(store, now, entry, change, session);
                }
                become_dead(store, now, entry, session);
                return STORE_DEAD;
        }
        return entry->body && is_allowed ? keep_ours(store, entry, change, session) : STORE_DEAD;
}

/* A record that is past its end is none: nobody was given it any more. */
static struct entry *find_current(
                struct store *store, struct cmi_time now, const struct cmi_hash *key)
{
        struct entry *entry = table_find(store, key);

        if (entry && entry->body && entry_is_over(entry, now) && !entry_end(store, now, entry)) {
                entry = NULL;
        }
        return entry;
}

static int merge_record(struct store *store, struct cmi_time now, const struct store_change *change)
{
        struct cmi_session session;
        struct entry *entry;

        if (!change->session || cmi_session_check(change->session) != 0 ||
                        change->blob.len != change->session->blob_len ||
                        cmi_session_sum(change->blob) != change->session->blob_sum) {
                return -EINVAL;
        }
        session = *change->session;
        if (SESSION_MUTANT(MAX_END_BY_AGE) && change->way == STORE_COPY) {
                session.max_end_ms += utc_ms(now) - session.created_ms;
                session.created_ms = utc_ms(now);
        }
        if (session.max_end_ms <= utc_ms(now)) {
                return STORE_EXPIRED;
        }
        entry = find_current(store, now, &session.key);
        switch (change->way) {
        case STORE_CREATE:
                return create(store, now, entry, change);
        case STORE_SAVE:
                return save(store, now, entry, change);
        case STORE_COPY:
                return copy(store, now, entry, change, &session);
        case STORE_TOUCH:
        case STORE_TOMBSTONE:
        case STORE_PRINCIPAL:
                break;
        }
        return -EINVAL;
}

/* Touches */

/* Planted bug. */
static int touch_create(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_touch *touch)
{
        const struct cmi_id node = {{1}};
        const struct cmi_session session = {
                        .key = touch->key,
                        .version = {{1, node, 1}, 1, node},
                        .created_ms = utc_ms(now),
                        .max_end_ms = utc_ms(now) + CMI_SESSION_LIFE_MAX_MS,
                        .last_touch_ms = utc_ms(now),
                        .blob_sum = cmi_session_sum(cmi_slice(NULL, 0)),
        };

        if (entry) {
                entry_drop(store, entry);
        }
        return insert(store, now, &(struct store_change){.way = STORE_COPY}, &session);
}

static int merge_touch(struct store *store, struct cmi_time now, const struct store_touch *touch)
{
        struct entry *entry = find_current(store, now, &touch->key);

        if (touch->last_touch_ms > CMI_SESSION_TIME_MAX_MS) {
                return -EINVAL;
        }
        if (SESSION_MUTANT(TOUCH_CREATES) && (!entry || !entry->body)) {
                return touch_create(store, now, entry, touch);
        }
        if (!entry) {
                return STORE_ABSENT;
        }
        if (!entry->body) {
                return entry->reason == CMI_TOMBSTONE_IDLE &&
                                                       touch->last_touch_ms > entry->last_touch_ms
                                       ? STORE_WANTED
                                       : STORE_DEAD;
        }
        if (touch->holder_no < entry->holder_no && !SESSION_MUTANT(HOLDER_UNCHECKED)) {
                return STORE_STALE;
        }
        if (touch->last_touch_ms > entry->max_end_ms) {
                return STORE_EXPIRED;
        }
        if (touch->last_touch_ms == entry->last_touch_ms ||
                        (touch->last_touch_ms < entry->last_touch_ms &&
                                        !SESSION_MUTANT(TOUCH_GOES_BACK))) {
                return STORE_SAME;
        }
        entry->last_touch_ms = touch->last_touch_ms;
        due_entry(store, now, entry);
        return STORE_STORED;
}

/* Tombstones */

static void set_tombstone(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_tombstone *tombstone)
{
        entry_empty(store, entry, tombstone->reason, STORE_GONE_TOMBSTONE);
        entry->space = tombstone->space;
        entry->last_touch_ms = tombstone->last_touch_ms;
        entry->holder_no = tombstone->holder_no;
        keep_version(entry, &tombstone->version);
        due_entry(store, now, entry);
}

static int bury(struct store *store, struct cmi_time now, const struct cmi_tombstone *tombstone)
{
        int full;
        struct entry *entry = entry_new(store, &tombstone->key, false, &full);

        if (!entry) {
                due_block(store, now, tombstone->max_end_ms + CMI_SESSION_MARGIN_MS);
                return full;
        }
        entry->keep_ms = tombstone->max_end_ms;
        set_tombstone(store, now, entry, tombstone);
        return STORE_STORED;
}

static int merge_final(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_tombstone *tombstone)
{
        if (!is_final(entry)) {
                set_tombstone(store, now, entry, tombstone);
                return STORE_STORED;
        }
        if (cmi_session_version_compare(&entry->version, &tombstone->version) >= 0 &&
                        entry->reason >= tombstone->reason) {
                return STORE_SAME;
        }
        keep_version(entry, &tombstone->version);
        if (entry->reason < tombstone->reason) {
                entry->reason = tombstone->reason;
        }
        return STORE_STORED;
}

static int merge_yielding(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_tombstone *tombstone)
{
        struct place theirs = place_of_tombstone(tombstone);
        struct place here = place_of_entry(entry);
        int r;

        if (is_final(entry)) {
                keep_version(entry, &tombstone->version);
                return STORE_OLDER;
        }
        r = place_compare(&theirs, &here);
        if (r > 0) {
                set_tombstone(store, now, entry, tombstone);
                return STORE_STORED;
        }
        return r == 0 ? STORE_SAME : STORE_OLDER;
}

static int merge_tombstone(
                struct store *store, struct cmi_time now, const struct cmi_tombstone *tombstone)
{
        struct entry *entry;

        if (!tombstone || cmi_tombstone_check(tombstone) != 0) {
                return -EINVAL;
        }
        if (utc_ms(now) >= tombstone->max_end_ms + CMI_SESSION_MARGIN_MS) {
                return STORE_EXPIRED;
        }
        entry = find_current(store, now, &tombstone->key);
        if (!entry) {
                return bury(store, now, tombstone);
        }
        keep_until(store, now, entry, tombstone->max_end_ms);
        return cmi_tombstone_is_final(tombstone->reason)
                               ? merge_final(store, now, entry, tombstone)
                               : merge_yielding(store, now, entry, tombstone);
}

static int merge(struct store *store, struct cmi_time now, const struct store_change *change)
{
        switch (change->way) {
        case STORE_CREATE:
        case STORE_SAVE:
        case STORE_COPY:
                return merge_record(store, now, change);
        case STORE_TOUCH:
                return merge_touch(store, now, &change->touch);
        case STORE_TOMBSTONE:
                return merge_tombstone(store, now, change->tombstone);
        case STORE_PRINCIPAL:
                if (!change->principal || cmi_principal_check(change->principal) != 0) {
                        return -EINVAL;
                }
                return principal_merge(store, now, change->principal);
        }
        return -EINVAL;
}

int store_merge(struct store *store, struct cmi_time now, const struct store_change *change)
{
        int r = merge(store, now, change);

        if (store_is_full(r)) {
                store->status.n_refused++;
        }
        return r;
}
