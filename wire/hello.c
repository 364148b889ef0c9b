/* SPDX-License-Identifier: MIT */
/*
 * The frames by which two nodes get and keep acquainted: HELLO, BEAT, REFUSE, MEMBERS.
 */
#include "wire/frame_fields.h"

#include <errno.h>

enum {
        HELLO_PROTOCOL_MIN = 1,
        HELLO_PROTOCOL_MAX = 2,
        HELLO_NAME = 3,
        HELLO_SOFTWARE = 4,
        HELLO_LEASE_MS = 5,
        HELLO_NEWEST = 6,
        HELLO_OLDEST = 7,
        HELLO_PREVIOUS = 8,
        HELLO_APPLIED = 9,
        HELLO_ENDPOINTS = 10,
        HELLO_LINK_TOKEN = 11,
        HELLO_ECHO_TOKEN = 12,
        HELLO_MEMBERS = 13,
        HELLO_WANTS_ANSWER = 14,
        HELLO_HAS_INTENTS = 15,
        HELLO_WANTS_RESET = 16,
        HELLO_GONE_MS = 17,
        HELLO_IS_LIVE = 18,
        HELLO_HAS_NO_ROOM = 19,
        HELLO_TAKES_MESSAGES = 20,
};

enum {
        BEAT_CLOCK = 1,
        BEAT_ECHO = 2,
        BEAT_NEWEST = 3,
        BEAT_APPLIED = 4,
        BEAT_IS_GRANT = 5,
        BEAT_COUNTS_YOU = 6,
        BEAT_WANTS_BEAT = 7,
        BEAT_IS_LIVE = 8,
        BEAT_MEMBERS = 9,
        BEAT_LAG_NS = 10,
        BEAT_SENT = 11,
        BEAT_HELD_NS = 12,
        BEAT_REGIONS = 13,
};

enum {
        REFUSE_CODE = 1,
        REFUSE_INCARNATION = 2,
        REFUSE_REASON = 3,
};

enum {
        MEMBERS_IS_REQUEST = 1,
        MEMBERS_LIST = 2,
};

enum {
        MEMBER_ELEMENTS = 5,
};

void cmi_hello_write(struct cmi_writer *writer, const struct cmi_hello *hello)
{
        cmi_write_map(writer, 20);
        cmi_write_field_uint(writer, HELLO_PROTOCOL_MIN, hello->protocol_min);
        cmi_write_field_uint(writer, HELLO_PROTOCOL_MAX, hello->protocol_max);
        cmi_write_field_text(writer, HELLO_NAME, hello->name);
        cmi_write_field_text(writer, HELLO_SOFTWARE, hello->software);
        cmi_write_field_uint(writer, HELLO_LEASE_MS, hello->lease_ms);
        cmi_write_field_position(writer, HELLO_NEWEST, hello->newest);
        cmi_write_field_uint(writer, HELLO_OLDEST, hello->oldest);
        cmi_write_field_position(writer, HELLO_PREVIOUS, hello->previous);
        cmi_write_field_position(writer, HELLO_APPLIED, hello->applied);
        cmi_write_uint(writer, HELLO_ENDPOINTS);
        cmi_write_endpoints(writer, hello->endpoints, hello->n_endpoints);
        cmi_write_field_uint(writer, HELLO_LINK_TOKEN, hello->link_token);
        cmi_write_field_uint(writer, HELLO_ECHO_TOKEN, hello->echo_token);
        cmi_write_field_uint(writer, HELLO_MEMBERS, hello->members);
        cmi_write_field_bool(writer, HELLO_WANTS_ANSWER, hello->wants_answer);
        cmi_write_field_bool(writer, HELLO_HAS_INTENTS, hello->has_intents);
        cmi_write_field_bool(writer, HELLO_WANTS_RESET, hello->wants_reset);
        cmi_write_field_uint(writer, HELLO_GONE_MS, hello->gone_ms);
        cmi_write_field_bool(writer, HELLO_IS_LIVE, hello->is_live);
        cmi_write_field_bool(writer, HELLO_HAS_NO_ROOM, hello->has_no_room);
        cmi_write_field_bool(writer, HELLO_TAKES_MESSAGES, hello->takes_messages);
}

static void read_hello_flag(struct cmi_reader *reader, uint64_t key, struct cmi_hello *hello)
{
        switch (key) {
        case HELLO_WANTS_ANSWER:
                hello->wants_answer = cmi_read_bool(reader);
                break;
        case HELLO_HAS_INTENTS:
                hello->has_intents = cmi_read_bool(reader);
                break;
        case HELLO_WANTS_RESET:
                hello->wants_reset = cmi_read_bool(reader);
                break;
        case HELLO_IS_LIVE:
                hello->is_live = cmi_read_bool(reader);
                break;
        case HELLO_HAS_NO_ROOM:
                hello->has_no_room = cmi_read_bool(reader);
                break;
        case HELLO_TAKES_MESSAGES:
                hello->takes_messages = cmi_read_bool(reader);
                break;
        }
}

static void read_hello_field(struct cmi_reader *reader, uint64_t key, struct cmi_hello *hello)
{
        switch (key) {
        case HELLO_PROTOCOL_MIN:
                hello->protocol_min = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_PROTOCOL_MAX:
                hello->protocol_max = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_NAME:
                cmi_read_text(reader, hello->name, sizeof(hello->name));
                break;
        case HELLO_SOFTWARE:
                cmi_read_text(reader, hello->software, sizeof(hello->software));
                break;
        case HELLO_LEASE_MS:
                hello->lease_ms = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_NEWEST:
                hello->newest = cmi_read_position(reader);
                break;
        case HELLO_OLDEST:
                hello->oldest = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_PREVIOUS:
                hello->previous = cmi_read_position(reader);
                break;
        case HELLO_APPLIED:
                hello->applied = cmi_read_position(reader);
                break;
        case HELLO_ENDPOINTS:
                hello->n_endpoints =
                                cmi_read_endpoints(reader, hello->endpoints, CMI_ENDPOINTS_MAX);
                break;
        case HELLO_LINK_TOKEN:
                hello->link_token = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_ECHO_TOKEN:
                hello->echo_token = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_MEMBERS:
                hello->members = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_GONE_MS:
                hello->gone_ms = cmi_read_uint(reader, UINT64_MAX);
                break;
        case HELLO_WANTS_ANSWER:
        case HELLO_HAS_INTENTS:
        case HELLO_WANTS_RESET:
        case HELLO_IS_LIVE:
        case HELLO_HAS_NO_ROOM:
        case HELLO_TAKES_MESSAGES:
                read_hello_flag(reader, key, hello);
                break;
        }
}

int cmi_hello_decode(struct cmi_slice body, struct cmi_hello *ret_hello)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, HELLO_TAKES_MESSAGES);
        uint64_t key;

        memset(ret_hello, 0, sizeof(*ret_hello));
        while (cmi_fields_next(&fields, &key)) {
                read_hello_field(&reader, key, ret_hello);
        }
        return cmi_fields_done(&fields);
}

void cmi_beat_write(struct cmi_writer *writer, const struct cmi_beat *beat)
{
        cmi_write_map(writer, 13);
        cmi_write_field_time(writer, BEAT_CLOCK, beat->clock);
        cmi_write_field_time(writer, BEAT_ECHO, beat->echo);
        cmi_write_field_position(writer, BEAT_NEWEST, beat->newest);
        cmi_write_field_position(writer, BEAT_APPLIED, beat->applied);
        cmi_write_field_bool(writer, BEAT_IS_GRANT, beat->is_grant);
        cmi_write_field_bool(writer, BEAT_COUNTS_YOU, beat->counts_you);
        cmi_write_field_bool(writer, BEAT_WANTS_BEAT, beat->wants_beat);
        cmi_write_field_bool(writer, BEAT_IS_LIVE, beat->is_live);
        cmi_write_field_uint(writer, BEAT_MEMBERS, beat->members);
        cmi_write_field_uint(writer, BEAT_LAG_NS, beat->lag_ns);
        cmi_write_field_uint(writer, BEAT_SENT, beat->sent);
        cmi_write_field_uint(writer, BEAT_HELD_NS, beat->held_ns);
        cmi_write_field_uint(writer, BEAT_REGIONS, beat->regions);
}

static void read_beat_field(struct cmi_reader *reader, uint64_t key, struct cmi_beat *beat)
{
        switch (key) {
        case BEAT_CLOCK:
                beat->clock = cmi_read_time(reader);
                break;
        case BEAT_ECHO:
                beat->echo = cmi_read_time(reader);
                break;
        case BEAT_NEWEST:
                beat->newest = cmi_read_position(reader);
                break;
        case BEAT_APPLIED:
                beat->applied = cmi_read_position(reader);
                break;
        case BEAT_IS_GRANT:
                beat->is_grant = cmi_read_bool(reader);
                break;
        case BEAT_COUNTS_YOU:
                beat->counts_you = cmi_read_bool(reader);
                break;
        case BEAT_WANTS_BEAT:
                beat->wants_beat = cmi_read_bool(reader);
                break;
        case BEAT_IS_LIVE:
                beat->is_live = cmi_read_bool(reader);
                break;
        case BEAT_MEMBERS:
                beat->members = cmi_read_uint(reader, UINT64_MAX);
                break;
        case BEAT_LAG_NS:
                beat->lag_ns = cmi_read_uint(reader, UINT64_MAX);
                break;
        case BEAT_SENT:
                beat->sent = cmi_read_uint(reader, UINT64_MAX);
                break;
        case BEAT_HELD_NS:
                beat->held_ns = cmi_read_uint(reader, UINT64_MAX);
                break;
        case BEAT_REGIONS:
                beat->regions = cmi_read_uint(reader, UINT64_MAX);
                break;
        }
}

int cmi_beat_decode(struct cmi_slice body, struct cmi_beat *ret_beat)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, BEAT_REGIONS);
        uint64_t key;

        memset(ret_beat, 0, sizeof(*ret_beat));
        while (cmi_fields_next(&fields, &key)) {
                read_beat_field(&reader, key, ret_beat);
        }
        return cmi_fields_done(&fields);
}

void cmi_refuse_write(struct cmi_writer *writer, const struct cmi_refuse *refuse)
{
        cmi_write_map(writer, 3);
        cmi_write_field_uint(writer, REFUSE_CODE, refuse->code);
        cmi_write_field_uint(writer, REFUSE_INCARNATION, refuse->incarnation);
        cmi_write_field_text(writer, REFUSE_REASON, refuse->reason);
}

int cmi_refuse_decode(struct cmi_slice body, struct cmi_refuse *ret_refuse)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, REFUSE_REASON);
        uint64_t key;

        memset(ret_refuse, 0, sizeof(*ret_refuse));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case REFUSE_CODE:
                        ret_refuse->code = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REFUSE_INCARNATION:
                        ret_refuse->incarnation = cmi_read_uint(&reader, UINT64_MAX);
                        break;
                case REFUSE_REASON:
                        cmi_read_text(&reader, ret_refuse->reason, sizeof(ret_refuse->reason));
                        break;
                }
        }
        return cmi_fields_done(&fields);
}

static void write_member(struct cmi_writer *writer, const struct cmi_member *member)
{
        cmi_write_array(writer, MEMBER_ELEMENTS);
        cmi_write_id(writer, &member->id);
        cmi_write_uint(writer, member->incarnation);
        cmi_write_uint(writer, member->state);
        cmi_write_cstr(writer, member->name);
        cmi_write_endpoints(writer, member->endpoints, member->n_endpoints);
}

void cmi_members_write(struct cmi_writer *writer, const struct cmi_members *members)
{
        cmi_write_map(writer, 2);
        cmi_write_field_bool(writer, MEMBERS_IS_REQUEST, members->is_request);
        cmi_write_uint(writer, MEMBERS_LIST);
        cmi_write_array(writer, members->n_members);
        for (uint32_t i = 0; i < members->n_members; i++) {
                write_member(writer, &members->members[i]);
        }
}

static void read_member(struct cmi_reader *reader, struct cmi_member *member)
{
        uint32_t n = cmi_record_begin(reader, MEMBER_ELEMENTS);

        cmi_read_id(reader, &member->id);
        member->incarnation = cmi_read_uint(reader, UINT64_MAX);
        member->state = cmi_read_uint(reader, UINT64_MAX);
        cmi_read_text(reader, member->name, sizeof(member->name));
        member->n_endpoints = cmi_read_endpoints(reader, member->endpoints, CMI_ENDPOINTS_MAX);
        cmi_record_end(reader, n, MEMBER_ELEMENTS);
}

int cmi_members_decode(struct cmi_slice body, struct cmi_members *ret_members)
{
        struct cmi_reader reader = cmi_frame_body(body);
        struct cmi_fields fields = cmi_fields(&reader, MEMBERS_LIST);
        uint64_t key;

        memset(ret_members, 0, sizeof(*ret_members));
        while (cmi_fields_next(&fields, &key)) {
                switch (key) {
                case MEMBERS_IS_REQUEST:
                        ret_members->is_request = cmi_read_bool(&reader);
                        break;
                case MEMBERS_LIST:
                        ret_members->n_members = cmi_read_array(&reader, CMI_MEMBERS_PAGE);
                        for (uint32_t i = 0; i < ret_members->n_members && reader.error == 0; i++) {
                                read_member(&reader, &ret_members->members[i]);
                        }
                        break;
                }
        }
        return cmi_fields_done(&fields);
}
