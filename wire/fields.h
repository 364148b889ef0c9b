/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the codecs of wire/ share: maps with small integer keys, and the values that appear in
 * several messages. Not for other folders.
 *
 * A map's keys are uints, each one at most once: with a duplicate, two programs could read two
 * different messages out of the same bytes. A record (a short array) may be longer than known.
 */
#include "base/endpoint.h"
#include "base/id.h"
#include "base/time.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CMI_FIELDS_MAX 64 /* of one map; and known keys are smaller */

/* A map being read. @seen has a bit for each key below 64; larger ones are unknown anyway. */
struct cmi_fields {
        struct cmi_reader *reader;
        uint32_t n_left;
        uint32_t n_unknown;
        uint64_t last_known;
        uint64_t seen;
};

/* Begin a map whose known keys are 1 to @last_known. */
struct cmi_fields cmi_fields(struct cmi_reader *reader, uint64_t last_known);

/*
 * Skips what a newer version has put in between.
 *
 * Return: true with the next known key, whose value the caller reads; false at the end or after an
 *         error.
 */
bool cmi_fields_next(struct cmi_fields *fields, uint64_t *ret_key);

/*
 * Ends a message that was one map.
 *
 * Return: how many unknown fields were skipped, or a negative errno as cmi_read_done().
 */
int cmi_fields_done(const struct cmi_fields *fields);

/*
 * Return: the elements of a record, at least @n_known, else an error. After these:
 * cmi_record_end().
 */
uint32_t cmi_record_begin(struct cmi_reader *reader, uint32_t n_known);
void cmi_record_end(struct cmi_reader *reader, uint32_t n, uint32_t n_known);

/* Clean text (wire/text.h): shorter than @size, else -EMSGSIZE. NUL-terminated. */
void cmi_read_text(struct cmi_reader *reader, char *ret_text, size_t size);

/* The same, borrowed. */
struct cmi_slice cmi_read_clean_str(struct cmi_reader *reader, size_t max);

/* [mono_ns, real_ns] */
struct cmi_time cmi_read_time(struct cmi_reader *reader);
void cmi_write_time(struct cmi_writer *writer, struct cmi_time time);

/* bin, 16 bytes */
void cmi_read_id(struct cmi_reader *reader, struct cmi_id *ret_id);
void cmi_write_id(struct cmi_writer *writer, const struct cmi_id *id);

/*
 * [[address, port]...]: address 4 or 16 bytes of bin, port 1 to 65535. The scope of a link-local
 * address does not travel: an interface's index means nothing on another host. At most @max, else
 * -EMSGSIZE.
 */
uint32_t cmi_read_endpoints(struct cmi_reader *reader, struct cmi_endpoint *ret, uint32_t max);
void cmi_write_endpoints(
                struct cmi_writer *writer, const struct cmi_endpoint *endpoints, uint32_t n);

static inline void cmi_write_field_uint(struct cmi_writer *writer, uint64_t key, uint64_t value)
{
        cmi_write_uint(writer, key);
        cmi_write_uint(writer, value);
}

static inline void cmi_write_field_bool(struct cmi_writer *writer, uint64_t key, bool value)
{
        cmi_write_uint(writer, key);
        cmi_write_bool(writer, value);
}

static inline void cmi_write_field_bin(
                struct cmi_writer *writer, uint64_t key, struct cmi_slice bytes)
{
        cmi_write_uint(writer, key);
        cmi_write_bin(writer, bytes);
}

static inline void cmi_write_field_text(struct cmi_writer *writer, uint64_t key, const char *text)
{
        cmi_write_uint(writer, key);
        cmi_write_cstr(writer, text);
}

static inline void cmi_write_field_time(
                struct cmi_writer *writer, uint64_t key, struct cmi_time time)
{
        cmi_write_uint(writer, key);
        cmi_write_time(writer, time);
}
