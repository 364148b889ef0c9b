/* SPDX-License-Identifier: MIT */
/* The public functions: limits, outcomes, and what an own invalidation does at once. */
#include "tests/libcachemesh/fixture.h"
#include "wire/op.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Keeps what is published instead of applying it, as a source does whose meshd is away. */
static GPtrArray *published;

static int keep(struct cm *cm, const struct cmi_slice *ops, size_t n_ops, enum cm_wait wait,
                uint32_t timeout_ms, struct cm_result *ret_result)
{
        for (size_t i = 0; i < n_ops; i++) {
                g_ptr_array_add(published, g_bytes_new(ops[i].data, ops[i].len));
        }
        return CM_PENDING;
}

static const struct cmi_source_ops *real_ops;
static struct cmi_source_ops keeping_ops;

static struct fixture open_unpublished(const struct cm_region_options *options)
{
        struct fixture f = fixture_open(options, 0);

        published = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
        real_ops = f.cm->ops;
        keeping_ops = *real_ops;
        keeping_ops.publish = keep;
        f.cm->ops = &keeping_ops;
        return f;
}

static void close_unpublished(struct fixture *f)
{
        f->cm->ops = real_ops;
        g_ptr_array_free(published, TRUE);
        fixture_close(f);
}

static void an_own_invalidation_is_dead_here_though_meshd_is_away(void)
{
        struct cm_region_options ttl = {
                        .size = sizeof(ttl), .fresh = CM_FRESH_TTL, .ttl_ms = 3600000};
        struct fixture f = open_unpublished(&ttl);
        struct cm_token old = cm_token(f.cm);

        for (int wait = CM_WAIT_NONE; wait <= CM_WAIT_MESH; wait++) {
                put_tagged(f.region, "a", "one", cm_token(f.cm), "red");
                put_tagged(f.region, "b", "two", cm_token(f.cm), "blue");
                assert_hit(f.region, "a", "one");
                g_assert_cmpint(cm_invalidate(f.region, "a", 1, (enum cm_wait)wait, NULL), ==,
                                CM_PENDING);
                assert_miss(f.region, "a", CM_REASON_ABSENT);
                assert_hit(f.region, "b", "two");
                g_assert_cmpint(put_text(f.region, "a", "old", old), ==, CM_REFUSED);

                put_tagged(f.region, "a", "one", cm_token(f.cm), "red");
                g_assert_cmpint(cm_invalidate_tag(f.region, "red", 3, (enum cm_wait)wait, NULL), ==,
                                CM_PENDING);
                assert_miss(f.region, "a", CM_REASON_INVALIDATED);
                assert_hit(f.region, "b", "two");
                g_assert_cmpint(put_tagged(f.region, "c", "old", old, "red"), ==, CM_REFUSED);

                put_tagged(f.region, "a", "one", cm_token(f.cm), "red");
                assert_hit(f.region, "a", "one");
                g_assert_cmpint(cm_invalidate_region(f.region, (enum cm_wait)wait, NULL), ==,
                                CM_PENDING);
                assert_miss(f.region, "a", CM_REASON_INVALIDATED);
                assert_miss(f.region, "b", CM_REASON_INVALIDATED);
                g_assert_cmpint(put_text(f.region, "d", "old", old), ==, CM_REFUSED);
        }
        close_unpublished(&f);
}

/* Where a key hashes to is unknown then; it must be dead all the same once the index is known. */
static void an_invalidation_before_the_region_has_an_index_counts(void)
{
        struct fixture f = open_unpublished(NULL);
        uint32_t serial = atomic_load(&f.cm->mapping)->serial;
        struct cm_token old;

        cmi_region_set_index(f.region, serial, CMI_REGION_INDEX_UNKNOWN, 0);
        old = cm_token(f.cm);
        g_assert_cmpint(cm_invalidate(f.region, "a", 1, CM_WAIT_NONE, NULL), ==, CM_PENDING);
        cmi_region_set_index(f.region, serial, 0, 0);
        g_assert_cmpint(put_text(f.region, "a", "old", old), ==, CM_REFUSED);
        g_assert_cmpint(put_text(f.region, "a", "new", cm_token(f.cm)), ==, 0);
        assert_hit(f.region, "a", "new");
        close_unpublished(&f);
}

static void an_operation_says_what_was_invalidated(void)
{
        struct fixture f = open_unpublished(NULL);
        struct cmi_op op;
        gsize size;
        GBytes *bytes;

        cm_invalidate(f.region, "key", 3, CM_WAIT_NONE, NULL);
        cm_invalidate_tag(f.region, "tag", 3, CM_WAIT_NONE, NULL);
        cm_invalidate_region(f.region, CM_WAIT_NONE, NULL);
        g_assert_cmpuint(published->len, ==, 3);
        for (unsigned i = 0; i < 3; i++) {
                bytes = g_ptr_array_index(published, i);
                g_assert_cmpint(cmi_op_decode(cmi_slice(g_bytes_get_data(bytes, &size),
                                                              g_bytes_get_size(bytes)),
                                                &op),
                                ==, 0);
                g_assert_cmpmem(op.region.data, op.region.len, "region", 6);
                g_assert_cmpuint(op.n_keys, ==, i == 0);
                g_assert_cmpuint(op.n_tags, ==, i == 1);
                g_assert_cmpint(op.is_whole_region, ==, i == 2);
        }
        close_unpublished(&f);
}

/* Counts what all published operations hold together. */
static void count_targets(unsigned *ret_keys, unsigned *ret_tags, unsigned *ret_regions)
{
        *ret_keys = *ret_tags = *ret_regions = 0;
        for (unsigned i = 0; i < published->len; i++) {
                GBytes *bytes = g_ptr_array_index(published, i);
                gsize size = g_bytes_get_size(bytes);
                struct cmi_op op;

                g_assert_cmpuint(size, <=, CMI_OP_SIZE_MAX);
                g_assert_cmpint(cmi_op_decode(cmi_slice(g_bytes_get_data(bytes, NULL), size), &op),
                                ==, 0);
                *ret_keys += op.n_keys;
                *ret_tags += op.n_tags;
                *ret_regions += op.is_whole_region;
        }
}

static void a_batch_of_ten_thousand_long_keys_becomes_operations_that_fit(void)
{
        struct fixture f = open_unpublished(NULL);
        struct cm_batch *batch;
        struct cm_region *other;
        char key[CM_KEY_MAX];
        unsigned keys;
        unsigned tags;
        unsigned regions;

        g_assert_cmpint(cm_region_open(&other, f.cm, "other", NULL), ==, 0);
        g_assert_cmpint(cm_batch_new(&batch, f.cm), ==, 0);
        memset(key, 'x', sizeof(key));
        for (int i = 0; i < CM_BATCH_MAX - 2; i++) {
                g_snprintf(key, 8, "%07d", i);
                if (i % 3 == 0) {
                        g_assert_cmpint(cm_batch_add_tag(batch, other, key, CM_TAG_MAX), ==, 0);
                } else {
                        g_assert_cmpint(cm_batch_add_key(batch, i % 3 == 1 ? f.region : other, key,
                                                        sizeof(key)),
                                        ==, 0);
                }
        }
        g_assert_cmpint(cm_batch_add_region(batch, other), ==, 0);
        g_assert_cmpint(cm_batch_add_key(batch, f.region, "last", 4), ==, 0);
        g_assert_cmpint(cm_batch_add_key(batch, f.region, "more", 4), ==, -E2BIG);
        g_assert_cmpint(cm_batch_publish(batch, CM_WAIT_NONE, 0, NULL), ==, CM_PENDING);
        count_targets(&keys, &tags, &regions);
        g_assert_cmpuint(keys + tags + regions, ==, CM_BATCH_MAX);
        g_assert_cmpuint(tags, ==, 3333);
        g_assert_cmpuint(regions, ==, 1);
        /* Empty again. */
        g_ptr_array_set_size(published, 0);
        g_assert_cmpint(cm_batch_publish(batch, CM_WAIT_NONE, 0, NULL), ==, 0);
        g_assert_cmpuint(published->len, ==, 0);
        g_assert_null(cm_batch_free(batch));
        close_unpublished(&f);
}

static void a_published_batch_is_dead_here(void)
{
        struct fixture f = open_unpublished(NULL);
        struct cm_batch *batch;
        struct cm_region *other;

        g_assert_cmpint(cm_region_open(&other, f.cm, "other", NULL), ==, 0);
        put_text(f.region, "a", "one", cm_token(f.cm));
        put_tagged(f.region, "b", "two", cm_token(f.cm), "red");
        put_text(f.region, "c", "three", cm_token(f.cm));
        put_text(other, "a", "four", cm_token(f.cm));
        g_assert_cmpint(cm_batch_new(&batch, f.cm), ==, 0);
        cm_batch_add_key(batch, f.region, "a", 1);
        cm_batch_add_tag(batch, f.region, "red", 3);
        cm_batch_add_region(batch, other);
        assert_hit(f.region, "a", "one");
        g_assert_cmpint(cm_batch_publish(batch, CM_WAIT_NONE, 0, NULL), ==, CM_PENDING);
        assert_miss(f.region, "a", CM_REASON_ABSENT);
        assert_miss(f.region, "b", CM_REASON_INVALIDATED);
        assert_miss(other, "a", CM_REASON_INVALIDATED);
        assert_hit(f.region, "c", "three");
        cm_batch_free(batch);
        close_unpublished(&f);
}

/* The counts are of other nodes, and there is none. */
static void a_standalone_invalidation_has_a_result(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_result result = {0};

        g_assert_cmpint(cm_invalidate(f.region, "a", 1, CM_WAIT_MESH, &result), ==, 0);
        g_assert_cmpuint(result.n_applied, ==, 0);
        g_assert_cmpuint(result.position, ==, 1);
        cm_result_clear(&result);
        g_assert_cmpuint(result.position, ==, 0);
        cm_result_clear(NULL);
        fixture_close(&f);
}

static void keys_and_tags_have_their_limits(void)
{
        struct fixture f = fixture_open(NULL, 0);
        char bytes[CM_KEY_MAX + 1] = {1};
        struct cm_bytes tags[CM_TAGS_MAX + 1];
        struct cm_put_options options = {.size = sizeof(options), .tags = tags};
        struct cm_token token = cm_token(f.cm);
        struct cm_value value = {0};

        for (int i = 0; i <= CM_TAGS_MAX; i++) {
                tags[i] = (struct cm_bytes){bytes, CM_TAG_MAX};
        }
        g_assert_cmpint(cm_get(f.region, bytes, 0, &value), ==, -EINVAL);
        g_assert_cmpint(cm_get(f.region, bytes, CM_KEY_MAX + 1, &value), ==, -EINVAL);
        g_assert_cmpint(cm_get(f.region, NULL, 1, &value), ==, -EINVAL);
        g_assert_cmpint(cm_get(NULL, bytes, 1, &value), ==, -EINVAL);
        g_assert_cmpint(cm_put(f.region, bytes, 0, "v", 1, token, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_put(f.region, bytes, CM_KEY_MAX + 1, "v", 1, token, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_put(f.region, bytes, 1, NULL, 1, token, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_put(f.region, bytes, CM_KEY_MAX, "v", 1, token, NULL), ==, 0);
        g_assert_cmpint(cm_get(f.region, bytes, CM_KEY_MAX, &value), ==, 0);
        cm_release(&value);
        options.n_tags = CM_TAGS_MAX;
        g_assert_cmpint(cm_put(f.region, "a", 1, "v", 1, token, &options), ==, 0);
        options.n_tags = CM_TAGS_MAX + 1;
        g_assert_cmpint(cm_put(f.region, "b", 1, "v", 1, token, &options), ==, -E2BIG);
        options.n_tags = 1;
        tags[0].len = CM_TAG_MAX + 1;
        g_assert_cmpint(cm_put(f.region, "b", 1, "v", 1, token, &options), ==, -EINVAL);
        tags[0].len = 0;
        g_assert_cmpint(cm_put(f.region, "b", 1, "v", 1, token, &options), ==, -EINVAL);
        g_assert_cmpint(cm_invalidate(f.region, bytes, 0, CM_WAIT_NONE, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_invalidate(f.region, bytes, CM_KEY_MAX + 1, CM_WAIT_NONE, NULL), ==,
                        -EINVAL);
        g_assert_cmpint(cm_invalidate(f.region, bytes, 1, (enum cm_wait)9, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_invalidate_tag(f.region, bytes, 0, CM_WAIT_NONE, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_invalidate_tag(f.region, bytes, CM_TAG_MAX + 1, CM_WAIT_NONE, NULL), ==,
                        -EINVAL);
        g_assert_cmpstr(cm_error_detail(f.cm), ==, "a tag has 1 to 255 bytes");
        fixture_close(&f);
}

static void regions_have_their_limits(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_region_options options = {.size = sizeof(options), .budget_bytes = 64 << 10};
        struct cm_region *region;
        struct cm_region *same;
        char name[CM_REGION_NAME_MAX + 2];

        memset(name, 'n', sizeof(name));
        name[CM_REGION_NAME_MAX + 1] = '\0';
        g_assert_cmpint(cm_region_open(&region, f.cm, name, &options), ==, -ENAMETOOLONG);
        name[CM_REGION_NAME_MAX] = '\0';
        g_assert_cmpint(cm_region_open(&region, f.cm, name, &options), ==, 0);
        g_assert_cmpint(cm_region_open(&same, f.cm, name, &options), ==, 0);
        g_assert_true(region == same);
        options.ttl_ms = 5;
        g_assert_cmpint(cm_region_open(&same, f.cm, name, &options), ==, CM_E_CONFIG);
        g_assert_cmpint(cm_region_open(&same, f.cm, "", &options), ==, -EINVAL);
        g_assert_cmpint(cm_region_open(&same, f.cm, "a\nb", &options), ==, -EINVAL);
        options = (struct cm_region_options){
                        .size = sizeof(options), .budget_bytes = (64 << 10) - 1};
        g_assert_cmpint(cm_region_open(&same, f.cm, "x", &options), ==, -EINVAL);
        options = (struct cm_region_options){.size = sizeof(options), .fresh = CM_FRESH_TTL};
        g_assert_cmpint(cm_region_open(&same, f.cm, "x", &options), ==, -EINVAL);
        options = (struct cm_region_options){.size = sizeof(options), .ttl_jitter_percent = 51};
        g_assert_cmpint(cm_region_open(&same, f.cm, "x", &options), ==, -EINVAL);
        options = (struct cm_region_options){
                        .size = sizeof(options), .hold_ms = CM_HOLD_MS_MAX + 1};
        g_assert_cmpint(cm_region_open(&same, f.cm, "x", &options), ==, -EINVAL);
        options = (struct cm_region_options){.size = 3};
        g_assert_cmpint(cm_region_open(&same, f.cm, "x", &options), ==, -EINVAL);
        options = (struct cm_region_options){.size = sizeof(options), .budget_bytes = 64 << 10};
        for (int i = 2; i < CM_REGIONS_MAX; i++) {
                g_snprintf(name, sizeof(name), "region%d", i);
                g_assert_cmpint(cm_region_open(&same, f.cm, name, &options), ==, 0);
        }
        g_assert_cmpint(cm_region_open(&same, f.cm, "one too many", &options), ==, -ENOSPC);
        g_assert_cmpint(put_text(region, "a", "one", cm_token(f.cm)), ==, 0);
        assert_hit(region, "a", "one");
        assert_miss(f.region, "a", CM_REASON_ABSENT);
        fixture_close(&f);
}

static void options_of_another_version_are_told_by_their_size(void)
{
        struct {
                struct cm_options options;
                uint64_t unknown;
        } newer = {.options = {.size = sizeof(newer), .flags = CM_OPEN_STANDALONE}};
        struct cm_options older = {.size = offsetof(struct cm_options, timeout_ms),
                        .flags = CM_OPEN_STANDALONE,
                        .timeout_ms = 12345};
        struct cm *cm;

        g_assert_cmpint(cm_open(&cm, &newer.options), ==, 0);
        cm_close(cm);
        newer.unknown = 1;
        g_assert_cmpint(cm_open(&cm, &newer.options), ==, -EINVAL);
        g_assert_cmpint(cm_open(&cm, &older), ==, 0);
        g_assert_cmpuint(cmi_handle_options(cm)->timeout_ms, ==, CMI_TIMEOUT_MS_DEFAULT);
        cm_close(cm);
}

static void handles_have_their_limits(void)
{
        char path[CM_SOCKET_PATH_MAX + 2];
        char name[CM_NAME_MAX + 2];
        struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        struct cm *cm = NULL;

        memset(path, 'p', sizeof(path));
        path[CM_SOCKET_PATH_MAX + 1] = '\0';
        memset(name, 'n', sizeof(name));
        name[CM_NAME_MAX + 1] = '\0';
        options.socket_path = path;
        g_assert_cmpint(cm_open(&cm, &options), ==, -ENAMETOOLONG);
        path[CM_SOCKET_PATH_MAX] = '\0';
        g_assert_cmpint(cm_open(&cm, &options), ==, 0);
        g_assert_cmpstr(cmi_handle_options(cm)->socket_path, ==, path);
        g_assert_null(cm_close(cm));
        options.name = name;
        g_assert_cmpint(cm_open(&cm, &options), ==, -EINVAL);
        name[CM_NAME_MAX] = '\0';
        g_assert_cmpint(cm_open(&cm, &options), ==, 0);
        g_assert_null(cm_close(cm));
        options.flags = 1u << 31;
        g_assert_cmpint(cm_open(&cm, &options), ==, -EINVAL);
        g_assert_cmpint(cm_open(NULL, NULL), ==, -EINVAL);
        g_assert_null(cm_close(NULL));
}

static void negative_entries_have_a_life_of_their_own(void)
{
        struct cm_region_options options = {
                        .size = sizeof(options), .ttl_ms = 3600000, .negative_ttl_ms = 1};
        struct fixture f = fixture_open(&options, 0);
        struct cm_put_options negative = {
                        .size = sizeof(negative), .flags = CM_PUT_NEGATIVE, .ttl_ms = 3600000};
        struct cm_value value = {0};
        gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        int r;

        g_assert_cmpint(cm_put(f.region, "a", 1, "v", 1, cm_token(f.cm), &negative), ==, -EINVAL);
        g_assert_cmpint(cm_put(f.region, "a", 1, NULL, 0, cm_token(f.cm), &negative), ==, 0);
        g_assert_cmpint(cm_get(f.region, "a", 1, &value), ==, CM_NEGATIVE);
        g_assert_null(value.data);
        g_assert_cmpuint(value.token.opaque[0], !=, 0);
        g_assert_cmpint(cm_last_reason(), ==, CM_REASON_NONE);
        /* Its token is no excuse to replace it. */
        g_assert_cmpint(put_text(f.region, "a", "v", value.token), ==, CM_REFUSED);
        negative.ttl_ms = 0;
        g_assert_cmpint(cm_put(f.region, "b", 1, NULL, 0, cm_token(f.cm), &negative), ==, 0);
        do {
                r = cm_get(f.region, "b", 1, &value);
        } while (r == CM_NEGATIVE && g_get_monotonic_time() < end);
        g_assert_cmpint(r, ==, CM_MISS);
        g_assert_cmpint(cm_last_reason(), ==, CM_REASON_EXPIRED);
        fixture_close(&f);
}

static void a_ttl_is_shortened_by_up_to_its_jitter(void)
{
        struct cm_region_options options = {
                        .size = sizeof(options), .ttl_ms = 1000000, .ttl_jitter_percent = 50};
        struct fixture f = fixture_open(&options, 0);
        uint64_t least = UINT64_MAX;
        uint64_t most = 0;
        char key[16];

        for (int i = 0; i < 200; i++) {
                struct cmi_entry *entry;
                uint64_t left;

                g_snprintf(key, sizeof(key), "key%d", i);
                put_text(f.region, key, "v", cm_token(f.cm));
                entry = f.region->newest;
                left = entry->expires_ns - cmi_clock_ns(CLOCK_MONOTONIC_COARSE);
                least = MIN(least, left);
                most = MAX(most, left);
        }
        g_assert_cmpuint(least, >=, 499 * UINT64_C(1000000000));
        g_assert_cmpuint(least, <, 600 * UINT64_C(1000000000));
        g_assert_cmpuint(most, >, 900 * UINT64_C(1000000000));
        g_assert_cmpuint(most, <=, 1000 * UINT64_C(1000000000));
        fixture_close(&f);
}

static void an_empty_value_is_a_value(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};

        g_assert_cmpint(cm_put(f.region, "a", 1, NULL, 0, cm_token(f.cm), NULL), ==, 0);
        g_assert_cmpint(cm_get(f.region, "a", 1, &value), ==, 0);
        g_assert_nonnull(value.data);
        g_assert_cmpuint(value.len, ==, 0);
        cm_release(&value);
        fixture_close(&f);
}

static void several_keys_are_looked_up_at_once(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_bytes keys[] = {{"a", 1}, {"b", 1}, {"", 0}, {"c", 1}};
        struct cm_value values[4] = {{0}};
        int outcomes[4];

        put_text(f.region, "a", "one", cm_token(f.cm));
        put_text(f.region, "c", "three", cm_token(f.cm));
        g_assert_cmpint(cm_get_many(f.region, keys, 4, values, outcomes), ==, 2);
        g_assert_cmpint(outcomes[0], ==, 0);
        g_assert_cmpint(outcomes[1], ==, CM_MISS);
        g_assert_cmpint(outcomes[2], ==, -EINVAL);
        g_assert_cmpint(outcomes[3], ==, 0);
        g_assert_cmpmem(values[3].data, values[3].len, "three", 5);
        g_assert_cmpint(put_text(f.region, "b", "two", values[1].token), ==, 0);
        for (int i = 0; i < 4; i++) {
                cm_release(&values[i]);
        }
        g_assert_cmpint(cm_get_many(f.region, NULL, 1, values, outcomes), ==, -EINVAL);
        g_assert_cmpint(cm_get_many(f.region, NULL, 0, NULL, NULL), ==, 0);
        fixture_close(&f);
}

static void a_cleared_region_is_empty_and_refuses_older_tokens(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct cm_token old = cm_token(f.cm);
        char key[16];

        for (int i = 0; i < 1000; i++) {
                g_snprintf(key, sizeof(key), "key%d", i);
                put_text(f.region, key, "v", cm_token(f.cm));
        }
        cm_region_clear(f.region);
        cm_region_stats(f.region, &stats);
        g_assert_cmpuint(stats.n_entries, ==, 0);
        assert_miss(f.region, "key1", CM_REASON_ABSENT);
        g_assert_cmpint(put_text(f.region, "key1", "old", old), ==, CM_REFUSED);
        g_assert_cmpint(put_text(f.region, "key1", "new", cm_token(f.cm)), ==, 0);
        fixture_close(&f);
}

static void statistics_tell_hits_and_why_it_missed(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct cm_region_stats shorter = {
                        .size = offsetof(struct cm_region_stats, n_misses), .n_pinned = 77};

        assert_miss(f.region, "a", CM_REASON_ABSENT);
        put_tagged(f.region, "a", "one", cm_token(f.cm), "red");
        assert_hit(f.region, "a", "one");
        assert_hit(f.region, "a", "one");
        cm_invalidate_tag(f.region, "red", 3, CM_WAIT_NONE, NULL);
        assert_miss(f.region, "a", CM_REASON_INVALIDATED);
        put_text(f.region, "a", "old", (struct cm_token){{0}});
        g_assert_cmpint(cm_region_stats(f.region, &stats), ==, 0);
        g_assert_cmpuint(stats.n_hits, ==, 2);
        g_assert_cmpuint(stats.n_misses[CM_REASON_ABSENT], ==, 1);
        g_assert_cmpuint(stats.n_misses[CM_REASON_INVALIDATED], ==, 1);
        for (size_t i = CM_REASON_INTENT + 1; i < G_N_ELEMENTS(stats.n_misses); i++) {
                g_assert_cmpuint(stats.n_misses[i], ==, 0);
        }
        g_assert_cmpuint(stats.n_puts, ==, 1);
        g_assert_cmpuint(stats.n_refused, ==, 1);
        g_assert_cmpint(cm_region_stats(f.region, &shorter), ==, 0);
        g_assert_cmpuint(shorter.n_hits, ==, 2);
        g_assert_cmpuint(shorter.n_pinned, ==, 77);
        g_assert_cmpint(cm_region_stats(NULL, &stats), ==, -EINVAL);
        fixture_close(&f);
}

static void a_standalone_handle_fits_into_a_loop(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_state state;
        struct cm_event event;
        struct pollfd fd = {.fd = cm_fd(f.cm), .events = (short)cm_events(f.cm)};

        g_assert_cmpint(fd.fd, >=, 0);
        g_assert_cmpint(poll(&fd, 1, 0), ==, 0);
        g_assert_cmpint(cm_timeout_ms(f.cm), ==, -1);
        g_assert_cmpint(cm_dispatch(f.cm), ==, 0);
        g_assert_cmpint(cm_next_event(f.cm, &event), ==, CM_NO_EVENT);
        g_assert_cmpint(cm_state(f.cm, &state), ==, 0);
        g_assert_cmpint(state.mode, ==, CM_STANDALONE);
        g_assert_cmpint(state.lease_left_ms, >, 0);
        g_assert_cmpuint(state.epoch, !=, 0);
        g_assert_nonnull(state.reason);
        fixture_close(&f);
}

static void every_code_has_a_text_of_its_own(void)
{
        const int codes[] = {CM_OK, CM_MISS, CM_STALE, CM_PENDING, CM_PARTIAL, CM_REFUSED,
                        CM_NEGATIVE, CM_NO_EVENT, CM_E_CONFIG, CM_E_FULL, CM_E_FORKED, CM_E_TIMEOUT,
                        CM_E_BUSY};
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
                g_assert_true(g_hash_table_add(seen, (gpointer)cm_strerror(codes[i])));
        }
        g_assert_false(g_hash_table_contains(seen, "unknown error"));
        g_assert_cmpstr(cm_strerror(-EINVAL), ==, "Invalid argument");
        g_assert_cmpstr(cm_strerror(4711), ==, "unknown error");
        g_assert_cmpstr(cm_strerror(-999999), ==, "unknown error");
        g_assert_cmpstr(cm_version(), ==, "0.1.0");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/api/own", an_own_invalidation_is_dead_here_though_meshd_is_away);
        g_test_add_func("/api/no_index", an_invalidation_before_the_region_has_an_index_counts);
        g_test_add_func("/api/op", an_operation_says_what_was_invalidated);
        g_test_add_func("/api/batch",
                        a_batch_of_ten_thousand_long_keys_becomes_operations_that_fit);
        g_test_add_func("/api/batch_dead", a_published_batch_is_dead_here);
        g_test_add_func("/api/result", a_standalone_invalidation_has_a_result);
        g_test_add_func("/api/keys", keys_and_tags_have_their_limits);
        g_test_add_func("/api/regions", regions_have_their_limits);
        g_test_add_func("/api/sizes", options_of_another_version_are_told_by_their_size);
        g_test_add_func("/api/handles", handles_have_their_limits);
        g_test_add_func("/api/negative", negative_entries_have_a_life_of_their_own);
        g_test_add_func("/api/jitter", a_ttl_is_shortened_by_up_to_its_jitter);
        g_test_add_func("/api/empty", an_empty_value_is_a_value);
        g_test_add_func("/api/many", several_keys_are_looked_up_at_once);
        g_test_add_func("/api/clear", a_cleared_region_is_empty_and_refuses_older_tokens);
        g_test_add_func("/api/stats", statistics_tell_hits_and_why_it_missed);
        g_test_add_func("/api/loop", a_standalone_handle_fits_into_a_loop);
        g_test_add_func("/api/texts", every_code_has_a_text_of_its_own);
        return g_test_run();
}
