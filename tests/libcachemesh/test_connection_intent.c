/* SPDX-License-Identifier: MIT */
/* The begin of a write: handed over now or not at all. */
#include "tests/libcachemesh/connection_fixture.h"

#include "wire/op.h"

#include <errno.h>

struct call {
        struct fixture *f;
        uint32_t timeout_ms;
        int outcome;
        struct cmi_place place;
};

static int begin(struct call *call)
{
        uint8_t bytes[64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cm_result result = {0};

        cmi_op_write_intent(&writer, CMI_OP_INTENT_BEGIN, cmi_slice_str("r"), 1);
        cmi_write_bin(&writer, cmi_slice_str("k"));
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_deadline(&writer, 5000);
        call->outcome = call->f->cm->ops->begin(
                        call->f->cm, cmi_written(&writer), call->timeout_ms, &result, &call->place);
        free(result.members);
        return call->outcome;
}

static void *run_call(void *data)
{
        begin(data);
        return NULL;
}

/* An invalidation is the first thing that meshd sees. */
static void expect_nothing_was_kept(struct fixture *f)
{
        g_autofree char *seen = NULL;
        unsigned n = fake_meshd_n_published(f->meshd);

        g_assert_cmpint(fake_handle_invalidate(f->cm, "r", "other", CM_WAIT_NODE, 5000, NULL), ==,
                        0);
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, n + 1);
        seen = fake_meshd_published(f->meshd, n);
        g_assert_cmpstr(seen, ==, "r:other");
        g_assert_false(f->cm->is_pending);
}

static void it_is_begun_once(struct fixture *f, const void *unused)
{
        struct call call = {.f = f, .timeout_ms = 5000};

        fixture_start_region(f, NULL);
        g_assert_cmpint(begin(&call), ==, 0);
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, 1);
        expect_nothing_was_kept(f);
}

static void without_meshd_it_is_not_begun_later(struct fixture *f, const void *unused)
{
        struct cm_options options = {.timeout_ms = 5000};
        struct call call = {.f = f, .timeout_ms = 5000};

        f->cm = fake_handle_open(f->path, &options);
        fake_handle_region(f->cm, "r", 0);
        g_assert_cmpint(begin(&call), ==, CM_PENDING);
        g_assert_cmpuint(call.place.number, ==, 0);
        g_assert_false(f->cm->is_pending);
        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_live, NULL));
        expect_nothing_was_kept(f);
}

static void one_cut_off_by_a_killed_meshd_is_not_begun_again(struct fixture *f, const void *unused)
{
        struct call call = {.f = f, .timeout_ms = 30000};

        fixture_kill_within(f, run_call, &call);
        g_assert_cmpint(call.outcome, ==, CM_PENDING);
        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_live, NULL));
        expect_nothing_was_kept(f);
}

/* meshd that does not serve yet has it in its stream, and says so. */
static void one_that_is_pending_in_meshd_has_its_place(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct call call = {.f = f, .timeout_ms = 5000};

        script.mesh_outcome = CM_PENDING;
        fixture_start_region(f, &script);
        g_assert_cmpint(begin(&call), ==, CM_PENDING);
        g_assert_cmpuint(call.place.stream, ==, FAKE_STREAM);
        g_assert_cmpuint(call.place.number, ==, 1);
        expect_nothing_was_kept(f);
}

static void expect_published(struct fixture *f, unsigned i, const char *text)
{
        g_autofree char *seen = NULL;

        g_assert_true(fake_meshd_await_published(f->meshd, i + 1));
        seen = fake_meshd_published(f->meshd, i);
        g_assert_cmpstr(seen, ==, text);
}

/* Its caller takes it for one that nobody knows. */
static void one_that_is_answered_after_its_time_is_ended(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct call call = {.f = f, .timeout_ms = 50};

        script.answers_mesh = false;
        fixture_start_region(f, &script);
        g_assert_cmpint(begin(&call), ==, CM_PENDING);
        g_assert_cmpuint(call.place.stream, ==, 0);
        g_assert_true(fake_meshd_answer(f->meshd, 0));
        g_assert_cmpint(fake_handle_invalidate(f->cm, "r", "other", CM_WAIT_NODE, 5000, NULL), ==,
                        0);
        expect_published(f, 0, "begin r:k");
        expect_published(f, 1, "end r:k");
        expect_published(f, 2, "r:other");
        g_assert_false(f->cm->is_pending);
}

static void what_meshd_refuses_is_told(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct call call = {.f = f, .timeout_ms = 5000};

        script.publish_error = CM_E_BUSY;
        script.errs_once = true;
        fixture_start_region(f, &script);
        g_assert_cmpint(begin(&call), ==, CM_E_BUSY);
        expect_nothing_was_kept(f);
}

static void each_outcome_comes_through(struct fixture *f, const void *unused)
{
        static const int outcomes[] = {CM_PARTIAL, CM_E_TIMEOUT};

        fixture_start_region(f, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                struct fake_meshd_script script = fake_meshd_script();
                struct call call = {.f = f, .timeout_ms = 5000};

                script.mesh_outcome = outcomes[i];
                fake_meshd_set_script(f->meshd, &script);
                g_assert_cmpint(begin(&call), ==, outcomes[i]);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name)                                                                                 \
        g_test_add("/intent/" #name, struct fixture, NULL, fixture_set_up, name, fixture_tear_down)
        CASE(it_is_begun_once);
        CASE(without_meshd_it_is_not_begun_later);
        CASE(one_cut_off_by_a_killed_meshd_is_not_begun_again);
        CASE(one_that_is_pending_in_meshd_has_its_place);
        CASE(one_that_is_answered_after_its_time_is_ended);
        CASE(what_meshd_refuses_is_told);
        CASE(each_outcome_comes_through);
        return g_test_run();
}
