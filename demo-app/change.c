/* SPDX-License-Identifier: MIT */
/*
 * The changes of the store: what is checked before, and whose view each one touches.
 */
#include "demo-app/connection.h"
#include "demo-app/store.h"

#include <errno.h>
#include <string.h>

#define QUERY __attribute__((cleanup(database_finish))) sqlite3_stmt *

static int check_owner(sqlite3 *db, const char *person, int64_t folder)
{
        int64_t is_owner = 0;
        int r = connection_check_person(db, person);

        if (r == 0) {
                r = database_number(db, &is_owner, "SELECT owner=? FROM folder WHERE id=?", "si",
                                person, folder);
                r = r == 1 ? STORE_NO_FOLDER : r;
        }
        return r == 0 && !is_owner ? STORE_NOT_OWNER : r;
}

/* Fails with @outcome if counting gives @limit or more. */
static int check_count(sqlite3 *db, const char *sql, const char *person, int64_t limit, int outcome)
{
        int64_t n = 0;
        int r = database_number(db, &n, sql, "s", person);

        return r == 0 && n >= limit ? outcome : r;
}

static void touch_person(struct store_change *change, const char *person)
{
        strcpy(change->people[change->n_people++], person);
}

/* Adds the folders that a query finds to those that the change touches. */
static int touch_folders(sqlite3 *db, struct store_change *change, const char *sql, int64_t folder)
{
        QUERY query = NULL;
        int r = database_query(db, &query, sql, "i", folder);

        while (r == 0) {
                r = database_step(query);
                if (r == 0 && change->n_folders < STORE_CHAIN_MAX) {
                        change->folders[change->n_folders++] = sqlite3_column_int64(query, 0);
                }
        }
        return r == 1 ? 0 : r;
}

#define CHAIN                                                                                      \
        "WITH RECURSIVE chain(id) AS (VALUES(?1) UNION ALL"                                        \
        " SELECT f.parent FROM chain JOIN folder f ON f.id=chain.id WHERE f.parent IS NOT NULL) "
#define BELOW                                                                                      \
        "WITH RECURSIVE below(id) AS (VALUES(?1) UNION ALL"                                        \
        " SELECT f.id FROM below JOIN folder f ON f.parent=below.id) "

/* The folder and those above it: whoever was given one of these sees the change. */
static int touch_chain(sqlite3 *db, struct store_change *change, int64_t folder)
{
        return touch_folders(db, change, CHAIN "SELECT id FROM chain", folder);
}

static int begin(struct store *store)
{
        int r;

        pthread_mutex_lock(&store->mutex);
        r = database_begin(store->db);
        if (r != 0) {
                pthread_mutex_unlock(&store->mutex);
        }
        return r;
}

static int end(struct store *store, int result, const struct store_change *change,
                struct store_change *ret_change)
{
        int r = database_end(store->db, result);

        pthread_mutex_unlock(&store->mutex);
        if (r == 0) {
                *ret_change = *change;
        }
        return r;
}

static int insert(int r)
{
        return r == -EEXIST ? STORE_EXISTS : r;
}

static int add_person(sqlite3 *db, const char *name, struct store_change *change)
{
        int r = check_count(db, "SELECT count(*) FROM person WHERE name<>?", name, STORE_PEOPLE_MAX,
                        STORE_TOO_MANY_PEOPLE);

        touch_person(change, name);
        return r == 0 ? insert(database_run(db, "INSERT INTO person VALUES(?)", "s", name)) : r;
}

int store_add_person(struct store *store, const char *name, struct store_change *ret_change)
{
        struct store_change change = {0};
        int r = name_is_person(name) ? begin(store) : STORE_BAD_NAME;

        return r == 0 ? end(store, add_person(store->db, name, &change), &change, ret_change) : r;
}

static int check_depth(sqlite3 *db, int64_t parent)
{
        int64_t depth = 0;
        int r = database_number(db, &depth, CHAIN "SELECT count(*) FROM chain", "i", parent);

        return r == 0 && depth >= STORE_DEPTH_MAX ? STORE_TOO_DEEP : r;
}

static int insert_folder(sqlite3 *db, const char *person, int64_t parent, const char *name,
                struct store_change *change)
{
        int r = database_run(db,
                        "INSERT INTO folder(owner, parent, name) VALUES(?, nullif(?, 0), ?)", "sis",
                        person, parent, name);

        if (r == 0) {
                change->folder = sqlite3_last_insert_rowid(db);
                r = touch_chain(db, change, change->folder);
        }
        return insert(r);
}

static int add_folder(sqlite3 *db, const char *person, int64_t parent, const char *name,
                struct store_change *change)
{
        int r = parent ? check_owner(db, person, parent) : connection_check_person(db, person);

        if (r == 0 && parent) {
                r = check_depth(db, parent);
        }
        if (r == 0) {
                r = check_count(db, "SELECT count(*) FROM folder WHERE owner=?", person,
                                STORE_FOLDERS_MAX, STORE_TOO_MANY_FOLDERS);
        }
        return r == 0 ? insert_folder(db, person, parent, name, change) : r;
}

int store_add_folder(struct store *store, const char *person, int64_t parent, const char *name,
                struct store_change *ret_change)
{
        struct store_change change = {0};
        int r = name_is_folder(name) ? begin(store) : STORE_BAD_NAME;

        if (r != 0) {
                return r;
        }
        r = add_folder(store->db, person, parent, name, &change);
        if (r == 0) {
                touch_person(&change, person);
        }
        return end(store, r, &change, ret_change);
}

static int rename_folder(sqlite3 *db, const char *person, int64_t folder, const char *name,
                struct store_change *change)
{
        int r = check_owner(db, person, folder);

        if (r == 0) {
                r = insert(database_run(
                                db, "UPDATE folder SET name=? WHERE id=?", "si", name, folder));
        }
        if (r == 0) {
                touch_person(change, person);
                change->folder = folder;
                r = touch_chain(db, change, folder);
        }
        return r;
}

int store_rename_folder(struct store *store, const char *person, int64_t folder, const char *name,
                struct store_change *ret_change)
{
        struct store_change change = {0};
        int r = name_is_folder(name) ? begin(store) : STORE_BAD_NAME;

        return r == 0 ? end(store, rename_folder(store->db, person, folder, name, &change), &change,
                                        ret_change)
                      : r;
}

static int remove_folder(
                sqlite3 *db, const char *person, int64_t folder, struct store_change *change)
{
        int r = check_owner(db, person, folder);

        if (r == 0) {
                touch_person(change, person);
                change->folder = folder;
                r = touch_chain(db, change, folder);
        }
        /* What was shared from below it goes too. */
        if (r == 0) {
                r = touch_folders(db, change, BELOW "SELECT id FROM below WHERE id<>?1", folder);
        }
        return r == 0 ? database_run(db, "DELETE FROM folder WHERE id=?", "i", folder) : r;
}

int store_remove_folder(struct store *store, const char *person, int64_t folder,
                struct store_change *ret_change)
{
        struct store_change change = {0};
        int r = begin(store);

        return r == 0 ? end(store, remove_folder(store->db, person, folder, &change), &change,
                                        ret_change)
                      : r;
}

static int check_share(sqlite3 *db, const char *person, int64_t folder, const char *with)
{
        int64_t n = 0;
        int r = check_owner(db, person, folder);

        if (r == 0) {
                r = strcmp(person, with) == 0 ? STORE_OWN_FOLDER
                                              : connection_check_person(db, with);
        }
        if (r == 0) {
                r = database_number(db, &n,
                                CHAIN "SELECT count(*) FROM share, chain"
                                      " WHERE share.folder=chain.id AND share.person=?2",
                                "is", folder, with);
        }
        if (r != 0 || n > 0) {
                return r != 0 ? r : STORE_ALREADY_SEEN;
        }
        r = database_number(db, &n, "SELECT count(*) FROM share WHERE folder=?", "i", folder);
        return r == 0 && n >= STORE_SHARES_MAX ? STORE_TOO_MANY_SHARES : r;
}

static int share_folder(sqlite3 *db, const char *person, int64_t folder, const char *with,
                struct store_change *change)
{
        int r = check_share(db, person, folder, with);

        /* What was shared from below it now shows as a part of it, and must not show twice. */
        if (r == 0) {
                r = database_run(db,
                                BELOW "DELETE FROM share"
                                      " WHERE person=?2 AND folder IN (SELECT id FROM below)",
                                "is", folder, with);
        }
        if (r == 0) {
                r = check_count(db, "SELECT count(*) FROM share WHERE person=?", with,
                                STORE_RECEIVED_MAX, STORE_TOO_MANY_RECEIVED);
        }
        if (r == 0) {
                r = database_run(db, "INSERT INTO share VALUES(?, ?)", "is", folder, with);
        }
        if (r == 0) {
                touch_person(change, person);
                touch_person(change, with);
                change->folder = folder;
        }
        return r;
}

int store_share_folder(struct store *store, const char *person, int64_t folder, const char *with,
                struct store_change *ret_change)
{
        struct store_change change = {0};
        int r = name_is_person(with) ? begin(store) : STORE_BAD_NAME;

        return r == 0 ? end(store, share_folder(store->db, person, folder, with, &change), &change,
                                        ret_change)
                      : r;
}

static int unshare_folder(sqlite3 *db, const char *person, int64_t folder, const char *with)
{
        int r = check_owner(db, person, folder);

        if (r == 0) {
                r = database_run(db, "DELETE FROM share WHERE folder=? AND person=?", "is", folder,
                                with);
        }
        return r == 0 && sqlite3_changes(db) == 0 ? STORE_NO_SHARE : r;
}

int store_unshare_folder(struct store *store, const char *person, int64_t folder, const char *with,
                struct store_change *ret_change)
{
        struct store_change change = {.folder = folder};
        int r = name_is_person(with) ? begin(store) : STORE_BAD_NAME;

        if (r != 0) {
                return r;
        }
        r = unshare_folder(store->db, person, folder, with);
        if (r == 0) {
                touch_person(&change, person);
                touch_person(&change, with);
        }
        return end(store, r, &change, ret_change);
}
