/* SPDX-License-Identifier: MIT */
#include "meshd/io/logger.h"

#include "base/time.h"

#include <glib.h>
#include <string.h>

static void expect(struct cmi_slice value, const char *wanted)
{
        char text[4 * LOGGER_VALUE_MAX + 8];
        size_t n = logger_format_value(value, text, sizeof(text));

        g_assert_cmpstr(text, ==, wanted);
        g_assert_cmpuint(n, ==, strlen(wanted));
}

static void words_stay_as_they_are_and_the_rest_is_quoted(void)
{
        expect(cmi_slice_str("word-1.2:3"), "word-1.2:3");
        expect(cmi_slice_str(""), "\"\"");
        expect(cmi_slice_str("two words"), "\"two words\"");
        expect(cmi_slice_str("a=b"), "\"a=b\"");
        expect(cmi_slice_str("say \"x\" \\"), "\"say \\\"x\\\" \\\\\"");
}

static void nobody_can_begin_a_new_line_or_hide_text(void)
{
        expect(cmi_slice_str("x\nlevel=error"), "\"x\\x0alevel=error\"");
        expect(cmi_slice("a\0b", 3), "\"a\\x00b\"");
        expect(cmi_slice_str("\x1b[31m"), "\"\\x1b[31m\"");
        expect(cmi_slice_str("\x7f"), "\"\\x7f\"");
        expect(cmi_slice_str("\xc2\x9b"), "\"\\xc2\\x9b\"");          /* C1 control */
        expect(cmi_slice_str("\xe2\x80\xae"), "\"\\xe2\\x80\\xae\""); /* right-to-left override */
        expect(cmi_slice_str("\xe2\x80\xa8"), "\"\\xe2\\x80\\xa8\""); /* line separator */
}

static void only_good_utf8_passes(void)
{
        expect(cmi_slice_str("K\xc3\xb6ln"), "\"K\xc3\xb6ln\"");
        expect(cmi_slice_str("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\"");
        expect(cmi_slice_str("\xc3"), "\"\\xc3\"");
        expect(cmi_slice_str("\xc0\xaf"), "\"\\xc0\\xaf\"");                   /* overlong */
        expect(cmi_slice_str("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");          /* surrogate */
        expect(cmi_slice_str("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\""); /* beyond the end */
}

static void long_values_are_cut_and_say_so(void)
{
        char value[LOGGER_VALUE_MAX + 1];
        char text[4 * LOGGER_VALUE_MAX + 8];
        size_t n;

        memset(value, 'x', sizeof(value));
        n = logger_format_value(cmi_slice(value, sizeof(value)), text, sizeof(text));
        g_assert_cmpuint(n, ==, LOGGER_VALUE_MAX + strlen("\"...\""));
        g_assert_true(g_str_has_suffix(text, "x...\""));
        for (size_t room = 8; room < 64; room++) {
                memset(text, 'y', sizeof(text));
                n = logger_format_value(
                                cmi_slice("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", 15), text, room);
                g_assert_cmpuint(n, <, room);
                g_assert_cmpuint(strlen(text), ==, n);
                g_assert_true(text[room] == 'y');
                g_assert_true(g_str_has_suffix(text, "\""));
        }
}

static void any_bytes_give_one_printable_line(void)
{
        GRand *random = g_rand_new_with_seed(1);

        for (int i = 0; i < 20000; i++) {
                char value[40];
                char text[4 * LOGGER_VALUE_MAX + 8];
                size_t len = (size_t)g_rand_int_range(random, 0, sizeof(value));
                size_t n;

                for (size_t j = 0; j < len; j++) {
                        value[j] = (char)g_rand_int_range(random, 0, 256);
                }
                n = logger_format_value(cmi_slice(value, len), text, sizeof(text));
                g_assert_true(g_utf8_validate(text, (gssize)n, NULL));
                for (size_t j = 0; j < n; j++) {
                        g_assert_true((unsigned char)text[j] >= 0x20 && text[j] != 0x7f);
                }
        }
        g_rand_free(random);
}

static void a_flood_of_one_event_is_cut_and_counted(void)
{
        struct logger_budget budget = {0};
        uint64_t now_ns = CMI_NS_PER_S;
        uint64_t n_suppressed = 0;
        int n_written = 0;

        for (int i = 0; i < 1000; i++) {
                n_written += logger_budget_take(&budget, now_ns, &n_suppressed);
        }
        g_assert_cmpint(n_written, ==, LOGGER_BURST);
        now_ns += CMI_NS_PER_S;
        g_assert_cmpint(logger_budget_take(&budget, now_ns, &n_suppressed), ==, 1);
        g_assert_cmpuint(n_suppressed, ==, 1000 - LOGGER_BURST);
        g_assert_cmpint(logger_budget_take(&budget, now_ns, &n_suppressed), ==, 0);
}

static void a_line_that_repeats_itself_comes_once_a_minute_with_the_count(void)
{
        struct logger_causes causes = {0};
        uint64_t now_ns = CMI_NS_PER_S;
        uint64_t n_suppressed = 0;
        int n_written = 0;

        for (int i = 0; i < 240; i++, now_ns += CMI_NS_PER_S / 4) {
                n_written += logger_causes_take(&causes, 1, now_ns, &n_suppressed);
        }
        g_assert_cmpint(n_written, ==, 1);
        g_assert_cmpint(logger_causes_take(&causes, 2, now_ns, &n_suppressed), ==, 1);
        g_assert_cmpuint(n_suppressed, ==, 0);
        g_assert_cmpint(logger_causes_take(&causes, 1, now_ns, &n_suppressed), ==, 1);
        g_assert_cmpuint(n_suppressed, ==, 239);
}

static void many_causes_are_bounded_and_the_oldest_is_forgotten(void)
{
        struct logger_causes causes = {0};
        uint64_t n_suppressed;

        for (uint64_t i = 1; i <= LOGGER_CAUSES_MAX + 1; i++) {
                g_assert_cmpint(logger_causes_take(&causes, i, i, &n_suppressed), ==, 1);
        }
        g_assert_cmpint(logger_causes_take(&causes, 2, 100, &n_suppressed), ==, 0);
        g_assert_cmpint(logger_causes_take(&causes, 1, 100, &n_suppressed), ==, 1);
}

static void log_like_a_refused_node(void)
{
        for (int i = 0; i < 100; i++) {
                logger_cause(LOGGER_WARNING, "peer.refused", L_TEXT("msg", "a: a copy"));
                logger_cause(LOGGER_WARNING, "peer.refused", L_TEXT("msg", "b: a copy"));
        }
}

static void each_cause_has_a_line_of_its_own(void)
{
        if (g_test_subprocess()) {
                log_like_a_refused_node();
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*msg=\"a: a copy\"*msg=\"b: a copy\"*");
        g_test_trap_assert_stderr_unmatched("*a copy*a copy*a copy*");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/logger/words", words_stay_as_they_are_and_the_rest_is_quoted);
        g_test_add_func("/logger/forged", nobody_can_begin_a_new_line_or_hide_text);
        g_test_add_func("/logger/utf8", only_good_utf8_passes);
        g_test_add_func("/logger/cut", long_values_are_cut_and_say_so);
        g_test_add_func("/logger/fuzz", any_bytes_give_one_printable_line);
        g_test_add_func("/logger/flood", a_flood_of_one_event_is_cut_and_counted);
        g_test_add_func("/logger/repeated",
                        a_line_that_repeats_itself_comes_once_a_minute_with_the_count);
        g_test_add_func("/logger/causes", many_causes_are_bounded_and_the_oldest_is_forgotten);
        g_test_add_func("/logger/cause", each_cause_has_a_line_of_its_own);
        return g_test_run();
}
