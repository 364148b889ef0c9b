/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The text of a key file: the mesh's keys, which meshctl makes and meshd reads and writes again.
 * This file decides the text only; who may read the file, and what is made of a key, is decided in
 * meshd.
 *
 *     cachemesh-keys 1
 *     # a comment
 *     use 64 hex digits
 *     key 64 hex digits
 *
 * The first line names the version. There is one "use" line, the key of what this node sends, and
 * up to two "key" lines, which are accepted as well.
 */
#include "base/bytes.h"

#include <stdint.h>

#define CMI_KEY_SIZE 32
#define CMI_KEY_HEX_SIZE 64 /* two digits a byte */
#define CMI_KEYS_MAX 3
#define CMI_KEY_FILE_MAX 4096 /* bytes of a file, with its comments */
#define CMI_KEY_FILE_TEXT_SIZE 512

/* Secret: whoever has one wipes it. */
struct cmi_key_file {
        uint32_t n_keys;
        uint32_t used; /* which one of them is for sending */
        uint8_t keys[CMI_KEYS_MAX][CMI_KEY_SIZE];
};

/**
 * cmi_key_parse() - read one key
 * @hex:     CMI_KEY_HEX_SIZE digits, of either case
 * @ret_key: secret
 *
 * Return: 0, or -EBADMSG, also for a key of zeros, which is a mistake of whoever wrote it; then
 *         @ret_key may hold a part of it.
 */
int cmi_key_parse(struct cmi_slice hex, uint8_t ret_key[CMI_KEY_SIZE]);

/* Write it: CMI_KEY_HEX_SIZE digits, and no NUL. */
void cmi_key_format(const uint8_t key[CMI_KEY_SIZE], char ret_hex[CMI_KEY_HEX_SIZE]);

/* Takes the next line off @text, without its end and the blanks before it. */
struct cmi_slice cmi_key_file_line(struct cmi_slice *text);

/**
 * cmi_key_file_parse() - read the text of a key file
 * @text:     the whole file
 * @ret_file: stored on success only
 * @ret_line: number of the line that is wrong, from 1; 0 if it is the file as a whole
 *
 * Return: 0; -EPROTONOSUPPORT (no key file, or of another version), -EBADMSG (a line that is none
 *         of these), -E2BIG (too many keys, or too long), -EEXIST (a key, or "use", twice),
 *         -ENOKEY (no "use" line).
 */
int cmi_key_file_parse(struct cmi_slice text, struct cmi_key_file *ret_file, uint32_t *ret_line);

/**
 * cmi_key_file_format() - write it
 * @file:     to write
 * @ret_text: NUL-terminated; secret as well
 *
 * Return: its length.
 */
size_t cmi_key_file_format(const struct cmi_key_file *file, char ret_text[CMI_KEY_FILE_TEXT_SIZE]);
