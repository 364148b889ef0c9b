/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A temporary directory with a database, for tests of the demo app.
 */
#include "demo-app/store.h"

struct place {
        char *directory;
        char *db;
};

/* place_deinit() removes it with all that is in it; both abort the test if they
 * cannot do their work. */
void place_init(struct place *place);
void place_deinit(struct place *place);

/* A store with anna, ben and cleo. */
struct store *place_store(const struct place *place);

/* Folders of anna, at the top if @parent is 0. Returns the id. */
int64_t place_folder(struct store *store, int64_t parent, const char *name);

/* What a person sees, as "a b(c)": depth by parentheses. To be freed with g_free(). */
char *place_tree(struct store *store, const char *person);
char *place_describe(const struct store_folder *folders, size_t n);
