/* SPDX-License-Identifier: MIT */
/* The session plane: who waits, what is full, what is looked at, and memory that is not there. */
#include "tests/meshd/plane_rig.h"

#include <errno.h>
#include <glib.h>

static struct plane_rig rig;

#define BEGIN plane_rig_open(&rig)
#define END plane_rig_close(&rig)
#define ASK(request) plane_rig_ask(&rig, request)
#define CREATE(key, text) ASK(plane_rig_create(&rig, key, text))
#define GET(key) ASK(plane_rig_get(key))
#define SAVE(key, text) ASK(plane_rig_save(&rig, key, text))
#define DESTROY(key) ASK(plane_rig_destroy(&rig, key))
#define ROTATE(key, new_key, text) ASK(plane_rig_rotate(&rig, key, new_key, text))

static char large[CMI_SESSION_BLOB_MAX + 1];

static struct plane_status status_now(void)
{
        struct plane_status status;

        plane_status(rig.plane, rig.now, &status);
        return status;
}

static void live(bool is_live)
{
        rig.is_live = is_live;
}

static int send_create(uint64_t client, uint32_t key, const char *text)
{
        struct cmi_session_request create = plane_rig_create(&rig, key, text);

        return plane_rig_send_as(&rig, client, &create);
}

/* Waiting */

static void requests_wait_in_order_until_this_node_serves(void)
{
        char text[8] = "waits";
        struct cmi_session_request get = plane_rig_get(1);

        BEGIN;
        live(false);
        g_assert_cmpint(send_create(1, 1, text), ==, 0);
        memset(text, 0, sizeof(text)); /* it was borrowed for the call */
        g_assert_cmpint(plane_rig_send_as(&rig, 2, &get), ==, 0);
        plane_rig_pass(&rig, 100);
        g_assert_cmpuint(rig.n_answers, ==, 0);
        g_assert_cmpuint(status_now().n_waiting, ==, 2);
        g_assert_cmpuint(status_now().waiting_bytes, ==, 5);
        live(true);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), ==, 0);
        g_assert_cmpint(send_create(3, 1, "later"), ==, 0);
        g_assert_cmpuint(rig.n_answers, ==, 0); /* nobody overtakes */
        plane_rig_pass(&rig, 0);
        g_assert_cmpuint(rig.n_answers, ==, 3);
        g_assert_cmpint(rig.acts[0].caller.client, ==, 1);
        g_assert_cmpint(rig.acts[0].outcome, ==, 0);
        g_assert_cmpint(rig.acts[1].caller.client, ==, 2);
        g_assert_cmpint(rig.acts[1].outcome, ==, 0);
        g_assert_cmpint(rig.acts[2].outcome, ==, -EEXIST);
        g_assert_cmpuint(status_now().n_waiting, ==, 0);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_true(plane_rig_has(&rig, "waits"));
        END;
}

static void who_waits_too_long_is_told_and_nothing_has_happened(void)
{
        struct cmi_session_request create;

        BEGIN;
        live(false);
        create = plane_rig_create(&rig, 1, "one");
        g_assert_cmpint(plane_rig_send(&rig, &create), ==, 0);
        create = plane_rig_create(&rig, 2, "two");
        create.timeout_ms = 300;
        g_assert_cmpint(plane_rig_send_as(&rig, 2, &create), ==, 0);
        create = plane_rig_create(&rig, 3, "three");
        create.timeout_ms = UINT64_MAX;
        g_assert_cmpint(plane_rig_send_as(&rig, 3, &create), ==, 0);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), ==, rig.now.mono_ns + cmi_ms(300));
        plane_rig_pass(&rig, 299);
        g_assert_cmpuint(rig.n_answers, ==, 0);
        plane_rig_pass(&rig, 1);
        g_assert_cmpuint(rig.n_answers, ==, 1);
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_UNCONFIRMED);
        g_assert_cmpstr(rig.answer.text, !=, "");
        g_assert_cmpuint(rig.acts[0].caller.client, ==, 2);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), ==, rig.now.mono_ns + cmi_ms(4700));
        plane_rig_pass(&rig, PLANE_TIMEOUT_MS - 300);
        g_assert_cmpuint(rig.n_answers, ==, 2);
        plane_rig_pass(&rig, CMI_SESSION_TIMEOUT_MAX_MS - PLANE_TIMEOUT_MS);
        g_assert_cmpuint(rig.n_answers, ==, 3);
        g_assert_cmpuint(status_now().counters.n_unconfirmed, ==, 3);
        live(true);
        for (uint32_t key = 1; key <= 3; key++) {
                g_assert_cmpint(GET(key), ==, CMI_GONE);
        }
        END;
}

static void who_is_gone_is_neither_done_nor_answered(void)
{
        BEGIN;
        live(false);
        for (uint32_t key = 0; key < 9; key++) {
                g_assert_cmpint(send_create(1 + key % 3, key, "one"), ==, 0);
        }
        plane_cancel(rig.plane, 2);
        plane_cancel(rig.plane, 4);
        live(true);
        plane_rig_pass(&rig, 0);
        g_assert_cmpuint(rig.n_answers, ==, 6);
        for (uint32_t key = 0; key < 9; key++) {
                g_assert_cmpint(GET(key), ==, key % 3 == 1 ? CMI_GONE : 0);
        }
        live(false);
        g_assert_cmpint(send_create(1, 10, "one"), ==, 0);
        plane_cancel(rig.plane, 1);
        g_assert_cmpuint(status_now().waiting_bytes, ==, 0);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), >, rig.now.mono_ns + cmi_ms(60000));
        END;
}

static void so_many_may_wait_and_no_more(void)
{
        struct cmi_session_request get = plane_rig_get(1);
        uint32_t n = 0;

        BEGIN;
        live(false);
        for (n = 0; n < PLANE_WAITS_MAX; n++) {
                rig.user = n / PLANE_USER_WAITS_MAX;
                g_assert_cmpint(plane_rig_send_as(&rig, 1 + n / PLANE_CLIENT_WAITS_MAX, &get), ==,
                                0);
        }
        rig.user = 7;
        g_assert_cmpint(plane_rig_send_as(&rig, 99, &get), ==, CMI_E_BUSY);
        g_assert_cmpstr(rig.answer.text, ==,
                        "too many requests of sessions wait: up to 4096, with 16777216 bytes");
        g_assert_cmpuint(status_now().counters.n_busy, ==, 1);
        live(true);
        plane_tick(rig.plane, rig.now);
        g_assert_cmpuint(rig.n_answers, ==, 1 + PLANE_STEPS);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), ==, 0);
        plane_rig_pass(&rig, 0);
        g_assert_cmpuint(rig.n_answers, ==, 1 + PLANE_WAITS_MAX);
        END;
}

static void so_many_bytes_may_wait_and_no_more(void)
{
        const uint32_t n_max = PLANE_WAIT_BYTES_MAX / CMI_SESSION_BLOB_MAX;
        const uint32_t n_client = PLANE_CLIENT_WAIT_BYTES_MAX / CMI_SESSION_BLOB_MAX;

        BEGIN;
        live(false);
        for (uint32_t n = 0; n < n_max; n++) {
                rig.user = n / (n_max / 2);
                g_assert_cmpint(send_create(1 + n / n_client, n, large), ==, 0);
        }
        rig.user = 7;
        g_assert_cmpint(send_create(99, n_max, "x"), ==, CMI_E_BUSY);
        plane_rig_pass(&rig, PLANE_TIMEOUT_MS);
        g_assert_cmpuint(rig.n_answers, ==, n_max + 1);
        g_assert_cmpint(send_create(99, n_max, "x"), ==, 0);
        END;
}

static void all_that_waits_too_long_is_told_bit_by_bit(void)
{
        struct cmi_session_request get = plane_rig_get(1);

        BEGIN;
        live(false);
        for (uint32_t n = 0; n < PLANE_STEPS + 10; n++) {
                g_assert_cmpint(plane_rig_send(&rig, &get), ==, 0);
        }
        rig.now.mono_ns += cmi_ms(PLANE_TIMEOUT_MS);
        plane_tick(rig.plane, rig.now);
        g_assert_cmpuint(rig.n_answers, ==, PLANE_STEPS);
        g_assert_cmpuint(plane_timeout_ns(rig.plane), <=, rig.now.mono_ns);
        plane_rig_pass(&rig, 0);
        g_assert_cmpuint(rig.n_answers, ==, PLANE_STEPS + 10);
        END;
}

static void the_memory_of_who_waits_comes_back_at_the_end(void)
{
        BEGIN;
        live(false);
        g_assert_cmpint(send_create(1, 1, "one"), ==, 0);
        END;
        g_assert_cmpuint(rig.n_answers, ==, 0);
}

/* Full */

static void a_full_store_says_which_limit_and_tells_once(void)
{
        uint32_t key = 0;

        plane_rig_init(&rig);
        rig.options.store.record_bytes = STORE_MEMORY_MIN;
        g_assert_cmpint(plane_rig_start(&rig), ==, 0);
        while (CREATE(key, large + CMI_SESSION_BLOB_MAX - 8000) == 0) {
                key++;
        }
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_FULL);
        g_assert_cmpstr(rig.answer.text, ==, "the memory for sessions is full: 65536 bytes");
        g_assert_cmpuint(rig.n_events, ==, 1);
        g_assert_cmpint(rig.event.kind, ==, PLANE_EVENT_FULL);
        g_assert_cmpstr(rig.event.text, ==, rig.answer.text);
        g_assert_cmpint(CREATE(key, large + CMI_SESSION_BLOB_MAX - 8000), ==, CMI_E_FULL);
        g_assert_cmpuint(rig.n_events, ==, 1);
        g_assert_cmpuint(status_now().counters.n_full, ==, 2);
        g_assert_cmpint(GET(0), ==, 0);
        g_assert_cmpint(SAVE(0, large), ==, CMI_E_FULL);
        g_assert_cmpint(GET(0), ==, 0);
        g_assert_cmpuint(rig.answer.version.seq, ==, 1);
        /* Room comes, and goes. */
        g_assert_cmpint(DESTROY(0), ==, 0);
        plane_rig_pass(&rig, 60000);
        g_assert_cmpint(CREATE(key, large + CMI_SESSION_BLOB_MAX - 8000), ==, 0);
        g_assert_cmpint(CREATE(key + 1, large + CMI_SESSION_BLOB_MAX - 8000), ==, CMI_E_FULL);
        g_assert_cmpuint(rig.n_events, ==, 2);
        END;
}

static void a_principal_has_so_many_sessions_and_no_more(void)
{
        struct cmi_session_request create;

        plane_rig_init(&rig);
        rig.options.store.principal_sessions = 2;
        g_assert_cmpint(plane_rig_start(&rig), ==, 0);
        for (uint32_t key = 1; key <= 3; key++) {
                create = plane_rig_create(&rig, key, "one");
                create.principal = (struct cmi_id){{4}};
                g_assert_cmpint(ASK(create), ==, key <= 2 ? 0 : CMI_E_FULL);
        }
        g_assert_cmpstr(rig.answer.text, ==, "one principal has as many sessions as it may: 2");
        g_assert_cmpint(CREATE(4, "of another"), ==, 0);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_cmpint(ROTATE(2, 5, "two"), ==, CMI_E_FULL);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(GET(2), ==, 0);
        g_assert_cmpint(ROTATE(2, 5, "two"), ==, 0);
        END;
}

static void logouts_of_the_unknown_leave_room_for_sessions_of_others(void)
{
        uint32_t key = 100;

        plane_rig_init(&rig);
        rig.options.store.key_bytes = STORE_MEMORY_MIN;
        g_assert_cmpint(plane_rig_start(&rig), ==, 0);
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        while (DESTROY(key) == 0) {
                key++;
        }
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_FULL);
        g_assert_cmpstr(rig.answer.text, ==,
                        "too many sessions were ended that are not known here: 4096 bytes");
        g_assert_false(status_now().store.is_blocked);
        g_assert_cmpint(CREATE(2, "one"), ==, 0);
        g_assert_cmpint(GET(1), ==, 0);
        g_assert_cmpint(SAVE(1, "two"), ==, 0);
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        plane_rig_pass(&rig, 120000); /* by then what was on its way has come */
        g_assert_cmpuint(status_now().store.n_blind, ==, 0);
        g_assert_cmpint(DESTROY(key), ==, 0);
        END;
}

static void a_large_blob_is_told_of_once_an_hour(void)
{
        struct cmi_session_request create;

        BEGIN;
        g_assert_cmpint(CREATE(1, large + CMI_SESSION_BLOB_MAX - 16384), ==, 0);
        g_assert_cmpuint(rig.n_events, ==, 0);
        g_assert_cmpint(SAVE(1, large + CMI_SESSION_BLOB_MAX - 16385), ==, 0);
        g_assert_cmpuint(rig.n_events, ==, 1);
        g_assert_cmpint(rig.event.kind, ==, PLANE_EVENT_LARGE);
        g_assert_cmpstr(rig.event.text, ==, "a session of 16385 bytes was saved, over 16384 bytes");
        g_assert_cmpint(SAVE(1, large + CMI_SESSION_BLOB_MAX - 16385), ==, 0);
        g_assert_cmpuint(rig.n_events, ==, 1);
        g_assert_cmpuint(status_now().counters.n_large, ==, 2);
        create = plane_rig_create(&rig, 2, large);
        create.space = plane_rig_space(2);
        g_assert_cmpint(ASK(create), ==, 0);
        g_assert_cmpuint(rig.n_events, ==, 2);
        plane_rig_pass(&rig, PLANE_RIG_HOUR_MS);
        g_assert_cmpint(CREATE(3, large), ==, 0);
        g_assert_cmpuint(rig.n_events, ==, 3);
        END;
}

/* Looking on */

static void what_is_asked_and_done_is_counted(void)
{
        const struct plane_counters *counters;
        struct plane_status status;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpint(CREATE(1, "one"), ==, -EEXIST);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        status = status_now();
        counters = &status.counters;
        g_assert_cmpuint(counters->n_asked[CMI_SESSION_CREATE], ==, 2);
        g_assert_cmpuint(counters->n_done[CMI_SESSION_CREATE], ==, 1);
        g_assert_cmpuint(counters->n_asked[CMI_SESSION_GET], ==, 1);
        g_assert_cmpuint(counters->n_done[CMI_SESSION_GET], ==, 0);
        g_assert_cmpuint(counters->n_gone, ==, 1);
        g_assert_cmpuint(status.store.n_records, ==, 1);
        END;
}

static void the_living_are_listed_in_the_order_of_keys(void)
{
        struct store_cursor cursor = {.last = {{[0 ... 15] = 0xff}}};
        struct plane_entry entry, last = {.key = {{0}}};
        uint32_t n = 0;
        int r;

        BEGIN;
        for (uint32_t key = 0; key < 50; key++) {
                g_assert_cmpint(CREATE(key, "four"), ==, 0);
        }
        g_assert_cmpint(DESTROY(7), ==, 0);
        do {
                cursor.steps = 8;
                while ((r = plane_next(rig.plane, rig.now, &cursor, &entry)) == STORE_GIVEN) {
                        n++;
                        g_assert_cmpint(cmi_id_compare(&last.key, &entry.key), <, 0);
                        g_assert_cmpuint(entry.reason, ==, 0);
                        g_assert_cmpuint(entry.blob_len, ==, 4);
                        last = entry;
                }
        } while (r == STORE_PAUSED);
        g_assert_cmpint(r, ==, STORE_WALKED);
        g_assert_cmpuint(n, ==, 49);
        END;
}

static void an_operator_ends_what_there_is_while_this_node_serves(void)
{
        const struct cmi_id key = plane_rig_key(1);
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.space = plane_rig_space(2);
        g_assert_cmpint(ASK(create), ==, 0);
        live(false);
        g_assert_cmpint(plane_end(rig.plane, rig.now, &key), ==, CMI_E_UNCONFIRMED);
        live(true);
        g_assert_cmpint(plane_end(rig.plane, rig.now, &key), ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 1);
        g_assert_cmpint(plane_end(rig.plane, rig.now, &key), ==, CMI_GONE);
        g_assert_cmpint(ASK(create), ==, CMI_GONE);
        g_assert_cmpuint(status_now().n_waiting, ==, 0);
        END;
}

/* Life */

static void a_plane_without_a_node_or_a_budget_is_refused(void)
{
        plane_rig_init(&rig);
        rig.options.node_id = (struct cmi_id){{0}};
        g_assert_cmpint(plane_rig_start(&rig), ==, -EINVAL);
        rig.options.node_id.bytes[0] = 1;
        rig.options.store.key_bytes = 0;
        g_assert_cmpint(plane_rig_start(&rig), ==, -EINVAL);
        END;
}

/* A day of all verbs. Whatever memory there is not: one answer to each, and either done or not. */
static void do_all(void)
{
        const struct cmi_session_request requests[] = {
                        plane_rig_create(&rig, 1, "one"),
                        plane_rig_get(1),
                        plane_rig_save(&rig, 1, "two"),
                        plane_rig_touch(&rig, 1),
                        plane_rig_rotate(&rig, 1, 2, "three"),
                        plane_rig_get(1),
                        plane_rig_destroy(&rig, 2),
                        plane_rig_destroy(&rig, 3),
                        plane_rig_principal(&rig, 4),
                        plane_rig_get(2),
        };

        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                struct cmi_session_request request = requests[i];
                uint32_t n = rig.n_answers;

                request.principal.bytes[0] = 4;
                request.grace_ms = 1000;
                request.expected = request.verb == CMI_SESSION_GET
                                                   ? (struct cmi_session_version){{0}, 0, {{0}}}
                                                   : rig.version;
                request.holder = rig.holder;
                g_assert_cmpint(plane_rig_send(&rig, &request), ==, 0);
                g_assert_cmpuint(rig.n_answers, ==, n + 1);
                g_assert_true(rig.answer.outcome == 0 || rig.answer.outcome == CMI_E_FULL ||
                                rig.answer.outcome == CMI_GONE);
                if (request.verb == CMI_SESSION_DESTROY && rig.answer.outcome == 0) {
                        g_assert_cmpint(plane_rig_send(&rig,
                                                        &(struct cmi_session_request){
                                                                        .verb = CMI_SESSION_GET,
                                                                        .space = request.space,
                                                                        .key = request.key,
                                                        }),
                                        ==, 0);
                        g_assert_cmpint(rig.answer.outcome, ==, CMI_GONE);
                }
        }
        g_assert_false(status_now().store.is_blocked);
        plane_rig_pass(&rig, 2000);
}

static void lack_memory(bool is_for_ever)
{
        uint64_t n_allocs = UINT64_MAX;

        for (uint64_t at = 1; at <= n_allocs; at++) {
                int r;

                plane_rig_init(&rig);
                rig.memory.fail_at = at;
                rig.memory.fail_on = is_for_ever;
                r = plane_rig_start(&rig);
                if (r == 0) {
                        do_all();
                        rig.memory.fail_at = 0;
                        g_assert_cmpint(CREATE(9, "room again"), ==, 0);
                        n_allocs = rig.memory.n_allocs < at ? 0 : n_allocs;
                } else {
                        g_assert_cmpint(r, ==, -ENOMEM);
                }
                END;
        }
}

static void any_memory_may_be_missing_once(void)
{
        lack_memory(false);
}

static void any_memory_may_be_missing_for_ever(void)
{
        lack_memory(true);
}

static void without_memory_nobody_waits(void)
{
        BEGIN;
        live(false);
        rig.memory.fail_at = rig.memory.n_allocs + 1;
        g_assert_cmpint(send_create(1, 1, "one"), ==, CMI_E_BUSY);
        g_assert_cmpint(send_create(1, 1, "one"), ==, 0);
        END;
}

int main(int argc, char **argv)
{
        memset(large, 'x', CMI_SESSION_BLOB_MAX);
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define ADD(name) g_test_add_func("/plane_waiting/" #name, name)
        ADD(requests_wait_in_order_until_this_node_serves);
        ADD(who_waits_too_long_is_told_and_nothing_has_happened);
        ADD(who_is_gone_is_neither_done_nor_answered);
        ADD(so_many_may_wait_and_no_more);
        ADD(so_many_bytes_may_wait_and_no_more);
        ADD(all_that_waits_too_long_is_told_bit_by_bit);
        ADD(the_memory_of_who_waits_comes_back_at_the_end);
        ADD(a_full_store_says_which_limit_and_tells_once);
        ADD(a_principal_has_so_many_sessions_and_no_more);
        ADD(logouts_of_the_unknown_leave_room_for_sessions_of_others);
        ADD(a_large_blob_is_told_of_once_an_hour);
        ADD(what_is_asked_and_done_is_counted);
        ADD(the_living_are_listed_in_the_order_of_keys);
        ADD(an_operator_ends_what_there_is_while_this_node_serves);
        ADD(a_plane_without_a_node_or_a_budget_is_refused);
        ADD(any_memory_may_be_missing_once);
        ADD(any_memory_may_be_missing_for_ever);
        ADD(without_memory_nobody_waits);
        return g_test_run();
}
