/* SPDX-License-Identifier: MIT */
#include "demo-app/visit.h"

#include <glib.h>
#include <string.h>

static struct visit sample(void)
{
        struct visit visit;

        g_assert_cmpint(visit_begin(&visit, "anna", "node-1", 1234567890123), ==, 0);
        visit.form.revision = 7;
        visit.form.step = 3;
        strcpy(visit.form.name, "\xc3\x84pfel & <b>");
        strcpy(visit.form.with, "ben");
        return visit;
}

static void what_is_packed_is_read_as_it_was(void)
{
        struct visit visit = sample(), again;
        char packed[VISIT_PACKED_MAX];
        size_t len = visit_pack(&visit, packed);

        g_assert_true(visit_unpack(packed, len, &again));
        g_assert_cmpstr(again.person, ==, "anna");
        g_assert_cmpstr(again.token, ==, visit.token);
        g_assert_cmpstr(again.node, ==, "node-1");
        g_assert_cmpuint(again.begin_ms, ==, 1234567890123);
        g_assert_cmpuint(again.form.revision, ==, 7);
        g_assert_cmpuint(again.form.step, ==, 3);
        g_assert_cmpstr(again.form.name, ==, visit.form.name);
        g_assert_cmpstr(again.form.with, ==, "ben");
}

static void the_longest_visit_fits(void)
{
        struct visit visit, again;
        g_autofree char *node = g_strnfill(VISIT_NODE_MAX, 'n');
        g_autofree char *person = g_strnfill(NAME_PERSON_MAX, 'p');
        g_autofree char *name = g_strnfill(NAME_FOLDER_MAX, 'f');
        char packed[VISIT_PACKED_MAX];
        size_t len;

        g_assert_cmpint(visit_begin(&visit, person, node, UINT64_MAX), ==, 0);
        visit.form.revision = UINT32_MAX;
        visit.form.step = VISIT_STEPS;
        strcpy(visit.form.name, name);
        strcpy(visit.form.with, person);
        len = visit_pack(&visit, packed);
        g_assert_cmpuint(len, <, VISIT_PACKED_MAX);
        g_assert_true(visit_unpack(packed, len, &again));
        g_assert_cmpstr(again.form.with, ==, person);
}

static void no_two_visits_have_one_token(void)
{
        struct visit one = sample(), two = sample();

        g_assert_cmpstr(one.token, !=, two.token);
        g_assert_true(visit_has_token(&one, one.token));
        g_assert_false(visit_has_token(&one, two.token));
        g_assert_false(visit_has_token(&one, ""));
        g_assert_false(visit_has_token(&(struct visit){0}, ""));
}

static void assert_unread(const char *text)
{
        struct visit visit;

        if (visit_unpack(text, strlen(text), &visit)) {
                g_test_message("read: %s", text);
                g_test_fail();
        }
}

#define TOKEN "0123456789abcdef0123456789abcdef"

static void what_is_not_valid_is_not_read(void)
{
        struct visit visit;
        static const char good[] = "demo-visit 1\nanna\n" TOKEN "\n1\nn\n1\n1\n\n\n";

        g_assert_true(visit_unpack(good, strlen(good), &visit));
        assert_unread("");
        assert_unread("demo-visit 2\nanna\n" TOKEN "\n1\nn\n1\n1\n\n\n");
        assert_unread("demo-visit 1\nAnna\n" TOKEN "\n1\nn\n1\n1\n\n\n");
        assert_unread("demo-visit 1\nanna\n\n1\nn\n1\n1\n\n\n");
        assert_unread("demo-visit 1\nanna\n0123456789abcdef0123456789abcde\"\n1\nn\n1\n1\n\n\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n-1\nn\n1\n1\n\n\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n1\n\n1\n1\n\n\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n1\nn\n4294967296\n1\n\n\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n1\nn\n1\n0\n\n\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n1\nn\n1\n4\n\n\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n1\nn\n1\n2\n\n\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n1\nn\n1\n3\nx\nBEN\n");
        assert_unread("demo-visit 1\nanna\n" TOKEN "\n1\nn\n1\n1\n\n\nmore\n");
        g_assert_false(visit_unpack(good, strlen(good) - 1, &visit));
        g_assert_false(visit_unpack(good, sizeof(good), &visit));
}

/* Bytes that are changed, cut or put in: it is read as it was written, or not at all. */
static void noise_is_not_read(void)
{
        GRand *random = g_rand_new_with_seed(11);
        struct visit visit = sample(), again;
        char packed[VISIT_PACKED_MAX], second[VISIT_PACKED_MAX];

        for (int round = 0; round < 20000; round++) {
                size_t len = visit_pack(&visit, packed);

                for (int i = g_rand_int_range(random, 1, 4); i > 0; i--) {
                        packed[g_rand_int_range(random, 0, (gint32)len)] =
                                        (char)g_rand_int_range(random, 0, 256);
                }
                if (g_rand_int_range(random, 0, 4) == 0) {
                        len = (size_t)g_rand_int_range(random, 0, VISIT_PACKED_MAX + 1);
                }
                if (visit_unpack(packed, len, &again)) {
                        g_assert_cmpuint(visit_pack(&again, second), ==, len);
                        g_assert_cmpmem(packed, len, second, len);
                }
        }
        g_rand_free(random);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/visit/what_is_packed_is_read_as_it_was",
                        what_is_packed_is_read_as_it_was);
        g_test_add_func("/visit/the_longest_visit_fits", the_longest_visit_fits);
        g_test_add_func("/visit/no_two_visits_have_one_token", no_two_visits_have_one_token);
        g_test_add_func("/visit/what_is_not_valid_is_not_read", what_is_not_valid_is_not_read);
        g_test_add_func("/visit/noise_is_not_read", noise_is_not_read);
        return g_test_run();
}
