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

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define ADD(name) g_test_add_func("/plane_logout/" #name, name)
        ADD(what_is_not_known_here_may_live_on_another_node);
        ADD(a_key_of_another_space_is_ended_as_one_that_is_not_known);
        ADD(a_logout_everywhere_is_of_this_node_only);
        return g_test_run();
}
