/* SPDX-License-Identifier: MIT */
#include "discovery/dns_source.h"

#include "base/time.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#define START cmi_ms(9000)
#define WHY "out of order"

struct fixture {
        struct dns_name name;
        struct dns_source source;
        uint64_t now_ns;
};

static void begin(struct fixture *f, const char *text)
{
        g_assert_cmpint(dns_name_parse(text, &f->name), ==, DNS_NAME_OK);
        f->now_ns = START;
        dns_source_init(&f->source, &f->name, 7, f->now_ns);
}

static struct cmi_endpoint v4(uint32_t n)
{
        return (struct cmi_endpoint){4, 0, 0, {10, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

static struct cmi_endpoint v6(uint32_t n)
{
        return (struct cmi_endpoint){6, 0, 0, {0xfd, [15] = (uint8_t)n}};
}

static bool has(struct fixture *f, struct cmi_endpoint endpoint, uint16_t port)
{
        endpoint.port = port;
        return dns_source_has(&f->source, &endpoint);
}

/* The next question, which must be there. */
static struct dns_question ask(struct fixture *f, enum dns_type type, const char *name)
{
        struct dns_question question = {.number = UINT32_MAX};

        g_assert_cmpint(dns_source_next_question(&f->source, f->now_ns, &question), ==, 1);
        g_assert_cmpuint(question.type, ==, type);
        g_assert_cmpstr(question.name, ==, name);
        return question;
}

static void assert_silent(struct fixture *f)
{
        struct dns_question question;

        g_assert_cmpint(dns_source_next_question(&f->source, f->now_ns, &question), ==, 0);
}

static void tell(struct fixture *f, struct dns_question question,
                const struct cmi_endpoint *addresses, uint32_t n, uint32_t ttl_s)
{
        struct dns_answer answer = {.result = n > 0 ? DNS_FOUND : DNS_NOTHING,
                        .ttl_s = ttl_s,
                        .addresses = addresses,
                        .n_addresses = n};

        dns_source_answer(&f->source, question.number, &answer, f->now_ns);
}

static void fail(struct fixture *f, struct dns_question question)
{
        struct dns_answer answer = {.result = DNS_FAILED, .why = WHY};

        dns_source_answer(&f->source, question.number, &answer, f->now_ns);
}

static void tell_targets(struct fixture *f, const struct dns_target *targets, uint32_t n)
{
        struct dns_answer answer = {.result = DNS_FOUND, .targets = targets, .n_targets = n};

        dns_source_answer(&f->source, 0, &answer, f->now_ns);
}

/* Goes to the next round, and returns how long that took. */
static uint64_t wait_round(struct fixture *f)
{
        uint64_t before_ns = f->now_ns;

        g_assert_false(f->source.is_asking);
        f->now_ns = dns_source_deadline(&f->source) - 1;
        assert_silent(f);
        f->now_ns++;
        return f->now_ns - before_ns;
}

/* One whole round of a name of addresses. */
static void round_v4(
                struct fixture *f, const struct cmi_endpoint *addresses, uint32_t n, uint32_t ttl_s)
{
        struct dns_question a = ask(f, DNS_A, f->name.host);
        struct dns_question aaaa = ask(f, DNS_AAAA, f->name.host);

        tell(f, a, addresses, n, ttl_s);
        tell(f, aaaa, NULL, 0, 0);
        g_assert_false(f->source.is_asking);
}

static void both_families_are_asked_for_at_once_and_get_the_port(void)
{
        struct cmi_endpoint four[] = {v4(1), v4(2)}, six[] = {v6(3)};
        struct fixture f;
        struct dns_question a, aaaa;

        begin(&f, "mesh.example:7000");
        g_assert_cmpuint(dns_source_deadline(&f.source), ==, START);
        a = ask(&f, DNS_A, "mesh.example");
        aaaa = ask(&f, DNS_AAAA, "mesh.example");
        g_assert_false(a.is_complete);
        assert_silent(&f);
        tell(&f, aaaa, six, 1, 60);
        g_assert_cmpuint(f.source.health, ==, DNS_WAITING);
        tell(&f, a, four, 2, 60);
        g_assert_cmpuint(f.source.health, ==, DNS_GOOD);
        g_assert_cmpuint(f.source.n_addresses, ==, 3);
        g_assert_true(has(&f, v4(1), 7000) && has(&f, v4(2), 7000) && has(&f, v6(3), 7000));
        g_assert_true(f.source.addresses[0].is_new);
}

static void the_interval_is_the_ttl_within_bounds_and_jitter(void)
{
        static const struct {
                uint32_t ttl_s;
                uint64_t ms;
        } cases[] = {{0, 5000}, {3, 5000}, {17, 17000}, {30, 30000}, {86400, 30000},
                        {UINT32_MAX, 30000}};
        struct cmi_endpoint address = v4(1);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint64_t least_ns = UINT64_MAX, most_ns = 0;
                struct fixture f;

                begin(&f, "mesh.example:7000");
                for (int j = 0; j < 400; j++) {
                        uint64_t gap_ns;

                        round_v4(&f, &address, 1, cases[i].ttl_s);
                        gap_ns = wait_round(&f);
                        least_ns = MIN(least_ns, gap_ns);
                        most_ns = MAX(most_ns, gap_ns);
                }
                g_assert_cmpuint(most_ns, <=, cmi_ms(cases[i].ms));
                g_assert_cmpuint(most_ns, >, cmi_ms(cases[i].ms) / 100 * 97);
                g_assert_cmpuint(least_ns, >=, cmi_ms(cases[i].ms) / 4 * 3);
                g_assert_cmpuint(least_ns, <, cmi_ms(cases[i].ms) / 100 * 78);
        }
}

static void a_changed_answer_tells_what_is_new_and_what_is_dropped(void)
{
        struct cmi_endpoint before[] = {v4(1), v4(2)}, after[] = {v4(2), v4(3)};
        struct fixture f;

        begin(&f, "mesh.example:7000");
        round_v4(&f, before, 2, 30);
        g_assert_cmpuint(f.source.n_dropped, ==, 0);
        wait_round(&f);
        round_v4(&f, after, 2, 30);
        g_assert_cmpuint(f.source.n_dropped, ==, 1);
        g_assert_cmpuint(f.source.dropped[0].address[3], ==, 1);
        g_assert_cmpuint(f.source.n_addresses, ==, 2);
        g_assert_false(f.source.addresses[0].is_new);
        g_assert_true(f.source.addresses[1].is_new);
}

static void a_failure_keeps_what_is_known_and_an_answer_ends_it(void)
{
        struct cmi_endpoint address = v4(1), other = v4(2);
        struct fixture f;

        begin(&f, "mesh.example:7000");
        round_v4(&f, &address, 1, 30);
        wait_round(&f);
        fail(&f, ask(&f, DNS_A, f.name.host));
        tell(&f, ask(&f, DNS_AAAA, f.name.host), NULL, 0, 0);
        g_assert_cmpuint(f.source.health, ==, DNS_FAILING);
        g_assert_cmpstr(f.source.why, ==, WHY);
        g_assert_true(has(&f, v4(1), 7000));
        g_assert_true(f.source.addresses[0].is_kept);
        g_assert_cmpuint(f.source.n_dropped, ==, 0);
        wait_round(&f);
        round_v4(&f, &other, 1, 30);
        g_assert_cmpuint(f.source.health, ==, DNS_GOOD);
        g_assert_cmpstr(f.source.why, ==, "");
        g_assert_false(has(&f, v4(1), 7000));
        g_assert_cmpuint(f.source.n_dropped, ==, 1);
}

/* Some servers cannot speak of AAAA at all: nobody should hear of it for ever. */
static void a_family_that_fails_and_never_had_an_address_does_not_count(void)
{
        struct cmi_endpoint before[] = {v4(1), v4(2)};
        struct fixture f;

        begin(&f, "mesh.example:7000");
        for (uint32_t n = 2; n > 0; n--) {
                tell(&f, ask(&f, DNS_A, f.name.host), before, n, 30);
                fail(&f, ask(&f, DNS_AAAA, f.name.host));
                g_assert_cmpuint(f.source.health, ==, DNS_GOOD);
                g_assert_cmpuint(f.source.n_addresses, ==, n);
                wait_round(&f);
        }
}

static void a_name_without_addresses_is_an_answer(void)
{
        struct cmi_endpoint address = v4(1);
        struct fixture f;

        begin(&f, "mesh.example:7000");
        round_v4(&f, &address, 1, 30);
        wait_round(&f);
        round_v4(&f, NULL, 0, 0);
        g_assert_cmpuint(f.source.health, ==, DNS_EMPTY);
        g_assert_cmpuint(f.source.n_addresses, ==, 0);
        g_assert_cmpuint(f.source.n_dropped, ==, 1);
}

static void pauses_after_failures_grow_to_half_a_minute(void)
{
        uint64_t ms = DNS_PAUSE_FIRST_MS;
        struct cmi_endpoint address = v4(1);
        struct fixture f;

        begin(&f, "mesh.example:7000");
        for (int i = 0; i < 12; i++) {
                uint64_t gap_ns;

                fail(&f, ask(&f, DNS_A, f.name.host));
                fail(&f, ask(&f, DNS_AAAA, f.name.host));
                g_assert_cmpuint(f.source.health, ==, DNS_FAILING);
                gap_ns = wait_round(&f);
                g_assert_cmpuint(gap_ns, <=, cmi_ms(ms));
                g_assert_cmpuint(gap_ns, >=, cmi_ms(ms) / 4 * 3);
                ms = MIN(2 * ms, DNS_INTERVAL_MAX_MS);
        }
        g_assert_cmpuint(ms, ==, DNS_INTERVAL_MAX_MS);
        round_v4(&f, &address, 1, 30);
        wait_round(&f);
        round_v4(&f, NULL, 0, 0);
        g_assert_cmpuint(wait_round(&f), <=, cmi_ms(DNS_PAUSE_FIRST_MS));
}

static void a_service_leads_to_its_hosts_with_their_ports(void)
{
        static const struct dns_target targets[] = {
                        {"h1.example", 1}, {"H1.example", 1}, {"h1.example", 2}, {"h2.example", 1}};
        struct cmi_endpoint one = v4(1), two = v6(2);
        struct dns_question question;
        struct fixture f;

        begin(&f, "mesh.example");
        ask(&f, DNS_SRV, "_cachemesh._tcp.mesh.example");
        assert_silent(&f);
        tell_targets(&f, targets, 4);
        for (int i = 0; i < 2; i++) {
                question = ask(&f, DNS_A, "h1.example");
                g_assert_true(question.is_complete);
                tell(&f, question, &one, 1, 30);
                tell(&f, ask(&f, DNS_AAAA, "h1.example"), NULL, 0, 0);
        }
        tell(&f, ask(&f, DNS_A, "h2.example"), NULL, 0, 0);
        g_assert_true(f.source.is_asking);
        tell(&f, ask(&f, DNS_AAAA, "h2.example"), &two, 1, 30);
        g_assert_false(f.source.is_asking);
        g_assert_cmpuint(f.source.health, ==, DNS_GOOD);
        g_assert_cmpuint(f.source.n_addresses, ==, 3);
        g_assert_true(has(&f, v4(1), 1) && has(&f, v4(1), 2) && has(&f, v6(2), 1));
}

static void hosts_of_a_service_that_do_not_exist_cost_nothing(void)
{
        static const struct dns_target target = {"missing.example", 1};
        struct fixture f;

        begin(&f, "_x._tcp.example");
        ask(&f, DNS_SRV, "_x._tcp.example");
        tell_targets(&f, &target, 1);
        tell(&f, ask(&f, DNS_A, "missing.example"), NULL, 0, 0);
        tell(&f, ask(&f, DNS_AAAA, "missing.example"), NULL, 0, 0);
        g_assert_cmpuint(f.source.health, ==, DNS_EMPTY);
        wait_round(&f);
        ask(&f, DNS_SRV, "_x._tcp.example");
        tell_targets(&f, NULL, 0);
        g_assert_cmpuint(f.source.health, ==, DNS_EMPTY);
        g_assert_false(f.source.is_asking);
}

static void without_the_service_the_name_itself_is_asked_for(void)
{
        struct cmi_endpoint address = v4(1);
        struct dns_answer nothing = {.result = DNS_NOTHING};
        struct dns_question question;
        struct fixture f;

        begin(&f, "mesh.example");
        ask(&f, DNS_SRV, "_cachemesh._tcp.mesh.example");
        dns_source_answer(&f.source, 0, &nothing, f.now_ns);
        question = ask(&f, DNS_A, "mesh.example");
        g_assert_false(question.is_complete);
        tell(&f, question, &address, 1, 30);
        tell(&f, ask(&f, DNS_AAAA, "mesh.example"), NULL, 0, 0);
        g_assert_true(has(&f, v4(1), DNS_PORT));
        /* Then its servers fail: what it led to stays, of any family. */
        wait_round(&f);
        fail(&f, ask(&f, DNS_SRV, "_cachemesh._tcp.mesh.example"));
        g_assert_cmpuint(f.source.health, ==, DNS_FAILING);
        g_assert_true(has(&f, v4(1), DNS_PORT));
        assert_silent(&f);
}

static void the_first_64_addresses_count_and_stay_when_the_order_changes(void)
{
        struct cmi_endpoint all[200], turned[200];
        struct fixture f;

        for (uint32_t i = 0; i < 200; i++) {
                all[i] = v4(i + 1);
                turned[(i + 100) % 200] = v4(i + 1);
        }
        begin(&f, "mesh.example:7000");
        round_v4(&f, all, 200, 30);
        g_assert_cmpuint(f.source.n_addresses, ==, DNS_ADDRESSES_MAX);
        g_assert_cmpuint(f.source.n_surplus, ==, 200 - DNS_ADDRESSES_MAX);
        g_assert_cmpuint(f.source.health, ==, DNS_GOOD);
        wait_round(&f);
        round_v4(&f, turned, 200, 30);
        g_assert_cmpuint(f.source.n_dropped, ==, 0);
        g_assert_true(has(&f, v4(1), 7000) && has(&f, v4(64), 7000));
}

static void of_too_many_hosts_the_first_64_are_asked_for_eight_questions_at_a_time(void)
{
        struct dns_target targets[DNS_TARGETS_MAX + 10] = {0};
        struct dns_question running[DNS_RUNNING_MAX];
        uint32_t n_questions = 0;
        struct fixture f;

        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                snprintf(targets[i].host, sizeof(targets[i].host), "h%zu.example", i);
                targets[i].port = 1;
        }
        begin(&f, "_x._tcp.example");
        ask(&f, DNS_SRV, "_x._tcp.example");
        tell_targets(&f, targets, G_N_ELEMENTS(targets));
        while (f.source.is_asking) {
                uint32_t n = 0;

                while (n < DNS_RUNNING_MAX &&
                                dns_source_next_question(&f.source, f.now_ns, &running[n])) {
                        n++;
                }
                assert_silent(&f);
                n_questions += n;
                for (uint32_t i = 0; i < n; i++) {
                        struct cmi_endpoint address = v4(running[i].number);

                        tell(&f, running[i], &address, 1, 30);
                }
        }
        g_assert_cmpuint(n_questions, ==, 2 * DNS_TARGETS_MAX);
        g_assert_cmpuint(f.source.n_addresses, ==, DNS_ADDRESSES_MAX);
        g_assert_cmpuint(f.source.n_surplus, ==, 10 + DNS_TARGETS_MAX);
}

static void a_round_that_takes_too_long_has_failed_and_late_answers_are_ignored(void)
{
        struct cmi_endpoint before[] = {v4(1), v4(2)}, six = v6(1), late = v4(9);
        struct dns_question a;
        struct fixture f;

        begin(&f, "mesh.example:7000");
        round_v4(&f, before, 2, 30);
        wait_round(&f);
        a = ask(&f, DNS_A, f.name.host);
        tell(&f, ask(&f, DNS_AAAA, f.name.host), &six, 1, 30);
        f.now_ns = dns_source_deadline(&f.source) - 1;
        g_assert_false(dns_source_give_up(&f.source, f.now_ns));
        f.now_ns++;
        g_assert_cmpuint(f.now_ns, >=, cmi_ms(DNS_ROUND_MAX_MS));
        g_assert_true(dns_source_give_up(&f.source, f.now_ns));
        g_assert_false(dns_source_give_up(&f.source, f.now_ns));
        g_assert_cmpuint(f.source.health, ==, DNS_FAILING);
        g_assert_cmpstr(f.source.why, ==, DNS_TOO_LATE);
        g_assert_cmpuint(f.source.n_addresses, ==, 3);
        tell(&f, a, &late, 1, 30);
        g_assert_cmpuint(f.source.n_addresses, ==, 3);
        g_assert_false(has(&f, v4(9), 7000));
}

static void answers_to_nothing_that_was_asked_are_ignored(void)
{
        struct cmi_endpoint address = v4(1);
        struct dns_question question = {.number = 1};
        struct fixture f;

        begin(&f, "mesh.example:7000");
        tell(&f, question, &address, 1, 30);
        g_assert_cmpuint(f.source.n_rounds, ==, 0);
        question = ask(&f, DNS_A, f.name.host);
        tell(&f, question, &address, 1, 30);
        tell(&f, question, &address, 1, 30);
        question.number = 2; /* not asked yet */
        tell(&f, question, &address, 1, 30);
        question.number = UINT32_MAX;
        tell(&f, question, &address, 1, 30);
        g_assert_true(f.source.is_asking);
        g_assert_cmpuint(f.source.n_running, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name, f) g_test_add_func("/dns_source/" name, f)
        CASE("families", both_families_are_asked_for_at_once_and_get_the_port);
        CASE("interval", the_interval_is_the_ttl_within_bounds_and_jitter);
        CASE("changed", a_changed_answer_tells_what_is_new_and_what_is_dropped);
        CASE("failure", a_failure_keeps_what_is_known_and_an_answer_ends_it);
        CASE("no_aaaa", a_family_that_fails_and_never_had_an_address_does_not_count);
        CASE("empty", a_name_without_addresses_is_an_answer);
        CASE("pauses", pauses_after_failures_grow_to_half_a_minute);
        CASE("service", a_service_leads_to_its_hosts_with_their_ports);
        CASE("missing", hosts_of_a_service_that_do_not_exist_cost_nothing);
        CASE("no_service", without_the_service_the_name_itself_is_asked_for);
        CASE("many", the_first_64_addresses_count_and_stay_when_the_order_changes);
        CASE("many_hosts", of_too_many_hosts_the_first_64_are_asked_for_eight_questions_at_a_time);
        CASE("late", a_round_that_takes_too_long_has_failed_and_late_answers_are_ignored);
        CASE("stray", answers_to_nothing_that_was_asked_are_ignored);
        return g_test_run();
}
