/* SPDX-License-Identifier: MIT */
/*
 * Who a node is: its name, its id and its incarnation, and what comes of two that claim the same.
 */
#include "tests/meshd/rig.h"

#include <glib.h>

static struct rig *formed(uint32_t n)
{
        struct rig *rig = rig_new(n);

        rig_form(rig);
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpint(rig_state(rig, i), ==, CORE_LIVE);
        }
        return rig;
}

static void the_later_of_two_nodes_with_one_name_is_refused(void)
{
        struct rig *rig = formed(3);

        rig_kill(rig, 2);
        rig_run(rig, 4000);
        rig_start(rig, 2, "n1", true);
        rig_connect(rig, 2, 1);
        rig_run(rig, 5000);
        g_assert_cmpint(rig_state(rig, 2), ==, CORE_JOINING);
        g_assert_nonnull(strstr(rig->nodes[2].refused, "name"));
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        rig_free(rig);
}

static void a_refused_node_stamps_its_own_page_and_answers_no_wait_for_the_mesh(void)
{
        struct rig *rig = formed(3);
        uint64_t token;

        rig_kill(rig, 2);
        rig_run(rig, 4000);
        rig_start(rig, 2, "n1", true);
        rig_connect(rig, 2, 1);
        rig_run(rig, 3000);
        g_assert_cmpint(rig_state(rig, 2), ==, CORE_JOINING);
        token = rig_token(rig, 2);
        g_assert_cmpint(rig_publish(rig, 2, "k", CMI_WAIT_NODE, 0), ==, 0);
        g_assert_true(rig_is_stamped(rig, 2, "k", token));
        g_assert_cmpint(rig_publish(rig, 2, "k", CMI_WAIT_MESH, 500), ==, 0);
        rig_run(rig, 490);
        g_assert_cmpuint(rig->nodes[2].n_done, ==, 0);
        rig_run(rig, 20);
        g_assert_cmpuint(rig->nodes[2].n_done, ==, 1);
        g_assert_cmpint(rig->nodes[2].outcome.outcome, ==, CMI_PENDING);
        g_assert_false(rig_serves(rig, 2));

        /* The other one ends, and what was published meanwhile reaches those that go on. */
        token = rig_token(rig, 0);
        rig_kill(rig, 1);
        rig_run(rig, 4000);
        rig_connect(rig, 2, 0);
        rig_run(rig, 76000);
        g_assert_cmpint(rig_state(rig, 2), ==, CORE_LIVE);
        g_assert_true(rig_is_stamped(rig, 0, "k", token));
        rig_free(rig);
}

static void an_incarnation_set_back_is_told_the_highest_and_goes_above(void)
{
        struct rig *rig = formed(2);
        struct core_status status;

        rig_kill(rig, 1);
        rig->now.real_ns -= 3600 * CMI_NS_PER_S;
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 1, 0);
        rig_run(rig, 3000);
        core_status(rig->nodes[1].core, &status);
        g_assert_cmpint(status.state, ==, CORE_LIVE);
        rig_free(rig);
}

/* A frame that @from did not send comes to @to in its name. */
static void forge(struct rig *rig, uint32_t from, uint32_t to, enum cmi_frame_type type,
                uint64_t incarnation, struct cmi_slice body)
{
        uint8_t bytes[CMI_FRAME_HEADER_MAX];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_frame_header header = {.type = type,
                        .mesh = XXH3_64bits("rig", 3),
                        .source.bytes[0] = (uint8_t)(from + 1),
                        .source_incarnation = incarnation};

        cmi_frame_header_write(&writer, &header);
        core_receive(rig->nodes[to].core, rig->now, 99, cmi_written(&writer), body);
}

static void an_incarnation_of_the_far_future_is_not_believed(void)
{
        struct rig *rig = formed(2);
        const struct cmi_refuse refusal = {CMI_REFUSED_INCARNATION, UINT64_MAX - 1, "no"};
        struct cmi_hello hello = {.protocol_max = CMI_PROTOCOL_MAX,
                        .name = "n1",
                        .lease_ms = 1000,
                        .n_endpoints = 1,
                        .endpoints[0] = {.family = 4, .port = 1, .address = {127, 0, 0, 1}}};
        struct core_status before;
        struct core_status after;
        struct core_member member;
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        core_status(rig->nodes[0].core, &before);
        cmi_refuse_write(&writer, &refusal);
        forge(rig, 1, 0, CMI_FRAME_REFUSE, before.incarnation, cmi_written(&writer));
        core_status(rig->nodes[0].core, &after);
        g_assert_cmpuint(after.incarnation, ==, before.incarnation);
        g_assert_nonnull(strstr(rig->nodes[0].refused, "far in the future"));

        rig->nodes[1].is_mute = true;
        rig_run(rig, 4000);
        writer = cmi_writer(bytes, sizeof(bytes));
        cmi_hello_write(&writer, &hello);
        forge(rig, 1, 0, CMI_FRAME_HELLO, UINT64_MAX - 1, cmi_written(&writer));
        core_member(rig->nodes[0].core, rig->now, 0, &member);
        g_assert_cmpuint(member.incarnation, <, UINT64_MAX - 1);
        rig->nodes[1].is_mute = false;
        rig_run(rig, 3000);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_LIVE);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 1));
        rig_free(rig);
}

static void a_copy_of_a_live_node_is_refused_and_takes_nothing_over(void)
{
        struct rig *rig = rig_new(3);
        struct core_member member;

        rig_start(rig, 0, NULL, true);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        rig_start_copy(rig, 2, "copy", 0);
        rig_connect(rig, 2, 1);
        for (int i = 0; i < 100; i++) {
                uint64_t token = rig_token(rig, 1);

                rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0);
                rig_run(rig, 200);
                g_assert_cmpuint(rig->nodes[0].n_done, ==, (unsigned)i + 1);
                g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
                g_assert_true(rig_is_stamped(rig, 1, "k", token));
                g_assert_false(rig_serves(rig, 2));
        }
        g_assert_nonnull(strstr(rig->nodes[2].refused, "--new-identity"));
        core_member(rig->nodes[1].core, rig->now, 0, &member);
        g_assert_cmpuint(member.restarts, ==, 0);
        rig_free(rig);
}

static void a_copy_that_was_live_alone_steps_down_when_it_is_told(void)
{
        struct rig *rig = rig_new(2);

        rig_start(rig, 0, NULL, true);
        rig_run(rig, 1000);
        rig_start_copy(rig, 1, "copy", 0);
        rig_run(rig, 13000);
        g_assert_true(rig_serves(rig, 1));
        rig_connect(rig, 0, 1);
        rig_run(rig, 2);
        g_assert_false(rig_serves(rig, 1));
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_JOINING);
        g_assert_true(rig_serves(rig, 0));
        rig_free(rig);
}

/* Frames of before may come late, over the link that was only for the refusal. */
static void a_refusal_of_before_the_newest_greeting_does_not_count(void)
{
        struct rig *rig = formed(2);
        const struct cmi_refuse refusal = {CMI_REFUSED_FULL, 0, "no"};
        struct core_member member;
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        core_member(rig->nodes[0].core, rig->now, 0, &member);
        cmi_refuse_write(&writer, &refusal);
        forge(rig, 1, 0, CMI_FRAME_REFUSE, member.incarnation, cmi_written(&writer));
        forge(rig, 1, 0, CMI_FRAME_REFUSE, member.incarnation - 1, cmi_written(&writer));
        rig_run(rig, 10);
        g_assert_true(rig_serves(rig, 0));
        forge(rig, 1, 0, CMI_FRAME_REFUSE, member.incarnation + 1, cmi_written(&writer));
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        rig_run(rig, 500); /* until n1 answers a beat, as nobody does who refuses */
        g_assert_true(rig_serves(rig, 0));
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/identity/name", the_later_of_two_nodes_with_one_name_is_refused);
        g_test_add_func("/identity/refused",
                        a_refused_node_stamps_its_own_page_and_answers_no_wait_for_the_mesh);
        g_test_add_func("/identity/incarnation",
                        an_incarnation_set_back_is_told_the_highest_and_goes_above);
        g_test_add_func("/identity/future", an_incarnation_of_the_far_future_is_not_believed);
        g_test_add_func("/identity/copy", a_copy_of_a_live_node_is_refused_and_takes_nothing_over);
        g_test_add_func("/identity/copy_alone",
                        a_copy_that_was_live_alone_steps_down_when_it_is_told);
        g_test_add_func("/identity/overtaken",
                        a_refusal_of_before_the_newest_greeting_does_not_count);
        return g_test_run();
}
