/* SPDX-License-Identifier: MIT */
#include "tests/wire/message.h"
#include "wire/load.h"

MESSAGE(load, {
                              .index = 200,
                              .version = 3,
                              .key = {"k1", 2},
                              .arrival = 17,
                              .lead_ms = 2500,
                              .n_busy = 1,
                              .n_stale = 2,
                              .patience_ms = 100,
              })
MESSAGE(load_state, {
                                    .outcome = CMI_LOAD_VALUE,
                                    .arrival = 17,
                                    .is_new = true,
                                    .record = {"\x80", 1},
                    })
MESSAGE(loaded, {.load = 9, .outcome = -5})
MESSAGE(load_record, {
                                     .epoch = 0x0102030405060708,
                                     .token = 104,
                                     .loaded_ds = 36000,
                                     .ttl_ms = 60000,
                                     .value = {"v1", 2},
                                     .n_tags = 2,
                                     .tags = {{"t", 1}, {"u", 1}},
                     })

static const struct message messages[] = {
                {.name = "local-load", .write_golden = write_load, .recode = recode_load},
                {.name = "local-load-state",
                                .write_golden = write_load_state,
                                .recode = recode_load_state,
                                .signed_key = 4},
                {.name = "local-loaded",
                                .write_golden = write_loaded,
                                .recode = recode_loaded,
                                .signed_key = 2},
                {.name = "local-load-record",
                                .write_golden = write_load_record,
                                .recode = recode_load_record},
};

static void the_longest_record_fits_one_request(void)
{
        static uint8_t value[CMI_LOAD_VALUE_MAX];
        static uint8_t tag[CMI_TAG_MAX];
        static uint8_t bytes[CMI_LOAD_RECORD_MAX];
        static uint8_t buffer[CMI_LOCAL_REQUEST_MAX];
        struct cmi_load_record record = {.epoch = UINT64_MAX,
                        .token = UINT64_MAX,
                        .loaded_ds = UINT32_MAX,
                        .ttl_ms = UINT32_MAX,
                        .value = {value, sizeof(value)},
                        .n_tags = CMI_LOAD_TAGS_MAX};
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_loaded loaded = {.load = UINT64_MAX};
        struct cmi_load_record again;
        size_t begin;

        for (unsigned i = 0; i < CMI_LOAD_TAGS_MAX; i++) {
                record.tags[i] = cmi_slice(tag, sizeof(tag));
        }
        cmi_load_record_write(&writer, &record);
        g_assert_cmpint(writer.error, ==, 0);
        g_assert_cmpint(cmi_load_record_decode(cmi_written(&writer), &again), ==, 0);
        g_assert_cmpuint(again.n_tags, ==, CMI_LOAD_TAGS_MAX);
        loaded.record = cmi_written(&writer);
        writer = cmi_writer(buffer, sizeof(buffer));
        begin = cmi_local_begin(&writer, CMI_LOCAL_LOADED, UINT64_MAX);
        cmi_loaded_write(&writer, &loaded);
        cmi_local_end(&writer, begin);
        g_assert_cmpint(writer.error, ==, 0);
}

static void what_is_too_long_is_refused(void)
{
        static uint8_t value[CMI_LOAD_VALUE_MAX + 1];
        static uint8_t bytes[CMI_LOCAL_REQUEST_MAX];
        struct cmi_load_record record = {.value = {value, sizeof(value)}};
        struct cmi_load load = {.key = {value, CMI_KEY_MAX + 1}};
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_load_record_write(&writer, &record);
        g_assert_cmpint(cmi_load_record_decode(cmi_written(&writer), &record), ==, -EMSGSIZE);
        writer = cmi_writer(bytes, sizeof(bytes));
        cmi_load_write(&writer, &load);
        g_assert_cmpint(cmi_load_decode(cmi_written(&writer), &load), ==, -EMSGSIZE);
        record = (struct cmi_load_record){.n_tags = 1}; /* an empty tag is none */
        writer = cmi_writer(bytes, sizeof(bytes));
        cmi_load_record_write(&writer, &record);
        g_assert_cmpint(cmi_load_record_decode(cmi_written(&writer), &record), ==, -EBADMSG);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        message_reference = "local-protocol";
        g_test_add_func("/load/longest", the_longest_record_fits_one_request);
        g_test_add_func("/load/limits", what_is_too_long_is_refused);
        for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
                message_add_cases("load", &messages[i]);
        }
        return g_test_run();
}
