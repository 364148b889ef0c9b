/* SPDX-License-Identifier: MIT */
/*
 * Messages of the session plane to one member. They are guests on the link: beats, operations and
 * whatever else the core has to say go first, and no beat finds more than CORE_POST_WINDOW of them
 * before it. What is known to be taken there is what went before a beat that the peer has echoed;
 * when much waits for that, both sides send a beat sooner.
 *
 * Nothing is kept here: a post goes now, or its sender is told when to try again. There, a message
 * counts only if it is newer than the last one of that process, so one that comes late over an old
 * connection is dropped.
 *
 * The meshd of this version posts nothing and takes nothing: tests and the simulator do.
 */
#include "meshd/core/state.h"

#include <errno.h>

#define ECHO_AFTER (CORE_POST_WINDOW / 4)

static uint64_t cost(size_t len)
{
        return len < CORE_POST_COST ? CORE_POST_COST : len;
}

static uint64_t under_way(const struct member *member)
{
        return member->posts.sent - member->posts.echoed;
}

static bool is_reachable(const struct member *member)
{
        return member_counts(member) && member->is_confirmed && member->link != NONE;
}

/* Also one that found the link blocked. */
static bool is_beat_old(const struct core *core, struct cmi_time now, const struct member *member)
{
        return now.mono_ns - member->beat_sent_ns >= core->options.lease_ns / 4;
}

/* Something of this turn is still to go to it. */
static bool is_owed(const struct core *core, struct cmi_time now, const struct member *member)
{
        return member->cursor < log_newest(core->log) || member->owes_reset ||
               member->is_beat_due || now.mono_ns >= member->next_beat_ns ||
               is_beat_old(core, now, member);
}

static bool has_room(const struct member *member, size_t len)
{
        return under_way(member) + cost(len) <= CORE_POST_WINDOW || MUTANT(POST_UNBOUNDED);
}

static struct link *find_way(
                struct core *core, struct cmi_time now, const struct member *member, size_t len)
{
        if ((is_owed(core, now, member) && !MUTANT(POST_BEFORE_BEATS)) || !has_room(member, len)) {
                return NULL;
        }
        return link_ready(core, member);
}

static int refuse(struct core *core, struct member *member, int error)
{
        if (member) {
                member->posts.is_awaited = true;
        }
        core->counters.posts_refused++;
        return error;
}

int core_post(struct core *core, struct cmi_time now, const struct cmi_id *id,
                struct cmi_slice message)
{
        struct cmi_writer writer = cmi_writer(core->run, sizeof(core->run));
        struct member *member = member_find(core, id);
        struct link *link;

        if (message.len == 0 || message.len > CMI_POST_MAX) {
                return -EMSGSIZE;
        }
        core_enter(core, now);
        if (core->state == CORE_STOPPING) {
                return -ESHUTDOWN;
        }
        if (!member || !is_reachable(member)) {
                return refuse(core, member, -EHOSTUNREACH);
        }
        if (!member->takes_messages) {
                return -EOPNOTSUPP;
        }
        link = find_way(core, now, member, message.len);
        if (!link) {
                return refuse(core, member, -EAGAIN);
        }
        cmi_post_write(&writer, &(struct cmi_post){++core->n_posts, message});
        if (link_send(core, link, member, CMI_FRAME_SESSION, cmi_written(&writer), 0) < 0) {
                return refuse(core, member, -EAGAIN);
        }
        member->posts.sent += cost(message.len);
        core->counters.posts_sent++;
        return 0;
}

void post_receive(struct core *core, struct member *member, const struct cmi_post *post)
{
        member->posts.taken += cost(post->message.len);
        if (!core->sink.message ||
                        (post->number <= member->posts.newest && !MUTANT(POST_OVERTAKEN))) {
                core->counters.dropped_posts++;
                return;
        }
        member->posts.newest = post->number;
        core->counters.posts_received++;
        core->sink.message(core->sink.context, &member->id, member->incarnation, post->message);
}

/* Of two beats in one nanosecond an echo does not tell which came. */
void post_beat_sent(struct member *member, struct cmi_time now)
{
        struct posts *posts = &member->posts;

        posts->taken = 0;
        if (posts->marked_ns == 0 && posts->sent > posts->echoed &&
                        now.mono_ns > member->beat_sent_ns) {
                posts->marked = posts->sent;
                posts->marked_ns = now.mono_ns;
        }
}

void post_beat_received(struct member *member, const struct cmi_beat *beat)
{
        struct posts *posts = &member->posts;

        if (posts->marked_ns != 0 && beat->echo.mono_ns >= posts->marked_ns) {
                posts->echoed = posts->marked;
                posts->marked_ns = 0;
        }
        if (beat->wants_beat && posts->taken >= ECHO_AFTER) {
                member->is_beat_due = true;
        }
}

bool post_wants_echo(const struct member *member)
{
        return under_way(member) >= ECHO_AFTER;
}

/* Has anybody ever tried to post? If not, nothing is under way, and nobody is owed a word. */
static bool is_in_use(const struct core *core)
{
        return core->n_posts > 0 || core->counters.posts_refused > 0;
}

void post_ask_beats(struct core *core, struct cmi_time now)
{
        if (!is_in_use(core)) {
                return;
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                struct member *member = &core->members[i];
                bool is_marked = member->posts.marked_ns != 0;

                if (!member->is_used || (under_way(member) == 0 && !member->posts.is_awaited)) {
                        continue;
                }
                if ((post_wants_echo(member) && !is_marked) || is_beat_old(core, now, member)) {
                        member->is_beat_due = true;
                }
        }
}

void post_tell(struct core *core, struct cmi_time now)
{
        if (!is_in_use(core)) {
                return;
        }
        for (uint32_t i = 0; i < core->member_limit; i++) {
                struct member *member = &core->members[i];

                if (!member->is_used || !member->posts.is_awaited || !is_reachable(member) ||
                                !find_way(core, now, member, CMI_POST_MAX)) {
                        continue;
                }
                member->posts.is_awaited = false;
                if (core->sink.postable) {
                        core->sink.postable(core->sink.context, &member->id);
                }
        }
}
