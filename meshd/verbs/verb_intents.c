/* SPDX-License-Identifier: MIT */
/* The query about open write intents. */
#include "meshd/io/arguments.h"
#include "meshd/verbs/monitor.h"
#include "meshd/verbs/verbs.h"

#include <errno.h>
#include <stdio.h>

#define ROW_MAX 2048 /* bytes, more than any row and what comes after the last one */

static const char *node_name(const struct question *question, const struct cmi_id *id,
                struct core_member *member)
{
        if (cmi_id_equal(id, &question->service->state->id)) {
                return question->service->config->name;
        }
        for (uint32_t i = 0; core_member(question->service->core, question->now, i, member) == 0;
                        i++) {
                if (cmi_id_equal(id, &member->id)) {
                        return member->name;
                }
        }
        return "";
}

static const struct client *find_client(const struct question *question, uint64_t number)
{
        const struct client *client = question->service->local->clients;

        while (client && (number == 0 || ((const struct guest *)client->guest)->number != number)) {
                client = client->next;
        }
        return client;
}

static void write_intent(struct document *document, const struct question *question,
                const struct core_intent *intent, bool is_shown)
{
        const struct client *client = find_client(question, intent->owner);
        uint64_t now_ns = question->now.mono_ns;
        struct core_member member;
        char stream[24];

        snprintf(stream, sizeof(stream), "%016llx", (unsigned long long)intent->place.stream);
        document_text(document, "node", node_name(question, &intent->origin, &member));
        document_id(document, "id", &intent->origin);
        document_text(document, "stream", stream);
        document_uint(document, "position", intent->place.number);
        document_str(document, "region", intent->op.region);
        document_uint(document, "n_keys", intent->op.n_keys);
        document_uint(document, "n_tags", intent->op.n_tags);
        monitor_write_first_target(document, "first", &intent->op, is_shown);
        document_age_ms(document, "age_ms", intent->begun_ns, now_ns);
        document_uint(document, "left_ms",
                        intent->deadline_ns > now_ns
                                        ? (intent->deadline_ns - now_ns) / CMI_NS_PER_MS
                                        : 0);
        document_text(document, "client",
                        client ? ((const struct guest *)client->guest)->name : "");
        document_uint(document, "pid", client ? (uint64_t)client->pid : 0);
}

void verb_intents(const struct question *question)
{
        struct core_intent intent;
        struct answer answer;
        bool is_shown = false;
        uint32_t n_more = 0;
        uint32_t at = 0;

        if (arguments_bool(question->arguments, "show_keys", &is_shown) < 0) {
                question_refuse(question, -EINVAL, "want show_keys a bool");
                return;
        }
        answer_begin(&answer, question, "intents");
        document_open_array(&answer.document, "intents");
        while (core_intent(question->service->core, &at, &intent)) {
                if (answer.writer.len > SERVICE_ANSWER_MAX - ROW_MAX) {
                        n_more++;
                        continue;
                }
                document_open_map(&answer.document, NULL);
                write_intent(&answer.document, question, &intent, is_shown);
                document_close(&answer.document);
        }
        document_close(&answer.document);
        document_uint(&answer.document, "n_more", n_more);
        answer_send(&answer, question);
}
