/* SPDX-License-Identifier: MIT */
#include "meshctl/arguments.h"
#include "meshctl/verbs.h"

#include <errno.h>
#include <glib.h>

/* Parse "a b c"; the words live as long as the result is looked at. */
struct parsed {
        struct arguments arguments;
        char **words;
        int outcome;
};

static struct parsed parse(const char *line)
{
        struct parsed parsed = {.words = g_strsplit(line, " ", -1)};

        parsed.outcome = arguments_parse(
                        &parsed.arguments, verbs, (int)g_strv_length(parsed.words), parsed.words);
        return parsed;
}

static void parsed_free(struct parsed *parsed)
{
        arguments_deinit(&parsed->arguments);
        g_strfreev(parsed->words);
}

static void assert_complains(const char *line, const char *part)
{
        struct parsed parsed = parse(line);

        g_test_message("%s -> %s", line, parsed.arguments.complaint);
        g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_BAD);
        g_assert_nonnull(strstr(parsed.arguments.complaint, part));
        parsed_free(&parsed);
}

static void flags_may_stand_before_and_after_the_verb(void)
{
        static const char *const lines[] = {
                        "meshctl --socket /s -o wide -q --timeout 2 --region r invalidate k",
                        "meshctl invalidate k --region r --timeout=2s -q -o wide --socket=/s",
                        "meshctl --timeout=2000ms -r r --socket /s invalidate -owide --quiet k",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                struct parsed parsed = parse(lines[i]);
                const struct arguments *arguments = &parsed.arguments;

                g_test_message("%s: %s", lines[i], arguments->complaint);
                g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
                g_assert_cmpstr(arguments->verb->name, ==, "invalidate");
                g_assert_cmpstr(arguments->socket, ==, "/s");
                g_assert_cmpint(arguments->format, ==, FORMAT_WIDE);
                g_assert_true(arguments->is_quiet);
                g_assert_cmpuint(arguments->timeout_ms, ==, 2000);
                g_assert_cmpstr(arguments_value(arguments, "region"), ==, "r");
                g_assert_cmpuint(arguments->n_operands, ==, 1);
                g_assert_cmpstr(arguments->operands[0], ==, "k");
                parsed_free(&parsed);
        }
}

static void two_dashes_end_the_flags(void)
{
        struct parsed parsed = parse("meshctl invalidate -r r -- -k --tag - --");

        g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
        g_assert_cmpuint(parsed.arguments.n_operands, ==, 4);
        g_assert_cmpstr(parsed.arguments.operands[0], ==, "-k");
        g_assert_cmpstr(parsed.arguments.operands[3], ==, "--");
        g_assert_false(arguments_has(&parsed.arguments, "tag"));
        parsed_free(&parsed);
}

static void an_optional_value_needs_its_equals_sign(void)
{
        struct parsed parsed = parse("meshctl --watch peers");

        g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
        g_assert_cmpuint(parsed.arguments.watch_ms, ==, 2000);
        parsed_free(&parsed);
        parsed = parse("meshctl peers --watch=0.5");
        g_assert_cmpuint(parsed.arguments.watch_ms, ==, 500);
        parsed_free(&parsed);
}

static void a_verb_has_its_own_default_timeout(void)
{
        struct parsed parsed = parse("meshctl peers");

        g_assert_cmpuint(parsed.arguments.timeout_ms, ==, 5000);
        g_assert_false(parsed.arguments.has_timeout);
        parsed_free(&parsed);
        parsed = parse("meshctl wait --for=live");
        g_assert_cmpuint(parsed.arguments.timeout_ms, ==, 30000);
        parsed_free(&parsed);
}

static void each_mistake_is_named(void)
{
        assert_complains("meshctl", "which verb");
        assert_complains("meshctl pears", "did you mean peers");
        assert_complains("meshctl stat", "did you mean stat");
        assert_complains("meshctl lniks", "did you mean links");
        assert_complains("meshctl xyzzy", "--help lists them");
        assert_complains("meshctl peers --wacth", "did you mean --watch");
        assert_complains("meshctl links --chekc", "did you mean --check");
        assert_complains("meshctl peers --check", "unknown flag --check of peers");
        assert_complains("meshctl --check peers", "unknown flag --check of peers");
        assert_complains("meshctl peers -z", "unknown flag -z");
        assert_complains("meshctl peers -o", "--output needs a value");
        assert_complains("meshctl peers -o xml", "formats are table, wide, json, jsonl and name");
        assert_complains("meshctl peers --color=red", "auto, always or never");
        assert_complains("meshctl peers --quiet=yes", "takes no value");
        assert_complains("meshctl peers --timeout=0", "between 1 ms and a day");
        assert_complains("meshctl peers --timeout=soon", "give seconds");
        assert_complains("meshctl peers --watch=2x", "give seconds");
        assert_complains("meshctl peers --socket=", "the path is empty");
        assert_complains("meshctl peers a", "\"a\" is too much; it takes flags only");
        assert_complains("meshctl peer", "peer needs NAME");
        assert_complains("meshctl peer a b", "\"b\" is too much; it takes NAME");
        assert_complains("meshctl invalidate k -r r --watch", "cannot be watched");
}

static void the_word_help_is_the_flag_where_a_verb_is_expected(void)
{
        static const char *const lines[] = {"meshctl help key", "meshctl --socket /s help key",
                        "meshctl help -q key", "meshctl --socket=/s help --timeout 2 key",
                        "meshctl help key new"};
        struct parsed parsed;

        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                parsed = parse(lines[i]);
                g_test_message("%s: %s", lines[i], parsed.arguments.complaint);
                g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
                g_assert_true(parsed.arguments.wants_help);
                g_assert_nonnull(parsed.arguments.verb);
                g_assert_cmpstr(parsed.arguments.verb->name, ==, "key");
                parsed_free(&parsed);
        }
        parsed = parse("meshctl -q help");
        g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
        g_assert_true(parsed.arguments.wants_help);
        g_assert_null(parsed.arguments.verb);
        parsed_free(&parsed);
        parsed = parse("meshctl -r r invalidate help"); /* a key */
        g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
        g_assert_false(parsed.arguments.wants_help);
        parsed_free(&parsed);
        assert_complains("meshctl help xyzzy", "unknown verb");
}

static void help_and_version_need_nothing_else(void)
{
        struct parsed parsed = parse("meshctl --help");

        g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
        g_assert_true(parsed.arguments.wants_help);
        g_assert_null(parsed.arguments.verb);
        parsed_free(&parsed);
        parsed = parse("meshctl peer -h");
        g_assert_cmpint(parsed.outcome, ==, ARGUMENTS_OK);
        g_assert_cmpstr(parsed.arguments.verb->name, ==, "peer");
        parsed_free(&parsed);
        parsed = parse("meshctl --version");
        g_assert_true(parsed.arguments.wants_version);
        parsed_free(&parsed);
}

/* Otherwise a flag before the verb could not be parsed. */
static void flags_of_one_name_are_alike_in_all_verbs(void)
{
        for (const struct verb *a = verbs; a->name; a++) {
                for (const struct flag *flag = a->flags; flag->name; flag++) {
                        for (const struct verb *b = verbs; b->name; b++) {
                                for (const struct flag *other = b->flags; other->name; other++) {
                                        if (flag->letter == other->letter && flag->letter) {
                                                g_assert_cmpstr(flag->name, ==, other->name);
                                        }
                                }
                        }
                        for (const struct flag *other = arguments_global_flags; other->name;
                                        other++) {
                                g_assert_cmpstr(flag->name, !=, other->name);
                                g_assert_true(!flag->letter || flag->letter != other->letter);
                        }
                }
        }
}

static void numbers_are_whole_and_within_their_bounds(void)
{
        uint64_t number = 7;

        g_assert_cmpint(arguments_number("", 0, 9, &number), ==, -EINVAL);
        g_assert_cmpint(arguments_number("-1", 0, 9, &number), ==, -EINVAL);
        g_assert_cmpint(arguments_number("1x", 0, 9, &number), ==, -EINVAL);
        g_assert_cmpint(arguments_number(" 1", 0, 9, &number), ==, -EINVAL);
        g_assert_cmpint(arguments_number("10", 0, 9, &number), ==, -ERANGE);
        g_assert_cmpint(arguments_number("99999999999999999999", 0, UINT64_MAX, &number), ==,
                        -ERANGE);
        g_assert_cmpuint(number, ==, 7);
        g_assert_cmpint(arguments_number("9", 0, 9, &number), ==, 0);
        g_assert_cmpuint(number, ==, 9);
}

static void durations_have_units(void)
{
        static const struct {
                const char *text;
                int r;
                uint32_t ms;
        } cases[] = {
                        {"1", 0, 1000},
                        {"1s", 0, 1000},
                        {"0.25", 0, 250},
                        {".5s", 0, 500},
                        {"300ms", 0, 300},
                        {"2m", 0, 120000},
                        {"1440m", 0, 86400000},
                        {"1441m", -ERANGE, 0},
                        {"0", -ERANGE, 0},
                        {"0.0001", -ERANGE, 0},
                        {"-1", -EINVAL, 0},
                        {"1h", -EINVAL, 0},
                        {"inf", -EINVAL, 0},
                        {"", -EINVAL, 0},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint32_t ms = 0;

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(arguments_duration(cases[i].text, &ms), ==, cases[i].r);
                g_assert_cmpuint(ms, ==, cases[i].ms);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/arguments/order", flags_may_stand_before_and_after_the_verb);
        g_test_add_func("/arguments/dashes", two_dashes_end_the_flags);
        g_test_add_func("/arguments/optional_value", an_optional_value_needs_its_equals_sign);
        g_test_add_func("/arguments/timeouts", a_verb_has_its_own_default_timeout);
        g_test_add_func("/arguments/mistakes", each_mistake_is_named);
        g_test_add_func("/arguments/help_word", the_word_help_is_the_flag_where_a_verb_is_expected);
        g_test_add_func("/arguments/help", help_and_version_need_nothing_else);
        g_test_add_func("/arguments/table", flags_of_one_name_are_alike_in_all_verbs);
        g_test_add_func("/arguments/numbers", numbers_are_whole_and_within_their_bounds);
        g_test_add_func("/arguments/durations", durations_have_units);
        return g_test_run();
}
