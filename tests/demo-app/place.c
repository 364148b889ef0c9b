/* SPDX-License-Identifier: MIT */
#include "tests/demo-app/place.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>

void place_init(struct place *place)
{
        place->directory = g_dir_make_tmp("cachemesh-test.XXXXXX", NULL);
        g_assert_nonnull(place->directory);
        place->db = g_build_filename(place->directory, "demo.db", NULL);
}

void place_deinit(struct place *place)
{
        GDir *directory = g_dir_open(place->directory, 0, NULL);
        const char *name;

        g_assert_nonnull(directory);
        while ((name = g_dir_read_name(directory))) {
                g_autofree char *path = g_build_filename(place->directory, name, NULL);

                g_assert_cmpint(g_unlink(path), ==, 0);
        }
        g_dir_close(directory);
        g_assert_cmpint(g_rmdir(place->directory), ==, 0);
        g_free(place->directory);
        g_free(place->db);
}

struct store *place_store(const struct place *place)
{
        static const char *const names[] = {"anna", "ben", "cleo"};
        struct store *store = NULL;
        struct store_change change;

        g_assert_cmpint(store_open(&store, place->db), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_assert_cmpint(store_add_person(store, names[i], &change), ==, 0);
        }
        return store;
}

int64_t place_folder(struct store *store, int64_t parent, const char *name)
{
        struct store_change change;

        g_assert_cmpint(store_add_folder(store, "anna", parent, name, &change), ==, 0);
        return change.folder;
}

char *place_describe(const struct store_folder *folders, size_t n)
{
        GString *text = g_string_new(NULL);
        uint32_t depth = 0;

        for (size_t i = 0; i < n; i++) {
                if (i > 0) {
                        g_string_append(text, folders[i].depth > depth ? "(" : "");
                        for (; depth > folders[i].depth; depth--) {
                                g_string_append_c(text, ')');
                        }
                        g_string_append(text, folders[i].depth == depth ? " " : "");
                }
                depth = folders[i].depth;
                g_string_append(text, folders[i].name);
        }
        for (; depth > 0; depth--) {
                g_string_append_c(text, ')');
        }
        return g_string_free(text, FALSE);
}

char *place_tree(struct store *store, const char *person)
{
        struct store_folder *folders = NULL;
        size_t n = 0;
        char *text;

        g_assert_cmpint(store_tree(store, person, &folders, &n), ==, 0);
        text = place_describe(folders, n);
        free(folders);
        return text;
}
