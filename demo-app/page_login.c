/* SPDX-License-Identifier: MIT */
#include "demo-app/page_login.h"

#include "demo-app/frame.h"
#include "demo-app/page.h"

#include <string.h>

static void put_choice(const struct app *app, const struct request *request, FILE *out)
{
        struct cache_answer people = {0};
        const struct store_person *rows;

        if (cache_people(app->cache, &people) != 0) {
                fputs("<p class=\"soft\">The list of people cannot be read just now.</p>", out);
                return;
        }
        rows = people.rows;
        fputs("<ul class=\"card\">", out);
        for (size_t i = 0; i < people.n; i++) {
                fputs("<li>", out);
                frame_button(out, request, "/login", "name", rows[i].name, rows[i].name);
                fputs("</li>", out);
        }
        if (people.n == 0) {
                fputs("<li class=\"soft\">Nobody yet.</li>", out);
        }
        fputs("</ul>", out);
        cache_release(&people);
}

void page_login(const struct app *app, const struct request *request, struct answer *answer)
{
        FILE *out = answer->out;

        frame_begin(app, request, out, "Log in", "/login");
        fputs("<h1>Log in</h1>", out);
        if (request->login.state == LOGIN_ELSEWHERE) {
                fputs("<p>A browser has one login. To log in here gives up the other one in this "
                      "browser, without ending it.</p>"
                      "<p><a href=\"/login?notice=here\">Log in here all the same</a></p>",
                                out);
        } else {
                fputs("<p>Who are you? There are no passwords: this shows what becomes of a "
                      "login.</p>",
                                out);
                put_choice(app, request, out);
                fputs("<h2>Not on the list?</h2>", out);
                page_person_form(request, out);
        }
        frame_end(out);
}

void page_still_in(const struct app *app, const struct request *request, struct answer *answer,
                const char *text)
{
        bool is_everywhere = strcmp(request->fields.where, "everywhere") == 0;
        FILE *out = answer->out;

        frame_begin(app, request, out, "Still logged in", "/");
        fprintf(out,
                        "<p class=\"answer bad\" role=\"alert\"><b>%u</b><span>Logging out did not "
                        "work: you may still be logged in. ",
                        answer->status);
        frame_text(out, text);
        fputs("</span></p><form method=\"post\" action=\"/logout\">"
              "<input type=\"hidden\" name=\"token\" value=\"",
                        out);
        frame_text(out, request->fields.token);
        fprintf(out,
                        "\"><input type=\"hidden\" name=\"where\" value=\"%s\">"
                        "<button>%s</button></form>",
                        is_everywhere ? "everywhere" : "",
                        is_everywhere ? "Log out everywhere" : "Log out");
        frame_end(out);
}
