/* SPDX-License-Identifier: MIT */
#include "demo-app/page.h"

#include "demo-app/report.h"
#include "demo-app/style.h"

#include <inttypes.h>
#include <string.h>

static void put_text(FILE *out, const char *text)
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
                put_text(out, rows[i].name);
                fputs("</a>", out);
        }
        fputs("</nav>", out);
        cache_release(&nodes);
}

static void put_top(const struct app *app, FILE *out, const char *title, const char *path)
{
        fputs("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
              "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
                        out);
        put_text(out, title);
        fputs(" \xc2\xb7 ", out);
        put_text(out, app->node);
        fprintf(out,
                        "</title><link rel=\"icon\" href=\"data:,\"><style>%s</style></head><body>"
                        "<header class=\"top\"><a class=\"brand\" href=\"/\">cachemesh demo</a>",
                        style_sheet);
        put_nodes(app, out, path);
        fputs("</header><main>", out);
}

static void put_mode(const struct app *app, FILE *out)
{
        const char *reason;
        const char *mode = cache_mode(app->cache, &reason);

        fprintf(out, "<span class=\"mode\">The cache of this node is %s: ",
                        strcmp(mode, "bypass") == 0 ? "bypassed" : mode);
        put_text(out, reason);
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
        put_text(out, app->node);
        if (is_hit) {
                fputs(" answered from its memory", out);
        } else {
                fprintf(out, " asked the database: %s", explain(answer->reason));
        }
        fputs("</span>", out);
        put_mode(app, out);
        fputs("</p>", out);
}

static void put_notice(const struct request *request, FILE *out)
{
        struct cache_report report;

        if (report_unpack(request->notice, &report)) {
                fputs("<p class=\"notice\" role=\"status\">", out);
                report_describe(out, &report);
                fputs("</p>", out);
        }
}

static void put_end(FILE *out)
{
        fputs("</main><footer>Reload to see what this node has now. There is no login here: "
              "whoever you look as, you are.</footer></body></html>\n",
                        out);
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

void page_home(const struct app *app, const struct request *request, struct answer *answer,
                const struct cache_answer *people)
{
        const struct store_person *rows = people->rows;
        FILE *out = answer->out;

        put_top(app, out, "People", "/");
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
        fprintf(out,
                        "</ul><form method=\"post\" action=\"/people\">"
                        "<input name=\"name\" required maxlength=\"%d\" "
                        "pattern=\"[a-z][a-z0-9\\-]*\" "
                        "placeholder=\"new person\" aria-label=\"name of the new person\" "
                        "title=\"lower-case letters, digits and hyphens\">"
                        "<button>Add</button></form>",
                        NAME_PERSON_MAX);
        put_counts(app, out);
        put_end(out);
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

static void put_form(
                FILE *out, const char *person, const struct store_folder *folder, const char *verb)
{
        fprintf(out, "<form method=\"post\" action=\"/people/%s/folders/%" PRId64 "/%s\">", person,
                        folder->id, verb);
}

static void put_add_form(FILE *out, const char *person, int64_t parent, const char *label)
{
        fprintf(out, "<form method=\"post\" action=\"/people/%s/folders\">", person);
        if (parent) {
                fprintf(out, "<input type=\"hidden\" name=\"parent\" value=\"%" PRId64 "\">",
                                parent);
        }
        fprintf(out,
                        "<input name=\"name\" required maxlength=\"%d\" placeholder=\"%s\" "
                        "aria-label=\"%s\"><button>Add</button></form>",
                        NAME_FOLDER_MAX, label, label);
}

static void put_share_form(FILE *out, const char *person, const struct store_folder *folder,
                const struct cache_answer *people)
{
        const struct store_person *rows = people->rows;

        put_form(out, person, folder, "share");
        fputs("<select name=\"with\" aria-label=\"share with\">", out);
        for (size_t i = 0; i < people->n; i++) {
                if (strcmp(rows[i].name, person) != 0) {
                        fprintf(out, "<option>%s</option>", rows[i].name);
                }
        }
        fputs("</select><button>Share</button></form>", out);
}

static void put_forms(FILE *out, const char *person, const struct store_folder *folder,
                const struct cache_answer *people)
{
        fputs("<details><summary>change</summary><div class=\"forms\">", out);
        put_share_form(out, person, folder, people);
        if (folder->depth + 1 < STORE_DEPTH_MAX) {
                put_add_form(out, person, folder->id, "new folder in it");
        }
        put_form(out, person, folder, "rename");
        fprintf(out,
                        "<input name=\"name\" required maxlength=\"%d\" aria-label=\"new name\" "
                        "value=\"",
                        NAME_FOLDER_MAX);
        put_text(out, folder->name);
        fputs("\"><button>Rename</button></form>", out);
        put_form(out, person, folder, "remove");
        fputs("<button class=\"stop\">Remove</button></form></div></details>", out);
}

static void put_shares(FILE *out, const char *person, const struct store_folder *folder)
{
        const char *words = folder->shared_with;

        while (*words) {
                int n = (int)strcspn(words, " ");

                fprintf(out, "<span class=\"soft\">shared with %.*s", n, words);
                put_form(out, person, folder, "unshare");
                fprintf(out,
                                "<input type=\"hidden\" name=\"with\" value=\"%.*s\"><button "
                                "class=\"link stop\" aria-label=\"end sharing with %.*s\" "
                                "title=\"end sharing\">\xc3\x97</button></form></span>",
                                n, words, n, words);
                words += n + (words[n] == ' ');
        }
}

static void put_folder(FILE *out, const char *person, const struct store_folder *folder,
                const struct cache_answer *people)
{
        fprintf(out, "<li><div class=\"row d%" PRIu32 "\"><span class=\"name\">", folder->depth);
        fputs("<span aria-hidden=\"true\">\xf0\x9f\x93\x81 </span>", out);
        put_text(out, folder->name);
        fputs("</span>", out);
        if (folder->is_shared) {
                if (folder->depth == 0) {
                        fprintf(out, "<span class=\"soft\">from %s</span>", folder->owner);
                }
        } else {
                put_shares(out, person, folder);
                put_forms(out, person, folder, people);
        }
        fputs("</div></li>", out);
}

static void put_folders(FILE *out, const char *person, const struct cache_answer *tree,
                const struct cache_answer *people, bool is_shared)
{
        const struct store_folder *folders = tree->rows;
        size_t n = 0;

        fputs("<ul class=\"card\">", out);
        for (size_t i = 0; i < tree->n; i++) {
                if ((folders[i].is_shared != 0) == is_shared) {
                        put_folder(out, person, &folders[i], people);
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
        char path[sizeof("/people/") + NAME_PERSON_MAX];
        FILE *out = answer->out;

        if (cache_people(app->cache, &people) != 0) {
                people = (struct cache_answer){0};
        }
        snprintf(path, sizeof(path), "/people/%s", person);
        put_top(app, out, person, path);
        put_cache(app, answer);
        put_notice(request, out);
        fprintf(out, "<h1>Folders of %s</h1>", person);
        put_people(out, &people, person);
        fputs("<h2>Own</h2>", out);
        put_folders(out, person, tree, &people, false);
        put_add_form(out, person, 0, "new folder");
        fputs("<h2>Shared by others</h2>", out);
        put_folders(out, person, tree, &people, true);
        put_end(out);
        cache_release(&people);
}

void page_error(const struct app *app, struct answer *answer, const char *text)
{
        FILE *out = answer->out;

        put_top(app, out, "Not possible", "/");
        fputs("<p class=\"answer bad\" role=\"alert\"><b>", out);
        fprintf(out, "%u", answer->status);
        fputs("</b><span>", out);
        put_text(out, text);
        fputs("</span></p><p><a href=\"/\">All people</a></p>", out);
        put_end(out);
}
