/* SPDX-License-Identifier: MIT */
#include "wire/session_fields.h"

enum {
        EPOCH_ELEMENTS = 3,
        VERSION_ELEMENTS = 5,
        HOLDER_ELEMENTS = 3,
};

void cmi_write_field_id(struct cmi_writer *writer, uint64_t key, const struct cmi_id *id)
{
        cmi_write_uint(writer, key);
        cmi_write_id(writer, id);
}

static void read_epoch_elements(struct cmi_reader *reader, struct cmi_session_epoch *epoch)
{
        epoch->counter = cmi_read_uint(reader, UINT64_MAX);
        cmi_read_id(reader, &epoch->opener);
        epoch->incarnation = cmi_read_uint(reader, UINT64_MAX);
}

static void write_epoch_elements(struct cmi_writer *writer, const struct cmi_session_epoch *epoch)
{
        cmi_write_uint(writer, epoch->counter);
        cmi_write_id(writer, &epoch->opener);
        cmi_write_uint(writer, epoch->incarnation);
}

void cmi_read_epoch(struct cmi_reader *reader, struct cmi_session_epoch *ret_epoch)
{
        uint32_t n = cmi_record_begin(reader, EPOCH_ELEMENTS);

        read_epoch_elements(reader, ret_epoch);
        cmi_record_end(reader, n, EPOCH_ELEMENTS);
}

void cmi_write_field_epoch(
                struct cmi_writer *writer, uint64_t key, const struct cmi_session_epoch *epoch)
{
        cmi_write_uint(writer, key);
        cmi_write_array(writer, EPOCH_ELEMENTS);
        write_epoch_elements(writer, epoch);
}

void cmi_read_version(struct cmi_reader *reader, struct cmi_session_version *ret_version)
{
        uint32_t n = cmi_record_begin(reader, VERSION_ELEMENTS);

        read_epoch_elements(reader, &ret_version->epoch);
        ret_version->seq = cmi_read_uint(reader, UINT64_MAX);
        cmi_read_id(reader, &ret_version->writer);
        cmi_record_end(reader, n, VERSION_ELEMENTS);
}

void cmi_write_version(struct cmi_writer *writer, const struct cmi_session_version *version)
{
        cmi_write_array(writer, VERSION_ELEMENTS);
        write_epoch_elements(writer, &version->epoch);
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
