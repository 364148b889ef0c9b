/* SPDX-License-Identifier: MIT */
/* What core and plane learn of each other through the bridge. */
#include "meshd/bridge/bridge.h"

#include "tests/meshd/rig.h"

#include <glib.h>
#include <string.h>

static const struct cmi_id key = {{1, 2, 3}};

static uint64_t session_stamp(const struct rig *rig)
{
        struct cmi_page_view view = cmi_page_view(rig->nodes[0].page);

        return view.sessions[cmi_page_session_slot(&view, key.bytes)];
}

static void a_stamp_kills_what_was_kept_of_the_session_before(void)
{
        struct rig *rig = rig_new(1);
        struct bridge bridge = {0};
        uint64_t token, seq;

        rig_start(rig, 0, NULL, true);
        bridge.core = rig->nodes[0].core;
        bridge.page = cmi_page_view(rig->nodes[0].page);
        token = bridge.page.page->apply_seq;
        seq = bridge_stamp(&bridge, &key);
        g_assert_cmpuint(seq, >, token);
        g_assert_cmpuint(session_stamp(rig), ==, seq);
        g_assert_cmpuint(bridge.page.page->apply_seq, ==, seq);
        rig_free(rig);
}

static void a_stamp_of_all_is_one_of_the_region(void)
{
        struct rig *rig = rig_new(1);
        struct bridge bridge = {0};
        uint64_t seq;
        uint32_t index;

        rig_start(rig, 0, NULL, true);
        bridge.core = rig->nodes[0].core;
        bridge.page = cmi_page_view(rig->nodes[0].page);
        /* No process keeps any. */
        g_assert_cmpuint(bridge_stamp(&bridge, NULL), >, 0);
        g_assert_cmpint(core_region(bridge.core, cmi_slice_str(CMI_SESSION_REGION), &index), ==, 0);
        seq = bridge_stamp(&bridge, NULL);
        g_assert_cmpuint(cmi_page_view(rig->nodes[0].page).regions[index], ==, seq);
        g_assert_cmpuint(session_stamp(rig), ==, 0);
        rig_free(rig);
}

static void nothing_may_be_kept_before_the_node_serves(void)
{
        struct rig *rig = rig_new(1);
        struct bridge bridge = {0};
        struct plane_view view = bridge_view(&bridge);

        rig_start(rig, 0, NULL, true);
        bridge.core = rig->nodes[0].core;
        bridge.page = cmi_page_view(rig->nodes[0].page);
        bridge_stamp(&bridge, &key);
        g_assert_false(view.is_live(view.context));
        g_assert_cmpuint(view.token(view.context), ==, 0);
        rig_run(rig, 20000);
        g_assert_true(view.is_live(view.context));
        g_assert_cmpuint(view.token(view.context), ==, bridge.page.page->apply_seq);
        rig_free(rig);
}

static void another_member_makes_a_node_not_alone(void)
{
        struct rig *rig = rig_new(2);
        struct bridge bridge = {0};
        struct plane_view view = bridge_view(&bridge);

        rig_start(rig, 0, NULL, true);
        bridge.core = rig->nodes[0].core;
        g_assert_true(view.is_alone(view.context));
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 0, 1);
        rig_run(rig, 20000);
        g_assert_false(view.is_alone(view.context));
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/bridge/stamp", a_stamp_kills_what_was_kept_of_the_session_before);
        g_test_add_func("/bridge/all", a_stamp_of_all_is_one_of_the_region);
        g_test_add_func("/bridge/live", nothing_may_be_kept_before_the_node_serves);
        g_test_add_func("/bridge/alone", another_member_makes_a_node_not_alone);
        return g_test_run();
}
