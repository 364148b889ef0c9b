/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/hex.h"

#include <errno.h>

/* 8-4-4-4-12 */
static const size_t groups[] = {4, 2, 2, 2, 6};

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

void cmi_id_format(const struct cmi_id *id, char ret_text[CMI_ID_TEXT_SIZE])
{
        const uint8_t *bytes = id->bytes;
        char *out = ret_text;

        for (size_t i = 0; i < N_GROUPS; i++) {
                if (i > 0) {
                        *out++ = '-';
                }
                cmi_hex_write(bytes, groups[i], out);
                bytes += groups[i];
                out += 2 * groups[i];
        }
        *out = '\0';
}

int cmi_id_parse(const char *text, struct cmi_id *ret_id)
{
        struct cmi_id id;
        uint8_t *bytes = id.bytes;

        for (size_t i = 0; i < N_GROUPS; i++) {
                if ((i > 0 && *text++ != '-') || cmi_hex_read(text, groups[i], bytes) < 0) {
                        return -EINVAL;
                }
                bytes += groups[i];
                text += 2 * groups[i];
        }
        if (*text != '\0') {
                return -EINVAL;
        }
        *ret_id = id;
        return 0;
}
