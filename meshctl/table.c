/* SPDX-License-Identifier: MIT */
#include "meshctl/table.h"

#include "meshctl/memory.h"

#include <stdint.h>
#include <string.h>
#include <wchar.h>

struct cell {
        char *text;
        size_t width;
        enum table_color color;
};

struct column {
        struct cell title;
        size_t width;
        bool is_number;
};

struct table {
        struct column *columns;
        size_t n_columns;
        size_t n_titles;
        struct cell *cells;
        size_t n_cells;
        size_t capacity;
};

/* One character of UTF-8 at @text: its length in bytes, or 0 if it is none (RFC 3629). */
static size_t character_read(const unsigned char *text, uint32_t *ret_code)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t length = text[0] < 0x80   ? 1
                        : text[0] < 0xc0 ? 0
                        : text[0] < 0xe0 ? 2
                        : text[0] < 0xf0 ? 3
                        : text[0] < 0xf8 ? 4
                                         : 0;
        uint32_t code = length == 1 ? text[0] : text[0] & (0x7fu >> length);

        for (size_t i = 1; i < length; i++) {
                if ((text[i] & 0xc0) != 0x80) {
                        return 0;
                }
                code = code << 6 | (text[i] & 0x3f);
        }
        if (length == 0 || code < least[length] || code > 0x10ffff ||
                        (code >= 0xd800 && code < 0xe000)) {
                return 0;
        }
        *ret_code = code;
        return length;
}

char *table_printable(const char *text)
{
        const unsigned char *at = (const unsigned char *)text;
        char *copy = memory_got(malloc(strlen(text) + 1));
        size_t n = 0;

        while (*at) {
                uint32_t code = 0;
                size_t length = character_read(at, &code);

                if (length == 0 || wcwidth((wchar_t)code) < 0) {
                        copy[n++] = '?';
                        at += length > 0 ? length : 1;
                        continue;
                }
                memcpy(copy + n, at, length);
                n += length;
                at += length;
        }
        copy[n] = '\0';
        return copy;
}

size_t table_width(const char *text)
{
        const unsigned char *at = (const unsigned char *)text;
        size_t width = 0;

        while (*at) {
                uint32_t code = 0;
                size_t length = character_read(at, &code);
                int columns = length > 0 ? wcwidth((wchar_t)code) : 1;

                width += columns >= 0 ? (size_t)columns : 1;
                at += length > 0 ? length : 1;
        }
        return width;
}

static struct cell cell_make(const char *text, enum table_color color)
{
        struct cell cell = {.text = table_printable(text), .color = color};

        cell.width = table_width(cell.text);
        return cell;
}

struct table *table_new(size_t n_columns)
{
        struct table *table = memory_got(calloc(1, sizeof(*table)));

        table->columns = memory_got(calloc(n_columns, sizeof(*table->columns)));
        table->n_columns = n_columns;
        return table;
}

struct table *table_free(struct table *table)
{
        if (!table) {
                return NULL;
        }
        for (size_t i = 0; i < table->n_columns; i++) {
                free(table->columns[i].title.text);
        }
        for (size_t i = 0; i < table->n_cells; i++) {
                free(table->cells[i].text);
        }
        free(table->columns);
        free(table->cells);
        free(table);
        return NULL;
}

void table_title(struct table *table, const char *title, bool is_number)
{
        struct column *column = &table->columns[table->n_titles++];

        column->title = cell_make(title, TABLE_PLAIN);
        column->is_number = is_number;
        column->width = 0;
}

void table_cell(struct table *table, const char *text, enum table_color color)
{
        struct column *column = &table->columns[table->n_cells % table->n_columns];
        struct cell cell = cell_make(text, color);

        if (table->n_cells == table->capacity) {
                table->capacity = table->capacity ? table->capacity * 2 : 64;
                table->cells = memory_got(
                                reallocarray(table->cells, table->capacity, sizeof(*table->cells)));
        }
        table->cells[table->n_cells++] = cell;
        column->width = column->width > cell.width ? column->width : cell.width;
}

static void paint(FILE *file, const char *text, enum table_color color, bool is_color)
{
        static const char *const codes[] = {[TABLE_PLAIN] = "",
                        [TABLE_GOOD] = "\033[32m",
                        [TABLE_WARN] = "\033[33m",
                        [TABLE_BAD] = "\033[31;1m",
                        [TABLE_DIM] = "\033[2m"};

        if (is_color && color != TABLE_PLAIN) {
                fprintf(file, "%s%s\033[0m", codes[color], text);
        } else {
                fputs(text, file);
        }
}

static void pad(FILE *file, size_t n)
{
        while (n-- > 0) {
                fputc(' ', file);
        }
}

static void print_cell(const struct column *column, size_t width, const struct cell *cell,
                bool is_last, FILE *file, bool is_color)
{
        if (column->is_number) {
                pad(file, width - cell->width);
        }
        paint(file, cell->text, cell->color, is_color);
        if (is_last) {
                fputc('\n', file);
                return;
        }
        pad(file, (column->is_number ? 0 : width - cell->width) + 2);
}

void table_print(const struct table *table, FILE *file, bool has_headers, bool is_color)
{
        size_t n_rows = table->n_cells / table->n_columns;

        for (size_t row = has_headers ? 0 : 1; row <= n_rows; row++) {
                for (size_t i = 0; i < table->n_columns; i++) {
                        const struct column *column = &table->columns[i];
                        size_t width = column->width;
                        const struct cell *cell = &column->title;

                        if (has_headers && width < column->title.width) {
                                width = column->title.width;
                        }
                        if (row > 0) {
                                cell = &table->cells[(row - 1) * table->n_columns + i];
                        }
                        print_cell(column, width, cell, i + 1 == table->n_columns, file, is_color);
                }
        }
}
