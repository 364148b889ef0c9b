/* SPDX-License-Identifier: MIT */
#include "demo-app/json.h"

#include "demo-app/report.h"

#include <inttypes.h>
#include <string.h>

/* All text here is UTF-8 already: names are checked before they are stored. */
static void put_string(FILE *out, const char *text)
{
        fputc('"', out);
        for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
                if (*at < 0x20) {
                        fprintf(out, "\\u%04x", *at);
                } else {
                        if (*at == '"' || *at == '\\') {
                                fputc('\\', out);
                        }
                        fputc(*at, out);
                }
        }
        fputc('"', out);
}

static void put_member(FILE *out, const char *name, const char *text)
{
        fprintf(out, ",\"%s\":", name);
        put_string(out, text);
}

static void begin(const struct app *app, const struct answer *answer)
{
        fputs("{\"node\":", answer->out);
        put_string(answer->out, app->node);
}

static void begin_cached(const struct app *app, const struct answer *answer)
{
        begin(app, answer);
        put_member(answer->out, "cache", answer->cache);
        put_member(answer->out, "reason", answer->reason);
}

static void end(const struct answer *answer)
{
        fputs("}\n", answer->out);
}

void json_people(const struct app *app, struct answer *answer, const struct cache_answer *people)
{
        const struct store_person *rows = people->rows;

        begin_cached(app, answer);
        fputs(",\"people\":[", answer->out);
        for (size_t i = 0; i < people->n; i++) {
                fputs(i ? "," : "", answer->out);
                put_string(answer->out, rows[i].name);
        }
        fputc(']', answer->out);
        end(answer);
}

void json_nodes(const struct app *app, struct answer *answer, const struct cache_answer *nodes)
{
        const struct store_node *rows = nodes->rows;

        begin_cached(app, answer);
        fputs(",\"nodes\":[", answer->out);
        for (size_t i = 0; i < nodes->n; i++) {
                fputs(i ? ",{\"name\":" : "{\"name\":", answer->out);
                put_string(answer->out, rows[i].name);
                fprintf(answer->out, ",\"port\":%u}", rows[i].port);
        }
        fputc(']', answer->out);
        end(answer);
}

static void put_words(FILE *out, const char *words)
{
        const char *separator = "";

        while (*words) {
                size_t n = strcspn(words, " ");

                fprintf(out, "%s\"%.*s\"", separator, (int)n, words);
                separator = ",";
                words += n + (words[n] == ' ');
        }
}

static void put_folder(FILE *out, const struct store_folder *folder)
{
        fprintf(out, "{\"id\":%" PRId64 ",\"parent\":%" PRId64 ",\"depth\":%" PRIu32, folder->id,
                        folder->parent, folder->depth);
        put_member(out, "name", folder->name);
        put_member(out, "owner", folder->owner);
        fprintf(out, ",\"is_shared\":%s,\"shared_with\":[", folder->is_shared ? "true" : "false");
        put_words(out, folder->shared_with);
        fputs("]}", out);
}

void json_tree(const struct app *app, struct answer *answer, const char *person,
                const struct cache_answer *tree)
{
        const struct store_folder *folders = tree->rows;

        begin_cached(app, answer);
        put_member(answer->out, "person", person);
        fputs(",\"folders\":[", answer->out);
        for (size_t i = 0; i < tree->n; i++) {
                fputs(i ? "," : "", answer->out);
                put_folder(answer->out, &folders[i]);
        }
        fputc(']', answer->out);
        end(answer);
}

void json_status(const struct app *app, struct answer *answer)
{
        const char *reason;
        const char *mode = cache_mode(app->cache, &reason);
        struct cache_counts counts;

        cache_count(app->cache, &counts);
        begin(app, answer);
        put_member(answer->out, "mode", mode);
        put_member(answer->out, "reason", reason);
        fprintf(answer->out,
                        ",\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"entries\":%" PRIu64
                        ",\"bytes\":%" PRIu64,
                        counts.n_hits, counts.n_misses, counts.n_entries, counts.bytes);
        end(answer);
}

void json_change(const struct app *app, struct answer *answer, const struct store_change *change,
                const struct cache_report *report)
{
        begin(app, answer);
        fprintf(answer->out, ",\"folder\":%" PRId64, change->folder);
        put_member(answer->out, "told", report_word(report));
        fprintf(answer->out,
                        ",\"applied\":%" PRIu32 ",\"lapsed\":%" PRIu32 ",\"unconfirmed\":%" PRIu32
                        ",\"took_us\":%" PRIu32,
                        report->n_applied, report->n_lapsed, report->n_unconfirmed,
                        report->took_us);
        end(answer);
}

void json_error(const struct app *app, struct answer *answer, const char *text)
{
        begin_cached(app, answer);
        put_member(answer->out, "error", text);
        end(answer);
}

static const char *state_word(enum login_state state)
{
        switch (state) {
        case LOGIN_UNREAD:
        case LOGIN_NONE:
                return "none";
        case LOGIN_VISITOR:
                return "visitor";
        case LOGIN_PERSON:
                return "person";
        case LOGIN_ENDED:
                return "ended";
        case LOGIN_ELSEWHERE:
                return "elsewhere";
        case LOGIN_UNKNOWN:
                return "unknown";
        }
        return "unknown";
}

static uint64_t since(uint64_t later_ms, uint64_t earlier_ms)
{
        return later_ms > earlier_ms ? later_ms - earlier_ms : 0;
}

void json_session(const struct app *app, const struct request *request, struct answer *answer)
{
        const struct login *login = &request->login;
        uint64_t now_ms = login_now_ms();

        begin(app, answer);
        put_member(answer->out, "state", state_word(login->state));
        put_member(answer->out, "person", login->visit.person);
        put_member(answer->out, "token", login->visit.token);
        put_member(answer->out, "begun_on", login->visit.node);
        put_member(answer->out, "home", login->home);
        if (login->visit.token[0]) {
                fprintf(answer->out,
                                ",\"age_ms\":%" PRIu64 ",\"left_ms\":%" PRIu64
                                ",\"idle_ms\":%" PRIu64 ",\"copies\":%" PRIu32,
                                since(now_ms, login->visit.begin_ms),
                                since(login->session.end_ms, now_ms), login->session.idle_ms,
                                login->session.n_copies);
        }
        end(answer);
}

void json_left(const struct app *app, struct answer *answer, const char *word)
{
        begin(app, answer);
        put_member(answer->out, "left", word);
        end(answer);
}

void json_steps(const struct app *app, const struct request *request, struct answer *answer,
                const char *conflict)
{
        const struct visit *visit = &request->login.visit;

        begin(app, answer);
        fprintf(answer->out, ",\"step\":%" PRIu32 ",\"revision\":%" PRIu32, visit->form.step,
                        visit->form.revision);
        put_member(answer->out, "name", visit->form.name);
        put_member(answer->out, "with", visit->form.with);
        put_member(answer->out, "token", visit->token);
        if (conflict) {
                put_member(answer->out, "error", conflict);
        }
        end(answer);
}
