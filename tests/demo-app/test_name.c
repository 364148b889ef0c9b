/* SPDX-License-Identifier: MIT */
#include "demo-app/name.h"

#include <glib.h>

static void people_have_plain_names(void)
{
        static const char *const good[] = {
                        "a", "anna", "anna-2", "a2345678901234567890123456789012"};
        static const char *const bad[] = {"", "Anna", "2anna", "-a", "an na", "anna/", "../a",
                        "\xc3\xa4", "a23456789012345678901234567890123"};

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_assert_true(name_is_person(good[i]));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_false(name_is_person(bad[i]));
        }
}

static void folders_have_any_text_of_one_line(void)
{
        static const char *const good[] = {"a", "Plans 2027", "<b>&\"'", "\xc3\xa4", "\xe2\x82\xac",
                        "\xf0\x9f\x93\x81", "' OR 1=1 --"};
        /* Control characters, wrong UTF-8 of all kinds, marks that turn the
         * direction of what follows. */
        static const char *const bad[] = {"", " ", "a\nb", "a\tb", "a\x7f", "\xc2\x85", "\xc0\xaf",
                        "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3",
                        "\xe2\x80\xae.txt", "\xe2\x81\xa6.txt", "\xe2\x80\xa8"};

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_assert_true(name_is_folder(good[i]));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_false(name_is_folder(bad[i]));
        }
}

static void a_folder_name_ends_at_64_bytes(void)
{
        g_autofree char *longest = g_strnfill(NAME_FOLDER_MAX, 'x');
        g_autofree char *longer = g_strnfill(NAME_FOLDER_MAX + 1, 'x');

        g_assert_true(name_is_folder(longest));
        g_assert_false(name_is_folder(longer));
}

static void a_character_that_is_cut_off_at_the_end_is_not_read_over(void)
{
        g_autofree char *name = g_strndup("\xf0\x9f\x93", 3);

        g_assert_false(name_is_folder(name));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/name/people_have_plain_names", people_have_plain_names);
        g_test_add_func("/name/folders_have_any_text_of_one_line",
                        folders_have_any_text_of_one_line);
        g_test_add_func("/name/a_folder_name_ends_at_64_bytes", a_folder_name_ends_at_64_bytes);
        g_test_add_func("/name/a_character_that_is_cut_off_at_the_end_is_not_read_over",
                        a_character_that_is_cut_off_at_the_end_is_not_read_over);
        return g_test_run();
}
