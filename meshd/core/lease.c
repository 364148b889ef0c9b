/* SPDX-License-Identifier: MIT */
/*
 * Leases. Each member grants, each member serves. This node may serve bounded regions while for
 * every member that counts now < (own clock from before the beat that the member's newest granting
 * beat echoes) + L, and everything up to the position in that beat is applied. Only intervals of
 * one clock are compared, so clocks need no common time, only rates that differ by at most rho.
 * Source: Gray and Cheriton, Leases (SOSP 1989), turned round: silence of one member stops all
 * others from serving instead of blocking its writes.
 */
#include "meshd/core/state.h"

void lease_end_now(struct core *core)
{
        core->lease_end = (struct cmi_time){0};
        cmi_page_set_lease(&core->page, 0, 0);
}

/* A grant that waited for its position takes effect. */
void lease_applied(struct core *core, struct member *member)
{
        bool is_caught_up =
                        member->applied >= member->waiting_position || MUTANT(LAPSE_NOT_CAUGHT_UP);

        if (member->waiting_grant.mono_ns == 0 || !is_caught_up) {
                return;
        }
        if (member->waiting_grant.mono_ns > member->grant.mono_ns) {
                member->grant = member->waiting_grant;
        }
        member->waiting_grant = (struct cmi_time){0};
}

static void grant_take(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_beat *beat)
{
        if (!beat->is_grant || beat->echo.mono_ns == 0 || beat->echo.mono_ns > now.mono_ns ||
                        beat->echo.real_ns == 0) {
                return;
        }
        /* An older one that still waits is nearer to its position; replace it only when it would be
         * worth nothing. */
        if (member->waiting_grant.mono_ns != 0 &&
                        now.mono_ns - member->waiting_grant.mono_ns < core->options.lease_ns / 2 &&
                        member->applied < beat->newest.number) {
                return;
        }
        member->waiting_grant = MUTANT(LEASE_FROM_RECEIPT) ? now : beat->echo;
        member->waiting_position = beat->newest.number;
        lease_applied(core, member);
}

void lease_update(struct core *core, struct cmi_time now)
{
        struct cmi_time end = now;

        if (core->state != CORE_LIVE) {
                if (core->lease_end.mono_ns != 0 && !MUTANT(GOODBYE_BEFORE_LEASE)) {
                        lease_end_now(core);
                }
                return;
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                if (!member->is_used || !member_counts(member)) {
                        continue;
                }
                if (member->needs_reset) {
                        end.mono_ns = 0;
                }
                if (member->grant.mono_ns < end.mono_ns) {
                        end.mono_ns = member->grant.mono_ns;
                }
                if (member->grant.real_ns < end.real_ns) {
                        end.real_ns = member->grant.real_ns;
                }
        }
        if (end.mono_ns == 0 || end.real_ns == 0 || intent_has_overflown(core)) {
                end = (struct cmi_time){0};
        } else {
                end.mono_ns += core->options.lease_ns;
                end.real_ns += MUTANT(ONE_CLOCK) ? NEVER / 2 : core->options.lease_ns;
        }
        if (end.mono_ns != core->lease_end.mono_ns || end.real_ns != core->lease_end.real_ns) {
                core->lease_end = end;
                cmi_page_set_lease(&core->page, end.mono_ns, end.real_ns);
        }
}

/* One that has lapsed gets none until it has caught up, and is told at once when it has. */
static bool may_grant(const struct core *core, const struct member *member)
{
#ifdef CM_MUTANT_LAPSED_GRANTED
        return core->state != CORE_STOPPING;
#else
        return !member->is_lapsed && core->state != CORE_STOPPING;
#endif
}

void beat_send(struct core *core, struct cmi_time now, struct member *member)
{
        struct link *link = link_ready(core, member);
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        /* Until then apps may be served by the page of our predecessor, who has other acks, and may
         * count others. */
        bool speaks_for_apps = now.mono_ns >= core->pause_end_ns;
        bool counts_it = member_counts(member) && member_is_kept(member);
        struct cmi_beat beat = {
                        .clock = now,
                        .echo = member->clock,
                        .held_ns = member->clock.mono_ns ? now.mono_ns - member->clock_heard_ns : 0,
                        .newest = {log_stream(core->log), log_newest(core->log)},
                        .sent = member->cursor,
                        .applied = {member->stream, speaks_for_apps ? member->applied : 0},
                        .is_grant = may_grant(core, member),
                        .counts_you = counts_it && (speaks_for_apps || MUTANT(PAUSE_COUNTS)),
                        .wants_beat = member->grant.mono_ns == 0 || post_wants_echo(member),
                        .is_live = core->state == CORE_LIVE,
                        .members = member_digest(core),
                        .lag_ns = core->longest_delay_ns,
                        .regions = region_options_digest_had(member),
        };

        member->next_beat_ns = now.mono_ns + core->options.lease_ns / 4;
        if (!link) {
                return;
        }
        cmi_beat_write(&writer, &beat);
        if (link_send(core, link, member, CMI_FRAME_BEAT, cmi_written(&writer), 0) < 0) {
                return;
        }
        member->is_beat_due = false;
        post_beat_sent(member, now);
        member->beat_sent_ns = now.mono_ns;
        member->bytes_since_beat = 0;
        /*
         * The receiver may serve on this beat for L from the clock that it echoes, which it sent
         * before we received it. Operations numbered from here on wait for that time, or for its
         * ack: see wait.c.
         */
        if (beat.is_grant && member->clock.mono_ns != 0 &&
                        member->clock_heard_ns > member->granted_ns) {
                member->granted_ns = member->clock_heard_ns;
        }
}

/* As wait.c counts it. Of what processes before this one gave only the latest end is known. */
uint64_t lease_given_end_ns(
                const struct core *core, struct cmi_time now, const struct member *member)
{
        if (now.mono_ns < core->given_before_ns) {
                return NEVER;
        }
        return member->granted_ns == 0 ? 0 : member->granted_ns + core_grant_ns(core);
}

/* At once, but never faster than eight times the usual pace: two who cannot yet grant must not keep
 * each other busy. */
static void beat_soon(const struct core *core, struct member *member)
{
        uint64_t soon = member->beat_sent_ns + core->options.lease_ns / 32;

        if (member->beat_sent_ns == 0 || soon < member->next_beat_ns) {
                member->next_beat_ns = member->beat_sent_ns == 0 ? 0 : soon;
        }
}

static void acknowledge(struct core *core, struct member *member, struct cmi_position applied)
{
        if (applied.stream != log_stream(core->log) || applied.number > log_newest(core->log)) {
                return;
        }
        if (applied.number > member->acknowledged) {
                member->acknowledged = applied.number;
        }
        if (member->is_lapsed && member->acknowledged >= member->lapse_target) {
                member->is_lapsed = false;
                member->is_beat_due = true;
        }
}

/* Where a grant is missing and may be given. Without that they would go on like this for as long as
 * one of the two is stopping, or has lapsed. */
static bool is_urgent(
                const struct core *core, const struct member *member, const struct cmi_beat *beat)
{
        return (beat->wants_beat && may_grant(core, member)) ||
               (beat->is_grant && member->grant.mono_ns == 0);
}

static bool is_mutual(const struct core *core, const struct member *member)
{
        return member->grant.mono_ns >= core->since_ns;
}

void beat_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_beat *beat)
{
        if (beat->clock.mono_ns < member->clock.mono_ns) {
                return; /* overtaken on an older connection */
        }
        member->clock = beat->clock;
        member->clock_heard_ns = now.mono_ns;
        member->digest = beat->members;
        member->lag_ns = beat->lag_ns;
        member->counts_me = beat->counts_you;
        if (beat->echo.mono_ns != 0 && beat->echo.mono_ns <= now.mono_ns) {
                uint64_t age = now.mono_ns - beat->echo.mono_ns;

                member->rtt_ns = age > beat->held_ns ? age - beat->held_ns : 0;
                member->echoed_ns = beat->echo.mono_ns;
                refusal_answered(core, member, beat->echo.mono_ns);
                if (beat->counts_you && beat->echo.mono_ns > member->counted.mono_ns) {
                        member->counted = beat->echo;
                }
        }
        post_beat_received(member, beat);
        acknowledge(core, member, beat->applied);
        if (beat->newest.stream == member->stream) {
                grant_take(core, now, member, beat);
        }
        stream_beat(core, now, member, beat);
        if (is_urgent(core, member, beat)) {
                beat_soon(core, member);
        }
        if (beat->is_live && is_mutual(core, member)) {
                member->was_live = true;
                member_set_state(core, now, member, MEMBER_LIVE,
                                "it serves, and each hears the other");
        } else if (member->state != MEMBER_JOINING) {
                member_set_state(core, now, member, MEMBER_JOINING,
                                beat->is_live ? "not yet heard in both directions"
                                              : "it says that it does not serve");
        }
        region_options_tell(core, now, member, beat->regions);
        if (beat->members == member_digest(core)) {
                member->is_list_due = false;
        } else if (!MUTANT(LIST_UNASKED)) {
                member_list_ask(core, now, member);
        }
}
