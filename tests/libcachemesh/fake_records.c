/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_records.h"

#include <errno.h>

void fake_record_free(void *data)
{
        struct fake_record *record = data;

        g_free(record->now.blob);
        g_free(record->before.blob);
        g_free(record);
}

static uint64_t now_ms(void)
{
        return (uint64_t)(g_get_real_time() / 1000);
}

static uint64_t token(struct fake_sessions *sessions)
{
        return atomic_load(&fake_meshd_page(sessions->meshd)->apply_seq);
}

/* NULL: all. */
uint64_t fake_sessions_stamp(struct fake_sessions *sessions, const struct cmi_id *key)
{
        struct cmi_page_view view = cmi_page_view(fake_meshd_page(sessions->meshd));
        uint64_t seq = cmi_page_begin(&view);

        if (key) {
                cmi_page_stamp_session(&view, key->bytes, seq);
        } else {
                for (uint32_t i = 0; i <= view.session_mask; i++) {
                        cmi_page_stamp(&view.sessions[i], seq);
                }
        }
        cmi_page_publish(&view, seq);
        return seq;
}

struct cmi_session_version fake_version_next(const struct cmi_session_version *version)
{
        struct cmi_session_version next = *version;

        next.epoch = (struct cmi_session_epoch){.counter = 1, .opener = {{1}}, .incarnation = 1};
        next.seq++;
        next.writer = (struct cmi_id){{1}};
        return next;
}

static void set_content(struct fake_record *record, const struct fake_waiting *waiting)
{
        const struct cmi_session_request *request = &waiting->request;

        g_free(record->before.blob);
        record->before = record->now;
        record->now.blob = g_memdup2(waiting->blob, waiting->have);
        record->now.len = waiting->have;
        record->now.base = request->verb == CMI_SESSION_SAVE ? request->expected
                                                             : (struct cmi_session_version){0};
        record->now.save_id = request->save_id;
        record->version = fake_version_next(&record->version);
        record->request = request->request;
        if (request->tag.len > 0) {
                memcpy(record->tag, waiting->tag, request->tag.len);
                record->tag_len = request->tag.len;
        }
}

static void show(struct fake_sessions *sessions, const struct fake_record *record, bool with_blob,
                struct cmi_session_answer *answer)
{
        const struct fake_content *content =
                        sessions->fault == FAKE_SESSIONS_REPLAYED && record->before.blob
                                        ? &record->before
                                        : &record->now;

        answer->version = record->version;
        answer->holder = record->holder;
        answer->created_ms = record->created_ms;
        answer->max_end_ms = record->max_end_ms;
        answer->idle_ttl_ms = record->idle_ttl_ms;
        answer->tag = cmi_slice(record->tag, record->tag_len);
        answer->sealed_base = record->now.base;
        answer->save_id = record->now.save_id;
        answer->token = token(sessions);
        if (with_blob) {
                answer->blob = cmi_slice(content->blob, content->len);
        }
        if (record->is_grace) {
                answer->flags = CMI_SESSION_READ_ONLY;
                answer->token = 0;
        }
}

static struct fake_record *find(struct fake_sessions *sessions, const struct fake_waiting *waiting)
{
        struct fake_record *record = g_hash_table_lookup(sessions->records, &waiting->request.key);

        return record && cmi_id_equal(&record->space, &waiting->request.space) ? record : NULL;
}

static struct fake_record *add(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                const struct cmi_id *key)
{
        struct fake_record *record = g_new0(struct fake_record, 1);
        const struct cmi_session_request *request = &waiting->request;

        record->key = *key;
        record->space = request->space;
        record->principal = request->principal;
        record->holder = (struct cmi_session_holder){.node = {{1}}, .incarnation = 1, .no = 1};
        record->created_ms = now_ms();
        record->max_end_ms = request->max_end_ms;
        record->idle_ttl_ms = request->idle_ttl_ms;
        set_content(record, waiting);
        g_hash_table_insert(sessions->records, &record->key, record);
        return record;
}

static void create(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct cmi_session_answer *answer)
{
        struct fake_record *record = find(sessions, waiting);

        if (record && (record->is_dead || record->request != waiting->request.request)) {
                answer->outcome = record->is_dead ? CMI_GONE : -EEXIST;
                return;
        }
        if (waiting->request.max_end_ms > now_ms() + CMI_SESSION_LIFE_MAX_MS) {
                answer->outcome = -EINVAL;
                return;
        }
        show(sessions, record ? record : add(sessions, waiting, &waiting->request.key), false,
                        answer);
}

static void get(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct cmi_session_answer *answer)
{
        struct fake_record *record = find(sessions, waiting);

        if (!record || (record->is_dead && !record->is_grace)) {
                answer->outcome = CMI_GONE;
        } else if (cmi_session_version_compare(&record->version, &waiting->request.expected) < 0) {
                answer->outcome = CMI_E_UNCONFIRMED;
        } else {
                show(sessions, record, true, answer);
        }
}

/* Is it there, and the one that is expected? A retry is not asked for it. */
static bool is_over(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct fake_record *record, struct cmi_session_answer *answer)
{
        const struct cmi_session_request *request = &waiting->request;

        if (!record || record->is_dead) {
                answer->outcome = record && record->is_grace ? CMI_E_READ_ONLY : CMI_GONE;
        } else if (request->holder.no != record->holder.no) {
                answer->outcome = CMI_E_STALE;
        } else if (cmi_session_version_compare(&record->version, &request->expected) != 0) {
                answer->outcome = CMI_CONFLICT;
                show(sessions, record, true, answer);
        }
        return answer->outcome == 0;
}

static void save(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct cmi_session_answer *answer)
{
        struct fake_record *record = find(sessions, waiting);

        if (record && !record->is_dead && record->request == waiting->request.request) {
                show(sessions, record, false, answer);
        } else if (is_over(sessions, waiting, record, answer)) {
                set_content(record, waiting);
                fake_sessions_stamp(sessions, &record->key);
                show(sessions, record, false, answer);
        }
}

static void end(struct fake_sessions *sessions, struct fake_record *record)
{
        record->is_dead = true;
        record->is_grace = false;
        fake_sessions_stamp(sessions, &record->key);
}

static void destroy(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct cmi_session_answer *answer)
{
        struct fake_record *record = find(sessions, waiting);

        if (record) {
                end(sessions, record);
        }
}

static void destroy_principal(struct fake_sessions *sessions, const struct fake_waiting *waiting)
{
        GHashTableIter iter;
        gpointer data;

        g_hash_table_iter_init(&iter, sessions->records);
        while (g_hash_table_iter_next(&iter, NULL, &data)) {
                struct fake_record *record = data;

                if (cmi_id_equal(&record->principal, &waiting->request.principal)) {
                        record->is_dead = true;
                }
        }
        fake_sessions_stamp(sessions, NULL);
}

static void inherit(struct fake_record *heir, const struct fake_record *old)
{
        if (heir->max_end_ms == 0) {
                heir->max_end_ms = old->max_end_ms;
        }
        if (heir->idle_ttl_ms == 0) {
                heir->idle_ttl_ms = old->idle_ttl_ms;
        }
        if (cmi_id_is_zero(&heir->principal)) {
                heir->principal = old->principal;
        }
        if (heir->tag_len == 0) {
                memcpy(heir->tag, old->tag, old->tag_len);
                heir->tag_len = old->tag_len;
        }
}

static void rotate(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct cmi_session_answer *answer)
{
        struct fake_record *old = find(sessions, waiting);
        struct fake_record *heir;

        if (old && old->is_dead && old->request == waiting->request.request) {
                heir = g_hash_table_lookup(sessions->records, &old->heir);
                show(sessions, heir, false, answer);
        } else if (is_over(sessions, waiting, old, answer)) {
                heir = add(sessions, waiting, &waiting->request.new_key);
                inherit(heir, old);
                end(sessions, old);
                old->is_grace = waiting->request.grace_ms > 0;
                old->heir = heir->key;
                old->request = waiting->request.request;
                show(sessions, heir, false, answer);
        }
}

void fake_sessions_perform(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct cmi_session_answer *answer)
{
        switch ((enum cmi_session_verb)waiting->request.verb) {
        case CMI_SESSION_CREATE:
                create(sessions, waiting, answer);
                break;
        case CMI_SESSION_GET:
                get(sessions, waiting, answer);
                break;
        case CMI_SESSION_SAVE:
                save(sessions, waiting, answer);
                break;
        case CMI_SESSION_TOUCH:
                break;
        case CMI_SESSION_DESTROY:
                destroy(sessions, waiting, answer);
                break;
        case CMI_SESSION_DESTROY_PRINCIPAL:
                destroy_principal(sessions, waiting);
                break;
        case CMI_SESSION_ROTATE:
                rotate(sessions, waiting, answer);
                break;
        }
}
