/* SPDX-License-Identifier: MIT */
#include "tests/demo-app/fake_sessions.h"

#include "libcachemesh/cachemesh-session.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct record {
        char *data;
        size_t len;
        char *principal;
        uint64_t version;
        uint64_t created_ms;
        uint64_t end_ms;
        uint64_t idle_ms;
};

struct cm_session_space {
        char *route;
        uint64_t idle_ms;
        uint64_t life_ms;
};

static struct {
        GMutex mutex;
        GHashTable *records; /* by id */
        unsigned n_made;
        int outcomes[FAKE_CALLS];
        int n_outcomes[FAKE_CALLS];
        int lost[FAKE_CALLS];
        void (*before[FAKE_CALLS])(void *userdata);
        void *userdata[FAKE_CALLS];
} fake;

static void free_record(gpointer userdata)
{
        struct record *record = userdata;

        g_free(record->data);
        g_free(record->principal);
        g_free(record);
}

void fake_reset(void)
{
        if (fake.records) {
                g_hash_table_unref(fake.records);
        }
        memset(&fake, 0, sizeof(fake));
        fake.records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_record);
}

void fake_fail(enum fake_call call, int outcome, int n)
{
        fake.outcomes[call] = outcome;
        fake.n_outcomes[call] = n;
}

void fake_lose_answer(enum fake_call call, int outcome)
{
        fake.lost[call] = outcome;
}

void fake_before(enum fake_call call, void (*function)(void *userdata), void *userdata)
{
        fake.before[call] = function;
        fake.userdata[call] = userdata;
}

/* Takes the mutex. Returns what the call is to return at once, or 0. */
static int begin(enum fake_call call)
{
        void (*before)(void *userdata) = NULL;

        g_mutex_lock(&fake.mutex);
        before = fake.before[call];
        fake.before[call] = NULL;
        g_mutex_unlock(&fake.mutex);
        if (before) {
                before(fake.userdata[call]);
        }
        g_mutex_lock(&fake.mutex);
        if (fake.n_outcomes[call] > 0) {
                fake.n_outcomes[call]--;
                return fake.outcomes[call];
        }
        return 0;
}

static int end(enum fake_call call, int r)
{
        if (r == 0 && fake.lost[call] != 0) {
                r = fake.lost[call];
                fake.lost[call] = 0;
        }
        g_mutex_unlock(&fake.mutex);
        return r;
}

static uint64_t now_ms(void)
{
        return (uint64_t)g_get_real_time() / 1000;
}

static void fill(struct cm_session *session, const char *id, const struct record *record)
{
        cm_session_release(session);
        session->data = g_memdup2(record->data, record->len + 1);
        session->len = record->len;
        session->created_ms = record->created_ms;
        session->end_ms = record->end_ms;
        session->idle_ms = record->idle_ms;
        session->n_copies = 1;
        session->opaque[0] = (uintptr_t)g_strdup(id);
        session->opaque[1] = record->version;
}

void cm_session_release(struct cm_session *session)
{
        size_t size = session ? session->size : 0;

        if (session) {
                g_free((void *)session->data);
                g_free((void *)(uintptr_t)session->opaque[0]);
                *session = (struct cm_session){.size = size};
        }
}

static void set_data(struct record *record, const void *data, size_t len)
{
        char *copy = g_malloc(len + 1);

        memcpy(copy, data, len);
        copy[len] = '\0';
        g_free(record->data);
        record->data = copy;
        record->len = len;
        record->version++;
}

void fake_write(const char *id, const char *data)
{
        struct record *record;

        g_mutex_lock(&fake.mutex);
        record = g_hash_table_lookup(fake.records, id);
        g_assert_nonnull(record);
        if (data) {
                set_data(record, data, strlen(data));
        } else {
                record->version++;
        }
        g_mutex_unlock(&fake.mutex);
}

void fake_end(const char *id)
{
        g_mutex_lock(&fake.mutex);
        g_hash_table_remove(fake.records, id);
        g_mutex_unlock(&fake.mutex);
}

size_t fake_n_alive(void)
{
        size_t n;

        g_mutex_lock(&fake.mutex);
        n = g_hash_table_size(fake.records);
        g_mutex_unlock(&fake.mutex);
        return n;
}

int cm_session_space_open(struct cm_session_space **ret_space, struct cm *cm, const char *name,
                const struct cm_session_space_options *options)
{
        struct cm_session_space *space = g_new0(struct cm_session_space, 1);

        space->route = g_strdup(options->route);
        space->idle_ms = options->idle_ms;
        space->life_ms = options->life_ms;
        *ret_space = space;
        return 0;
}

struct cm_session_space *cm_session_space_close(struct cm_session_space *space)
{
        if (space) {
                g_free(space->route);
                g_free(space);
        }
        return NULL;
}

static struct record *make(const void *data, size_t len,
                const struct cm_session_create_options *options, const char *route, char *ret_id)
{
        struct record *record = g_new0(struct record, 1);

        set_data(record, data, len);
        record->principal = g_strndup(options->principal, options->principal_len);
        record->created_ms = now_ms();
        record->end_ms = record->created_ms + options->life_ms;
        record->idle_ms = options->idle_ms;
        g_snprintf(ret_id, CM_SESSION_ID_SIZE, "%032u%s%s", ++fake.n_made, route ? "." : "",
                        route ? route : "");
        g_hash_table_insert(fake.records, g_strdup(ret_id), record);
        return record;
}

int cm_session_create(struct cm_session_space *space, const void *data, size_t len,
                const struct cm_session_create_options *options, char *ret_id,
                struct cm_session *ret_session)
{
        char id[CM_SESSION_ID_SIZE];
        int r = begin(FAKE_CREATE);

        if (r == 0) {
                struct record *record = make(data, len, options, space->route, id);

                fill(ret_session, id, record);
                strcpy(ret_id, id);
        }
        return end(FAKE_CREATE, r);
}

int cm_session_get(struct cm_session_space *space, const char *id,
                const struct cm_session_call_options *options, struct cm_session *ret_session)
{
        int r = begin(FAKE_GET);
        struct record *record = r == 0 ? g_hash_table_lookup(fake.records, id) : NULL;

        if (r == 0 && !record) {
                r = CM_GONE;
        } else if (r == 0) {
                fill(ret_session, id, record);
        }
        return end(FAKE_GET, r);
}

/* Returns 0, CM_GONE, CM_CONFLICT with the session filled anew. */
static int find(struct cm_session *session, struct record **ret_record)
{
        g_autofree char *id = g_strdup((char *)(uintptr_t)session->opaque[0]);
        struct record *record = g_hash_table_lookup(fake.records, id);

        if (!record) {
                return CM_GONE;
        }
        if (record->version != session->opaque[1]) {
                fill(session, id, record);
                return CM_CONFLICT;
        }
        *ret_record = record;
        return 0;
}

int cm_session_save(struct cm_session *session, const void *data, size_t len,
                const struct cm_session_call_options *options)
{
        g_autofree char *id = g_strdup((char *)(uintptr_t)session->opaque[0]);
        struct record *record = NULL;
        int r = begin(FAKE_SAVE);

        if (r == 0) {
                r = find(session, &record);
        }
        if (r == 0) {
                set_data(record, data, len);
                fill(session, id, record);
        }
        return end(FAKE_SAVE, r);
}

int cm_session_rotate(struct cm_session *session, const void *data, size_t len,
                const struct cm_session_create_options *options, char *ret_id)
{
        g_autofree char *old = g_strdup((char *)(uintptr_t)session->opaque[0]);
        char id[CM_SESSION_ID_SIZE];
        struct record *record = NULL;
        int r = begin(FAKE_ROTATE);

        if (r == 0) {
                r = find(session, &record);
        }
        if (r == 0) {
                const char *dot = strchr(old, '.');
                struct record *made = make(data, len, options, dot ? dot + 1 : NULL, id);

                g_hash_table_remove(fake.records, old);
                if (fake.lost[FAKE_ROTATE] == 0) {
                        fill(session, id, made);
                        strcpy(ret_id, id);
                }
        }
        return end(FAKE_ROTATE, r);
}

int cm_session_destroy(struct cm_session_space *space, const char *id,
                const struct cm_session_call_options *options)
{
        int r = begin(FAKE_DESTROY);

        if (r == 0 || r == CM_PENDING) {
                g_hash_table_remove(fake.records, id);
        }
        return end(FAKE_DESTROY, r);
}

static gboolean is_of(gpointer id, gpointer userdata, gpointer principal)
{
        return strcmp(((struct record *)userdata)->principal, principal) == 0;
}

int cm_session_destroy_principal(struct cm_session_space *space, const void *principal,
                size_t principal_len, const struct cm_session_call_options *options)
{
        g_autofree char *text = g_strndup(principal, principal_len);
        int r = begin(FAKE_DESTROY_PRINCIPAL);

        if (r == 0 || r == CM_PENDING) {
                g_hash_table_foreach_remove(fake.records, is_of, text);
        }
        return end(FAKE_DESTROY_PRINCIPAL, r);
}
