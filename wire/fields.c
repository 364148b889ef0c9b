/* SPDX-License-Identifier: MIT */
#include "wire/fields.h"
#include "wire/text.h"

#include <errno.h>

struct cmi_fields cmi_fields(struct cmi_reader *reader, uint64_t last_known)
{
        return (struct cmi_fields){
                        .reader = reader,
                        .n_left = cmi_read_map(reader, CMI_FIELDS_MAX),
                        .last_known = last_known,
        };
}

static uint64_t read_key(struct cmi_fields *fields)
{
        uint64_t key = cmi_read_uint(fields->reader, UINT64_MAX);

        if (key < 64) {
                if ((fields->seen >> key & 1) != 0) {
                        cmi_read_fail(fields->reader, -EBADMSG);
                }
                fields->seen |= UINT64_C(1) << key;
        }
        return key;
}

bool cmi_fields_next(struct cmi_fields *fields, uint64_t *ret_key)
{
        while (fields->n_left > 0 && fields->reader->error == 0) {
                uint64_t key = read_key(fields);

                fields->n_left--;
                if (key != 0 && key <= fields->last_known) {
                        *ret_key = key;
                        return fields->reader->error == 0;
                }
                fields->n_unknown++;
                cmi_read_skip(fields->reader);
        }
        return false;
}

int cmi_fields_done(const struct cmi_fields *fields)
{
        int r = cmi_read_done(fields->reader);

        return r < 0 ? r : (int)fields->n_unknown;
}

uint32_t cmi_record_begin(struct cmi_reader *reader, uint32_t n_known)
{
        uint32_t n = cmi_read_array(reader, UINT32_MAX);

        if (n < n_known) {
                cmi_read_fail(reader, -EBADMSG);
        }
        return n;
}

void cmi_record_end(struct cmi_reader *reader, uint32_t n, uint32_t n_known)
{
        for (uint32_t i = n_known; i < n && reader->error == 0; i++) {
                cmi_read_skip(reader);
        }
}

struct cmi_slice cmi_read_clean_str(struct cmi_reader *reader, size_t max)
{
        struct cmi_slice text = cmi_read_str(reader, max);

        if (!cmi_text_is_clean(text)) {
                cmi_read_fail(reader, -EBADMSG);
                return (struct cmi_slice){NULL, 0};
        }
        return text;
}

void cmi_read_text(struct cmi_reader *reader, char *ret_text, size_t size)
{
        struct cmi_slice text = cmi_read_clean_str(reader, size - 1);

        if (text.len > 0) {
                memcpy(ret_text, text.data, text.len);
        }
        ret_text[text.len] = '\0';
}

struct cmi_time cmi_read_time(struct cmi_reader *reader)
{
        uint32_t n = cmi_record_begin(reader, 2);
        struct cmi_time time;

        time.mono_ns = cmi_read_uint(reader, UINT64_MAX);
        time.real_ns = cmi_read_uint(reader, UINT64_MAX);
        cmi_record_end(reader, n, 2);
        return time;
}

void cmi_write_time(struct cmi_writer *writer, struct cmi_time time)
{
        cmi_write_array(writer, 2);
        cmi_write_uint(writer, time.mono_ns);
        cmi_write_uint(writer, time.real_ns);
}

void cmi_read_id(struct cmi_reader *reader, struct cmi_id *ret_id)
{
        cmi_read_fixed(reader, ret_id->bytes, CMI_ID_SIZE);
}

void cmi_write_id(struct cmi_writer *writer, const struct cmi_id *id)
{
        cmi_write_bin(writer, cmi_slice(id->bytes, CMI_ID_SIZE));
}

/* An IPv4-mapped IPv6 address is refused: one endpoint has one encoding. */
static bool is_mapped(struct cmi_slice address)
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

        return address.len == 16 && memcmp(address.data, mapped, sizeof(mapped)) == 0;
}

static struct cmi_endpoint read_endpoint(struct cmi_reader *reader)
{
        struct cmi_endpoint endpoint = {0};
        uint32_t n = cmi_record_begin(reader, 2);
        struct cmi_slice address = cmi_read_bin(reader, sizeof(endpoint.address));

        if ((address.len != 4 && address.len != 16) || is_mapped(address)) {
                cmi_read_fail(reader, -EBADMSG);
        } else {
                endpoint.family = address.len == 4 ? 4 : 6;
                memcpy(endpoint.address, address.data, address.len);
        }
        endpoint.port = (uint16_t)cmi_read_uint(reader, UINT16_MAX);
        if (endpoint.port == 0) {
                cmi_read_fail(reader, -EBADMSG);
        }
        cmi_record_end(reader, n, 2);
        return endpoint;
}

uint32_t cmi_read_endpoints(struct cmi_reader *reader, struct cmi_endpoint *ret, uint32_t max)
{
        uint32_t n = cmi_read_array(reader, max);

        for (uint32_t i = 0; i < n && reader->error == 0; i++) {
                ret[i] = read_endpoint(reader);
        }
        return n;
}

void cmi_write_endpoints(
                struct cmi_writer *writer, const struct cmi_endpoint *endpoints, uint32_t n)
{
        cmi_write_array(writer, n);
        for (uint32_t i = 0; i < n; i++) {
                cmi_write_array(writer, 2);
                cmi_write_bin(writer,
                                cmi_slice(endpoints[i].address, endpoints[i].family == 4 ? 4 : 16));
                cmi_write_uint(writer, endpoints[i].port);
        }
}
