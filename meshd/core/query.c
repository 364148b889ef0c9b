/* SPDX-License-Identifier: MIT */
/*
 * Questions that one node asks another on behalf of an operator: is the way there and back open
 * (PING), and whom do you hear (LINKS). They travel as all frames do, so they measure the data
 * path. Nothing depends on their answers.
 */
#include "meshd/core/state.h"

#include <errno.h>

static void query_end(struct core *core, struct query *query, const struct cmi_answer *answer)
{
        uint64_t cookie = query->cookie;

        query->is_used = false;
        core->n_queries_open--;
        core->sink.answered(core->sink.context, cookie, answer);
}

int core_query(struct core *core, struct cmi_time now, const struct cmi_id *id,
                enum cmi_query_kind kind, uint64_t number, uint64_t timeout_ns, uint64_t cookie)
{
        struct member *member = member_find(core, id);
        struct link *link = member ? link_ready(core, member) : NULL;
        uint8_t buffer[64];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        if (!link) {
                return member ? -EHOSTUNREACH : -ENOENT;
        }
        for (uint32_t i = 0; i < CORE_QUERIES_MAX; i++) {
                struct query *query = &core->queries[i];

                if (query->is_used) {
                        continue;
                }
                cmi_query_write(&writer, &(struct cmi_query){++core->n_queries, kind,
                                                         {log_stream(core->log), number}});
                if (link_send(core, link, member, CMI_FRAME_QUERY, cmi_written(&writer), 0) < 0) {
                        return -EHOSTUNREACH;
                }
                core->n_queries_open++;
                *query = (struct query){
                                .is_used = true,
                                .id = core->n_queries,
                                .cookie = cookie,
                                .deadline_ns = now.mono_ns + timeout_ns,
                                .member = member_index(core, member),
                                .kind = kind,
                };
                return 0;
        }
        return -EBUSY;
}

static void links_collect(const struct core *core, struct cmi_time now, struct cmi_answer *answer)
{
        struct core_member member;

        for (uint32_t i = 0; answer->n_links < CMI_ANSWER_LINKS_MAX &&
                             core_member(core, now, i, &member) == 0;
                        i++) {
                answer->links[answer->n_links++] = (struct cmi_link){
                                .id = member.id,
                                .is_heard = member.is_heard,
                                .hears_me = member.hears_me,
                };
        }
}

/* A position of a stream that is not known here is of no operation that was applied here. */
static void trace_look(const struct core *core, struct cmi_time now, const struct member *member,
                const struct cmi_position *at, struct cmi_answer *answer)
{
        uint64_t applied_ns = 0;

        answer->is_applied = member->stream == at->stream && at->stream != 0 &&
                             member->applied >= at->number;
        if (answer->is_applied && core->sink.applied_ns) {
                applied_ns = core->sink.applied_ns(core->sink.context, member->name, at->number);
        }
        answer->applied_ago_ns = applied_ns != 0 ? now.mono_ns - applied_ns : 0;
}

void query_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_query *query)
{
        struct link *link = link_ready(core, member);
        struct cmi_writer writer = cmi_writer(core->run, sizeof(core->run));
        struct cmi_answer *answer = &core->decoded.answer;

        if (!link) {
                return;
        }
        answer->id = query->id;
        answer->kind = query->kind;
        answer->n_links = 0;
        answer->n_keys = 0;
        answer->has_keys = query->kind == CMI_QUERY_KEYS && core->sink.keys;
        if (query->kind == CMI_QUERY_LINKS) {
                links_collect(core, now, answer);
        } else if (query->kind == CMI_QUERY_TRACE) {
                trace_look(core, now, member, &query->at, answer);
        } else if (answer->has_keys) {
                answer->n_keys = core->sink.keys(core->sink.context, answer->keys);
        }
        cmi_answer_write(&writer, answer);
        link_send(core, link, member, CMI_FRAME_ANSWER, cmi_written(&writer), 0);
}

void answer_receive(struct core *core, const struct member *member, const struct cmi_answer *answer)
{
        for (uint32_t i = 0; i < CORE_QUERIES_MAX; i++) {
                struct query *query = &core->queries[i];

                if (query->is_used && query->id == answer->id &&
                                query->member == member_index(core, member)) {
                        query_end(core, query, answer);
                        return;
                }
        }
}

void query_tick(struct core *core, struct cmi_time now)
{
        for (uint32_t i = 0; core->n_queries_open > 0 && i < CORE_QUERIES_MAX; i++) {
                if (core->queries[i].is_used && now.mono_ns >= core->queries[i].deadline_ns) {
                        query_end(core, &core->queries[i], NULL);
                }
        }
}
