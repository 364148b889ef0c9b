/* SPDX-License-Identifier: MIT */
#include "meshctl/view.h"

#include "meshctl/document.h"
#include "meshctl/memory.h"
#include "meshctl/units.h"

#include <inttypes.h>
#include <string.h>

enum table_color view_state_color(const char *state)
{
        static const struct {
                const char *state;
                enum table_color color;
        } colors[] = {
                        {"live", TABLE_GOOD},
                        {"answered", TABLE_GOOD},
                        {"applied", TABLE_GOOD},
                        {"yes", TABLE_GOOD},
                        {"joining", TABLE_WARN},
                        {"silent", TABLE_WARN},
                        {"stopping", TABLE_WARN},
                        {"lapsed", TABLE_WARN},
                        {"?", TABLE_WARN},
                        {"unknown", TABLE_WARN},
                        {"pending", TABLE_WARN},
                        {"partial", TABLE_WARN},
                        {"gone", TABLE_BAD},
                        {"NO", TABLE_BAD},
                        {"cut", TABLE_BAD},
                        {"timeout", TABLE_BAD},
                        {"unreachable", TABLE_BAD},
                        {"unconfirmed", TABLE_BAD},
                        {"problem", TABLE_BAD},
                        {"note", TABLE_WARN},
                        {"ok", TABLE_GOOD},
                        {"seen", TABLE_DIM},
                        {"left", TABLE_DIM},
                        {".", TABLE_DIM},
        };

        for (size_t i = 0; i < sizeof(colors) / sizeof(*colors); i++) {
                if (strcmp(colors[i].state, state) == 0) {
                        return colors[i].color;
                }
        }
        return TABLE_PLAIN;
}

static char *integer_text(json_int_t number, enum view_kind kind)
{
        char text[UNITS_TEXT_SIZE];

        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, number);
        if (number >= 0 && kind == VIEW_US) {
                units_us((uint64_t)number, text);
        } else if (number >= 0 && kind == VIEW_MS) {
                units_ms((uint64_t)number, text);
        } else if (number >= 0 && kind == VIEW_BYTES) {
                units_bytes((uint64_t)number, text);
        }
        return memory_got(strdup(text));
}

static char *array_text(const json_t *array, enum view_kind kind)
{
        char *text = memory_got(strdup(""));
        const json_t *value;
        size_t i;

        json_array_foreach(array, i, value)
        {
                char *more = view_text(value, kind), *longer = NULL;

                if (asprintf(&longer, "%s%s%s", text, i > 0 ? " " : "", more) < 0) {
                        memory_got(NULL);
                }
                free(more);
                free(text);
                text = longer;
        }
        return text;
}

char *view_text(const json_t *value, enum view_kind kind)
{
        char text[40];

        switch (value ? json_typeof(value) : JSON_NULL) {
        case JSON_STRING:
                return memory_got(strdup(
                                json_string_length(value) > 0 ? json_string_value(value) : "-"));
        case JSON_INTEGER:
                return integer_text(json_integer_value(value), kind);
        case JSON_REAL:
                snprintf(text, sizeof(text), "%.2f", json_real_value(value));
                return memory_got(strdup(text));
        case JSON_TRUE:
                return memory_got(strdup("yes"));
        case JSON_FALSE:
                return memory_got(strdup("no"));
        case JSON_ARRAY:
                return array_text(value, kind);
        case JSON_OBJECT:
        case JSON_NULL:
                break;
        }
        return memory_got(strdup("-"));
}

static bool is_shown(const struct view_column *column, const struct output *output)
{
        return !column->is_wide || output->format == FORMAT_WIDE;
}

static bool is_number(enum view_kind kind)
{
        return kind == VIEW_COUNT || kind == VIEW_US || kind == VIEW_MS || kind == VIEW_BYTES;
}

static void add_cell(struct table *table, const struct view_column *column, const json_t *row)
{
        char *text = view_text(json_object_get(row, column->key), column->kind);
        enum table_color color = TABLE_PLAIN;

        if (column->kind == VIEW_STATE) {
                color = view_state_color(text);
        }
        if (column->kind == VIEW_SELF && json_is_true(json_object_get(row, "is_self"))) {
                char *marked = NULL;

                if (asprintf(&marked, "%s*", text) < 0) {
                        memory_got(NULL);
                }
                free(text);
                text = marked;
        }
        table_cell(table, text, color);
        free(text);
}

static void print_table(const struct view *view, const json_t *rows, const struct output *output)
{
        const struct view_column *column;
        struct table *table;
        const json_t *row;
        size_t n = 0, i;

        for (column = view->columns; column->title; column++) {
                n += is_shown(column, output);
        }
        table = table_new(n);
        for (column = view->columns; column->title; column++) {
                if (is_shown(column, output)) {
                        table_title(table, column->title, is_number(column->kind));
                }
        }
        json_array_foreach(rows, i, row)
        {
                for (column = view->columns; column->title; column++) {
                        if (is_shown(column, output)) {
                                add_cell(table, column, row);
                        }
                }
        }
        table_print(table, output->file, output->has_headers, output->is_color);
        table_free(table);
}

void view_name(const json_t *row, const char *key, const struct output *output)
{
        char *text = view_text(json_object_get(row, key), VIEW_TEXT);
        char *printable = table_printable(text);

        fprintf(output->file, "%s\n", printable);
        free(printable);
        free(text);
}

void view_json(const json_t *json, const struct output *output, bool is_indented)
{
        if (output->is_quiet) {
                return;
        }
        json_dumpf(json, output->file,
                        is_indented ? JSON_INDENT(2) | JSON_ENSURE_ASCII
                                    : JSON_COMPACT | JSON_ENSURE_ASCII);
        fputc('\n', output->file);
}

bool view_is_json(const json_t *document, const char *rows, const struct output *output)
{
        const json_t *array = rows ? json_object_get(document, rows) : NULL, *row;
        size_t i;

        if (output->format == FORMAT_JSON) {
                view_json(document, output, true);
                return true;
        }
        if (output->format != FORMAT_JSONL) {
                return false;
        }
        if (!array) {
                view_json(document, output, false);
        }
        json_array_foreach(array, i, row)
        {
                view_json(row, output, false);
        }
        return true;
}

void view_rows(const struct view *view, const json_t *document, const struct output *output)
{
        const json_t *rows = json_object_get(document, view->rows), *row;
        size_t i;

        if (output->is_quiet || view_is_json(document, view->rows, output)) {
                return;
        }
        if (output->format != FORMAT_NAME) {
                print_table(view, rows, output);
                return;
        }
        json_array_foreach(rows, i, row)
        {
                view_name(row, view->name_key, output);
        }
}

static bool ends_with(const char *key, const char *ending)
{
        size_t n = strlen(key), n_ending = strlen(ending);

        return n >= n_ending && strcmp(key + n - n_ending, ending) == 0;
}

static enum view_kind kind_of(const char *key)
{
        if (ends_with(key, "_us")) {
                return VIEW_US;
        }
        if (ends_with(key, "_ms")) {
                return VIEW_MS;
        }
        if (ends_with(key, "_bytes")) {
                return VIEW_BYTES;
        }
        return strcmp(key, "state") == 0 ? VIEW_STATE : VIEW_TEXT;
}

/* Fields hold scalars and lists of them; rows of maps have a view of their own. */
static bool is_field(const char *key, const json_t *value)
{
        return strcmp(key, "schema") != 0 && !json_is_object(value) &&
               !json_is_object(json_array_get(value, 0));
}

void view_fields(const json_t *document, const char *name_key, const struct output *output)
{
        struct table *table;
        const json_t *value;
        const char *key;

        if (output->is_quiet || view_is_json(document, NULL, output)) {
                return;
        }
        if (output->format == FORMAT_NAME) {
                view_name(document, name_key, output);
                return;
        }
        table = table_new(2);
        table_title(table, "FIELD", false);
        table_title(table, "VALUE", false);
        json_object_foreach((json_t *)document, key, value)
        {
                if (is_field(key, value)) {
                        enum view_kind kind = kind_of(key);
                        char *text = view_text(value, kind);

                        table_cell(table, key, TABLE_PLAIN);
                        table_cell(table, text,
                                        kind == VIEW_STATE ? view_state_color(text) : TABLE_PLAIN);
                        free(text);
                }
        }
        table_print(table, output->file, output->has_headers, output->is_color);
        table_free(table);
}
