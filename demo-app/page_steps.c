/* SPDX-License-Identifier: MIT */
#include "demo-app/page_steps.h"

#include "demo-app/frame.h"
#include "demo-app/steps.h"

#include <inttypes.h>
#include <string.h>

static const char *const titles[VISIT_STEPS] = {"Name", "Share", "Do it"};

static void begin_form(FILE *out, const struct request *request, uint32_t step)
{
        fputs("<form class=\"steps\" method=\"post\" action=\"/steps\">", out);
        frame_token(out, request);
        fprintf(out,
                        "<input type=\"hidden\" name=\"revision\" value=\"%" PRIu32 "\">"
                        "<input type=\"hidden\" name=\"step\" value=\"%" PRIu32 "\">",
                        request->login.visit.form.revision, step);
}

static void put_buttons(FILE *out, uint32_t step, const char *label)
{
        fprintf(out, "<button name=\"go\" value=\"next\">%s</button>", label);
        if (step > 1) {
                fputs("<button name=\"go\" value=\"back\" formnovalidate>Back</button>"
                      "<button class=\"stop\" name=\"go\" value=\"again\" formnovalidate>Begin anew"
                      "</button>",
                                out);
        }
        fputs("</form>", out);
}

static void put_progress(FILE *out, uint32_t step)
{
        fputs("<ol class=\"progress\">", out);
        for (uint32_t i = 1; i <= VISIT_STEPS; i++) {
                fprintf(out, "<li class=\"pill%s\"%s>%" PRIu32 " %s</li>", i == step ? " on" : "",
                                i == step ? " aria-current=\"step\"" : "", i, titles[i - 1]);
        }
        fputs("</ol>", out);
}

static void put_name(FILE *out, const struct request *request, const char *value)
{
        begin_form(out, request, 1);
        fprintf(out,
                        "<label>Name of the folder <input name=\"name\" required maxlength=\"%d\" "
                        "value=\"",
                        NAME_FOLDER_MAX);
        frame_text(out, value);
        fputs("\"></label>", out);
        put_buttons(out, 1, "Next");
}

static void put_share(const struct app *app, FILE *out, const struct request *request)
{
        const struct visit *visit = &request->login.visit;
        struct cache_answer people = {0};
        const struct store_person *rows;

        if (cache_people(app->cache, &people) != 0) {
                people = (struct cache_answer){0};
        }
        rows = people.rows;
        begin_form(out, request, 2);
        fputs("<label>Share it with <select name=\"with\"><option value=\"\">nobody</option>", out);
        for (size_t i = 0; i < people.n; i++) {
                bool is_chosen = strcmp(rows[i].name, visit->form.with) == 0;

                if (strcmp(rows[i].name, visit->person) != 0) {
                        fprintf(out, "<option%s>%s</option>", is_chosen ? " selected" : "",
                                        rows[i].name);
                }
        }
        fputs("</select></label>", out);
        put_buttons(out, 2, "Next");
        cache_release(&people);
}

static void put_row(FILE *out, const char *label, const char *value, const char *otherwise)
{
        fprintf(out, "<tr><td>%s</td><td>", label);
        frame_text(out, value[0] ? value : otherwise);
        fputs("</td></tr>", out);
}

static void put_form_rows(FILE *out, const struct visit_form *form)
{
        put_row(out, "Name", form->name, "not filled in");
        put_row(out, "Shared with", form->with, form->step > 2 ? "nobody" : "not filled in");
}

static void put_summary(FILE *out, const struct request *request)
{
        fputs("<table>", out);
        put_form_rows(out, &request->login.visit.form);
        fputs("</table>", out);
        begin_form(out, request, 3);
        put_buttons(out, 3, "Make the folder");
}

void page_steps(const struct app *app, const struct request *request, struct answer *answer,
                const char *problem)
{
        const struct visit_form *form = &request->login.visit.form;
        bool is_name_sent = problem && steps_sent(request) == 1;
        uint32_t step = problem && steps_sent(request) ? steps_sent(request) : form->step;
        FILE *out = answer->out;

        frame_begin(app, request, out, "New folder in three steps", "/steps");
        fputs("<h1>New folder in three steps</h1>", out);
        if (problem) {
                fprintf(out, "<p class=\"answer bad\" role=\"alert\"><b>%u</b><span>",
                                answer->status);
                frame_text(out, problem);
                fputs("</span></p>", out);
        }
        put_progress(out, step);
        if (step == 1) {
                put_name(out, request, is_name_sent ? request->fields.name : form->name);
        } else if (step == 2) {
                put_share(app, out, request);
        } else {
                put_summary(out, request);
        }
        fputs("<p class=\"soft\">Each step is saved in your session: leave, open another tab, or "
              "restart this app, and go on here.</p>",
                        out);
        frame_end(out);
}

/* What the other tab has no reason to know, with the revision that there is now. */
static void put_mine(FILE *out, const struct request *request)
{
        const struct visit_form *form = &request->login.visit.form;
        uint32_t step = steps_sent(request);

        if (step == 0 || step == VISIT_STEPS) {
                return;
        }
        fprintf(out, "<h2>What you sent, in step %" PRIu32 "</h2><table>", step);
        put_row(out, step == 1 ? "Name" : "Shared with",
                        step == 1 ? request->fields.name : request->fields.with, "nobody");
        fputs("</table>", out);
        if (step > form->step) {
                fputs("<p class=\"soft\">The other tab has gone back to an earlier step, so this "
                      "has to wait for its turn.</p>",
                                out);
                return;
        }
        begin_form(out, request, step);
        fprintf(out, "<input type=\"hidden\" name=\"%s\" value=\"", step == 1 ? "name" : "with");
        frame_text(out, step == 1 ? request->fields.name : request->fields.with);
        fputs("\"><button name=\"go\" value=\"next\">Use this</button></form>", out);
}

void page_conflict(const struct app *app, const struct request *request, struct answer *answer)
{
        const struct visit_form *form = &request->login.visit.form;
        FILE *out = answer->out;

        frame_begin(app, request, out, "Changed in another tab", "/steps");
        fputs("<p class=\"answer bad\" role=\"alert\"><b>409</b><span>This form was changed in "
              "another tab after your page was made. Nothing was overwritten: choose.</span></p>",
                        out);
        fprintf(out, "<h2>What is there now, at step %" PRIu32 "</h2><table>", form->step);
        put_form_rows(out, form);
        fputs("</table><p><a href=\"/steps\">Go on with that</a></p>", out);
        put_mine(out, request);
        frame_end(out);
}
