/* SPDX-License-Identifier: MIT */
/*
 * Who is refused, and why, and what it means to be refused oneself. A refusal goes out on a link of
 * its own, to the first address that the refused node advertises, and is repeated while the node
 * goes on greeting.
 */
#include "meshd/core/state.h"

/* An incarnation that lies further ahead of our clock (Unix milliseconds) than this is believed of
 * nobody: soon nothing could go above it any more. A century, so that a node whose clock begins at
 * 1970 believes those of today. */
#define INCARNATION_AHEAD_MS (UINT64_C(100) * 365 * 24 * 3600 * 1000)

void refusal_send(struct core *core, struct link *link)
{
        uint8_t buffer[CMI_REASON_MAX + 64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_refuse_write(&writer, &link->refusal);
        link_send(core, link, NULL, CMI_FRAME_REFUSE, cmi_written(&writer), 0);
}

void refusal_tell(struct core *core, struct cmi_time now, const struct cmi_frame_header *header,
                const struct cmi_hello *hello, enum cmi_refusal code, uint64_t incarnation,
                const char *reason)
{
        struct link *link;
        char text[CORE_TEXT_MAX];

        core_text(text, hello->name, ": ", reason);
        core_emit(core, CORE_EVENT_REFUSING, NULL, text);
        if (hello->n_endpoints == 0) {
                return;
        }
        for (uint32_t i = 0; i < core->max_links; i++) {
                if (core->links[i].is_used && core->links[i].refusal.code != 0 &&
                                cmi_endpoint_equal(
                                                &core->links[i].endpoint, &hello->endpoints[0])) {
                        return; /* already being told */
                }
        }
        if (link_open(core, now, &hello->endpoints[0], NULL, &link) < 0) {
                return;
        }
        link->refusal = (struct cmi_refuse){.code = code, .incarnation = incarnation};
        memcpy(link->refusal.reason, text, sizeof(text));
        refusal_send(core, link);
}

bool refusal_is_far_ahead(struct cmi_time now, uint64_t incarnation)
{
        return incarnation > now.real_ns / CMI_NS_PER_MS + INCARNATION_AHEAD_MS;
}

static void take_refusal(struct core *core, struct cmi_time now, const struct cmi_id *source,
                const char *reason)
{
        core->refused_ns = now.mono_ns;
        core->refused_by = *source;
        core_text(core->reason, "refused: ", reason, "");
        core_emit(core, CORE_EVENT_REFUSED, NULL, reason);
}

/* Who refuses us for want of room waits for nobody here, and may be cut off before it tells more of
 * itself. */
static void note_refuser(
                struct core *core, struct cmi_time now, const struct cmi_frame_header *header)
{
        struct stranger stranger = {
                        .id = header->source,
                        .incarnation = header->source_incarnation,
                        .generation = header->generation,
        };

        core_step_down(core, now);
        if (!member_find(core, &header->source)) {
                room_missed(core, now, &stranger);
        }
}

/* The highest incarnation of us that is known is told, so that a node whose clock was set back gets
 * in again. */
static void raise_incarnation(struct core *core, struct cmi_time now, const struct cmi_id *source,
                const struct cmi_refuse *refusal)
{
        if (refusal_is_far_ahead(now, refusal->incarnation)) {
                take_refusal(core, now, source,
                                "told of an incarnation far in the future: meshctl forget this "
                                "node on the others");
        } else if (refusal->incarnation >= core->options.incarnation) {
                core->options.incarnation = refusal->incarnation + 1;
                core_emit(core, CORE_EVENT_INCARNATION, NULL, refusal->reason);
        }
}

/* Whoever said it has taken us in since: its HELLO has overtaken it, or it is a successor's. */
static bool is_overtaken(struct core *core, const struct cmi_frame_header *header)
{
        const struct member *member = member_find(core, &header->source);

        return member && member->is_confirmed &&
               (header->source_incarnation < member->incarnation ||
                               (header->source_incarnation == member->incarnation &&
                                               header->generation <= member->peer_hello));
}

void refusal_receive(struct core *core, struct cmi_time now, const struct cmi_frame_header *header,
                const struct cmi_refuse *refusal)
{
        if (refusal->code == CMI_REFUSED_INCARNATION) {
                raise_incarnation(core, now, &header->source, refusal);
        } else if (!is_overtaken(core, header)) {
                take_refusal(core, now, &header->source, refusal->reason);
                if (refusal->code == CMI_REFUSED_FULL) {
                        note_refuser(core, now, header);
                }
        }
}

void refusal_answered(struct core *core, const struct member *member, uint64_t echo_ns)
{
        if (echo_ns > core->refused_ns && cmi_id_equal(&core->refused_by, &member->id)) {
                core->refused_ns = 0;
        }
}

static const struct member *live_member_of_name(
                const struct core *core, const char *name, const struct cmi_id *but)
{
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (member->is_used && member_counts(member) && strcmp(member->name, name) == 0 &&
                                !cmi_id_equal(&member->id, but)) {
                        return member;
                }
        }
        return NULL;
}

bool refusal_is_due(struct core *core, struct cmi_time now, const struct cmi_frame_header *header,
                const struct cmi_hello *hello, const struct member *member)
{
        const struct member *other = live_member_of_name(core, hello->name, &header->source);

        if (hello->protocol_min > CMI_PROTOCOL_MAX || hello->protocol_max < CMI_PROTOCOL_MIN) {
                refusal_tell(core, now, header, hello, CMI_REFUSED_PROTOCOL, 0,
                                "no common protocol version");
        } else if (hello->lease_ms != core->options.lease_ns / CMI_NS_PER_MS) {
                refusal_tell(core, now, header, hello, CMI_REFUSED_LEASE, 0,
                                "its lease length differs; set --lease-ms equal on all nodes");
        } else if (member && header->source_incarnation < member->incarnation) {
                refusal_tell(core, now, header, hello, CMI_REFUSED_INCARNATION, member->incarnation,
                                "a later incarnation of it is known");
        } else if ((strcmp(hello->name, core->name) == 0 &&
                                   header->source_incarnation > core->options.incarnation) ||
                        (other && other->incarnation < header->source_incarnation)) {
                refusal_tell(core, now, header, hello, CMI_REFUSED_NAME, 0,
                                "a live node has this name; choose another --name");
        } else if (hello->has_no_room && core->state == CORE_LIVE &&
                        !(member && member->is_confirmed)) {
                refusal_tell(core, now, header, hello, CMI_REFUSED_FULL, 0,
                                "its max_peers is reached, and it has no place for this node");
        } else {
                return false;
        }
        return true;
}
