/* SPDX-License-Identifier: MIT */
/*
 * Messages between session planes that are about one key and carry what somebody has of it:
 * requests of apps and their answers, fences, orders and copies.
 */
#include "wire/session_frame_codec.h"

#include <errno.h>

enum {
        ASK_ORIGIN = 3,
        ASK_INCARNATION = 4,
        ASK_HOPS = 5,
        ASK_USER = 6,
        ASK_REQUEST = 7,
};

/* Keys 3 to 5 of the others are those of what was found. */
enum {
        ANSWER_OUTCOME = 6,
        ANSWER_TEXT = 7,
        ANSWER_N_COPIES = 8,
        ANSWER_FLAGS = 9,
        ANSWER_IS_KEPT = 10,
};

enum {
        FENCE_KEY = 3,
        FENCE_EPOCH = 4,
        FENCE_MAX_END = 5,
        FENCE_WHY = 6,
};

enum {
        FENCED_OUTCOME = 6,
        FENCED_EPOCH = 7,
};

enum {
        ORDER_EPOCH = 6,
        ORDER_IS_NEW = 7,
        ORDER_WANTS_DISK = 8,
};

enum {
        STORED_OUTCOME = 6,
        STORED_IS_ON_DISK = 7,
        STORED_VERSION = 8,
        STORED_EPOCH = 9,
};

enum {
        COPY_FETCH = 6,
        COPY_WHY = 7,
        COPY_PAGE = 8,
};

/* What somebody has of a key */

/* Return: how many fields write_found() writes. */
static uint32_t n_found(const struct cmi_peer_found *found)
{
        return found->what == CMI_PEER_RECORD ? 2 : found->what == CMI_PEER_TOMBSTONE ? 1 : 0;
}

static void write_found(struct cmi_writer *writer, const struct cmi_peer_found *found)
{
        if (found->what == CMI_PEER_RECORD) {
                cmi_write_uint(writer, PEER_RECORD);
                cmi_session_write(writer, &found->record);
                cmi_write_field_bin(writer, PEER_BLOB, found->blob);
        } else if (found->what == CMI_PEER_TOMBSTONE) {
                cmi_write_uint(writer, PEER_TOMBSTONE);
                cmi_tombstone_write(writer, &found->tombstone);
        }
}

/* A map of its own inside the message; empty after an error. */
static struct cmi_slice read_inner(struct cmi_peer_input *input)
{
        return cmi_read_value(input->reader);
}

/* Nobody has both. */
static void set_what(
                struct cmi_peer_input *input, struct cmi_peer_found *found, enum cmi_peer_what what)
{
        if (found->what != CMI_PEER_NOTHING) {
                cmi_read_fail(input->reader, -EBADMSG);
        }
        found->what = what;
}

/* Of keys PEER_RECORD to PEER_TOMBSTONE. */
static void read_found(struct cmi_peer_input *input, struct cmi_peer_found *found)
{
        struct cmi_slice inner;

        switch (input->key) {
        case PEER_RECORD:
                inner = read_inner(input);
                set_what(input, found, CMI_PEER_RECORD);
                cmi_peer_note(input, cmi_session_decode(inner, &found->record));
                break;
        case PEER_BLOB:
                found->blob = cmi_read_bin(input->reader, CMI_PEER_PART_MAX);
                break;
        case PEER_TOMBSTONE:
                inner = read_inner(input);
                set_what(input, found, CMI_PEER_TOMBSTONE);
                cmi_peer_note(input, cmi_tombstone_decode(inner, &found->tombstone));
                break;
        }
}

/* Of the blob either nothing, or all that fits, and nothing without a record. */
static bool is_found(const struct cmi_peer_found *found)
{
        uint64_t first = found->what == CMI_PEER_RECORD ? found->record.blob_len : 0;

        return found->blob.len == 0 ||
               found->blob.len == (first < CMI_PEER_PART_MAX ? first : CMI_PEER_PART_MAX);
}

static bool is_bare_or_no_record(const struct cmi_peer_found *found)
{
        return found->blob.len == 0;
}

/* ASK */

static void write_ask(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_ask *ask = &message->ask;

        cmi_peer_begin(writer, message, 5);
        cmi_write_field_id(writer, ASK_ORIGIN, &ask->origin);
        cmi_write_field_uint(writer, ASK_INCARNATION, ask->incarnation);
        cmi_write_field_uint(writer, ASK_HOPS, ask->hops);
        cmi_write_field_uint(writer, ASK_USER, ask->user);
        cmi_write_uint(writer, ASK_REQUEST);
        cmi_session_request_write(writer, &ask->request);
}

static void read_ask(struct cmi_peer_input *input)
{
        struct cmi_peer_ask *ask = &input->message->ask;

        switch (input->key) {
        case ASK_ORIGIN:
                cmi_read_id(input->reader, &ask->origin);
                break;
        case ASK_INCARNATION:
                ask->incarnation = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case ASK_HOPS:
                ask->hops = cmi_read_uint(input->reader, CMI_PEER_HOPS_MAX);
                break;
        case ASK_USER:
                ask->user = cmi_read_uint(input->reader, UINT32_MAX);
                break;
        case ASK_REQUEST:
                cmi_peer_note(input, cmi_session_request_decode(read_inner(input), &ask->request));
                break;
        }
}

static bool is_ask(const struct cmi_peer_message *message)
{
        return !cmi_id_is_zero(&message->ask.origin) && message->ask.request.verb > 0;
}

/* ANSWER */

static void write_answer(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_answer *answer = &message->answer;

        cmi_peer_begin(writer, message, 5 + n_found(&answer->found));
        write_found(writer, &answer->found);
        cmi_write_uint(writer, ANSWER_OUTCOME);
        cmi_write_int(writer, answer->outcome);
        cmi_write_field_text(writer, ANSWER_TEXT, answer->text);
        cmi_write_field_uint(writer, ANSWER_N_COPIES, answer->n_copies);
        cmi_write_field_uint(writer, ANSWER_FLAGS, answer->flags);
        cmi_write_field_bool(writer, ANSWER_IS_KEPT, answer->is_kept);
}

static void read_answer(struct cmi_peer_input *input)
{
        struct cmi_peer_answer *answer = &input->message->answer;

        switch (input->key) {
        case ANSWER_OUTCOME:
                answer->outcome = cmi_read_int(input->reader);
                break;
        case ANSWER_TEXT:
                cmi_read_text(input->reader, answer->text, sizeof(answer->text));
                break;
        case ANSWER_N_COPIES:
                answer->n_copies = cmi_read_uint(input->reader, UINT32_MAX);
                break;
        case ANSWER_FLAGS:
                answer->flags = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case ANSWER_IS_KEPT:
                answer->is_kept = cmi_read_bool(input->reader);
                break;
        default:
                read_found(input, &answer->found);
        }
}

static bool is_answer(const struct cmi_peer_message *message)
{
        return is_found(&message->answer.found);
}

/* FENCE, FENCED */

static void write_fence(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_fence *fence = &message->fence;

        cmi_peer_begin(writer, message, 4);
        cmi_write_field_id(writer, FENCE_KEY, &fence->key);
        cmi_write_field_epoch(writer, FENCE_EPOCH, &fence->epoch);
        cmi_write_field_uint(writer, FENCE_MAX_END, fence->max_end_ms);
        cmi_write_field_uint(writer, FENCE_WHY, fence->why);
}

static void read_fence(struct cmi_peer_input *input)
{
        struct cmi_peer_fence *fence = &input->message->fence;

        switch (input->key) {
        case FENCE_KEY:
                cmi_read_id(input->reader, &fence->key);
                break;
        case FENCE_EPOCH:
                cmi_read_epoch(input->reader, &fence->epoch);
                break;
        case FENCE_MAX_END:
                fence->max_end_ms = cmi_read_uint(input->reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case FENCE_WHY:
                fence->why = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        }
}

static bool is_fence(const struct cmi_peer_message *message)
{
        const struct cmi_peer_fence *fence = &message->fence;

        return !cmi_id_is_zero(&fence->key) && cmi_session_epoch_is_whole(&fence->epoch) &&
               fence->max_end_ms > 0 && fence->why > 0;
}

static void write_fenced(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_fenced *fenced = &message->fenced;

        cmi_peer_begin(writer, message, 2 + n_found(&fenced->found));
        write_found(writer, &fenced->found);
        cmi_write_field_uint(writer, FENCED_OUTCOME, fenced->outcome);
        cmi_write_field_epoch(writer, FENCED_EPOCH, &fenced->epoch);
}

static void read_fenced(struct cmi_peer_input *input)
{
        struct cmi_peer_fenced *fenced = &input->message->fenced;

        switch (input->key) {
        case FENCED_OUTCOME:
                fenced->outcome = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case FENCED_EPOCH:
                cmi_read_epoch(input->reader, &fenced->epoch);
                break;
        default:
                read_found(input, &fenced->found);
        }
}

/* Who has taken the fence, or has a higher one, says which. */
static bool is_fenced(const struct cmi_peer_message *message)
{
        const struct cmi_peer_fenced *fenced = &message->fenced;

        if (fenced->outcome <= CMI_STORED_FENCED && !cmi_session_epoch_is_whole(&fenced->epoch)) {
                return false;
        }
        return cmi_peer_is_epoch_or_none(&fenced->epoch) && is_bare_or_no_record(&fenced->found);
}

/* ORDER */

static void write_order(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_order *order = &message->order;

        cmi_peer_begin(writer, message, 3 + n_found(&order->found));
        write_found(writer, &order->found);
        cmi_write_field_epoch(writer, ORDER_EPOCH, &order->epoch);
        cmi_write_field_bool(writer, ORDER_IS_NEW, order->is_new);
        cmi_write_field_bool(writer, ORDER_WANTS_DISK, order->wants_disk);
}

static void read_order(struct cmi_peer_input *input)
{
        struct cmi_peer_order *order = &input->message->order;

        switch (input->key) {
        case ORDER_EPOCH:
                cmi_read_epoch(input->reader, &order->epoch);
                break;
        case ORDER_IS_NEW:
                order->is_new = cmi_read_bool(input->reader);
                break;
        case ORDER_WANTS_DISK:
                order->wants_disk = cmi_read_bool(input->reader);
                break;
        default:
                read_found(input, &order->found);
        }
}

static bool is_order(const struct cmi_peer_message *message)
{
        const struct cmi_peer_order *order = &message->order;

        return order->found.what == CMI_PEER_RECORD && is_found(&order->found) &&
               cmi_session_epoch_is_whole(&order->epoch) &&
               cmi_session_epoch_compare(&order->epoch, &order->found.record.version.epoch) >= 0;
}

/* ORDERED, COPIED, TAKEN */

static void write_stored(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_stored *stored = &message->stored;

        cmi_peer_begin(writer, message, 4 + n_found(&stored->found));
        write_found(writer, &stored->found);
        cmi_write_field_uint(writer, STORED_OUTCOME, stored->outcome);
        cmi_write_field_bool(writer, STORED_IS_ON_DISK, stored->is_on_disk);
        cmi_write_field_version(writer, STORED_VERSION, &stored->version);
        cmi_write_field_epoch(writer, STORED_EPOCH, &stored->epoch);
}

static void read_stored(struct cmi_peer_input *input)
{
        struct cmi_peer_stored *stored = &input->message->stored;

        switch (input->key) {
        case STORED_OUTCOME:
                stored->outcome = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case STORED_IS_ON_DISK:
                stored->is_on_disk = cmi_read_bool(input->reader);
                break;
        case STORED_VERSION:
                cmi_read_version(input->reader, &stored->version);
                break;
        case STORED_EPOCH:
                cmi_read_epoch(input->reader, &stored->epoch);
                break;
        default:
                read_found(input, &stored->found);
        }
}

static bool is_stored(const struct cmi_peer_message *message)
{
        const struct cmi_peer_stored *stored = &message->stored;

        if (stored->outcome == CMI_STORED_FENCED && !cmi_session_epoch_is_whole(&stored->epoch)) {
                return false;
        }
        return stored->found.what != CMI_PEER_RECORD && is_bare_or_no_record(&stored->found) &&
               cmi_peer_is_version_or_none(&stored->version) &&
               cmi_peer_is_epoch_or_none(&stored->epoch);
}

/* COPY */

static void write_copy(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_copy *copy = &message->copy;

        cmi_peer_begin(writer, message, 2 + PEER_PAGE_FIELDS + n_found(&copy->found));
        write_found(writer, &copy->found);
        cmi_write_field_uint(writer, COPY_FETCH, copy->fetch);
        cmi_write_field_uint(writer, COPY_WHY, copy->why);
        cmi_peer_write_page(writer, COPY_PAGE, &copy->page);
}

static void read_copy(struct cmi_peer_input *input)
{
        struct cmi_peer_copy *copy = &input->message->copy;

        switch (input->key) {
        case COPY_FETCH:
                copy->fetch = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case COPY_WHY:
                copy->why = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case PEER_RECORD:
        case PEER_BLOB:
        case PEER_TOMBSTONE:
                read_found(input, &copy->found);
                break;
        default:
                cmi_peer_read_page(input, COPY_PAGE, &copy->page);
        }
}

/* A record comes with its blob here: it is what a copy is for. */
static bool is_copy(const struct cmi_peer_message *message)
{
        const struct cmi_peer_copy *copy = &message->copy;
        bool is_answer = copy->fetch > 0 || (copy->page.sync > 0 && copy->page.is_last);

        return copy->why > 0 && is_found(&copy->found) && !cmi_peer_is_bare(&copy->found) &&
               (copy->found.what != CMI_PEER_NOTHING || is_answer);
}

const struct cmi_peer_codec cmi_peer_codec_ask = {ASK_REQUEST, write_ask, read_ask, is_ask};
const struct cmi_peer_codec cmi_peer_codec_answer = {
                ANSWER_IS_KEPT, write_answer, read_answer, is_answer};
const struct cmi_peer_codec cmi_peer_codec_fence = {FENCE_WHY, write_fence, read_fence, is_fence};
const struct cmi_peer_codec cmi_peer_codec_fenced = {
                FENCED_EPOCH, write_fenced, read_fenced, is_fenced};
const struct cmi_peer_codec cmi_peer_codec_order = {
                ORDER_WANTS_DISK, write_order, read_order, is_order};
const struct cmi_peer_codec cmi_peer_codec_stored = {
                STORED_EPOCH, write_stored, read_stored, is_stored};
const struct cmi_peer_codec cmi_peer_codec_copy = {
                COPY_PAGE + PEER_PAGE_FIELDS - 1, write_copy, read_copy, is_copy};
