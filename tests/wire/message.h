/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Checks that hold for every message whose body is a map with small integer keys. A test program
 * lists its messages, each with a golden example in tests/wire/vectors/NAME.hex, and gets a case
 * per message and check.
 */
#include "tests/wire/bytes.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <errno.h>

struct message {
        const char *name;
        void (*write_golden)(struct cmi_writer *writer);
        int (*recode)(struct cmi_slice bytes, struct cmi_writer *writer); /* decode, then write */
        uint64_t signed_key; /* the field that takes negative numbers too; 0: none */
        uint64_t free_key;   /* the field that takes every type, or a map of any content; 0: none */
};

/* The page under docs/reference/ on which this program's messages are described, without ".md". */
static const char *message_reference;

static uint8_t message_buffer[1 << 17];

static struct cmi_slice message_recoded(const struct message *message, struct cmi_slice bytes)
{
        struct cmi_writer writer = cmi_writer(message_buffer, sizeof(message_buffer));

        g_assert_cmpint(message->recode(bytes, &writer), >=, 0);
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_written(&writer);
}

static int message_decode(const struct message *message, struct cmi_slice bytes)
{
        struct cmi_writer writer = cmi_writer(message_buffer, sizeof(message_buffer));
        struct cmi_slice copy = exact_copy(bytes);
        int r = message->recode(copy, &writer);

        g_free((void *)copy.data);
        return r;
}

static GByteArray *message_vector(const struct message *message)
{
        g_autofree char *path = g_strdup_printf(CM_VECTORS "/%s.hex", message->name);
        g_autofree char *hex = NULL;
        g_autoptr(GError) error = NULL;

        g_file_get_contents(path, &hex, NULL, &error);
        g_assert_no_error(error);
        return bytes_of_hex(hex);
}

static void is_written_as_in_its_vector(gconstpointer data)
{
        const struct message *message = data;
        g_autoptr(GByteArray) want = message_vector(message);
        uint8_t buffer[4096];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        message->write_golden(&writer);
        g_assert_cmpint(writer.error, ==, 0);
        assert_same_bytes(cmi_written(&writer), slice_of(want));
}

/* Does the reference page show these bytes in a block of their own: ```hex ... ``` */
static bool reference_shows(struct cmi_slice bytes)
{
        g_autofree char *path = g_strdup_printf(CM_DOCS "/%s.md", message_reference);
        g_autofree char *page = NULL;
        g_autoptr(GError) error = NULL;
        bool is_found = false;

        g_file_get_contents(path, &page, NULL, &error);
        g_assert_no_error(error);
        for (char *at = strstr(page, "```hex\n"); at != NULL; at = strstr(at, "```hex\n")) {
                char *end = strstr(at + 7, "```");
                g_autofree char *block = g_strndup(at + 7, (gsize)(end - at - 7));
                g_autoptr(GByteArray) shown = bytes_of_hex(block);

                is_found |= cmi_slice_equal(slice_of(shown), bytes);
                at = end + 3;
        }
        return is_found;
}

static void is_shown_in_the_reference(gconstpointer data)
{
        g_autoptr(GByteArray) vector = message_vector(data);

        g_assert_true(reference_shows(slice_of(vector)));
}

static void is_the_same_after_decoding_and_encoding(gconstpointer data)
{
        const struct message *message = data;
        g_autoptr(GByteArray) bytes = message_vector(message);
        struct cmi_slice vector = slice_of(bytes);

        assert_same_bytes(message_recoded(message, vector), vector);
}

static void is_refused_when_cut_short_or_longer(gconstpointer data)
{
        const struct message *message = data;
        g_autoptr(GByteArray) bytes = message_vector(message);

        for (size_t len = 0; len < bytes->len; len++) {
                g_assert_cmpint(message_decode(message, cmi_slice(bytes->data, len)), <, 0);
        }
        g_byte_array_append(bytes, (const guint8 *)"\xc0", 1);
        g_assert_cmpint(message_decode(message, slice_of(bytes)), ==, -EBADMSG);
}

/* What a decoder says of unknown fields; that of a document, which has one field, says nothing. */
static int n_skipped(const struct message *message, uint32_t n)
{
        return strcmp(message->name, "local-answer") == 0 ? 0 : (int)n;
}

static void survives_mutation(gconstpointer data)
{
        const struct message *message = data;
        g_autoptr(GByteArray) bytes = message_vector(message);
        g_autoptr(GRand) random = g_rand_new_with_seed(test_seed());

        for (int round = 0; round < 3000; round++) {
                g_autofree uint8_t *copy = g_memdup2(bytes->data, bytes->len);
                int n = g_rand_int_range(random, 1, 5);
                size_t len = bytes->len;

                for (int i = 0; i < n; i++) {
                        copy[g_rand_int_range(random, 0, (gint32)len)] =
                                        (uint8_t)g_rand_int(random);
                }
                if (g_rand_boolean(random)) {
                        len = (size_t)g_rand_int_range(random, 0, (gint32)len + 1);
                }
                message_decode(message, cmi_slice(copy, len));
        }
}

/*
 * Copies a value as a newer version would write it: each record (an array that does not hold
 * arrays) gets two more elements. Lists stay as they are.
 */
static void write_with_longer_records(struct cmi_writer *writer, struct cmi_slice value)
{
        struct cmi_reader reader = cmi_reader(value);
        uint32_t n;
        bool is_record;

        if (cmi_read_type(&reader) != CMI_TYPE_ARRAY) {
                cmi_write_raw(writer, value);
                return;
        }
        n = cmi_read_array(&reader, UINT32_MAX);
        is_record = n > 0 && cmi_read_type(&reader) != CMI_TYPE_ARRAY;
        cmi_write_array(writer, is_record ? n + 2 : n);
        for (uint32_t i = 0; i < n; i++) {
                write_with_longer_records(writer, cmi_read_value(&reader));
        }
        if (is_record) {
                cmi_write_nil(writer);
                cmi_write_map(writer, 1);
                cmi_write_cstr(writer, "later");
                cmi_write_float(writer, 1.5);
        }
}

static void write_later_field(struct cmi_writer *writer, uint64_t key)
{
        cmi_write_uint(writer, key);
        cmi_write_map(writer, 1);
        cmi_write_cstr(writer, "added");
        cmi_write_array(writer, 2);
        cmi_write_int(writer, -5);
        cmi_write_raw(writer, cmi_slice("\xd4\x01\x02", 3)); /* ext */
}

static void of_a_newer_version_keeps_its_known_fields(gconstpointer data)
{
        const struct message *message = data;
        g_autoptr(GByteArray) bytes = message_vector(message);
        struct cmi_slice vector = slice_of(bytes);
        struct cmi_reader reader = cmi_reader(vector);
        uint32_t n = cmi_read_map(&reader, UINT32_MAX);
        uint8_t buffer[4096];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_write_map(&writer, n + 3);
        write_later_field(&writer, 0);
        for (uint32_t i = 0; i < n; i++) {
                uint64_t key = cmi_read_uint(&reader, UINT64_MAX);

                cmi_write_uint(&writer, key);
                write_with_longer_records(&writer, cmi_read_value(&reader));
        }
        write_later_field(&writer, 63);
        write_later_field(&writer, UINT64_MAX);
        g_assert_cmpint(writer.error, ==, 0);
        assert_same_bytes(message_recoded(message, cmi_written(&writer)), vector);
        g_assert_cmpint(message_decode(message, cmi_written(&writer)), ==, n_skipped(message, 3));
}

/* The vector with field @index doubled, or its value replaced. */
static struct cmi_slice message_variant(struct cmi_slice vector, uint32_t index, bool is_doubled,
                const char *replacement, size_t replacement_len)
{
        static uint8_t buffer[4096];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_reader reader = cmi_reader(vector);
        uint32_t n = cmi_read_map(&reader, UINT32_MAX);

        cmi_write_map(&writer, is_doubled ? n + 1 : n);
        for (uint32_t i = 0; i < n; i++) {
                uint64_t key = cmi_read_uint(&reader, UINT64_MAX);
                struct cmi_slice value = cmi_read_value(&reader);

                for (int k = 0; k < (i == index && is_doubled ? 2 : 1); k++) {
                        cmi_write_uint(&writer, key);
                        cmi_write_raw(&writer,
                                        i == index && replacement != NULL
                                                        ? cmi_slice(replacement, replacement_len)
                                                        : value);
                }
        }
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_written(&writer);
}

static void with_a_field_twice_is_refused(gconstpointer data)
{
        const struct message *message = data;
        g_autoptr(GByteArray) bytes = message_vector(message);
        struct cmi_slice vector = slice_of(bytes);
        struct cmi_reader reader = cmi_reader(vector);
        uint32_t n = cmi_read_map(&reader, UINT32_MAX);

        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpint(message_decode(message, message_variant(vector, i, true, NULL, 0)),
                                ==, -EBADMSG);
        }
}

static void with_a_field_of_another_type_is_refused(gconstpointer data)
{
        static const struct {
                const char *bytes;
                size_t len;
                enum cmi_type type;
        } values[] = {
                        {"\xc0", 1, CMI_TYPE_NIL},
                        {"\xc3", 1, CMI_TYPE_BOOL},
                        {"\x05", 1, CMI_TYPE_UINT},
                        {"\xfb", 1, CMI_TYPE_INT},
                        {"\xca\x3f\xc0\x00\x00", 5, CMI_TYPE_FLOAT},
                        {"\xa1\x61", 2, CMI_TYPE_STR},
                        {"\xc4\x01\x61", 3, CMI_TYPE_BIN},
                        {"\x91\x01", 2, CMI_TYPE_ARRAY},
                        {"\x81\x01\x02", 3, CMI_TYPE_MAP},
                        {"\xd4\x01\x61", 3, CMI_TYPE_EXT},
                        {"\xc1", 1, CMI_TYPE_END},
        };
        const struct message *message = data;
        g_autoptr(GByteArray) bytes = message_vector(message);
        struct cmi_slice vector = slice_of(bytes);
        struct cmi_reader reader = cmi_reader(vector);
        uint32_t n = cmi_read_map(&reader, UINT32_MAX);

        for (uint32_t i = 0; i < n; i++) {
                uint64_t key = cmi_read_uint(&reader, UINT64_MAX);
                enum cmi_type type = cmi_read_type(&reader);

                cmi_read_skip(&reader);
                for (size_t v = 0; v < G_N_ELEMENTS(values); v++) {
                        bool is_number = values[v].type == CMI_TYPE_INT ||
                                         values[v].type == CMI_TYPE_UINT;

                        if (values[v].type == type || key == message->free_key ||
                                        (key == message->signed_key && is_number)) {
                                continue;
                        }
                        g_test_message("key %u, value %zu", (unsigned int)key, v);
                        g_assert_cmpint(message_decode(message, message_variant(vector, i, false,
                                                                                values[v].bytes,
                                                                                values[v].len)),
                                        ==, -EBADMSG);
                }
        }
}

static void with_a_key_that_is_no_uint_is_refused(gconstpointer data)
{
        static const struct cmi_slice bodies[] = {{"\x81\xa1\x61\x01", 4}, {"\x81\xff\x01", 3},
                        {"\x81\xc0\x01", 3}, {"\x81\xc4\x01\x01\x01", 5}, {"\x91\x01", 2},
                        {"\xc0", 1}, {"\x05", 1}, {"", 0}};

        for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
                g_assert_cmpint(message_decode(data, bodies[i]), ==, -EBADMSG);
        }
}

static void with_too_many_fields_is_refused(gconstpointer data)
{
        const struct message *message = data;
        g_autoptr(GByteArray) bytes = message_vector(message);
        uint8_t buffer[4096];

        for (uint32_t n_all = 64; n_all <= 65; n_all++) {
                struct cmi_reader reader = cmi_reader(slice_of(bytes));
                struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
                uint32_t n = cmi_read_map(&reader, UINT32_MAX);

                cmi_write_map(&writer, n_all);
                cmi_write_raw(&writer, cmi_slice(reader.at, (size_t)(reader.end - reader.at)));
                for (uint32_t i = n; i < n_all; i++) {
                        cmi_write_uint(&writer, 100 + i);
                        cmi_write_nil(&writer);
                }
                g_assert_cmpint(writer.error, ==, 0);
                g_assert_cmpint(message_decode(message, cmi_written(&writer)), ==,
                                n_all == 64 ? n_skipped(message, 64 - n) : -EMSGSIZE);
        }
}

/* A golden message of a struct cmi_noun, and the two functions that struct message wants. */
#define MESSAGE(noun, ...)                                                                         \
        static void write_##noun(struct cmi_writer *writer)                                        \
        {                                                                                          \
                static const struct cmi_##noun golden = __VA_ARGS__;                               \
                                                                                                   \
                cmi_##noun##_write(writer, &golden);                                               \
        }                                                                                          \
                                                                                                   \
        static int recode_##noun(struct cmi_slice bytes, struct cmi_writer *writer)                \
        {                                                                                          \
                static struct cmi_##noun value;                                                    \
                int r;                                                                             \
                                                                                                   \
                memset(&value, 0x5a, sizeof(value));                                               \
                r = cmi_##noun##_decode(bytes, &value);                                            \
                if (r >= 0) {                                                                      \
                        cmi_##noun##_write(writer, &value);                                        \
                }                                                                                  \
                return r;                                                                          \
        }

static inline void message_add_cases(const char *suite, const struct message *message)
{
        static const struct {
                const char *name;
                GTestDataFunc check;
        } checks[] = {
#define CHECK(name) {#name, name}
                        CHECK(is_written_as_in_its_vector),
                        CHECK(is_shown_in_the_reference),
                        CHECK(is_the_same_after_decoding_and_encoding),
                        CHECK(is_refused_when_cut_short_or_longer),
                        CHECK(survives_mutation),
                        CHECK(of_a_newer_version_keeps_its_known_fields),
                        CHECK(with_a_field_twice_is_refused),
                        CHECK(with_a_field_of_another_type_is_refused),
                        CHECK(with_a_key_that_is_no_uint_is_refused),
                        CHECK(with_too_many_fields_is_refused),
#undef CHECK
        };

        for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
                g_autofree char *path =
                                g_strdup_printf("/%s/%s_%s", suite, message->name, checks[i].name);

                g_test_add_data_func(path, message, checks[i].check);
        }
}
