/* SPDX-License-Identifier: MIT */
/*
 * What a primary decides: a session is made, saved, taken over, ended. Each is a change of what is
 * here, given only what it may change: all else of a record stays as it was made. Whether this node
 * may decide is not known here, but by the fence: a node that has seen a later epoch may not.
 */
#include "meshd/session/state.h"

#include <errno.h>

bool decide_is_blocked(struct store *store, struct cmi_time now, const struct cmi_id *principal)
{
        return room_is_blocked(store, now) || principal_is_blocked(store, now, principal);
}

static uint64_t touch_ms(struct cmi_time now, uint64_t age_ms, uint64_t max_end_ms)
{
        uint64_t at_ms = utc_ms(now) > age_ms ? utc_ms(now) - age_ms : 0;

        return at_ms < max_end_ms ? at_ms : max_end_ms;
}

static uint64_t touch_ns(struct cmi_time now, uint64_t age_ms)
{
        return age_ms < now.mono_ns / CMI_NS_PER_MS ? now.mono_ns - cmi_ms(age_ms) : 0;
}

/* Is it one whose answer got lost? */
static bool is_retry(const struct entry *entry, uint64_t request)
{
        struct store_view view;

        if (request == 0 || SESSION_MUTANT(RETRY_UNKNOWN)) {
                return false;
        }
        entry_view(entry, &view);
        for (uint32_t i = 0; i < view.session.n_requests; i++) {
                if (view.session.requests[i] == request) {
                        return true;
                }
        }
        return false;
}

static void set_content(struct cmi_session *session, const struct store_content *content)
{
        if (content->request != 0) {
                uint32_t n = session->n_requests;

                n = n < CMI_SESSION_REQUESTS_MAX ? n + 1 : n;
                memmove(&session->requests[1], &session->requests[0],
                                (n - 1) * sizeof(session->requests[0]));
                session->requests[0] = content->request;
                session->n_requests = n;
        }
        session->tag = content->tag;
        session->sealed_base = content->sealed_base;
        session->save_id = content->save_id;
        session->blob_len = content->blob.len;
        session->blob_sum = cmi_session_sum(content->blob);
}

/* Create */

static struct cmi_session new_session(
                struct store *store, struct cmi_time now, const struct store_create *create)
{
        uint64_t life_ms = store->options.life_max_ms;
        struct cmi_session session = {
                        .key = create->key,
                        .space = create->space,
                        .version = {create->epoch, 1, create->epoch.opener},
                        .created_ms = utc_ms(now),
                        .idle_ttl_ms = create->idle_ttl_ms,
                        .max_end_ms = create->max_end_ms,
                        .last_touch_ms = utc_ms(now),
                        .principal = create->principal,
                        .holder = create->holder,
        };

        session.holder.no = cmi_id_is_zero(&create->holder.node) ? 0 : 1;
        if (session.max_end_ms - session.created_ms > life_ms) { /* by a clock ahead of this one */
                session.created_ms = session.max_end_ms - life_ms;
        }
        principal_give_vector(store, &session);
        set_content(&session, &create->content);
        return session;
}

static int insert(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_create *create)
{
        struct cmi_session session = new_session(store, now, create);
        bool is_new = !entry;
        int r = 0;

        if (cmi_session_check(&session) != 0) {
                return -EINVAL;
        }
        if (decide_is_blocked(store, now, &session.principal)) {
                return STORE_FULL_BLOCKED;
        }
        if (is_new) {
                entry = entry_new(store, &create->key, RESERVE_NEW, &r);
        }
        if (r == 0) {
                r = entry_fill(store, now, entry, STORE_CREATE, &session, create->content.blob,
                                false);
        }
        if (r == 0) {
                entry_fence(entry, &create->epoch);
                entry_touch(store, now, entry, session.last_touch_ms, now.mono_ns);
        } else if (is_new && entry) {
                entry_drop(store, entry);
        }
        return r;
}

static int create(struct store *store, struct cmi_time now, const struct store_create *create)
{
        struct entry *entry = table_find(store, now, &create->key);

        if (entry && entry->body) {
                return is_retry(entry, create->content.request) ? STORE_SAME : STORE_EXISTS;
        }
        if (!entry_is_unknown(entry) && !SESSION_MUTANT(CREATE_OVER_DEAD)) {
                return STORE_DEAD;
        }
        if (entry_is_fenced(entry, &create->epoch)) {
                return STORE_FENCED;
        }
        if (create->max_end_ms <= utc_ms(now)) {
                return STORE_EXPIRED;
        }
        if (create->max_end_ms > life_end_max_ms(store, now, 1) - store->options.margin_ms / 2) {
                return STORE_AHEAD;
        }
        return insert(store, now, entry, create);
}

/* What is there */

/* What of a record is to be changed. Return: 0, or why it cannot be. */
static int find_record(struct store *store, struct cmi_time now, const struct cmi_id *key,
                struct entry **ret_entry)
{
        struct entry *entry = table_find(store, now, key);

        *ret_entry = entry;
        if (entry_is_unknown(entry)) {
                return STORE_ABSENT;
        }
        if (!entry->body) {
                return STORE_DEAD;
        }
        return entry_is_expired(entry, now) ? STORE_EXPIRED : 0;
}

static bool is_held_by(const struct entry *entry, const struct cmi_session_holder *holder)
{
        if (SESSION_MUTANT(HOLDER_UNCHECKED)) {
                return true;
        }
        if (SESSION_MUTANT(HOLDER_BY_NUMBER)) {
                return holder->no >= entry->holder_no;
        }
        return cmi_session_holder_equal(&entry->body->holder, holder);
}

static int is_expected(const struct entry *entry, const struct cmi_session_version *expected)
{
        return cmi_session_version_compare(expected, &entry->version) == 0;
}

/* Planted bug: a save of what is not there. */
static int save_creates(struct store *store, struct cmi_time now, const struct store_save *save)
{
        struct entry *entry = table_find(store, now, &save->key);
        const struct store_create create = {
                        .key = save->key,
                        .epoch = save->epoch,
                        .max_end_ms = utc_ms(now) + 1000,
                        .content = {.blob = save->content.blob, .save_id = save->content.save_id},
        };

        return insert(store, now, entry, &create);
}

static int check_save(const struct entry *entry, const struct store_save *save)
{
        if (is_retry(entry, save->content.request)) {
                return STORE_SAME;
        }
        if (entry_is_fenced(entry, &save->epoch)) {
                return STORE_FENCED;
        }
        if (entry->is_behind && !SESSION_MUTANT(BEHIND_UNKNOWN)) {
                return STORE_BEHIND;
        }
        if (!is_held_by(entry, &save->holder)) {
                return STORE_STALE;
        }
        return is_expected(entry, &save->expected) || SESSION_MUTANT(SAVE_UNCHECKED)
                               ? 0
                               : STORE_CHANGED;
}

/* Built on what is here, in the epoch in which the primary orders. */
static struct cmi_session next_session(const struct entry *entry, const struct store_save *save)
{
        struct store_view view;
        struct cmi_session_version next = {save->epoch, 1, save->epoch.opener};

        entry_view(entry, &view);
        if (cmi_session_epoch_compare(&view.session.version.epoch, &save->epoch) == 0) {
                next.seq = view.session.version.seq + 1;
        }
        cmi_session_advance(&view.session, &next);
        set_content(&view.session, &save->content);
        return view.session;
}

static int save(struct store *store, struct cmi_time now, const struct store_save *save)
{
        struct cmi_session session;
        struct entry *entry;
        int r = find_record(store, now, &save->key, &entry);

        if (r != 0 && r != STORE_EXPIRED && SESSION_MUTANT(SAVE_CREATES)) {
                return save_creates(store, now, save);
        }
        if (r == 0) {
                r = check_save(entry, save);
        }
        if (r != 0) {
                return r;
        }
        session = next_session(entry, save);
        if (cmi_session_check(&session) != 0) {
                return -EINVAL;
        }
        r = entry_fill(store, now, entry, STORE_SAVE, &session, save->content.blob, false);
        if (r == 0) {
                entry_fence(entry, &save->epoch);
                entry_touch(store, now, entry, touch_ms(now, save->age_ms, session.max_end_ms),
                                touch_ns(now, save->age_ms));
        }
        return r;
}

/* Takeover */

static int check_hold(const struct entry *entry, const struct store_hold *hold)
{
        struct cmi_session_holder wanted = hold->holder;

        wanted.no = hold->expected_no + 1;
        if (cmi_session_holder_equal(&entry->body->holder, &wanted)) {
                return STORE_SAME;
        }
        if (entry_is_fenced(entry, &hold->epoch)) {
                return STORE_FENCED;
        }
        if (entry->is_behind) {
                return STORE_BEHIND;
        }
        return entry->holder_no == hold->expected_no || SESSION_MUTANT(HOLD_UNCHECKED)
                               ? 0
                               : STORE_STALE;
}

static int hold(struct store *store, struct cmi_time now, const struct store_hold *hold)
{
        struct entry *entry;
        int r = find_record(store, now, &hold->key, &entry);

        if (cmi_id_is_zero(&hold->holder.node) || hold->expected_no == UINT64_MAX) {
                return -EINVAL;
        }
        if (r == 0) {
                r = check_hold(entry, hold);
        }
        if (r != 0) {
                return r;
        }
        entry->body->holder = hold->holder;
        entry->body->holder.no = entry->holder_no = hold->expected_no + 1;
        entry_fence(entry, &hold->epoch);
        entry_touch(store, now, entry, touch_ms(now, hold->age_ms, entry->body->max_end_ms),
                        touch_ns(now, hold->age_ms));
        return STORE_STORED;
}

/* End */

static int check_end(const struct entry *entry, const struct store_end *end)
{
        bool is_any = cmi_session_version_is_none(&end->expected);

        if (!entry->body && (!is_any || entry_is_final(entry))) {
                return STORE_DEAD;
        }
        if (is_any) {
                return 0; /* a logout is one whoever says so, and whatever it ends */
        }
        if (entry_is_fenced(entry, &end->epoch)) {
                return STORE_FENCED;
        }
        if (entry->is_behind) {
                return STORE_BEHIND;
        }
        if (SESSION_MUTANT(END_UNCHECKED)) {
                return 0;
        }
        return is_expected(entry, &end->expected) &&
                                               (end->reason != CMI_TOMBSTONE_IDLE ||
                                                               entry->last_touch_ms <=
                                                                               end->last_touch_ms)
                               ? 0
                               : STORE_CHANGED;
}

static uint64_t blind_until_ms(
                const struct store *store, struct cmi_time now, const struct store_end *end)
{
        uint64_t latest_ms = life_end_max_ms(store, now, 2);

        return end->blind_ms < latest_ms - utc_ms(now) ? utc_ms(now) + end->blind_ms : latest_ms;
}

/* Nothing is known of it, but perhaps a fence. */
static int end_blindly(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_end *end)
{
        uint64_t until_ms = blind_until_ms(store, now, end);
        const struct cmi_tombstone tombstone = {
                        .space = end->space,
                        .max_end_ms = until_ms,
                        .reason = end->reason,
        };
        int r;

        if (!entry) {
                r = room_for_blind(store, sizeof(*entry));
                entry = r == 0 ? entry_new(store, &end->key, RESERVE_COPY, &r) : NULL;
                if (!entry) {
                        return r;
                }
                entry_blind(store, now, entry, until_ms);
        }
        tombstone_set(store, now, entry, &tombstone);
        return STORE_STORED;
}

/* Who says so once more has to be sure of it for as long. */
static void end_again(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_end *end)
{
        if (entry->is_blind && end->blind_ms != 0) {
                entry_blind(store, now, entry, blind_until_ms(store, now, end));
                due_entry(store, now, entry);
        }
}

static bool is_blind_end(const struct store_end *end)
{
        return end->blind_ms != 0 && cmi_session_version_is_none(&end->expected);
}

static int end(struct store *store, struct cmi_time now, const struct store_end *end)
{
        struct entry *entry = table_find(store, now, &end->key);
        bool is_final = cmi_tombstone_is_final(end->reason);
        struct cmi_tombstone tombstone;
        int r;

        if (end->reason < CMI_TOMBSTONE_IDLE ||
                        (!is_final && cmi_session_version_is_none(&end->expected))) {
                return -EINVAL;
        }
        if (entry_is_unknown(entry)) {
                return is_blind_end(end) ? end_blindly(store, now, entry, end) : STORE_ABSENT;
        }
        r = check_end(entry, end);
        if (r != 0) {
                end_again(store, now, entry, end);
                return r;
        }
        tombstone = (struct cmi_tombstone){
                        .key = end->key,
                        .space = entry->space,
                        .version = entry->version,
                        .max_end_ms = entry->life.until_ms,
                        .reason = end->reason,
                        .last_touch_ms = is_final ? 0 : entry->last_touch_ms,
                        .holder_no = is_final ? 0 : entry->holder_no,
        };
        tombstone_set(store, now, entry, &tombstone);
        if (!cmi_session_version_is_none(&end->expected)) {
                entry_fence(entry, &end->epoch);
        }
        return STORE_STORED;
}

/* Touch: by the holder, on whatever node */

/* Planted bug. */
static int touch_creates(struct store *store, struct cmi_time now, const struct store_touch *touch)
{
        const struct cmi_id node = {{1}};
        const struct store_create create = {
                        .key = touch->key,
                        .epoch = {1, node, 1},
                        .max_end_ms = utc_ms(now) + 1000,
        };

        return insert(store, now, table_find(store, now, &touch->key), &create);
}

static int touch(struct store *store, struct cmi_time now, const struct store_touch *touch)
{
        struct entry *entry;
        int r = find_record(store, now, &touch->key, &entry);
        uint64_t at_ms;

        if ((r == STORE_ABSENT || r == STORE_DEAD) && SESSION_MUTANT(TOUCH_CREATES)) {
                return touch_creates(store, now, touch);
        }
        if (r == STORE_DEAD && entry->reason == CMI_TOMBSTONE_IDLE &&
                        touch_ms(now, touch->age_ms, UINT64_MAX) > entry->dead_touch_ms) {
                return STORE_WANTED;
        }
        if (r != 0) {
                return r;
        }
        if (!is_held_by(entry, &touch->holder)) {
                return STORE_STALE;
        }
        at_ms = touch_ms(now, touch->age_ms, entry->body->max_end_ms);
        return entry_touch(store, now, entry, at_ms, touch_ns(now, touch->age_ms)) ? STORE_STORED
                                                                                   : STORE_SAME;
}

int decide(struct store *store, struct cmi_time now, const struct store_change *change)
{
        switch (change->way) {
        case STORE_CREATE:
                return create(store, now, &change->create);
        case STORE_SAVE:
                return save(store, now, &change->save);
        case STORE_HOLD:
                return hold(store, now, &change->hold);
        case STORE_END:
                return end(store, now, &change->end);
        case STORE_TOUCH:
                return touch(store, now, &change->touch);
        case STORE_ORDERED:
        case STORE_COPY:
        case STORE_TOMBSTONE:
        case STORE_PRINCIPAL:
        case STORE_FENCE:
                break;
        }
        return -EINVAL;
}

int store_admit(struct store *store, struct cmi_time now, uint64_t space,
                const struct cmi_id *principal, uint64_t blob_len)
{
        const struct cmi_session session = {
                        .space = space, .principal = *principal, .blob_len = blob_len};

        if (decide_is_blocked(store, now, principal)) {
                return STORE_FULL_BLOCKED;
        }
        if (!room_has_keys(store, sizeof(struct entry), RESERVE_NEW)) {
                return STORE_FULL_KEYS;
        }
        return entry_limit(store, STORE_CREATE, &session, NULL, blob_len + STORE_HEAD_USUAL);
}
