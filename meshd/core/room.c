/* SPDX-License-Identifier: MIT */
/*
 * Nodes for which the member table has no place.
 *
 * Of one that is live no grant is asked for, and no wait is for it; so while one is known this node
 * is not LIVE itself: it would answer 0 while that one serves, and serve what that one changes. A
 * node that is not live may be left out, and is refused: the one that was live first goes on.
 *
 * What settles it: a place in the table; its goodbye; an operator who knows that it ended; or a
 * day, as for a member that is gone. Its word that nothing is served there lets this node be LIVE;
 * but it may be live later, and cut off, so waits name it as they name a member that is gone.
 *
 * Its silence settles nothing. Of two members that give each other up each says CM_PARTIAL, since
 * the other one may go on behind a partition. Who has left us out waits for nobody here, and says
 * 0, while we would serve what it changes. Nor is it enough that no member tells of it any more: a
 * member that left it in order, and came back behind the partition, is waited for there by nobody,
 * either.
 *
 * One that only the disk names had a place once, as we had one there: it waits for us. So it is
 * like a member that is not met again: silent for gone_ns, it has everything forgotten, and from
 * then on waits name it. Of more than can be told apart the rest is one, which no word of theirs
 * settles.
 */
#include "meshd/core/state.h"

#include <errno.h>

#define STRANGER_NS (UINT64_C(24) * 3600 * CMI_NS_PER_S) /* as long as a member that is gone */
#define NAMED_REASON "a known member has not answered yet"

static struct stranger *find(struct core *core, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < STRANGERS_MAX; i++) {
                struct stranger *stranger = &core->strangers[i];

                if (stranger->kind != STRANGER_NONE && cmi_id_equal(&stranger->id, id)) {
                        return stranger;
                }
        }
        return NULL;
}

/* Where one that is not known yet may be kept; of one that has ended it is known that it has until
 * its room is needed. */
static struct stranger *find_free(struct core *core)
{
        struct stranger *ended = NULL;

        for (uint32_t i = 0; i < STRANGERS_MAX; i++) {
                if (core->strangers[i].kind == STRANGER_NONE) {
                        return &core->strangers[i];
                }
                if (core->strangers[i].kind == STRANGER_ENDED) {
                        ended = &core->strangers[i];
                }
        }
        return ended;
}

static void tell(struct core *core, const struct stranger *stranger, enum member_state from,
                enum member_state to, const char *why)
{
        struct core_event event = {
                        .kind = CORE_EVENT_MEMBER,
                        .id = stranger->id,
                        .name = stranger->name,
                        .from = from,
                        .to = to,
        };

        core_text(event.text, why, "", "");
        core->sink.event(core->sink.context, &event);
}

static bool is_newer(const struct stranger *a, const struct stranger *b)
{
        return a->incarnation > b->incarnation ||
               (a->incarnation == b->incarnation && a->generation > b->generation);
}

/* What is known of it from now on. A refusal tells no name. */
static struct stranger merge(
                struct cmi_time now, const struct stranger *known, const struct stranger *live)
{
        struct stranger newest = known && is_newer(known, live) ? *known : *live;

        newest.kind = STRANGER_LIVE;
        newest.since_ns = now.mono_ns;
        if (!newest.name[0] && known) {
                memcpy(newest.name, known->name, sizeof(newest.name));
        } else if (!newest.name[0]) {
                cmi_id_format(&newest.id, newest.name);
        }
        return newest;
}

void room_missed(struct core *core, struct cmi_time now, const struct stranger *live)
{
        struct stranger *known = find(core, &live->id);
        struct stranger *stranger = known ? known : find_free(core);
        struct stranger newest = merge(now, known, live);
        bool was_absent = known && known->kind == STRANGER_ABSENT;

        if (MUTANT(ROOM_IGNORED) || (known && known->kind == STRANGER_ENDED &&
                                                    live->incarnation <= known->incarnation)) {
                return;
        }
        core_text(core->room_reason, ROOM_REASON, newest.name, "");
        if (stranger) {
                *stranger = newest;
        } else {
                core->strangers_ns =
                                now.mono_ns; /* not told apart: for a day, or until a restart */
        }
        if (core->state == CORE_LIVE) {
                core_text(core->reason, core->room_reason, "", "");
                core_step_down(core, now);
        }
        if (was_absent) {
                tell(core, stranger, MEMBER_GONE, MEMBER_JOINING, "it was heard");
        }
}

void room_named(struct core *core, struct cmi_time now, const struct cmi_id *id, const char *name)
{
        static const struct cmi_id none = {{0}};
        struct stranger *stranger = find_free(core);

        if (MUTANT(ROOM_IGNORED) || find(core, id)) {
                return;
        }
        if (!stranger) {
                stranger = &core->strangers[STRANGERS_MAX];
                id = &none;
                name = "others";
        }
        *stranger = (struct stranger){.kind = STRANGER_NAMED, .id = *id, .since_ns = now.mono_ns};
        for (size_t c = 0; c < CMI_NAME_MAX && name[c]; c++) {
                stranger->name[c] = name[c];
        }
}

/* What they have published never came. */
static void forget_theirs(struct core *core, struct cmi_time now)
{
        apply_forget(core, NULL, "a node for which there was no room may have published");
        hold_missed(core, now);
}

static void settle(struct core *core, struct cmi_time now, struct stranger *stranger,
                enum stranger_kind kind)
{
        stranger->kind = kind;
        forget_theirs(core, now);
}

bool room_found(struct core *core, const struct cmi_id *id)
{
        struct stranger *stranger = find(core, id);

        if (!stranger) {
                return false;
        }
        stranger->kind = STRANGER_NONE;
        return true;
}

void room_not_live(struct core *core, struct cmi_time now, const struct stranger *said)
{
        struct stranger *stranger = find(core, &said->id);

        if (!stranger || stranger->kind == STRANGER_ENDED || is_newer(stranger, said)) {
                return;
        }
        stranger->incarnation = said->incarnation;
        stranger->generation = said->generation;
        if (stranger->kind != STRANGER_ABSENT) {
                tell(core, stranger, MEMBER_SEEN, MEMBER_GONE, "it says that it does not serve");
                stranger->since_ns = now.mono_ns;
                settle(core, now, stranger, STRANGER_ABSENT);
        }
}

void room_goodbye(struct core *core, struct cmi_time now, const struct cmi_frame_header *header)
{
        struct stranger *stranger = find(core, &header->source);

        if (stranger && stranger->kind != STRANGER_ENDED &&
                        header->source_incarnation >= stranger->incarnation) {
                stranger->incarnation = header->source_incarnation;
                settle(core, now, stranger, STRANGER_ENDED);
        }
}

static bool is_heard(const struct core *core, struct cmi_time now, const struct stranger *stranger)
{
        return stranger->kind == STRANGER_LIVE &&
               now.mono_ns - stranger->since_ns < core->options.gone_ns;
}

int room_forget(struct core *core, struct cmi_time now, const struct cmi_id *id)
{
        struct stranger *stranger =
                        cmi_id_is_zero(id) ? &core->strangers[STRANGERS_MAX] : find(core, id);

        if (!stranger || stranger->kind == STRANGER_NONE || stranger->kind == STRANGER_ENDED) {
                return -ENOENT;
        }
        if (is_heard(core, now, stranger)) {
                return -EBUSY;
        }
        settle(core, now, stranger, STRANGER_NONE);
        return 0;
}

void room_come_back(struct core *core, struct cmi_time now)
{
        for (uint32_t i = 0; i < STRANGERS_SIZE; i++) {
                if (core->strangers[i].kind == STRANGER_NAMED) {
                        core->strangers[i].since_ns = now.mono_ns;
                }
        }
}

static void tick(struct core *core, struct cmi_time now, struct stranger *stranger)
{
        uint64_t silence = now.mono_ns - stranger->since_ns;

        switch (stranger->kind) {
        case STRANGER_NAMED:
                if (silence >= core->options.gone_ns && now.mono_ns >= core->patience_end_ns) {
                        tell(core, stranger, MEMBER_SEEN, MEMBER_GONE, "it never answered");
                        settle(core, now, stranger, STRANGER_ABSENT);
                }
                break;
        case STRANGER_ABSENT:
        case STRANGER_LIVE:
                if (silence >= STRANGER_NS) {
                        settle(core, now, stranger, STRANGER_NONE);
                }
                break;
        case STRANGER_NONE:
        case STRANGER_ENDED:
                break;
        }
}

void room_tick(struct core *core, struct cmi_time now)
{
        for (uint32_t i = 0; i < STRANGERS_SIZE; i++) {
                tick(core, now, &core->strangers[i]);
        }
        if (core->strangers_ns != 0 && now.mono_ns - core->strangers_ns >= STRANGER_NS) {
                core->strangers_ns = 0;
                forget_theirs(core, now);
        }
}

const char *room_obstacle(const struct core *core)
{
        bool has_named = false;

        for (uint32_t i = 0; i < STRANGERS_SIZE; i++) {
                if (core->strangers[i].kind == STRANGER_LIVE) {
                        return core->room_reason;
                }
                has_named = has_named || core->strangers[i].kind == STRANGER_NAMED;
        }
        return core->strangers_ns != 0 ? core->room_reason : has_named ? NAMED_REASON : NULL;
}

uint32_t room_absent(const struct core *core, uint32_t from, struct cmi_result_member *ret_member)
{
        for (uint32_t i = from; i < STRANGERS_SIZE; i++) {
                const struct stranger *stranger = &core->strangers[i];

                if (stranger->kind == STRANGER_ABSENT) {
                        *ret_member = (struct cmi_result_member){
                                        .id = stranger->id,
                                        .name = cmi_slice_str(stranger->name),
                                        .state = CMI_MEMBER_UNCONFIRMED,
                        };
                        return i + 1;
                }
        }
        return 0;
}

/* What is served by its TTL needs no lease, once the node was live. */
bool room_is_served(const struct core *core, struct cmi_time now)
{
        return core->state == CORE_LIVE || core->was_live ||
               (core->has_predecessor && now.mono_ns < core->pause_end_ns);
}

bool room_is_left(const struct core *core)
{
        return core->n_members < core->options.max_peers;
}

int core_stranger(const struct core *core, struct cmi_time now, uint32_t index,
                struct core_member *ret_member)
{
        for (uint32_t i = 0; i < STRANGERS_SIZE; i++) {
                const struct stranger *stranger = &core->strangers[i];

                if (stranger->kind == STRANGER_NONE || stranger->kind == STRANGER_ENDED ||
                                index-- > 0) {
                        continue;
                }
                *ret_member = (struct core_member){
                                .id = stranger->id,
                                .incarnation = stranger->incarnation,
                                .state = is_heard(core, now, stranger)      ? MEMBER_LIVE
                                         : stranger->kind == STRANGER_NAMED ? MEMBER_SEEN
                                                                            : MEMBER_GONE,
                };
                memcpy(ret_member->name, stranger->name, sizeof(ret_member->name));
                return 0;
        }
        return -ENOENT;
}
