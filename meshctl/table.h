/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Tables on a terminal: columns as wide as their widest cell on screen, numbers to the right, two
 * blanks between. Cells come from other machines, so what is no printable UTF-8 is shown as "?".
 * Colour is an addition to words, never alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum table_color {
        TABLE_PLAIN = 0,
        TABLE_GOOD,
        TABLE_WARN,
        TABLE_BAD,
        TABLE_DIM,
};

struct table;

/**
 * table_new() - an empty table
 * @n_columns: at least 1
 */
struct table *table_new(size_t n_columns);
struct table *table_free(struct table *table);

/* Title of the next column, copied; to be called n_columns times before the first cell. */
void table_title(struct table *table, const char *title, bool is_number);

/* The next cell, row by row; the text is copied. */
void table_cell(struct table *table, const char *text, enum table_color color);

/* Rows that are not full are not printed. */
void table_print(const struct table *table, FILE *file, bool has_headers, bool is_color);

/* Columns that a text takes on screen. */
size_t table_width(const char *text);

/* A copy in which everything but printable UTF-8 is "?"; to be freed. */
char *table_printable(const char *text);
