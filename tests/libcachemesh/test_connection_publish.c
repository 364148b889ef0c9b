/* SPDX-License-Identifier: MIT */
/* Invalidations: what arrives, in which order, and what the call says about it. */
#include "tests/libcachemesh/connection_fixture.h"

#include <errno.h>

static void open_without_meshd(struct fixture *f, uint32_t pending_max)
{
        struct cm_options options = {.pending_max = pending_max, .timeout_ms = 5000};

        f->cm = fake_handle_open(f->path, &options);
        fake_handle_region(f->cm, "r", 0);
}

static int invalidate(struct fixture *f, unsigned key, enum cm_wait wait, uint32_t timeout_ms)
{
        g_autofree char *text = g_strdup_printf("%u", key);

        return fake_handle_invalidate(f->cm, "r", text, wait, timeout_ms, NULL);
}

static void expect_keys_in_order(struct fixture *f, unsigned n)
{
        g_assert_true(fake_meshd_await_published(f->meshd, n));
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *expected = g_strdup_printf("r:%u", i);
                g_autofree char *seen = fake_meshd_published(f->meshd, i);

                g_assert_cmpstr(seen, ==, expected);
        }
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, n);
}

static int invalidate_k(struct fixture *f, enum cm_wait wait, struct cm_result *ret_result)
{
        return fake_handle_invalidate(f->cm, "r", "k", wait, 5000, ret_result);
}

static void each_wait_level_returns_success(struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_NONE, 5000), ==, 0);
        g_assert_cmpint(invalidate(f, 1, CM_WAIT_NODE, 5000), ==, 0);
        g_assert_cmpint(invalidate(f, 2, CM_WAIT_MESH, 5000), ==, 0);
        expect_keys_in_order(f, 3);
        g_assert_cmpuint(f->cm->n_pending_changes, ==, 0);
}

static void many_without_wait_arrive_once_and_in_order(struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        for (unsigned i = 0; i < 20000; i++) {
                g_assert_cmpint(invalidate(f, i, CM_WAIT_NONE, 5000), ==, 0);
        }
        expect_keys_in_order(f, 20000);
        g_assert_false(f->cm->is_pending);
}

static void a_partial_result_names_the_members(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct cm_result result = {0};

        script.mesh_outcome = CM_PARTIAL;
        fixture_start_region(f, &script);
        g_assert_cmpint(invalidate_k(f, CM_WAIT_MESH, &result), ==, CM_PARTIAL);
        g_assert_cmpuint(result.n_applied, ==, 2);
        g_assert_cmpuint(result.n_unconfirmed, ==, 1);
        g_assert_cmpuint(result.n_members, ==, 1);
        g_assert_cmpstr(result.members[0].name, ==, "other");
        g_assert_cmpuint(result.members[0].node_id[0], ==, 7);
        g_assert_cmpint(result.members[0].state, ==, CM_MEMBER_UNCONFIRMED);
        g_assert_cmpuint(result.position, ==, 1);
        free(result.members);
}

static void a_result_is_filled_only_by_what_is_known(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct cm_result result = {.n_members = 1, .members = calloc(1, sizeof(struct cm_member))};

        fixture_start_region(f, NULL);
        result.position = 77;
        g_assert_cmpint(invalidate_k(f, CM_WAIT_NONE, &result), ==, 0);
        g_assert_null(result.members);
        g_assert_cmpuint(result.position, ==, 0);
        result.position = 77;
        script.mesh_outcome = CM_PENDING;
        fake_meshd_set_script(f->meshd, &script);
        g_assert_cmpint(invalidate_k(f, CM_WAIT_MESH, &result), ==, CM_PENDING);
        script.publish_error = -EPERM;
        fake_meshd_set_script(f->meshd, &script);
        g_assert_cmpint(invalidate_k(f, CM_WAIT_MESH, &result), ==, -EPERM);
        script.publish_error = 0;
        script.mesh_outcome = -EIO;
        fake_meshd_set_script(f->meshd, &script);
        g_assert_cmpint(invalidate_k(f, CM_WAIT_MESH, &result), ==, -EIO);
        g_assert_cmpuint(result.position, ==, 77);
}

static void meshd_says_that_the_wait_was_too_short(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct cm_result result = {0};

        script.mesh_outcome = CM_E_TIMEOUT;
        fixture_start_region(f, &script);
        g_assert_cmpint(invalidate_k(f, CM_WAIT_MESH, &result), ==, CM_E_TIMEOUT);
        g_assert_cmpuint(result.n_unconfirmed, ==, 1);
        free(result.members);
        g_assert_false(f->cm->is_pending);
}

static void a_silent_meshd_costs_the_deadline_and_no_more(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        gint64 begin_us;

        script.answers_mesh = false;
        fixture_start_region(f, &script);
        begin_us = g_get_monotonic_time();
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_MESH, 100), ==, CM_PENDING);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 100000);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 2000000);
        /* Not known to be in the stream: the handle's gets miss until it is. */
        g_assert_true(f->cm->is_pending);
        g_assert_true(fake_meshd_answer(f->meshd, 0));
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        g_assert_nonnull(fake_handle_find_event(f->cm, CM_EVENT_FLUSHED));
}

static void a_refusal_is_returned_and_not_repeated(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.publish_error = -EPERM;
        fixture_start_region(f, &script);
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_MESH, 5000), ==, -EPERM);
        g_assert_cmpint(invalidate(f, 1, CM_WAIT_NODE, 5000), ==, -EPERM);
        g_assert_false(f->cm->is_pending);
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 1);
}

static void what_meshd_cannot_take_now_is_queued_again(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.publish_error = -ESHUTDOWN;
        fixture_start_region(f, &script);
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_MESH, 5000), ==, CM_PENDING);
        g_assert_true(f->cm->is_pending);
        script.publish_error = 0;
        fake_meshd_set_script(f->meshd, &script);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        expect_keys_in_order(f, 1);
}

static void too_many_waits_at_meshd_cost_the_wait_only(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.publish_error = CM_E_BUSY;
        script.errs_once = true;
        fixture_start_region(f, &script);
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_MESH, 5000), ==, CM_PENDING);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        expect_keys_in_order(f, 1);
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 1);
}

static void without_meshd_they_are_queued_and_sent_in_order_on_its_return(
                struct fixture *f, const void *unused)
{
        struct cmi_source_status status;

        open_without_meshd(f, 0);
        for (unsigned i = 0; i < 1000; i++) {
                g_assert_cmpint(invalidate(f, i, i % 2 ? CM_WAIT_MESH : CM_WAIT_NONE, 5000), ==,
                                CM_PENDING);
        }
        g_assert_true(f->cm->is_pending);
        f->cm->ops->status(f->cm, &status);
        g_assert_cmpuint(status.n_pending, ==, 1000);
        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        expect_keys_in_order(f, 1000);
        f->cm->ops->status(f->cm, &status);
        g_assert_cmpuint(status.n_pending, ==, 0);
        g_assert_nonnull(fake_handle_find_event(f->cm, CM_EVENT_FLUSHED));
}

static void too_many_become_one_for_each_region(struct fixture *f, const void *unused)
{
        g_autofree char *first = NULL;
        g_autofree char *second = NULL;

        open_without_meshd(f, 10);
        fake_handle_region(f->cm, "s", 0);
        for (unsigned i = 0; i < 10; i++) {
                invalidate(f, i, CM_WAIT_NONE, 5000);
        }
        g_assert_null(fake_handle_find_event(f->cm, CM_EVENT_OVERFLOW));
        g_assert_cmpint(invalidate(f, 10, CM_WAIT_NONE, 5000), ==, CM_PENDING);
        g_assert_nonnull(fake_handle_find_event(f->cm, CM_EVENT_OVERFLOW));
        g_assert_cmpint(invalidate(f, 11, CM_WAIT_MESH, 5000), ==, CM_PENDING);
        g_assert_true(f->cm->is_pending);
        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, 2);
        first = fake_meshd_published(f->meshd, 0);
        second = fake_meshd_published(f->meshd, 1);
        g_assert_cmpstr(first, ==, "r:*");
        g_assert_cmpstr(second, ==, "s:*");
        /* And then it goes on as ever. */
        g_assert_cmpint(invalidate(f, 12, CM_WAIT_MESH, 5000), ==, 0);
}

static void a_queue_without_memory_overflows_rather_than_forgets(
                struct fixture *f, const void *unused)
{
        g_autofree char *seen = NULL;

        fixture_start_region(f, NULL);
        f->cm->is_out_of_memory = true;
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_MESH, 5000), ==, CM_PENDING);
        g_assert_true(f->cm->is_pending);
        f->cm->is_out_of_memory = false;
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        seen = fake_meshd_published(f->meshd, 0);
        g_assert_cmpstr(seen, ==, "r:*");
}

struct call {
        struct fixture *f;
        enum cm_wait wait;
        uint32_t timeout_ms;
        unsigned key;
        int outcome;
};

static void *run_call(void *data)
{
        struct call *call = data;

        call->outcome = invalidate(call->f, call->key, call->wait, call->timeout_ms);
        return NULL;
}

static void a_call_cut_off_by_a_killed_meshd_is_queued_again(struct fixture *f, const void *unused)
{
        struct call call = {f, CM_WAIT_MESH, 30000, 0, -1};

        fixture_kill_within(f, run_call, &call);
        g_assert_cmpint(call.outcome, ==, CM_PENDING);
        g_assert_true(f->cm->is_pending);
        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        expect_keys_in_order(f, 1);
}

static void a_restarted_meshd_is_found_by_the_call_itself(struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_MESH, 5000), ==, 0);
        for (int i = 0; i < 5; i++) {
                enum cm_wait wait = i % 2 ? CM_WAIT_MESH : CM_WAIT_NONE;
                gint64 end_us = g_get_monotonic_time() + 12000;

                fake_meshd_kill(f->meshd);
                f->meshd = fake_meshd_start(f->path, NULL);
                while (g_get_monotonic_time() < end_us) {
                        /* past the back-off slot of the last connect */
                }
                g_assert_cmpint(invalidate(f, 0, wait, 5000), ==, 0);
                expect_keys_in_order(f, 1);
        }
}

static void a_stopped_meshd_delays_each_call_to_its_deadline_only(
                struct fixture *f, const void *unused)
{
        gint64 begin_us;
        unsigned n = 0;
        int r = 0;

        fixture_start_region(f, NULL);
        fake_meshd_pause(f->meshd);
        begin_us = g_get_monotonic_time();
        g_assert_cmpint(invalidate(f, n++, CM_WAIT_NODE, 50), ==, CM_PENDING);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 2000000);
        /* Fill the socket: one call may wait for room, the later ones know better. */
        while (r == 0 && n < 3000) {
                r = invalidate(f, n++, CM_WAIT_NONE, 50);
        }
        g_assert_cmpint(r, ==, CM_PENDING);
        begin_us = g_get_monotonic_time();
        for (int i = 0; i < 100; i++) {
                g_assert_cmpint(invalidate(f, n++, CM_WAIT_NONE, 1000), ==, CM_PENDING);
        }
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 2000000);
        g_assert_true(f->cm->is_pending);
        fake_meshd_resume(f->meshd);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        expect_keys_in_order(f, n);
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 1);
        /* The next time one call waits again: meshd has been heard since. */
        fake_meshd_pause(f->meshd);
        do {
                begin_us = g_get_monotonic_time();
                r = invalidate(f, n++, CM_WAIT_NONE, 50);
        } while (r == 0 && n < 6000);
        g_assert_cmpint(r, ==, CM_PENDING);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 50000);
        fake_meshd_resume(f->meshd);
}

static void *resume(void *meshd)
{
        fake_meshd_resume(meshd);
        return NULL;
}

static void room_in_the_socket_alone_ends_the_wait_of_a_sender(
                struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        pthread_t thread;
        unsigned n = 0;

        script.confirms_nothing = true;
        fixture_start_region(f, &script);
        fake_meshd_pause(f->meshd);
        while (invalidate(f, n++, CM_WAIT_NONE, 20) == 0 && n < 3000) {
        }
        /* This one waits longer than the test may take, unless the socket tells it. */
        pthread_create(&thread, NULL, resume, f->meshd);
        g_assert_cmpint(invalidate(f, n, CM_WAIT_NODE, 60000), ==, 0);
        pthread_join(thread, NULL);
        expect_keys_in_order(f, n + 1);
        fake_meshd_hang_up(f->meshd);
        script.confirms_nothing = false;
        fake_meshd_set_script(f->meshd, &script);
}

static void a_stopped_meshd_overflows_a_full_queue(struct fixture *f, const void *unused)
{
        struct cm_options options = {.pending_max = 100, .timeout_ms = 200};
        unsigned n = 0;

        f->meshd = fake_meshd_start(f->path, NULL);
        f->cm = fake_handle_open(f->path, &options);
        fake_handle_region(f->cm, "r", 5000);
        fake_meshd_pause(f->meshd);
        while (!fake_handle_find_event(f->cm, CM_EVENT_OVERFLOW) && n < 1000) {
                invalidate(f, n++, CM_WAIT_NONE, 20);
        }
        g_assert_cmpuint(n, ==, 101);
        g_assert_true(f->cm->is_pending);
        fake_meshd_resume(f->meshd);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
}

static void a_full_queue_waits_for_a_meshd_that_reads(struct fixture *f, const void *unused)
{
        struct cm_options options = {.pending_max = 8, .timeout_ms = 5000};

        f->meshd = fake_meshd_start(f->path, NULL);
        f->cm = fake_handle_open(f->path, &options);
        fake_handle_region(f->cm, "r", 5000);
        for (unsigned i = 0; i < 2000; i++) {
                g_assert_cmpint(invalidate(f, i, CM_WAIT_NONE, 5000), ==, 0);
        }
        expect_keys_in_order(f, 2000);
        g_assert_null(fake_handle_find_event(f->cm, CM_EVENT_OVERFLOW));
}

static void a_long_wait_delays_no_other_answer(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct call calls[3];
        pthread_t threads[3];

        script.answers_mesh = false;
        fixture_start_region(f, &script);
        for (unsigned i = 0; i < 3; i++) {
                calls[i] = (struct call){f, CM_WAIT_MESH, 30000, i, -1};
                pthread_create(&threads[i], NULL, run_call, &calls[i]);
                g_assert_true(fake_meshd_await_published(f->meshd, i + 1));
        }
        /* Three wait, and one of them reads for all, also for a fourth. */
        for (unsigned i = 0; i < 100; i++) {
                g_assert_cmpint(invalidate(f, i, CM_WAIT_NODE, 30000), ==, 0);
        }
        for (unsigned i = 0; i < 3; i++) {
                g_assert_true(fake_meshd_answer(f->meshd, i == 1 ? CM_PARTIAL : 0));
                pthread_join(threads[i], NULL);
                g_assert_cmpint(calls[i].outcome, ==, i == 1 ? CM_PARTIAL : 0);
        }
}

static void *hammer(void *data)
{
        struct call *call = data;

        for (unsigned i = 0; i < 2000; i++) {
                enum cm_wait wait = (enum cm_wait)(i % 3);
                int r = invalidate(call->f, i, wait, 10000);

                if (r != 0 && r != CM_PENDING) {
                        call->outcome = r;
                        return NULL;
                }
                /* Offline calls cost nothing; so as not to be done before the next
                 * connection, wait for it. */
                if (r == CM_PENDING &&
                                !fake_handle_await(call->f->cm, fake_handle_is_flushed, NULL)) {
                        call->outcome = -1;
                        return NULL;
                }
                if (i % 100 == 0) {
                        call->f->cm->ops->dispatch(call->f->cm);
                }
        }
        call->outcome = 0;
        return NULL;
}

static void many_threads_share_the_connection(struct fixture *f, const void *unused)
{
        struct call calls[4];
        pthread_t threads[4];

        fixture_start_region(f, NULL);
        for (unsigned i = 0; i < 4; i++) {
                calls[i] = (struct call){f, CM_WAIT_NONE, 0, 0, -1};
                pthread_create(&threads[i], NULL, hammer, &calls[i]);
        }
        for (unsigned i = 0; i < 4; i++) {
                pthread_join(threads[i], NULL);
                g_assert_cmpint(calls[i].outcome, ==, 0);
        }
        g_assert_true(fake_meshd_await_published(f->meshd, 8000));
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, 8000);
        g_assert_cmpuint(f->cm->n_pending_changes, ==, 0);
}

static void threads_survive_a_meshd_that_hangs_up_again_and_again(
                struct fixture *f, const void *unused)
{
        struct call calls[4];
        pthread_t threads[4];

        fixture_start_region(f, NULL);
        for (unsigned i = 0; i < 4; i++) {
                calls[i] = (struct call){f, CM_WAIT_NONE, 0, 0, -1};
                pthread_create(&threads[i], NULL, hammer, &calls[i]);
        }
        for (unsigned i = 1; i <= 20; i++) {
                if (!fake_meshd_await_published(f->meshd, i * 100)) {
                        g_assert_not_reached();
                }
                fake_meshd_hang_up(f->meshd);
        }
        for (unsigned i = 0; i < 4; i++) {
                pthread_join(threads[i], NULL);
                g_assert_cmpint(calls[i].outcome, ==, 0);
        }
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        /* Each at least once: 8,000 calls, and what was in flight at a hang-up perhaps twice. */
        g_assert_true(fake_meshd_await_published(f->meshd, 8000));
}

static void a_batch_of_operations_waits_for_its_last(struct fixture *f, const void *unused)
{
        uint8_t bytes[3][64];
        struct cmi_slice ops[3];

        fixture_start_region(f, NULL);
        for (unsigned i = 0; i < 3; i++) {
                struct cmi_writer writer = cmi_writer(bytes[i], sizeof(bytes[i]));
                char key = (char)('0' + i);

                cmi_op_write_begin(&writer, cmi_slice_str("r"), 1);
                cmi_write_bin(&writer, cmi_slice(&key, 1));
                cmi_op_write_tags(&writer, 0);
                cmi_op_write_end(&writer, false);
                ops[i] = cmi_written(&writer);
        }
        g_assert_cmpint(f->cm->ops->publish(f->cm, ops, 3, CM_WAIT_MESH, 5000, NULL), ==, 0);
        expect_keys_in_order(f, 3);
}

static void closing_sends_what_is_queued(struct fixture *f, const void *unused)
{
        open_without_meshd(f, 0);
        g_assert_cmpint(invalidate(f, 0, CM_WAIT_NONE, 5000), ==, CM_PENDING);
        f->meshd = fake_meshd_start(f->path, NULL);
        while (f->cm->ops->timeout_ms(f->cm) > 0) {
                /* until the back-off lets closing connect */
        }
        f->cm = fake_handle_close(f->cm);
        expect_keys_in_order(f, 1);
}

static void closing_does_not_wait_where_nobody_listens(struct fixture *f, const void *unused)
{
        gint64 begin_us = g_get_monotonic_time();

        open_without_meshd(f, 0);
        invalidate(f, 0, CM_WAIT_NONE, 5000);
        f->cm = fake_handle_close(f->cm);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 2000000);
}

#define CASE(name, function)                                                                       \
        g_test_add("/connection_publish/" name, struct fixture, NULL, fixture_set_up, function,    \
                        fixture_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("levels", each_wait_level_returns_success);
        CASE("many", many_without_wait_arrive_once_and_in_order);
        CASE("partial", a_partial_result_names_the_members);
        CASE("result", a_result_is_filled_only_by_what_is_known);
        CASE("timeout", meshd_says_that_the_wait_was_too_short);
        CASE("deadline", a_silent_meshd_costs_the_deadline_and_no_more);
        CASE("refused", a_refusal_is_returned_and_not_repeated);
        CASE("shutdown", what_meshd_cannot_take_now_is_queued_again);
        CASE("busy", too_many_waits_at_meshd_cost_the_wait_only);
        CASE("queue", without_meshd_they_are_queued_and_sent_in_order_on_its_return);
        CASE("overflow", too_many_become_one_for_each_region);
        CASE("memory", a_queue_without_memory_overflows_rather_than_forgets);
        CASE("killed", a_call_cut_off_by_a_killed_meshd_is_queued_again);
        CASE("restarted", a_restarted_meshd_is_found_by_the_call_itself);
        CASE("stopped", a_stopped_meshd_delays_each_call_to_its_deadline_only);
        CASE("writable", room_in_the_socket_alone_ends_the_wait_of_a_sender);
        CASE("stopped_full", a_stopped_meshd_overflows_a_full_queue);
        CASE("room", a_full_queue_waits_for_a_meshd_that_reads);
        CASE("long_wait", a_long_wait_delays_no_other_answer);
        CASE("threads", many_threads_share_the_connection);
        CASE("hang_ups", threads_survive_a_meshd_that_hangs_up_again_and_again);
        CASE("batch", a_batch_of_operations_waits_for_its_last);
        CASE("close", closing_sends_what_is_queued);
        CASE("close_offline", closing_does_not_wait_where_nobody_listens);
        return g_test_run();
}
