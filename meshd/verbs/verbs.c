/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/verbs.h"

#include "meshd/io/clock.h"
#include "meshd/verbs/inquiry.h"

#include <errno.h>

static void begin_links(const struct question *question)
{
        inquiry_begin(question->service->inquiries, question, INQUIRY_LINKS);
}

static void begin_ping(const struct question *question)
{
        inquiry_begin(question->service->inquiries, question, INQUIRY_PING);
}

static void begin_wait(const struct question *question)
{
        inquiry_begin(question->service->inquiries, question, INQUIRY_WAIT);
}

static void begin_trace(const struct question *question)
{
        inquiry_begin(question->service->inquiries, question, INQUIRY_TRACE);
}

static const struct verb {
        const char *name;
        void (*answer)(const struct question *question);
} verbs[] = {
                {"clients", verb_clients},
                {"facts", verb_facts},
                {"forget", verb_forget},
                {"intents", verb_intents},
                {"key_install", verb_key_install},
                {"key_remove", verb_key_remove},
                {"key_use", verb_key_use},
                {"keys", verb_keys},
                {"links", begin_links},
                {"peer", verb_peer},
                {"peers", verb_peers},
                {"ping", begin_ping},
                {"regions", verb_regions},
                {"session", verb_session},
                {"session_destroy", verb_session_destroy},
                {"sessions", verb_sessions},
                {"stats", verb_stats},
                {"status", verb_status},
                {"trace", begin_trace},
                {"version", verb_version},
                {"wait", begin_wait},
                {"why", verb_why},
};

void verbs_answer(struct service *service, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query)
{
        const struct question question = {service, guest, id, query->arguments, clock_now()};

        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                if (cmi_slice_equal(query->verb, cmi_slice_str(verbs[i].name))) {
                        verbs[i].answer(&question);
                        return;
                }
        }
        question_refuse(&question, -EOPNOTSUPP, "meshd does not know this verb: %.*s",
                        (int)(query->verb.len < 64 ? query->verb.len : 64),
                        (const char *)query->verb.data);
}
