/* SPDX-License-Identifier: MIT */
/* The head of each frame: its bytes, its limits, and what tells it from another protocol. */
#include "tests/wire/message.h"
#include "wire/frame.h"

static const struct cmi_id id_a = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const struct cmi_id id_b = {
                {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};

static const struct cmi_frame_header golden_header = {
                .type = CMI_FRAME_BEAT,
                .mesh = 0x1122334455667788,
                .source = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
                .source_incarnation = 1700000000001,
                .destination_incarnation = 1700000000002,
                .generation = 3,
};

static int decode_header(struct cmi_slice bytes)
{
        struct cmi_frame_header header;

        return cmi_frame_header_decode(bytes, &header);
}

static struct cmi_slice header_bytes(void)
{
        static uint8_t buffer[CMI_FRAME_HEADER_MAX];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_frame_header_write(&writer, &golden_header);
        g_assert_cmpint(writer.error, ==, 0);
        return cmi_written(&writer);
}

static void header_is_as_in_its_vector_both_ways(void)
{
        g_autoptr(GByteArray) want = message_vector(&(struct message){.name = "header"});
        struct cmi_frame_header header;

        assert_same_bytes(header_bytes(), slice_of(want));
        is_shown_in_the_reference(&(struct message){.name = "header"});
        g_assert_cmpint(cmi_frame_header_decode(header_bytes(), &header), ==, 0);
        g_assert_cmpuint(header.type, ==, CMI_FRAME_BEAT);
        g_assert_cmpuint(header.mesh, ==, golden_header.mesh);
        g_assert_true(cmi_id_equal(&header.source, &id_a));
        g_assert_cmpuint(header.source_incarnation, ==, 1700000000001);
        g_assert_cmpuint(header.destination_incarnation, ==, 1700000000002);
        g_assert_cmpuint(header.generation, ==, 3);
}

static void header_of_largest_values_fits(void)
{
        struct cmi_frame_header header = {
                        UINT64_MAX, UINT64_MAX, id_b, UINT64_MAX, UINT64_MAX, UINT64_MAX};
        uint8_t buffer[CMI_FRAME_HEADER_MAX];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_frame_header_write(&writer, &header);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(decode_header(cmi_written(&writer)), ==, 0);
}

static void header_cut_short_is_refused_and_mutation_does_no_harm(void)
{
        assert_truncation_is_refused(header_bytes(), decode_header);
        mutate_and_decode(header_bytes(), decode_header, test_seed());
}

/* The golden header with @n_more elements of nil at its end. */
static int decode_longer_header(uint32_t n_more)
{
        struct cmi_slice bytes = header_bytes();
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_write_array(&writer, 8 + n_more);
        cmi_write_raw(&writer, cmi_slice((const uint8_t *)bytes.data + 1, bytes.len - 1));
        for (uint32_t i = 0; i < n_more; i++) {
                cmi_write_nil(&writer);
        }
        return decode_header(cmi_written(&writer));
}

static void header_of_a_newer_version_may_be_longer_up_to_its_limit(void)
{
        uint32_t room = (uint32_t)(CMI_FRAME_HEADER_MAX - header_bytes().len);

        g_assert_cmpint(decode_longer_header(1), ==, 0);
        g_assert_cmpint(decode_longer_header(room - 2), ==, 0); /* array 16: two more bytes */
        g_assert_cmpint(decode_longer_header(room - 1), ==, -EBADMSG);
}

static void header_of_another_protocol_is_told_from_a_broken_one(void)
{
        uint8_t bytes[CMI_FRAME_HEADER_MAX];
        struct cmi_slice golden = header_bytes();

        memcpy(bytes, golden.data, golden.len);
        bytes[4] = 2; /* version */
        g_assert_cmpint(decode_header(cmi_slice(bytes, golden.len)), ==, -EPROTO);
        memcpy(bytes, golden.data, golden.len);
        bytes[2] ^= 1; /* magic */
        g_assert_cmpint(decode_header(cmi_slice(bytes, golden.len)), ==, -EPROTO);
        g_assert_cmpint(decode_header(cmi_slice_str("GET / HTTP/1.1")), ==, -EPROTO);
        g_assert_cmpint(decode_header(cmi_slice(NULL, 0)), ==, -EPROTO);
        memcpy(bytes, golden.data, golden.len);
        bytes[5] = 0xc0; /* type */
        g_assert_cmpint(decode_header(cmi_slice(bytes, golden.len)), ==, -EBADMSG);
        bytes[5] = 0x7f; /* a type of a newer version */
        g_assert_cmpint(decode_header(cmi_slice(bytes, golden.len)), ==, 0);
        bytes[0] = 0x97; /* seven elements */
        g_assert_cmpint(decode_header(cmi_slice(bytes, golden.len)), ==, -EBADMSG);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        message_reference = "mesh-protocol";
#define CASE(name) g_test_add_func("/frame_header/" #name, name)
        CASE(header_is_as_in_its_vector_both_ways);
        CASE(header_of_largest_values_fits);
        CASE(header_cut_short_is_refused_and_mutation_does_no_harm);
        CASE(header_of_a_newer_version_may_be_longer_up_to_its_limit);
        CASE(header_of_another_protocol_is_told_from_a_broken_one);
        return g_test_run();
}
