/* SPDX-License-Identifier: MIT */
#include "meshd/io/document.h"

#include "base/time.h"

#include <assert.h>
#include <stdio.h>

#define MAP32 0xdf
#define ARRAY32 0xdd

/* The long form of the header, whose count is patched later. */
static void open_container(struct document *document, uint8_t kind)
{
        const uint8_t head[5] = {kind, 0, 0, 0, 0};

        assert(document->depth < DOCUMENT_DEPTH_MAX);
        document->starts[document->depth] = document->writer->len;
        document->counts[document->depth] = 0;
        document->depth++;
        cmi_write_raw(document->writer, cmi_slice(head, sizeof(head)));
}

static void write_key(struct document *document, const char *key)
{
        if (document->depth > 0) {
                document->counts[document->depth - 1]++;
        }
        if (key) {
                cmi_write_cstr(document->writer, key);
        }
}

struct document document_begin(struct cmi_writer *writer, const char *name)
{
        struct document document = {.writer = writer};
        char schema[64];

        snprintf(schema, sizeof(schema), "cachemesh.%s/1", name);
        open_container(&document, MAP32);
        document_text(&document, "schema", schema);
        return document;
}

void document_end(struct document *document)
{
        document_close(document);
        assert(document->depth == 0);
}

void document_open_map(struct document *document, const char *key)
{
        write_key(document, key);
        open_container(document, MAP32);
}

void document_open_array(struct document *document, const char *key)
{
        write_key(document, key);
        open_container(document, ARRAY32);
}

void document_close(struct document *document)
{
        uint32_t count;
        uint8_t *at;

        assert(document->depth > 0);
        document->depth--;
        count = document->counts[document->depth];
        if (document->writer->error) {
                return;
        }
        at = document->writer->data + document->starts[document->depth] + 1;
        for (int i = 0; i < 4; i++) {
                at[i] = (uint8_t)(count >> (24 - 8 * i));
        }
}

void document_nil(struct document *document, const char *key)
{
        write_key(document, key);
        cmi_write_nil(document->writer);
}

void document_bool(struct document *document, const char *key, bool value)
{
        write_key(document, key);
        cmi_write_bool(document->writer, value);
}

void document_uint(struct document *document, const char *key, uint64_t value)
{
        write_key(document, key);
        cmi_write_uint(document->writer, value);
}

void document_text(struct document *document, const char *key, const char *value)
{
        write_key(document, key);
        cmi_write_cstr(document->writer, value);
}

void document_str(struct document *document, const char *key, struct cmi_slice value)
{
        write_key(document, key);
        cmi_write_str(document->writer, value);
}

void document_id(struct document *document, const char *key, const struct cmi_id *id)
{
        char text[CMI_ID_TEXT_SIZE];

        cmi_id_format(id, text);
        document_text(document, key, text);
}

void document_endpoint(
                struct document *document, const char *key, const struct cmi_endpoint *endpoint)
{
        char text[CMI_ENDPOINT_TEXT_SIZE];

        cmi_endpoint_format(endpoint, text);
        document_text(document, key, text);
}

void document_age_ms(struct document *document, const char *key, uint64_t since_ns, uint64_t now_ns)
{
        if (since_ns == 0) {
                document_nil(document, key);
        } else {
                document_uint(document, key,
                                now_ns > since_ns ? (now_ns - since_ns) / CMI_NS_PER_MS : 0);
        }
}
