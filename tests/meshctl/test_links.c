/* SPDX-License-Identifier: MIT */
#include "meshctl/links.h"

#include <errno.h>
#include <glib.h>

static json_t *document(const char *a, const char *b, const char *c)
{
        return json_pack("{s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "nodes", "name", "a", "hears", a,
                        "name", "b", "hears", b, "name", "c", "hears", c);
}

static void a_link_is_connected_if_its_end_hears_its_beginning(void)
{
        json_t *json = document(".1?", "1.1", "01.");
        struct links links;

        g_assert_cmpint(links_read(json, &links), ==, 0);
        g_assert_cmpuint(links.n_nodes, ==, 3);
        g_assert_cmpuint(links.n_connected, ==, 4);
        g_assert_cmpuint(links.n_bad, ==, 2);
        g_assert_cmpint(links_state(&links, 0, 0), ==, LINK_SELF);
        g_assert_cmpint(links_state(&links, 0, 1), ==, LINK_CONNECTED);
        g_assert_cmpint(links_state(&links, 0, 2), ==, LINK_CUT);
        g_assert_cmpint(links_state(&links, 2, 0), ==, LINK_UNKNOWN);
        g_assert_cmpint(links_state(&links, 2, 1), ==, LINK_CONNECTED);
        json_decref(json);
}

static void the_list_names_both_ends(void)
{
        json_t *json = document(".11", "1.1", "01.");
        struct links links;
        json_t *list;

        g_assert_cmpint(links_read(json, &links), ==, 0);
        list = links_list(&links, false);
        g_assert_cmpuint(json_array_size(list), ==, 6);
        json_decref(list);
        list = links_list(&links, true);
        g_assert_cmpuint(json_array_size(list), ==, 1);
        g_assert_cmpstr(json_string_value(json_object_get(json_array_get(list, 0), "from")), ==,
                        "a");
        g_assert_cmpstr(json_string_value(json_object_get(json_array_get(list, 0), "to")), ==, "c");
        g_assert_cmpstr(json_string_value(json_object_get(json_array_get(list, 0), "state")), ==,
                        "cut");
        json_decref(list);
        json_decref(json);
}

static void a_lonely_node_has_no_bad_link(void)
{
        json_t *json = json_pack("{s:[{s:s,s:s}]}", "nodes", "name", "a", "hears", ".");
        struct links links;

        g_assert_cmpint(links_read(json, &links), ==, 0);
        g_assert_cmpuint(links.n_bad + links.n_connected, ==, 0);
        json_decref(json);
}

static void another_form_is_refused(void)
{
        static const char *const texts[] = {
                        "{}",
                        "{\"nodes\":{}}",
                        "{\"nodes\":[{\"name\":\"a\"}]}",
                        "{\"nodes\":[{\"name\":\"a\",\"hears\":\".1\"}]}",
                        "{\"nodes\":[{\"name\":\"a\",\"hears\":\"\"}]}",
                        "{\"nodes\":[7]}",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                json_t *json = json_loads(texts[i], 0, NULL);
                struct links links = {.n_nodes = 99};

                g_test_message("%s", texts[i]);
                g_assert_cmpint(links_read(json, &links), ==, -EBADMSG);
                g_assert_cmpuint(links.n_nodes, ==, 99);
                json_decref(json);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/links/matrix", a_link_is_connected_if_its_end_hears_its_beginning);
        g_test_add_func("/links/list", the_list_names_both_ends);
        g_test_add_func("/links/lonely", a_lonely_node_has_no_bad_link);
        g_test_add_func("/links/form", another_form_is_refused);
        return g_test_run();
}
