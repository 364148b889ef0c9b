/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the tests of wire/ share: bytes from hex text, and copies that end where the bytes end, so
 * that ASan and valgrind see one byte too many.
 */
#include "base/bytes.h"

#include <glib.h>
#include <stdint.h>

/* "93 01 c4 00": spaces as you like; a '#' hides the rest of its line. */
static inline GByteArray *bytes_of_hex(const char *hex)
{
        GByteArray *bytes = g_byte_array_new();
        int high = -1;

        for (; *hex != '\0'; hex++) {
                int digit = g_ascii_xdigit_value(*hex);

                if (*hex == '#') {
                        hex += strcspn(hex, "\n");
                        if (*hex == '\0') {
                                break;
                        }
                }
                if (digit >= 0 && high >= 0) {
                        guint8 byte = (guint8)(high << 4 | digit);

                        g_byte_array_append(bytes, &byte, 1);
                        high = -1;
                } else if (digit >= 0) {
                        high = digit;
                } else {
                        g_assert_true(g_ascii_isspace(*hex));
                }
        }
        g_assert_cmpint(high, ==, -1);
        return bytes;
}

/* What is in them, borrowed. */
static inline struct cmi_slice slice_of(const GByteArray *bytes)
{
        return cmi_slice(bytes->data, bytes->len);
}

static inline char *hex_of(struct cmi_slice bytes)
{
        GString *hex = g_string_new(NULL);

        for (size_t i = 0; i < bytes.len; i++) {
                g_string_append_printf(hex, "%02x", ((const uint8_t *)bytes.data)[i]);
        }
        return g_string_free(hex, FALSE);
}

/* A copy on the heap of exactly this length; free with g_free(). */
static inline struct cmi_slice exact_copy(struct cmi_slice bytes)
{
        return cmi_slice(g_memdup2(bytes.data, bytes.len), bytes.len);
}

static inline void assert_same_bytes(struct cmi_slice got, struct cmi_slice want)
{
        g_autofree char *got_hex = hex_of(got);
        g_autofree char *want_hex = hex_of(want);

        g_assert_cmpstr(got_hex, ==, want_hex);
}

static inline void assert_is_hex(struct cmi_slice got, const char *hex)
{
        g_autoptr(GByteArray) want = bytes_of_hex(hex);

        assert_same_bytes(got, slice_of(want));
}

typedef int decode_fn(struct cmi_slice bytes);

/* A message that decodes must not do so any more when bytes of its end are missing. */
static inline void assert_truncation_is_refused(struct cmi_slice bytes, decode_fn *decode)
{
        for (size_t len = 0; len < bytes.len; len++) {
                struct cmi_slice cut = exact_copy(cmi_slice(bytes.data, len));

                g_assert_cmpint(decode(cut), <, 0);
                g_free((void *)cut.data);
        }
}

/*
 * Changes that keep a message near to a valid one; @decode must survive them (nothing else is
 * asked).
 */
static inline void mutate_and_decode(struct cmi_slice bytes, decode_fn *decode, guint32 seed)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(seed);

        for (int round = 0; round < 2000; round++) {
                struct cmi_slice copy = exact_copy(bytes);
                uint8_t *at = (uint8_t *)copy.data;
                int n = g_rand_int_range(random, 1, 5);

                for (int i = 0; i < n; i++) {
                        at[g_rand_int_range(random, 0, (gint32)copy.len)] =
                                        (uint8_t)g_rand_int(random);
                }
                copy.len = (size_t)g_rand_int_range(random, 0, (gint32)bytes.len + 1);
                decode(g_rand_boolean(random) ? copy : cmi_slice(at, bytes.len));
                g_free(at);
        }
}

/* $CM_TEST_SEED, or a new one; printed, so that a failure can be repeated. */
static inline guint32 test_seed(void)
{
        const char *given = g_getenv("CM_TEST_SEED");
        guint32 seed = given != NULL ? (guint32)g_ascii_strtoull(given, NULL, 10) : g_random_int();

        g_test_message("CM_TEST_SEED=%u", seed);
        return seed;
}
