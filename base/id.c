/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include <errno.h>

void cmi_id_format(const struct cmi_id *id, char ret_text[CMI_ID_TEXT_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        char *out = ret_text;

        for (int i = 0; i < CMI_ID_SIZE; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10) {
                        *out++ = '-';
                }
                *out++ = digits[id->bytes[i] >> 4];
                *out++ = digits[id->bytes[i] & 15];
        }
        *out = '\0';
}

/* -1 for what is no hexadecimal digit. */
static int digit_value(char digit)
{
        if (digit >= '0' && digit <= '9') {
                return digit - '0';
        }
        if (digit >= 'a' && digit <= 'f') {
                return digit - 'a' + 10;
        }
        if (digit >= 'A' && digit <= 'F') {
                return digit - 'A' + 10;
        }
        return -1;
}

int cmi_id_parse(const char *text, struct cmi_id *ret_id)
{
        struct cmi_id id;

        for (int i = 0; i < CMI_ID_SIZE; i++) {
                int high, low;

                if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-') {
                        return -EINVAL;
                }
                high = digit_value(text[0]);
                low = high < 0 ? -1 : digit_value(text[1]);
                if (low < 0) {
                        return -EINVAL;
                }
                id.bytes[i] = (uint8_t)(high << 4 | low);
                text += 2;
        }
        if (*text != '\0') {
                return -EINVAL;
        }
        *ret_id = id;
        return 0;
}
