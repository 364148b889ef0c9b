/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Strict msgpack reader: a cursor over borrowed bytes with a sticky error. It allocates nothing, never reads past the
 * end, checks each count against the bytes that are left, and refuses nesting deeper than CMI_DEPTH_MAX. After the
 * first error every read returns zero or an empty slice, so a decoder reads all its fields and asks once, at the end.
 * Accepted: every msgpack encoding of a value, also one longer than needed (other languages' packers write those).
 * Source of the format: the MessagePack specification, github.com/msgpack/msgpack/blob/master/spec.md.
 */
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define CMI_DEPTH_MAX 4

enum cmi_type {
        CMI_TYPE_END = 0, /* nothing left, or an error */
        CMI_TYPE_NIL,
        CMI_TYPE_BOOL,
        CMI_TYPE_UINT,
        CMI_TYPE_INT, /* negative */
        CMI_TYPE_FLOAT,
        CMI_TYPE_STR,
        CMI_TYPE_BIN,
        CMI_TYPE_ARRAY,
        CMI_TYPE_MAP,
        CMI_TYPE_EXT,
};

struct cmi_reader {
        const uint8_t *at;
        const uint8_t *end;
        int error; /* 0, -EBADMSG (malformed, truncated, wrong type), -EMSGSIZE (over a limit) */
};

struct cmi_reader cmi_reader(struct cmi_slice bytes);

/* The type of the next value, which stays unread. */
enum cmi_type cmi_read_type(const struct cmi_reader *reader);

uint64_t cmi_read_uint(struct cmi_reader *reader, uint64_t max);
int64_t cmi_read_int(struct cmi_reader *reader);
bool cmi_read_bool(struct cmi_reader *reader);
double cmi_read_float(struct cmi_reader *reader);

/* The slice borrows from the reader's bytes. Longer than @max is -EMSGSIZE. bin and str are not exchangeable. */
struct cmi_slice cmi_read_bin(struct cmi_reader *reader, size_t max);
struct cmi_slice cmi_read_str(struct cmi_reader *reader, size_t max);

/* Exactly @size bytes of bin, copied; anything else is -EBADMSG and leaves @ret zeroed. */
void cmi_read_fixed(struct cmi_reader *reader, void *ret, size_t size);

/* Open a container: its element (or pair) count, at most @max, and at most what the bytes left can hold. */
uint32_t cmi_read_array(struct cmi_reader *reader, uint32_t max);
uint32_t cmi_read_map(struct cmi_reader *reader, uint32_t max);

/* Skip one value with all it contains, nested at most CMI_DEPTH_MAX deep. */
void cmi_read_skip(struct cmi_reader *reader);

/* Ends a message: the sticky error, or -EBADMSG when bytes are left over. */
int cmi_read_done(const struct cmi_reader *reader);

void cmi_read_fail(struct cmi_reader *reader, int error);
