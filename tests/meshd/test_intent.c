/* SPDX-License-Identifier: MIT */
/* Write intents between cores: what is flagged where, since when, and what ends it. */
#include "tests/meshd/rig.h"

#include <errno.h>
#include <glib.h>

#define KEY cmi_slice_str("k")

static struct rig *formed(uint32_t n)
{
        struct rig *rig = rig_new(n);

        rig_form(rig);
        for (uint32_t i = 0; i < n; i++) {
                g_assert_true(rig_serves(rig, i));
        }
        return rig;
}

static struct cmi_position begun(struct rig *rig, uint32_t node, uint64_t deadline_ms)
{
        struct cmi_position place = {0};

        g_assert_cmpint(rig_begin(rig, node, KEY, deadline_ms, &place), ==, 0);
        rig_run(rig, 3);
        g_assert_cmpint(rig->nodes[node].outcome.outcome, ==, 0);
        return place;
}

static void expect_flags(const struct rig *rig, uint32_t n, bool is_flagged)
{
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpint(rig_is_flagged(rig, i, KEY), ==, is_flagged);
        }
}

static uint64_t n_expired(const struct rig *rig, uint32_t node)
{
        struct core_status status;

        core_status(rig->nodes[node].core, &status);
        return status.counters.intents_expired;
}

static uint32_t n_open(const struct rig *rig, uint32_t node)
{
        struct core_status status;

        core_status(rig->nodes[node].core, &status);
        return status.n_intents;
}

static void a_begun_write_is_flagged_everywhere_until_its_end(void)
{
        struct rig *rig = formed(3);
        struct cmi_position place = begun(rig, 0, 5000);
        uint64_t token = rig_token(rig, 2);

        g_assert_cmpuint(rig->nodes[0].outcome.n_applied, ==, 2);
        expect_flags(rig, 3, true);
        rig_run(rig, 4000);
        expect_flags(rig, 3, true);
        g_assert_cmpint(rig_end(rig, 0, KEY, place), ==, CORE_PUBLISHED);
        rig_run(rig, 3);
        expect_flags(rig, 3, false);
        /* What was loaded meanwhile is dead. */
        g_assert_true(rig_is_stamped(rig, 2, "k", token));
        g_assert_cmpuint(n_open(rig, 2), ==, 0);
        g_assert_cmpuint(n_expired(rig, 2), ==, 0);
        rig_free(rig);
}

static void it_ends_at_its_deadline_though_its_node_died_long_before(void)
{
        struct rig *rig = formed(3);
        uint64_t token;

        begun(rig, 0, 6000);
        rig_kill(rig, 0);
        /* Past the moment at which the others declare it gone. */
        rig_run(rig, 5900);
        g_assert_true(rig_is_flagged(rig, 1, KEY) && rig_is_flagged(rig, 2, KEY));
        g_assert_true(rig_serves(rig, 1));
        token = rig_token(rig, 1);
        rig_run(rig, 200);
        g_assert_false(rig_is_flagged(rig, 1, KEY) || rig_is_flagged(rig, 2, KEY));
        g_assert_true(rig_is_stamped(rig, 1, "k", token));
        g_assert_cmpuint(n_expired(rig, 1), ==, 1);
        g_assert_cmpuint(rig->nodes[1].n_expired, ==, 1);
        g_assert_cmpstr(rig->nodes[1].expired, ==, "n0");
        rig_free(rig);
}

static void a_late_end_is_an_invalidation_and_says_so(void)
{
        struct rig *rig = formed(2);
        struct cmi_position late = begun(rig, 0, 100);
        struct cmi_position other = begun(rig, 1, 5000);
        uint64_t token;

        rig_run(rig, 200);
        g_assert_cmpuint(n_expired(rig, 1), ==, 1);
        expect_flags(rig, 2, true); /* by the other one */
        token = rig_token(rig, 1);
        g_assert_cmpint(rig_end(rig, 0, KEY, late), ==, CORE_EXPIRED);
        rig_run(rig, 3);
        g_assert_cmpuint(rig_token(rig, 1), >, token);
        expect_flags(rig, 2, true);
        g_assert_cmpint(rig_end(rig, 1, KEY, other), ==, CORE_PUBLISHED);
        rig_run(rig, 3);
        expect_flags(rig, 2, false);
        rig_free(rig);
}

static void the_last_of_several_on_one_key_takes_the_flag_away(void)
{
        struct rig *rig = formed(2);
        struct cmi_position places[3];

        for (uint32_t i = 0; i < 3; i++) {
                places[i] = begun(rig, i % 2, 5000);
        }
        for (uint32_t i = 0; i < 3; i++) {
                expect_flags(rig, 2, true);
                rig_end(rig, i % 2, KEY, places[i]);
                rig_run(rig, 3);
        }
        expect_flags(rig, 2, false);
        rig_free(rig);
}

static void an_invalidation_leaves_the_flag(void)
{
        struct rig *rig = formed(2);

        begun(rig, 0, 5000);
        rig_publish(rig, 1, "k", CMI_WAIT_NODE, 0);
        rig_run(rig, 3);
        expect_flags(rig, 2, true);
        rig_free(rig);
}

static void a_member_that_only_lapsed_makes_its_begin_partial(void)
{
        struct rig *rig = formed(3);
        struct cmi_position place;

        rig->nodes[2].is_deaf = rig->nodes[2].is_mute = true;
        g_assert_cmpint(rig_begin(rig, 0, KEY, 5000, &place), ==, 0);
        rig_run(rig, 1030);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, CMI_PARTIAL);
        g_assert_cmpuint(rig->nodes[0].outcome.n_lapsed, ==, 1);
        rig_free(rig);
}

/* Runs until @node serves; it must know the intent by then. */
static void expect_told_before_it_serves(struct rig *rig, uint32_t node)
{
        uint32_t index;

        core_region(rig->nodes[node].core, cmi_slice_str("r"), &index);
        for (uint32_t ms = 0; ms < 6000 && !rig_serves(rig, node); ms++) {
                rig_run(rig, 1);
        }
        g_assert_true(rig_serves(rig, node));
        g_assert_true(rig_is_flagged(rig, node, KEY));
}

static void a_joiner_is_told_before_it_serves(void)
{
        struct rig *rig = rig_new(3);

        for (uint32_t i = 0; i < 2; i++) {
                rig_start(rig, i, NULL, true);
        }
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        begun(rig, 0, 30000);
        rig_start(rig, 2, NULL, true);
        rig_connect(rig, 2, 1);
        expect_told_before_it_serves(rig, 2);
        rig_free(rig);
}

static void a_joiner_is_told_also_of_a_node_that_is_dead(void)
{
        struct rig *rig = rig_new(3);

        for (uint32_t i = 0; i < 2; i++) {
                rig_start(rig, i, NULL, true);
        }
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        begun(rig, 0, 30000);
        rig_kill(rig, 0);
        rig_run(rig, 5000);
        rig_start(rig, 2, NULL, true);
        rig_connect(rig, 2, 1);
        expect_told_before_it_serves(rig, 2);
        rig_run(rig, 25000);
        g_assert_false(rig_is_flagged(rig, 2, KEY));
        rig_free(rig);
}

static void a_meshd_that_was_killed_knows_them_again(void)
{
        struct rig *rig = formed(2);
        struct cmi_position place = begun(rig, 0, 20000);
        uint32_t index;

        rig_start(rig, 0, NULL, true);
        rig_connect(rig, 0, 1);
        core_region(rig->nodes[0].core, cmi_slice_str("r"), &index);
        g_assert_true(rig_is_flagged(rig, 0, KEY));
        rig_run(rig, 4000);
        expect_flags(rig, 2, true);
        g_assert_cmpint(rig_end(rig, 0, KEY, place), ==, CORE_PUBLISHED);
        rig_run(rig, 3);
        expect_flags(rig, 2, false);
        rig_free(rig);
}

static void memory_that_is_not_intact_is_dropped(void)
{
        struct rig *rig = formed(2);
        struct intent_memory *memory = rig->nodes[0].intents;

        begun(rig, 0, 20000);
        memory->records[7].is_open = 1; /* and zeroes */
        memory->records[8] = memory->records[0];
        memory->records[8].op_len = UINT64_MAX;
        memory->records[9] = memory->records[0];
        memory->records[9].number += 1; /* the log does not have it */
        rig_start(rig, 0, NULL, true);
        g_assert_cmpuint(n_open(rig, 0), ==, 1);
        g_assert_true(core_intents_are_damaged(rig->nodes[0].core));
        memory->node_id.bytes[3] ^= 1;
        rig_start(rig, 0, NULL, true);
        g_assert_cmpuint(n_open(rig, 0), ==, 0);
        g_assert_true(core_intents_are_damaged(rig->nodes[0].core));
        rig_free(rig);
}

static void memory_that_is_new_or_was_cut_short_by_a_death_is_not_damaged(void)
{
        struct rig *rig = formed(2);
        struct intent_memory *memory = rig->nodes[0].intents;

        g_assert_false(core_intents_are_damaged(rig->nodes[0].core));
        begun(rig, 0, 20000);
        memory->records[9] = memory->records[0];
        memory->records[9].number += 1; /* the log does not have it */
        rig_start(rig, 0, NULL, true);
        g_assert_cmpuint(n_open(rig, 0), ==, 1);
        g_assert_false(core_intents_are_damaged(rig->nodes[0].core));
        memset(memory, 0, sizeof(*memory)); /* beside a log that has operations */
        rig_start(rig, 0, NULL, true);
        g_assert_true(core_intents_are_damaged(rig->nodes[0].core));
        rig_free(rig);
}

/* A key of its own for each; together they need many frames. */
static int begin_large(struct rig *rig, uint32_t node, uint32_t number)
{
        char name[900];
        struct cmi_position place;

        memset(name, 'x', sizeof(name));
        memcpy(name, &number, sizeof(number));
        return rig_begin(rig, node, cmi_slice(name, sizeof(name)), 20000, &place);
}

static void a_joiner_is_told_of_many_in_parts(void)
{
        struct rig *rig = rig_new(2);

        rig_start(rig, 0, NULL, true);
        rig_run(rig, 12000);
        g_assert_true(rig_serves(rig, 0));
        for (uint32_t i = 0; i < CORE_INTENTS_OWN_MAX; i++) {
                g_assert_cmpint(begin_large(rig, 0, i), ==, 0);
                rig_run(rig, 1);
        }
        g_assert_cmpint(begin_large(rig, 0, 1000), ==, -ENOSPC);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 1, 0);
        for (uint32_t ms = 0; ms < 6000 && !rig_serves(rig, 1); ms++) {
                rig_run(rig, 1);
        }
        g_assert_true(rig_serves(rig, 1));
        g_assert_cmpuint(n_open(rig, 1), ==, CORE_INTENTS_OWN_MAX);
        rig_run(rig, 21000);
        g_assert_cmpuint(n_open(rig, 1), ==, 0);
        g_assert_cmpuint(n_expired(rig, 1), ==, CORE_INTENTS_OWN_MAX);
        rig_free(rig);
}

static uint64_t floor_of(const struct rig *rig, uint32_t node)
{
        return rig->nodes[node].page->floor;
}

static int publish_all(struct rig *rig, uint32_t node)
{
        uint8_t buffer[8];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_all(&writer);
        return core_publish(rig->nodes[node].core, rig->now, cmi_written(&writer), CMI_WAIT_NODE, 0,
                        0, NULL);
}

static void more_than_have_room_stop_all_serving_until_they_are_over(void)
{
        struct rig *rig = formed(RIG_NODES);
        uint32_t forgot;

        for (uint32_t node = 0; node < RIG_NODES; node++) {
                for (uint32_t i = 0; i < CORE_INTENTS_OWN_MAX; i++) {
                        g_assert_cmpint(begin_large(rig, node, node * 1000 + i), ==, 0);
                }
        }
        rig_run(rig, 1000);
        g_assert_cmpuint(n_open(rig, 0), ==, CORE_INTENTS_MAX);
        g_assert_cmpint(begin_large(rig, 0, 9000), ==, -ENOSPC);
        g_assert_false(rig_serves(rig, 0));
        forgot = rig->nodes[0].n_forgot;
        rig_run(rig, 18500);
        g_assert_false(rig_serves(rig, 0));
        /* Regions that look at no lease neither. */
        g_assert_cmpuint(floor_of(rig, 0), >, CMI_PAGE_INTENT_FLAG);
        g_assert_cmpint(publish_all(rig, 0), ==, CORE_PUBLISHED);
        g_assert_cmpuint(floor_of(rig, 0), ==, CMI_PAGE_INTENT_FLAG | rig_token(rig, 0));
        forgot++;
        rig_run(rig, 1500);
        g_assert_cmpuint(floor_of(rig, 0), <=, rig_token(rig, 0));
        g_assert_true(rig_serves(rig, 0));
        g_assert_cmpuint(rig->nodes[0].n_forgot, ==, forgot + 1);
        g_assert_cmpuint(n_open(rig, 0), ==, 0);
        rig_free(rig);
}

static void what_is_open_can_be_looked_at(void)
{
        struct rig *rig = formed(2);
        struct cmi_position place = begun(rig, 0, 5000);
        struct core_intent intent;
        uint32_t at = 0;

        g_assert_true(core_intent(rig->nodes[1].core, &at, &intent));
        g_assert_cmpuint(intent.place.stream, ==, place.stream);
        g_assert_cmpuint(intent.place.number, ==, place.number);
        g_assert_cmpuint(intent.origin.bytes[0], ==, 1);
        g_assert_cmpuint(intent.owner, ==, 0);
        g_assert_cmpuint(intent.op.n_keys, ==, 1);
        g_assert_cmpuint(intent.deadline_ns - intent.begun_ns, >=, 5000 * CMI_NS_PER_MS);
        g_assert_false(core_intent(rig->nodes[1].core, &at, &intent));
        g_assert_cmpuint(core_intents_of(rig->nodes[0].core, 1), ==, 1);
        g_assert_cmpuint(core_intents_of(rig->nodes[0].core, 2), ==, 0);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/intent/" #name, name)
        CASE(a_begun_write_is_flagged_everywhere_until_its_end);
        CASE(it_ends_at_its_deadline_though_its_node_died_long_before);
        CASE(a_late_end_is_an_invalidation_and_says_so);
        CASE(the_last_of_several_on_one_key_takes_the_flag_away);
        CASE(an_invalidation_leaves_the_flag);
        CASE(a_member_that_only_lapsed_makes_its_begin_partial);
        CASE(a_joiner_is_told_before_it_serves);
        CASE(a_joiner_is_told_also_of_a_node_that_is_dead);
        CASE(a_meshd_that_was_killed_knows_them_again);
        CASE(memory_that_is_not_intact_is_dropped);
        CASE(memory_that_is_new_or_was_cut_short_by_a_death_is_not_damaged);
        CASE(a_joiner_is_told_of_many_in_parts);
        CASE(more_than_have_room_stop_all_serving_until_they_are_over);
        CASE(what_is_open_can_be_looked_at);
        return g_test_run();
}
