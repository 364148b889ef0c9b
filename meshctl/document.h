/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Documents: what meshd answers (msgpack, wire/local.h) as jansson values, for every verb alike.
 * Binary becomes hex, a number that JSON's readers could not hold becomes a string of its
 * digits, text that is no UTF-8 gets its bad bytes escaped as \xNN. Depth is bounded by the
 * reader, size by the message.
 */
#include "base/bytes.h"

#include <jansson.h>

/**
 * document_decode() - msgpack to JSON
 * @bytes:   one value and nothing after it
 * @ret_json: new reference
 *
 * Return: 0, -EBADMSG (no such msgpack, or a map with other than str keys),
 *         -EMSGSIZE (nested too deep).
 */
int document_decode(struct cmi_slice bytes, json_t **ret_json);

/* Text as jansson takes it: bytes that are no UTF-8 become \xNN. New reference. */
json_t *document_text(struct cmi_slice text);

static inline void json_decref_p(json_t **json)
{
        json_decref(*json);
}

/* Members of a map with a fallback, since a meshd of another version may leave
 * some out. Borrowed. */
const char *document_str(const json_t *map, const char *key, const char *fallback);
json_int_t document_int(const json_t *map, const char *key, json_int_t fallback);
