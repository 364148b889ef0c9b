/* SPDX-License-Identifier: MIT */
#include "discovery/dns_source.h"

#include "base/time.h"

#include <string.h>
#include <strings.h>

void dns_source_init(struct dns_source *source, const struct dns_name *name, uint64_t seed,
                uint64_t now_ns)
{
        *source = (struct dns_source){
                        .name = name,
                        .random = seed,
                        .why = "",
                        .due_ns = now_ns,
        };
}

bool dns_source_has(const struct dns_source *source, const struct cmi_endpoint *endpoint)
{
        for (uint32_t i = 0; i < source->n_addresses; i++) {
                if (cmi_endpoint_equal(&source->addresses[i].endpoint, endpoint)) {
                        return true;
                }
        }
        return false;
}

/* A round */

static void add_target(struct dns_source *source, const struct dns_target *target)
{
        for (uint32_t i = 0; i < source->n_targets; i++) {
                if (source->targets[i].port == target->port &&
                                strcasecmp(source->targets[i].host, target->host) == 0) {
                        return;
                }
        }
        if (source->n_targets == DNS_TARGETS_MAX) {
                source->n_left_out++;
                return;
        }
        source->targets[source->n_targets++] = *target;
        source->n_questions += 2;
}

/* The name itself is the only host. */
static void target_self(struct dns_source *source)
{
        struct dns_target self = {.port = source->name->port};

        memcpy(self.host, source->name->host, sizeof(self.host));
        add_target(source, &self);
}

static bool has_service(const struct dns_source *source)
{
        return source->name->service[0] != '\0';
}

static void begin(struct dns_source *source, uint64_t now_ns)
{
        source->is_asking = true;
        source->begun_ns = now_ns;
        source->n_questions = 1;
        source->n_asked = has_service(source) ? 0 : 1;
        source->n_running = 0;
        memset(source->is_running, 0, sizeof(source->is_running));
        memset(source->is_failed, 0, sizeof(source->is_failed));
        source->failure = NULL;
        source->ttl_s = UINT32_MAX;
        source->n_targets = 0;
        source->n_found = 0;
        source->n_left_out = 0;
        if (!has_service(source)) {
                target_self(source);
        }
}

int dns_source_next_question(
                struct dns_source *source, uint64_t now_ns, struct dns_question *ret_question)
{
        struct dns_question question = {.type = DNS_SRV, .name = source->name->service};
        uint32_t host;

        if (!source->is_asking && now_ns >= source->due_ns) {
                begin(source, now_ns);
        }
        if (!source->is_asking || source->n_asked == source->n_questions ||
                        source->n_running == DNS_RUNNING_MAX) {
                return 0;
        }
        question.number = source->n_asked++;
        if (question.number > 0) {
                host = (question.number - 1) / 2;
                question.type = question.number % 2 == 1 ? DNS_A : DNS_AAAA;
                question.name = source->targets[host].host;
                question.is_complete = strcmp(question.name, source->name->host) != 0;
        }
        source->is_running[question.number] = true;
        source->n_running++;
        *ret_question = question;
        return 1;
}

/* What it makes of the answers */

static bool is_found(const struct dns_source *source, const struct cmi_endpoint *endpoint)
{
        for (uint32_t i = 0; i < source->n_found; i++) {
                if (cmi_endpoint_equal(&source->found[i], endpoint)) {
                        return true;
                }
        }
        return false;
}

static void find(struct dns_source *source, const struct cmi_endpoint *endpoint)
{
        if (is_found(source, endpoint)) {
                return;
        }
        if (source->n_found < DNS_ADDRESSES_MAX) {
                source->found[source->n_found++] = *endpoint;
        } else {
                source->n_left_out++;
        }
}

/* Those that are known come first: of too many addresses, in another order each time, the same ones
 * count. */
static void take_addresses(
                struct dns_source *source, uint16_t port, const struct dns_answer *answer)
{
        for (int pass = 0; pass < 2; pass++) {
                for (uint32_t i = 0; i < answer->n_addresses; i++) {
                        struct cmi_endpoint endpoint = answer->addresses[i];

                        endpoint.port = port;
                        if (dns_source_has(source, &endpoint) == (pass == 0)) {
                                find(source, &endpoint);
                        }
                }
        }
        if (answer->n_addresses > 0 && answer->ttl_s < source->ttl_s) {
                source->ttl_s = answer->ttl_s;
        }
}

static void take(struct dns_source *source, uint32_t number, const struct dns_answer *answer)
{
        uint8_t type = number == 0 ? DNS_SRV : number % 2 == 1 ? DNS_A : DNS_AAAA;

        if (answer->result == DNS_FAILED) {
                source->is_failed[type] = true;
                source->failure = source->failure ? source->failure : answer->why;
        } else if (type != DNS_SRV) {
                take_addresses(source, source->targets[(number - 1) / 2].port, answer);
        } else if (answer->result == DNS_FOUND) {
                for (uint32_t i = 0; i < answer->n_targets; i++) {
                        add_target(source, &answer->targets[i]);
                }
        } else if (source->name->host[0]) {
                target_self(source);
        }
}

/* The end of a round */

static bool is_to_keep(const struct dns_source *source, const struct cmi_endpoint *endpoint)
{
        return source->is_failed[DNS_SRV] ||
               source->is_failed[endpoint->family == 4 ? DNS_A : DNS_AAAA];
}

/* Return: how many stay though no answer names them. */
static uint32_t replace(struct dns_source *source)
{
        struct dns_address after[DNS_ADDRESSES_MAX];
        uint32_t n_kept = 0;
        uint32_t n = 0;

        for (uint32_t i = 0; i < source->n_found; i++) {
                bool is_new = !dns_source_has(source, &source->found[i]);

                after[n++] = (struct dns_address){source->found[i], .is_new = is_new};
        }
        source->n_dropped = 0;
        for (uint32_t i = 0; i < source->n_addresses; i++) {
                const struct cmi_endpoint *endpoint = &source->addresses[i].endpoint;

                if (is_found(source, endpoint)) {
                        continue;
                }
                if (is_to_keep(source, endpoint) && n < DNS_ADDRESSES_MAX) {
                        after[n++] = (struct dns_address){*endpoint, .is_kept = true};
                        n_kept++;
                } else {
                        source->dropped[source->n_dropped++] = *endpoint;
                }
        }
        memcpy(source->addresses, after, n * sizeof(*after));
        source->n_addresses = n;
        return n_kept;
}

static uint8_t judge(const struct dns_source *source, uint32_t n_kept)
{
        if (n_kept > 0 || (source->n_addresses == 0 && source->failure)) {
                return DNS_FAILING;
        }
        return source->n_addresses > 0 ? DNS_GOOD : DNS_EMPTY;
}

static uint64_t pause_ms(const struct dns_source *source)
{
        uint64_t ms = DNS_PAUSE_FIRST_MS;

        if (source->health == DNS_GOOD) {
                ms = (uint64_t)source->ttl_s * 1000;
                ms = ms > DNS_INTERVAL_MIN_MS ? ms : DNS_INTERVAL_MIN_MS;
        }
        for (uint32_t i = 1; i < source->n_failures && ms < DNS_INTERVAL_MAX_MS; i++) {
                ms *= 2;
        }
        return ms < DNS_INTERVAL_MAX_MS ? ms : DNS_INTERVAL_MAX_MS;
}

static void end_round(struct dns_source *source, uint64_t now_ns)
{
        uint32_t n_kept = replace(source);
        uint64_t pause_ns;

        source->health = judge(source, n_kept);
        source->why = source->health == DNS_FAILING ? source->failure : "";
        source->n_surplus = source->n_left_out;
        source->is_asking = false;
        source->n_rounds++;
        if (source->health == DNS_GOOD) {
                source->n_failures = 0;
        } else if (source->n_failures < UINT32_MAX) {
                source->n_failures++;
        }
        if (source->health != DNS_FAILING) {
                source->answered_ns = now_ns;
        }
        pause_ns = cmi_ms(pause_ms(source));
        source->due_ns = now_ns + pause_ns - cmi_random_up_to(&source->random, pause_ns / 4);
}

void dns_source_answer(struct dns_source *source, uint32_t number, const struct dns_answer *answer,
                uint64_t now_ns)
{
        if (!source->is_asking || number >= source->n_asked || !source->is_running[number]) {
                return;
        }
        source->is_running[number] = false;
        source->n_running--;
        take(source, number, answer);
        if (source->n_running == 0 && source->n_asked == source->n_questions) {
                end_round(source, now_ns);
        }
}

bool dns_source_give_up(struct dns_source *source, uint64_t now_ns)
{
        static const struct dns_answer late = {.result = DNS_FAILED, .why = DNS_TOO_LATE};

        if (!source->is_asking || now_ns < dns_source_deadline(source)) {
                return false;
        }
        for (uint32_t i = has_service(source) ? 0 : 1; i < source->n_questions; i++) {
                if (source->is_running[i] || i >= source->n_asked) {
                        take(source, i, &late);
                }
        }
        end_round(source, now_ns);
        return true;
}

uint64_t dns_source_deadline(const struct dns_source *source)
{
        return source->is_asking ? source->begun_ns + cmi_ms(DNS_ROUND_MAX_MS) : source->due_ns;
}

const char *dns_health_text(int health)
{
        switch ((enum dns_health)health) {
        case DNS_WAITING:
                return "waiting";
        case DNS_GOOD:
                return "good";
        case DNS_EMPTY:
                return "empty";
        case DNS_FAILING:
                return "failing";
        }
        return "unknown";
}
