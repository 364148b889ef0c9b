/* SPDX-License-Identifier: MIT */
/*
 * Messages between session planes with lists: who is dead, counts of principals, what of these was
 * not written down, and the question for all of them.
 */
#include "wire/session_frame_codec.h"

enum {
        NEWS_PAGE = 3,
        NEWS_LIST = NEWS_PAGE + PEER_PAGE_FIELDS,
};

enum {
        NOTED_SERIAL = 3,
        NOTED_REFUSALS = 4,
};

enum {
        SYNC_SET = 3,
        SYNC_AFTER = 4,
};

enum {
        NEWS_ELEMENTS = 1, /* of one tombstone, or principal: the bin */
        REFUSAL_ELEMENTS = 2,
};

/* Bytes of one, at most, as this version writes it. */
enum {
        TOMBSTONE_MAX = 160,
        PRINCIPAL_MAX = 32 + CMI_SESSION_VECTOR_MAX * 40,
};

void cmi_peer_write_page(
                struct cmi_writer *writer, uint64_t first, const struct cmi_peer_page *page)
{
        cmi_write_field_uint(writer, first, page->sync);
        cmi_write_field_bool(writer, first + 1, page->is_last);
        cmi_write_field_uint(writer, first + 2, page->serial);
}

void cmi_peer_read_page(struct cmi_peer_input *input, uint64_t first, struct cmi_peer_page *page)
{
        switch (input->key - first) {
        case 0:
                page->sync = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case 1:
                page->is_last = cmi_read_bool(input->reader);
                break;
        case 2:
                page->serial = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        }
}

/* Elements */

/* In a bin, so that a program that does not know the message need not look into it. */
static void write_element(struct cmi_writer *writer, const struct cmi_writer *inner)
{
        cmi_write_array(writer, NEWS_ELEMENTS);
        cmi_write_bin(writer, cmi_written(inner));
        if (writer->error == 0) {
                writer->error = inner->error;
        }
}

void cmi_peer_write_tombstone(struct cmi_writer *writer, const struct cmi_tombstone *tombstone)
{
        uint8_t bytes[TOMBSTONE_MAX];
        struct cmi_writer inner = cmi_writer(bytes, sizeof(bytes));

        cmi_tombstone_write(&inner, tombstone);
        write_element(writer, &inner);
}

void cmi_peer_write_principal(struct cmi_writer *writer, const struct cmi_principal *principal)
{
        uint8_t bytes[PRINCIPAL_MAX];
        struct cmi_writer inner = cmi_writer(bytes, sizeof(bytes));

        cmi_principal_write(&inner, principal);
        write_element(writer, &inner);
}

void cmi_peer_write_refusal(struct cmi_writer *writer, const struct cmi_peer_refusal *refusal)
{
        cmi_write_array(writer, REFUSAL_ELEMENTS);
        cmi_write_id(writer, &refusal->key);
        cmi_write_uint(writer, refusal->outcome);
}

/* What is in an element; a newer version may have put more behind it. */
static struct cmi_slice next_inner(struct cmi_reader *list)
{
        uint32_t n = cmi_record_begin(list, NEWS_ELEMENTS);
        struct cmi_slice inner = cmi_read_bin(list, CMI_PEER_MESSAGE_MAX);

        cmi_record_end(list, n, NEWS_ELEMENTS);
        return inner;
}

int cmi_peer_next_tombstone(struct cmi_reader *list, struct cmi_tombstone *ret_tombstone)
{
        return cmi_tombstone_decode(next_inner(list), ret_tombstone);
}

int cmi_peer_next_principal(struct cmi_reader *list, struct cmi_principal *ret_principal)
{
        return cmi_principal_decode(next_inner(list), ret_principal);
}

void cmi_peer_next_refusal(struct cmi_reader *list, struct cmi_peer_refusal *ret_refusal)
{
        uint32_t n = cmi_record_begin(list, REFUSAL_ELEMENTS);

        cmi_read_id(list, &ret_refusal->key);
        ret_refusal->outcome = cmi_read_uint(list, UINT64_MAX);
        cmi_record_end(list, n, REFUSAL_ELEMENTS);
}

/* DEAD, COUNTS */

static void write_news(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, PEER_PAGE_FIELDS + 1);
        cmi_peer_write_page(writer, NEWS_PAGE, &message->news.page);
        cmi_write_uint(writer, NEWS_LIST);
        cmi_write_array(writer, message->news.n);
}

/* Checks one element; what it says is read again by who goes through the list. */
static void check_tombstone(struct cmi_peer_input *input)
{
        struct cmi_tombstone tombstone;

        cmi_peer_note(input, cmi_peer_next_tombstone(input->reader, &tombstone));
}

static void check_principal(struct cmi_peer_input *input)
{
        struct cmi_principal principal;

        cmi_peer_note(input, cmi_peer_next_principal(input->reader, &principal));
}

/* Leaves news->list open on it. */
static void read_list(
                struct cmi_peer_input *input, uint32_t max, void (*check)(struct cmi_peer_input *))
{
        struct cmi_peer_news *news = &input->message->news;
        const uint8_t *begin;

        news->n = cmi_read_array(input->reader, max);
        begin = input->reader->at;
        for (uint32_t i = 0; i < news->n && input->reader->error == 0; i++) {
                check(input);
        }
        news->list = (struct cmi_reader){begin, input->reader->at, 0};
}

static void read_dead(struct cmi_peer_input *input)
{
        if (input->key == NEWS_LIST) {
                read_list(input, CMI_PEER_DEAD_MAX, check_tombstone);
        } else {
                cmi_peer_read_page(input, NEWS_PAGE, &input->message->news.page);
        }
}

static void read_counts(struct cmi_peer_input *input)
{
        if (input->key == NEWS_LIST) {
                read_list(input, CMI_PEER_COUNTS_MAX, check_principal);
        } else {
                cmi_peer_read_page(input, NEWS_PAGE, &input->message->news.page);
        }
}

static bool is_news(const struct cmi_peer_message *message)
{
        const struct cmi_peer_news *news = &message->news;

        return news->n > 0 || (news->page.sync > 0 && news->page.is_last);
}

/* DEAD_OK, COUNTS_OK */

static void write_noted(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 2);
        cmi_write_field_uint(writer, NOTED_SERIAL, message->noted.serial);
        cmi_write_uint(writer, NOTED_REFUSALS);
        cmi_write_array(writer, message->noted.n);
}

static void read_noted(struct cmi_peer_input *input)
{
        struct cmi_peer_noted *noted = &input->message->noted;
        struct cmi_peer_refusal refusal;
        const uint8_t *begin;

        if (input->key == NOTED_SERIAL) {
                noted->serial = cmi_read_uint(input->reader, UINT64_MAX);
                return;
        }
        noted->n = cmi_read_array(input->reader, CMI_PEER_DEAD_MAX);
        begin = input->reader->at;
        for (uint32_t i = 0; i < noted->n && input->reader->error == 0; i++) {
                cmi_peer_next_refusal(input->reader, &refusal);
        }
        noted->list = (struct cmi_reader){begin, input->reader->at, 0};
}

/* SYNC */

static void write_sync(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 2);
        cmi_write_field_uint(writer, SYNC_SET, message->sync.set);
        cmi_write_field_id(writer, SYNC_AFTER, &message->sync.after);
}

static void read_sync(struct cmi_peer_input *input)
{
        switch (input->key) {
        case SYNC_SET:
                input->message->sync.set = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case SYNC_AFTER:
                cmi_read_id(input->reader, &input->message->sync.after);
                break;
        }
}

static bool is_sync(const struct cmi_peer_message *message)
{
        return message->sync.set > 0;
}

const struct cmi_peer_codec cmi_peer_codec_dead = {NEWS_LIST, write_news, read_dead, is_news};
const struct cmi_peer_codec cmi_peer_codec_counts = {NEWS_LIST, write_news, read_counts, is_news};
const struct cmi_peer_codec cmi_peer_codec_noted = {NOTED_REFUSALS, write_noted, read_noted, NULL};
const struct cmi_peer_codec cmi_peer_codec_sync = {SYNC_AFTER, write_sync, read_sync, is_sync};
