/* SPDX-License-Identifier: MIT */
#include "wire/key_file.h"

#include "base/hex.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char head[] = "cachemesh-keys 1";
static const char warning[] = "# Secret: who has this file is a member of the mesh.";

static bool is_zero(const uint8_t key[CMI_KEY_SIZE])
{
        uint8_t all = 0;

        for (int i = 0; i < CMI_KEY_SIZE; i++) {
                all |= key[i];
        }
        return all == 0;
}

int cmi_key_parse(struct cmi_slice hex, uint8_t ret_key[CMI_KEY_SIZE])
{
        if (hex.len != CMI_KEY_HEX_SIZE || cmi_hex_read(hex.data, CMI_KEY_SIZE, ret_key) < 0) {
                return -EBADMSG;
        }
        return is_zero(ret_key) ? -EBADMSG : 0;
}

void cmi_key_format(const uint8_t key[CMI_KEY_SIZE], char ret_hex[CMI_KEY_HEX_SIZE])
{
        cmi_hex_write(key, CMI_KEY_SIZE, ret_hex);
}

static bool has_key(const struct cmi_key_file *file, const uint8_t key[CMI_KEY_SIZE])
{
        for (uint32_t i = 0; i < file->n_keys; i++) {
                if (memcmp(file->keys[i], key, CMI_KEY_SIZE) == 0) {
                        return true;
                }
        }
        return false;
}

struct cmi_slice cmi_key_file_line(struct cmi_slice *text)
{
        const char *begin = (const char *)text->data;
        const char *end = text->len ? memchr(begin, '\n', text->len) : NULL;
        size_t n = end ? (size_t)(end - begin) : text->len;
        struct cmi_slice line = cmi_slice(begin, n);

        *text = cmi_slice(begin + n + (end != NULL), text->len - n - (end != NULL));
        while (line.len > 0 && (begin[line.len - 1] == ' ' || begin[line.len - 1] == '\t' ||
                                               begin[line.len - 1] == '\r')) {
                line.len--;
        }
        return line;
}

static int read_line(struct cmi_key_file *file, struct cmi_slice line, bool *has_use)
{
        const char *at = (const char *)line.data;
        bool is_use = line.len > 4 && memcmp(at, "use ", 4) == 0;
        int r;

        if (line.len == 0 || at[0] == '#') {
                return 0;
        }
        if (!is_use && (line.len < 4 || memcmp(at, "key ", 4) != 0)) {
                return -EBADMSG;
        }
        if (file->n_keys == CMI_KEYS_MAX) {
                return -E2BIG;
        }
        r = cmi_key_parse(cmi_slice(at + 4, line.len - 4), file->keys[file->n_keys]);
        if (r < 0) {
                return r;
        }
        if ((is_use && *has_use) || has_key(file, file->keys[file->n_keys])) {
                return -EEXIST;
        }
        if (is_use) {
                file->used = file->n_keys;
                *has_use = true;
        }
        file->n_keys++;
        return 0;
}

int cmi_key_file_parse(struct cmi_slice text, struct cmi_key_file *ret_file, uint32_t *ret_line)
{
        struct cmi_key_file file = {0};
        bool has_use = false;
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
                r = read_line(&file, cmi_key_file_line(&text), &has_use);
        }
        if (r < 0) {
                *ret_line = n;
        } else if (!has_use) {
                r = -ENOKEY;
        } else {
                *ret_file = file;
        }
        explicit_bzero(&file, sizeof(file));
        return r;
}

static char *put(char *at, const char *text)
{
        while (*text) {
                *at++ = *text++;
        }
        return at;
}

size_t cmi_key_file_format(const struct cmi_key_file *file, char ret_text[CMI_KEY_FILE_TEXT_SIZE])
{
        char *at = put(ret_text, head);

        at = put(put(at, "\n"), warning);
        for (uint32_t i = 0; i < file->n_keys; i++) {
                at = put(at, i == file->used ? "\nuse " : "\nkey ");
                cmi_key_format(file->keys[i], at);
                at += CMI_KEY_HEX_SIZE;
        }
        at = put(at, "\n");
        *at = '\0';
        return (size_t)(at - ret_text);
}
