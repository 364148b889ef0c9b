/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

#include <errno.h>

void cmi_hex_write(const uint8_t *bytes, size_t n, char *ret_digits)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < n; i++) {
                *ret_digits++ = digits[bytes[i] >> 4];
                *ret_digits++ = digits[bytes[i] & 15];
        }
}

/* -1 for what is no digit. */
static int value_of(char digit)
{
        if (digit >= '0' && digit <= '9') {
                return digit - '0';
        }
        if (digit >= 'a' && digit <= 'f') {
                return digit - 'a' + 10;
        }
        return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

int cmi_hex_read(const char *digits, size_t n, uint8_t *ret_bytes)
{
        for (size_t i = 0; i < n; i++) {
                int high = value_of(digits[2 * i]);
                int low = high < 0 ? -1 : value_of(digits[2 * i + 1]);

                if (low < 0) {
                        return -EINVAL;
                }
                ret_bytes[i] = (uint8_t)(high << 4 | low);
        }
        return 0;
}
