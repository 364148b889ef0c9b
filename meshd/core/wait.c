/* SPDX-License-Identifier: MIT */
/*
 * Waits. An operation is over for a member when it has acknowledged it, or when the last grant that
 * ran at numbering has ended (due) and the member is known to have counted us since, so that it
 * cannot have gone on without our grant. What is neither at the bound L(1+3rho) + 20 ms is
 * unconfirmed, and the outcome says CM_PARTIAL.
 *
 * due = (receipt of the newest beat that a granting beat of ours has echoed) + L(1+rho) + margin.
 * Beats sent after the numbering carry a position that covers the operation, so their grants take
 * effect only once it is applied.
 */
#include "meshd/core/state.h"

#include <errno.h>

#define BOUND_SLACK_NS (20 * CMI_NS_PER_MS)
/* Of a wait without a deadline while this node is not LIVE. */
#define JOINING_TIMEOUT_NS (5 * CMI_NS_PER_S)

static uint64_t *due_of(struct core *core, const struct wait *wait)
{
        return &core->wait_due[(size_t)(wait - core->waits) * core->options.max_peers];
}

static uint8_t *results_of(struct core *core, const struct wait *wait)
{
        return &core->wait_results[(size_t)(wait - core->waits) * core->options.max_peers];
}

static uint64_t bound_ns(const struct core *core)
{
        if (MUTANT(WAIT_UNBOUNDED)) {
                return NEVER / 2;
        }
        return core->options.lease_ns + 3 * core_drift_ns(core, core->options.lease_ns) +
               BOUND_SLACK_NS;
}

/* Nothing is to be waited for of one whose end is proven. */
static enum wait_result first_result(const struct member *member)
{
        if (!member->is_used || member->state == MEMBER_LEFT) {
                return WAIT_EXCLUDED;
        }
        return MUTANT(B2_WAIT_BY_STATE) && member->state != MEMBER_LIVE ? WAIT_EXCLUDED : WAIT_OPEN;
}

/*
 * Whom to wait for: each one that may hold a grant of ours or may be serving without one, whatever
 * its state, also one that only the disk or others have named: it may have dropped us.
 */
static void take_snapshot(struct core *core, struct wait *wait)
{
        uint64_t *due = due_of(core, wait);
        uint8_t *results = results_of(core, wait);

        for (uint32_t i = 0; i < core->member_limit; i++) {
                const struct member *member = &core->members[i];

                results[i] = (uint8_t)first_result(member);
                due[i] = member->granted_ns == 0 ? 0 : member->granted_ns + core_grant_ns(core);
        }
        wait->is_snapshot_taken = true;
}

static struct wait *wait_new(struct core *core)
{
        for (uint32_t i = 0; i < CORE_WAITS_MAX; i++) {
                if (!core->waits[i].is_used) {
                        return &core->waits[i];
                }
        }
        return NULL;
}

int wait_add(struct core *core, struct cmi_time now, const struct wait *begun, uint64_t timeout_ns,
                const struct cmi_op *op)
{
        struct wait *wait = core->n_waits < CORE_WAITS_MAX ? wait_new(core) : NULL;

        if (!wait) {
                return -EBUSY;
        }
        if (timeout_ns == 0 && core->state != CORE_LIVE) {
                timeout_ns = JOINING_TIMEOUT_NS;
        }
        *wait = *begun;
        wait->is_used = true;
        wait->is_intent = op->kind == CMI_OP_INTENT_BEGIN;
        wait->is_ttl = region_options_is_ttl(core, region_options_name(op));
        wait->since_ns = now.mono_ns;
        wait->deadline_ns = timeout_ns == 0 || timeout_ns > NEVER / 2 ? NEVER
                                                                      : now.mono_ns + timeout_ns;
        core->n_waits++;
        if (core->state == CORE_LIVE && !wait->is_node) {
                take_snapshot(core, wait);
        }
        return 0;
}

static void wait_done(struct core *core, struct wait *wait, const struct core_outcome *outcome)
{
        uint64_t cookie = wait->cookie;

        wait->is_used = false;
        core->n_waits--;
        core->sink.done(core->sink.context, cookie, outcome);
}

/* As much as gone members are these unconfirmed. */
static void add_absent(struct core *core, struct core_outcome *end)
{
        struct cmi_result_member absent;
        uint32_t at = 0;

        while ((at = room_absent(core, at, &absent)) != 0) {
                end->n_unconfirmed++;
                if (end->n_members < CMI_LOCAL_MEMBERS_MAX) {
                        core->wait_members[end->n_members++] = absent;
                }
        }
}

static void finish(struct core *core, struct wait *wait, int outcome)
{
        struct core_outcome end = {
                        .outcome = outcome,
                        .position = wait->number,
                        .members = core->wait_members,
        };
        const uint8_t *results = results_of(core, wait);

        for (uint32_t i = 0; wait->is_snapshot_taken && i < core->member_limit; i++) {
                struct member *member = &core->members[i];
                bool is_lapsed = results[i] == WAIT_LAPSED &&
                                 (!wait->is_ttl || MUTANT(TTL_LAPSED_ENOUGH));

                if (results[i] == WAIT_EXCLUDED) {
                        continue;
                }
                if (results[i] == WAIT_APPLIED) {
                        end.n_applied++;
                        continue;
                }
                core->wait_members[end.n_members++] = (struct cmi_result_member){
                                .id = member->id,
                                .name = cmi_slice_str(member->name),
                                .state = is_lapsed ? CMI_MEMBER_LAPSED : CMI_MEMBER_UNCONFIRMED,
                };
                end.n_lapsed += is_lapsed;
                end.n_unconfirmed += !is_lapsed;
        }
        if (wait->is_snapshot_taken) {
                add_absent(core, &end);
        }
        if (outcome == 0 &&
                        (end.n_unconfirmed > 0 || (wait->is_intent && end.n_lapsed > 0 &&
                                                                  !MUTANT(INTENT_LAPSED_ENOUGH)))) {
                end.outcome = CMI_PARTIAL;
        }
        if (end.outcome == 0 && wait->is_late) {
                end.outcome = CMI_E_EXPIRED;
        }
        wait_done(core, wait, &end);
}

static void lapse(struct core *core, struct member *member)
{
        if (!member->is_lapsed) {
                member->is_lapsed = true;
                member->lapses++;
                core->counters.lapses++;
                core_emit(core, CORE_EVENT_LAPSED, member, "");
        }
        member->lapse_target = log_newest(core->log);
}

/*
 * How long it surely counts us after a beat of ours that it has echoed. What it does is what it
 * says; of one that says nothing, an older version, the shortest that any meshd accepts is taken.
 */
static uint64_t patience_ns(const struct core *core, const struct member *member)
{
        uint64_t own = core->options.gone_ns;
        uint64_t its = CORE_GONE_LEASES * core->options.lease_ns;

        if (MUTANT(B5_OWN_GONE)) {
                return own;
        }
        if (member->gone_ms != 0 && member->gone_ms < NEVER / CMI_NS_PER_MS) {
                its = member->gone_ms * CMI_NS_PER_MS;
        }
        return its < own ? its : own;
}

/*
 * Nothing proves that it serves only with our grant, unless it said so a short time ago; short on
 * both clocks, since it counts our silence while our host is suspended.
 */
static bool is_confirmed(const struct core *core, const struct member *member, struct cmi_time now)
{
        uint64_t patience = patience_ns(core, member);
        uint64_t less = core_drift_ns(core, patience) + core->options.margin_ns;
        uint64_t gone = patience > less ? patience - less : 0;

        return MUTANT(B5_UNCONFIRMED) ||
               (member->counted.mono_ns != 0 && now.mono_ns < member->counted.mono_ns + gone &&
                               now.real_ns < member->counted.real_ns + gone);
}

/* Bring one member's result up to date. Returns whether more may come of it within the bound. */
static bool member_is_open(
                struct core *core, struct cmi_time now, const struct wait *wait, uint32_t index)
{
        struct member *member = &core->members[index];
        uint8_t *result = &results_of(core, wait)[index];

        if (*result != WAIT_OPEN) {
                return false;
        }
        if (member->acknowledged >= wait->number) {
                *result = WAIT_APPLIED;
                return false;
        }
        if (now.mono_ns < due_of(core, wait)[index]) {
                return true;
        }
        if (due_of(core, wait)[index] != 0) {
                lapse(core, member);
        }
        if (is_confirmed(core, member, now)) {
                *result = WAIT_LAPSED;
                return false;
        }
        return member_counts(member) || member->state == MEMBER_SEEN;
}

static void check_one(struct core *core, struct cmi_time now, struct wait *wait)
{
        bool is_open = false;

        if (wait->is_node) {
                finish(core, wait, 0);
                return;
        }
        if (!wait->is_snapshot_taken) {
                take_snapshot(core, wait);
                wait->since_ns = now.mono_ns;
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                is_open |= member_is_open(core, now, wait, i);
        }
        if (!is_open || now.mono_ns - wait->since_ns >= bound_ns(core)) {
                finish(core, wait, 0);
        } else if (now.mono_ns >= wait->deadline_ns) {
                finish(core, wait, CMI_E_TIMEOUT);
        }
}

/* May this wait end as more than PENDING? Not while this node is JOINING; one for this node alone
 * not in its start pause. */
static bool is_answerable(const struct core *core, struct cmi_time now, const struct wait *wait)
{
        if (wait->is_node) {
                return now.mono_ns >= core->pause_end_ns;
        }
        return core->state == CORE_LIVE || MUTANT(B3_ANSWERS_EARLY) ||
               (core->state == CORE_STOPPING && wait->is_snapshot_taken);
}

/* Also one that began while LIVE and had no deadline but its own bound. */
static uint64_t pending_ns(const struct wait *wait)
{
        return wait->deadline_ns != NEVER ? wait->deadline_ns : wait->since_ns + JOINING_TIMEOUT_NS;
}

void wait_check(struct core *core, struct cmi_time now)
{
        uint32_t left = core->n_waits;

        for (uint32_t i = 0; left > 0 && i < CORE_WAITS_MAX; i++) {
                struct wait *wait = &core->waits[i];

                if (!wait->is_used) {
                        continue;
                }
                left--;
                if (is_answerable(core, now, wait)) {
                        check_one(core, now, wait);
                } else if (now.mono_ns >= pending_ns(wait)) {
                        finish(core, wait, CMI_PENDING);
                }
        }
}

void wait_forget_member(struct core *core, const struct member *member)
{
        for (uint32_t i = 0; core->n_waits > 0 && i < CORE_WAITS_MAX; i++) {
                if (core->waits[i].is_used && core->waits[i].is_snapshot_taken) {
                        results_of(core, &core->waits[i])[member_index(core, member)] =
                                        WAIT_EXCLUDED;
                }
        }
}

void wait_end_all(struct core *core, struct cmi_time now)
{
        for (uint32_t i = 0; core->n_waits > 0 && i < CORE_WAITS_MAX; i++) {
                if (core->waits[i].is_used) {
                        finish(core, &core->waits[i], CMI_PENDING);
                }
        }
}

void core_cancel(struct core *core, uint64_t cookie)
{
        for (uint32_t i = 0; core->n_waits > 0 && i < CORE_WAITS_MAX; i++) {
                if (core->waits[i].is_used && core->waits[i].cookie == cookie &&
                                !MUTANT(CANCEL_KEPT)) {
                        core->waits[i].is_used = false;
                        core->n_waits--;
                        return;
                }
        }
}

/* When this wait could end by time alone. A due that has passed is over: then only an ack
 * or the bound helps. */
static uint64_t next_of(const struct core *core, struct cmi_time now, uint32_t index)
{
        const struct wait *wait = &core->waits[index];
        const uint64_t *due = &core->wait_due[(size_t)index * core->options.max_peers];
        const uint8_t *results = &core->wait_results[(size_t)index * core->options.max_peers];
        uint64_t next = wait->deadline_ns;

        if (!is_answerable(core, now, wait)) {
                next = pending_ns(wait);
                return wait->is_node && core->pause_end_ns < next ? core->pause_end_ns : next;
        }
        if (!wait->is_snapshot_taken) {
                return now.mono_ns;
        }
        if (wait->since_ns + bound_ns(core) < next) {
                next = wait->since_ns + bound_ns(core);
        }
        for (uint32_t m = 0; m < core->member_limit; m++) {
                if (results[m] == WAIT_OPEN && due[m] > now.mono_ns && due[m] < next) {
                        next = due[m];
                }
        }
        return next;
}

uint64_t wait_next_ns(const struct core *core, struct cmi_time now)
{
        uint64_t next = NEVER;
        uint32_t left = core->n_waits;

        for (uint32_t i = 0; left > 0 && i < CORE_WAITS_MAX; i++) {
                uint64_t one;

                if (core->waits[i].is_used) {
                        one = next_of(core, now, i);
                        next = one < next ? one : next;
                        left--;
                }
        }
        return next;
}
