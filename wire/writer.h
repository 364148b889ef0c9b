/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * msgpack writer into a buffer of the caller, with a sticky error; a thin face on msgpack-c's
 * packer, so that no other folder includes msgpack-c. Nothing is allocated. When the buffer is too
 * small the error is -EMSGSIZE and the content is worthless.
 */
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct cmi_writer {
        uint8_t *data;
        size_t len;
        size_t capacity;
        int error;
};

static inline struct cmi_writer cmi_writer(void *buffer, size_t capacity)
{
        return (struct cmi_writer){buffer, 0, capacity, 0};
}

void cmi_write_nil(struct cmi_writer *writer);
void cmi_write_bool(struct cmi_writer *writer, bool value);
void cmi_write_uint(struct cmi_writer *writer, uint64_t value);
void cmi_write_int(struct cmi_writer *writer, int64_t value);
void cmi_write_float(struct cmi_writer *writer, double value);
void cmi_write_bin(struct cmi_writer *writer, struct cmi_slice bytes);
void cmi_write_str(struct cmi_writer *writer, struct cmi_slice text);
void cmi_write_cstr(struct cmi_writer *writer, const char *text);
void cmi_write_array(struct cmi_writer *writer, uint32_t n);
void cmi_write_map(struct cmi_writer *writer, uint32_t n);

/* Already encoded bytes, copied as they are. */
void cmi_write_raw(struct cmi_writer *writer, struct cmi_slice bytes);

/* A bin header for @len bytes that cmi_write_raw() or the caller then appends. */
void cmi_write_bin_header(struct cmi_writer *writer, uint32_t len);

static inline struct cmi_slice cmi_written(const struct cmi_writer *writer)
{
        return (struct cmi_slice){writer->data, writer->len};
}
