/* SPDX-License-Identifier: MIT */
#include "tests/meshd/store_rig.h"

#include "meshd/session/state.h"

#include <assert.h>

static uint8_t blob_bytes[CMI_SESSION_BLOB_MAX];

static void on_gone(void *context, const struct cmi_session *session, enum store_gone why)
{
        struct store_rig *rig = context;

        rig->n_gone++;
        rig->gone_why = why;
        rig->gone_key = session->key;
}

static void on_conflict(void *context, const struct cmi_session *winner,
                const struct cmi_session *loser, struct cmi_slice loser_blob)
{
        struct store_rig *rig = context;

        assert(loser_blob.len == loser->blob_len);
        assert(cmi_session_sum(loser_blob) == loser->blob_sum);
        if (rig->n_losers < RIG_LOSERS_MAX) {
                rig->losers[rig->n_losers++] = *loser;
        }
        rig->winner = *winner;
        rig->loser_len = loser_blob.len;
}

struct store_options rig_options(struct store_rig *rig)
{
        return (struct store_options){
                        .memory = {&rig->memory, counted_alloc, counted_free},
                        .sink = {rig, on_gone, on_conflict},
                        .record_bytes = 4u << 20,
                        .key_bytes = 1u << 20,
        };
}

int rig_open_with(struct store_rig *rig, const struct store_options *options)
{
        rig->now = (struct cmi_time){100 * CMI_NS_PER_S, RIG_START_MS * CMI_NS_PER_MS};
        return store_new(options, &rig->store);
}

void rig_open(struct store_rig *rig)
{
        struct store_options options;
        int r;

        *rig = (struct store_rig){0};
        options = rig_options(rig);
        r = rig_open_with(rig, &options);
        assert(r == 0);
        (void)r;
}

void rig_close(struct store_rig *rig)
{
        rig->store = store_free(rig->store);
        assert(rig->memory.n_blocks == 0 && rig->memory.n_bytes == 0);
}

void rig_pass(struct store_rig *rig, uint64_t ms)
{
        rig->now.mono_ns += cmi_ms(ms);
        rig->now.real_ns += cmi_ms(ms);
}

/* Spread over all buckets, in no order, as a keyed hash would. */
struct cmi_id rig_key(uint32_t number)
{
        uint32_t spread = number * UINT32_C(2654435769) + 1;

        return (struct cmi_id){{(uint8_t)(spread >> 24), (uint8_t)(spread >> 16),
                        (uint8_t)(spread >> 8),
                        (uint8_t)spread, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number}};
}

struct cmi_session_version rig_version(uint64_t counter, uint8_t opener, uint64_t seq)
{
        return (struct cmi_session_version){{counter, {{opener}}, 1}, seq, {{opener}}};
}

struct cmi_session_holder rig_holder(uint8_t node, uint64_t no)
{
        return (struct cmi_session_holder){{{node}}, 1, no};
}

struct cmi_session rig_session(uint32_t key, uint64_t counter, uint64_t seq)
{
        return (struct cmi_session){
                        .key = rig_key(key),
                        .space = 1,
                        .version = rig_version(counter, 1, seq),
                        .created_ms = RIG_START_MS,
                        .idle_ttl_ms = 30 * RIG_MINUTE_MS,
                        .max_end_ms = RIG_START_MS + 12 * RIG_HOUR_MS,
                        .last_touch_ms = RIG_START_MS,
                        .save_id = {{(uint8_t)counter, (uint8_t)seq, 1}},
                        .holder = rig_holder(1, 1),
                        .blob_len = 100,
        };
}

struct cmi_tombstone rig_tombstone(
                const struct cmi_session *session, enum cmi_tombstone_reason reason)
{
        bool is_final = cmi_tombstone_is_final(reason);

        return (struct cmi_tombstone){
                        .key = session->key,
                        .space = session->space,
                        .version = session->version,
                        .max_end_ms = session->max_end_ms,
                        .reason = reason,
                        .last_touch_ms = is_final ? 0 : session->last_touch_ms,
                        .holder_no = is_final ? 0 : session->holder.no,
        };
}

struct cmi_principal rig_counts(uint8_t principal, uint8_t node, uint64_t count)
{
        return (struct cmi_principal){
                        .principal = {{principal}},
                        .n_counts = 1,
                        .counts = {{{{node}}, count,
                                        RIG_START_MS + CMI_SESSION_LIFE_MAX_MS +
                                                        CMI_SESSION_MARGIN_MS}},
        };
}

void rig_belong(struct cmi_session *session, uint8_t principal)
{
        session->principal = (struct cmi_id){{principal}};
}

void rig_carry(struct cmi_session *session, uint8_t node, uint64_t count)
{
        session->vector[session->n_vector++] = (struct cmi_session_count){{{node}}, count};
}

static int merge(struct store_rig *rig, const struct store_change *change)
{
        return store_merge(rig->store, rig->now, change, &rig->result);
}

static struct store_content content_of(const struct cmi_session *session)
{
        return (struct store_content){
                        .blob = cmi_slice(blob_bytes, session->blob_len),
                        .tag = session->tag,
                        .sealed_base = session->sealed_base,
                        .save_id = session->save_id,
                        .request = session->n_requests > 0 ? session->requests[0] : 0,
        };
}

int rig_create(struct store_rig *rig, const struct cmi_session *session)
{
        struct store_change change = {.way = STORE_CREATE};

        change.create = (struct store_create){
                        .key = session->key,
                        .space = session->space,
                        .epoch = session->version.epoch,
                        .holder = session->holder,
                        .idle_ttl_ms = session->idle_ttl_ms,
                        .max_end_ms = session->max_end_ms,
                        .principal = session->principal,
                        .content = content_of(session),
        };
        return merge(rig, &change);
}

int rig_save(struct store_rig *rig, const struct cmi_session *session,
                struct cmi_session_version expected)
{
        struct store_change change = {.way = STORE_SAVE};

        change.save = (struct store_save){
                        .key = session->key,
                        .expected = expected,
                        .epoch = session->version.epoch,
                        .holder = session->holder,
                        .content = content_of(session),
        };
        change.save.content.sealed_base = expected;
        return merge(rig, &change);
}

int rig_hold(struct store_rig *rig, uint32_t key, uint64_t expected_no, uint8_t node,
                struct cmi_session_epoch epoch)
{
        struct store_change change = {.way = STORE_HOLD};

        change.hold = (struct store_hold){
                        .key = rig_key(key),
                        .expected_no = expected_no,
                        .epoch = epoch,
                        .holder = rig_holder(node, 0),
        };
        return merge(rig, &change);
}

int rig_touch(struct store_rig *rig, uint32_t key, uint64_t at_ms, struct cmi_session_holder holder)
{
        struct store_change change = {.way = STORE_TOUCH};

        change.touch = (struct store_touch){rig_key(key), holder, rig_now_ms(rig) - at_ms};
        return merge(rig, &change);
}

int rig_stop(struct store_rig *rig, const struct cmi_session *session,
                enum cmi_tombstone_reason reason)
{
        struct store_change change = {.way = STORE_END};

        change.end = (struct store_end){
                        .key = session->key,
                        .epoch = session->version.epoch,
                        .expected = session->version,
                        .reason = reason,
                        .last_touch_ms = session->last_touch_ms,
        };
        return merge(rig, &change);
}

int rig_logout(struct store_rig *rig, const struct cmi_id *key, uint64_t blind_ms)
{
        struct store_change change = {.way = STORE_END};

        change.end = (struct store_end){
                        .key = *key,
                        .reason = CMI_TOMBSTONE_DESTROY,
                        .blind_ms = blind_ms,
                        .space = 1,
        };
        return merge(rig, &change);
}

static int put(struct store_rig *rig, const struct cmi_session *session, struct store_change change)
{
        struct cmi_session full = *session;

        change.record.session = &full;
        change.record.blob = cmi_slice(blob_bytes, session->blob_len);
        full.blob_sum = cmi_session_sum(change.record.blob);
        return merge(rig, &change);
}

int rig_copy(struct store_rig *rig, const struct cmi_session *session)
{
        return put(rig, session, (struct store_change){.way = STORE_COPY});
}

int rig_bare(struct store_rig *rig, const struct cmi_session *session)
{
        return put(rig, session, (struct store_change){.way = STORE_COPY, .record.is_bare = true});
}

int rig_order(struct store_rig *rig, const struct cmi_session *session, bool is_new)
{
        return put(rig, session,
                        (struct store_change){
                                        .way = STORE_ORDERED,
                                        .record = {.is_new = is_new,
                                                        .epoch = session->version.epoch},
                        });
}

int rig_bury(struct store_rig *rig, const struct cmi_tombstone *tombstone)
{
        return merge(rig, &(struct store_change){.way = STORE_TOMBSTONE, .tombstone = tombstone});
}

int rig_end(struct store_rig *rig, const struct cmi_session *session,
                enum cmi_tombstone_reason reason)
{
        struct cmi_tombstone tombstone = rig_tombstone(session, reason);

        return rig_bury(rig, &tombstone);
}

int rig_count(struct store_rig *rig, struct cmi_principal principal)
{
        return merge(rig, &(struct store_change){.way = STORE_PRINCIPAL, .principal = &principal});
}

int rig_fence(struct store_rig *rig, uint32_t key, struct cmi_session_epoch epoch)
{
        return merge(rig, &(struct store_change){.way = STORE_FENCE,
                                          .fence = {rig_key(key), epoch,
                                                          RIG_START_MS + 12 * RIG_HOUR_MS}});
}

int rig_find(struct store_rig *rig, uint32_t key, struct store_view *ret_view)
{
        struct cmi_id hash = rig_key(key);

        return store_find(rig->store, rig->now, &hash, ret_view);
}

int rig_state(struct store_rig *rig, uint32_t key)
{
        struct store_view view;

        return rig_find(rig, key, &view);
}

struct cmi_session rig_get(struct store_rig *rig, uint32_t key)
{
        struct store_view view = {0};
        int r = rig_find(rig, key, &view);

        assert(r == STORE_STORED);
        (void)r;
        return view.session;
}

uint32_t rig_expire(struct store_rig *rig, enum store_due what)
{
        struct cmi_id key;
        uint32_t n = 0;
        int r;

        while ((r = store_expire(rig->store, rig->now, &key)) != STORE_NOTHING) {
                n += r == (int)what;
        }
        return n;
}

struct store_cursor rig_cursor(void)
{
        struct store_cursor cursor = {.steps = UINT32_MAX};

        memset(&cursor.last, 0xff, sizeof(cursor.last));
        return cursor;
}

struct cmi_id rig_chosen_key(uint32_t number)
{
        return (struct cmi_id){{[7] = 1,
                        (uint8_t)(number >> 24),
                        (uint8_t)(number >> 16),
                        (uint8_t)(number >> 8),
                        (uint8_t)number}};
}

/* No deeper than it may go without running out of stack. */
static uint32_t depth_of(const struct item *item, uint32_t above)
{
        uint32_t left, right;

        if (!item || above > 1000) {
                return above;
        }
        left = depth_of(item->left, above + 1);
        right = depth_of(item->right, above + 1);
        return left > right ? left : right;
}

static uint32_t deepest(struct item *const *roots, uint32_t bits)
{
        uint32_t depth = 0;

        for (uint32_t i = 0; i < 1u << bits; i++) {
                uint32_t here = depth_of(roots[i], 0);

                depth = here > depth ? here : depth;
        }
        return depth;
}

uint32_t rig_depth(const struct store_rig *rig)
{
        const struct store *store = rig->store;
        uint32_t keys = deepest(store->entries, store->entry_bits);
        uint32_t principals = deepest(store->principals, store->principal_bits);

        return keys > principals ? keys : principals;
}

struct store_digest rig_digest(struct store_rig *rig)
{
        struct store_cursor cursor = rig_cursor();
        struct store_digest digest = {0};
        int r = store_digest(rig->store, rig->now, rig_now_ms(rig), &cursor, &digest);

        assert(r == STORE_WALKED);
        (void)r;
        return digest;
}

uint64_t rig_now_ms(const struct store_rig *rig)
{
        return rig->now.real_ns / CMI_NS_PER_MS;
}
