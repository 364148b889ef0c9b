/* SPDX-License-Identifier: MIT */
/*
 * The messages of a load. Who loads is decided in meshd/local/flight.c.
 */
#include "wire/load.h"
#include "wire/fields.h"

#include <errno.h>

enum {
        LOAD_INDEX = 1,
        LOAD_VERSION = 2,
        LOAD_KEY = 3,
        LOAD_ARRIVAL = 4,
        LOAD_LEAD_MS = 5,
        LOAD_N_BUSY = 6,
        LOAD_N_STALE = 7,
        LOAD_PATIENCE_MS = 8,
};

enum {
        STATE_OUTCOME = 1,
        STATE_ARRIVAL = 2,
        STATE_IS_NEW = 3,
        STATE_ERROR = 4,
        STATE_RECORD = 5,
};

enum {
        LOADED_LOAD = 1,
        LOADED_OUTCOME = 2,
        LOADED_RECORD = 3,
};

enum {
        RECORD_EPOCH = 1,
        RECORD_TOKEN = 2,
        RECORD_LOADED_DS = 3,
        RECORD_TTL_MS = 4,
        RECORD_IS_NEGATIVE = 5,
        RECORD_VALUE = 6,
        RECORD_TAGS = 7,
};

enum {
        RECORD_TAG_ELEMENTS = 1,
};

static void write_field_int(struct cmi_writer *writer, uint64_t key, int64_t value)
{
        cmi_write_uint(writer, key);
        cmi_write_int(writer, value);
}

void cmi_load_write(struct cmi_writer *writer, const struct cmi_load *load)
{
        cmi_write_map(writer, 8);
        cmi_write_field_uint(writer, LOAD_INDEX, load->index);
        cmi_write_field_uint(writer, LOAD_VERSION, load->version);
        cmi_write_field_bin(writer, LOAD_KEY, load->key);
        cmi_write_field_uint(writer, LOAD_ARRIVAL, load->arrival);
        cmi_write_field_uint(writer, LOAD_LEAD_MS, load->lead_ms);
        cmi_write_field_uint(writer, LOAD_N_BUSY, load->n_busy);
        cmi_write_field_uint(writer, LOAD_N_STALE, load->n_stale);
        cmi_write_field_uint(writer, LOAD_PATIENCE_MS, load->patience_ms);
}

int cmi_load_decode(struct cmi_slice bytes, struct cmi_load *ret_load)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, LOAD_PATIENCE_MS);
        uint64_t key;

        *ret_load = (struct cmi_load){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case LOAD_INDEX:
                        ret_load->index = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case LOAD_VERSION:
                        ret_load->version = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case LOAD_KEY:
                        ret_load->key = cmi_read_bin(&reader, CMI_KEY_MAX);
                        break;
                case LOAD_ARRIVAL:
                        ret_load->arrival = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case LOAD_LEAD_MS:
                        ret_load->lead_ms = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case LOAD_N_BUSY:
                        ret_load->n_busy = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case LOAD_N_STALE:
                        ret_load->n_stale = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case LOAD_PATIENCE_MS:
                        ret_load->patience_ms = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_load_state_write(struct cmi_writer *writer, const struct cmi_load_state *state)
{
        cmi_write_map(writer, 5);
        cmi_write_field_uint(writer, STATE_OUTCOME, state->outcome);
        cmi_write_field_uint(writer, STATE_ARRIVAL, state->arrival);
        cmi_write_field_bool(writer, STATE_IS_NEW, state->is_new);
        write_field_int(writer, STATE_ERROR, state->error);
        cmi_write_field_bin(writer, STATE_RECORD, state->record);
}

int cmi_load_state_decode(struct cmi_slice bytes, struct cmi_load_state *ret_state)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, STATE_RECORD);
        uint64_t key;

        *ret_state = (struct cmi_load_state){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case STATE_OUTCOME:
                        ret_state->outcome = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case STATE_ARRIVAL:
                        ret_state->arrival = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case STATE_IS_NEW:
                        ret_state->is_new = cmi_read_bool(&reader);
                        break;
                case STATE_ERROR:
                        ret_state->error = cmi_read_int(&reader);
                        break;
                case STATE_RECORD:
                        ret_state->record = cmi_read_bin(&reader, CMI_LOAD_RECORD_MAX);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_loaded_write(struct cmi_writer *writer, const struct cmi_loaded *loaded)
{
        cmi_write_map(writer, 3);
        cmi_write_field_uint(writer, LOADED_LOAD, loaded->load);
        write_field_int(writer, LOADED_OUTCOME, loaded->outcome);
        cmi_write_field_bin(writer, LOADED_RECORD, loaded->record);
}

int cmi_loaded_decode(struct cmi_slice bytes, struct cmi_loaded *ret_loaded)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, LOADED_RECORD);
        uint64_t key;

        *ret_loaded = (struct cmi_loaded){0};
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case LOADED_LOAD:
                        ret_loaded->load = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case LOADED_OUTCOME:
                        ret_loaded->outcome = cmi_read_int(&reader);
                        break;
                case LOADED_RECORD:
                        ret_loaded->record = cmi_read_bin(&reader, CMI_LOAD_RECORD_MAX);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

void cmi_load_record_write(struct cmi_writer *writer, const struct cmi_load_record *record)
{
        cmi_write_map(writer, 7);
        cmi_write_field_uint(writer, RECORD_EPOCH, record->epoch);
        cmi_write_field_uint(writer, RECORD_TOKEN, record->token);
        cmi_write_field_uint(writer, RECORD_LOADED_DS, record->loaded_ds);
        cmi_write_field_uint(writer, RECORD_TTL_MS, record->ttl_ms);
        cmi_write_field_bool(writer, RECORD_IS_NEGATIVE, record->is_negative);
        cmi_write_field_bin(writer, RECORD_VALUE, record->value);
        cmi_write_uint(writer, RECORD_TAGS);
        cmi_write_array(writer, record->n_tags);
        for (uint32_t i = 0; i < record->n_tags; i++) {
                cmi_write_array(writer, RECORD_TAG_ELEMENTS);
                cmi_write_bin(writer, record->tags[i]);
        }
}

static void read_tags(struct cmi_reader *reader, struct cmi_load_record *record)
{
        record->n_tags = cmi_read_array(reader, CMI_LOAD_TAGS_MAX);
        for (uint32_t i = 0; i < record->n_tags && reader->error == 0; i++) {
                uint32_t n = cmi_record_begin(reader, RECORD_TAG_ELEMENTS);

                record->tags[i] = cmi_read_bin(reader, CMI_TAG_MAX);
                cmi_record_end(reader, n, RECORD_TAG_ELEMENTS);
                if (record->tags[i].len == 0) {
                        cmi_read_fail(reader, -EBADMSG);
                }
        }
}

int cmi_load_record_decode(struct cmi_slice bytes, struct cmi_load_record *ret_record)
{
        struct cmi_reader reader = cmi_reader(bytes);
        struct cmi_fields fields = cmi_fields(&reader, RECORD_TAGS);
        uint64_t key;

        memset(ret_record, 0, sizeof(*ret_record));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case RECORD_EPOCH:
                        ret_record->epoch = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case RECORD_TOKEN:
                        ret_record->token = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case RECORD_LOADED_DS:
                        ret_record->loaded_ds = cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case RECORD_TTL_MS:
                        ret_record->ttl_ms = cmi_read_uint(&reader, UINT32_MAX);
                        break;
                case RECORD_IS_NEGATIVE:
                        ret_record->is_negative = cmi_read_bool(&reader);
                        break;
                case RECORD_VALUE:
                        ret_record->value = cmi_read_bin(&reader, CMI_LOAD_VALUE_MAX);
                        break;
                case RECORD_TAGS:
                        read_tags(&reader, ret_record);
                        break;
                }
        }
        return cmi_fields_done(&fields);
}
