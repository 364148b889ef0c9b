/* SPDX-License-Identifier: MIT */
#include "base/id.h"

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
