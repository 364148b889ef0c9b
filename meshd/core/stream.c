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
        if (hello->oldest != 1) {
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

                if (!is_replay && !is_kept) {
                        apply_forget(core, member, "joined a stream that began before");
                }
                member->stream = hello->newest.stream;
                member->applied = is_replay ? 0 : hello->newest.number;
                member->newest = member->applied;
                member->waiting_position = 0;
                member->nack_sent_ns = 0;
                lease_applied(core, member);
        }
        if (hello->newest.number > member->newest) {
                member->newest = hello->newest.number;
        }
}

static void nack_send(struct core *core, struct cmi_time now, struct member *member)
{
        struct link *link = link_ready(core, member);
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_nack nack = {member->stream, member->applied};

        /* One question per gap and eighth of a lease; the answer may be on its way. */
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
        if (nack->stream == log_stream(core->log) && nack->after < member->cursor) {
                member->cursor = nack->after;
        }
}

void reset_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_reset *reset)
{
        if (reset->at.stream != member->stream) {
                core->counters.dropped_stream++;
                member->wants_hello = true;
                return;
        }
        if (reset->at.number <= member->applied) {
                return;
        }
        core->counters.resets_received++;
        member->resets++;
        apply_forget(core, member, "too far behind for the log of a member");
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
        if (goodbye->final.stream != member->stream || goodbye->final.number != member->applied) {
                apply_forget(core, member, "a member left before all of its stream came");
                member->stream = goodbye->final.stream;
                member->applied = member->newest = goodbye->final.number;
        }
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

static int reset_send(struct core *core, struct link *link, struct member *member)
{
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_reset reset = {{log_stream(core->log), log_newest(core->log)}};
        int r;

        cmi_reset_write(&writer, &reset);
        r = link_send(core, link, member, CMI_FRAME_RESET, cmi_written(&writer), 0);
        if (r == 0) {
                member->cursor = reset.at.number;
                core->counters.resets_sent++;
                core_emit(core, CORE_EVENT_RESET_SENT, member, "");
        }
        return r;
}

static void member_flush(struct core *core, struct member *member)
{
        for (int i = 0; i < FLUSH_FRAMES; i++) {
                struct link *link = link_ready(core, member);
                int r;

                if (!link || member->cursor >= log_newest(core->log)) {
                        return;
                }
                if (body_make(core, member->cursor) < 0) {
                        r = reset_send(core, link, member);
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
                        member_flush(core, &core->members[i]);
                }
        }
}
