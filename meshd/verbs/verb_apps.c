/* SPDX-License-Identifier: MIT */
/* Queries about what apps have here: their regions and their connections. */
#include "meshd/verbs/verbs.h"

#include <stdio.h>

/* Which other nodes have it open with other options: as many as fit, and how many more. */
static void write_elsewhere(struct document *document, const struct core *core, uint32_t index)
{
        struct core_region_difference other;
        char options[SERVICE_OPTIONS_TEXT_MAX];
        char text[384] = "";
        uint32_t cursor = 0;
        uint32_t n_more = 0;
        size_t len = 0;

        while (core_region_differs(core, index, &cursor, &other)) {
                int n;

                service_options_text(&other.options, options);
                n = snprintf(text + len, sizeof(text) - 32 - len, "%s%s: %s", len > 0 ? "; " : "",
                                other.node, options);
                if (n_more > 0 || n < 0 || (size_t)n >= sizeof(text) - 32 - len) {
                        text[len] = '\0';
                        n_more++;
                } else {
                        len += (size_t)n;
                }
        }
        if (n_more > 0) {
                snprintf(text + len, sizeof(text) - len, "; and %u more", n_more);
        }
        document_text(document, "elsewhere", text);
}

void verb_regions(const struct question *question)
{
        struct answer answer;
        struct cmi_slice name;

        answer_begin(&answer, question, "regions");
        document_open_array(&answer.document, "regions");
        for (uint32_t i = 0; i < CMI_PAGE_REGIONS; i++) {
                const struct service_region *region = &question->service->regions[i];

                name = core_region_name(question->service->core, i);
                if (name.len == 0) {
                        break;
                }
                document_open_map(&answer.document, NULL);
                document_str(&answer.document, "name", name);
                document_uint(&answer.document, "index", i);
                document_text(&answer.document, "fresh",
                                region->n_clients > 0 ? cmi_fresh_text(region->options.fresh) : "");
                document_uint(&answer.document, "ttl_ms", region->options.ttl_ms);
                document_uint(&answer.document, "hold_ms", region->options.hold_ms);
                document_uint(&answer.document, "version", region->version);
                document_uint(&answer.document, "budget_bytes", region->budget_bytes);
                document_uint(&answer.document, "clients", region->n_clients);
                document_bool(&answer.document, "is_conflicting", region->is_conflicting);
                write_elsewhere(&answer.document, question->service->core, i);
                document_close(&answer.document);
        }
        document_close(&answer.document);
        answer_send(&answer, question);
}

void verb_clients(const struct question *question)
{
        struct answer answer;

        answer_begin(&answer, question, "clients");
        document_open_array(&answer.document, "clients");
        for (const struct client *client = question->service->local->clients; client;
                        client = client->next) {
                const struct guest *guest = client->guest;

                if (!client->is_known) {
                        continue;
                }
                document_open_map(&answer.document, NULL);
                document_text(&answer.document, "name", guest->name);
                document_uint(&answer.document, "pid", (uint64_t)client->pid);
                document_uint(&answer.document, "uid", client->uid);
                document_age_ms(&answer.document, "connected_ms", client->opened_ns,
                                question->now.mono_ns);
                document_bool(&answer.document, "has_page", guest->has_page);
                document_uint(&answer.document, "regions", guest->n_regions);
                document_uint(&answer.document, "published", guest->published);
                document_uint(&answer.document, "requests", client->requests);
                document_uint(&answer.document, "waiting", guest->n_waits);
                document_uint(&answer.document, "bytes_in", client->bytes_in);
                document_uint(&answer.document, "bytes_out", client->bytes_out);
                document_close(&answer.document);
        }
        document_close(&answer.document);
        answer_send(&answer, question);
}
