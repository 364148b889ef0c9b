/* SPDX-License-Identifier: MIT */
/*
 * The plane's life: which request goes where, what is due, and what others may look at. What a verb
 * does is decided in change.c, ending.c and rotate.c, who waits in waiting.c, what is said in
 * reply.c.
 */
#include "meshd/session/plane_state.h"

#include <assert.h>
#include <errno.h>

/* For the others */

void *plane_alloc(struct plane *plane, size_t size)
{
        const struct store_memory *memory = &plane->options.store.memory;

        return memory->alloc(memory->context, size);
}

void plane_release(struct plane *plane, void *memory, size_t size)
{
        plane->options.store.memory.free(plane->options.store.memory.context, memory, size);
}

bool plane_is_live(const struct plane *plane)
{
        return (plane->view.is_live(plane->view.context) && !journal_is_loading(plane)) ||
               PLANE_MUTANT(SERVED_AWAY);
}

uint64_t plane_token(struct plane *plane)
{
        return plane->view.token(plane->view.context);
}

uint64_t plane_stamp(struct plane *plane, const struct cmi_id *key)
{
        uint64_t token = plane->sink.stamp(plane->sink.context, key);

        return plane_token(plane) == 0 ? 0 : token;
}

/* The one place that compares spaces. */
static bool is_of(const struct store_view *view, const struct asked *asked)
{
        uint64_t there = view->is_record ? view->session.space : view->tombstone.space;

        return there == asked_space(asked) || PLANE_MUTANT(SPACE_UNCHECKED);
}

bool plane_is_foreign(struct plane *plane, const struct asked *asked, const struct cmi_id *key)
{
        struct store_view view;

        return store_find(plane->store, asked->now, key, &view) != STORE_ABSENT &&
               !is_of(&view, asked);
}

int plane_look(struct plane *plane, const struct asked *asked, const struct cmi_id *key,
                struct store_view *ret_view)
{
        int found = store_find(plane->store, asked->now, key, ret_view);

        return found != STORE_ABSENT && !is_of(ret_view, asked) ? STORE_ABSENT : found;
}

struct cmi_session_epoch plane_epoch(const struct plane *plane, const struct store_view *view)
{
        struct cmi_session_epoch epoch = view->session.version.epoch;

        if (cmi_session_epoch_compare(&epoch, &view->fence) < 0) {
                epoch = view->fence;
        }
        if (!cmi_id_equal(&epoch.opener, &plane->options.node_id) ||
                        epoch.incarnation != plane->options.incarnation) {
                epoch.counter++;
                epoch.opener = plane->options.node_id;
                epoch.incarnation = plane->options.incarnation;
        }
        return epoch;
}

uint64_t plane_life_max_ms(const struct plane *plane)
{
        uint64_t life_ms = plane->options.store.life_max_ms;

        return life_ms == 0 ? CMI_SESSION_LIFE_MAX_MS : life_ms;
}

/* Life */

/* Told from inside the store, which may not be called from here. */
static void on_gone(void *context, const struct cmi_session *session, enum store_gone why)
{
        struct plane *plane = context;

        switch (why) {
        case STORE_GONE_ENDED:
                plane->counters.n_ended++;
                break;
        case STORE_GONE_PRINCIPAL:
                break;
        case STORE_GONE_TOMBSTONE:
                return; /* whoever has ended it goes on from there */
        }
        grace_forget(plane, &session->key);
        if (!PLANE_MUTANT(END_UNSTAMPED)) {
                plane_stamp(plane, &session->key);
        }
}

int plane_new(struct plane **ret_plane, const struct plane_options *options,
                const struct store_memory *memory, const struct plane_sink *sink,
                const struct plane_view *view)
{
        struct plane *plane;
        int r;

        if (cmi_id_is_zero(&options->node_id)) {
                return -EINVAL;
        }
        plane = memory->alloc(memory->context, sizeof(*plane));
        if (!plane) {
                return -ENOMEM;
        }
        *plane = (struct plane){
                        .options = *options,
                        .sink = *sink,
                        .view = *view,
                        .waits.due_ns = UINT64_MAX,
        };
        plane->options.store.memory = *memory;
        plane->options.store.sink =
                        (struct store_sink){plane, on_gone, NULL, journal_changed, journal_touched};
        r = journal_init(plane);
        r = r < 0 ? r : store_new(&plane->options.store, &plane->store);
        if (r != 0) {
                plane_free(plane);
                return r;
        }
        *ret_plane = plane;
        return 0;
}

struct plane *plane_free(struct plane *plane)
{
        if (!plane) {
                return NULL;
        }
        while (plane->waits.first) {
                waiting_cancel(plane, plane->waits.first->client);
        }
        while (plane->graces.first) {
                grace_free(plane, plane->graces.first);
        }
        while (plane->journal.first) {
                held_cancel(plane, plane->journal.first->caller.client);
        }
        store_free(plane->store);
        journal_deinit(plane);
        plane_release(plane, plane, sizeof(*plane));
        return NULL;
}

/* Requests */

void plane_do(struct plane *plane, const struct asked *asked)
{
        switch ((enum cmi_session_verb)asked->request->verb) {
        case CMI_SESSION_CREATE:
                change_create(plane, asked);
                return;
        case CMI_SESSION_GET:
                change_get(plane, asked);
                return;
        case CMI_SESSION_SAVE:
                change_save(plane, asked);
                return;
        case CMI_SESSION_TOUCH:
                change_touch(plane, asked);
                return;
        case CMI_SESSION_DESTROY:
                ending_destroy(plane, asked);
                return;
        case CMI_SESSION_DESTROY_PRINCIPAL:
                ending_principal(plane, asked);
                return;
        case CMI_SESSION_ROTATE:
                rotate(plane, asked);
                return;
        }
        reply_outcome(plane, asked, -EINVAL, "unknown verb");
}

void plane_request(struct plane *plane, struct cmi_time now, const struct plane_caller *caller,
                const struct cmi_session_request *request, struct cmi_slice blob)
{
        const struct asked asked = {now, caller, request, blob, 0};

        assert(!cmi_session_has_blob(request->verb) || blob.len == request->blob_len);
        if (request->verb <= CMI_SESSION_ROTATE) {
                plane->counters.n_asked[request->verb]++;
        }
        if (plane_is_live(plane) && !waiting_is_due(plane) && !waiting_has(plane, caller->client)) {
                plane_do(plane, &asked);
        } else {
                waiting_add(plane, &asked);
        }
        journal_write(plane, now);
}

uint64_t plane_patience_ms(const struct cmi_session_request *request)
{
        uint64_t ms = request->timeout_ms == 0 ? PLANE_TIMEOUT_MS : request->timeout_ms;

        return ms < CMI_SESSION_TIMEOUT_MAX_MS ? ms : CMI_SESSION_TIMEOUT_MAX_MS;
}

void plane_cancel(struct plane *plane, uint64_t client)
{
        waiting_cancel(plane, client);
        held_cancel(plane, client);
}

/* Of an operator */

int plane_end(struct plane *plane, struct cmi_time now, const struct cmi_id *key)
{
        struct plane_entry entry;

        if (!plane_is_live(plane)) {
                return CMI_E_UNCONFIRMED;
        }
        if (plane_find(plane, now, key, &entry) != 0 || entry.reason != 0) {
                return CMI_GONE;
        }
        return ending_is_done(ending_end(plane, now, key, entry.space)) ? 0 : CMI_E_UNCONFIRMED;
}

/* Time */

static void expire(struct plane *plane, struct cmi_time now)
{
        for (uint32_t n = 0; n < PLANE_EXPIRES; n++) {
                struct cmi_id key;
                int due = store_expire(plane->store, now, &key);

                if (due == STORE_NOTHING) {
                        return;
                }
                if (due == STORE_IDLE) {
                        ending_idle(plane, now, &key);
                }
        }
}

void plane_tick(struct plane *plane, struct cmi_time now)
{
        waiting_expire(plane, now);
        waiting_run(plane, now);
        expire(plane, now);
        grace_expire(plane, now);
        journal_write(plane, now);
        held_run(plane, now);
}

uint64_t plane_timeout_ns(const struct plane *plane)
{
        uint64_t due_ns = store_next_due_ns(plane->store);
        uint64_t grace_ns = grace_due_ns(plane);
        uint64_t held_ns = held_due_ns(plane);

        if (waiting_is_due(plane) || journal_is_due(plane)) {
                return 0;
        }
        due_ns = plane->waits.due_ns < due_ns ? plane->waits.due_ns : due_ns;
        due_ns = held_ns < due_ns ? held_ns : due_ns;
        return grace_ns < due_ns ? grace_ns : due_ns;
}

/* Looking on */

void plane_status(const struct plane *plane, struct cmi_time now, struct plane_status *ret_status)
{
        *ret_status = (struct plane_status){
                        .store = store_status(plane->store, now),
                        .counters = plane->counters,
                        .n_waiting = plane->waits.n,
                        .waiting_bytes = plane->waits.bytes,
                        .n_graces = plane->graces.n,
        };
}

static void show(const struct store_view *view, struct plane_entry *ret_entry)
{
        const struct cmi_session *session = &view->session;

        if (!view->is_record) {
                *ret_entry = (struct plane_entry){
                                .key = view->tombstone.key,
                                .space = view->tombstone.space,
                                .version = view->tombstone.version,
                                .max_end_ms = view->tombstone.max_end_ms,
                                .reason = view->tombstone.reason,
                };
                return;
        }
        *ret_entry = (struct plane_entry){
                        .key = session->key,
                        .space = session->space,
                        .principal = session->principal,
                        .version = session->version,
                        .holder = session->holder,
                        .created_ms = session->created_ms,
                        .max_end_ms = session->max_end_ms,
                        .idle_ttl_ms = session->idle_ttl_ms,
                        .last_touch_ms = session->last_touch_ms,
                        .blob_len = session->blob_len,
                        .tag_len = session->tag.len,
        };
        if (session->tag.len > 0) {
                memcpy(ret_entry->tag, session->tag.data, session->tag.len);
        }
}

int plane_find(struct plane *plane, struct cmi_time now, const struct cmi_id *key,
                struct plane_entry *ret_entry)
{
        struct store_view view;
        int found = store_find(plane->store, now, key, &view);

        if (found == STORE_ABSENT) {
                return STORE_ABSENT;
        }
        show(&view, ret_entry);
        ret_entry->is_expired = found == STORE_EXPIRED;
        return 0;
}

int plane_next(struct plane *plane, struct cmi_time now, struct store_cursor *cursor,
                struct plane_entry *ret_entry)
{
        struct store_view view;
        int r = store_next(plane->store, now, STORE_RECORDS, cursor, &view);

        if (r == STORE_GIVEN) {
                show(&view, ret_entry);
        }
        return r;
}

struct store *plane_store(struct plane *plane)
{
        return plane->store;
}
