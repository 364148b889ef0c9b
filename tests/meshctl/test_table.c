/* SPDX-License-Identifier: MIT */
#include "meshctl/table.h"

#include <glib.h>
#include <locale.h>
#include <stdlib.h>

static struct table *sample(void)
{
        struct table *table = table_new(3);

        table_title(table, "NAME", false);
        table_title(table, "LAG", true);
        table_title(table, "STATE", false);
        table_cell(table, "a*", TABLE_PLAIN);
        table_cell(table, "0", TABLE_PLAIN);
        table_cell(table, "live", TABLE_GOOD);
        table_cell(table, "münchen", TABLE_PLAIN);
        table_cell(table, "12345", TABLE_PLAIN);
        table_cell(table, "gone", TABLE_BAD);
        return table;
}

static char *printed(const struct table *table, bool has_headers, bool is_color)
{
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        table_print(table, file, has_headers, is_color);
        fclose(file);
        return text;
}

static void assert_printed(
                const struct table *table, bool has_headers, bool is_color, const char *expected)
{
        char *text = printed(table, has_headers, is_color);

        g_assert_cmpstr(text, ==, expected);
        free(text);
}

static void columns_are_as_wide_as_what_they_hold(void)
{
        struct table *table = sample();

        assert_printed(table, true, false,
                        "NAME       LAG  STATE\n"
                        "a*           0  live\n"
                        "münchen  12345  gone\n");
        table_free(table);
}

static void without_headers_their_width_does_not_count(void)
{
        struct table *table = table_new(2);

        table_title(table, "LONG TITLE", false);
        table_title(table, "B", false);
        table_cell(table, "x", TABLE_PLAIN);
        table_cell(table, "y", TABLE_PLAIN);
        assert_printed(table, false, false, "x  y\n");
        assert_printed(table, true, false, "LONG TITLE  B\nx           y\n");
        table_free(table);
}

static void colour_changes_no_width(void)
{
        struct table *table = sample();

        assert_printed(table, false, true,
                        "a*           0  \033[32mlive\033[0m\n"
                        "münchen  12345  \033[31;1mgone\033[0m\n");
        table_free(table);
}

static void an_empty_table_has_its_headline(void)
{
        struct table *table = table_new(1);

        table_title(table, "NAME", false);
        assert_printed(table, true, false, "NAME\n");
        assert_printed(table, false, false, "");
        table_free(table);
}

static void a_row_that_is_not_full_is_not_printed(void)
{
        struct table *table = table_new(2);

        table_title(table, "A", false);
        table_title(table, "B", false);
        table_cell(table, "x", TABLE_PLAIN);
        assert_printed(table, true, false, "A  B\n");
        table_free(table);
}

static void many_rows_are_kept(void)
{
        struct table *table = table_new(1);
        char *text;

        table_title(table, "N", true);
        for (int i = 0; i < 1000; i++) {
                char cell[16];

                g_snprintf(cell, sizeof(cell), "%d", i);
                table_cell(table, cell, TABLE_PLAIN);
        }
        text = printed(table, false, false);
        g_assert_true(g_str_has_prefix(text, "  0\n  1\n"));
        g_assert_true(g_str_has_suffix(text, "\n999\n"));
        free(text);
        table_free(table);
}

static void only_printable_text_reaches_the_screen(void)
{
        static const struct {
                const char *text, *expected;
        } cases[] = {
                        {"plain", "plain"}, {"grün", "grün"}, {"\xe6\xbc\xa2", "\xe6\xbc\xa2"},
                        {"\033[2Jx", "?[2Jx"}, {"a\nb\tc", "a?b?c"},
                        {"\xc2\x9b", "?"},  /* U+009B, an escape of its own on some terminals */
                        {"\xff\xfe", "??"}, /* no UTF-8 */
                        {"\xc0\xaf", "??"}, /* longer than needed */
                        {"\xed\xa0\x80", "???"},      /* half of a surrogate pair */
                        {"\xe2\x82", "??"},           /* cut off */
                        {"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char *text = table_printable(cases[i].text);

                g_assert_cmpstr(text, ==, cases[i].expected);
                free(text);
        }
}

static void width_is_that_on_screen(void)
{
        g_assert_cmpuint(table_width(""), ==, 0);
        g_assert_cmpuint(table_width("abc"), ==, 3);
        g_assert_cmpuint(table_width("münchen"), ==, 7);
        g_assert_cmpuint(table_width("\xe6\xbc\xa2"), ==, 2);
        g_assert_cmpuint(table_width("e\xcc\x81"), ==, 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        setlocale(LC_CTYPE, "C.UTF-8");
        g_test_add_func("/table/widths", columns_are_as_wide_as_what_they_hold);
        g_test_add_func("/table/headers", without_headers_their_width_does_not_count);
        g_test_add_func("/table/colour", colour_changes_no_width);
        g_test_add_func("/table/empty", an_empty_table_has_its_headline);
        g_test_add_func("/table/partial", a_row_that_is_not_full_is_not_printed);
        g_test_add_func("/table/many", many_rows_are_kept);
        g_test_add_func("/table/printable", only_printable_text_reaches_the_screen);
        g_test_add_func("/table/width", width_is_that_on_screen);
        return g_test_run();
}
