/* SPDX-License-Identifier: MIT */
/*
 * What a process keeps out of its own regions while meshd cannot: hold_ms, served by a TTL. With
 * OWN_HOLD_UNKEPT planted it keeps nothing out, which must be seen.
 */
#include "tests/libcachemesh/fixture.h"

#ifdef CM_MUTANT_OWN_HOLD_UNKEPT
#define IS_UNKEPT 1
#else
#define IS_UNKEPT 0
#endif

static const struct cmi_source_ops *real_ops;
static int outcome; /* of what is published */

static int publish(struct cm *cm, const struct cmi_slice *ops, size_t n_ops, enum cm_wait wait,
                uint32_t timeout_ms, struct cm_result *ret_result)
{
        return outcome;
}

/* A region with this hold, of a handle whose meshd is away. */
static struct fixture open_away(enum cm_fresh fresh, uint32_t hold_ms)
{
        static struct cmi_source_ops ops;
        const struct cm_region_options options = {.size = sizeof(options),
                        .fresh = fresh,
                        .ttl_ms = 3600000,
                        .hold_ms = hold_ms};
        struct fixture f = fixture_open(&options, 0);

        real_ops = f.cm->ops;
        ops = *real_ops;
        ops.publish = publish;
        f.cm->ops = &ops;
        outcome = CM_PENDING;
        return f;
}

static void close_away(struct fixture *f)
{
        f->cm->ops = real_ops;
        fixture_close(f);
}

static int load(struct fixture *f, const char *key)
{
        return put_text(f->region, key, "lagging", cm_token(f->cm));
}

static int load_tagged(struct fixture *f, const char *key)
{
        return put_tagged(f->region, key, "lagging", cm_token(f->cm), "tag");
}

/* As if its time had passed. */
static void make_due(struct fixture *f)
{
        for (uint32_t i = 0; i < CMI_OWN_SLOTS; i++) {
                if (f->cm->own_key_holds[i]) {
                        f->cm->own_key_holds[i] = 1;
                }
                if (f->cm->own_tag_holds[i]) {
                        f->cm->own_tag_holds[i] = 1;
                }
        }
        if (f->region->own_hold_ns) {
                f->region->own_hold_ns = 1;
        }
        f->cm->own_hold_ns = 1;
}

static void a_key_is_not_stored_before_its_hold_is_over(void)
{
        struct fixture f = open_away(CM_FRESH_TTL, CM_HOLD_MS_MAX);
        struct cm_token meanwhile;

        g_assert_cmpint(load(&f, "k"), ==, 0);
        g_assert_cmpint(load(&f, "other"), ==, 0);
        g_assert_cmpint(cm_invalidate(f.region, "k", 1, CM_WAIT_NODE, NULL), ==, CM_PENDING);
        assert_miss(f.region, "k", CM_REASON_INTENT);
        assert_hit(f.region, "other", "lagging");
        g_assert_cmpint(load(&f, "k"), ==, CM_REFUSED);
        assert_miss(f.region, "k", CM_REASON_INTENT);
        meanwhile = cm_token(f.cm);
        make_due(&f);
        g_assert_cmpint(put_text(f.region, "k", "lagging", meanwhile), ==, CM_REFUSED);
        g_assert_cmpint(load(&f, "k"), ==, 0);
        assert_hit(f.region, "k", "lagging");
        assert_hit(f.region, "other", "lagging");
        g_assert_cmpuint(f.cm->own_hold_ns, ==, 0);
        close_away(&f);
}

static void neither_is_what_has_a_held_tag(void)
{
        struct fixture f = open_away(CM_FRESH_TTL, CM_HOLD_MS_MAX);
        struct cm_token meanwhile;

        g_assert_cmpint(load_tagged(&f, "k"), ==, 0);
        g_assert_cmpint(cm_invalidate_tag(f.region, "tag", 3, CM_WAIT_NONE, NULL), ==, CM_PENDING);
        g_assert_cmpint(load_tagged(&f, "k"), ==, CM_REFUSED);
        g_assert_cmpint(load_tagged(&f, "another"), ==, CM_REFUSED);
        g_assert_cmpint(load(&f, "without"), ==, 0);
        meanwhile = cm_token(f.cm);
        make_due(&f);
        g_assert_cmpint(put_tagged(f.region, "k", "lagging", meanwhile, "tag"), ==, CM_REFUSED);
        g_assert_cmpint(load_tagged(&f, "k"), ==, 0);
        assert_hit(f.region, "k", "lagging");
        assert_hit(f.region, "without", "lagging");
        close_away(&f);
}

static void nor_is_anything_of_a_held_region(void)
{
        struct fixture f = open_away(CM_FRESH_TTL, CM_HOLD_MS_MAX);
        struct cm_token meanwhile;

        g_assert_cmpint(cm_invalidate_region(f.region, CM_WAIT_MESH, NULL), ==, CM_PENDING);
        g_assert_cmpint(load(&f, "k"), ==, CM_REFUSED);
        assert_miss(f.region, "k", CM_REASON_INTENT);
        meanwhile = cm_token(f.cm);
        make_due(&f);
        g_assert_cmpint(put_text(f.region, "k", "lagging", meanwhile), ==, CM_REFUSED);
        g_assert_cmpint(load(&f, "k"), ==, 0);
        close_away(&f);
}

/* The call lasts, and another thread loads what it will hold. */
static struct fixture *during;

static int publish_late(struct cm *cm, const struct cmi_slice *ops, size_t n_ops, enum cm_wait wait,
                uint32_t timeout_ms, struct cm_result *ret_result)
{
        g_assert_cmpint(load(during, "k"), ==, 0);
        g_assert_cmpint(load_tagged(during, "tagged"), ==, 0);
        return CM_PENDING;
}

static void what_was_loaded_during_the_call_is_dead_when_it_returns(void)
{
        struct fixture f = open_away(CM_FRESH_TTL, CM_HOLD_MS_MAX);
        struct cmi_source_ops ops = *f.cm->ops;
        struct cm_batch *batch;
        int tagged;

        during = &f;
        ops.publish = publish_late;
        f.cm->ops = &ops;
        g_assert_cmpint(cm_batch_new(&batch, f.cm), ==, 0);
        g_assert_cmpint(cm_batch_add_key(batch, f.region, "k", 1), ==, 0);
        g_assert_cmpint(cm_batch_add_tag(batch, f.region, "tag", 3), ==, 0);
        g_assert_cmpint(cm_batch_publish(batch, CM_WAIT_NODE, 0, NULL), ==, CM_PENDING);
        assert_miss(f.region, "k", CM_REASON_INTENT);
        get_text(f.region, "tagged", &tagged);
        g_assert_cmpint(tagged, ==, CM_MISS);
        g_assert_cmpint(load(&f, "k"), ==, CM_REFUSED);
        g_assert_cmpint(load_tagged(&f, "tagged"), ==, CM_REFUSED);
        cm_batch_free(batch);
        close_away(&f);
}

/* meshd holds it in the page; and in a bounded region everything misses while something waits. */
static void nothing_is_held_that_meshd_holds_or_that_has_no_hold(void)
{
        struct fixture f = open_away(CM_FRESH_TTL, CM_HOLD_MS_MAX);

        for (outcome = 0; outcome >= 0; outcome = outcome == 0 ? CM_PARTIAL : CM_E_TIMEOUT) {
                g_assert_cmpint(cm_invalidate(f.region, "k", 1, CM_WAIT_NODE, NULL), ==, outcome);
                g_assert_cmpint(load(&f, "k"), ==, 0);
        }
        close_away(&f);
        f = open_away(CM_FRESH_BOUNDED, CM_HOLD_MS_MAX);
        g_assert_cmpint(cm_invalidate(f.region, "k", 1, CM_WAIT_NODE, NULL), ==, CM_PENDING);
        g_assert_cmpint(load(&f, "k"), ==, 0);
        close_away(&f);
        f = open_away(CM_FRESH_TTL, 0);
        g_assert_cmpint(cm_invalidate(f.region, "k", 1, CM_WAIT_NODE, NULL), ==, CM_PENDING);
        g_assert_cmpint(load(&f, "k"), ==, 0);
        close_away(&f);
}

static void a_hold_lasts_as_long_as_its_region_says(void)
{
        enum { HOLD_MS = 200 };
        struct fixture f = open_away(CM_FRESH_TTL, HOLD_MS);
        gint64 began_us = g_get_monotonic_time();
        gint64 took_us;

        g_assert_cmpint(cm_invalidate(f.region, "k", 1, CM_WAIT_NODE, NULL), ==, CM_PENDING);
        while (load(&f, "k") == CM_REFUSED && g_get_monotonic_time() - began_us < 60000000) {
                g_thread_yield();
        }
        took_us = g_get_monotonic_time() - began_us;
        assert_hit(f.region, "k", "lagging");
        g_assert_cmpint(took_us, >=, HOLD_MS * 1000);
        g_assert_cmpint(took_us, <, 60000000);
        close_away(&f);
}

static void without_the_rule_a_key_is_stored_at_once(void)
{
        struct fixture f = open_away(CM_FRESH_TTL, CM_HOLD_MS_MAX);

        g_assert_cmpint(cm_invalidate(f.region, "k", 1, CM_WAIT_NODE, NULL), ==, CM_PENDING);
        g_assert_cmpint(load(&f, "k"), ==, 0);
        assert_hit(f.region, "k", "lagging");
        close_away(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        if (IS_UNKEPT) {
                g_test_add_func("/own_hold/unkept", without_the_rule_a_key_is_stored_at_once);
                return g_test_run();
        }
        g_test_add_func("/own_hold/key", a_key_is_not_stored_before_its_hold_is_over);
        g_test_add_func("/own_hold/tag", neither_is_what_has_a_held_tag);
        g_test_add_func("/own_hold/region", nor_is_anything_of_a_held_region);
        g_test_add_func("/own_hold/during",
                        what_was_loaded_during_the_call_is_dead_when_it_returns);
        g_test_add_func("/own_hold/none", nothing_is_held_that_meshd_holds_or_that_has_no_hold);
        g_test_add_func("/own_hold/lasts", a_hold_lasts_as_long_as_its_region_says);
        return g_test_run();
}
