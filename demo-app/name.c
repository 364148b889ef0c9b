/* SPDX-License-Identifier: MIT */
#include "demo-app/name.h"

#include <stdint.h>
#include <string.h>

static bool is_lower(char c)
{
        return c >= 'a' && c <= 'z';
}

bool name_is_person(const char *name)
{
        size_t n = strnlen(name, NAME_PERSON_MAX + 1);

        if (n > NAME_PERSON_MAX || !is_lower(name[0])) {
                return false;
        }
        for (size_t i = 0; i < n; i++) {
                if (!is_lower(name[i]) && !(name[i] >= '0' && name[i] <= '9') && name[i] != '-') {
                        return false;
                }
        }
        return true;
}

/* How many bytes the character at @text has; 0 if it is none (RFC 3629: no overlong
 * forms, no surrogates). */
static size_t character_length(const unsigned char *text)
{
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = text[0] < 0x80             ? 1
                   : (text[0] & 0xe0) == 0xc0 ? 2
                   : (text[0] & 0xf0) == 0xe0 ? 3
                   : (text[0] & 0xf8) == 0xf0 ? 4
                                              : 0;
        uint32_t c = n < 2 ? text[0] : text[0] & (0x7fu >> n);

        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80) {
                        return 0;
                }
                c = c << 6 | (text[i] & 0x3f);
        }
        if (n > 1 && (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))) {
                return 0;
        }
        /* Control characters, those of C1 too, and the marks that turn the
         * direction of what follows. */
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
                        (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029) {
                return 0;
        }
        return n;
}

bool name_is_folder(const char *name)
{
        const unsigned char *at = (const unsigned char *)name;
        bool is_blank = true;

        if (strnlen(name, NAME_FOLDER_MAX + 1) > NAME_FOLDER_MAX) {
                return false;
        }
        while (*at) {
                size_t n = character_length(at);

                if (n == 0) {
                        return false;
                }
                is_blank = is_blank && *at == ' ';
                at += n;
        }
        return !is_blank;
}
