/* SPDX-License-Identifier: MIT */
#include "wire/session_fields.h"

enum {
        VERSION_ELEMENTS = 5,
        HOLDER_ELEMENTS = 3,
};

void cmi_write_field_id(struct cmi_writer *writer, uint64_t key, const struct cmi_id *id)
{
        cmi_write_uint(writer, key);
        cmi_write_id(writer, id);
}

void cmi_read_version(struct cmi_reader *reader, struct cmi_session_version *ret_version)
{
        uint32_t n = cmi_record_begin(reader, VERSION_ELEMENTS);

        ret_version->epoch.counter = cmi_read_uint(reader, UINT64_MAX);
        cmi_read_id(reader, &ret_version->epoch.opener);
        ret_version->epoch.incarnation = cmi_read_uint(reader, UINT64_MAX);
        ret_version->seq = cmi_read_uint(reader, UINT64_MAX);
        cmi_read_id(reader, &ret_version->writer);
        cmi_record_end(reader, n, VERSION_ELEMENTS);
}

void cmi_write_version(struct cmi_writer *writer, const struct cmi_session_version *version)
{
        cmi_write_array(writer, VERSION_ELEMENTS);
        cmi_write_uint(writer, version->epoch.counter);
        cmi_write_id(writer, &version->epoch.opener);
        cmi_write_uint(writer, version->epoch.incarnation);
        cmi_write_uint(writer, version->seq);
        cmi_write_id(writer, &version->writer);
}

void cmi_write_field_version(
                struct cmi_writer *writer, uint64_t key, const struct cmi_session_version *version)
{
        cmi_write_uint(writer, key);
        cmi_write_version(writer, version);
}

void cmi_read_holder(struct cmi_reader *reader, struct cmi_session_holder *ret_holder)
{
        uint32_t n = cmi_record_begin(reader, HOLDER_ELEMENTS);

        cmi_read_id(reader, &ret_holder->node);
        ret_holder->incarnation = cmi_read_uint(reader, UINT64_MAX);
        ret_holder->no = cmi_read_uint(reader, UINT64_MAX);
        cmi_record_end(reader, n, HOLDER_ELEMENTS);
}

void cmi_write_field_holder(
                struct cmi_writer *writer, uint64_t key, const struct cmi_session_holder *holder)
{
        cmi_write_uint(writer, key);
        cmi_write_array(writer, HOLDER_ELEMENTS);
        cmi_write_id(writer, &holder->node);
        cmi_write_uint(writer, holder->incarnation);
        cmi_write_uint(writer, holder->no);
}
