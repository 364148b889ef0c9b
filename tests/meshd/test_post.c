/* SPDX-License-Identifier: MIT */
/* Messages of one node to another, and until when a grant that was given may be used. */
#include "tests/meshd/rig.h"

#include <errno.h>
#include <glib.h>

#define LEASE_NS (1000 * CMI_NS_PER_MS)

static struct rig *formed(uint32_t n)
{
        struct rig *rig = rig_new(n);

        rig_form(rig);
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpint(rig_state(rig, i), ==, CORE_LIVE);
        }
        return rig;
}

static struct cmi_id id_of(uint32_t node)
{
        return (struct cmi_id){{(uint8_t)(node + 1)}};
}

static int post_bytes(struct rig *rig, uint32_t from, uint32_t to, uint32_t number, size_t len)
{
        static uint8_t bytes[CMI_POST_MAX + 1];
        struct cmi_id id = id_of(to);

        memcpy(bytes, &number, sizeof(number));
        return core_post(rig->nodes[from].core, rig->now, &id, cmi_slice(bytes, len));
}

static int post(struct rig *rig, uint32_t from, uint32_t to, uint32_t number)
{
        return post_bytes(rig, from, to, number, sizeof(number));
}

static struct core_counters counters_of(const struct rig *rig, uint32_t node)
{
        struct core_status status;

        core_status(rig->nodes[node].core, &status);
        return status.counters;
}

static struct core_member member_of(const struct rig *rig, uint32_t node)
{
        struct core_member member;

        g_assert_cmpint(core_member(rig->nodes[node].core, rig->now, 0, &member), ==, 0);
        return member;
}

static uint64_t type_of(const struct rig_frame *frame)
{
        struct cmi_frame_header header;

        g_assert_cmpint(cmi_frame_header_decode(
                                        cmi_slice(frame->bytes, frame->header_len), &header),
                        ==, 0);
        return header.type;
}

/* Frames under way from one to the other: how many are there of this type? */
static uint32_t n_under_way(const struct rig *rig, uint32_t from, enum cmi_frame_type type)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < rig->n_frames; i++) {
                n += rig->frames[i].from == from && type_of(&rig->frames[i]) == type;
        }
        return n;
}

static void messages_arrive_once_and_in_order_with_who_sent_them(void)
{
        struct rig *rig = formed(3);
        struct core_status status;

        core_status(rig->nodes[0].core, &status);
        g_assert_true(member_of(rig, 0).takes_messages);
        for (uint32_t i = 1; i <= 5; i++) {
                g_assert_cmpint(post(rig, 0, 1, i), ==, 0);
        }
        g_assert_cmpint(post_bytes(rig, 0, 2, 77, CMI_POST_MAX), ==, 0);
        rig_run(rig, 2);
        g_assert_cmpuint(rig->nodes[1].n_messages, ==, 5);
        for (uint32_t i = 1; i <= 5; i++) {
                g_assert_cmpuint(rig->nodes[1].messages[i - 1], ==, i);
        }
        g_assert_cmpuint(rig->nodes[1].message_from.bytes[0], ==, 1);
        g_assert_cmpuint(rig->nodes[1].message_incarnation, ==, status.incarnation);
        g_assert_cmpuint(rig->nodes[2].n_messages, ==, 1);
        g_assert_cmpuint(rig->nodes[2].messages[0], ==, 77);
        g_assert_cmpuint(rig->nodes[2].message_len, ==, CMI_POST_MAX);
        g_assert_cmpuint(counters_of(rig, 0).posts_sent, ==, 6);
        g_assert_cmpuint(counters_of(rig, 1).posts_received, ==, 5);
        g_assert_cmpuint(counters_of(rig, 1).dropped_posts, ==, 0);
        rig_free(rig);
}

static void what_is_no_message_is_refused(void)
{
        struct rig *rig = formed(2);
        struct cmi_id nobody = {{99}};

        g_assert_cmpint(post_bytes(rig, 0, 1, 1, 0), ==, -EMSGSIZE);
        g_assert_cmpint(post_bytes(rig, 0, 1, 1, CMI_POST_MAX + 1), ==, -EMSGSIZE);
        g_assert_cmpint(core_post(rig->nodes[0].core, rig->now, &nobody, cmi_slice("m", 1)), ==,
                        -EHOSTUNREACH);
        core_stop(rig->nodes[0].core, rig->now);
        g_assert_cmpint(post(rig, 0, 1, 1), ==, -ESHUTDOWN);
        rig_free(rig);
}

static void who_takes_none_says_so_and_gets_none(void)
{
        struct rig *rig = rig_new(2);

        rig->nodes[1].takes_none = true;
        rig_form(rig);
        g_assert_false(member_of(rig, 0).takes_messages);
        g_assert_true(member_of(rig, 1).takes_messages);
        g_assert_cmpint(post(rig, 0, 1, 1), ==, -EOPNOTSUPP);
        g_assert_cmpint(post(rig, 1, 0, 2), ==, 0);
        rig_run(rig, 2);
        g_assert_cmpuint(rig->nodes[0].messages[0], ==, 2);
        g_assert_cmpuint(counters_of(rig, 0).posts_refused, ==, 0);
        rig_free(rig);
}

/* A frame as @from, or nobody if @is_stranger, would send it to node 0. */
static void forge(struct rig *rig, uint32_t from, bool is_stranger, const struct cmi_post *post)
{
        uint8_t bytes[CMI_FRAME_HEADER_MAX], body[64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_writer fields = cmi_writer(body, sizeof(body));
        struct cmi_frame_header header = {.type = CMI_FRAME_SESSION, .generation = 99};
        struct core_status status;

        core_status(rig->nodes[0].core, &status);
        header.mesh = XXH3_64bits("rig", 3);
        header.source = is_stranger ? (struct cmi_id){{99}} : id_of(from);
        header.source_incarnation = member_of(rig, 0).incarnation;
        header.destination_incarnation = status.incarnation;
        cmi_frame_header_write(&writer, &header);
        cmi_post_write(&fields, post);
        core_receive(rig->nodes[0].core, rig->now, 1, cmi_written(&writer), cmi_written(&fields));
}

static void what_comes_of_no_member_or_cannot_be_taken_is_dropped_and_counted(void)
{
        struct rig *rig = rig_new(2);
        struct cmi_post post = {1, {"m", 1}};
        struct core_counters before, after;

        rig_form(rig);
        before = counters_of(rig, 0);
        forge(rig, 1, true, &post);
        after = counters_of(rig, 0);
        g_assert_cmpuint(after.dropped_unknown_source, ==, before.dropped_unknown_source + 1);
        post.number = 0;
        forge(rig, 1, false, &post);
        g_assert_cmpuint(counters_of(rig, 0).dropped_malformed, ==, before.dropped_malformed + 1);
        g_assert_cmpuint(rig->nodes[0].n_messages, ==, 0);
        rig_free(rig);

        rig = rig_new(2);
        rig->nodes[0].takes_none = true;
        rig_form(rig);
        post.number = 1;
        forge(rig, 1, false, &post);
        g_assert_cmpuint(counters_of(rig, 0).dropped_posts, ==, 1);
        g_assert_cmpuint(counters_of(rig, 0).posts_received, ==, 0);
        rig_free(rig);
}

static void operations_of_a_turn_go_first(void)
{
        struct rig *rig = formed(2);

        g_assert_cmpint(rig_publish(rig, 0, "k", CMI_WAIT_NONE, 0), ==, 0);
        g_assert_cmpint(post(rig, 0, 1, 1), ==, -EAGAIN);
        g_assert_cmpuint(counters_of(rig, 0).posts_refused, ==, 1);
        g_assert_cmpuint(n_under_way(rig, 0, CMI_FRAME_SESSION), ==, 0);
        rig_run(rig, 1);
        g_assert_cmpuint(n_under_way(rig, 0, CMI_FRAME_OPS), ==, 1);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 1);
        g_assert_cmpint(post(rig, 0, 1, 2), ==, 0);
        rig_run(rig, 2);
        g_assert_cmpuint(rig->nodes[1].messages[0], ==, 2);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 1);
        rig_free(rig);
}

/* Time goes on, and the turn in which its beat is due has not ended. */
static void a_beat_that_is_due_goes_first(void)
{
        struct rig *rig = formed(2);

        rig->now.mono_ns += LEASE_NS / 4;
        rig->now.real_ns += LEASE_NS / 4;
        g_assert_cmpint(post(rig, 0, 1, 1), ==, -EAGAIN);
        rig_run(rig, 1);
        g_assert_cmpuint(n_under_way(rig, 0, CMI_FRAME_BEAT), ==, 1);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 1);
        g_assert_cmpint(post(rig, 0, 1, 1), ==, 0);
        rig_free(rig);
}

static void a_blocked_link_takes_none_until_its_beat_is_gone(void)
{
        struct rig *rig = formed(2);

        rig->nodes[0].is_full = true;
        rig_run(rig, 300);
        g_assert_cmpint(post(rig, 0, 1, 1), ==, -EAGAIN);
        rig_run(rig, 300);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 0);
        rig->nodes[0].is_full = false;
        rig_run(rig, 1);
        g_assert_cmpuint(n_under_way(rig, 0, CMI_FRAME_BEAT), ==, 1);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 1);
        g_assert_cmpint(post(rig, 0, 1, 1), ==, 0);
        rig_free(rig);
}

/* Return: how many were taken. */
static uint32_t post_many(struct rig *rig, size_t len)
{
        uint32_t n = 0;

        while (post_bytes(rig, 0, 1, n + 1, len) == 0) {
                n++;
        }
        return n;
}

static void no_more_are_under_way_than_a_beat_may_find_before_it(void)
{
        struct rig *rig = formed(2);
        uint64_t acknowledged;

        g_assert_cmpuint(post_many(rig, 60000), ==, CORE_POST_WINDOW / 60000);
        g_assert_cmpint(post(rig, 0, 1, 9), ==, 0); /* a small one fits beside them */
        rig_run(rig, 4);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 1);
        g_assert_cmpuint(post_many(rig, 4), ==, CORE_POST_WINDOW / CORE_POST_COST);
        /* Nothing comes back: there may be as many before the next beat. */
        rig->nodes[1].is_mute = true;
        rig_run(rig, 300);
        g_assert_cmpint(post(rig, 0, 1, 9), ==, -EAGAIN);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 1);
        acknowledged = counters_of(rig, 0).frames_sent;
        rig_run(rig, 300);
        g_assert_cmpuint(counters_of(rig, 0).frames_sent, >, acknowledged);
        rig->nodes[1].is_mute = false;
        rig_run(rig, 300);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 2);
        g_assert_cmpint(post(rig, 0, 1, 9), ==, 0);
        rig_free(rig);
}

/* Bulk goes at the pace of the link, not at that of beats. */
static void a_window_is_echoed_at_once_and_one_message_costs_no_beat(void)
{
        struct rig *rig = formed(2);
        uint64_t before;
        uint32_t n = 0;

        for (uint32_t turn = 0; turn < 100; turn++) {
                n += post_many(rig, 16000);
                rig_run(rig, 1);
        }
        g_assert_cmpuint(n, >, 25 * (CORE_POST_WINDOW / 16000));
        rig_run(rig, 500);
        g_assert_cmpuint(rig->nodes[1].n_messages, ==, n);
        before = counters_of(rig, 0).frames_sent;
        g_assert_cmpint(post(rig, 0, 1, 1), ==, 0);
        rig_run(rig, 100);
        g_assert_cmpuint(counters_of(rig, 0).frames_sent, <=, before + 2);
        rig_free(rig);
}

static void one_that_was_overtaken_is_dropped(void)
{
        struct rig *rig = formed(2);
        struct rig_frame first;

        g_assert_cmpint(post(rig, 0, 1, 1), ==, 0);
        first = rig->frames[rig->n_frames - 1];
        g_assert_cmpint(post(rig, 0, 1, 2), ==, 0);
        rig->frames[rig->n_frames - 2] = rig->frames[rig->n_frames - 1];
        rig->frames[rig->n_frames - 1] = first;
        rig_run(rig, 2);
        g_assert_cmpuint(rig->nodes[1].n_messages, ==, 1);
        g_assert_cmpuint(rig->nodes[1].messages[0], ==, 2);
        g_assert_cmpuint(counters_of(rig, 1).dropped_posts, ==, 1);
        rig_free(rig);
}

static void one_for_a_process_before_reaches_nobody(void)
{
        struct rig *rig = formed(2);

        g_assert_cmpint(post(rig, 0, 1, 1), ==, 0);
        rig_start(rig, 1, NULL, true);
        rig_connect(rig, 1, 0);
        rig_run(rig, 2500);
        g_assert_cmpint(rig_state(rig, 1), ==, CORE_LIVE);
        g_assert_cmpuint(rig->nodes[1].n_messages, ==, 0);
        g_assert_cmpint(post(rig, 0, 1, 2), ==, 0);
        g_assert_cmpint(post(rig, 1, 0, 3), ==, 0);
        rig_run(rig, 2);
        g_assert_cmpuint(rig->nodes[1].messages[0], ==, 2);
        g_assert_cmpuint(rig->nodes[0].messages[0], ==, 3);
        rig_free(rig);
}

static void a_member_that_is_gone_is_out_of_reach_until_it_is_back(void)
{
        struct rig *rig = formed(2);

        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = true;
        rig_run(rig, 3500);
        g_assert_cmpint(member_of(rig, 0).state, ==, MEMBER_GONE);
        g_assert_cmpint(post(rig, 0, 1, 1), ==, -EHOSTUNREACH);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 0);
        rig->nodes[1].is_deaf = rig->nodes[1].is_mute = false;
        rig_run(rig, 1500);
        g_assert_cmpuint(rig->nodes[0].n_postable, ==, 1);
        g_assert_cmpint(post(rig, 0, 1, 2), ==, 0);
        rig_run(rig, 2);
        g_assert_cmpuint(rig->nodes[1].n_messages, ==, 1);
        rig_free(rig);
}

/* L(1+rho) + margin, with the defaults. */
static uint64_t use_ns(void)
{
        struct core_options options = core_options_default();

        return LEASE_NS + LEASE_NS / 1000000 * options.drift_ppm + options.margin_ns;
}

static void what_processes_before_have_given_is_over_with_the_start_pause(void)
{
        struct rig *rig = rig_new(2);
        uint64_t begin = rig->now.mono_ns;

        for (uint32_t i = 0; i < 2; i++) {
                rig_start(rig, i, NULL, true);
        }
        rig_connect(rig, 1, 0);
        rig_run(rig, 900);
        g_assert_cmpuint(member_of(rig, 0).given_end_ns, ==, UINT64_MAX);
        rig_run(rig, 300);
        g_assert_cmpuint(rig->now.mono_ns, >=, begin + use_ns());
        g_assert_cmpuint(member_of(rig, 0).given_end_ns, >, rig->now.mono_ns);
        g_assert_cmpuint(member_of(rig, 0).given_end_ns, <=, rig->now.mono_ns + use_ns());
        rig_free(rig);
}

/* One that left in order has no pause before it acknowledges, but what it gave may still run. */
static void so_it_is_after_an_end_in_order(void)
{
        struct rig *rig = formed(2);

        core_stop(rig->nodes[0].core, rig->now);
        rig_run(rig, 5);
        g_assert_true(core_goodbye(rig->nodes[0].core, rig->now));
        log_close(&rig->nodes[0].log);
        rig_start(rig, 0, NULL, true);
        rig_connect(rig, 0, 1);
        rig_run(rig, 900);
        g_assert_cmpuint(member_of(rig, 0).given_end_ns, ==, UINT64_MAX);
        rig_run(rig, 200);
        g_assert_cmpuint(member_of(rig, 0).given_end_ns, <, UINT64_MAX);
        rig_free(rig);
}

static void what_was_given_ends_when_nothing_more_is_echoed(void)
{
        struct rig *rig = formed(2);
        uint64_t before = rig->now.mono_ns;
        uint64_t end;

        rig->nodes[1].is_mute = true;
        rig_run(rig, 600);
        end = member_of(rig, 0).given_end_ns;
        g_assert_cmpuint(end, >, rig->now.mono_ns);
        g_assert_cmpuint(end, <=, before + use_ns());
        rig_run(rig, 600);
        g_assert_cmpuint(member_of(rig, 0).given_end_ns, ==, end);
        g_assert_cmpuint(end, <, rig->now.mono_ns);
        g_assert_false(rig_serves(rig, 1));
        rig_free(rig);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/post/" #name, name)
        CASE(messages_arrive_once_and_in_order_with_who_sent_them);
        CASE(what_is_no_message_is_refused);
        CASE(who_takes_none_says_so_and_gets_none);
        CASE(what_comes_of_no_member_or_cannot_be_taken_is_dropped_and_counted);
        CASE(operations_of_a_turn_go_first);
        CASE(a_beat_that_is_due_goes_first);
        CASE(a_blocked_link_takes_none_until_its_beat_is_gone);
        CASE(no_more_are_under_way_than_a_beat_may_find_before_it);
        CASE(a_window_is_echoed_at_once_and_one_message_costs_no_beat);
        CASE(one_that_was_overtaken_is_dropped);
        CASE(one_for_a_process_before_reaches_nobody);
        CASE(a_member_that_is_gone_is_out_of_reach_until_it_is_back);
        CASE(what_processes_before_have_given_is_over_with_the_start_pause);
        CASE(so_it_is_after_an_end_in_order);
        CASE(what_was_given_ends_when_nothing_more_is_echoed);
        return g_test_run();
}
