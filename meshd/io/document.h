/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Documents: the msgpack maps that QUERY is answered with. A container is opened without
 * knowing how much it will hold; its count is filled in when it is closed, so that rows and
 * keys cannot be miscounted.
 */
#include "base/endpoint.h"
#include "base/id.h"
#include "wire/writer.h"

#define DOCUMENT_DEPTH_MAX 3 /* map, array of rows, row */

struct document {
        struct cmi_writer *writer;
        size_t starts[DOCUMENT_DEPTH_MAX];
        uint32_t counts[DOCUMENT_DEPTH_MAX];
        int depth;
};

/* Begin a document: a map with its schema, "cachemesh.NAME/1". */
struct document document_begin(struct cmi_writer *writer, const char *name);
void document_end(struct document *document);

/* In a map, each takes a key; in an array, key is NULL. */
void document_open_map(struct document *document, const char *key);
void document_open_array(struct document *document, const char *key);
void document_close(struct document *document);

void document_nil(struct document *document, const char *key);
void document_bool(struct document *document, const char *key, bool value);
void document_uint(struct document *document, const char *key, uint64_t value);
void document_text(struct document *document, const char *key, const char *value);
void document_str(struct document *document, const char *key, struct cmi_slice value);
void document_id(struct document *document, const char *key, const struct cmi_id *id);
void document_endpoint(
                struct document *document, const char *key, const struct cmi_endpoint *endpoint);

/* Whole milliseconds from @since_ns to @now_ns, 0 if that lies ahead; nil if @since_ns is 0. */
void document_age_ms(
                struct document *document, const char *key, uint64_t since_ns, uint64_t now_ns);
