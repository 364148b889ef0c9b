/* SPDX-License-Identifier: MIT */
/*
 * The core's entry points: the turn, this node's own state, publishing and ending. It is made in
 * start.c.
 * Frames begin in receive.c.
 */
#include "meshd/core/state.h"

#include <assert.h>
#include <errno.h>

/* Longest pause between two turns: greetings are repeated. */
#define IDLE_NS (200 * CMI_NS_PER_MS)
/* So long after it was last repeated a refusal holds: longer than the pause of any dial. */
#define REFUSED_NS (75 * CMI_NS_PER_S)

/* Small helpers of all files */

/* SplitMix64. Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (OOPSLA
 * 2014). */
uint64_t core_random(struct core *core)
{
        uint64_t z = core->random += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

static size_t append(char text[CORE_TEXT_MAX], size_t at, const char *more)
{
        while (*more && at < CORE_TEXT_MAX - 1) {
                text[at++] = *more++;
        }
        text[at] = '\0';
        return at;
}

void core_text(char ret_text[CORE_TEXT_MAX], const char *first, const char *second,
                const char *third)
{
        char text[CORE_TEXT_MAX];

        append(text, append(text, append(text, 0, first), second), third);
        memcpy(ret_text, text, sizeof(text));
}

void core_emit(struct core *core, enum core_event_kind kind, const struct member *member,
                const char *text)
{
        struct core_event event = {.kind = kind, .name = "", .number = core->options.incarnation};

        if (member) {
                event.id = member->id;
                event.name = member->name;
        }
        core_text(event.text, text, "", "");
        core->sink.event(core->sink.context, &event);
}

/* Own state */

static void set_state(
                struct core *core, struct cmi_time now, enum core_state state, const char *reason)
{
        core_text(core->reason, reason, "", "");
        if (core->state == state) {
                return;
        }
        core->state = state;
        core->was_live = core->was_live || state == CORE_LIVE;
        core->live_since_ns = state == CORE_LIVE ? now.mono_ns : 0;
        cmi_page_set_state(&core->page, state == CORE_LIVE       ? CMI_PAGE_LIVE
                                        : state == CORE_STOPPING ? CMI_PAGE_CLOSED
                                                                 : CMI_PAGE_JOINING);
        core_emit(core, CORE_EVENT_STATE, NULL, reason);
        /* The others show us, and what we may count on, by what they heard last. Of the end they
         * hear in the goodbye. */
        for (uint32_t i = 0; i < core->member_limit && state != CORE_STOPPING; i++) {
                core->members[i].is_beat_due = true;
        }
}

/* Why this node may not be LIVE yet; NULL if it may. */
static const char *obstacle(const struct core *core, struct cmi_time now)
{
        const char *room = room_obstacle(core);
        bool has_met = false;

        if (core->refused_ns != 0 && now.mono_ns - core->refused_ns < REFUSED_NS) {
                return core->reason;
        }
        if (room) {
                return room;
        }
        if (now.mono_ns < core->started_ns + core->options.start_ns ||
                        now.mono_ns < core->pause_end_ns) {
                return "starting";
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (!member->is_used) {
                        continue;
                }
                has_met = has_met || member->incarnation != 0;
                if (member->state == MEMBER_SEEN ||
                                (member->is_list_due && member_counts(member))) {
                        return "a known member has not answered yet";
                }
                if (member_counts(member) && member->grant.mono_ns < core->since_ns) {
                        return "a member is not heard in both directions yet";
                }
        }
        if (!has_met && now.mono_ns < core->alone_until_ns) {
                return "met nobody yet";
        }
        return NULL;
}

static void update_state(struct core *core, struct cmi_time now)
{
        const char *reason;

        if (core->state != CORE_JOINING) {
                return;
        }
        reason = obstacle(core, now);
        if (!reason) {
                set_state(core, now, CORE_LIVE, "");
        } else if (reason != core->reason) {
                core_text(core->reason, reason, "", "");
        }
}

/*
 * This process did not run for a while: stopped, or its host suspended. It cannot tell its members'
 * silence from its own, so nobody is declared silent for it, nothing is served, and everybody must
 * be heard again.
 */
static void come_back(struct core *core, struct cmi_time now)
{
        lease_end_now(core);
        core->counters.away++;
        core_emit(core, CORE_EVENT_AWAY, NULL, "");
        for (uint32_t i = 0; i < core->member_limit; i++) {
                core->members[i].silent_from_ns = now.mono_ns;
                core->members[i].next_beat_ns = 0;
        }
        room_come_back(core, now);
        core->since_ns = now.mono_ns;
        core->alone_until_ns = now.mono_ns + core->options.alone_ns;
        if (core->state == CORE_LIVE) {
                set_state(core, now, CORE_JOINING, "was not running for a while");
        }
}

/* Another node has our identity, and what is said to us may be meant for it; or one does not know
 * us and we do not know it, though both were live. */
void core_step_down(struct core *core, struct cmi_time now)
{
        if (core->state == CORE_LIVE) {
                lease_end_now(core);
                core->since_ns = now.mono_ns;
                set_state(core, now, CORE_JOINING, core->reason);
        }
}

/*
 * The host was suspended, and CLOCK_MONOTONIC with it: others may have dropped us in a time that
 * our clock did not count, so what they said of counting us is worth nothing any more. A step of
 * CLOCK_REALTIME looks the same, and costs a moment of misses.
 */
static void wake_up(struct core *core, struct cmi_time now)
{
        for (uint32_t i = 0; i < core->member_limit; i++) {
                core->members[i].counted = (struct cmi_time){0};
        }
        come_back(core, now);
}

/* Every entry point that gets the time begins here. */
void core_enter(struct core *core, struct cmi_time now)
{
        struct cmi_time last = core->last_call;
        uint64_t away = now.mono_ns - last.mono_ns;

        assert(now.mono_ns >= last.mono_ns);
        core->last_call = now;
        if (MUTANT(B4_AWAY_COUNTS)) {
                return;
        }
        if (now.real_ns > last.real_ns &&
                        now.real_ns - last.real_ns > away + core->options.lease_ns / 2) {
                wake_up(core, now);
        } else if (away > core->options.lease_ns / 2) {
                come_back(core, now);
        }
}

/* The turn */

static void send_beats(struct core *core, struct cmi_time now)
{
        bool has_sent = false;

        for (uint32_t i = 0; i < core->member_limit; i++) {
                struct member *member = &core->members[i];

                if (member->is_used && member->is_confirmed && member->state != MEMBER_LEFT &&
                                (member->is_beat_due || now.mono_ns >= member->next_beat_ns)) {
                        beat_send(core, now, member);
                        has_sent = true;
                }
        }
        if (has_sent) {
                core->longest_delay_ns = 0;
        }
}

/* The end of the start pause is told at once: others may be waiting for the first acknowledgement.
 */
static void end_pause(struct core *core, struct cmi_time now)
{
        if (core->is_pause_over || now.mono_ns < core->pause_end_ns) {
                return;
        }
        core->is_pause_over = true;
        if (!core->options.is_obituary) {
                log_keep_lease(core->log, core->options.lease_ns);
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                core->members[i].is_beat_due = true;
        }
}

/* An obituary leaves it: a successor, not it, is who serves. */
static void end_patience(struct core *core, struct cmi_time now)
{
        if (now.mono_ns >= core->patience_end_ns && !core->options.is_obituary &&
                        log_gone_ns(core->log) > core->options.gone_ns) {
                log_keep_gone(core->log, core->options.gone_ns);
                core_emit(core, CORE_EVENT_RELIED, NULL, "");
        }
}

void core_tick(struct core *core, struct cmi_time now)
{
        core_enter(core, now);
        if (core->has_said_goodbye) {
                return;
        }
        if (now.mono_ns > core->tick_due_ns &&
                        now.mono_ns - core->tick_due_ns > core->longest_delay_ns) {
                core->longest_delay_ns = now.mono_ns - core->tick_due_ns;
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                if (core->members[i].is_used) {
                        member_tick(core, now, &core->members[i]);
                }
        }
        for (uint32_t i = 0; i < core->link_limit; i++) {
                if (core->links[i].is_used) {
                        link_tick(core, now, &core->links[i]);
                }
        }
        room_tick(core, now);
        end_pause(core, now);
        end_patience(core, now);
        intent_tick(core, now);
        hold_tick(core, now);
        update_state(core, now);
        lease_update(core, now);
        wait_check(core, now);
        query_tick(core, now);
        stream_flush(core, now);
        post_ask_beats(core, now);
        send_beats(core, now);
        post_tell(core, now);
        core->tick_due_ns = now.mono_ns + core_timeout_ns(core, now);
}

/* When something is due for this member. A blocked link has to wait for core_link_writable(). */
static uint64_t member_due_ns(const struct core *core, const struct member *member)
{
        bool is_asked = member->is_hello_due || member->wants_hello;
        uint64_t due = NEVER;

        if (member->is_confirmed && member->state != MEMBER_LEFT) {
                due = member->next_beat_ns;
        }
        if (is_asked && member->link != NONE && !core->links[member->link].is_blocked &&
                        member->hello_sent_ns + HELLO_PAUSE_NS < due) {
                due = member->hello_sent_ns + HELLO_PAUSE_NS;
        }
        return due;
}

uint64_t core_timeout_ns(const struct core *core, struct cmi_time now)
{
        uint64_t slice = core->options.lease_ns / 8;
        uint64_t next = now.mono_ns + (slice < IDLE_NS ? slice : IDLE_NS);
        uint64_t waits = wait_next_ns(core, now);
        uint64_t intents = intent_next_ns(core);
        uint64_t holds = hold_next_ns(core);

        if (core->has_said_goodbye) {
                return slice;
        }
        if (core->has_unsent) {
                return 0;
        }
        next = waits < next ? waits : next;
        next = intents < next ? intents : next;
        next = holds < next ? holds : next;
        if (!core->is_pause_over && core->pause_end_ns < next) {
                next = core->pause_end_ns;
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                uint64_t due = core->members[i].is_used ? member_due_ns(core, &core->members[i])
                                                        : NEVER;

                next = due < next ? due : next;
        }
        return next > now.mono_ns ? next - now.mono_ns : 0;
}

/* Publishing and ending */

bool core_is_writable(const struct core *core)
{
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (member->is_used && member->state == MEMBER_LIVE && member->is_confirmed &&
                                !member->is_lapsed &&
                                log_backlog(core->log, member->acknowledged) >
                                                core->log->ring_size / 2) {
                        return false;
                }
        }
        return true;
}

bool core_defers(const struct core *core, struct cmi_time now, enum cmi_wait wait)
{
        return wait == CMI_WAIT_MESH || (wait == CMI_WAIT_NODE && now.mono_ns < core->pause_end_ns);
}

/* A member of an older version would forget everything at each. */
static bool all_know_sessions(const struct core *core)
{
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (member->is_used && member_counts(member) &&
                                member->protocol < CMI_PROTOCOL_SESSIONS) {
                        return false;
                }
        }
        return true;
}

int core_publish_for(struct core *core, struct cmi_time now, struct cmi_slice bytes, uint64_t owner,
                enum cmi_wait wait, uint64_t timeout_ns, uint64_t cookie, uint64_t *ret_number)
{
        struct cmi_op op;
        uint64_t number;
        bool is_late;
        int r = cmi_op_decode(bytes, &op);

        if (r < 0) {
                return r;
        }
        core_enter(core, now);
        if (core->state == CORE_STOPPING) {
                return -ESHUTDOWN;
        }
        if (cmi_op_is_of_sessions(&op) && !all_know_sessions(core)) {
                return -EOPNOTSUPP;
        }
        if (core_defers(core, now, wait) && core->n_waits == CORE_WAITS_MAX) {
                return -EBUSY;
        }
        is_late = op.kind == CMI_OP_INTENT_END && !intent_is_open(core, &op);
        /* What is kept and not logged is dropped at the next start; what is logged and not kept
         * would be unknown to it. */
        if (op.kind == CMI_OP_INTENT_BEGIN) {
                r = intent_prepare(core, now, &op, bytes, owner);
                if (r < 0) {
                        return r;
                }
        }
        number = log_append(core->log, bytes);
        apply_own(core, &op, bytes, number);
        if (core_defers(core, now, wait)) {
                struct wait begun = {
                                .cookie = cookie,
                                .number = number,
                                .is_node = wait == CMI_WAIT_NODE,
                                .is_late = is_late,
                };

                r = wait_add(core, now, &begun, timeout_ns, &op);
                assert(r == 0);
        }
        if (ret_number) {
                *ret_number = number;
        }
        return is_late ? CORE_EXPIRED : CORE_PUBLISHED;
}

int core_publish(struct core *core, struct cmi_time now, struct cmi_slice bytes, enum cmi_wait wait,
                uint64_t timeout_ns, uint64_t cookie, uint64_t *ret_number)
{
        return core_publish_for(core, now, bytes, 0, wait, timeout_ns, cookie, ret_number);
}

void core_stop(struct core *core, struct cmi_time now)
{
        if (!MUTANT(GOODBYE_BEFORE_LEASE)) {
                lease_end_now(core);
                /* The page outlives this process, and not all who read it look at the lease. */
                if (!MUTANT(TTL_PAGE_OPEN)) {
                        cmi_page_close(&core->page);
                }
        }
        set_state(core, now, CORE_STOPPING, "stopping");
}

bool core_is_flushed(const struct core *core)
{
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (member->is_used && member->state == MEMBER_LIVE && member->is_confirmed &&
                                member->acknowledged < log_newest(core->log)) {
                        return false;
                }
        }
        return core->n_waits == 0;
}

/* Members, and whoever else is being dialled: one that has no place here may have waited for this
 * end (room.c). */
static void say_goodbye(struct core *core)
{
        uint8_t buffer[64];
        struct cmi_goodbye goodbye = {{log_stream(core->log), log_newest(core->log)}};
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_goodbye_write(&writer, &goodbye);
        for (uint32_t i = 0; i < core->link_limit; i++) {
                struct link *link = &core->links[i];
                struct member *member = link->member == NONE ? NULL : &core->members[link->member];

                if (link->is_used && !link->is_blocked && link->detour_of == NONE &&
                                (!member || member->is_confirmed)) {
                        link_send(core, link, member, CMI_FRAME_GOODBYE, cmi_written(&writer), 0);
                }
        }
}

bool core_goodbye(struct core *core, struct cmi_time now)
{

        assert(core->state == CORE_STOPPING);
        core_enter(core, now);
        core->has_said_goodbye = true;
        wait_end_all(core, now);
        if (now.mono_ns < core->pause_end_ns && !MUTANT(GOODBYE_IN_PAUSE)) {
                return false;
        }
        say_goodbye(core);
        return true;
}

void core_status(const struct core *core, struct core_status *ret_status)
{
        *ret_status = (struct core_status){
                        .state = core->state,
                        .incarnation = core->options.incarnation,
                        .newest = {log_stream(core->log), log_newest(core->log)},
                        .oldest = log_oldest(core->log),
                        .started_ns = core->started_ns,
                        .live_since_ns = core->live_since_ns,
                        .lease_end_ns = core->lease_end.mono_ns,
                        .apply_seq = cmi_page_begin(&core->page) - 1,
                        .n_members = core->n_members,
                        .n_regions = core->n_regions,
                        .n_waits = core->n_waits,
                        .n_intents = core->intents->n_open,
                        .n_holds = core->holds->n,
                        .counters = core->counters,
        };
        if (core->state != CORE_LIVE) {
                memcpy(ret_status->reason, core->reason, sizeof(ret_status->reason));
        }
}

bool core_is_live(const struct core *core)
{
        return core->state == CORE_LIVE;
}

uint32_t core_n_members(const struct core *core)
{
        return core->n_members;
}

const char *core_state_text(enum core_state state)
{
        switch (state) {
        case CORE_JOINING:
                return "joining";
        case CORE_LIVE:
                return "live";
        case CORE_STOPPING:
                return "stopping";
        }
        return "unknown";
}
