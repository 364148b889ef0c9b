/* SPDX-License-Identifier: MIT */
#include "wire/session_keys.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char head[] = "cachemesh-session-keys 1";
static const char warning[] = "# Secret: who has this file can read and make sessions of the app.";

/* Of one kind, while they are read. */
struct kind {
        const char *name;
        uint8_t (*keys)[CMI_KEY_SIZE];
        uint32_t *n;
        uint32_t n_max;
        bool has_use;
};

static bool has_key(const struct kind *kind, const uint8_t key[CMI_KEY_SIZE])
{
        for (uint32_t i = 0; i < *kind->n; i++) {
                if (memcmp(kind->keys[i], key, CMI_KEY_SIZE) == 0) {
                        return true;
                }
        }
        return false;
}

static bool begins_with(struct cmi_slice line, const char *word)
{
        size_t len = strlen(word);

        return line.len > len && memcmp(line.data, word, len) == 0;
}

/* The used one goes first. */
static int add(struct kind *kind, const uint8_t key[CMI_KEY_SIZE], bool is_use)
{
        uint32_t at = is_use ? 0 : *kind->n;

        if (is_use && kind->has_use) {
                return -EEXIST;
        }
        if (*kind->n == kind->n_max) {
                return -E2BIG;
        }
        memmove(&kind->keys[at] + 1, &kind->keys[at], (*kind->n - at) * CMI_KEY_SIZE);
        memcpy(kind->keys[at], key, CMI_KEY_SIZE);
        kind->has_use |= is_use;
        (*kind->n)++;
        return 0;
}

/* What follows the name of the kind: "use HEX" or "key HEX". */
static int read_key(struct kind kinds[2], struct kind *kind, struct cmi_slice line)
{
        uint8_t key[CMI_KEY_SIZE];
        bool is_use = begins_with(line, "use ");
        int r;

        if (!is_use && !begins_with(line, "key ")) {
                return -EBADMSG;
        }
        r = cmi_key_parse(cmi_slice((const char *)line.data + 4, line.len - 4), key);
        if (r == 0) {
                r = has_key(&kinds[0], key) || has_key(&kinds[1], key) ? -EEXIST
                                                                       : add(kind, key, is_use);
        }
        explicit_bzero(key, sizeof(key));
        return r;
}

static int read_line(struct kind kinds[2], struct cmi_slice line)
{
        if (line.len == 0 || *(const char *)line.data == '#') {
                return 0;
        }
        for (int i = 0; i < 2; i++) {
                size_t len = strlen(kinds[i].name);

                if (begins_with(line, kinds[i].name)) {
                        return read_key(kinds, &kinds[i],
                                        cmi_slice((const char *)line.data + len, line.len - len));
                }
        }
        return -EBADMSG;
}

int cmi_session_keys_parse(
                struct cmi_slice text, struct cmi_session_keys *ret_keys, uint32_t *ret_line)
{
        struct cmi_session_keys keys = {0};
        struct kind kinds[2] = {
                        {"seal ", keys.seal, &keys.n_seal, CMI_SEAL_KEYS_MAX, false},
                        {"index ", keys.index, &keys.n_index, CMI_INDEX_KEYS_MAX, false},
        };
        uint32_t n = 1;
        int r = 0;

        *ret_line = 0;
        if (text.len > CMI_KEY_FILE_MAX) {
                return -E2BIG;
        }
        if (!cmi_slice_equal(cmi_key_file_line(&text), cmi_slice_str(head))) {
                *ret_line = 1;
                return -EPROTONOSUPPORT;
        }
        while (r == 0 && text.len > 0) {
                n++;
                r = read_line(kinds, cmi_key_file_line(&text));
        }
        if (r < 0) {
                *ret_line = n;
        } else if (!kinds[0].has_use || !kinds[1].has_use) {
                r = -ENOKEY;
        } else {
                *ret_keys = keys;
        }
        explicit_bzero(&keys, sizeof(keys));
        return r;
}

static char *put(char *at, const char *text)
{
        while (*text) {
                *at++ = *text++;
        }
        return at;
}

static char *put_keys(char *at, const char *name, const uint8_t (*keys)[CMI_KEY_SIZE], uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                at = put(put(put(at, "\n"), name), i == 0 ? "use " : "key ");
                cmi_key_format(keys[i], at);
                at += CMI_KEY_HEX_SIZE;
        }
        return at;
}

size_t cmi_session_keys_format(
                const struct cmi_session_keys *keys, char ret_text[CMI_SESSION_KEYS_TEXT_SIZE])
{
        char *at = put(ret_text, head);

        at = put(put(at, "\n"), warning);
        at = put_keys(at, "seal ", keys->seal, keys->n_seal);
        at = put_keys(at, "index ", keys->index, keys->n_index);
        at = put(at, "\n");
        *at = '\0';
        return (size_t)(at - ret_text);
}
