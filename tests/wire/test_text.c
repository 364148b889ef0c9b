/* SPDX-License-Identifier: MIT */
#include "tests/wire/bytes.h"
#include "wire/text.h"

static bool is_clean(const char *bytes, size_t len)
{
        struct cmi_slice copy = exact_copy(cmi_slice(bytes, len));
        bool clean = cmi_text_is_clean(copy);

        g_free((void *)copy.data);
        return clean;
}

static void text_in_utf_8_is_clean(void)
{
        static const char *const texts[] = {"", "a", "node-1.example", " ~", "caf\u00e9",
                        "\u65e5\u672c", "\U0001f600", "\u00a0", "\uffff", "\ud7ff", "\ue000",
                        "\U0010ffff"};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_assert_true(is_clean(texts[i], strlen(texts[i])));
        }
}

static void control_characters_are_not_clean(void)
{
        for (int c = 0; c < 0x20; c++) {
                g_assert_false(is_clean((char[]){'a', (char)c}, 2));
        }
        g_assert_false(is_clean("\x7f", 1));
        g_assert_false(is_clean("\xc2\x80", 2));
        g_assert_false(is_clean("\xc2\x9b", 2)); /* a terminal's CSI in one character */
        g_assert_false(is_clean("\xc2\x9f", 2));
}

static void broken_utf_8_is_not_clean(void)
{
        static const char *const texts[] = {
                        "\x80", "\xbf", "\xff", "\xfe", "\xc3", "\xc3\x28", "\xe2\x82",
                        "\xe2\x28\xa1", "\xf0\x9f\x98", "\xf0\x9f\x28\x80", "\xc0\xaf",
                        "\xc1\xbf",                             /* overlong */
                        "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",     /* overlong */
                        "\xed\xa0\x80", "\xed\xbf\xbf",         /* surrogates */
                        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", /* too large */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_assert_false(is_clean(texts[i], strlen(texts[i])));
        }
}

/* GLib's check and ours differ only in control characters. */
static void glib_agrees_on_random_bytes(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(test_seed());
        static const uint8_t starts[] = {'a', 0xc2, 0xc3, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xff};
        int n_clean = 0;

        for (int round = 0; round < 200000; round++) {
                uint8_t bytes[4];
                bool has_control = false;
                bool want;

                bytes[0] = starts[g_rand_int_range(random, 0, G_N_ELEMENTS(starts))];
                for (size_t i = 1; i < sizeof(bytes); i++) {
                        bytes[i] = (uint8_t)(g_rand_int(random) % 4 == 0
                                                             ? g_rand_int(random)
                                                             : 0x80 | g_rand_int(random) % 64);
                }
                want = g_utf8_validate_len((const char *)bytes, sizeof(bytes), NULL);
                for (const char *at = (const char *)bytes;
                                want && at < (const char *)bytes + sizeof(bytes);
                                at = g_utf8_next_char(at)) {
                        gunichar c = g_utf8_get_char(at);

                        has_control |= c < 0x20 || (c >= 0x7f && c < 0xa0);
                }
                g_assert_cmpint(is_clean((const char *)bytes, sizeof(bytes)), ==,
                                want && !has_control);
                n_clean += want && !has_control;
        }
        g_assert_cmpint(n_clean, >, 1000);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/text/" #name, name)
        CASE(text_in_utf_8_is_clean);
        CASE(control_characters_are_not_clean);
        CASE(broken_utf_8_is_not_clean);
        CASE(glib_agrees_on_random_bytes);
        return g_test_run();
}
