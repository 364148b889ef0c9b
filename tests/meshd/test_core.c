/* SPDX-License-Identifier: MIT */
#include "tests/meshd/rig.h"

#include <errno.h>
#include <glib.h>

static struct rig *formed(uint32_t n)
{
        struct rig *rig = rig_new(n);

        rig_form(rig);
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpint(rig_state(rig, i), ==, CORE_LIVE);
                g_assert_true(rig_serves(rig, i));
        }
        return rig;
}

static void three_nodes_that_know_one_of_them_form_a_full_mesh(void)
{
        struct rig *rig = formed(3);
        struct core_member member;

        for (uint32_t i = 0; i < 3; i++) {
                g_assert_cmpint(core_member(rig->nodes[i].core, rig->now, 0, &member), ==, 0);
                g_assert_cmpint(member.state, ==, MEMBER_LIVE);
                g_assert_true(member.has_link && member.is_heard && member.counts_me);
                g_assert_cmpint(core_member(rig->nodes[i].core, rig->now, 1, &member), ==, 0);
                g_assert_cmpint(member.state, ==, MEMBER_LIVE);
                g_assert_cmpint(core_member(rig->nodes[i].core, rig->now, 2, &member), <, 0);
        }
        rig_free(rig);
}

static void a_waited_invalidation_is_everywhere(void)
{
        struct rig *rig = formed(3);
        uint64_t token1 = rig_token(rig, 1), token2 = rig_token(rig, 2);

        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 0);
        rig_run(rig, 3);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        g_assert_cmpuint(rig->nodes[0].outcome.n_applied, ==, 2);
        g_assert_true(rig_is_stamped(rig, 1, "k", token1));
        g_assert_true(rig_is_stamped(rig, 2, "k", token2));
        rig_free(rig);
}

static void more_calls_than_may_wait_are_refused_and_leave_no_trace(void)
{
        struct rig *rig = formed(2);
        uint64_t token;

        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = true;
        for (uint32_t i = 0; i < CORE_WAITS_MAX; i++) {
                g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        }
        token = rig_token(rig, 0);
        g_assert_cmpint(rig_publish(rig, 0, "late", CMI_WAIT_MESH, 0), ==, -EBUSY);
        g_assert_false(rig_is_stamped(rig, 0, "late", token));
        g_assert_cmpint(rig_publish(rig, 0, "late", CMI_WAIT_NONE, 0), ==, 0);
        g_assert_true(rig_is_stamped(rig, 0, "late", token));
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 0);
        rig_run(rig, 1030);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, CORE_WAITS_MAX);
        g_assert_cmpint(rig_publish(rig, 0, "late", CMI_WAIT_MESH, 0), ==, 0);
        rig_free(rig);
}

static void a_member_cut_off_both_ways_is_gone_and_leads_to_partial(void)
{
        struct rig *rig = formed(3);
        uint32_t forgot = rig->nodes[0].n_forgot;

        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = true;
        rig_run(rig, 3500);
        g_assert_true(rig_serves(rig, 0));
        g_assert_cmpuint(rig->nodes[0].n_forgot, ==, forgot + 1);
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, 5);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, CMI_PARTIAL);
        g_assert_cmpuint(rig->nodes[0].outcome.n_unconfirmed, ==, 1);
        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = false;
        rig_run(rig, 2000);
        g_assert_cmpint(rig_state(rig, 2), ==, CORE_LIVE);
        g_assert_true(rig_serves(rig, 0) && rig_serves(rig, 2));
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, 5);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        rig_free(rig);
}

static void lost_frames_are_asked_for_again_within_a_beat(void)
{
        struct rig *rig = formed(2);
        uint64_t token = rig_token(rig, 1);

        rig->nodes[1].is_deaf = true;
        rig_publish(rig, 0, "lost", CMI_WAIT_NODE, 0);
        rig_run(rig, 2);
        rig->nodes[1].is_deaf = false;
        g_assert_false(rig_is_stamped(rig, 1, "lost", token));
        rig_run(rig, 260);
        g_assert_true(rig_is_stamped(rig, 1, "lost", token));
        g_assert_cmpuint(rig->nodes[1].n_gaps, ==, 1);
        rig_free(rig);
}

static void a_full_link_goes_on_where_it_stopped(void)
{
        struct rig *rig = formed(2);
        uint64_t token = rig_token(rig, 1);

        rig->nodes[0].is_full = true;
        for (int i = 0; i < 100; i++) {
                char key[8];

                g_snprintf(key, sizeof(key), "k%d", i);
                rig_publish(rig, 0, key, CMI_WAIT_NODE, 0);
                rig_run(rig, 1);
        }
        g_assert_false(rig_is_stamped(rig, 1, "k0", token));
        rig->nodes[0].is_full = false;
        rig_run(rig, 3);
        g_assert_true(rig_is_stamped(rig, 1, "k0", token));
        g_assert_true(rig_is_stamped(rig, 1, "k99", token));
        g_assert_cmpuint(rig->nodes[1].n_gaps, ==, 0);
        rig_free(rig);
}

static void a_killed_node_returns_with_its_stream_and_nobody_forgets(void)
{
        struct rig *rig = formed(3);
        uint32_t forgot = rig->nodes[0].n_forgot;
        uint64_t token;

        rig_publish(rig, 1, "before", CMI_WAIT_MESH, 0);
        rig_run(rig, 5);
        rig_kill(rig, 1);
        rig_run(rig, 100);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_LIVE);
        g_assert_cmpuint(rig->nodes[0].n_forgot, ==, forgot);
        token = rig_token(rig, 1);
        rig_publish(rig, 0, "after", CMI_WAIT_MESH, 0);
        rig_run(rig, 5);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        g_assert_true(rig_is_stamped(rig, 1, "after", token));
        rig_free(rig);
}

static void a_node_that_lost_its_log_makes_the_others_forget(void)
{
        struct rig *rig = formed(2);
        uint32_t forgot = rig->nodes[0].n_forgot;

        rig_publish(rig, 1, "before", CMI_WAIT_NODE, 0);
        rig_kill(rig, 1);
        rig_run(rig, 100);
        rig_start(rig, 1, NULL, false);
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        g_assert_cmpuint(rig->nodes[0].n_forgot, ==, forgot + 1);
        rig_free(rig);
}

static void a_goodbye_leaves_nothing_to_wait_for_or_to_forget(void)
{
        struct rig *rig = formed(3);
        uint32_t forgot = rig->nodes[0].n_forgot;

        rig_publish(rig, 2, "last", CMI_WAIT_NODE, 0);
        core_stop(rig->nodes[2].core, rig->now);
        g_assert_false(rig_serves(rig, 2));
        rig_run(rig, 3);
        core_goodbye(rig->nodes[2].core, rig->now);
        rig_run(rig, 2);
        rig_kill(rig, 2);
        rig_run(rig, 4000);
        g_assert_cmpuint(rig->nodes[0].n_forgot, ==, forgot);
        g_assert_true(rig_serves(rig, 0));
        rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0);
        rig_run(rig, 3);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        g_assert_cmpuint(rig->nodes[0].outcome.n_members, ==, 0);
        rig_free(rig);
}

static void a_node_alone_waits_until_it_would_have_heard_somebody(void)
{
        struct rig *rig = rig_new(1);

        rig_start(rig, 0, NULL, true);
        rig_run(rig, 11900);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        g_assert_false(rig_serves(rig, 0));
        rig_run(rig, 200);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_LIVE);
        g_assert_true(rig_serves(rig, 0));
        rig_free(rig);
}

static void a_stopped_process_serves_nothing_until_it_heard_everybody(void)
{
        struct rig *rig = formed(2);

        for (uint64_t i = 0; i < 700; i++) {
                rig->now.mono_ns += CMI_NS_PER_MS;
                rig->now.real_ns += CMI_NS_PER_MS;
        }
        core_tick(rig->nodes[0].core, rig->now);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        g_assert_false(rig_serves(rig, 0));
        rig_run(rig, 300);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_LIVE);
        rig_free(rig);
}

static void more_than_the_log_holds_ends_in_a_reset(void)
{
        struct rig *rig = formed(2);
        char key[200];

        memset(key, 'x', sizeof(key));
        rig->nodes[0].is_full = true;
        rig_run(rig, 1);
        for (int i = 0; i < 3000; i++) {
                g_snprintf(key + 190, 10, "%d", i);
                rig_publish(rig, 0, key, CMI_WAIT_NODE, 0);
        }
        rig->nodes[0].is_full = false;
        rig_run(rig, 10);
        struct core_status status;
        core_status(rig->nodes[1].core, &status);
        g_assert_cmpuint(status.counters.resets_received, ==, 1);
        struct core_member member;
        core_member(rig->nodes[1].core, rig->now, 0, &member);
        g_assert_cmpuint(member.applied, ==, 3000);
        rig_free(rig);
}

static void a_change_of_state_is_told_at_once(void)
{
        struct rig *rig = formed(2);
        struct core_member member;

        rig_kill(rig, 1);
        rig_run(rig, 77);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 1, 0);
        for (int i = 0; i < 3000 && rig_state(rig, 1) != CORE_LIVE; i++) {
                rig_run(rig, 1);
        }
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_LIVE);
        rig_run(rig, 2);
        core_member(rig->nodes[0].core, rig->now, 0, &member);
        g_assert_cmpint(member.state, ==, MEMBER_LIVE);
        rig_free(rig);
}

static void rubbish_is_counted_and_changes_nothing(void)
{
        struct rig *rig = formed(2);
        struct core_status before, after;
        uint8_t bytes[128];

        core_status(rig->nodes[0].core, &before);
        for (int i = 0; i < 10000; i++) {
                for (size_t b = 0; b < sizeof(bytes); b++) {
                        bytes[b] = (uint8_t)g_test_rand_int();
                }
                core_receive(rig->nodes[0].core, rig->now, 99, cmi_slice(bytes, (size_t)i % 64),
                                cmi_slice(bytes + 64, 64));
        }
        core_status(rig->nodes[0].core, &after);
        g_assert_cmpuint(after.counters.dropped_malformed + after.counters.dropped_version +
                                         after.counters.dropped_mesh,
                        ==, 10000);
        g_assert_cmpint(after.state, ==, CORE_LIVE);
        g_assert_cmpuint(after.apply_seq, ==, before.apply_seq);
        rig_free(rig);
}

static void a_suspended_host_trusts_nothing_it_heard_before(void)
{
        struct rig *rig = formed(2);

        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = true;
        rig->now.real_ns += 10 * CMI_NS_PER_S;
        rig_publish(rig, 0, "k", CMI_WAIT_MESH, 3000);
        rig_run(rig, 3500);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, !=, 0);
        rig_free(rig);
}

static void a_member_known_from_the_disk_alone_is_unconfirmed(void)
{
        struct rig *rig = rig_new(1);
        struct cmi_id id = {{9, 9}};
        struct cmi_endpoint endpoint = {.family = 4, .port = 1003, .address = {127, 0, 0, 1}};

        rig_start(rig, 0, NULL, true);
        core_remember(rig->nodes[0].core, rig->now, &id, "old", &endpoint);
        rig_run(rig, 2900);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_JOINING);
        rig_run(rig, 9500);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_LIVE);
        rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0);
        rig_run(rig, 2);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, CMI_PARTIAL);
        g_assert_cmpint(core_forget(rig->nodes[0].core, rig->now, &id), ==, 0);
        rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0);
        rig_run(rig, 2);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        rig_free(rig);
}

/* Other processes of this node may be served by the page of the meshd that was killed. */
static void a_wait_for_the_own_node_ends_with_the_start_pause(void)
{
        struct rig *rig = formed(2);
        struct rig_node *node = &rig->nodes[1];
        uint64_t pause_ms;

        rig_kill(rig, 1);
        rig_start(rig, 1, NULL, true);
        pause_ms = (rig->lease_ns + rig->lease_ns / 1000) / CMI_NS_PER_MS + 8;
        rig_run(rig, 100);
        g_assert_cmpint(rig_publish(rig, 1, "k", CMI_WAIT_NODE, 0), ==, 0);
        rig_run(rig, pause_ms - 101);
        g_assert_cmpuint(node->n_done, ==, 0);
        rig_run(rig, 2);
        g_assert_cmpuint(node->n_done, ==, 1);
        g_assert_cmpint(node->outcome.outcome, ==, 0);
        g_assert_cmpint(rig_publish(rig, 1, "k", CMI_WAIT_NODE, 0), ==, 0);
        rig_run(rig, 1000);
        g_assert_cmpuint(node->n_done, ==, 1); /* at once from then on, without done() */
        rig_free(rig);
}

static void a_wait_ends_within_its_bound_though_a_node_restarts(void)
{
        struct rig *rig = formed(2);

        rig_kill(rig, 1);
        rig_start(rig, 1, NULL, true);
        rig_run(rig, 30);
        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_MESH, 0), ==, 0);
        rig_run(rig, 995);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        rig_free(rig);
}

static void a_node_knows_whether_it_is_heard(void)
{
        struct rig *rig = formed(2);
        struct core_member member;

        rig->nodes[1].is_deaf = true;
        rig_run(rig, 1300);
        for (uint32_t i = 0; i < 60; i++) {
                rig_run(rig, 100);
                core_member(rig->nodes[0].core, rig->now, 0, &member);
                g_assert_true(member.is_heard);
                g_assert_false(member.hears_me);
        }
        rig->nodes[1].is_deaf = false;
        rig_run(rig, 1500);
        core_member(rig->nodes[0].core, rig->now, 0, &member);
        g_assert_true(member.hears_me);
        rig_free(rig);
}

static void a_node_that_moved_is_followed_also_on_a_link_to_a_candidate(void)
{
        struct rig *rig = formed(2);
        struct core_member member;

        rig_kill(rig, 0);
        rig->nodes[0].n_moves++;
        rig_run(rig, 100);
        rig_start(rig, 0, NULL, true);
        rig_connect(rig, 0, 1);
        rig_run(rig, 3000);
        for (uint32_t i = 0; i < 2; i++) {
                g_assert_cmpint(core_member(rig->nodes[i].core, rig->now, 0, &member), ==, 0);
                g_assert_true(member.has_link && member.is_heard);
                g_assert_cmpint(rig_state(rig, i), ==, CORE_LIVE);
        }
        rig_free(rig);
}

/* A peer of the next version: each of its beats has a field more, and it
 * sends a type of its own. */
static void what_a_newer_version_adds_is_skipped_and_counted(void)
{
        struct rig *rig = formed(2);
        struct core_status before, after;
        struct core_member peer;
        struct cmi_beat beat = {.is_live = true};
        uint8_t bytes[CMI_FRAME_HEADER_MAX], body[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_writer fields = cmi_writer(body, sizeof(body));
        struct cmi_frame_header header = {.type = CMI_FRAME_BEAT, .generation = 99};

        core_status(rig->nodes[0].core, &before);
        core_member(rig->nodes[0].core, rig->now, 0, &peer);
        header.mesh = XXH3_64bits("rig", 3);
        header.source = peer.id;
        header.source_incarnation = peer.incarnation;
        header.destination_incarnation = before.incarnation;
        cmi_frame_header_write(&writer, &header);
        beat.clock = (struct cmi_time){rig->now.mono_ns + 1, rig->now.real_ns + 1};
        beat.newest = peer.newest;
        cmi_beat_write(&fields, &beat);
        body[0]++; /* a map with one pair more */
        cmi_write_uint(&fields, 60);
        cmi_write_cstr(&fields, "what the next version has to say");
        core_receive(rig->nodes[0].core, rig->now, 1, cmi_written(&writer), cmi_written(&fields));

        writer = cmi_writer(bytes, sizeof(bytes));
        header.type = 77;
        cmi_frame_header_write(&writer, &header);
        core_receive(rig->nodes[0].core, rig->now, 1, cmi_written(&writer), cmi_written(&fields));

        core_status(rig->nodes[0].core, &after);
        g_assert_cmpuint(after.counters.unknown_fields, ==, before.counters.unknown_fields + 1);
        g_assert_cmpuint(after.counters.dropped_unknown_type, ==,
                        before.counters.dropped_unknown_type + 1);
        g_assert_cmpuint(after.counters.dropped_malformed, ==, before.counters.dropped_malformed);
        rig_run(rig, 10);
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_LIVE);
        rig_free(rig);
}

static void the_last_changes_of_a_members_state_are_remembered_with_their_causes(void)
{
        static const struct {
                enum member_state from, to;
                const char *why;
        } expected[] = {
                        {MEMBER_SILENT, MEMBER_GONE, "it stayed silent"},
                        {MEMBER_LIVE, MEMBER_SILENT, "nothing of it came for a lease"},
                        {MEMBER_JOINING, MEMBER_LIVE, "it serves, and each hears the other"},
        };
        struct rig *rig = formed(2);
        struct core_member member;
        uint64_t before;

        rig->nodes[1].is_mute = true;
        rig_run(rig, 4000);
        core_member(rig->nodes[0].core, rig->now, 0, &member);
        g_assert_cmpuint(member.n_transitions, >, G_N_ELEMENTS(expected));
        for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
                g_assert_cmpint(member.transitions[i].from, ==, expected[i].from);
                g_assert_cmpint(member.transitions[i].to, ==, expected[i].to);
                g_assert_cmpstr(member.transitions[i].why, ==, expected[i].why);
        }
        for (int i = 0; i < 5; i++) {
                rig->nodes[1].is_mute = !rig->nodes[1].is_mute;
                rig_run(rig, 4000);
        }
        core_member(rig->nodes[0].core, rig->now, 0, &member);
        g_assert_cmpuint(member.n_transitions, ==, CORE_TRANSITIONS);
        before = rig->now.mono_ns;
        for (uint32_t i = 0; i < member.n_transitions; i++) {
                g_assert_cmpuint(member.transitions[i].at_ns, <=, before);
                before = member.transitions[i].at_ns;
        }
        rig_free(rig);
}

static void more_questions_than_may_be_open_are_refused_until_some_are_answered(void)
{
        struct rig *rig = formed(2);
        struct rig_node *node = &rig->nodes[0];
        struct core_member peer;

        core_member(node->core, rig->now, 0, &peer);
        rig->nodes[1].is_mute = true;
        for (uint32_t i = 0; i < CORE_QUERIES_MAX; i++) {
                g_assert_cmpint(core_query(node->core, rig->now, &peer.id, CMI_QUERY_PING, 0,
                                                cmi_ms(100), i),
                                ==, 0);
        }
        g_assert_cmpint(core_query(node->core, rig->now, &peer.id, CMI_QUERY_PING, 0, cmi_ms(100),
                                        99),
                        ==, -EBUSY);
        g_assert_cmpuint(node->n_answered, ==, 0);
        rig_run(rig, 150);
        g_assert_cmpuint(node->n_answered, ==, CORE_QUERIES_MAX); /* that nobody answered */
        rig->nodes[1].is_mute = false;
        g_assert_cmpint(core_query(node->core, rig->now, &peer.id, CMI_QUERY_PING, 0, cmi_ms(100),
                                        99),
                        ==, 0);
        rig_run(rig, 5);
        g_assert_cmpuint(node->n_answered, ==, CORE_QUERIES_MAX + 1);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/core/form", three_nodes_that_know_one_of_them_form_a_full_mesh);
        g_test_add_func("/core/wait", a_waited_invalidation_is_everywhere);
        g_test_add_func("/core/waits", more_calls_than_may_wait_are_refused_and_leave_no_trace);
        g_test_add_func("/core/questions",
                        more_questions_than_may_be_open_are_refused_until_some_are_answered);
        g_test_add_func("/core/cut", a_member_cut_off_both_ways_is_gone_and_leads_to_partial);
        g_test_add_func("/core/lost", lost_frames_are_asked_for_again_within_a_beat);
        g_test_add_func("/core/full", a_full_link_goes_on_where_it_stopped);
        g_test_add_func("/core/killed", a_killed_node_returns_with_its_stream_and_nobody_forgets);
        g_test_add_func("/core/lost_log", a_node_that_lost_its_log_makes_the_others_forget);
        g_test_add_func("/core/goodbye", a_goodbye_leaves_nothing_to_wait_for_or_to_forget);
        g_test_add_func("/core/alone", a_node_alone_waits_until_it_would_have_heard_somebody);
        g_test_add_func("/core/stopped", a_stopped_process_serves_nothing_until_it_heard_everybody);
        g_test_add_func("/core/reset", more_than_the_log_holds_ends_in_a_reset);
        g_test_add_func("/core/told", a_change_of_state_is_told_at_once);
        g_test_add_func("/core/rubbish", rubbish_is_counted_and_changes_nothing);
        g_test_add_func("/core/suspended", a_suspended_host_trusts_nothing_it_heard_before);
        g_test_add_func("/core/remembered", a_member_known_from_the_disk_alone_is_unconfirmed);
        g_test_add_func("/core/pause", a_wait_ends_within_its_bound_though_a_node_restarts);
        g_test_add_func("/core/pause_node", a_wait_for_the_own_node_ends_with_the_start_pause);
        g_test_add_func("/core/heard", a_node_knows_whether_it_is_heard);
        g_test_add_func("/core/moved", a_node_that_moved_is_followed_also_on_a_link_to_a_candidate);
        g_test_add_func("/core/newer", what_a_newer_version_adds_is_skipped_and_counted);
        g_test_add_func("/core/transitions",
                        the_last_changes_of_a_members_state_are_remembered_with_their_causes);
        return g_test_run();
}
