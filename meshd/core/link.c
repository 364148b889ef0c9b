/* SPDX-License-Identifier: MIT */
/*
 * Outgoing links and the greeting. A link only sends; frames of the peer come in over the peer's
 * own link. Each HELLO carries a random token that names the link it goes out on, and echoes the
 * token of the peer's newest HELLO: an echo of our token proves whose process is at the other end,
 * and that it knows us. Only then do beats and operations flow.
 */
#include "meshd/core/state.h"

#include <errno.h>

#define HELLO_RETRY_NS (250 * CMI_NS_PER_MS)
#define HELLO_SILENT_NS (500 * CMI_NS_PER_MS) /* to a member that does not answer */
#define HANDSHAKE_NS (5 * CMI_NS_PER_S)       /* a candidate that gave no HELLO is hung up */
#define REFUSAL_NS (2 * CMI_NS_PER_S)
#define COPY_NS (500 * CMI_NS_PER_MS) /* frames of a dead process come no later than this */
static struct link *link_find(struct core *core, const struct cmi_endpoint *endpoint)
{
        for (uint32_t i = 0; i < core->max_links; i++) {
                struct link *link = &core->links[i];

                if (link->is_used && link->refusal.code == 0 &&
                                cmi_endpoint_equal(&link->endpoint, endpoint)) {
                        return link;
                }
        }
        return NULL;
}

static struct link *link_by_token(struct core *core, uint64_t token)
{
        for (uint32_t i = 0; token != 0 && i < core->max_links; i++) {
                if (core->links[i].is_used && core->links[i].token == token) {
                        return &core->links[i];
                }
        }
        return NULL;
}

bool link_is_open(struct core *core, const struct cmi_endpoint *endpoint)
{
        return link_find(core, endpoint) != NULL;
}

static uint32_t link_index(const struct core *core, const struct link *link)
{
        return (uint32_t)(link - core->links);
}

int link_open(struct core *core, struct cmi_time now, const struct cmi_endpoint *endpoint,
                struct member *member, struct link **ret_link)
{
        for (uint32_t i = 0; i < core->max_links; i++) {
                struct link *link = &core->links[i];
                int r;

                if (link->is_used) {
                        continue;
                }
                r = core->sink.dial(core->sink.context, i, endpoint);
                if (r < 0) {
                        return r;
                }
                if (i == core->link_limit) {
                        core->link_limit++;
                }
                *link = (struct link){
                                .is_used = true,
                                .member = NONE,
                                .detour_of = NONE,
                                .token = core_random(core) | 1,
                                .opened_ns = now.mono_ns,
                                .endpoint = *endpoint,
                };
                if (member) {
                        link->member = member_index(core, member);
                        link->is_advertised = true;
                        member->link = i;
                        member->is_confirmed = false;
                }
                *ret_link = link;
                return 0;
        }
        return -ENOSPC;
}

static void end_detour_of(struct core *core, struct link *link)
{
        if (link->detour_of != NONE) {
                core->members[link->detour_of].detour = NONE;
                link->detour_of = NONE;
        }
}

void link_close(struct core *core, struct link *link)
{
        if (link->member != NONE) {
                core->members[link->member].link = NONE;
                core->members[link->member].is_confirmed = false;
        }
        end_detour_of(core, link);
        core->sink.hangup(core->sink.context, link_index(core, link));
        *link = (struct link){.member = NONE, .detour_of = NONE};
}

struct link *link_ready(struct core *core, const struct member *member)
{
        if (!member->is_confirmed || member->link == NONE || core->links[member->link].is_blocked) {
                return NULL;
        }
        return &core->links[member->link];
}

int link_send(struct core *core, struct link *link, struct member *member, enum cmi_frame_type type,
                struct cmi_slice body, uint64_t body_id)
{
        uint8_t buffer[CMI_FRAME_HEADER_MAX];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        bool is_greeting = type == CMI_FRAME_HELLO || type == CMI_FRAME_REFUSE;
        struct cmi_frame_header header = {
                        .type = type,
                        .mesh = core->mesh,
                        .source = core->options.node_id,
                        .source_incarnation = core->options.incarnation,
                        .destination_incarnation = member && !is_greeting ? member->incarnation : 0,
                        .generation = core->n_hellos,
        };
        int r;

        cmi_frame_header_write(&writer, &header);
        r = core->sink.send(core->sink.context, link_index(core, link), cmi_written(&writer), body,
                        body_id);
        if (r < 0) {
                link->is_blocked = true;
                core->counters.frames_blocked++;
                return r;
        }
        core->counters.frames_sent++;
        core->counters.bytes_sent += writer.len + body.len;
        if (member) {
                member->frames_sent++;
        }
        return 0;
}

void hello_send(struct core *core, struct cmi_time now, struct link *link, struct member *member,
                bool wants_answer)
{
        uint8_t buffer[1024];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_hello hello = {
                        .protocol_min = CMI_PROTOCOL_MIN,
                        .protocol_max = CMI_PROTOCOL_MAX,
                        .lease_ms = core->options.lease_ns / CMI_NS_PER_MS,
                        .newest = {log_stream(core->log), log_newest(core->log)},
                        .oldest = log_oldest(core->log),
                        .previous = log_previous(core->log),
                        .n_endpoints = core->options.n_endpoints,
                        .link_token = link->token,
                        .members = member_digest(core),
                        .wants_answer = wants_answer,
                        .has_intents = intent_count(core) > 0 ||
                                       hold_ends_latest(core) > now.mono_ns,
                        .gone_ms = core->options.gone_ns / CMI_NS_PER_MS,
                        .is_live = room_is_served(core, now),
                        .has_no_room = !member && !room_is_left(core),
                        .takes_messages = core->sink.message != NULL,
        };

        memcpy(hello.name, core->name, sizeof(hello.name));
        memcpy(hello.software, core->software, sizeof(hello.software));
        memcpy(hello.endpoints, core->options.endpoints, sizeof(hello.endpoints));
        if (member) {
                hello.applied = (struct cmi_position){member->stream, member->applied};
                hello.echo_token = member->peer_token;
                hello.wants_reset = member->needs_reset != NEED_NONE;
        }
        if (member && member->link == link_index(core, link)) {
                member->hello_sent_ns = now.mono_ns;
                member->is_hello_due = false;
                member->wants_hello = false;
        }
        core->n_hellos++;
        cmi_hello_write(&writer, &hello);
        link->next_hello_ns = now.mono_ns + HELLO_RETRY_NS;
        link_send(core, link, member, CMI_FRAME_HELLO, cmi_written(&writer), 0);
}

/* Receiving HELLO */

/* What is still under way on a link to ourselves that was closed was said by nobody else. */
static bool was_own_token(const struct core *core, uint64_t token)
{
        for (uint32_t i = 0; i < CMI_ENDPOINTS_MAX; i++) {
                if (core->own_tokens[i] == token) {
                        return true;
                }
        }
        return false;
}

static void hello_from_myself(struct core *core, struct cmi_time now,
                const struct cmi_frame_header *header, const struct cmi_hello *hello)
{
        struct link *link = link_by_token(core, hello->link_token);
        struct core_event event = {.kind = CORE_EVENT_SELF, .name = ""};

        if (link) { /* nobody else knows the token; our incarnation may be a higher one by now */
                event.endpoint = link->endpoint;
                core->own_tokens[core->n_own_tokens++ % CMI_ENDPOINTS_MAX] = hello->link_token;
                link_close(core, link);
                core->sink.event(core->sink.context, &event);
        } else if (header->source_incarnation < core->options.incarnation &&
                        !was_own_token(core, hello->link_token)) {
                /* An earlier node with our id lives: the image was cloned, and we are the copy. */
                struct cmi_refuse refusal = {.code = CMI_REFUSED_IDENTITY};

                core_text(refusal.reason, hello->name, ": ",
                                "a live node has our id; start with --new-identity");
                refusal_receive(core, now, header, &refusal);
                core_step_down(core, now);
        }
}

/*
 * A later process with a member's id, while the member is heard: its successor, or a second node
 * with a copy of its state directory. The successor continues the stream, which takes the log that
 * its predecessor had locked. What begins a new one waits until the member has been silent for a
 * lease; if the member goes on talking, it is a copy, and told. Two at a time would take turns in
 * replacing each other, and what one of them says would be missed meanwhile.
 */
static bool is_copy(struct core *core, struct cmi_time now, const struct cmi_frame_header *header,
                const struct cmi_hello *hello, struct member *member)
{
        bool continues = hello->newest.stream == member->stream ||
                         hello->previous.stream == member->stream;

        if (header->source_incarnation <= member->incarnation || member->stream == 0 || continues ||
                        !member_counts(member) ||
                        now.mono_ns - member->heard_ns >= core->options.lease_ns) {
                return false;
        }
        if (member->copy_incarnation != header->source_incarnation) {
                member->copy_incarnation = header->source_incarnation;
                member->copy_seen_ns = now.mono_ns;
        }
        if (member->heard_ns > member->copy_seen_ns + COPY_NS) {
                refusal_tell(core, now, header, hello, CMI_REFUSED_IDENTITY, 0,
                                "a live node has its id; start the copy with --new-identity");
        }
        return true;
}

static void new_incarnation(
                struct core *core, struct cmi_time now, struct member *member, uint64_t incarnation)
{
        if (member->incarnation != 0) {
                member->restarts++;
        }
        member->incarnation = incarnation;
        member->is_confirmed = false;
        member->was_live = false;
        member->owes_reset = false;
        member->peer_token = 0;
        member->peer_hello = 0;
        member->clock = (struct cmi_time){0};
        member->clock_heard_ns = 0;
        member->grant = (struct cmi_time){0};
        member->waiting_grant = (struct cmi_time){0};
        member->acknowledged = 0;
        member->echoed_ns = 0;
        member->counted = (struct cmi_time){0};
        member->counts_me = false;
        member->beat_sent_ns = 0;
        member->posts = (struct posts){0};
        region_options_restarted(member);
        /* granted_ns stays: the predecessor's page may still be served on our grant. */
        member_set_state(core, now, member, MEMBER_JOINING, "a new process of it said hello");
}

/* Waits count with it, see wait.c; people are told, since one of the two is a mistake. */
static void compare_patience(struct core *core, struct member *member, uint64_t gone_ms)
{
        struct core_event event = {
                        .kind = CORE_EVENT_PATIENCE,
                        .id = member->id,
                        .name = member->name,
                        .number = gone_ms,
        };

        if (member->gone_ms != gone_ms && gone_ms != 0 &&
                        gone_ms != core->options.gone_ns / CMI_NS_PER_MS) {
                core->sink.event(core->sink.context, &event);
        }
        member->gone_ms = gone_ms;
}

static void describe(struct core *core, struct member *member, const struct cmi_hello *hello)
{
        memcpy(member->software, hello->software, sizeof(member->software));
        memcpy(member->endpoints, hello->endpoints, sizeof(member->endpoints));
        member->n_endpoints = hello->n_endpoints;
        member->protocol = hello->protocol_max;
        member->takes_messages = hello->takes_messages;
        if (strcmp(member->name, hello->name) != 0) {
                memcpy(member->name, hello->name, sizeof(member->name));
                member_sort(core);
        }
        compare_patience(core, member, hello->gone_ms);
}

static bool is_advertised(const struct member *member, const struct cmi_endpoint *endpoint)
{
        for (uint32_t i = 0; i < member->n_endpoints; i++) {
                if (cmi_endpoint_equal(&member->endpoints[i], endpoint)) {
                        return true;
                }
        }
        return false;
}

/* The link is the member's from now on, and has a lease to be answered in (detour.c). */
static void give(struct core *core, struct cmi_time now, struct link *link, struct member *member)
{
        end_detour_of(core, link);
        if (member->link != link_index(core, link)) {
                link->opened_ns = now.mono_ns;
        }
        link->member = member_index(core, member);
        member->link = link_index(core, link);
}

/* Which of our links leads to this member: the one whose token it echoes, the one it has, or a new
 * one. */
static void find_way(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_hello *hello)
{
        struct link *link = link_by_token(core, hello->echo_token);

        if (link && link->member != NONE && link->member != member_index(core, member)) {
                return; /* an echo of a token that was another's: a frame of before */
        }
        if (link && member->link != NONE && link != &core->links[member->link]) {
                link_close(core, &core->links[member->link]);
        }
        if (link) {
                struct core_event event = {
                                .kind = CORE_EVENT_MET, .id = member->id, .name = member->name};

                give(core, now, link, member);
                /* A candidate's address that the member advertises too goes
                 * with the advertisement. */
                link->is_advertised = link->is_advertised || is_advertised(member, &link->endpoint);
                if (!member->is_confirmed) {
                        event.endpoint = link->endpoint;
                        core->sink.event(core->sink.context, &event);
                }
                member->is_confirmed = true;
                if (cmi_id_equal(&core->refused_by, &member->id)) {
                        core->refused_ns = 0; /* it has thought better of it */
                }
                return;
        }
        link = member->link == NONE ? NULL : &core->links[member->link];
        if (link && link->is_advertised && !is_advertised(member, &link->endpoint)) {
                link_close(core, link);
                link = NULL;
        }
        for (uint32_t i = 0; !link && i < member->n_endpoints; i++) {
                link = link_find(core, &member->endpoints[i]);
                if (link && link->member == NONE) {
                        give(core, now, link, member);
                } else if (link) {
                        link = NULL;
                }
        }
        if (!link && member->n_endpoints > 0) {
                link_open(core, now, &member->endpoints[0], member, &link);
        }
}

/* The peer says what it has of our stream: go on from there. */
static void set_cursor(struct core *core, struct member *member, const struct cmi_hello *hello)
{
        struct cmi_position applied = hello->applied;

        if (hello->wants_reset && applied.stream == log_stream(core->log)) {
                member->owes_reset = true;
        } else if (applied.stream == log_stream(core->log) &&
                        applied.number <= log_newest(core->log)) {
                member->cursor = applied.number;
        }
}

/* If it is live this node yields, and tells people why; else the other one does. */
static void refuse_for_room(struct core *core, struct cmi_time now,
                const struct cmi_frame_header *header, const struct cmi_hello *hello)
{
        struct stranger stranger = {
                        .id = header->source,
                        .incarnation = header->source_incarnation,
                        .generation = header->generation,
        };

        memcpy(stranger.name, hello->name, sizeof(stranger.name));
        if (hello->is_live) {
                room_missed(core, now, &stranger);
                return;
        }
        room_not_live(core, now, &stranger);
        refusal_tell(core, now, header, hello, CMI_REFUSED_FULL, 0, "max_peers is reached here");
}

void hello_receive(struct core *core, struct cmi_time now, uint64_t connection,
                const struct cmi_frame_header *header, const struct cmi_hello *hello)
{
        struct member *member = member_find(core, &header->source);
        bool is_new_link;

        if (refusal_is_far_ahead(now, header->source_incarnation)) {
                core->counters.dropped_incarnation++;
                return;
        }
        if (cmi_id_equal(&header->source, &core->options.node_id)) {
                hello_from_myself(core, now, header, hello);
                return;
        }
        if (refusal_is_due(core, now, header, hello, member) ||
                        (member && is_copy(core, now, header, hello, member))) {
                return;
        }
        if (hello->n_endpoints == 0 && !link_by_token(core, hello->echo_token)) {
                core->counters.dropped_malformed++; /* no way to answer it */
                return;
        }
        if (!member) {
                member = member_add(core, now, &header->source, hello->name);
        }
        if (!member) {
                refuse_for_room(core, now, header, hello);
                return;
        }
        if (header->source_incarnation > member->incarnation) {
                new_incarnation(core, now, member, header->source_incarnation);
        } else if (header->generation < member->peer_hello || member->state == MEMBER_LEFT) {
                return; /* overtaken by a later one, or by the goodbye */
        }
        member_heard(core, now, member, connection);
        is_new_link = member->peer_token != hello->link_token;
        if (is_new_link) {
                detour_hasten(member);
        }
        member->peer_token = hello->link_token;
        member->peer_hello = header->generation;
        member->digest = hello->members;
        describe(core, member, hello);
        stream_adopt(core, now, member, hello);
        find_way(core, now, member, hello);
        if (member->is_confirmed) {
                set_cursor(core, member, hello);
                if (member->grant.mono_ns == 0) {
                        member->is_beat_due = true;
                }
        }
        if (!member->is_confirmed || is_new_link || hello->wants_answer) {
                member->is_hello_due = true;
        }
}

/* Time */

static void member_hello_tick(
                struct core *core, struct cmi_time now, struct link *link, struct member *member)
{
        bool is_quiet = member->state != MEMBER_LIVE && member->state != MEMBER_JOINING;
        bool is_asked = member->is_hello_due || member->wants_hello;
        uint64_t pause = is_asked ? HELLO_PAUSE_NS : is_quiet ? HELLO_SILENT_NS : HELLO_RETRY_NS;

        if (!is_asked && !is_quiet && member->is_confirmed) {
                return;
        }
        if (member->hello_sent_ns == 0 || now.mono_ns - member->hello_sent_ns >= pause) {
                hello_send(core, now, link, member,
                                member->wants_hello || is_quiet || !member->is_confirmed);
        }
}

void link_tick(struct core *core, struct cmi_time now, struct link *link)
{
        struct core_event event = {
                        .kind = CORE_EVENT_LINK_FAILED, .name = "", .endpoint = link->endpoint};

        if (link->refusal.code != 0) {
                if (now.mono_ns - link->opened_ns >= REFUSAL_NS) {
                        link_close(core, link);
                } else if (!link->is_blocked && now.mono_ns >= link->next_hello_ns) {
                        link->next_hello_ns = NEVER;
                        refusal_send(core, link);
                }
        } else if (link->member == NONE && link->detour_of == NONE &&
                        now.mono_ns - link->opened_ns >= HANDSHAKE_NS) {
                link_close(core, link);
                core->sink.event(core->sink.context, &event);
        } else if (link->is_blocked) {
                return;
        } else if (link->member != NONE) {
                member_hello_tick(core, now, link, &core->members[link->member]);
        } else if (now.mono_ns >= link->next_hello_ns) {
                hello_send(core, now, link,
                                link->detour_of == NONE ? NULL : &core->members[link->detour_of],
                                true);
        }
}

int core_connect(struct core *core, struct cmi_time now, const struct cmi_endpoint *endpoint)
{
        struct link *link = link_find(core, endpoint);
        uint32_t n_handshakes = 0;
        int r;

        if (link) {
                return -EALREADY;
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                if (core->members[i].is_used && core->members[i].link != NONE &&
                                is_advertised(&core->members[i], endpoint)) {
                        return -EALREADY;
                }
        }
        for (uint32_t i = 0; i < core->max_links; i++) {
                n_handshakes += core->links[i].is_used && core->links[i].member == NONE;
        }
        if (n_handshakes >= CORE_LINKS_SPARE) {
                return -ENOSPC;
        }
        r = link_open(core, now, endpoint, NULL, &link);
        if (r == 0) {
                hello_send(core, now, link, NULL, true);
        }
        return r;
}

void core_link_writable(struct core *core, struct cmi_time now, uint32_t index)
{
        struct link *link = &core->links[index];

        if (index >= core->max_links || !link->is_used || !link->is_blocked) {
                return;
        }
        link->is_blocked = false;
        if (link->refusal.code != 0 || link->member == NONE) {
                link->next_hello_ns = 0;
        } else if (!core->members[link->member].is_confirmed ||
                        !member_counts(&core->members[link->member])) {
                core->members[link->member].is_hello_due = true;
        }
}

bool core_link_is_blocked(const struct core *core, uint32_t index)
{
        return index < core->max_links && core->links[index].is_used &&
               core->links[index].is_blocked;
}
