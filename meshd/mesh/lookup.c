/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/lookup.h"

#include "meshd/io/clock.h"
#include "meshd/io/logger.h"

#include <errno.h>
#include <string.h>

static void advance(struct lookup_name *name);

/* Taking over what a round found */

static bool is_named(const struct lookup *lookup, const struct cmi_endpoint *endpoint)
{
        for (uint32_t i = 0; i < lookup->n_names; i++) {
                if (dns_source_has(&lookup->names[i].source, endpoint)) {
                        return true;
                }
        }
        return false;
}

/* All of them each time: one that found no room, or gave way, has another chance. */
static void add_addresses(struct lookup_name *name, uint64_t now_ns)
{
        for (uint32_t i = 0; i < name->source.n_addresses; i++) {
                const struct dns_address *address = &name->source.addresses[i];
                int r = candidate_table_add(name->lookup->table, CANDIDATE_DNS, NULL,
                                &address->endpoint, now_ns);

                /* -ELOOP: a name that all nodes have names this one too. */
                if (r < 0 && r != -ELOOP && address->is_new) {
                        logger(LOGGER_WARNING, "dns.unusable",
                                        L_TEXT("name", name->source.name->text),
                                        L_ENDPOINT("address", &address->endpoint),
                                        L_TEXT("error", strerror(-r)));
                }
        }
}

static void withdraw_addresses(struct lookup_name *name)
{
        for (uint32_t i = 0; i < name->source.n_dropped; i++) {
                if (!is_named(name->lookup, &name->source.dropped[i])) {
                        candidate_table_withdraw(name->lookup->table, &name->source.dropped[i]);
                }
        }
}

static uint64_t count_new(const struct dns_source *source)
{
        uint64_t n = 0;

        for (uint32_t i = 0; i < source->n_addresses; i++) {
                n += source->addresses[i].is_new;
        }
        return n;
}

/* Once when it changes, and never between. */
static void tell(struct lookup_name *name)
{
        const struct dns_source *source = &name->source;
        uint64_t n_new = count_new(source);
        enum logger_level level = source->health == DNS_GOOD ? LOGGER_INFO : LOGGER_WARNING;

        if (source->health == name->told && n_new == 0 && source->n_dropped == 0) {
                return;
        }
        logger(source->health == name->told ? LOGGER_INFO : level, "dns.state",
                        L_TEXT("name", source->name->text),
                        L_TEXT("state", dns_health_text(source->health)),
                        L_UINT("addresses", source->n_addresses), L_UINT("new", n_new),
                        L_UINT("dropped", source->n_dropped), L_UINT("surplus", source->n_surplus),
                        L_TEXT("error", source->why[0] ? source->why : NULL));
        name->told = source->health;
}

static void take_over(struct lookup_name *name)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        name->n_rounds = name->source.n_rounds;
        withdraw_addresses(name);
        add_addresses(name, now_ns);
        tell(name);
        name->lookup->changed(name->lookup->context);
}

/* Timer */

static void on_timer(uv_timer_t *timer)
{
        struct lookup *lookup = timer->data;
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        for (uint32_t i = 0; i < lookup->n_names; i++) {
                dns_source_give_up(&lookup->names[i].source, now_ns);
                advance(&lookup->names[i]);
        }
}

static void arm(struct lookup *lookup)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);
        uint64_t due_ns = UINT64_MAX;

        for (uint32_t i = 0; i < lookup->n_names; i++) {
                uint64_t one_ns = dns_source_deadline(&lookup->names[i].source);

                due_ns = one_ns < due_ns ? one_ns : due_ns;
        }
        uv_update_time(&lookup->poller->uv);
        uv_timer_start(&lookup->timer, on_timer,
                        due_ns > now_ns ? (due_ns - now_ns) / CMI_NS_PER_MS + 1 : 0, 0);
}

/* Asks what is to be asked now, and ends a round that is over. */
static void advance(struct lookup_name *name)
{
        struct dns_question question;

        while (dns_source_next_question(&name->source, clock_read_ns(CLOCK_MONOTONIC), &question)) {
                resolver_ask(&name->resolver, &question);
        }
        if (!name->source.is_asking) {
                resolver_close(&name->resolver);
        }
        if (name->n_rounds != name->source.n_rounds) {
                take_over(name);
        }
        arm(name->lookup);
}

static void on_answered(void *context, uint32_t number, const struct dns_answer *answer)
{
        struct lookup_name *name = context;

        dns_source_answer(&name->source, number, answer, clock_read_ns(CLOCK_MONOTONIC));
}

static void on_progressed(void *context)
{
        advance(context);
}

/* Life */

void lookup_start(struct lookup *lookup, const struct config *config, uint64_t seed)
{
        uint64_t random = seed;

        uv_timer_init(&lookup->poller->uv, &lookup->timer);
        lookup->timer.data = lookup;
        lookup->n_names = config->n_dns;
        for (uint32_t i = 0; i < lookup->n_names; i++) {
                struct lookup_name *name = &lookup->names[i];

                name->lookup = lookup;
                name->resolver.poller = lookup->poller;
                name->resolver.server = &config->dns_server;
                name->resolver.answered = on_answered;
                name->resolver.progressed = on_progressed;
                name->resolver.context = name;
                resolver_init(&name->resolver);
                dns_source_init(&name->source, &config->dns[i], cmi_random_next(&random),
                                clock_read_ns(CLOCK_MONOTONIC));
        }
        if (lookup->n_names > 0) {
                arm(lookup);
        }
}

void lookup_write(const struct lookup *lookup, struct document *document, const char *key)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        document_open_array(document, key);
        for (uint32_t i = 0; i < lookup->n_names; i++) {
                const struct lookup_name *name = &lookup->names[i];
                const struct dns_source *source = &name->source;

                document_open_map(document, NULL);
                document_text(document, "name", source->name->text);
                document_text(document, "state", dns_health_text(source->health));
                document_text(document, "why", source->why);
                document_uint(document, "addresses", source->n_addresses);
                document_uint(document, "surplus", source->n_surplus);
                document_uint(document, "rounds", source->n_rounds);
                document_uint(document, "questions", name->resolver.n_questions);
                document_age_ms(document, "answered_ms", source->answered_ns, now_ns);
                document_close(document);
        }
        document_close(document);
}

void lookup_stop(struct lookup *lookup)
{
        for (uint32_t i = 0; i < lookup->n_names; i++) {
                resolver_close(&lookup->names[i].resolver);
                resolver_stop(&lookup->names[i].resolver);
        }
        uv_close((uv_handle_t *)&lookup->timer, NULL);
}
