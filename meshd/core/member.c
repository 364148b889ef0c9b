/* SPDX-License-Identifier: MIT */
/*
 * The member table: who belongs to the mesh as this node knows it, and how long each one has been
 * silent. A HELLO, a list from another member or the disk adds a member; silence and goodbyes move
 * it through its states; only forgetting (by hand, or a day after it was GONE) takes it out.
 */
#include "meshd/core/state.h"

#include <errno.h>

#define FORGET_NS (UINT64_C(24) * 3600 * CMI_NS_PER_S)
#define LIST_PAUSE_NS CMI_NS_PER_S

struct member *member_find(struct core *core, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < core->member_limit; i++) {
                if (core->members[i].is_used && cmi_id_equal(&core->members[i].id, id)) {
                        return &core->members[i];
                }
        }
        return NULL;
}

/* By name, then by id; a handful of entries that rarely change. */
void member_sort(struct core *core)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];
                uint32_t at = n;

                if (!member->is_used) {
                        continue;
                }
                for (; at > 0; at--) {
                        const struct member *before = &core->members[core->order[at - 1]];
                        int order = strcmp(before->name, member->name);

                        if (order < 0 || (order == 0 && cmi_id_compare(&before->id, &member->id) <
                                                                         0)) {
                                break;
                        }
                        core->order[at] = core->order[at - 1];
                }
                core->order[at] = i;
                n++;
        }
        core->n_members = n;
}

struct member *member_add(
                struct core *core, struct cmi_time now, const struct cmi_id *id, const char *name)
{
        for (uint32_t i = 0; i < core->options.max_peers; i++) {
                struct member *member = &core->members[i];

                if (member->is_used) {
                        continue;
                }
                if (i == core->member_limit) {
                        core->member_limit++;
                }
                *member = (struct member){
                                .is_used = true,
                                .id = *id,
                                .state = MEMBER_SEEN,
                                .state_since_ns = now.mono_ns,
                                .silent_from_ns = now.mono_ns,
                                .link = NONE,
                                .detour = NONE,
                };
                for (size_t c = 0; c < CMI_NAME_MAX && name[c]; c++) {
                        member->name[c] = name[c];
                }
                member_sort(core);
                member->was_gone_unmet = room_found(core, id);
                wait_forget_member(core, member); /* no wait that is open is for it */
                region_options_forget_member(core, member);
                return member;
        }
        return NULL;
}

void member_remove(struct core *core, struct member *member)
{
        if (member->link != NONE) {
                link_close(core, &core->links[member->link]);
        }
        detour_end(core, member);
        wait_forget_member(core, member);
        member->is_used = false;
        member_sort(core);
}

static void note_transition(
                struct member *member, struct cmi_time now, enum member_state to, const char *why)
{
        member->transitions[member->n_transitions % CORE_TRANSITIONS] =
                        (struct core_transition){now.mono_ns, member->state, to, why};
        member->n_transitions++;
}

static void copy_transitions(const struct member *member, struct core_member *ret_member)
{
        uint32_t n = member->n_transitions < CORE_TRANSITIONS ? member->n_transitions
                                                              : CORE_TRANSITIONS;

        for (uint32_t i = 0; i < n; i++) {
                ret_member->transitions[i] = member->transitions[(member->n_transitions - 1 - i) %
                                                                 CORE_TRANSITIONS];
        }
        ret_member->n_transitions = n;
}

void member_set_state(struct core *core, struct cmi_time now, struct member *member,
                enum member_state state, const char *why)
{
        struct core_event event = {
                        .kind = CORE_EVENT_MEMBER,
                        .id = member->id,
                        .name = member->name,
                        .from = member->state,
                        .to = state,
        };
        bool has_counted = member_counts(member);

        if (member->state == state) {
                return;
        }
        note_transition(member, now, state, why);
        core_text(event.text, why, "", "");
        member->state = state;
        member->state_since_ns = now.mono_ns;
        if (!has_counted && member_counts(member)) {
                lease_update(core, now);
        }
        core->sink.event(core->sink.context, &event);
}

/* A valid frame of its current incarnation came in. */
void member_heard(
                struct core *core, struct cmi_time now, struct member *member, uint64_t connection)
{
        member->heard_ns = now.mono_ns;
        member->silent_from_ns = now.mono_ns;
        member->connection = connection;
        member->frames_received++;
        if (member->state == MEMBER_GONE || member->state == MEMBER_SEEN ||
                        member->state == MEMBER_LEFT) {
                /* It counts again from this frame on: it has given no grant yet, so serving stops
                 * until it does. */
                member_set_state(core, now, member, MEMBER_JOINING, "it was heard");
        }
}

/*
 * The others may know of write intents of it that never came here, and its COMMIT may still be
 * under way: nothing is served until they have told.
 */
static void ask_for_intents(struct core *core, const struct member *gone)
{
        for (uint32_t i = 0; i < core->member_limit; i++) {
                struct member *member = &core->members[i];

                if (member->is_used && member != gone && member->stream != 0 &&
                                member_counts(member) && member->needs_reset == NEED_NONE) {
                        member->needs_reset = NEED_TOLD;
                }
        }
}

static void declare_gone(struct core *core, struct cmi_time now, struct member *member)
{
        member->grant = (struct cmi_time){0};
        member->waiting_grant = (struct cmi_time){0};
        member->counts_me = false;
        member->was_gone_unmet = member->was_gone_unmet || member->stream == 0;
        /*
         * What it published last may never have come, so nothing from before may be served without
         * it. That goes for one that was never met, too: apps fill their caches while this node is
         * JOINING.
         */
        if (!MUTANT(GONE_KEPT) && !(MUTANT(UNMET_KEPT) && member->stream == 0)) {
                apply_forget(core, member, "a member is gone without a goodbye");
                hold_missed(core, now);
        }
        if (MUTANT(INTENT_ENDED_BY_DEATH)) {
                intent_death(core, member->stream);
        }
        if (!MUTANT(INTENT_UNTOLD)) {
                ask_for_intents(core, member);
        }
        member_set_state(core, now, member, MEMBER_GONE,
                        member->state == MEMBER_SEEN ? "it never answered" : "it stayed silent");
}

/* One that crashes again and again before it has published anything must not keep all caches
 * off. */
static bool is_given_up(const struct core *core, struct cmi_time now, const struct member *member)
{
        bool is_counted = member->state == MEMBER_SEEN || member_is_kept(member);
        uint64_t patience = is_counted ? core->options.gone_ns : core->options.lease_ns;

        return now.mono_ns - member->silent_from_ns >= patience &&
               now.mono_ns >= core->patience_end_ns;
}

void member_tick(struct core *core, struct cmi_time now, struct member *member)
{
        uint64_t silence = now.mono_ns - member->silent_from_ns;
        struct link *link;

        if (member->needs_reset && member_counts(member)) {
                nack_send(core, now, member);
        }

        switch (member->state) {
        case MEMBER_SEEN:
                if (is_given_up(core, now, member)) {
                        declare_gone(core, now, member);
                }
                break;
        case MEMBER_JOINING:
        case MEMBER_LIVE:
                if (silence >= core->options.lease_ns) {
                        member_set_state(core, now, member, MEMBER_SILENT,
                                        "nothing of it came for a lease");
                }
                break;
        case MEMBER_SILENT:
                if (is_given_up(core, now, member)) {
                        declare_gone(core, now, member);
                }
                break;
        case MEMBER_GONE:
        case MEMBER_LEFT:
                if (now.mono_ns - member->state_since_ns >= FORGET_NS) {
                        member_remove(core, member);
                        return;
                }
                break;
        }
        if (member->link == NONE && member->n_endpoints > 0) {
                link_open(core, now, &member->endpoints[0], member, &link);
        }
        detour_tick(core, now, member);
}

/* Order does not matter to a sum, and equal sets have equal sums; unequal ones rarely do, and each
 * change asks anew. */
uint64_t member_digest(const struct core *core)
{
        uint64_t digest = XXH3_64bits(core->options.node_id.bytes, CMI_ID_SIZE);

        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (member->is_used && member_counts(member)) {
                        digest += XXH3_64bits(member->id.bytes, CMI_ID_SIZE);
                }
        }
        return digest;
}

/* A full link refuses the question or the answer, and a connection that breaks loses them. */
void member_list_ask(struct core *core, struct cmi_time now, struct member *member)
{
        uint64_t pause_ns = member->is_list_due ? core->options.lease_ns / 4 : LIST_PAUSE_NS;
        struct link *link = link_ready(core, member);
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        if (member->list_asked_ns != 0 && now.mono_ns - member->list_asked_ns < pause_ns) {
                return;
        }
        member->is_list_due = true;
        if (!link) {
                return;
        }
        member->list_asked_ns = now.mono_ns;
        core->decoded.members = (struct cmi_members){.is_request = true};
        cmi_members_write(&writer, &core->decoded.members);
        link_send(core, link, member, CMI_FRAME_MEMBERS, cmi_written(&writer), 0);
}

static bool list_page_send(struct core *core, struct member *to, const struct cmi_members *page)
{
        struct link *link = link_ready(core, to);
        struct cmi_writer writer = cmi_writer(core->run, sizeof(core->run));

        if (!link) {
                return false;
        }
        cmi_members_write(&writer, page);
        return link_send(core, link, to, CMI_FRAME_MEMBERS, cmi_written(&writer), 0) >= 0;
}

/* The last page is one that is not full, and does not go out if one before it did not. */
static void list_send(struct core *core, struct member *to)
{
        struct cmi_members *page = &core->decoded.members;

        page->is_request = false;
        page->n_members = 0;
        for (uint32_t i = 0; i < core->n_members; i++) {
                const struct member *member = &core->members[core->order[i]];
                struct cmi_member *entry = &page->members[page->n_members];

                if (!member_counts(member) || member == to) {
                        continue;
                }
                entry->id = member->id;
                entry->incarnation = member->incarnation;
                entry->state = member->state;
                memcpy(entry->name, member->name, sizeof(entry->name));
                memcpy(entry->endpoints, member->endpoints, sizeof(entry->endpoints));
                entry->n_endpoints = member->n_endpoints;
                if (++page->n_members == CMI_MEMBERS_PAGE) {
                        if (!list_page_send(core, to, page)) {
                                return;
                        }
                        page->n_members = 0;
                }
        }
        list_page_send(core, to, page);
}

/* No place is left for it. Of a process that was live it is no news that it was not before. */
static void list_missed(struct core *core, struct cmi_time now, const struct cmi_member *entry)
{
        struct stranger live = {
                        .id = entry->id,
                        .incarnation = entry->incarnation,
                        .generation = UINT64_MAX,
        };

        if (entry->state == MEMBER_LIVE || entry->state == MEMBER_SILENT) {
                memcpy(live.name, entry->name, sizeof(live.name));
                room_missed(core, now, &live);
        }
}

void member_list_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_members *list)
{
        if (list->is_request) {
                list_send(core, member);
                return;
        }
        for (uint32_t i = 0; i < list->n_members; i++) {
                const struct cmi_member *entry = &list->members[i];
                struct member *met;

                if (cmi_id_equal(&entry->id, &core->options.node_id) ||
                                member_find(core, &entry->id)) {
                        continue;
                }
                met = member_add(core, now, &entry->id, entry->name);
                if (!met) {
                        list_missed(core, now, entry);
                        continue;
                }
                memcpy(met->endpoints, entry->endpoints, sizeof(met->endpoints));
                met->n_endpoints = entry->n_endpoints;
        }
        if (list->n_members < CMI_MEMBERS_PAGE) {
                member->is_list_due = false;
        }
}

int core_remember(struct core *core, struct cmi_time now, const struct cmi_id *id, const char *name,
                const struct cmi_endpoint *endpoint)
{
        struct member *member;

        if (cmi_id_equal(id, &core->options.node_id)) {
                return 0;
        }
        member = member_find(core, id);
        if (!member) {
                member = member_add(core, now, id, name);
        }
        if (!member) {
                room_named(core, now, id, name);
                return -ENOSPC;
        }
        if (member->n_endpoints == 0) {
                member->endpoints[0] = *endpoint;
                member->n_endpoints = 1;
        }
        return 0;
}

int core_forget(struct core *core, struct cmi_time now, const struct cmi_id *id)
{
        struct member *member = member_find(core, id);

        if (!member) {
                return room_forget(core, now, id);
        }
        if (member_counts(member)) {
                return -EBUSY;
        }
        member_remove(core, member);
        return 0;
}

/* A beat is half a round trip old when it comes. */
static int64_t clock_ahead_ns(const struct member *member, struct cmi_time now)
{
        uint64_t real_ns = now.real_ns - (now.mono_ns - member->clock_heard_ns);

        return member->clock_heard_ns == 0
                               ? 0
                               : (int64_t)(member->clock.real_ns + member->rtt_ns / 2 - real_ns);
}

int core_member(const struct core *core, struct cmi_time now, uint32_t index,
                struct core_member *ret_member)
{
        const struct member *member;

        if (index >= core->n_members) {
                return -ENOENT;
        }
        member = &core->members[core->order[index]];
        *ret_member = (struct core_member){
                        .id = member->id,
                        .incarnation = member->incarnation,
                        .state = member->state,
                        .state_since_ns = member->state_since_ns,
                        .has_link = member->is_confirmed && member_counts(member),
                        .is_heard = member->heard_ns != 0 && member_counts(member) &&
                                    now.mono_ns - member->heard_ns < core->options.lease_ns,
                        .is_lapsed = member->is_lapsed,
                        .hears_me = member->echoed_ns != 0 &&
                                    now.mono_ns - member->echoed_ns <
                                                    core->options.lease_ns / 4 * 5,
                        .counts_me = member->counts_me,
                        .takes_messages = member->takes_messages,
                        .heard_ns = member->heard_ns,
                        .rtt_ns = member->rtt_ns,
                        .gone_ms = member->gone_ms,
                        .grant_end_ns = member->grant.mono_ns
                                                        ? member->grant.mono_ns +
                                                                          core->options.lease_ns
                                                        : 0,
                        .given_end_ns = lease_given_end_ns(core, now, member),
                        .newest = {member->stream, member->newest},
                        .applied = member->applied,
                        .acknowledged = member->acknowledged,
                        .sent = member->cursor,
                        .clock_ahead_ns = clock_ahead_ns(member, now),
                        .peer_lag_ns = member->lag_ns,
                        .gaps = member->gaps,
                        .resets = member->resets,
                        .lapses = member->lapses,
                        .restarts = member->restarts,
                        .frames_received = member->frames_received,
                        .frames_sent = member->frames_sent,
        };
        if (member->link != NONE) {
                ret_member->endpoint = core->links[member->link].endpoint;
        } else {
                ret_member->endpoint = member->endpoints[0];
        }
        memcpy(ret_member->name, member->name, sizeof(ret_member->name));
        memcpy(ret_member->software, member->software, sizeof(ret_member->software));
        copy_transitions(member, ret_member);
        return 0;
}

const char *core_member_state_text(enum member_state state)
{
        switch (state) {
        case MEMBER_SEEN:
                return "seen";
        case MEMBER_JOINING:
                return "joining";
        case MEMBER_LIVE:
                return "live";
        case MEMBER_SILENT:
                return "silent";
        case MEMBER_GONE:
                return "gone";
        case MEMBER_LEFT:
                return "left";
        }
        return "unknown";
}
