/* SPDX-License-Identifier: MIT */
/*
 * The reader against msgpack-c's unpacker. msgpack-c allocates by announced counts, before it has
 * the bytes, so it is shown only inputs in which no container has a count of 16 or 32 bits, or
 * which the reader has accepted.
 */
#include "tests/wire/bytes.h"
#include "wire/reader.h"

#include <msgpack.h>

static int depth_of(const msgpack_object *object)
{
        int deepest = 0;

        if (object->type == MSGPACK_OBJECT_ARRAY) {
                for (uint32_t i = 0; i < object->via.array.size; i++) {
                        deepest = MAX(deepest, depth_of(&object->via.array.ptr[i]));
                }
                return deepest + 1;
        }
        if (object->type == MSGPACK_OBJECT_MAP) {
                for (uint32_t i = 0; i < object->via.map.size; i++) {
                        deepest = MAX(deepest, depth_of(&object->via.map.ptr[i].key));
                        deepest = MAX(deepest, depth_of(&object->via.map.ptr[i].val));
                }
                return deepest + 1;
        }
        return 0;
}

static void assert_same_content(struct cmi_slice got, const char *want, uint32_t want_len)
{
        g_assert_true(cmi_slice_equal(got, cmi_slice(want, want_len)));
}

/* Reads the value that @object is and compares. */
static void assert_reads(struct cmi_reader *reader, const msgpack_object *object)
{
        double number;

        switch (object->type) {
        case MSGPACK_OBJECT_NIL:
                g_assert_cmpint(cmi_read_type(reader), ==, CMI_TYPE_NIL);
                cmi_read_skip(reader);
                break;
        case MSGPACK_OBJECT_BOOLEAN:
                g_assert_cmpint(cmi_read_bool(reader), ==, object->via.boolean);
                break;
        case MSGPACK_OBJECT_POSITIVE_INTEGER:
                g_assert_cmpint(cmi_read_type(reader), ==, CMI_TYPE_UINT);
                g_assert_cmpuint(cmi_read_uint(reader, UINT64_MAX), ==, object->via.u64);
                break;
        case MSGPACK_OBJECT_NEGATIVE_INTEGER:
                g_assert_cmpint(cmi_read_type(reader), ==, CMI_TYPE_INT);
                g_assert_cmpint(cmi_read_int(reader), ==, object->via.i64);
                break;
        case MSGPACK_OBJECT_FLOAT32:
        case MSGPACK_OBJECT_FLOAT64:
                number = cmi_read_float(reader);
                g_assert_true(number == object->via.f64 || number != number);
                break;
        case MSGPACK_OBJECT_STR:
                assert_same_content(cmi_read_str(reader, SIZE_MAX), object->via.str.ptr,
                                object->via.str.size);
                break;
        case MSGPACK_OBJECT_BIN:
                assert_same_content(cmi_read_bin(reader, SIZE_MAX), object->via.bin.ptr,
                                object->via.bin.size);
                break;
        case MSGPACK_OBJECT_EXT:
                g_assert_cmpint(cmi_read_type(reader), ==, CMI_TYPE_EXT);
                cmi_read_skip(reader);
                break;
        case MSGPACK_OBJECT_ARRAY:
                g_assert_cmpuint(cmi_read_array(reader, UINT32_MAX), ==, object->via.array.size);
                for (uint32_t i = 0; i < object->via.array.size; i++) {
                        assert_reads(reader, &object->via.array.ptr[i]);
                }
                break;
        case MSGPACK_OBJECT_MAP:
                g_assert_cmpuint(cmi_read_map(reader, UINT32_MAX), ==, object->via.map.size);
                for (uint32_t i = 0; i < object->via.map.size; i++) {
                        assert_reads(reader, &object->via.map.ptr[i].key);
                        assert_reads(reader, &object->via.map.ptr[i].val);
                }
                break;
        default:
                g_assert_not_reached();
        }
}

static bool has_long_count(const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                if (bytes[i] >= 0xdc && bytes[i] <= 0xdf) {
                        return true;
                }
        }
        return false;
}

/* Return: whether both accepted. */
static bool compare(const uint8_t *bytes, size_t len)
{
        struct cmi_reader reader = cmi_reader(cmi_slice(bytes, len));
        struct cmi_reader again = reader;
        msgpack_unpacked result;
        size_t taken = 0;
        bool is_accepted;
        bool oracle_accepts;

        cmi_read_skip(&reader);
        is_accepted = reader.error == 0;
        if (!is_accepted && has_long_count(bytes, len)) {
                return false;
        }
        msgpack_unpacked_init(&result);
        oracle_accepts = msgpack_unpack_next(&result, (const char *)bytes, len, &taken) ==
                         MSGPACK_UNPACK_SUCCESS;
        if (is_accepted) {
                g_assert_true(oracle_accepts);
                g_assert_cmpuint(taken, ==, (size_t)(reader.at - again.at));
                g_assert_cmpint(depth_of(&result.data), <=, CMI_DEPTH_MAX);
                assert_reads(&again, &result.data);
                g_assert_true(again.error == 0 && again.at == reader.at);
        } else if (oracle_accepts) {
                g_assert_cmpint(depth_of(&result.data), >, CMI_DEPTH_MAX);
        }
        msgpack_unpacked_destroy(&result);
        return is_accepted;
}

static void compare_copy(const uint8_t *bytes, size_t len, int *n_accepted)
{
        g_autofree uint8_t *copy = g_memdup2(bytes, len);

        *n_accepted += compare(copy, len);
}

static void every_input_of_two_bytes_is_judged_alike(void)
{
        int n_accepted = 0;

        for (int first = 0; first < 256; first++) {
                for (int second = 0; second < 256; second++) {
                        compare_copy((uint8_t[]){(uint8_t)first, (uint8_t)second}, 2, &n_accepted);
                }
        }
        g_assert_cmpint(n_accepted, >, 128 * 256);
}

/* Bytes that often begin something. */
static uint8_t likely_byte(GRand *random)
{
        switch (g_rand_int_range(random, 0, 4)) {
        case 0:
                return (uint8_t)(0xc0 + g_rand_int_range(random, 0, 32));
        case 1:
                return (uint8_t)(0x80 + g_rand_int_range(random, 0, 4));
        case 2:
                return (uint8_t)(0x90 + g_rand_int_range(random, 0, 4));
        default:
                return (uint8_t)g_rand_int_range(random, 0, 6);
        }
}

static void random_bytes_are_judged_alike(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(test_seed());
        int n_accepted = 0;

        for (int round = 0; round < 200000; round++) {
                uint8_t bytes[24];
                size_t len = (size_t)g_rand_int_range(random, 1, sizeof(bytes) + 1);

                for (size_t i = 0; i < len; i++) {
                        bytes[i] = likely_byte(random);
                }
                compare_copy(bytes, len, &n_accepted);
        }
        g_assert_cmpint(n_accepted, >, 20000);
}

static void pack_random(msgpack_packer *packer, GRand *random, int depth);

static void pack_random_container(msgpack_packer *packer, GRand *random, int depth)
{
        size_t n = (size_t)g_rand_int_range(random, 0, 20);

        if (g_rand_boolean(random)) {
                msgpack_pack_array(packer, n);
        } else {
                msgpack_pack_map(packer, n / 2);
                n = n / 2 * 2;
        }
        for (size_t i = 0; i < n; i++) {
                pack_random(packer, random, depth - 1);
        }
}

static void pack_random(msgpack_packer *packer, GRand *random, int depth)
{
        static const char content[300];
        uint64_t bits = ((uint64_t)g_rand_int(random) << 32 | g_rand_int(random)) >>
                        g_rand_int_range(random, 0, 64);
        size_t len = (size_t)g_rand_int_range(random, 0, 4) == 0 ? bits % sizeof(content)
                                                                 : bits % 5;

        switch (g_rand_int_range(random, depth > 0 ? 0 : 2, 10)) {
        case 0:
        case 1:
                pack_random_container(packer, random, depth);
                break;
        case 2:
                msgpack_pack_uint64(packer, bits);
                break;
        case 3:
                msgpack_pack_int64(packer, (int64_t)bits * -1);
                break;
        case 4:
                msgpack_pack_str_with_body(packer, content, len);
                break;
        case 5:
                msgpack_pack_bin_with_body(packer, content, len);
                break;
        case 6:
                msgpack_pack_ext_with_body(packer, content, len, 5);
                break;
        case 7:
                msgpack_pack_double(packer, (double)bits);
                break;
        case 8:
                msgpack_pack_float(packer, (float)bits);
                break;
        default:
                msgpack_pack_nil(packer);
        }
}

static void random_values_are_read_alike_and_so_are_their_mutations(void)
{
        g_autoptr(GRand) random = g_rand_new_with_seed(test_seed());
        int n_accepted = 0;
        int n_mutated_accepted = 0;

        for (int round = 0; round < 10000; round++) {
                msgpack_sbuffer buffer;
                msgpack_packer packer;
                uint8_t *bytes;

                msgpack_sbuffer_init(&buffer);
                msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
                pack_random(&packer, random, CMI_DEPTH_MAX);
                bytes = (uint8_t *)buffer.data;
                compare_copy(bytes, buffer.size, &n_accepted);
                for (int i = 0; i < 4; i++) {
                        bytes[g_rand_int_range(random, 0, (gint32)buffer.size)] =
                                        (uint8_t)g_rand_int(random);
                        compare_copy(bytes, buffer.size, &n_mutated_accepted);
                }
                msgpack_sbuffer_destroy(&buffer);
        }
        g_assert_cmpint(n_accepted, ==, 10000);
        g_assert_cmpint(n_mutated_accepted, >, 5000);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/oracle/" #name, name)
        CASE(every_input_of_two_bytes_is_judged_alike);
        CASE(random_bytes_are_judged_alike);
        CASE(random_values_are_read_alike_and_so_are_their_mutations);
        return g_test_run();
}
