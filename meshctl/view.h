/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a document is shown: as the table that a verb describes by its columns, as fields one
 * below the other, as JSON, as one JSON row a line, or as names only. Which documents there
 * are is up to the verbs.
 */
#include "meshctl/arguments.h"
#include "meshctl/table.h"

#include <jansson.h>
#include <stdio.h>

struct output {
        FILE *file;
        enum format format;
        bool has_headers;
        bool is_color;
        bool is_quiet; /* print nothing */
};

enum view_kind {
        VIEW_TEXT = 0,
        VIEW_COUNT,
        VIEW_US,
        VIEW_MS,
        VIEW_BYTES,
        VIEW_BOOL,
        VIEW_STATE, /* a word that is coloured by what it means */
        VIEW_SELF,  /* a name, with "*" after it if the row's is_self is true */
};

struct view_column {
        const char *title;
        const char *key;
        enum view_kind kind;
        bool is_wide; /* only with -o wide */
};

struct view {
        const char *rows;                  /* key of the array in the document */
        const char *name_key;              /* of a row, for -o name */
        const struct view_column *columns; /* ended by a NULL title */
};

void view_rows(const struct view *view, const json_t *document, const struct output *output);

/* Every key and value but "schema"; the ending of a key says its unit. -o name prints the
 * value of @name_key. */
void view_fields(const json_t *document, const char *name_key, const struct output *output);

/* One value of a map, and a line's end. */
void view_name(const json_t *map, const char *key, const struct output *output);

/* One line of JSON, or several if @is_indented. */
void view_json(const json_t *json, const struct output *output, bool is_indented);

/* Would @output show this as JSON? Then it has been, and the caller has nothing to do. */
bool view_is_json(const json_t *document, const char *rows, const struct output *output);

enum table_color view_state_color(const char *state);

/* Text of a value of a kind; to be freed. */
char *view_text(const json_t *value, enum view_kind kind);
