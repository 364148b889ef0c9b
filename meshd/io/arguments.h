/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Arguments of a query: a map of str to value. Unknown ones are ignored, so that a newer meshctl
 * can ask an older meshd. Each getter looks through the whole map, which is a handful of entries.
 */
#include "wire/local.h"

/**
 * arguments_uint() - a number
 * @arguments: encoded map, or empty
 * @key:       its name
 * @max:       larger ones are -EINVAL
 * @ret_value: keeps the caller's default if there is none
 *
 * Return: 0, -EINVAL (of another type, too large, or the map is malformed).
 */
int arguments_uint(struct cmi_slice arguments, const char *key, uint64_t max, uint64_t *ret_value);
int arguments_bool(struct cmi_slice arguments, const char *key, bool *ret_value);

/* A text without control characters, borrowed; at most @max bytes. */
int arguments_str(struct cmi_slice arguments, const char *key, size_t max,
                struct cmi_slice *ret_value);
