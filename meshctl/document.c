/* SPDX-License-Identifier: MIT */
#include "meshctl/document.h"

#include "wire/reader.h"

#include "meshctl/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DEPTH_MAX CMI_DEPTH_MAX

static int value_decode(struct cmi_reader *reader, unsigned depth, json_t **ret_json);

json_t *document_text(struct cmi_slice text)
{
        static const char digits[] = "0123456789abcdef";
        const unsigned char *bytes = text.data;
        json_t *json = json_stringn(text.len > 0 ? text.data : "", text.len);
        char *escaped;
        size_t n = 0;

        if (json) {
                return json;
        }
        escaped = memory_got(malloc(text.len * 4));
        for (size_t i = 0; i < text.len; i++) {
                if (bytes[i] < 0x80) {
                        escaped[n++] = (char)bytes[i];
                        continue;
                }
                escaped[n++] = '\\';
                escaped[n++] = 'x';
                escaped[n++] = digits[bytes[i] >> 4];
                escaped[n++] = digits[bytes[i] & 15];
        }
        json = memory_got(json_stringn(escaped, n));
        free(escaped);
        return json;
}

static json_t *hex(struct cmi_slice bytes)
{
        static const char digits[] = "0123456789abcdef";
        char *text = memory_got(malloc(bytes.len * 2 + 1));
        json_t *json;

        for (size_t i = 0; i < bytes.len; i++) {
                unsigned char byte = ((const unsigned char *)bytes.data)[i];

                text[2 * i] = digits[byte >> 4];
                text[2 * i + 1] = digits[byte & 15];
        }
        json = memory_got(json_stringn(text, bytes.len * 2));
        free(text);
        return json;
}

static json_t *integer(uint64_t number)
{
        char text[24];

        if (number <= INT64_MAX) {
                return memory_got(json_integer((json_int_t)number));
        }
        snprintf(text, sizeof(text), "%" PRIu64, number);
        return memory_got(json_string(text));
}

static json_t *real(double number)
{
        json_t *json = json_real(number);

        return json ? json : json_null(); /* JSON knows no infinity */
}

static int array_decode(struct cmi_reader *reader, unsigned depth, json_t **ret_json)
{
        json_t *array = memory_got(json_array()), *value;
        uint32_t n = cmi_read_array(reader, UINT32_MAX);

        for (uint32_t i = 0; i < n && !reader->error; i++) {
                int r = value_decode(reader, depth, &value);

                if (r < 0) {
                        json_decref(array);
                        return r;
                }
                json_array_append_new(array, value);
        }
        *ret_json = array;
        return 0;
}

static int pair_decode(struct cmi_reader *reader, unsigned depth, json_t *map)
{
        struct cmi_slice key = cmi_read_str(reader, UINT32_MAX);
        json_t *name, *value;
        int r;

        if (reader->error) {
                return reader->error;
        }
        r = value_decode(reader, depth, &value);
        if (r < 0) {
                return r;
        }
        name = document_text(key);
        r = json_object_set_new(map, json_string_value(name), value) < 0 ? -EBADMSG : 0;
        json_decref(name);
        return r;
}

static int map_decode(struct cmi_reader *reader, unsigned depth, json_t **ret_json)
{
        json_t *map = memory_got(json_object());
        uint32_t n = cmi_read_map(reader, UINT32_MAX);

        for (uint32_t i = 0; i < n && !reader->error; i++) {
                int r = pair_decode(reader, depth, map);

                if (r < 0) {
                        json_decref(map);
                        return r;
                }
        }
        *ret_json = map;
        return 0;
}

static int value_decode(struct cmi_reader *reader, unsigned depth, json_t **ret_json)
{
        json_t *json = NULL;

        switch (cmi_read_type(reader)) {
        case CMI_TYPE_ARRAY:
                return depth < DEPTH_MAX ? array_decode(reader, depth + 1, ret_json) : -EMSGSIZE;
        case CMI_TYPE_MAP:
                return depth < DEPTH_MAX ? map_decode(reader, depth + 1, ret_json) : -EMSGSIZE;
        case CMI_TYPE_BOOL:
                json = json_boolean(cmi_read_bool(reader));
                break;
        case CMI_TYPE_UINT:
                json = integer(cmi_read_uint(reader, UINT64_MAX));
                break;
        case CMI_TYPE_INT:
                json = memory_got(json_integer(cmi_read_int(reader)));
                break;
        case CMI_TYPE_FLOAT:
                json = real(cmi_read_float(reader));
                break;
        case CMI_TYPE_STR:
                json = document_text(cmi_read_str(reader, UINT32_MAX));
                break;
        case CMI_TYPE_BIN:
                json = hex(cmi_read_bin(reader, UINT32_MAX));
                break;
        case CMI_TYPE_NIL:
        case CMI_TYPE_EXT:
                cmi_read_skip(reader);
                json = json_null();
                break;
        case CMI_TYPE_END:
                return reader->error ? reader->error : -EBADMSG;
        }
        *ret_json = json;
        return 0;
}

int document_decode(struct cmi_slice bytes, json_t **ret_json)
{
        struct cmi_reader reader = cmi_reader(bytes);
        json_t *json = NULL;
        int r = value_decode(&reader, 0, &json);

        if (r == 0) {
                r = cmi_read_done(&reader);
        }
        if (r < 0) {
                json_decref(json);
                return r;
        }
        *ret_json = json;
        return 0;
}

const char *document_str(const json_t *map, const char *key, const char *fallback)
{
        const char *text = json_string_value(json_object_get(map, key));

        return text ? text : fallback;
}

json_int_t document_int(const json_t *map, const char *key, json_int_t fallback)
{
        const json_t *value = json_object_get(map, key);

        return json_is_integer(value) ? json_integer_value(value) : fallback;
}
