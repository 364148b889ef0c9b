/* SPDX-License-Identifier: MIT */
/*
 * Entries: what is kept of a key, what it takes, and by whom it is counted. Whether a record may
 * become one is decided in merge.c.
 */
#include "meshd/session/state.h"

#include <assert.h>

static struct cmi_slice head_of(const struct body *body)
{
        return cmi_slice(body->bytes, body->head_len);
}

static struct cmi_slice blob_of(const struct body *body)
{
        return cmi_slice(body->bytes + body->head_len, body->blob_len);
}

static size_t size_of(const struct body *body)
{
        return sizeof(*body) + body->head_len + body->blob_len;
}

/* Without what changes within a version: that is in the entry. */
static struct cmi_slice write_content(
                const struct cmi_session *session, uint8_t buffer[CMI_SESSION_HEAD_MAX])
{
        struct cmi_writer writer = cmi_writer(buffer, CMI_SESSION_HEAD_MAX);
        struct cmi_session content = *session;

        content.last_touch_ms = 0;
        content.holder = (struct cmi_session_holder){{{0}}, 0, 0};
        cmi_session_write(&writer, &content);
        assert(writer.error == 0);
        return cmi_written(&writer);
}

static void view_record(const struct entry *entry, struct store_view *view)
{
        const struct body *body = entry->body;
        int r = cmi_session_decode(head_of(body), &view->session);

        assert(r == 0);
        (void)r;
        view->session.last_touch_ms = entry->last_touch_ms < body->max_end_ms ? entry->last_touch_ms
                                                                              : body->max_end_ms;
        view->session.holder = body->holder;
        view->blob = blob_of(body);
}

void entry_view(const struct entry *entry, struct store_view *ret_view)
{
        bool is_final = cmi_tombstone_is_final(entry->reason);

        ret_view->is_record = entry->body != NULL;
        ret_view->fence = entry->fence;
        ret_view->note = entry->note;
        if (ret_view->is_record) {
                view_record(entry, ret_view);
                return;
        }
        ret_view->tombstone = (struct cmi_tombstone){
                        .key = entry->item.key,
                        .space = entry->space,
                        .version = entry->version,
                        .max_end_ms = entry->life.until_ms,
                        .reason = entry->reason,
                        .last_touch_ms = is_final ? 0 : entry->dead_touch_ms,
                        .holder_no = is_final ? 0 : entry->holder_no,
        };
}

/* Namespaces */

/* Return: its place, or a free one; NULL: there is none. */
static struct space *space_of(struct store *store, uint64_t space)
{
        struct space *free_one = NULL;

        for (uint32_t i = 0; i < STORE_SPACES_MAX; i++) {
                if (store->spaces[i].n_sessions == 0) {
                        free_one = free_one ? free_one : &store->spaces[i];
                } else if (store->spaces[i].space == space) {
                        return &store->spaces[i];
                }
        }
        if (free_one) {
                *free_one = (struct space){.space = space};
        }
        return free_one;
}

/* Making and ending */

/* Planted bug: whoever is dead for long enough has to go. */
static void evict_tombstone(struct store *store)
{
        for (uint32_t i = 0; i < 1u << store->entry_bits; i++) {
                struct entry *entry = (struct entry *)store->entries[i];

                if (entry && !entry->body) {
                        entry_drop(store, entry);
                        return;
                }
        }
}

struct entry *entry_new(
                struct store *store, const struct cmi_id *key, enum reserve reserve, int *ret_full)
{
        struct entry *entry;

        if (SESSION_MUTANT(TOMBSTONE_EVICTED) && !room_has_keys(store, sizeof(*entry), reserve)) {
                evict_tombstone(store);
        }
        if (!room_has_keys(store, sizeof(*entry), reserve)) {
                *ret_full = STORE_FULL_KEYS;
                return NULL;
        }
        entry = room_take(store, ROOM_KEYS, sizeof(*entry), 0, ret_full);
        if (!entry) {
                return NULL;
        }
        *entry = (struct entry){.item = {.key = *key, .due_index = DUE_NONE}};
        table_add(store, &entry->item);
        store->status.n_keys++;
        return entry;
}

void entry_blind(struct store *store, struct cmi_time now, struct entry *entry, uint64_t until_ms)
{
        life_extend(&entry->life, now, until_ms);
        if (!entry->is_blind) {
                entry->is_blind = true;
                store->status.n_blind++;
                store->status.blind_bytes += sizeof(*entry);
        }
}

void entry_unblind(struct store *store, struct entry *entry)
{
        if (entry->is_blind) {
                entry->is_blind = false;
                store->status.n_blind--;
                store->status.blind_bytes -= sizeof(*entry);
        }
}

static void link_body(struct store *store, struct body *body)
{
        struct space *space = space_of(store, body->entry->space);

        assert(space != NULL);
        space->n_sessions++;
        space->bytes += size_of(body);
        store->status.n_records++;
        if (body->principal) {
                body->next = body->principal->sessions;
                if (body->next) {
                        body->next->prev = body;
                }
                body->principal->sessions = body;
                body->principal->n_sessions++;
                principal_unblind(store, body->principal);
                principal_count(store, body->principal, body->entry->space);
        }
}

static void unlink_body(struct store *store, struct body *body)
{
        struct space *space = space_of(store, body->entry->space);
        struct principal *principal = body->principal;

        space->n_sessions--;
        space->bytes -= size_of(body);
        store->status.n_records--;
        if (principal) {
                *(body->prev ? &body->prev->next : &principal->sessions) = body->next;
                if (body->next) {
                        body->next->prev = body->prev;
                }
                if (principal->unchecked == body) {
                        principal->unchecked = body->next;
                }
                principal->n_sessions--;
                principal_settle(store, principal);
        }
}

static void end_body(struct store *store, struct body *body)
{
        unlink_body(store, body);
        room_give(store, ROOM_RECORDS, body, size_of(body));
}

void entry_set_space(struct store *store, struct entry *entry, uint64_t space)
{
        if (entry->place == 0 || store_user(entry->space) != store_user(space)) {
                user_shrink(store, entry->place, sizeof(*entry));
                entry->place = user_join(store, space, sizeof(*entry));
        }
        entry->space = space;
}

void entry_drop(struct store *store, struct entry *entry)
{
        if (entry->body) {
                end_body(store, entry->body);
        }
        store_tell_changed(store, &entry->item.key, false);
        entry_unblind(store, entry);
        table_remove(store, &entry->item);
        store->status.n_keys--;
        due_remove(store, &entry->item);
        user_shrink(store, entry->place, sizeof(*entry));
        room_give(store, ROOM_KEYS, entry, sizeof(*entry));
}

void entry_empty(struct store *store, struct cmi_time now, struct entry *entry, uint64_t reason,
                enum store_gone why)
{
        if (entry->body) {
                if (store->options.sink.gone) {
                        struct store_view view;

                        entry_view(entry, &view);
                        store->options.sink.gone(store->options.sink.context, &view.session, why);
                }
                end_body(store, entry->body);
                entry->body = NULL;
                entry->dead_touch_ms = entry->last_touch_ms;
                entry->note = 0;
                entry->is_behind = false;
                store_tell_changed(store, &entry->item.key, false);
        }
        entry->reason = reason;
        due_entry(store, now, entry);
}

static void tell_touched(struct store *store, const struct entry *entry, uint64_t before_ms)
{
        if (entry->body && store->options.sink.touched) {
                store->options.sink.touched(store->options.sink.context,
                                &(struct store_touched){entry->item.key, entry->body->idle_ttl_ms,
                                                before_ms, entry->last_touch_ms});
        }
}

bool entry_touch(struct store *store, struct cmi_time now, struct entry *entry,
                uint64_t last_touch_ms, uint64_t touched_ns)
{
        bool is_news = last_touch_ms > entry->last_touch_ms ||
                       (SESSION_MUTANT(TOUCH_GOES_BACK) && last_touch_ms != entry->last_touch_ms);
        uint64_t before_ms = entry->last_touch_ms;

        if (is_news) {
                entry->last_touch_ms = last_touch_ms;
                tell_touched(store, entry, before_ms);
        }
        entry->touched_ns = later(entry->touched_ns, touched_ns);
        due_entry(store, now, entry);
        return is_news;
}

/* Records */

/* Of all spaces of a user, when this one is to take @more bytes. */
static int user_limit(const struct store *store, uint64_t space, uint64_t more)
{
        const struct store_options *options = &store->options;
        uint64_t bytes = more;
        uint32_t n_others = 0;
        bool is_there = false;

        for (uint32_t i = 0; i < STORE_SPACES_MAX; i++) {
                const struct space *one = &store->spaces[i];

                if (one->n_sessions == 0 || store_user(one->space) != store_user(space)) {
                        continue;
                }
                bytes += one->bytes;
                n_others += one->space != space;
                is_there |= one->space == space;
        }
        if (options->user_spaces != 0 && !is_there && n_others >= options->user_spaces) {
                return STORE_FULL_USER_SPACES;
        }
        return options->user_bytes != 0 && bytes > options->user_bytes ? STORE_FULL_USER_BYTES : 0;
}

/* Of keys, for a new session. */
static size_t keys_for(const struct entry *entry, const struct cmi_session *session,
                const struct principal *principal)
{
        size_t size = entry && entry->place != 0 ? 0 : sizeof(*entry);

        if (!cmi_id_is_zero(&session->principal) && (!principal || principal->place == 0)) {
                size += sizeof(*principal);
        }
        return size;
}

int entry_limit(struct store *store, enum store_way way, const struct cmi_session *session,
                const struct entry *entry, size_t size)
{
        const struct store_options *options = &store->options;
        const struct space *space = space_of(store, session->space);
        const struct principal *principal = table_find_principal(store, &session->principal);
        size_t old_size = entry && entry->body ? size_of(entry->body) : 0;
        bool is_decided_here = way == STORE_CREATE || way == STORE_SAVE;
        /* First: who has its share is told that, also where others are full. */
        int full = is_decided_here ? user_limit(store, session->space, size - old_size) : 0;

        if (full != 0) {
                return full;
        }
        if (way == STORE_CREATE && !user_has_keys(store, session->space,
                                                   keys_for(entry, session, principal))) {
                return STORE_FULL_USER_KEYS;
        }
        if (!space) {
                return STORE_FULL_SPACE;
        }
        if (way == STORE_CREATE) {
                if (options->principal_sessions != 0 && principal &&
                                principal->n_sessions >= options->principal_sessions) {
                        return STORE_FULL_PRINCIPAL;
                }
                if (options->space_sessions != 0 && space->n_sessions >= options->space_sessions) {
                        return STORE_FULL_SPACE;
                }
        }
        if (is_decided_here && options->space_bytes != 0 &&
                        space->bytes + size > options->space_bytes + old_size) {
                return STORE_FULL_SPACE;
        }
        return store->status.record_bytes - old_size + size > options->record_bytes
                               ? STORE_FULL_RECORDS
                               : 0;
}

static struct body *take_body(struct store *store, const struct entry *entry,
                const struct cmi_session *session, size_t size, int *ret_full)
{
        size_t credit = entry->body ? size_of(entry->body) : 0;
        struct principal *principal = NULL;
        struct body *body;

        if (!cmi_id_is_zero(&session->principal)) {
                principal = principal_take(store, &session->principal, ret_full);
                if (!principal) {
                        return NULL;
                }
        }
        body = room_take(store, ROOM_RECORDS, size, credit, ret_full);
        if (!body) {
                if (principal) {
                        principal_settle(store, principal);
                }
                return NULL;
        }
        *body = (struct body){
                        .principal = principal,
                        .checked_no = principal ? principal->counts_no : 0,
                        .holder = session->holder,
                        .save_id = session->save_id,
                        .blob_sum = session->blob_sum,
                        .idle_ttl_ms = session->idle_ttl_ms,
                        .max_end_ms = session->max_end_ms,
        };
        return body;
}

static void set_record(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_session *session)
{
        entry_set_space(store, entry, session->space);
        entry->version = session->version;
        entry->holder_no = session->holder.no;
        entry->reason = 0;
        entry->dead_touch_ms = 0;
        entry->note = 0;
        entry->is_behind = false;
        life_extend(&entry->life, now, session->max_end_ms);
}

void entry_tell_conflict(struct store *store, const struct cmi_session *winner,
                const struct cmi_session *loser, struct cmi_slice loser_blob)
{
        store->status.n_conflicts++;
        if (store->options.sink.conflict) {
                store->options.sink.conflict(
                                store->options.sink.context, winner, loser, loser_blob);
        }
}

/* The old body goes, after whoever has to know of it was told. */
static void replace_body(struct store *store, struct entry *entry, struct body *body,
                const struct cmi_session *session, bool is_conflict)
{
        if (is_conflict) {
                struct store_view view;

                entry_view(entry, &view);
                entry_tell_conflict(store, session, &view.session, view.blob);
        }
        if (body->principal) {
                body->principal->n_sessions++; /* so that it outlives the old one */
        }
        end_body(store, entry->body);
        if (body->principal) {
                body->principal->n_sessions--;
        }
}

int entry_fill(struct store *store, struct cmi_time now, struct entry *entry, enum store_way way,
                const struct cmi_session *session, struct cmi_slice blob, bool is_conflict)
{
        uint8_t buffer[CMI_SESSION_HEAD_MAX];
        struct cmi_slice head = write_content(session, buffer);
        size_t size = sizeof(struct body) + head.len + blob.len;
        int full = entry_limit(store, way, session, entry, size);
        struct body *body = full == 0 ? take_body(store, entry, session, size, &full) : NULL;

        if (!body) {
                return full;
        }
        body->entry = entry;
        body->head_len = (uint32_t)head.len;
        body->blob_len = (uint32_t)blob.len;
        memcpy(body->bytes, head.data, head.len);
        if (blob.len > 0) {
                memcpy(body->bytes + head.len, blob.data, blob.len);
        }
        if (entry->body) {
                replace_body(store, entry, body, session, is_conflict);
        }
        entry->body = body;
        set_record(store, now, entry, session);
        link_body(store, body);
        due_entry(store, now, entry);
        return 0;
}
