/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of session_frame.h share: how each kind of message is written, read and judged.
 * Not for other folders.
 */
#include "wire/session_fields.h"
#include "wire/session_frame.h"

/* Keys 1 and 2 are in each message; a found thing has the same keys wherever it is. */
enum {
        PEER_KIND = 1,
        PEER_ID = 2,
        PEER_RECORD = 3,
        PEER_BLOB = 4,
        PEER_TOMBSTONE = 5,
};

/* A message being read: the value of @key is next. */
struct cmi_peer_input {
        struct cmi_reader *reader;
        uint64_t key;
        int n_skipped; /* unknown fields of maps inside it */
        struct cmi_peer_message *message;
};

struct cmi_peer_codec {
        uint64_t last; /* the highest known key */
        void (*write)(struct cmi_writer *writer, const struct cmi_peer_message *message);
        void (*read)(struct cmi_peer_input *input);
        bool (*is_valid)(const struct cmi_peer_message *message); /* NULL: always */
};

/* In session_frame_copy.c and session_frame_news.c; the rest is in session_frame.c. */
extern const struct cmi_peer_codec cmi_peer_codec_ask, cmi_peer_codec_answer, cmi_peer_codec_fence,
                cmi_peer_codec_fenced, cmi_peer_codec_order, cmi_peer_codec_stored,
                cmi_peer_codec_copy;
extern const struct cmi_peer_codec cmi_peer_codec_dead, cmi_peer_codec_counts, cmi_peer_codec_noted,
                cmi_peer_codec_sync;

/* The map of a message with so many fields besides kind and id, and these two. */
void cmi_peer_begin(struct cmi_writer *writer, const struct cmi_peer_message *message, uint32_t n);

/* What a decoder of a map inside said: an error, or unknown fields. */
void cmi_peer_note(struct cmi_peer_input *input, int r);

/* A page's fields: sync, is_last and serial, at @first and the two keys after it. */
#define PEER_PAGE_FIELDS 3
void cmi_peer_write_page(
                struct cmi_writer *writer, uint64_t first, const struct cmi_peer_page *page);
void cmi_peer_read_page(struct cmi_peer_input *input, uint64_t first, struct cmi_peer_page *page);

static inline bool cmi_peer_is_epoch_or_none(const struct cmi_session_epoch *epoch)
{
        static const struct cmi_session_epoch none;

        return cmi_session_epoch_is_whole(epoch) || cmi_session_epoch_compare(epoch, &none) == 0;
}

static inline bool cmi_peer_is_version_or_none(const struct cmi_session_version *version)
{
        return cmi_session_version_is_whole(version) || cmi_session_version_is_none(version);
}
