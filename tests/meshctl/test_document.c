/* SPDX-License-Identifier: MIT */
#include "meshctl/document.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <stdlib.h>

static void assert_json(const struct cmi_writer *writer, const char *expected)
{
        json_t *json = NULL;
        char *text;

        g_assert_cmpint(document_decode(cmi_written(writer), &json), ==, 0);
        text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
        g_assert_cmpstr(text, ==, expected);
        free(text);
        json_decref(json);
}

static void assert_refused(const void *bytes, size_t len, int error)
{
        json_t *json = NULL;

        g_assert_cmpint(document_decode(cmi_slice(bytes, len), &json), ==, error);
        g_assert_null(json);
}

static void each_type_has_its_json(void)
{
        uint8_t buffer[1000];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_write_map(&writer, 9);
        cmi_write_cstr(&writer, "nil");
        cmi_write_nil(&writer);
        cmi_write_cstr(&writer, "bool");
        cmi_write_bool(&writer, true);
        cmi_write_cstr(&writer, "uint");
        cmi_write_uint(&writer, INT64_MAX);
        cmi_write_cstr(&writer, "int");
        cmi_write_int(&writer, INT64_MIN);
        cmi_write_cstr(&writer, "float");
        cmi_write_float(&writer, 0.5);
        cmi_write_cstr(&writer, "str");
        cmi_write_cstr(&writer, "gr\xc3\xbcn");
        cmi_write_cstr(&writer, "bin");
        cmi_write_bin(&writer, cmi_slice("\x00\xff", 2));
        cmi_write_cstr(&writer, "array");
        cmi_write_array(&writer, 2);
        cmi_write_uint(&writer, 1);
        cmi_write_map(&writer, 0);
        cmi_write_cstr(&writer, "empty");
        cmi_write_str(&writer, cmi_slice("", 0));
        assert_json(&writer, "{\"nil\":null,\"bool\":true,\"uint\":9223372036854775807,"
                             "\"int\":-9223372036854775808,\"float\":0.5,\"str\":\"gr\xc3\xbcn\","
                             "\"bin\":\"00ff\",\"array\":[1,{}],\"empty\":\"\"}");
}

static void what_json_cannot_hold_is_still_there(void)
{
        uint8_t buffer[100];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_write_uint(&writer, UINT64_MAX);
        assert_json(&writer, "\"18446744073709551615\"");
        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_write_float(&writer, INFINITY);
        assert_json(&writer, "null");
        writer = cmi_writer(buffer, sizeof(buffer));
        cmi_write_str(&writer, cmi_slice("a\xff"
                                         "b",
                                               3));
        assert_json(&writer, "\"a\\\\xffb\"");
}

static void nesting_is_bounded(void)
{
        uint8_t bytes[100] = {0};
        json_t *json = NULL;

        memset(bytes, 0x91, CMI_DEPTH_MAX);
        bytes[CMI_DEPTH_MAX] = 0x01;
        g_assert_cmpint(document_decode(cmi_slice(bytes, CMI_DEPTH_MAX + 1), &json), ==, 0);
        json_decref(json);
        memset(bytes, 0x91, CMI_DEPTH_MAX + 1);
        bytes[CMI_DEPTH_MAX + 1] = 0x01;
        assert_refused(bytes, CMI_DEPTH_MAX + 2, -EMSGSIZE);
        memset(bytes, 0x91, sizeof(bytes));
        assert_refused(bytes, sizeof(bytes), -EMSGSIZE);
}

static void what_is_no_document_is_refused(void)
{
        assert_refused("", 0, -EBADMSG);
        assert_refused("\x92\x01", 2, -EBADMSG);     /* one value short */
        assert_refused("\x01\x01", 2, -EBADMSG);     /* one too many */
        assert_refused("\x81\x01\x01", 3, -EBADMSG); /* a key that is no str */
        assert_refused("\x81\xa1"
                       "a",
                        3, -EBADMSG);                        /* no value */
        assert_refused("\xdf\xff\xff\xff\xff", 5, -EBADMSG); /* a lie about the size */
        assert_refused("\xa5"
                       "abc",
                        4, -EBADMSG);
        assert_refused("\xc1", 1, -EBADMSG);
}

static void every_cut_of_a_document_is_refused(void)
{
        uint8_t buffer[200];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_write_map(&writer, 2);
        cmi_write_cstr(&writer, "rows");
        cmi_write_array(&writer, 1);
        cmi_write_map(&writer, 1);
        cmi_write_cstr(&writer, "name");
        cmi_write_cstr(&writer, "a");
        cmi_write_cstr(&writer, "n");
        cmi_write_uint(&writer, 70000);
        for (size_t len = 0; len < writer.len; len++) {
                assert_refused(buffer, len, -EBADMSG);
        }
}

static void missing_members_have_a_fallback(void)
{
        json_t *map = json_pack("{s:s, s:i, s:n}", "name", "a", "n", 3, "nil");

        g_assert_cmpstr(document_str(map, "name", "?"), ==, "a");
        g_assert_cmpstr(document_str(map, "n", "?"), ==, "?");
        g_assert_cmpstr(document_str(map, "gone", "?"), ==, "?");
        g_assert_cmpint(document_int(map, "n", -1), ==, 3);
        g_assert_cmpint(document_int(map, "nil", -1), ==, -1);
        g_assert_cmpint(document_int(NULL, "n", -1), ==, -1);
        json_decref(map);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/document/types", each_type_has_its_json);
        g_test_add_func("/document/beyond_json", what_json_cannot_hold_is_still_there);
        g_test_add_func("/document/depth", nesting_is_bounded);
        g_test_add_func("/document/refused", what_is_no_document_is_refused);
        g_test_add_func("/document/cut", every_cut_of_a_document_is_refused);
        g_test_add_func("/document/fallback", missing_members_have_a_fallback);
        return g_test_run();
}
