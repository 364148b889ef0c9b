/* SPDX-License-Identifier: MIT */
/*
 * The msgpack writer: msgpack-c's inline packer with a callback that appends to the caller's
 * buffer. The only file that includes msgpack-c.
 */
#include "wire/writer.h"

#include <errno.h>
#include <msgpack/pack.h>

static int append(void *data, const char *bytes, size_t len)
{
        struct cmi_writer *writer = data;

        if (writer->error != 0 || len > writer->capacity - writer->len) {
                writer->error = -EMSGSIZE;
                return -1;
        }
        if (len > 0) {
                memcpy(writer->data + writer->len, bytes, len);
                writer->len += len;
        }
        return 0;
}

static inline msgpack_packer packer(struct cmi_writer *writer)
{
        msgpack_packer pk;

        msgpack_packer_init(&pk, writer, append);
        return pk;
}

void cmi_write_nil(struct cmi_writer *writer)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_nil(&pk);
}

void cmi_write_bool(struct cmi_writer *writer, bool value)
{
        msgpack_packer pk = packer(writer);

        if (value) {
                msgpack_pack_true(&pk);
        } else {
                msgpack_pack_false(&pk);
        }
}

void cmi_write_uint(struct cmi_writer *writer, uint64_t value)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_uint64(&pk, value);
}

void cmi_write_int(struct cmi_writer *writer, int64_t value)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_int64(&pk, value);
}

void cmi_write_float(struct cmi_writer *writer, double value)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_double(&pk, value);
}

void cmi_write_bin(struct cmi_writer *writer, struct cmi_slice bytes)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_bin_with_body(&pk, bytes.data, bytes.len);
}

void cmi_write_str(struct cmi_writer *writer, struct cmi_slice text)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_str_with_body(&pk, text.data, text.len);
}

void cmi_write_cstr(struct cmi_writer *writer, const char *text)
{
        cmi_write_str(writer, cmi_slice_str(text));
}

void cmi_write_array(struct cmi_writer *writer, uint32_t n)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_array(&pk, n);
}

void cmi_write_map(struct cmi_writer *writer, uint32_t n)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_map(&pk, n);
}

void cmi_write_raw(struct cmi_writer *writer, struct cmi_slice bytes)
{
        append(writer, bytes.data, bytes.len);
}

void cmi_write_bin_header(struct cmi_writer *writer, uint32_t len)
{
        msgpack_packer pk = packer(writer);

        msgpack_pack_bin(&pk, len);
}
