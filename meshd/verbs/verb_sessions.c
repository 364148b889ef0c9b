/* SPDX-License-Identifier: MIT */
/*
 * The queries about sessions. What is shown is what meshd has: hashes, times, sizes and tags, no id
 * and no content. Who is neither root nor meshd's own user is shown the sessions of their own apps:
 * those of others do not exist for them, as for their apps.
 */
#include "base/hex.h"
#include "meshd/io/arguments.h"
#include "meshd/io/logger.h"
#include "meshd/local/sessions.h"
#include "meshd/verbs/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_DIGITS (2 * CMI_ID_SIZE)
#define ROWS_DEFAULT 1000
#define ROWS_MAX 2000 /* so many always fit into an answer */
#define STEPS_MAX 4096
#define PLACE_BYTES 2     /* of a key: so exactly a place is told to who may not see it */
#define SPACE_NAME_MAX 64 /* of cachemesh-session.h */

static int parse_hash(struct cmi_slice text, struct cmi_id *ret_hash)
{
        return text.len == KEY_DIGITS ? cmi_hex_read(text.data, CMI_ID_SIZE, ret_hash->bytes)
                                      : -EINVAL;
}

/* Which of the sessions are looked for. */
struct filter {
        const struct question *question;
        bool has_space;
        uint32_t space; /* as apps of whatever user name it */
};

static bool is_operator(const struct question *question)
{
        const struct client *client = question->guest->client;

        return client->uid == 0 || client->uid == geteuid();
}

static bool is_shown(const struct filter *filter, const struct plane_entry *entry)
{
        const struct client *client = filter->question->guest->client;

        if (filter->has_space && (uint32_t)entry->space != filter->space) {
                return false;
        }
        return is_operator(filter->question) || store_user(entry->space) == client->uid;
}

static const char *state_text(const struct plane_entry *entry)
{
        switch ((enum cmi_tombstone_reason)entry->reason) {
        case CMI_TOMBSTONE_DESTROY:
                return "destroyed";
        case CMI_TOMBSTONE_ROTATE:
                return "rotated";
        case CMI_TOMBSTONE_IDLE:
                return "idle";
        case CMI_TOMBSTONE_PRINCIPAL:
                return "principal";
        }
        if (entry->reason != 0) {
                return "ended";
        }
        return entry->is_expired ? "expired" : "alive";
}

static void write_hash(struct document *document, const char *name, const struct cmi_id *hash)
{
        char text[KEY_DIGITS + 1] = "";

        if (!cmi_id_is_zero(hash)) {
                cmi_hex_write(hash->bytes, CMI_ID_SIZE, text);
        }
        document_text(document, name, text);
}

static uint64_t distance_ms(uint64_t from_ms, uint64_t to_ms)
{
        return to_ms > from_ms ? to_ms - from_ms : 0;
}

static void write_entry(struct document *document, const struct question *question,
                const struct plane_entry *entry)
{
        uint64_t utc_ms = question->now.real_ns / CMI_NS_PER_MS;
        char space[SESSIONS_SPACE_TEXT_SIZE];
        char tag[4 * CMI_SESSION_TAG_MAX + 1] = "";
        size_t n = 0;

        for (size_t i = 0; i < entry->tag_len; i++) {
                uint8_t byte = entry->tag[i];

                n += (size_t)snprintf(tag + n, sizeof(tag) - n,
                                byte >= ' ' && byte < 0x7f && byte != '\\' ? "%c" : "\\x%02x",
                                byte);
        }
        write_hash(document, "key", &entry->key);
        document_text(document, "state", state_text(entry));
        sessions_format_space(entry->space, space);
        document_uint(document, "uid", store_user(entry->space));
        document_text(document, "space", space);
        write_hash(document, "principal", &entry->principal);
        document_text(document, "tag", tag);
        document_uint(document, "bytes", entry->blob_len);
        document_uint(document, "epoch", entry->version.epoch.counter);
        document_uint(document, "seq", entry->version.seq);
        document_uint(document, "age_ms", distance_ms(entry->created_ms, utc_ms));
        document_uint(document, "idle_ms", distance_ms(entry->last_touch_ms, utc_ms));
        document_uint(document, "idle_ttl_ms", entry->idle_ttl_ms);
        document_uint(document, "left_ms", distance_ms(utc_ms, entry->max_end_ms));
}

static struct plane *find_plane(const struct question *question)
{
        const char *why = NULL;
        struct plane *plane = sessions_plane(question->service->sessions, &why);

        if (!plane) {
                question_refuse(question, -EOPNOTSUPP, "%s", why);
        }
        return plane;
}

static void write_totals(struct document *document, const struct question *question,
                const struct plane *plane)
{
        struct plane_status status;

        plane_status(plane, question->now, &status);
        document_uint(document, "n_sessions", status.store.n_records);
        document_uint(document, "n_ended", status.store.n_keys - status.store.n_records);
        document_uint(document, "record_bytes", status.store.record_bytes);
        document_uint(document, "key_bytes", status.store.key_bytes);
}

/*
 * Where the next page begins, for who may not be told the last key that was looked at: at the
 * beginning of a 65,536th of all keys, or behind their last row (@own). If neither leads on from
 * @begin, others have crowded thousands of keys together there, and the rest of that part is left
 * out. Return: is there more?
 */
static bool hide_place(struct cmi_id *at, const struct cmi_id *begin, const struct cmi_id *own)
{
        memset(at->bytes + PLACE_BYTES, 0, sizeof(at->bytes) - PLACE_BYTES);
        if (cmi_id_compare(at, own) < 0) {
                *at = *own;
        }
        if (cmi_id_equal(at, begin)) {
                memset(at->bytes + PLACE_BYTES, 0, sizeof(at->bytes) - PLACE_BYTES);
                for (size_t i = PLACE_BYTES; i-- > 0 && ++at->bytes[i] == 0;) {
                }
        }
        return !cmi_id_is_zero(at);
}

static void write_place(struct document *document, bool has_more, const struct cmi_id *at)
{
        const struct cmi_id none = {{0}};

        document_bool(document, "has_more", has_more);
        write_hash(document, "next", has_more ? at : &none);
}

/* From @cursor on, until there are enough, or this turn has done its share. */
static void write_rows(struct document *document, const struct filter *filter, struct plane *plane,
                struct store_cursor *cursor, uint64_t n_rows)
{
        const struct question *question = filter->question;
        const struct cmi_id begin = cursor->at;
        struct cmi_id own = cursor->at;
        struct plane_entry entry;
        bool has_more;
        int r = STORE_GIVEN;

        document_open_array(document, "sessions");
        while (n_rows > 0) {
                r = plane_next(plane, question->now, cursor, &entry);
                if (r != STORE_GIVEN) {
                        break;
                }
                if (!is_shown(filter, &entry)) {
                        continue;
                }
                document_open_map(document, NULL);
                write_entry(document, question, &entry);
                document_close(document);
                own = cursor->at;
                n_rows--;
        }
        document_close(document);
        has_more = r != STORE_WALKED && !cursor->is_done;
        if (has_more && !is_operator(question)) {
                has_more = hide_place(&cursor->at, &begin, &own);
        }
        write_place(document, has_more, &cursor->at);
}

static void list(const struct filter *filter, struct plane *plane, struct store_cursor *cursor,
                uint64_t n_rows)
{
        struct answer answer;

        answer_begin(&answer, filter->question, "sessions");
        if (is_operator(filter->question)) {
                write_totals(&answer.document, filter->question, plane);
        }
        write_rows(&answer.document, filter, plane, cursor, n_rows);
        answer_send(&answer, filter->question);
}

/* Return: 0, -EINVAL. */
static int get_filter(const struct question *question, struct filter *ret_filter)
{
        struct cmi_slice name = {0};
        struct cmi_id space;

        *ret_filter = (struct filter){.question = question};
        if (arguments_str(question->arguments, "space", SPACE_NAME_MAX, &name) < 0) {
                return -EINVAL;
        }
        if (name.len > 0) {
                sessions_space_of_name(name, &space);
                ret_filter->has_space = true;
                ret_filter->space = (uint32_t)plane_space(0, &space);
        }
        return 0;
}

void verb_sessions(const struct question *question)
{
        struct plane *plane = find_plane(question);
        struct store_cursor cursor = {.steps = STEPS_MAX};
        struct cmi_slice from = {0};
        uint64_t n_rows = ROWS_DEFAULT;
        struct filter filter;

        memset(cursor.last.bytes, 0xff, sizeof(cursor.last.bytes));
        if (!plane) {
                return;
        }
        if (arguments_uint(question->arguments, "limit", ROWS_MAX, &n_rows) < 0 ||
                        arguments_str(question->arguments, "from", KEY_DIGITS, &from) < 0 ||
                        (from.len > 0 && parse_hash(from, &cursor.at) < 0) ||
                        get_filter(question, &filter) < 0) {
                question_refuse(question, -EINVAL,
                                "want limit up to %d, from: %d hex digits, and space: a name",
                                ROWS_MAX, KEY_DIGITS);
                return;
        }
        list(&filter, plane, &cursor, n_rows);
}

static int get_key(const struct question *question, struct cmi_id *ret_key)
{
        struct cmi_slice text = {0};

        if (arguments_str(question->arguments, "key", KEY_DIGITS, &text) < 0 ||
                        parse_hash(text, ret_key) < 0) {
                question_refuse(question, -EINVAL, "want key: %d hex digits, as sessions tells it",
                                KEY_DIGITS);
                return -EINVAL;
        }
        return 0;
}

static void show(const struct question *question, struct plane *plane, const struct cmi_id *key)
{
        const struct filter filter = {.question = question};
        struct plane_entry entry;
        struct answer answer;

        if (plane_find(plane, question->now, key, &entry) != 0 || !is_shown(&filter, &entry)) {
                question_refuse(question, -ENOENT, "this node knows no session with this key");
                return;
        }
        answer_begin(&answer, question, "session");
        write_entry(&answer.document, question, &entry);
        answer_send(&answer, question);
}

void verb_session(const struct question *question)
{
        struct plane *plane = find_plane(question);
        struct cmi_id key;

        if (plane && get_key(question, &key) == 0) {
                show(question, plane, &key);
        }
}

void verb_session_destroy(const struct question *question)
{
        const struct client *client = question->guest->client;
        struct plane *plane = find_plane(question);
        struct cmi_id key;
        int outcome;

        if (!plane || get_key(question, &key) < 0) {
                return;
        }
        if (!is_operator(question)) {
                question_refuse(question, -EPERM,
                                "only root and the user of meshd may end a session by its key");
                return;
        }
        outcome = plane_end(plane, question->now, &key);
        if (outcome == CMI_GONE) {
                question_refuse(question, -ENOENT, "this node knows no session with this key");
        } else if (outcome != 0) {
                question_refuse(question, outcome,
                                "this node is not live, so it cannot end it now");
        } else {
                logger(LOGGER_INFO, "session.destroyed", L_UINT("uid", client->uid));
                show(question, plane, &key);
        }
}
