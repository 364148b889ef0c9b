/* SPDX-License-Identifier: MIT */
/* Holds between cores: what is flagged where after an invalidation, and until when. */
#include "tests/meshd/rig.h"

#include <glib.h>

#define KEY cmi_slice_str("k")
#define ROOM 1000 /* for keys and tags, where it is to be scarce */

static struct rig *form(struct rig *rig)
{
        rig_form(rig);
        for (uint32_t i = 0; i < rig->n_nodes; i++) {
                g_assert_true(rig_serves(rig, i));
                g_assert_false(rig_is_flagged(rig, i, KEY)); /* opens the region */
        }
        return rig;
}

static struct rig *formed(uint32_t n)
{
        return form(rig_new(n));
}

static struct rig *formed_with_little_room(void)
{
        struct rig *rig = rig_new(2);

        rig->holds_max = ROOM;
        return form(rig);
}

static void expect_flags(const struct rig *rig, uint32_t n, bool is_flagged)
{
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpint(rig_is_flagged(rig, i, KEY), ==, is_flagged);
        }
}

static uint64_t stamp_of(struct rig *rig, uint32_t node, const char *region)
{
        struct cmi_page_view view = cmi_page_view(rig->nodes[node].page);
        uint32_t index;

        g_assert_cmpint(core_region(rig->nodes[node].core, cmi_slice_str(region), &index), ==, 0);
        return view.regions[index];
}

static bool is_held(struct rig *rig, uint32_t node, const char *region)
{
        return (stamp_of(rig, node, region) & CMI_PAGE_INTENT_FLAG) != 0;
}

static uint64_t region_stamp(struct rig *rig, uint32_t node)
{
        return stamp_of(rig, node, "r");
}

static bool is_region_held(struct rig *rig, uint32_t node)
{
        return is_held(rig, node, "r");
}

/* @n keys from number @first on. */
static void publish_keys(
                struct rig *rig, const char *region, uint32_t first, uint32_t n, uint64_t hold_ms)
{
        g_autofree uint8_t *buffer = g_malloc(CMI_OP_SIZE_MAX);
        struct cmi_writer writer = cmi_writer(buffer, CMI_OP_SIZE_MAX);

        cmi_op_write_head(&writer, CMI_OP_INVALIDATE, cmi_slice_str(region), n, true);
        for (uint32_t key = first; key < first + n; key++) {
                cmi_write_bin(&writer, cmi_slice(&key, sizeof(key)));
        }
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, false);
        cmi_op_write_hold(&writer, hold_ms);
        g_assert_cmpint(core_publish(rig->nodes[0].core, rig->now, cmi_written(&writer),
                                        CMI_WAIT_NODE, 0, 0, NULL),
                        ==, CORE_PUBLISHED);
}

static struct core_status status_of(const struct rig *rig, uint32_t node)
{
        struct core_status status;

        core_status(rig->nodes[node].core, &status);
        return status;
}

static void what_is_invalidated_is_flagged_everywhere_until_its_hold_is_over(void)
{
        struct rig *rig = formed(3);
        uint64_t token;

        g_assert_cmpint(rig_publish_held(rig, 0, "k", 1000), ==, CORE_PUBLISHED);
        g_assert_true(rig_is_flagged(rig, 0, KEY));
        rig_run(rig, 3);
        expect_flags(rig, 3, true);
        g_assert_false(is_region_held(rig, 2));
        token = rig_token(rig, 2);
        rig_run(rig, 995);
        expect_flags(rig, 3, true);
        g_assert_cmpuint(status_of(rig, 2).n_holds, ==, 1);
        rig_run(rig, 30);
        expect_flags(rig, 3, false);
        /* What was loaded meanwhile, from a source that lagged, is dead. */
        g_assert_true(rig_is_stamped(rig, 2, "k", token));
        g_assert_cmpuint(status_of(rig, 2).n_holds, ==, 0);
        g_assert_cmpuint(status_of(rig, 2).counters.holds, ==, 1);
        rig_free(rig);
}

static void a_second_one_makes_it_longer_and_never_shorter(void)
{
        struct rig *rig = formed(2);

        rig_publish_held(rig, 0, "k", 1000);
        rig_run(rig, 500);
        rig_publish_held(rig, 1, "k", 1000);
        rig_publish_held(rig, 0, "k", 100);
        rig_run(rig, 900);
        expect_flags(rig, 2, true);
        g_assert_cmpuint(status_of(rig, 0).n_holds, ==, 1);
        rig_run(rig, 150);
        expect_flags(rig, 2, false);
        rig_free(rig);
}

static void an_invalidation_without_one_leaves_it(void)
{
        struct rig *rig = formed(2);

        rig_publish_held(rig, 0, "k", 1000);
        rig_publish(rig, 1, "k", CMI_WAIT_NODE, 0);
        rig_run(rig, 900);
        expect_flags(rig, 2, true);
        rig_run(rig, 150);
        expect_flags(rig, 2, false);
        rig_free(rig);
}

static void with_a_write_intent_the_later_end_counts(void)
{
        struct rig *rig = formed(2);
        struct cmi_position place;

        g_assert_cmpint(rig_begin(rig, 0, KEY, 5000, &place), ==, 0);
        rig_publish_held(rig, 1, "k", 500);
        rig_run(rig, 600);
        expect_flags(rig, 2, true);
        g_assert_cmpuint(status_of(rig, 0).n_holds, ==, 0);
        rig_publish_held(rig, 1, "k", 500);
        rig_run(rig, 10);
        g_assert_cmpint(rig_end(rig, 0, KEY, place), ==, CORE_PUBLISHED);
        rig_run(rig, 400);
        expect_flags(rig, 2, true);
        rig_run(rig, 150);
        expect_flags(rig, 2, false);
        rig_free(rig);
}

/* Both ways in which it can end. */
static void a_write_is_held_from_its_end_on(void)
{
        struct rig *rig = formed(2);
        struct cmi_position place;

        g_assert_cmpint(rig_begin_held(rig, 0, KEY, 300, 1000, &place), ==, 0);
        rig_run(rig, 900);
        g_assert_cmpuint(status_of(rig, 1).n_intents, ==, 0);
        expect_flags(rig, 2, true);
        rig_run(rig, 500);
        expect_flags(rig, 2, false);
        g_assert_cmpint(rig_begin_held(rig, 0, KEY, 5000, 1000, &place), ==, 0);
        rig_run(rig, 1500);
        g_assert_cmpint(rig_end_held(rig, 0, KEY, place, 1000), ==, CORE_PUBLISHED);
        rig_run(rig, 900);
        g_assert_cmpuint(status_of(rig, 1).n_intents, ==, 0);
        expect_flags(rig, 2, true);
        rig_run(rig, 150);
        expect_flags(rig, 2, false);
        rig_free(rig);
}

static void more_than_have_room_hold_their_region(void)
{
        struct rig *rig = formed_with_little_room();

        publish_keys(rig, "r", 0, ROOM - 1, 20000);
        g_assert_false(is_region_held(rig, 0));
        publish_keys(rig, "r", 0, ROOM + 1, 20000);
        g_assert_true(is_region_held(rig, 0));
        g_assert_cmpuint(status_of(rig, 0).counters.holds_widened, ==, 1);
        rig_run(rig, 3);
        rig_run(rig, 19000);
        g_assert_true(is_region_held(rig, 0) && is_region_held(rig, 1));
        rig_run(rig, 1100);
        for (uint32_t node = 0; node < 2; node++) {
                struct cmi_page_view view = cmi_page_view(rig->nodes[node].page);

                g_assert_false(is_region_held(rig, node));
                g_assert_cmpuint(status_of(rig, node).n_holds, ==, 0);
                for (uint32_t i = 0; i <= view.key_mask; i++) {
                        g_assert_cmpuint(view.keys[i], <=, rig_token(rig, node));
                }
        }
        rig_free(rig);
}

static void who_floods_one_region_takes_no_other_one_out_of_service(void)
{
        struct rig *rig = formed_with_little_room();

        g_assert_false(is_held(rig, 0, "flood") || is_held(rig, 1, "flood"));
        rig_publish_held(rig, 0, "k", 15000);
        for (int i = 0; i < 3; i++) {
                publish_keys(rig, "flood", 0, ROOM - 100, 20000);
                rig_publish_held(rig, 0, "k", 15000);
                publish_keys(rig, "r", 0, 200, 15000);
                rig_run(rig, 3);
        }
        for (uint32_t node = 0; node < 2; node++) {
                g_assert_true(is_held(rig, node, "flood"));
                g_assert_false(is_region_held(rig, node));
                g_assert_cmpuint(rig->nodes[node].n_widened, ==, 1);
        }
        expect_flags(rig, 2, true);
        rig_run(rig, 14900);
        expect_flags(rig, 2, true);
        rig_run(rig, 200);
        expect_flags(rig, 2, false);
        g_assert_true(is_held(rig, 0, "flood"));
        rig_run(rig, 5000);
        g_assert_false(is_held(rig, 0, "flood"));
        g_assert_cmpuint(status_of(rig, 0).n_holds, ==, 0);
        rig_free(rig);
}

static void a_whole_region_is_held_too(void)
{
        struct rig *rig = formed(2);
        uint64_t stamp;

        rig_publish_held(rig, 0, NULL, 1000);
        rig_run(rig, 3);
        g_assert_true(is_region_held(rig, 0) && is_region_held(rig, 1));
        stamp = region_stamp(rig, 1) & ~CMI_PAGE_INTENT_FLAG;
        rig_run(rig, 1100);
        g_assert_false(is_region_held(rig, 0) || is_region_held(rig, 1));
        g_assert_cmpuint(region_stamp(rig, 1), >, stamp);
        rig_free(rig);
}

static void a_region_that_is_opened_while_it_runs_is_held(void)
{
        struct rig *rig = rig_new(2);

        rig_form(rig); /* nobody has the region */
        rig_publish_held(rig, 0, "k", 1000);
        rig_run(rig, 300);
        g_assert_true(is_region_held(rig, 0) && is_region_held(rig, 1));
        rig_run(rig, 800);
        g_assert_false(is_region_held(rig, 0) || is_region_held(rig, 1));
        rig_free(rig);
}

static void a_meshd_that_was_killed_holds_what_it_held(void)
{
        struct rig *rig = formed(2);

        rig_publish_held(rig, 0, "k", 20000);
        rig_run(rig, 3);
        rig_start(rig, 0, NULL, true);
        rig_connect(rig, 0, 1);
        g_assert_true(is_region_held(rig, 0));
        rig_run(rig, 19000);
        g_assert_true(is_region_held(rig, 0));
        rig_run(rig, 1100);
        g_assert_false(is_region_held(rig, 0));
        rig_free(rig);
}

/* Of a time that no hold can reach: the host was started anew. */
static void a_time_out_of_reach_is_cut(void)
{
        struct rig *rig = formed(2);

        rig->nodes[0].intents->holds.others_ns = UINT64_MAX / 2;
        rig_start(rig, 0, NULL, true);
        rig_connect(rig, 0, 1);
        g_assert_true(is_region_held(rig, 0));
        rig_run(rig, 61000);
        g_assert_false(is_region_held(rig, 0));
        rig_free(rig);
}

static void a_joiner_holds_a_region_as_long_as_the_others_hold_anything_of_it(void)
{
        struct rig *rig = rig_new(3);

        for (uint32_t i = 0; i < 2; i++) {
                rig_start(rig, i, NULL, true);
        }
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        rig_publish_held(rig, 0, "k", 30000);
        rig_run(rig, 3);
        rig_kill(rig, 0); /* the other one knows it as well */
        rig_run(rig, 5000);
        rig_start(rig, 2, NULL, true);
        rig_connect(rig, 2, 1);
        for (uint32_t ms = 0; ms < 6000 && !rig_serves(rig, 2); ms++) {
                g_assert_false(rig_serves(rig, 2));
                rig_run(rig, 1);
        }
        g_assert_true(rig_serves(rig, 2));
        g_assert_true(is_region_held(rig, 2));
        rig_run(rig, 25000);
        g_assert_false(is_region_held(rig, 2));
        rig_free(rig);
}

/* A third one. */
static void join(struct rig *rig)
{
        rig_start(rig, 2, NULL, true);
        rig_connect(rig, 2, 0);
        rig_connect(rig, 2, 1);
        for (uint32_t ms = 0; ms < 6000 && !rig_serves(rig, 2); ms++) {
                rig_run(rig, 1);
        }
        g_assert_true(rig_serves(rig, 2));
}

static struct rig *formed_for_a_joiner(void)
{
        struct rig *rig = rig_new(3);

        for (uint32_t i = 0; i < 2; i++) {
                rig_start(rig, i, NULL, true);
        }
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        return rig;
}

static void other_regions_are_held_on_no_node(void)
{
        struct rig *rig = formed_for_a_joiner();

        g_assert_false(is_held(rig, 1, "early"));
        publish_keys(rig, "r", 0, 1, 30000);
        rig_run(rig, 3);
        rig_start(rig, 0, NULL, true);
        rig_connect(rig, 0, 1);
        rig_run(rig, 3000);
        join(rig);
        for (uint32_t node = 0; node < 3; node++) {
                g_assert_true(rig_serves(rig, node));
                g_assert_true(node == 1 || is_region_held(rig, node));
                g_assert_false(is_held(rig, node, "early"));
                g_assert_false(is_held(rig, node, "late"));
        }
        rig_free(rig);
}

/* The latest end of all that found no place counts for each region. */
static void regions_that_are_held_in_great_number_are_not_told_apart(void)
{
        struct rig *rig = formed_for_a_joiner();

        for (uint32_t i = 0; i < CORE_HOLD_ENDS; i++) {
                g_autofree char *name = g_strdup_printf("r%u", i);

                publish_keys(rig, name, 0, 1, i == 0 ? 40000 : 20000);
        }
        rig_run(rig, 3);
        g_assert_false(is_held(rig, 1, "other"));
        publish_keys(rig, "r", 0, 1, 30000);
        rig_run(rig, 3);
        join(rig);
        g_assert_true(is_held(rig, 2, "other"));
        g_assert_true(is_held(rig, 2, "r0"));
        rig_run(rig, 30000);
        g_assert_false(is_held(rig, 2, "other"));
        g_assert_true(is_held(rig, 2, "r0"));
        rig_run(rig, 10100);
        /* Their places are free again. */
        publish_keys(rig, "r", 0, 1, 30000);
        rig_run(rig, 3);
        g_assert_true(is_region_held(rig, 1));
        g_assert_false(is_held(rig, 1, "new"));
        rig_free(rig);
}

static void a_region_that_lost_its_index_is_held_with_its_next_one(void)
{
        struct rig *rig = formed(2);

        publish_keys(rig, "r", 0, 1, 1000);
        g_assert_false(is_region_held(rig, 0));
        for (uint32_t i = 0; i < CMI_PAGE_REGIONS; i++) {
                g_autofree char *name = g_strdup_printf("r%u", i);

                g_assert_false(is_held(rig, 0, name));
        }
        g_assert_true(is_region_held(rig, 0));
        rig_run(rig, 1100);
        g_assert_false(is_region_held(rig, 0));
        rig_free(rig);
}

/* Apps of @node fill the region from a source that lags behind. */
static void tell_lag(struct rig *rig, uint32_t node, uint64_t hold_ms)
{
        struct core *core = rig->nodes[node].core;
        uint32_t index;

        g_assert_cmpint(core_region(core, cmi_slice_str("r"), &index), ==, 0);
        core_region_hold(core, index);
        core_region_describe(core, index, &(struct cmi_region){.hold_ms = hold_ms});
}

/* What it published last may never have come here. */
static void who_is_gone_may_have_held_each_region_that_lags(void)
{
        struct rig *rig = formed(3);

        tell_lag(rig, 1, 2000);
        g_assert_false(is_held(rig, 1, "other"));
        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = true;
        rig_run(rig, 2900);
        g_assert_false(is_region_held(rig, 1));
        rig_run(rig, 300);
        /* Node 0 has asked what node 1 knows. */
        g_assert_true(is_region_held(rig, 0) && is_region_held(rig, 1));
        g_assert_false(is_held(rig, 1, "other"));
        rig_run(rig, 1600);
        g_assert_true(is_region_held(rig, 1));
        rig_run(rig, 500);
        g_assert_false(is_region_held(rig, 0) || is_region_held(rig, 1));
        /* Also if it is only told when that has happened. */
        tell_lag(rig, 0, 5000);
        g_assert_true(is_region_held(rig, 0));
        rig_run(rig, 3000);
        g_assert_false(is_region_held(rig, 0));
        tell_lag(rig, 0, 100);
        g_assert_false(is_region_held(rig, 0));
        rig_free(rig);
}

static void so_it_is_with_a_log_that_was_lost_and_with_what_operations_said(void)
{
        struct rig *rig = formed(2);

        rig_publish_held(rig, 1, "k", 1000);
        rig_run(rig, 1500);
        expect_flags(rig, 2, false);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 1, 0);
        rig_run(rig, 3000);
        g_assert_false(is_region_held(rig, 0));
        rig_start(rig, 1, NULL, false);
        rig_connect(rig, 1, 0);
        for (uint32_t ms = 0; ms < 3000 && !is_region_held(rig, 0); ms++) {
                rig_run(rig, 1);
        }
        g_assert_true(is_region_held(rig, 0));
        rig_run(rig, 900);
        g_assert_true(is_region_held(rig, 0));
        rig_run(rig, 200);
        g_assert_false(is_region_held(rig, 0));
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/hold/" #name, name)
        CASE(what_is_invalidated_is_flagged_everywhere_until_its_hold_is_over);
        CASE(a_second_one_makes_it_longer_and_never_shorter);
        CASE(an_invalidation_without_one_leaves_it);
        CASE(with_a_write_intent_the_later_end_counts);
        CASE(a_write_is_held_from_its_end_on);
        CASE(more_than_have_room_hold_their_region);
        CASE(who_floods_one_region_takes_no_other_one_out_of_service);
        CASE(a_whole_region_is_held_too);
        CASE(a_region_that_is_opened_while_it_runs_is_held);
        CASE(a_meshd_that_was_killed_holds_what_it_held);
        CASE(a_time_out_of_reach_is_cut);
        CASE(a_joiner_holds_a_region_as_long_as_the_others_hold_anything_of_it);
        CASE(other_regions_are_held_on_no_node);
        CASE(regions_that_are_held_in_great_number_are_not_told_apart);
        CASE(a_region_that_lost_its_index_is_held_with_its_next_one);
        CASE(who_is_gone_may_have_held_each_region_that_lags);
        CASE(so_it_is_with_a_log_that_was_lost_and_with_what_operations_said);
        return g_test_run();
}
