/* SPDX-License-Identifier: MIT */
#include "demo-app/frame.h"

#include "demo-app/report.h"
#include "demo-app/style.h"

#include <inttypes.h>
#include <string.h>

void frame_text(FILE *out, const char *text)
{
        for (; *text; text++) {
                switch (*text) {
                case '&':
                        fputs("&amp;", out);
                        break;
                case '<':
                        fputs("&lt;", out);
                        break;
                case '>':
                        fputs("&gt;", out);
                        break;
                case '"':
                        fputs("&quot;", out);
                        break;
                case '\'':
                        fputs("&#39;", out);
                        break;
                default:
                        fputc(*text, out);
                }
        }
}

/* The same page on the other nodes. @path is made of names that need no escaping. */
static void put_nodes(const struct app *app, FILE *out, const char *path)
{
        struct cache_answer nodes;
        const struct store_node *rows;

        if (cache_nodes(app->cache, &nodes) != 0) {
                return;
        }
        rows = nodes.rows;
        fputs("<nav aria-label=\"nodes\"><span class=\"label\">This page on</span>", out);
        for (size_t i = 0; i < nodes.n; i++) {
                bool is_self = strcmp(rows[i].name, app->node) == 0;

                fprintf(out, "<a class=\"pill%s\"%s href=\"http://127.0.0.1:%u%s\">",
                                is_self ? " on" : "", is_self ? " aria-current=\"true\"" : "",
                                rows[i].port, path);
                frame_text(out, rows[i].name);
                fputs("</a>", out);
        }
        fputs("</nav>", out);
        cache_release(&nodes);
}

void frame_token(FILE *out, const struct request *request)
{
        if (request->login.visit.token[0]) {
                fprintf(out, "<input type=\"hidden\" name=\"token\" value=\"%s\">",
                                request->login.visit.token);
        }
}

void frame_button(FILE *out, const struct request *request, const char *path, const char *name,
                const char *value, const char *label)
{
        fprintf(out, "<form method=\"post\" action=\"%s\">", path);
        frame_token(out, request);
        if (name) {
                fprintf(out, "<input type=\"hidden\" name=\"%s\" value=\"%s\">", name, value);
        }
        fprintf(out, "<button>%s</button></form>", label);
}

/* A time as people say it, rounded down. */
static void put_span(FILE *out, uint64_t ms)
{
        uint64_t s = ms / 1000;

        if (s < 60) {
                fprintf(out, "%" PRIu64 " s", s);
        } else if (s < 3600) {
                fprintf(out, "%" PRIu64 " min", s / 60);
        } else {
                fprintf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
        }
}

static uint64_t since(uint64_t later_ms, uint64_t earlier_ms)
{
        return later_ms > earlier_ms ? later_ms - earlier_ms : 0;
}

static void put_person(const struct app *app, const struct request *request, FILE *out)
{
        const struct login *login = &request->login;
        uint64_t now_ms = login_now_ms();

        fprintf(out,
                        "<div class=\"login in\"><span>Logged in as <a href=\"/people/%s\">"
                        "<b>%s</b></a> for ",
                        login->visit.person, login->visit.person);
        put_span(out, since(now_ms, login->visit.begin_ms));
        fputs(", over in ", out);
        put_span(out, since(login->session.end_ms, now_ms));
        if (login_end_ms(login) < login->session.end_ms) {
                fputs(" or when not used for ", out);
                put_span(out, login->session.idle_ms);
        }
        fputs(". Begun on ", out);
        frame_text(out, login->visit.node);
        fputs(", answered by ", out);
        frame_text(out, app->node);
        fputs(".</span><a href=\"/steps\">New folder in three steps</a>", out);
        frame_button(out, request, "/logout", NULL, NULL, "Log out");
        frame_button(out, request, "/logout", "where", "everywhere", "Log out everywhere");
        fputs("</div>", out);
}

static void put_ended(const struct request *request, FILE *out)
{
        uint64_t known_ms = request->known_end_ms;

        fputs("<div class=\"login over\" role=\"status\"><span>", out);
        if (known_ms && known_ms <= login_now_ms()) {
                fputs("<b>Your login has expired</b>: it was not used for too long, or its time "
                      "was over.",
                                out);
        } else {
                fputs("<b>Your login was ended</b>: by a logout in another window or browser, or "
                      "because meshd of this node was restarted.",
                                out);
        }
        fputs("</span><a href=\"/login\">Log in</a></div>", out);
}

/* Where a node answers, if it is known. */
static void put_home(const struct app *app, FILE *out, const char *home)
{
        struct cache_answer nodes;
        const struct store_node *rows;

        if (cache_nodes(app->cache, &nodes) != 0) {
                return;
        }
        rows = nodes.rows;
        for (size_t i = 0; i < nodes.n; i++) {
                if (strcmp(rows[i].name, home) == 0) {
                        fprintf(out, " <a href=\"http://127.0.0.1:%u/\">Go there</a>",
                                        rows[i].port);
                }
        }
        cache_release(&nodes);
}

static void put_elsewhere(const struct app *app, const struct request *request, FILE *out)
{
        fputs("<div class=\"login over\" role=\"status\"><span>You have logged in on <b>", out);
        frame_text(out, request->login.home);
        fputs("</b>, and this node does not know that login.", out);
        put_home(app, out, request->login.home);
        fputs("</span><a href=\"/login\">Log in here</a></div>", out);
}

static void put_unknown(const struct request *request, FILE *out)
{
        fputs("<div class=\"login over\" role=\"status\"><span><b>Who you are cannot be told just "
              "now.</b> ",
                        out);
        frame_text(out, login_outcome_text(request->login.outcome));
        fputs(" Reading goes on.</span></div>", out);
}

/* Who is logged in, and until when. */
static void put_login(const struct app *app, const struct request *request, FILE *out)
{
        switch (request->login.state) {
        case LOGIN_UNREAD:
                if (!app->logins) {
                        fputs("<div class=\"login\"><span>This app does without logins: whoever "
                              "you look as, you are.</span></div>",
                                        out);
                }
                return;
        case LOGIN_NONE:
        case LOGIN_VISITOR:
                fputs("<div class=\"login\"><span>Not logged in.</span>"
                      "<a href=\"/login\">Log in</a></div>",
                                out);
                return;
        case LOGIN_PERSON:
                put_person(app, request, out);
                return;
        case LOGIN_ENDED:
                put_ended(request, out);
                return;
        case LOGIN_ELSEWHERE:
                put_elsewhere(app, request, out);
                return;
        case LOGIN_UNKNOWN:
                put_unknown(request, out);
                return;
        }
}

const char *frame_notice_text(const char *word)
{
        static const struct {
                const char *word;
                const char *text;
        } texts[] = {{"logged-in", "You are logged in."},
                        {"logged-out", "You are logged out. Your old cookie is worth nothing."},
                        {"logged-out-pending",
                                        "You are logged out here; the other nodes will learn it."},
                        {"logged-out-everywhere", "You are logged out everywhere."},
                        {"logged-out-here",
                                        "All your logins on this node are over. Other nodes were "
                                        "neither asked nor told: log out there as well."}};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                if (strcmp(texts[i].word, word) == 0) {
                        return texts[i].text;
                }
        }
        return NULL;
}

static void put_notice(const struct request *request, FILE *out)
{
        const char *text = frame_notice_text(request->notice);
        struct cache_report report;
        bool is_report = report_unpack(request->notice, &report);

        if (!text && !is_report) {
                return;
        }
        fputs("<p class=\"notice\" role=\"status\">", out);
        if (text) {
                fputs(text, out);
        } else {
                report_describe(out, &report);
        }
        fputs("</p>", out);
}

void frame_begin(const struct app *app, const struct request *request, FILE *out, const char *title,
                const char *path)
{
        fputs("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
              "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
                        out);
        frame_text(out, title);
        fputs(" \xc2\xb7 ", out);
        frame_text(out, app->node);
        fprintf(out,
                        "</title><link rel=\"icon\" href=\"data:,\"><style>%s</style></head><body>"
                        "<header class=\"top\"><a class=\"brand\" href=\"/\">cachemesh demo</a>",
                        style_sheet);
        put_nodes(app, out, path);
        fputs("</header>", out);
        put_login(app, request, out);
        fputs("<main>", out);
        put_notice(request, out);
}

void frame_end(FILE *out)
{
        fputs("</main><footer>Reload to see what this node has now.</footer></body></html>\n", out);
}
