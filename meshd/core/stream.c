/* SPDX-License-Identifier: MIT */
/*
 * Streams: each node's operations in their order, to and from every other node.
 *
 * Here, per member: an operation is applied if it is the next one, ignored if it is old; a gap is
 * asked for (NACK). A stream that cannot be followed from where we stand (unknown, or its log is
 * too short: RESET) is joined by forgetting everything first. There, per member: the cursor is what
 * the link has taken; a link that takes nothing keeps its cursor and goes on from the log.
 */
#include "meshd/core/state.h"

#include <assert.h>

#define FLUSH_FRAMES 16             /* per link and turn */
#define BEAT_AFTER_BYTES (64 << 10) /* applied: tell the origin, whose log is finite */

/*
 * Can this stream be followed from its first operation? Yes if the log still has it, and nothing of
 * this node's earlier streams is missing here: there was none, or it ended with a goodbye and we
 * have it to its end. Of a node that is met for the first time "none" is believed only by one that
 * has not waited for it: apps fill their caches while this node is JOINING, or after it has
 * declared the other one gone, and a crash of the other host may have ended a stream of that time.
 */
static bool can_replay(
                const struct core *core, const struct member *member, const struct cmi_hello *hello)
{
        /* Intents of others are not in its stream. */
        if (hello->oldest != 1 || hello->has_intents || member->needs_reset) {
                return false;
        }
        if (member->stream == 0) {
                return hello->previous.stream == 0 &&
                       ((core->state == CORE_LIVE && !member->was_gone_unmet) ||
                                       MUTANT(UNMET_KEPT));
        }
        return hello->previous.stream == member->stream &&
               hello->previous.number == member->applied;
}

void stream_adopt(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_hello *hello)
{
        if (hello->newest.stream != member->stream) {
                bool is_replay = can_replay(core, member, hello);
                bool is_kept = (member->stream == 0 && MUTANT(UNKNOWN_STREAM_CURRENT)) ||
                               (member->stream != 0 && MUTANT(LOST_LOG_KEPT));

                /* Its intents come first, with a RESET, and we forget when it is complete. */
                bool is_reset = !is_replay && !is_kept && hello->has_intents &&
                                !MUTANT(INTENT_GRANT_EARLY);

                if (!is_replay && !is_kept && !is_reset) {
                        apply_forget(core, member, "joined a stream that began before");
                        intent_settle(core, hello->newest.stream, hello->newest.number, 0);
                }
                /* Its log tells what it holds, but it has lost the one that was followed here. */
                if (!is_replay && !is_kept && (member->stream != 0 || member->was_gone_unmet)) {
                        hold_missed(core, now);
                }
                member->stream = hello->newest.stream;
                member->applied = is_replay || is_reset ? 0 : hello->newest.number;
                member->newest = is_reset ? hello->newest.number : member->applied;
                member->needs_reset = is_reset ? NEED_JOIN : NEED_NONE;
                member->reset_part = 0;
                member->waiting_position = 0;
                member->nack_sent_ns = 0;
                lease_applied(core, member);
        }
        if (hello->newest.number > member->newest) {
                member->newest = hello->newest.number;
        }
}

/* One question per gap and eighth of a lease; the answer may be on its way. */
void nack_send(struct core *core, struct cmi_time now, struct member *member)
{
        struct link *link = link_ready(core, member);
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_nack nack = {member->stream, member->applied, member->needs_reset != NEED_NONE};

        if (!link || (member->nack_sent_ns != 0 && member->nack_after == member->applied &&
                                     now.mono_ns - member->nack_sent_ns <
                                                     core->options.lease_ns / 8)) {
                return;
        }
        cmi_nack_write(&writer, &nack);
        if (link_send(core, link, member, CMI_FRAME_NACK, cmi_written(&writer), 0) == 0) {
                member->nack_sent_ns = now.mono_ns;
                member->nack_after = member->applied;
                core->counters.nacks_sent++;
        }
}

static void gap_found(struct core *core, struct cmi_time now, struct member *member)
{
        if (member->needs_reset) {
                nack_send(core, now, member);
                return;
        }
        if (member->nack_after != member->applied || member->nack_sent_ns == 0) {
                member->gaps++;
                core->counters.gaps++;
                core_emit(core, CORE_EVENT_GAP, member, "");
        }
        nack_send(core, now, member);
}

/* The origin has said how much of its stream went out before this beat: links keep the order, so
 * the rest was lost. */
void stream_beat(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_beat *beat)
{
        if (beat->newest.stream != member->stream) {
                member->wants_hello = true;
                return;
        }
        if (beat->newest.number > member->newest) {
                member->newest = beat->newest.number;
        }
        if (beat->sent > member->applied && !MUTANT(FULL_QUEUE_DROPS)) {
                gap_found(core, now, member);
        }
}

void ops_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_ops *ops)
{
        struct cmi_slice run = ops->run, op;
        uint64_t number = ops->first;

        if (ops->stream != member->stream) {
                core->counters.dropped_stream++;
                member->wants_hello = true;
                return;
        }
        if (MUTANT(FULL_QUEUE_DROPS) && ops->first > member->applied) {
                member->applied = ops->first - 1;
        }
        if (MUTANT(ACK_BEFORE_BUMP)) {
                uint64_t applied = member->applied;

                member->applied = ops->first + ops->count - 1;
                beat_send(core, now, member);
                member->applied = applied;
        }
        if (ops->first > member->applied + 1) {
                gap_found(core, now, member);
                return;
        }
        for (uint32_t i = 0; i < ops->count && cmi_op_run_next(&run, &op) == 1; i++, number++) {
                if (number != member->applied + 1) {
                        continue;
                }
                apply_foreign(core, op, member, number);
                member->applied = number;
                member->bytes_since_beat += op.len;
        }
        if (member->applied > member->newest) {
                member->newest = member->applied;
        }
        if ((ops->flags & CMI_OPS_WANT_ACK) || member->bytes_since_beat >= BEAT_AFTER_BYTES) {
                member->is_beat_due = true;
        }
        lease_applied(core, member);
}

void nack_receive(struct core *core, struct member *member, const struct cmi_nack *nack)
{
        core->counters.nacks_received++;
        if (nack->stream == log_stream(core->log) && nack->wants_reset) {
                member->owes_reset = true;
        } else if (nack->stream == log_stream(core->log) && nack->after < member->cursor) {
                member->cursor = nack->after;
        }
}

/* Parts come one after the other, or not at all: then the gap is found again. */
static bool is_next_part(struct core *core, struct member *member, const struct cmi_reset *reset)
{
        if (reset->part == 0) {
                member->reset_mark = ++core->n_marks;
        } else if (reset->part != member->reset_part || reset->at.number != member->reset_at) {
                return false;
        }
        member->reset_part = reset->part + 1;
        member->reset_at = reset->at.number;
        return true;
}

/* Intents that are flagged too early do no harm: each has its deadline. */
static void take_intents(struct core *core, struct cmi_time now, const struct member *member,
                const struct cmi_reset *reset)
{
        struct cmi_reset list = *reset;

        for (uint32_t i = 0; i < list.n_intents; i++) {
                struct cmi_intent intent = cmi_reset_next(&list);

                intent_told(core, now, &intent, member->reset_mark);
        }
}

void reset_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_reset *reset)
{
        bool is_late = reset->at.number < member->applied ||
                       (reset->at.number == member->applied && !member->needs_reset);

        if (reset->at.stream != member->stream) {
                core->counters.dropped_stream++;
                member->wants_hello = true;
                return;
        }
        if (is_late || !is_next_part(core, member, reset)) {
                return;
        }
        take_intents(core, now, member, reset);
        if (reset->has_more) {
                return;
        }
        if (!member->needs_reset) {
                core->counters.resets_received++;
                member->resets++;
        }
        if (member->needs_reset == NEED_JOIN) {
                apply_forget(core, member, "joined a stream that began before");
        } else if (reset->at.number > member->applied) {
                apply_forget(core, member, "too far behind for the log of a member");
        }
        intent_settle(core, member->stream, reset->at.number, member->reset_mark);
        hold_told(core, now, reset);
        member->needs_reset = NEED_NONE;
        member->reset_part = 0;
        member->applied = reset->at.number;
        if (member->newest < member->applied) {
                member->newest = member->applied;
        }
        member->is_beat_due = true;
        lease_applied(core, member);
}

void goodbye_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_goodbye *goodbye)
{
        if (goodbye->final.stream != member->stream || goodbye->final.number != member->applied ||
                        member->needs_reset == NEED_JOIN) {
                apply_forget(core, member, "a member left before all of its stream came");
                hold_missed(core, now);
                /* Intents of it that others know are not "passed" here; if it comes back its stream
                 * is joined. */
                member->stream = 0;
                member->applied = member->newest = 0;
                member->needs_reset = NEED_NONE;
        }
        region_options_left(member);
        member_set_state(core, now, member, MEMBER_LEFT, "it said goodbye");
}

/* Make the body for everything after @cursor that fits a frame, unless the last one made is just
 * that. */
static int body_make(struct core *core, uint64_t cursor)
{
        struct cmi_writer writer = cmi_writer(core->body, sizeof(core->body));
        struct cmi_ops ops = {.stream = log_stream(core->log), .first = cursor + 1};
        uint64_t newest = log_newest(core->log);
        int64_t len;

        if (core->body_id != 0 && core->body_first == cursor + 1 && core->body_newest == newest &&
                        core->body_wants_ack == (core->n_waits > 0)) {
                return 0;
        }
        len = log_read(core->log, ops.first, core->run, CMI_OP_SIZE_MAX + CMI_OP_PREFIX_SIZE,
                        &ops.count);
        if (len < 0) {
                return (int)len;
        }
        ops.flags = core->n_waits > 0 ? CMI_OPS_WANT_ACK : 0;
        ops.run = cmi_slice(core->run, (size_t)len);
        cmi_ops_write_head(&writer, &ops);
        cmi_write_raw(&writer, ops.run);
        assert(writer.error == 0);
        core->body_id = ++core->n_bodies;
        core->body_first = ops.first;
        core->body_count = ops.count;
        core->body_newest = newest;
        core->body_wants_ack = core->n_waits > 0;
        core->body_len = writer.len;
        return 0;
}

/* As many intents as fit, from *at on; then *at is where the next part begins, 0: that was all. */
static size_t reset_part(
                struct core *core, struct cmi_time now, struct cmi_reset *reset, uint32_t *at)
{
        struct cmi_writer list = cmi_writer(core->run, CMI_FRAME_BODY_MAX - CMI_RESET_HEAD_SIZE);
        struct cmi_writer writer = cmi_writer(core->body, sizeof(core->body));
        struct cmi_intent intent;
        uint32_t next;

        reset->n_intents = 0;
        while ((next = intent_write(core, now, *at, &intent)) != 0 &&
                        list.len + CMI_RESET_INTENT_SIZE <= list.capacity) {
                cmi_reset_write_intent(&list, &intent);
                reset->n_intents++;
                *at = next;
        }
        reset->has_more = next != 0;
        cmi_reset_write(&writer, reset);
        cmi_write_raw(&writer, cmi_written(&list));
        assert(writer.error == 0 && list.error == 0);
        core->body_id = 0; /* what was there is gone */
        return writer.len;
}

/* All parts at once, or again from the first one. */
static int reset_send(
                struct core *core, struct cmi_time now, struct link *link, struct member *member)
{
        struct cmi_reset reset = {.at = {log_stream(core->log), log_newest(core->log)}};
        uint32_t at = 0;

        hold_ends_write(core, now, &reset);
        do {
                size_t len = reset_part(core, now, &reset, &at);
                int r = link_send(
                                core, link, member, CMI_FRAME_RESET, cmi_slice(core->body, len), 0);

                if (r < 0) {
                        return r;
                }
                reset.part++;
        } while (reset.has_more);
        member->cursor = reset.at.number;
        if (!member->owes_reset) {
                core->counters.resets_sent++;
                core_emit(core, CORE_EVENT_RESET_SENT, member, "");
        }
        member->owes_reset = false;
        return 0;
}

static void member_flush(struct core *core, struct cmi_time now, struct member *member)
{
        for (int i = 0; i < FLUSH_FRAMES; i++) {
                struct link *link = link_ready(core, member);
                int r;

                if (!link || (member->cursor >= log_newest(core->log) && !member->owes_reset)) {
                        return;
                }
                if (member->owes_reset || body_make(core, member->cursor) < 0) {
                        r = reset_send(core, now, link, member);
                } else {
                        r = link_send(core, link, member, CMI_FRAME_OPS,
                                        cmi_slice(core->body, core->body_len), core->body_id);
                        if (r == 0 || MUTANT(FULL_QUEUE_DROPS)) {
                                member->cursor += core->body_count;
                        }
                }
                if (r < 0) {
                        return;
                }
        }
        core->has_unsent = core->has_unsent || member->cursor < log_newest(core->log);
}

void stream_flush(struct core *core, struct cmi_time now)
{
        core->has_unsent = false;
        for (uint32_t i = 0; i < core->member_limit; i++) {
                if (core->members[i].is_used && core->members[i].is_confirmed) {
                        member_flush(core, now, &core->members[i]);
                }
        }
}
