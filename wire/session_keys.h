/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The text of an app's key ring for sessions, as wire/key_file.h has it for the mesh: this file
 * decides the text only; what is made of a key is decided in libcachemesh/session, and meshd never
 * sees one. docs/reference/session-keys.md describes it.
 *
 *     cachemesh-session-keys 1
 *     # a comment
 *     seal use 64 hex digits
 *     seal key 64 hex digits
 *     index use 64 hex digits
 *     index key 64 hex digits
 *
 * The first line names the version. Of each kind there is one "use" line and up to two ("seal") or
 * one ("index") "key" line, which are accepted as well. Sealing keys open and seal blobs; index
 * keys make keys out of ids and principals: a session is looked up by the used one first, then by
 * the other. The two kinds are separate, so that either can be changed without the other.
 */
#include "wire/key_file.h"

#define CMI_SEAL_KEYS_MAX 3
#define CMI_INDEX_KEYS_MAX 2
#define CMI_SESSION_KEYS_TEXT_SIZE 1024 /* of what cmi_session_keys_format() writes */

/* Secret: whoever has one wipes it. */
struct cmi_session_keys {
        uint32_t n_seal;
        uint32_t n_index;
        uint8_t seal[CMI_SEAL_KEYS_MAX][CMI_KEY_SIZE];   /* the used one first */
        uint8_t index[CMI_INDEX_KEYS_MAX][CMI_KEY_SIZE]; /* likewise */
};

/**
 * cmi_session_keys_parse() - read the text of a key ring
 * @text:     the whole file, up to CMI_KEY_FILE_MAX bytes
 * @ret_keys: stored on success only
 * @ret_line: number of the line that is wrong, from 1; 0 if it is the file as a whole
 *
 * Return: 0; -EPROTONOSUPPORT (no key ring, or of another version), -EBADMSG (a line that is none
 *         of these, or a key of zeros), -E2BIG (too many keys of a kind, or too long), -EEXIST (a
 *         key twice, also one of each kind, or "use" twice), -ENOKEY (no "use" line of a kind).
 */
int cmi_session_keys_parse(
                struct cmi_slice text, struct cmi_session_keys *ret_keys, uint32_t *ret_line);

/**
 * cmi_session_keys_format() - write it
 * @keys:     to write
 * @ret_text: NUL-terminated; secret as well
 *
 * Return: its length.
 */
size_t cmi_session_keys_format(
                const struct cmi_session_keys *keys, char ret_text[CMI_SESSION_KEYS_TEXT_SIZE]);
