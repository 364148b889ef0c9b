/* SPDX-License-Identifier: MIT */
#include "wire/text.h"

#include <stdint.h>

/*
 * Bytes of the sequence that begins with @first and the smallest code point that may need them; 0
 * for a bad byte.
 */
static size_t sequence(uint8_t first, uint32_t *ret_bits, uint32_t *ret_min)
{
        if (first >= 0xc2 && first < 0xe0) {
                *ret_bits = first & 0x1f;
                *ret_min = 0xa0; /* below it: C1 controls */
                return 2;
        }
        if (first >= 0xe0 && first < 0xf0) {
                *ret_bits = first & 0x0f;
                *ret_min = 0x800;
                return 3;
        }
        if (first >= 0xf0 && first < 0xf5) {
                *ret_bits = first & 0x07;
                *ret_min = 0x10000;
                return 4;
        }
        return 0;
}

/* Bytes of the clean sequence at @at; 0 if there is none. */
static size_t clean_sequence(const uint8_t *at, size_t left)
{
        uint32_t point = 0;
        uint32_t min = 0;
        size_t n = sequence(*at, &point, &min);

        if (n == 0 || n > left) {
                return 0;
        }
        for (size_t i = 1; i < n; i++) {
                if ((at[i] & 0xc0) != 0x80) {
                        return 0;
                }
                point = point << 6 | (at[i] & 0x3f);
        }
        if (point < min || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
                return 0;
        }
        return n;
}

bool cmi_text_is_clean(struct cmi_slice text)
{
        const uint8_t *bytes = text.data;
        size_t n;

        for (size_t i = 0; i < text.len; i += n) {
                n = bytes[i] >= 0x20 && bytes[i] < 0x7f ? 1
                                                        : clean_sequence(bytes + i, text.len - i);
                if (n == 0) {
                        return false;
                }
        }
        return true;
}
