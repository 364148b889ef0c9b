/* SPDX-License-Identifier: MIT */
#include "demo-app/store.h"

#include "demo-app/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUERY __attribute__((cleanup(database_finish))) sqlite3_stmt *

const char *store_outcome_text(enum store_outcome outcome)
{
        switch (outcome) {
        case STORE_OK:
                return "Done.";
        case STORE_BAD_NAME:
                return "That is no valid name: people have 1 to 32 lower-case letters, digits and "
                       "hyphens, a letter first; folders 1 to 64 bytes of text on one line.";
        case STORE_NO_PERSON:
                return "There is no such person.";
        case STORE_NO_FOLDER:
                return "There is no such folder.";
        case STORE_NO_SHARE:
                return "The folder is not shared with that person.";
        case STORE_NOT_OWNER:
                return "Only the owner may change a folder.";
        case STORE_OWN_FOLDER:
                return "A folder cannot be shared with its owner.";
        case STORE_EXISTS:
                return "That name is taken.";
        case STORE_ALREADY_SEEN:
                return "That person sees this folder already.";
        case STORE_TOO_DEEP:
                return "Folders go 8 levels deep, not deeper.";
        case STORE_TOO_MANY_PEOPLE:
                return "There are 100 people already; that is the limit.";
        case STORE_TOO_MANY_FOLDERS:
                return "This person has 200 folders already; that is the limit.";
        case STORE_TOO_MANY_SHARES:
                return "This folder is shared with 8 people already; that is the limit.";
        case STORE_TOO_MANY_RECEIVED:
                return "15 folders are shared with that person already; that is the limit.";
        }
        return "Unknown.";
}

int store_open(struct store **ret_store, const char *path)
{
        struct store *store = calloc(1, sizeof(*store));
        int r;

        if (!store) {
                return -ENOMEM;
        }
        r = database_open(&store->db, path);
        if (r < 0) {
                free(store);
                return r;
        }
        pthread_mutex_init(&store->mutex, NULL);
        *ret_store = store;
        return 0;
}

struct store *store_close(struct store *store)
{
        if (store) {
                database_close(store->db);
                pthread_mutex_destroy(&store->mutex);
                free(store);
        }
        return NULL;
}

int connection_check_person(sqlite3 *db, const char *person)
{
        int64_t one;
        int r = database_number(db, &one, "SELECT 1 FROM person WHERE name=?", "s", person);

        return r == 1 ? STORE_NO_PERSON : r;
}

int store_add_node(struct store *store, const char *name, uint16_t port)
{
        int r;

        pthread_mutex_lock(&store->mutex);
        r = database_run(store->db,
                        "INSERT INTO node VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET port=?2",
                        "si", name, (int64_t)port);
        pthread_mutex_unlock(&store->mutex);
        return r;
}

/* Makes room for one more row of @size bytes; rows come zeroed, so that no old
 * byte gets into a cache. */
static void *grow(void **rows, size_t n, size_t size)
{
        void *grown = *rows;

        if ((n & (n - 1)) == 0) {
                grown = realloc(*rows, (n ? 2 * n : 1) * size);
        }
        if (!grown) {
                return NULL;
        }
        *rows = grown;
        return memset((char *)grown + n * size, 0, size);
}

typedef void (*fill_fn)(sqlite3_stmt *query, void *row);

/* All rows of a query. */
static int collect(sqlite3_stmt *query, fill_fn fill, size_t size, void **ret_rows, size_t *ret_n)
{
        void *rows = NULL;
        size_t n = 0;
        int r = database_step(query);

        while (r == 0) {
                void *row = grow(&rows, n, size);

                if (!row) {
                        r = -ENOMEM;
                        break;
                }
                fill(query, row);
                n++;
                r = database_step(query);
        }
        if (r < 0) {
                free(rows);
                return r;
        }
        *ret_rows = rows;
        *ret_n = n;
        return 0;
}

static void fill_folder(sqlite3_stmt *query, void *row)
{
        struct store_folder *folder = row;

        folder->id = sqlite3_column_int64(query, 0);
        folder->parent = sqlite3_column_int64(query, 1);
        folder->depth = (uint32_t)sqlite3_column_int64(query, 2);
        folder->is_shared = (uint32_t)sqlite3_column_int64(query, 3);
        database_text(query, 4, folder->name, sizeof(folder->name));
        database_text(query, 5, folder->owner, sizeof(folder->owner));
        database_text(query, 6, folder->shared_with, sizeof(folder->shared_with));
}

/* The queue of the recursion hands out the deepest folder first, so children
 * follow their parent. */
static const char tree_sql[] =
                "WITH RECURSIVE tree(id, parent, depth, is_shared, name, owner) AS ("
                " SELECT id, 0, 0, 0, name, owner FROM folder WHERE owner=?1 AND parent IS NULL"
                " UNION ALL"
                " SELECT f.id, 0, 0, 1, f.name, f.owner FROM share s JOIN folder f ON f.id=s.folder"
                "  WHERE s.person=?1"
                " UNION ALL"
                " SELECT f.id, tree.id, tree.depth+1, tree.is_shared, f.name, f.owner"
                "  FROM tree JOIN folder f ON f.parent=tree.id"
                " ORDER BY 3 DESC, 4, 5)"
                "SELECT id, parent, depth, is_shared, name, owner, CASE WHEN is_shared THEN '' ELSE"
                " (SELECT group_concat(person, ' ') FROM"
                "  (SELECT person FROM share WHERE folder=tree.id ORDER BY person)) END FROM tree";

static int read_tree(sqlite3 *db, const char *person, void **ret_folders, size_t *ret_n)
{
        QUERY query = NULL;
        int r = connection_check_person(db, person);

        if (r == 0) {
                r = database_query(db, &query, tree_sql, "s", person);
        }
        return r == 0 ? collect(query, fill_folder, sizeof(struct store_folder), ret_folders, ret_n)
                      : r;
}

int store_tree(struct store *store, const char *person, struct store_folder **ret_folders,
                size_t *ret_n)
{
        void *rows = NULL;
        int r;

        pthread_mutex_lock(&store->mutex);
        r = read_tree(store->db, person, &rows, ret_n);
        pthread_mutex_unlock(&store->mutex);
        if (r == 0) {
                *ret_folders = rows;
        }
        return r;
}

static void fill_person(sqlite3_stmt *query, void *row)
{
        struct store_person *person = row;

        database_text(query, 0, person->name, sizeof(person->name));
}

static void fill_node(sqlite3_stmt *query, void *row)
{
        struct store_node *node = row;

        database_text(query, 0, node->name, sizeof(node->name));
        node->port = (uint16_t)sqlite3_column_int64(query, 1);
}

static int list(struct store *store, const char *sql, int64_t limit, fill_fn fill, size_t size,
                void **ret_rows, size_t *ret_n)
{
        QUERY query = NULL;
        int r;

        pthread_mutex_lock(&store->mutex);
        r = database_query(store->db, &query, sql, "i", limit);
        if (r == 0) {
                r = collect(query, fill, size, ret_rows, ret_n);
        }
        database_finish(&query);
        query = NULL;
        pthread_mutex_unlock(&store->mutex);
        return r;
}

int store_people(struct store *store, struct store_person **ret_people, size_t *ret_n)
{
        void *rows = NULL;
        int r = list(store, "SELECT name FROM person ORDER BY name LIMIT ?", STORE_PEOPLE_MAX,
                        fill_person, sizeof(struct store_person), &rows, ret_n);

        if (r == 0) {
                *ret_people = rows;
        }
        return r;
}

int store_nodes(struct store *store, struct store_node **ret_nodes, size_t *ret_n)
{
        void *rows = NULL;
        int r = list(store, "SELECT name, port FROM node ORDER BY name LIMIT ?", STORE_NODES_MAX,
                        fill_node, sizeof(struct store_node), &rows, ret_n);

        if (r == 0) {
                *ret_nodes = rows;
        }
        return r;
}
