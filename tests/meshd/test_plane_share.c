/* SPDX-License-Identifier: MIT */
/* The session plane: what a client, and a user, may take, and whom it holds up. */
#include "tests/meshd/plane_rig.h"

#include <glib.h>

static struct plane_rig rig;

#define BEGIN plane_rig_open(&rig)
#define END plane_rig_close(&rig)
#define ASK(request) plane_rig_ask(&rig, request)
#define CREATE(key, text) ASK(plane_rig_create(&rig, key, text))
#define GET(key) ASK(plane_rig_get(key))
#define SAVE(key, text) ASK(plane_rig_save(&rig, key, text))
#define DESTROY(key) ASK(plane_rig_destroy(&rig, key))

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

static void of_what_may_wait_a_connection_has_its_share(void)
{
        struct cmi_session_request get = plane_rig_get(1);

        BEGIN;
        live(false);
        for (uint32_t n = 0; n < PLANE_CLIENT_WAITS_MAX; n++) {
                g_assert_cmpint(plane_rig_send_as(&rig, 1, &get), ==, 0);
        }
        g_assert_cmpint(plane_rig_send_as(&rig, 1, &get), ==, CMI_E_BUSY);
        g_assert_cmpstr(rig.answer.text, ==,
                        "too many requests of sessions of this connection wait: up to 512, with "
                        "2097152 bytes");
        g_assert_cmpint(plane_rig_send_as(&rig, 2, &get), ==, 0);
        plane_cancel(rig.plane, 1);
        g_assert_cmpuint(status_now().n_waiting, ==, 1);
        g_assert_cmpint(plane_rig_send_as(&rig, 1, &get), ==, 0);
        for (uint32_t n = 0; n < PLANE_CLIENT_WAIT_BYTES_MAX / CMI_SESSION_BLOB_MAX; n++) {
                g_assert_cmpint(send_create(3, n, large), ==, 0);
        }
        g_assert_cmpint(send_create(3, 99, "x"), ==, CMI_E_BUSY);
        g_assert_cmpint(plane_rig_send_as(&rig, 3, &get), ==, 0); /* brings none */
        END;
}

static void of_what_may_wait_a_user_has_half(void)
{
        struct cmi_session_request get = plane_rig_get(1);

        BEGIN;
        live(false);
        rig.user = 33;
        for (uint32_t n = 0; n < PLANE_USER_WAITS_MAX; n++) {
                g_assert_cmpint(plane_rig_send_as(&rig, 1 + n % 8, &get), ==, 0);
        }
        g_assert_cmpint(plane_rig_send_as(&rig, 9, &get), ==, CMI_E_BUSY);
        g_assert_cmpstr(rig.answer.text, ==,
                        "too many requests of sessions of this user wait: up to 2048, with 8388608 "
                        "bytes");
        rig.user = 34;
        g_assert_cmpint(plane_rig_send_as(&rig, 10, &get), ==, 0);
        END;
}

static void a_user_has_sessions_in_so_many_spaces(void)
{
        struct cmi_session_request create;

        plane_rig_init(&rig);
        rig.options.store.user_spaces = 3;
        g_assert_cmpint(plane_rig_start(&rig), ==, 0);
        for (uint32_t n = 1; n <= 4; n++) {
                create = plane_rig_create(&rig, n, "one");
                create.space = plane_rig_space((uint8_t)n);
                g_assert_cmpint(ASK(create), ==, n <= 3 ? 0 : CMI_E_FULL);
        }
        g_assert_cmpstr(rig.answer.text, ==,
                        "this user has sessions in as many spaces as it may: 3");
        g_assert_cmpuint(store_user(rig.event.space), ==, 0);
        g_assert_cmpint(CREATE(5, "one"), ==, 0); /* in the first one */
        rig.user = 33;
        g_assert_cmpint(ASK(create), ==, 0);
        rig.user = 0;
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(DESTROY(5), ==, 0);
        create = plane_rig_create(&rig, 6, "one");
        create.space = plane_rig_space(4);
        g_assert_cmpint(ASK(create), ==, 0);
        END;
}

static void a_user_has_so_many_bytes_of_sessions(void)
{
        const char *text = large + CMI_SESSION_BLOB_MAX - 20000;

        plane_rig_init(&rig);
        rig.options.store.user_bytes = 65536;
        g_assert_cmpint(plane_rig_start(&rig), ==, 0);
        g_assert_cmpint(CREATE(1, text), ==, 0);
        g_assert_cmpint(SAVE(1, text), ==, 0); /* in the place of the first */
        g_assert_cmpint(CREATE(2, text), ==, 0);
        g_assert_cmpint(CREATE(3, text), ==, 0);
        g_assert_cmpint(CREATE(4, text), ==, CMI_E_FULL);
        g_assert_cmpstr(rig.answer.text, ==,
                        "the sessions of this user take what they may: 65536 bytes");
        rig.user = 33;
        g_assert_cmpint(CREATE(4, text), ==, 0);
        END;
}

static void a_user_has_so_many_bytes_of_keys_dead_or_alive(void)
{
        uint32_t n = 0;

        plane_rig_init(&rig);
        rig.options.store.user_key_bytes = 4000;
        g_assert_cmpint(plane_rig_start(&rig), ==, 0);
        while (CREATE(n, "one") == 0) {
                g_assert_cmpint(DESTROY(n++), ==, 0);
        }
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_FULL);
        g_assert_cmpstr(rig.answer.text, ==,
                        "the keys of sessions of this user, with those that have ended, take what "
                        "they may: 4000 bytes");
        g_assert_cmpuint(n, >, 10);
        rig.user = 33;
        g_assert_cmpint(CREATE(n, "one"), ==, 0);
        END;
}

static void users_do_not_see_each_others_sessions(void)
{
        BEGIN;
        rig.user = 33;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        rig.user = 34;
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(DESTROY(1), ==, 0);
        rig.user = 33;
        g_assert_cmpint(GET(1), ==, 0);
        END;
}

/* It lives again when the clock is right, so nobody else may end it meanwhile; an operator may. */
static void what_is_over_by_a_wrong_clock_is_still_its_users(void)
{
        const struct cmi_id key = plane_rig_key(1);
        uint64_t right_ns;

        BEGIN;
        rig.user = 33;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        right_ns = rig.now.real_ns;
        rig.now.real_ns += cmi_ms(2 * PLANE_RIG_HOUR_MS);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        rig.user = 34;
        g_assert_cmpint(DESTROY(1), ==, 0);
        rig.now.real_ns = right_ns;
        rig.user = 33;
        g_assert_cmpint(GET(1), ==, 0);
        rig.now.real_ns += cmi_ms(2 * PLANE_RIG_HOUR_MS);
        g_assert_cmpint(plane_end(rig.plane, rig.now, &key), ==, 0);
        rig.now.real_ns = right_ns;
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        END;
}

/* It is disconnected if too much piles up, and that just when the node is back. */
static void who_takes_no_more_answers_waits_on_and_holds_up_nobody(void)
{
        struct cmi_session_request get = plane_rig_get(1);
        uint64_t now_ns;

        BEGIN;
        live(false);
        get.timeout_ms = 1000;
        for (uint32_t n = 0; n < 2 * PLANE_STEPS; n++) {
                g_assert_cmpint(plane_rig_send_as(&rig, 1 + n % 3, &get), ==, 0);
        }
        live(true);
        rig.full_client = 1;
        plane_rig_pass(&rig, 0);
        now_ns = rig.now.mono_ns;
        g_assert_cmpuint(rig.n_answers, ==, 2 * PLANE_STEPS - 171);
        g_assert_cmpuint(status_now().n_waiting, ==, 171);
        for (uint32_t i = 0; i < rig.n_acts; i++) {
                g_assert_cmpuint(rig.acts[i].caller.client, !=, 1);
        }
        g_assert_cmpuint(plane_timeout_ns(rig.plane), ==, now_ns + cmi_ms(1000));
        g_assert_cmpint(plane_rig_send_as(&rig, 2, &get), ==, 0); /* at once */
        g_assert_cmpuint(rig.n_answers, ==, 2 * PLANE_STEPS - 170);
        g_assert_cmpint(plane_rig_send_as(&rig, 1, &get), ==, 0); /* behind its others */
        g_assert_cmpuint(status_now().n_waiting, ==, 172);
        rig.full_client = 0;
        g_assert_cmpuint(plane_timeout_ns(rig.plane), ==, 0);
        plane_rig_pass(&rig, 0);
        g_assert_cmpuint(rig.n_answers, ==, 2 * PLANE_STEPS + 2);
        END;
}

static void who_takes_no_more_answers_is_told_when_its_time_is_over(void)
{
        struct cmi_session_request get = plane_rig_get(1);

        BEGIN;
        live(false);
        g_assert_cmpint(plane_rig_send_as(&rig, 1, &get), ==, 0);
        live(true);
        rig.full_client = 1;
        plane_rig_pass(&rig, PLANE_TIMEOUT_MS);
        g_assert_cmpuint(rig.n_answers, ==, 1);
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_UNCONFIRMED);
        g_assert_cmpuint(status_now().n_waiting, ==, 0);
        END;
}

static void clients_take_turns_with_what_waits(void)
{
        struct cmi_session_request get = plane_rig_get(1);

        BEGIN;
        live(false);
        for (uint32_t n = 0; n < 3; n++) {
                g_assert_cmpint(plane_rig_send_as(&rig, 1, &get), ==, 0);
        }
        g_assert_cmpint(plane_rig_send_as(&rig, 2, &get), ==, 0);
        live(true);
        plane_rig_pass(&rig, 0);
        g_assert_cmpuint(rig.n_answers, ==, 4);
        g_assert_cmpuint(rig.acts[0].caller.client, ==, 1);
        g_assert_cmpuint(rig.acts[1].caller.client, ==, 2);
        END;
}

int main(int argc, char **argv)
{
        memset(large, 'x', CMI_SESSION_BLOB_MAX);
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define ADD(name) g_test_add_func("/plane_share/" #name, name)
        ADD(of_what_may_wait_a_connection_has_its_share);
        ADD(of_what_may_wait_a_user_has_half);
        ADD(a_user_has_sessions_in_so_many_spaces);
        ADD(a_user_has_so_many_bytes_of_sessions);
        ADD(a_user_has_so_many_bytes_of_keys_dead_or_alive);
        ADD(users_do_not_see_each_others_sessions);
        ADD(what_is_over_by_a_wrong_clock_is_still_its_users);
        ADD(who_takes_no_more_answers_waits_on_and_holds_up_nobody);
        ADD(who_takes_no_more_answers_is_told_when_its_time_is_over);
        ADD(clients_take_turns_with_what_waits);
        return g_test_run();
}
