/* SPDX-License-Identifier: MIT */
/*
 * Messages between session planes: which decoder one is for, and the messages that carry neither
 * copies nor lists. Those with a copy are in session_frame_copy.c, those of SYNC, of the dead and
 * of counts in session_frame_news.c.
 */
#include "wire/session_frame.h"
#include "wire/session_frame_codec.h"

#include <assert.h>
#include <errno.h>

enum {
        STATE_IS_HOLDING = 3,
        STATE_IS_DRAINING = 4,
        STATE_IS_RECOVERING = 5,
        STATE_WEIGHT = 6,
        STATE_HOST = 7,
        STATE_VIEW = 8,
        STATE_ROOM = 9,
};

enum {
        MOVED_NODE = 3,
        MOVED_EPOCH = 4,
};

enum {
        FETCH_KEY = 3,
        FETCH_VERSION = 4,
};

enum {
        PART_OF = 3,
        PART_OFFSET = 4,
        PART_BYTES = 5,
};

enum {
        HANDOVER_KEY = 3,
        HANDOVER_VERSION = 4,
        HANDOVER_EPOCH = 5,
};

enum {
        IDLE_KEY = 3,
};

enum {
        AGE_IS_HELD = 3,
        AGE_AGE_MS = 4,
        AGE_HOLDER_NO = 5,
};

void cmi_peer_begin(struct cmi_writer *writer, const struct cmi_peer_message *message, uint32_t n)
{
        cmi_write_map(writer, n + 2);
        cmi_write_field_uint(writer, PEER_KIND, message->kind);
        cmi_write_field_uint(writer, PEER_ID, message->id);
}

void cmi_peer_note(struct cmi_peer_input *input, int r)
{
        if (r < 0) {
                cmi_read_fail(input->reader, r);
        } else {
                input->n_skipped += r;
        }
}

/* STATE */

static void write_state(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        const struct cmi_peer_state *state = &message->state;

        cmi_peer_begin(writer, message, 7);
        cmi_write_field_bool(writer, STATE_IS_HOLDING, state->is_holding);
        cmi_write_field_bool(writer, STATE_IS_DRAINING, state->is_draining);
        cmi_write_field_bool(writer, STATE_IS_RECOVERING, state->is_recovering);
        cmi_write_field_uint(writer, STATE_WEIGHT, state->weight);
        cmi_write_field_uint(writer, STATE_HOST, state->host);
        cmi_write_field_uint(writer, STATE_VIEW, state->view);
        cmi_write_field_uint(writer, STATE_ROOM, state->room);
}

static void read_state(struct cmi_peer_input *input)
{
        struct cmi_peer_state *state = &input->message->state;

        switch (input->key) {
        case STATE_IS_HOLDING:
                state->is_holding = cmi_read_bool(input->reader);
                break;
        case STATE_IS_DRAINING:
                state->is_draining = cmi_read_bool(input->reader);
                break;
        case STATE_IS_RECOVERING:
                state->is_recovering = cmi_read_bool(input->reader);
                break;
        case STATE_WEIGHT:
                state->weight = cmi_read_uint(input->reader, CMI_PEER_WEIGHT_MAX);
                break;
        case STATE_HOST:
                state->host = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case STATE_VIEW:
                state->view = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case STATE_ROOM:
                state->room = cmi_read_uint(input->reader, CMI_PEER_ROOM_MAX);
                break;
        }
}

/* STATE_OK says all by its id. */
static void write_nothing(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 0);
}

/* MOVED */

static void write_moved(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 2);
        cmi_write_field_id(writer, MOVED_NODE, &message->moved.node);
        cmi_write_field_epoch(writer, MOVED_EPOCH, &message->moved.epoch);
}

static void read_moved(struct cmi_peer_input *input)
{
        switch (input->key) {
        case MOVED_NODE:
                cmi_read_id(input->reader, &input->message->moved.node);
                break;
        case MOVED_EPOCH:
                cmi_read_epoch(input->reader, &input->message->moved.epoch);
                break;
        }
}

static bool is_moved(const struct cmi_peer_message *message)
{
        return !cmi_id_is_zero(&message->moved.node) &&
               cmi_peer_is_epoch_or_none(&message->moved.epoch);
}

/* FETCH */

static void write_fetch(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 2);
        cmi_write_field_id(writer, FETCH_KEY, &message->fetch.key);
        cmi_write_field_version(writer, FETCH_VERSION, &message->fetch.version);
}

static void read_fetch(struct cmi_peer_input *input)
{
        switch (input->key) {
        case FETCH_KEY:
                cmi_read_id(input->reader, &input->message->fetch.key);
                break;
        case FETCH_VERSION:
                cmi_read_version(input->reader, &input->message->fetch.version);
                break;
        }
}

static bool is_fetch(const struct cmi_peer_message *message)
{
        return !cmi_id_is_zero(&message->fetch.key) &&
               cmi_peer_is_version_or_none(&message->fetch.version);
}

/* PART */

static void write_part(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 3);
        cmi_write_field_uint(writer, PART_OF, message->part.of);
        cmi_write_field_uint(writer, PART_OFFSET, message->part.offset);
        cmi_write_field_bin(writer, PART_BYTES, message->part.bytes);
}

static void read_part(struct cmi_peer_input *input)
{
        struct cmi_peer_part *part = &input->message->part;

        switch (input->key) {
        case PART_OF:
                part->of = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        case PART_OFFSET:
                part->offset = cmi_read_uint(input->reader, CMI_SESSION_BLOB_MAX);
                break;
        case PART_BYTES:
                part->bytes = cmi_read_bin(input->reader, CMI_PEER_PART_MAX);
                break;
        }
}

/* Its place is after what came in the message itself. */
static bool is_part(const struct cmi_peer_message *message)
{
        const struct cmi_peer_part *part = &message->part;

        return part->of > 0 && part->offset >= CMI_PEER_PART_MAX && part->bytes.len > 0 &&
               part->bytes.len <= CMI_SESSION_BLOB_MAX - part->offset;
}

/* HANDOVER */

static void write_handover(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 3);
        cmi_write_field_id(writer, HANDOVER_KEY, &message->handover.key);
        cmi_write_field_version(writer, HANDOVER_VERSION, &message->handover.version);
        cmi_write_field_epoch(writer, HANDOVER_EPOCH, &message->handover.epoch);
}

static void read_handover(struct cmi_peer_input *input)
{
        struct cmi_peer_handover *handover = &input->message->handover;

        switch (input->key) {
        case HANDOVER_KEY:
                cmi_read_id(input->reader, &handover->key);
                break;
        case HANDOVER_VERSION:
                cmi_read_version(input->reader, &handover->version);
                break;
        case HANDOVER_EPOCH:
                cmi_read_epoch(input->reader, &handover->epoch);
                break;
        }
}

static bool is_handover(const struct cmi_peer_message *message)
{
        const struct cmi_peer_handover *handover = &message->handover;

        return !cmi_id_is_zero(&handover->key) &&
               cmi_session_version_is_whole(&handover->version) &&
               cmi_session_epoch_is_whole(&handover->epoch) &&
               cmi_session_epoch_compare(&handover->epoch, &handover->version.epoch) > 0;
}

/* IDLE and AGE */

static void write_idle(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 1);
        cmi_write_field_id(writer, IDLE_KEY, &message->idle.key);
}

static void read_idle(struct cmi_peer_input *input)
{
        cmi_read_id(input->reader, &input->message->idle.key);
}

static bool is_idle(const struct cmi_peer_message *message)
{
        return !cmi_id_is_zero(&message->idle.key);
}

static void write_age(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        cmi_peer_begin(writer, message, 3);
        cmi_write_field_bool(writer, AGE_IS_HELD, message->age.is_held);
        cmi_write_field_uint(writer, AGE_AGE_MS, message->age.age_ms);
        cmi_write_field_uint(writer, AGE_HOLDER_NO, message->age.holder_no);
}

static void read_age(struct cmi_peer_input *input)
{
        struct cmi_peer_age *age = &input->message->age;

        switch (input->key) {
        case AGE_IS_HELD:
                age->is_held = cmi_read_bool(input->reader);
                break;
        case AGE_AGE_MS:
                age->age_ms = cmi_read_uint(input->reader, CMI_SESSION_TIME_MAX_MS);
                break;
        case AGE_HOLDER_NO:
                age->holder_no = cmi_read_uint(input->reader, UINT64_MAX);
                break;
        }
}

static bool is_age(const struct cmi_peer_message *message)
{
        const struct cmi_peer_age *age = &message->age;

        return age->is_held ? age->holder_no > 0 : age->age_ms == 0 && age->holder_no == 0;
}

/* All of them */

static const struct cmi_peer_codec state = {STATE_ROOM, write_state, read_state, NULL};
static const struct cmi_peer_codec state_ok = {PEER_ID, write_nothing, NULL, NULL};
static const struct cmi_peer_codec moved = {MOVED_EPOCH, write_moved, read_moved, is_moved};
static const struct cmi_peer_codec fetch = {FETCH_VERSION, write_fetch, read_fetch, is_fetch};
static const struct cmi_peer_codec part = {PART_BYTES, write_part, read_part, is_part};
static const struct cmi_peer_codec handover = {
                HANDOVER_EPOCH, write_handover, read_handover, is_handover};
static const struct cmi_peer_codec idle = {IDLE_KEY, write_idle, read_idle, is_idle};
static const struct cmi_peer_codec age = {AGE_HOLDER_NO, write_age, read_age, is_age};

static const struct cmi_peer_codec *const codecs[CMI_PEER_KIND_LAST + 1] = {
                [CMI_PEER_STATE] = &state,
                [CMI_PEER_STATE_OK] = &state_ok,
                [CMI_PEER_ASK] = &cmi_peer_codec_ask,
                [CMI_PEER_ANSWER] = &cmi_peer_codec_answer,
                [CMI_PEER_MOVED] = &moved,
                [CMI_PEER_FENCE] = &cmi_peer_codec_fence,
                [CMI_PEER_FENCED] = &cmi_peer_codec_fenced,
                [CMI_PEER_ORDER] = &cmi_peer_codec_order,
                [CMI_PEER_ORDERED] = &cmi_peer_codec_stored,
                [CMI_PEER_FETCH] = &fetch,
                [CMI_PEER_COPY] = &cmi_peer_codec_copy,
                [CMI_PEER_COPIED] = &cmi_peer_codec_stored,
                [CMI_PEER_PART] = &part,
                [CMI_PEER_DEAD] = &cmi_peer_codec_dead,
                [CMI_PEER_DEAD_OK] = &cmi_peer_codec_noted,
                [CMI_PEER_COUNTS] = &cmi_peer_codec_counts,
                [CMI_PEER_COUNTS_OK] = &cmi_peer_codec_noted,
                [CMI_PEER_SYNC] = &cmi_peer_codec_sync,
                [CMI_PEER_HANDOVER] = &handover,
                [CMI_PEER_TAKEN] = &cmi_peer_codec_stored,
                [CMI_PEER_IDLE] = &idle,
                [CMI_PEER_AGE] = &age,
};

void cmi_peer_write(struct cmi_writer *writer, const struct cmi_peer_message *message)
{
        assert(message->kind > 0 && message->kind <= CMI_PEER_KIND_LAST);
        codecs[message->kind]->write(writer, message);
}

/* It holds -EMSGSIZE if there is too much to be one message. */
static struct cmi_reader message_reader(struct cmi_slice bytes)
{
        struct cmi_reader reader = cmi_reader(bytes);

        if (bytes.len > CMI_PEER_MESSAGE_MAX) {
                cmi_read_fail(&reader, -EMSGSIZE);
        }
        return reader;
}

/*
 * What the other fields mean depends on the kind, which is looked for first: it is written first,
 * but nobody has to. Of a kind of a newer version the rest is not looked at, since that may nest
 * deeper than anything that is known here.
 *
 * Return: 0, and 0 in ret_kind if there is none; -EBADMSG, -EMSGSIZE.
 */
static int find_kind(struct cmi_slice bytes, uint64_t *ret_kind)
{
        struct cmi_reader reader = message_reader(bytes);
        uint32_t n = cmi_read_map(&reader, CMI_FIELDS_MAX);
        uint64_t kind = 0;

        for (; n > 0 && reader.error == 0; n--) {
                if (cmi_read_uint(&reader, UINT64_MAX) == PEER_KIND) {
                        kind = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                }
                cmi_read_skip(&reader);
        }
        *ret_kind = kind;
        return reader.error;
}

static int read_fields(struct cmi_reader *reader, const struct cmi_peer_codec *codec,
                struct cmi_peer_input *input)
{
        struct cmi_fields fields = cmi_fields(reader, codec->last);
        int r;

        while (cmi_fields_next(&fields, &input->key)) {
                if (input->key == PEER_KIND) {
                        input->message->kind = cmi_read_uint(reader, UINT64_MAX);
                } else if (input->key == PEER_ID) {
                        input->message->id = cmi_read_uint(reader, UINT64_MAX);
                } else {
                        codec->read(input);
                }
        }
        r = cmi_fields_done(&fields);
        return r < 0 ? r : r + input->n_skipped;
}

int cmi_peer_decode(struct cmi_slice bytes, struct cmi_peer_message *ret_message)
{
        struct cmi_reader reader = message_reader(bytes);
        struct cmi_peer_input input = {.reader = &reader, .message = ret_message};
        const struct cmi_peer_codec *codec;
        uint64_t kind;
        int r = find_kind(bytes, &kind);

        memset(ret_message, 0, sizeof(*ret_message));
        ret_message->kind = kind;
        if (r < 0 || kind > CMI_PEER_KIND_LAST) {
                return r;
        }
        if (kind == 0) {
                return -EBADMSG;
        }
        codec = codecs[kind];
        r = read_fields(&reader, codec, &input);
        if (r >= 0 && (ret_message->id == 0 ||
                                      (codec->is_valid != NULL && !codec->is_valid(ret_message)))) {
                return -EBADMSG;
        }
        return r;
}
