/* SPDX-License-Identifier: MIT */
/* Operations of sessions: what they stamp, and who is spared them. */
#include "tests/meshd/rig.h"
#include "wire/session_local.h"

#include <errno.h>
#include <glib.h>

static const struct cmi_id key_a = {{10, 1}};
static const struct cmi_id key_b = {{11, 2}};

static struct rig *formed(uint32_t n)
{
        struct rig *rig = rig_new(n);

        rig_form(rig);
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpint(rig_state(rig, i), ==, CORE_LIVE);
        }
        return rig;
}

static int publish(struct rig *rig, uint32_t node, struct cmi_slice op, enum cmi_wait wait)
{
        return core_publish(rig->nodes[node].core, rig->now, op, wait, 0, 1, NULL);
}

static int publish_keys(struct rig *rig, uint32_t node, const struct cmi_id *keys, uint32_t n,
                enum cmi_wait wait)
{
        static uint8_t buffer[CMI_OP_SIZE_MAX];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_sessions(&writer, n);
        for (uint32_t i = 0; i < n; i++) {
                cmi_write_bin(&writer, cmi_slice(keys[i].bytes, CMI_ID_SIZE));
        }
        return publish(rig, node, cmi_written(&writer), wait);
}

static int publish_taken(
                struct rig *rig, uint32_t node, const struct cmi_id *whom, uint64_t incarnation)
{
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_taken(&writer, whom, incarnation);
        return publish(rig, node, cmi_written(&writer), CMI_WAIT_MESH);
}

static uint64_t slot_of(const struct rig *rig, uint32_t node, const struct cmi_id *key)
{
        struct cmi_page_view view = cmi_page_view(rig->nodes[node].page);

        return atomic_load(&view.sessions[cmi_page_session_slot(&view, key->bytes)]);
}

static uint64_t floor_of(const struct rig *rig, uint32_t node)
{
        return atomic_load(&rig->nodes[node].page->floor);
}

/* Of the region in which processes keep sessions; opened at the first call. */
static uint64_t region_of(struct rig *rig, uint32_t node)
{
        struct cmi_page_view view = cmi_page_view(rig->nodes[node].page);
        uint32_t index;

        g_assert_cmpint(core_region(rig->nodes[node].core, cmi_slice_str(CMI_SESSION_REGION),
                                        &index),
                        ==, 0);
        return atomic_load(&view.regions[index]);
}

static void a_session_is_stamped_everywhere_and_no_other(void)
{
        struct rig *rig = formed(3);
        uint64_t tokens[] = {rig_token(rig, 0), rig_token(rig, 1), rig_token(rig, 2)};
        uint64_t floor = floor_of(rig, 1);

        g_assert_cmpint(publish_keys(rig, 0, &key_a, 1, CMI_WAIT_MESH), ==, 0);
        g_assert_cmpuint(slot_of(rig, 0, &key_a), >, tokens[0]);
        rig_run(rig, 3);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        for (uint32_t i = 0; i < 3; i++) {
                g_assert_cmpuint(slot_of(rig, i, &key_a), >, tokens[i]);
                g_assert_cmpuint(slot_of(rig, i, &key_b), <=, tokens[i]);
                g_assert_cmpuint(rig->nodes[i].applied.kind, ==, CMI_OP_SESSION);
        }
        g_assert_cmpuint(floor_of(rig, 1), ==, floor);
        rig_free(rig);
}

static void all_sessions_of_a_node_that_is_taken_from_are_stamped(void)
{
        struct rig *rig = formed(2);
        struct cmi_id whom = {{7}};
        uint64_t region = region_of(rig, 1);
        uint64_t floor = floor_of(rig, 1);
        uint64_t token = rig_token(rig, 1);

        g_assert_cmpuint(region, <=, token);
        g_assert_cmpint(publish_taken(rig, 0, &whom, 5), ==, 0);
        rig_run(rig, 3);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        g_assert_cmpuint(region_of(rig, 1), >, token);
        g_assert_cmpuint(floor_of(rig, 1), ==, floor);
        for (uint32_t i = 0; i < 2; i++) {
                g_assert_cmpuint(rig->nodes[i].applied.kind, ==, CMI_OP_SESSION_TAKEN);
                g_assert_true(cmi_id_equal(&rig->nodes[i].applied.node, &whom));
                g_assert_cmpuint(rig->nodes[i].applied.incarnation, ==, 5);
        }
        rig_free(rig);
}

/* A reader compares both. */
static void more_keys_than_a_share_of_the_slots_stamp_the_region(void)
{
        static struct cmi_id keys[33];
        struct rig *rig = formed(2);
        uint64_t token;

        region_of(rig, 1);
        token = rig_token(rig, 1);
        for (uint32_t i = 0; i < 33; i++) {
                keys[i].bytes[0] = (uint8_t)(i + 1);
        }
        g_assert_cmpint(publish_keys(rig, 0, keys, 31, CMI_WAIT_NODE), ==, 0);
        rig_run(rig, 3);
        g_assert_cmpuint(region_of(rig, 1), <=, token);
        for (uint32_t i = 0; i < 31; i++) {
                g_assert_cmpuint(slot_of(rig, 1, &keys[i]), >, token);
        }
        g_assert_cmpint(publish_keys(rig, 0, keys, 33, CMI_WAIT_NODE), ==, 0);
        rig_run(rig, 3);
        g_assert_cmpuint(region_of(rig, 1), >, token);
        rig_free(rig);
}

static void one_that_was_lost_is_sent_again(void)
{
        struct rig *rig = formed(2);
        uint64_t token = rig_token(rig, 1);

        rig->nodes[1].is_deaf = true;
        g_assert_cmpint(publish_keys(rig, 0, &key_a, 1, CMI_WAIT_NODE), ==, 0);
        rig_run(rig, 2);
        g_assert_cmpuint(slot_of(rig, 1, &key_a), <=, token);
        rig->nodes[1].is_deaf = false;
        rig_run(rig, 300);
        g_assert_cmpuint(slot_of(rig, 1, &key_a), >, token);
        rig_free(rig);
}

/* Copies of sessions need a lease, whatever other regions do. */
static void a_lapsed_member_counts_as_done_though_a_region_has_a_ttl(void)
{
        struct rig *rig = formed(2);
        struct cmi_region options = {.fresh = 1, .ttl_ms = 60000};
        uint32_t index;

        g_assert_cmpint(core_region(rig->nodes[0].core, cmi_slice_str("ttl"), &index), ==, 0);
        options.name = XXH3_64bits("ttl", 3);
        core_region_hold(rig->nodes[0].core, index);
        core_region_describe(rig->nodes[0].core, index, &options);
        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = true;
        g_assert_cmpint(publish_keys(rig, 0, &key_a, 1, CMI_WAIT_MESH), ==, 0);
        rig_run(rig, 1030);
        g_assert_cmpuint(rig->nodes[0].n_done, ==, 1);
        g_assert_cmpint(rig->nodes[0].outcome.outcome, ==, 0);
        g_assert_cmpuint(rig->nodes[0].outcome.n_lapsed, ==, 1);
        rig_free(rig);
}

/* HELLOs of node 1 that are under way, as a meshd of the version before writes them. */
static void age_hellos(struct rig *rig)
{
        for (uint32_t i = 0; i < rig->n_frames; i++) {
                struct rig_frame *frame = &rig->frames[i];
                struct cmi_slice head = cmi_slice(frame->bytes, frame->header_len);
                struct cmi_slice body =
                                cmi_slice(frame->bytes + frame->header_len, frame->body_len);
                struct cmi_frame_header header;
                struct cmi_hello hello;
                uint8_t bytes[1024];
                struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

                g_assert_cmpint(cmi_frame_header_decode(head, &header), ==, 0);
                if (frame->from != 1 || header.type != CMI_FRAME_HELLO) {
                        continue;
                }
                g_assert_cmpint(cmi_hello_decode(body, &hello), ==, 0);
                hello.protocol_max = 2;
                hello.takes_messages = false;
                cmi_hello_write(&writer, &hello);
                g_assert_cmpuint(writer.len, <=, frame->body_len);
                memcpy(frame->bytes + frame->header_len, bytes, writer.len);
                frame->body_len = writer.len;
        }
}

static void no_operation_of_sessions_goes_into_a_mesh_with_a_member_that_knows_none(void)
{
        struct rig *rig = rig_new(2);
        struct cmi_id whom = {{7}};
        struct core_status before, after;

        for (uint32_t i = 0; i < 2; i++) {
                rig_start(rig, i, NULL, true);
        }
        rig_connect(rig, 0, 1);
        g_assert_cmpint(publish_keys(rig, 0, &key_a, 1, CMI_WAIT_NONE), ==, 0);
        for (uint32_t i = 0; i < 2500; i++) {
                age_hellos(rig);
                rig_run(rig, 1);
        }
        g_assert_cmpint(rig_state(rig, 0), ==, CORE_LIVE);
        core_status(rig->nodes[0].core, &before);
        g_assert_cmpint(publish_keys(rig, 0, &key_a, 1, CMI_WAIT_NONE), ==, -EOPNOTSUPP);
        g_assert_cmpint(publish_taken(rig, 0, &whom, 5), ==, -EOPNOTSUPP);
        core_status(rig->nodes[0].core, &after);
        g_assert_cmpuint(after.newest.number, ==, before.newest.number);
        g_assert_cmpuint(after.n_waits, ==, 0);
        /* It is not asked of one that left, or is gone. */
        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = true;
        rig_run(rig, 3500);
        g_assert_cmpint(publish_keys(rig, 0, &key_a, 1, CMI_WAIT_NONE), ==, 0);
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/session_ops/" #name, name)
        CASE(a_session_is_stamped_everywhere_and_no_other);
        CASE(all_sessions_of_a_node_that_is_taken_from_are_stamped);
        CASE(more_keys_than_a_share_of_the_slots_stamp_the_region);
        CASE(one_that_was_lost_is_sent_again);
        CASE(a_lapsed_member_counts_as_done_though_a_region_has_a_ttl);
        CASE(no_operation_of_sessions_goes_into_a_mesh_with_a_member_that_knows_none);
        return g_test_run();
}
