/* SPDX-License-Identifier: MIT */
/* Which region has which index, and what becomes of one that nobody holds. */
#include "tests/meshd/rig.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

static struct rig *started(void)
{
        struct rig *rig = rig_new(1);

        rig_start(rig, 0, NULL, true);
        return rig;
}

static int hold(struct rig *rig, uint32_t number, uint32_t *ret_index)
{
        char name[16];
        int r;

        snprintf(name, sizeof(name), "r%u", number);
        r = core_region(rig->nodes[0].core, cmi_slice_str(name), ret_index);
        if (r == 0) {
                core_region_hold(rig->nodes[0].core, *ret_index);
        }
        return r;
}

static uint64_t region_stamp(const struct rig *rig, uint32_t index)
{
        return cmi_page_view(rig->nodes[0].page).regions[index];
}

static void an_index_that_nobody_holds_is_given_to_another_region(void)
{
        struct rig *rig = started();
        struct core *core = rig->nodes[0].core;
        struct cmi_page_view view = cmi_page_view(rig->nodes[0].page);
        uint32_t index, again;
        uint64_t owner, token;

        for (uint32_t i = 0; i < CMI_PAGE_REGIONS; i++) {
                g_assert_cmpint(hold(rig, i, &index), ==, 0);
                g_assert_cmpuint(index, ==, i);
        }
        g_assert_cmpint(hold(rig, 5000, &index), ==, -ENOSPC);
        core_region_hold(core, 300); /* a second one */
        core_region_drop(core, 300);
        g_assert_cmpint(hold(rig, 5000, &index), ==, -ENOSPC);
        core_region_drop(core, 700);
        core_region_drop(core, 300);
        /* Nobody needed it meanwhile. */
        owner = core_region_owner(core, 700);
        g_assert_cmpint(hold(rig, 700, &index), ==, 0);
        g_assert_cmpuint(index, ==, 700);
        g_assert_cmpuint(core_region_owner(core, 700), ==, owner);
        core_region_drop(core, 700);

        token = rig_token(rig, 0);
        owner = core_region_owner(core, 300);
        g_assert_cmpuint(cmi_page_owner(&view, 300), ==, owner);
        g_assert_cmpint(hold(rig, 5000, &index), ==, 0); /* held by nobody for longest */
        g_assert_cmpuint(index, ==, 300);
        g_assert_cmpuint(core_region_owner(core, 300), >, owner);
        g_assert_cmpuint(cmi_page_owner(&view, 300), ==, core_region_owner(core, 300));
        g_assert_cmpuint(region_stamp(rig, 300), >, token);

        /* The region that lost it gets another one, and what was known of it is dead there too. */
        token = rig_token(rig, 0);
        g_assert_cmpint(hold(rig, 300, &again), ==, 0);
        g_assert_cmpuint(again, ==, 700);
        g_assert_cmpuint(region_stamp(rig, 700), >, token);
        g_assert_cmpint(hold(rig, 700, &index), ==, -ENOSPC);
        rig_free(rig);
}

static void an_operation_on_a_region_that_lost_its_index_stamps_nothing(void)
{
        struct rig *rig = started();
        struct core_status status;
        uint32_t index;
        uint64_t token;

        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_NODE, 0), ==, 0); /* of region r */
        for (uint32_t i = 0; i < CMI_PAGE_REGIONS; i++) {
                g_assert_cmpint(hold(rig, i, &index), ==, 0);
        }
        token = rig_token(rig, 0);
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_NODE, 0), ==, 0);
        g_assert_cmpuint(rig_token(rig, 0), ==, token);
        core_status(rig->nodes[0].core, &status);
        g_assert_cmpuint(status.counters.unknown_regions, ==, 1);
        rig_free(rig);
}

/* Names come and go at random: each that is held keeps its index, and is found. */
static void names_that_come_and_go_keep_what_they_hold(void)
{
        enum { N_NAMES = 3000 };
        struct rig *rig = started();
        uint32_t indexes[N_NAMES];
        uint32_t n_held = 0;
        uint32_t index;

        memset(indexes, 0xff, sizeof(indexes));
        for (int step = 0; step < 20000; step++) {
                uint32_t number = (uint32_t)g_random_int_range(0, N_NAMES);
                bool is_held = indexes[number] != UINT32_MAX;

                if (is_held && g_random_boolean()) {
                        core_region_drop(rig->nodes[0].core, indexes[number]);
                        indexes[number] = UINT32_MAX;
                        n_held--;
                } else if (hold(rig, number, &index) == 0 && is_held) {
                        g_assert_cmpuint(index, ==, indexes[number]);
                        core_region_drop(rig->nodes[0].core, index);
                } else if (n_held == CMI_PAGE_REGIONS) {
                        g_assert_cmpint(hold(rig, number, &index), ==, -ENOSPC);
                } else {
                        indexes[number] = index;
                        n_held++;
                }
        }
        g_assert_cmpuint(n_held, >, CMI_PAGE_REGIONS / 2);
        rig_free(rig);
}

static uint32_t describe_held(
                struct rig *rig, uint32_t node, const char *name, uint64_t ttl_ms, uint64_t hold_ms)
{
        const struct cmi_region options = {.ttl_ms = ttl_ms, .hold_ms = hold_ms};
        struct core *core = rig->nodes[node].core;
        uint32_t index = 0;

        g_assert_cmpint(core_region(core, cmi_slice_str(name), &index), ==, 0);
        core_region_hold(core, index);
        core_region_describe(core, index, &options);
        return index;
}

static uint32_t describe(struct rig *rig, uint32_t node, const char *name, uint64_t ttl_ms)
{
        return describe_held(rig, node, name, ttl_ms, 0);
}

static bool differs(const struct rig *rig, uint32_t node, uint32_t index, const char *other,
                uint64_t ttl_ms)
{
        struct core_region_difference region;
        uint32_t cursor = 0;

        while (core_region_differs(rig->nodes[node].core, index, &cursor, &region)) {
                if (strcmp(region.node, other) == 0) {
                        return region.options.ttl_ms == ttl_ms;
                }
        }
        return false;
}

static void options_that_differ_between_nodes_are_told_on_both_once(void)
{
        struct rig *rig = rig_new(3);
        uint32_t same, unlike[3];

        rig_form(rig);
        for (uint32_t i = 0; i < 3; i++) {
                same = describe(rig, i, "same", 7);
                unlike[i] = describe(rig, i, "unlike", i == 2 ? 200 : 100);
                rig_run(rig, 1500);
        }
        g_assert_cmpuint(rig->nodes[0].n_differences, ==, 1);
        g_assert_cmpuint(rig->nodes[1].n_differences, ==, 1);
        g_assert_cmpuint(rig->nodes[2].n_differences, ==, 2);
        g_assert_true(differs(rig, 0, unlike[0], "n2", 200));
        g_assert_true(differs(rig, 2, unlike[2], "n0", 100));
        g_assert_true(differs(rig, 2, unlike[2], "n1", 100));
        g_assert_false(differs(rig, 0, unlike[0], "n1", 100));
        g_assert_false(differs(rig, 0, same, "n2", 7));
        /* A new list with the same difference in it is no news. */
        describe(rig, 2, "more", 1);
        rig_run(rig, 1500);
        g_assert_cmpuint(rig->nodes[0].n_differences, ==, 1);
        /* The last app there ends, and comes back with the options of the others. */
        core_region_drop(rig->nodes[2].core, unlike[2]);
        rig_run(rig, 1500);
        g_assert_false(differs(rig, 0, unlike[0], "n2", 200));
        describe(rig, 2, "unlike", 100);
        rig_run(rig, 1500);
        g_assert_false(differs(rig, 2, unlike[2], "n0", 100));
        g_assert_cmpuint(rig->nodes[0].n_differences, ==, 1);
        rig_free(rig);
}

static void a_hold_that_differs_between_nodes_is_told_as_well(void)
{
        struct rig *rig = rig_new(2);
        struct core_region_difference other;
        uint32_t cursor = 0;
        uint32_t index;

        rig_form(rig);
        describe_held(rig, 0, "same", 100, 2000);
        describe_held(rig, 1, "same", 100, 2000);
        describe_held(rig, 0, "unlike", 100, 2000);
        index = describe_held(rig, 1, "unlike", 100, 0);
        rig_run(rig, 3000);
        g_assert_cmpuint(rig->nodes[0].n_differences, ==, 1);
        g_assert_cmpuint(rig->nodes[1].n_differences, ==, 1);
        g_assert_true(core_region_differs(rig->nodes[1].core, index, &cursor, &other));
        g_assert_cmpuint(other.options.hold_ms, ==, 2000);
        core_region_describe(rig->nodes[1].core, index,
                        &(struct cmi_region){.ttl_ms = 100, .hold_ms = 2000});
        cursor = 0;
        g_assert_false(core_region_differs(rig->nodes[1].core, index, &cursor, &other));
        rig_free(rig);
}

/* As from a node whose version does not tell its hold. */
static void a_hold_that_is_not_told_is_like_any_other(void)
{
        const struct cmi_region untold = {.ttl_ms = 5, .hold_ms = CMI_HOLD_UNTOLD};
        const struct cmi_region held = {.ttl_ms = 5, .hold_ms = 2000};
        const struct cmi_region longer = {.ttl_ms = 6, .hold_ms = CMI_HOLD_UNTOLD};
        const struct cmi_region free = {.ttl_ms = 5};

        g_assert_true(core_region_is_alike(&untold, &held));
        g_assert_true(core_region_is_alike(&free, &untold));
        g_assert_false(core_region_is_alike(&held, &free));
        g_assert_false(core_region_is_alike(&held, &longer));
}

static void a_list_of_options_that_was_lost_is_sent_again(void)
{
        struct rig *rig = rig_new(2);
        uint32_t index;

        rig_form(rig);
        index = describe(rig, 0, "r", 100);
        rig->nodes[1].is_deaf = true;
        describe(rig, 1, "r", 200);
        rig_run(rig, 300);
        rig->nodes[1].is_deaf = false;
        rig_run(rig, 3000);
        g_assert_true(differs(rig, 0, index, "n1", 200));
        g_assert_cmpuint(rig->nodes[1].n_differences, ==, 1);
        rig_free(rig);
}

static void a_full_list_of_options_fits_a_frame(void)
{
        struct rig *rig = rig_new(2);
        char name[16];
        uint32_t index = 0;

        rig_form(rig);
        for (uint32_t i = 0; i < CMI_PAGE_REGIONS; i++) {
                snprintf(name, sizeof(name), "r%u", i);
                describe_held(rig, 0, name, UINT64_MAX, UINT64_MAX - 1);
                index = describe_held(rig, 1, name, UINT64_MAX - 1, UINT64_MAX - 1);
        }
        rig_run(rig, 3000);
        g_assert_cmpuint(rig->nodes[0].n_differences, ==, CMI_PAGE_REGIONS);
        g_assert_true(differs(rig, 1, index, "n0", UINT64_MAX));
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/region/index", an_index_that_nobody_holds_is_given_to_another_region);
        g_test_add_func("/region/lost_index",
                        an_operation_on_a_region_that_lost_its_index_stamps_nothing);
        g_test_add_func("/region/names", names_that_come_and_go_keep_what_they_hold);
        g_test_add_func("/region/differs", options_that_differ_between_nodes_are_told_on_both_once);
        g_test_add_func("/region/hold", a_hold_that_differs_between_nodes_is_told_as_well);
        g_test_add_func("/region/untold", a_hold_that_is_not_told_is_like_any_other);
        g_test_add_func("/region/again", a_list_of_options_that_was_lost_is_sent_again);
        g_test_add_func("/region/full", a_full_list_of_options_fits_a_frame);
        return g_test_run();
}
