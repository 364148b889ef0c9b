/* SPDX-License-Identifier: MIT */
/* The session plane: how far a logout reaches: to other nodes, other ids, and no further. */
#include "tests/meshd/plane_rig.h"

#include <glib.h>

static struct plane_rig rig;

#define BEGIN plane_rig_open(&rig)
#define END plane_rig_close(&rig)
#define ASK(request) plane_rig_ask(&rig, request)
#define CREATE(key, text) ASK(plane_rig_create(&rig, key, text))
#define GET(key) ASK(plane_rig_get(key))
#define DESTROY(key) ASK(plane_rig_destroy(&rig, key))

static const struct plane_act *act(uint32_t from_end)
{
        g_assert_cmpuint(rig.n_acts, >, from_end);
        return &rig.acts[rig.n_acts - 1 - from_end];
}

static void expect_act_stamp(uint32_t from_end, uint32_t key)
{
        struct cmi_id id = plane_rig_key(key);

        g_assert_cmpint(act(from_end)->kind, ==, PLANE_ACT_STAMP);
        g_assert_true(cmi_id_equal(&act(from_end)->key, &id));
}

static int64_t rotate_with_grace(uint32_t key, uint32_t new_key, const char *text, uint64_t ms)
{
        struct cmi_session_request rotate = plane_rig_rotate(&rig, key, new_key, text);

        rotate.grace_ms = ms;
        return ASK(rotate);
}

static int64_t create_of(uint32_t key, uint8_t principal)
{
        struct cmi_session_request create = plane_rig_create(&rig, key, "of somebody");

        create.principal = (struct cmi_id){{principal}};
        return ASK(create);
}

/* Nobody asks the others, so nobody can say of what is not here that it is nowhere. */
static void what_is_not_known_here_may_live_on_another_node(void)
{
        BEGIN;
        rig.has_others = true;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(DESTROY(2), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpstr(rig.answer.text, !=, "");
        g_assert_cmpint(DESTROY(2), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpint(CREATE(2, "late"), ==, CMI_GONE); /* here it is done */
        rig.has_others = false;
        g_assert_cmpint(DESTROY(2), ==, 0);
        END;
}

static void a_key_of_another_space_is_ended_as_one_that_is_not_known(void)
{
        struct cmi_session_request end;

        BEGIN;
        rig.has_others = true;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        end = plane_rig_destroy(&rig, 1);
        end.space = plane_rig_space(2);
        g_assert_cmpint(ASK(end), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpint(GET(1), ==, 0);
        END;
}

static void a_logout_everywhere_is_of_this_node_only(void)
{
        struct cmi_session_request end;

        BEGIN;
        rig.has_others = true;
        g_assert_cmpint(create_of(1, 4), ==, 0);
        end = plane_rig_principal(&rig, 4);
        g_assert_cmpint(ASK(end), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpint(GET(1), ==, CMI_GONE);
        g_assert_cmpint(ASK(end), ==, CMI_E_UNCONFIRMED);
        END;
}

static void a_logout_with_the_old_id_in_its_grace_ends_the_session(void)
{
        struct cmi_session_request end;

        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpint(rotate_with_grace(1, 2, "two", 5000), ==, 0);
        g_assert_cmpint(rotate_with_grace(2, 3, "three", 5000), ==, 0);
        end = plane_rig_destroy(&rig, 1);
        end.space = plane_rig_space(2);
        g_assert_cmpint(ASK(end), ==, 0); /* of another space: nothing happens */
        g_assert_cmpint(GET(3), ==, 0);
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(GET(3), ==, CMI_GONE);
        for (uint32_t key = 1; key <= 3; key++) {
                g_assert_cmpint(GET(key), ==, CMI_GONE);
        }
        END;
}

static void what_is_logged_out_is_stamped_under_its_new_id_too(void)
{
        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpint(rotate_with_grace(1, 2, "two", 5000), ==, 0);
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(act(0)->kind, ==, PLANE_ACT_ANSWER);
        expect_act_stamp(1, 1);
        expect_act_stamp(2, 2);
        END;
}

static void after_its_grace_a_logout_is_of_the_old_id_alone(void)
{
        BEGIN;
        g_assert_cmpint(CREATE(1, "one"), ==, 0);
        g_assert_cmpint(rotate_with_grace(1, 2, "two", 5000), ==, 0);
        plane_rig_pass(&rig, 5000);
        g_assert_cmpint(DESTROY(1), ==, 0);
        g_assert_cmpint(GET(2), ==, 0);
        END;
}

/* Who has no session here is kept by no process: that would make each ask for its sessions anew. */
static void a_logout_everywhere_of_nobody_stamps_nothing(void)
{
        BEGIN;
        g_assert_cmpint(create_of(1, 4), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 5)), ==, 0);
        rig.has_others = true;
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 5)), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpuint(rig.n_stamps, ==, 0);
        rig.has_others = false;
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 4)), ==, 0);
        g_assert_cmpuint(rig.n_stamps, ==, 1);
        END;
}

/* Anybody can make some up: the counts of these would take the room of logouts, for days. */
static void made_up_principals_take_no_room_of_logouts(void)
{
        struct cmi_session_request end;
        struct plane_status status;
        uint32_t n_done = 0;

        BEGIN;
        rig.has_others = true;
        for (uint32_t i = 0; i < 20000; i++) {
                end = plane_rig_principal(&rig, 1);
                end.principal = plane_rig_key(i);
                n_done += ASK(end) == CMI_E_UNCONFIRMED;
        }
        g_assert_cmpuint(n_done, ==, 20000);
        plane_status(rig.plane, rig.now, &status);
        g_assert_cmpuint(status.store.n_principals, ==, 0);
        g_assert_cmpuint(status.store.blind_bytes, ==, 0);
        g_assert_cmpint(DESTROY(1), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpint(create_of(2, 4), ==, 0);
        g_assert_cmpint(ASK(plane_rig_principal(&rig, 4)), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpint(GET(2), ==, CMI_GONE);
        END;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define ADD(name) g_test_add_func("/plane_logout/" #name, name)
        ADD(what_is_not_known_here_may_live_on_another_node);
        ADD(a_key_of_another_space_is_ended_as_one_that_is_not_known);
        ADD(a_logout_everywhere_is_of_this_node_only);
        ADD(a_logout_with_the_old_id_in_its_grace_ends_the_session);
        ADD(what_is_logged_out_is_stamped_under_its_new_id_too);
        ADD(after_its_grace_a_logout_is_of_the_old_id_alone);
        ADD(a_logout_everywhere_of_nobody_stamps_nothing);
        ADD(made_up_principals_take_no_room_of_logouts);
        return g_test_run();
}
