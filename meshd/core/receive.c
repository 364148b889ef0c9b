/* SPDX-License-Identifier: MIT */
/*
 * A frame is taken apart here: whose it is, whether it is meant for this incarnation, and of which
 * type. What it means is in the file of its noun. Anything may come in; what cannot be used is
 * counted and changes nothing.
 */
#include "meshd/core/state.h"

#include <errno.h>

/* What a decoder returned. */
static bool is_readable(struct core *core, int decoded)
{
        if (decoded < 0) {
                core->counters.dropped_malformed++;
                return false;
        }
        core->counters.unknown_fields += (uint32_t)decoded;
        return true;
}

static void receive_hello(struct core *core, struct cmi_time now, uint64_t connection,
                const struct cmi_frame_header *header, struct cmi_slice body)
{
        if (is_readable(core, cmi_hello_decode(body, &core->decoded.hello))) {
                hello_receive(core, now, connection, header, &core->decoded.hello);
        }
}

/*
 * Frames of a known member's current incarnation to ours. Each function decodes one type of body
 * and hands it on; a negative errno means that it cannot be read, a positive value that a newer
 * version has put so many fields in that were skipped.
 */
/* NOLINTBEGIN(bugprone-macro-parentheses): a declared name takes none */
#define RECEIVE(noun, frame_type, call)                                                            \
        static int receive_##noun(struct core *core, struct cmi_time now, struct member *member,   \
                        struct cmi_slice body)                                                     \
        {                                                                                          \
                struct frame_type noun;                                                            \
                int r = frame_type##_decode(body, &noun);                                          \
                                                                                                   \
                if (r >= 0) {                                                                      \
                        call;                                                                      \
                }                                                                                  \
                return r;                                                                          \
        }

/* NOLINTEND(bugprone-macro-parentheses) */

RECEIVE(beat, cmi_beat, beat_receive(core, now, member, &beat))
RECEIVE(ops, cmi_ops, ops_receive(core, now, member, &ops))
RECEIVE(nack, cmi_nack, nack_receive(core, member, &nack))
RECEIVE(reset, cmi_reset, reset_receive(core, now, member, &reset))
RECEIVE(goodbye, cmi_goodbye, goodbye_receive(core, now, member, &goodbye))
RECEIVE(query, cmi_query, query_receive(core, now, member, &query))
RECEIVE(post, cmi_post, post_receive(core, member, &post))

static int receive_members(struct core *core, struct cmi_time now, struct member *member,
                struct cmi_slice body)
{
        int r = cmi_members_decode(body, &core->decoded.members);

        if (r >= 0) {
                member_list_receive(core, now, member, &core->decoded.members);
        }
        return r;
}

static int receive_answer(struct core *core, struct cmi_time now, struct member *member,
                struct cmi_slice body)
{
        int r = cmi_answer_decode(body, &core->decoded.answer);

        if (r >= 0) {
                answer_receive(core, member, &core->decoded.answer);
        }
        return r;
}

static int receive_regions(struct core *core, struct cmi_time now, struct member *member,
                struct cmi_slice body)
{
        int r = cmi_regions_decode(body, &core->decoded.regions);

        if (r >= 0) {
                region_options_receive(core, member, &core->decoded.regions);
        }
        return r;
}

typedef int (*receive_fn)(struct core *core, struct cmi_time now, struct member *member,
                struct cmi_slice body);

static const receive_fn receivers[] = {
                [CMI_FRAME_BEAT] = receive_beat,
                [CMI_FRAME_OPS] = receive_ops,
                [CMI_FRAME_NACK] = receive_nack,
                [CMI_FRAME_RESET] = receive_reset,
                [CMI_FRAME_GOODBYE] = receive_goodbye,
                [CMI_FRAME_MEMBERS] = receive_members,
                [CMI_FRAME_QUERY] = receive_query,
                [CMI_FRAME_ANSWER] = receive_answer,
                [CMI_FRAME_REGIONS] = receive_regions,
                [CMI_FRAME_SESSION] = receive_post,
};

/* Frames that were under way when a process died can reach its successor. */
static bool is_for_us(const struct core *core, const struct cmi_frame_header *header)
{
        return header->destination_incarnation == core->options.incarnation ||
               (MUTANT(POST_TO_OLD_INCARNATION) && header->type == CMI_FRAME_SESSION);
}

static void receive_from_member(struct core *core, struct cmi_time now, uint64_t connection,
                const struct cmi_frame_header *header, struct cmi_slice body)
{
        struct member *member = member_find(core, &header->source);

        if (!member && header->type == CMI_FRAME_GOODBYE) {
                room_goodbye(core, now, header);
                return;
        }
        if (!member || member->incarnation == 0 || member->state == MEMBER_LEFT) {
                core->counters.dropped_unknown_source++;
                return;
        }
        if (header->source_incarnation != member->incarnation || !is_for_us(core, header)) {
                core->counters.dropped_incarnation++;
                member->wants_hello = true;
                return;
        }
        member_heard(core, now, member, connection);
        if (header->type >= sizeof(receivers) / sizeof(receivers[0]) || !receivers[header->type]) {
                core->counters.dropped_unknown_type++;
        } else {
                is_readable(core, receivers[header->type](core, now, member, body));
        }
}

void core_receive(struct core *core, struct cmi_time now, uint64_t connection,
                struct cmi_slice header_bytes, struct cmi_slice body)
{
        struct cmi_frame_header header;
        struct cmi_refuse refusal;
        int r = cmi_frame_header_decode(header_bytes, &header);

        core_enter(core, now);
        core->counters.frames_received++;
        core->counters.bytes_received += header_bytes.len + body.len;
        if (r < 0) {
                core->counters.dropped_malformed += r == -EBADMSG;
                core->counters.dropped_version += r != -EBADMSG;
        } else if (header.mesh != core->mesh) {
                core->counters.dropped_mesh++;
        } else if (header.type == CMI_FRAME_HELLO) {
                receive_hello(core, now, connection, &header, body);
        } else if (header.type != CMI_FRAME_REFUSE) {
                receive_from_member(core, now, connection, &header, body);
        } else if (is_readable(core, cmi_refuse_decode(body, &refusal))) {
                refusal_receive(core, now, &header, &refusal);
        }
}
