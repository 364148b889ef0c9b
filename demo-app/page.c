/* SPDX-License-Identifier: MIT */
#include "demo-app/page.h"

#include "demo-app/frame.h"
#include "demo-app/gate.h"

#include <inttypes.h>
#include <string.h>

static void put_mode(const struct app *app, FILE *out)
{
        const char *reason;
        const char *mode = cache_mode(app->cache, &reason);

        fprintf(out, "<span class=\"mode\">The cache of this node is %s: ",
                        strcmp(mode, "bypass") == 0 ? "bypassed" : mode);
        frame_text(out, reason);
        fputs(".</span>", out);
}

/* Why a miss is one, for people. */
static const char *explain(const char *reason)
{
        static const struct {
                const char *reason;
                const char *text;
        } texts[] = {{"absent", "it had no copy"}, {"invalidated", "its copy was out of date"},
                        {"expired", "its copy was too old"},
                        {"no lease", "it may have missed changes, so it does not use its copy"},
                        {"forgotten", "it may have missed changes, so it dropped its copy"},
                        {"pending", "its own changes wait for meshd"},
                        {"offline", "meshd does not answer, so it keeps no copies"}};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                if (strcmp(texts[i].reason, reason) == 0) {
                        return texts[i].text;
                }
        }
        return reason;
}

/* Hit or miss, and where the answer comes from. */
static void put_cache(const struct app *app, const struct answer *answer)
{
        FILE *out = answer->out;
        bool is_hit = strcmp(answer->cache, "hit") == 0;

        fprintf(out, "<p class=\"answer %s\"><b>%s</b><span>", is_hit ? "hit" : "miss",
                        is_hit ? "HIT" : "MISS");
        frame_text(out, app->node);
        if (is_hit) {
                fputs(" answered from its memory", out);
        } else {
                fprintf(out, " asked the database: %s", explain(answer->reason));
        }
        fputs("</span>", out);
        put_mode(app, out);
        fputs("</p>", out);
}

static void put_counts(const struct app *app, FILE *out)
{
        struct cache_counts counts;

        cache_count(app->cache, &counts);
        fprintf(out,
                        "<h2>This app's cache</h2><table>"
                        "<tr><td>hits</td><td class=\"number\">%" PRIu64 "</td></tr>"
                        "<tr><td>misses</td><td class=\"number\">%" PRIu64 "</td></tr>"
                        "<tr><td>entries</td><td class=\"number\">%" PRIu64 "</td></tr>"
                        "<tr><td>bytes</td><td class=\"number\">%" PRIu64 "</td></tr></table>",
                        counts.n_hits, counts.n_misses, counts.n_entries, counts.bytes);
}

void page_person_form(const struct request *request, FILE *out)
{
        fputs("<form method=\"post\" action=\"/people\">", out);
        frame_token(out, request);
        fprintf(out,
                        "<input name=\"name\" required maxlength=\"%d\" "
                        "pattern=\"[a-z][a-z0-9\\-]*\" "
                        "placeholder=\"new person\" aria-label=\"name of the new person\" "
                        "title=\"lower-case letters, digits and hyphens\">"
                        "<button>Add</button></form>",
                        NAME_PERSON_MAX);
}

void page_home(const struct app *app, const struct request *request, struct answer *answer,
                const struct cache_answer *people)
{
        const struct store_person *rows = people->rows;
        FILE *out = answer->out;

        frame_begin(app, request, out, "People", "/");
        put_cache(app, answer);
        fputs("<h1>People</h1><p>Each has folders and shares some with others. Choose whose eyes "
              "to "
              "look through.</p><ul class=\"card\">",
                        out);
        for (size_t i = 0; i < people->n; i++) {
                fprintf(out, "<li><a class=\"name\" href=\"/people/%s\">%s</a></li>", rows[i].name,
                                rows[i].name);
        }
        if (people->n == 0) {
                fputs("<li class=\"soft\">Nobody yet.</li>", out);
        }
        fputs("</ul>", out);
        if (gate_has_token(app, request)) {
                page_person_form(request, out);
        } else {
                fputs("<p class=\"soft\">Somebody is missing? <a href=\"/login\">Log in or add "
                      "yourself</a>.</p>",
                                out);
        }
        put_counts(app, out);
        frame_end(out);
}

/* Who is looking: the tabs of all people. */
static void put_people(FILE *out, const struct cache_answer *people, const char *person)
{
        const struct store_person *rows = people->rows;

        fputs("<nav aria-label=\"people\"><span class=\"label\">You look as</span>", out);
        for (size_t i = 0; i < people->n; i++) {
                bool is_self = strcmp(rows[i].name, person) == 0;

                fprintf(out, "<a class=\"pill%s\"%s href=\"/people/%s\">%s</a>",
                                is_self ? " on" : "", is_self ? " aria-current=\"true\"" : "",
                                rows[i].name, rows[i].name);
        }
        fputs("</nav>", out);
}

/* A person's tree on a page, and who looks at it. */
struct view {
        FILE *out;
        const struct request *request;
        const char *person;
        const struct cache_answer *people;
        bool is_own; /* with forms to change it */
};

static void put_form(const struct view *view, const struct store_folder *folder, const char *verb)
{
        fprintf(view->out, "<form method=\"post\" action=\"/people/%s/folders/%" PRId64 "/%s\">",
                        view->person, folder->id, verb);
        frame_token(view->out, view->request);
}

static void put_add_form(const struct view *view, int64_t parent, const char *label)
{
        FILE *out = view->out;

        fprintf(out, "<form method=\"post\" action=\"/people/%s/folders\">", view->person);
        frame_token(out, view->request);
        if (parent) {
                fprintf(out, "<input type=\"hidden\" name=\"parent\" value=\"%" PRId64 "\">",
                                parent);
        }
        fprintf(out,
                        "<input name=\"name\" required maxlength=\"%d\" placeholder=\"%s\" "
                        "aria-label=\"%s\"><button>Add</button></form>",
                        NAME_FOLDER_MAX, label, label);
}

static void put_share_form(const struct view *view, const struct store_folder *folder)
{
        const struct store_person *rows = view->people->rows;
        FILE *out = view->out;

        put_form(view, folder, "share");
        fputs("<select name=\"with\" aria-label=\"share with\">", out);
        for (size_t i = 0; i < view->people->n; i++) {
                if (strcmp(rows[i].name, view->person) != 0) {
                        fprintf(out, "<option>%s</option>", rows[i].name);
                }
        }
        fputs("</select><button>Share</button></form>", out);
}

static void put_forms(const struct view *view, const struct store_folder *folder)
{
        FILE *out = view->out;

        fputs("<details><summary>change</summary><div class=\"forms\">", out);
        put_share_form(view, folder);
        if (folder->depth + 1 < STORE_DEPTH_MAX) {
                put_add_form(view, folder->id, "new folder in it");
        }
        put_form(view, folder, "rename");
        fprintf(out,
                        "<input name=\"name\" required maxlength=\"%d\" aria-label=\"new name\" "
                        "value=\"",
                        NAME_FOLDER_MAX);
        frame_text(out, folder->name);
        fputs("\"><button>Rename</button></form>", out);
        put_form(view, folder, "remove");
        fputs("<button class=\"stop\">Remove</button></form></div></details>", out);
}

static void put_shares(const struct view *view, const struct store_folder *folder)
{
        const char *words = folder->shared_with;
        FILE *out = view->out;

        while (*words) {
                int n = (int)strcspn(words, " ");

                fprintf(out, "<span class=\"soft\">shared with %.*s", n, words);
                if (view->is_own) {
                        put_form(view, folder, "unshare");
                        fprintf(out,
                                        "<input type=\"hidden\" name=\"with\" value=\"%.*s\">"
                                        "<button class=\"link stop\" "
                                        "aria-label=\"end sharing with %.*s\" "
                                        "title=\"end sharing\">\xc3\x97</button></form>",
                                        n, words, n, words);
                }
                fputs("</span>", out);
                words += n + (words[n] == ' ');
        }
}

static void put_folder(const struct view *view, const struct store_folder *folder)
{
        FILE *out = view->out;

        fprintf(out, "<li><div class=\"row d%" PRIu32 "\"><span class=\"name\">", folder->depth);
        fputs("<span aria-hidden=\"true\">\xf0\x9f\x93\x81 </span>", out);
        frame_text(out, folder->name);
        fputs("</span>", out);
        if (folder->is_shared) {
                if (folder->depth == 0) {
                        fprintf(out, "<span class=\"soft\">from %s</span>", folder->owner);
                }
        } else {
                put_shares(view, folder);
                if (view->is_own) {
                        put_forms(view, folder);
                }
        }
        fputs("</div></li>", out);
}

static void put_folders(const struct view *view, const struct cache_answer *tree, bool is_shared)
{
        const struct store_folder *folders = tree->rows;
        FILE *out = view->out;
        size_t n = 0;

        fputs("<ul class=\"card\">", out);
        for (size_t i = 0; i < tree->n; i++) {
                if ((folders[i].is_shared != 0) == is_shared) {
                        put_folder(view, &folders[i]);
                        n++;
                }
        }
        if (n == 0) {
                fprintf(out, "<li class=\"soft\">%s</li>",
                                is_shared ? "Nobody shares a folder with this person."
                                          : "No folders yet.");
        }
        fputs("</ul>", out);
}

void page_person(const struct app *app, const struct request *request, struct answer *answer,
                const char *person, const struct cache_answer *tree)
{
        struct cache_answer people = {0};
        struct view view = {.out = answer->out,
                        .request = request,
                        .person = person,
                        .people = &people,
                        .is_own = gate_is_person(app, request, person)};
        char path[sizeof("/people/") + NAME_PERSON_MAX];
        FILE *out = answer->out;

        if (cache_people(app->cache, &people) != 0) {
                people = (struct cache_answer){0};
        }
        snprintf(path, sizeof(path), "/people/%s", person);
        frame_begin(app, request, out, person, path);
        put_cache(app, answer);
        fprintf(out, "<h1>Folders of %s</h1>", person);
        put_people(out, &people, person);
        fputs("<h2>Own</h2>", out);
        put_folders(&view, tree, false);
        if (view.is_own) {
                put_add_form(&view, 0, "new folder");
        } else {
                fprintf(out, "<p class=\"soft\">Only %s may change these.</p>", person);
        }
        fputs("<h2>Shared by others</h2>", out);
        put_folders(&view, tree, true);
        frame_end(out);
        cache_release(&people);
}

void page_error(const struct app *app, const struct request *request, struct answer *answer,
                const char *text)
{
        FILE *out = answer->out;

        frame_begin(app, request, out, "Not possible", "/");
        fputs("<p class=\"answer bad\" role=\"alert\"><b>", out);
        fprintf(out, "%u", answer->status);
        fputs("</b><span>", out);
        frame_text(out, text);
        fputs("</span></p><p><a href=\"/\">All people</a></p>", out);
        frame_end(out);
}
