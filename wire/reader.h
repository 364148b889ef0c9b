/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Strict msgpack reader: a cursor over borrowed bytes with a sticky error. It allocates nothing,
 * never reads past the end, checks each count against the bytes that are left, and refuses nesting
 * deeper than CMI_DEPTH_MAX. After the first error every read returns zero or an empty slice, so a
 * decoder reads all its fields and asks once, at the end. A count or length over the caller's
 * maximum is -EMSGSIZE even when its bytes are missing too. Accepted: every msgpack encoding of a
 * value, also one longer than needed (other languages' packers write those). Source of the format:
 * the MessagePack specification, github.com/msgpack/msgpack/blob/master/spec.md.
 */
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CMI_DEPTH_MAX 4

enum cmi_type {
        CMI_TYPE_END = 0, /* nothing left, an error, or a byte that begins no value */
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

/* With an error, at equals end: the fast paths below then need no look at it. */
struct cmi_reader {
        const uint8_t *at;
        const uint8_t *end;
        int error; /* 0, -EBADMSG (malformed, truncated, wrong type) or -EMSGSIZE (limit) */
};

static inline struct cmi_reader cmi_reader(struct cmi_slice bytes)
{
        const uint8_t *at = bytes.data;

        return (struct cmi_reader){at, bytes.len > 0 ? at + bytes.len : at, 0};
}

/*
 * The type of the next value, which stays unread. An integer >= 0 is CMI_TYPE_UINT, however it was
 * encoded.
 */
enum cmi_type cmi_read_type(const struct cmi_reader *reader);

/* Over @max is -EMSGSIZE; negative is -EBADMSG. */
static inline uint64_t cmi_read_uint(struct cmi_reader *reader, uint64_t max);
/* Over INT64_MAX is -EMSGSIZE. */
int64_t cmi_read_int(struct cmi_reader *reader);
bool cmi_read_bool(struct cmi_reader *reader);
/* 32 or 64 bits; integers are not taken for floats. */
double cmi_read_float(struct cmi_reader *reader);

/*
 * The slice borrows from the reader's bytes. Longer than @max is -EMSGSIZE. bin and str are not
 * exchangeable.
 */
static inline struct cmi_slice cmi_read_bin(struct cmi_reader *reader, size_t max);
struct cmi_slice cmi_read_str(struct cmi_reader *reader, size_t max);

/* Exactly @size bytes of bin, copied; anything else is -EBADMSG and leaves @ret zeroed. */
void cmi_read_fixed(struct cmi_reader *reader, void *ret, size_t size);

/*
 * Open a container: its element (or pair) count, at most @max, and at most what the bytes left can
 * hold.
 */
uint32_t cmi_read_array(struct cmi_reader *reader, uint32_t max);
uint32_t cmi_read_map(struct cmi_reader *reader, uint32_t max);

/* Skip one value with all it contains, nested at most CMI_DEPTH_MAX deep; deeper is -EMSGSIZE. */
void cmi_read_skip(struct cmi_reader *reader);

/*
 * The encoded bytes of one value, which cmi_read_skip() would skip; borrowed, empty after an error.
 */
struct cmi_slice cmi_read_value(struct cmi_reader *reader);

/* Ends a message: the sticky error, or -EBADMSG when bytes are left over. */
int cmi_read_done(const struct cmi_reader *reader);

/* Refuse what the format allows but the message's meaning does not. Keeps an earlier error. */
void cmi_read_fail(struct cmi_reader *reader, int error);

/* Out of line: all encodings that the fast paths below leave. */
uint64_t cmi_read_uint_any(struct cmi_reader *reader, uint64_t max);
struct cmi_slice cmi_read_bin_any(struct cmi_reader *reader, size_t max);

/* Field keys and most counters are below 128: one byte. */
static inline uint64_t cmi_read_uint(struct cmi_reader *reader, uint64_t max)
{
        if (reader->at < reader->end && *reader->at < 0x80 && *reader->at <= max) {
                return *reader->at++;
        }
        return cmi_read_uint_any(reader, max);
}

/* Nearly all keys and tags are shorter than 256 bytes: bin 8. */
static inline struct cmi_slice cmi_read_bin(struct cmi_reader *reader, size_t max)
{
        size_t left = (size_t)(reader->end - reader->at);
        const uint8_t *at = reader->at;

        if (left >= 2 && at[0] == 0xc4 && at[1] <= left - 2 && at[1] <= max) {
                reader->at = at + 2 + at[1];
                return (struct cmi_slice){at + 2, at[1]};
        }
        return cmi_read_bin_any(reader, max);
}
