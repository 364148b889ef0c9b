/* SPDX-License-Identifier: MIT */
#include "demo-app/database.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1
#define BUSY_MS 5000

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

static const char schema[] =
                "CREATE TABLE person(name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"
                "CREATE TABLE folder("
                " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                " owner TEXT NOT NULL REFERENCES person,"
                " parent INTEGER REFERENCES folder ON DELETE CASCADE,"
                " name TEXT NOT NULL) STRICT;"
                "CREATE UNIQUE INDEX folder_name ON folder(owner, ifnull(parent, 0), name);"
                "CREATE INDEX folder_parent ON folder(parent);"
                "CREATE TABLE share("
                " folder INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,"
                " person TEXT NOT NULL REFERENCES person,"
                " PRIMARY KEY(folder, person)) STRICT, WITHOUT ROWID;"
                "CREATE INDEX share_person ON share(person);"
                "CREATE TABLE node(name TEXT PRIMARY KEY, port INTEGER NOT NULL)"
                " STRICT, WITHOUT ROWID;"
                "PRAGMA user_version=" TEXT(VERSION);

static int fail(sqlite3 *db, int code, const char *what)
{
        int r = code == SQLITE_BUSY ? -EBUSY : code == SQLITE_CONSTRAINT ? -EEXIST : -EIO;

        if (r != -EEXIST) {
                fprintf(stderr, "event=database_failed error=\"%s\" statement=\"%.60s\"\n",
                                db ? sqlite3_errmsg(db) : sqlite3_errstr(code), what);
        }
        return r;
}

static int execute(sqlite3 *db, const char *sql)
{
        int code = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? SQLITE_OK
                                                                        : sqlite3_errcode(db);

        return code == SQLITE_OK ? 0 : fail(db, code, sql);
}

static int create_tables(sqlite3 *db, const char *path)
{
        int64_t version = 0;
        int r = database_number(db, &version, "PRAGMA user_version", "");

        if (r != 0 || version == VERSION) {
                return r;
        }
        if (version != 0) {
                fprintf(stderr, "event=database_version file=\"%s\" found=%lld wanted=%d\n", path,
                                (long long)version, VERSION);
                return -EPROTO;
        }
        return execute(db, schema);
}

/* Several apps start at once, and the change to a write-ahead log does not wait by itself
 * for those that read. */
static int begin_log(sqlite3 *db)
{
        int r = SQLITE_BUSY;

        for (int waited_ms = 0; r == SQLITE_BUSY && waited_ms < BUSY_MS; waited_ms += 20) {
                r = sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
                if (r == SQLITE_BUSY) {
                        sqlite3_sleep(20);
                }
        }
        return r == SQLITE_OK ? 0 : fail(db, r, "PRAGMA journal_mode=WAL");
}

static int prepare_file(sqlite3 *db, const char *path)
{
        int r;

        sqlite3_extended_result_codes(db, 0);
        sqlite3_busy_timeout(db, BUSY_MS);
        r = begin_log(db);
        if (r == 0) {
                r = execute(db, "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON");
        }
        if (r == 0) {
                r = database_begin(db);
        }
        return r == 0 ? database_end(db, create_tables(db, path)) : r;
}

int database_open(sqlite3 **ret_db, const char *path)
{
        sqlite3 *db = NULL;
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        int code = sqlite3_open_v2(path, &db, flags, NULL);
        int r = code == SQLITE_OK ? prepare_file(db, path) : fail(db, code, path);

        if (r < 0) {
                database_close(db);
                return r;
        }
        *ret_db = db;
        return 0;
}

sqlite3 *database_close(sqlite3 *db)
{
        sqlite3_close_v2(db);
        return NULL;
}

static int bind(sqlite3_stmt *query, const char *types, va_list values)
{
        for (int i = 1; *types; types++, i++) {
                int code = *types == 's' ? sqlite3_bind_text(query, i, va_arg(values, const char *),
                                                           -1, SQLITE_STATIC)
                                         : sqlite3_bind_int64(query, i, va_arg(values, int64_t));

                if (code != SQLITE_OK) {
                        return code;
                }
        }
        return SQLITE_OK;
}

static int prepare(sqlite3 *db, sqlite3_stmt **ret_query, const char *sql, const char *types,
                va_list values)
{
        sqlite3_stmt *query = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &query, NULL);

        if (code == SQLITE_OK) {
                code = bind(query, types, values);
        }
        if (code != SQLITE_OK) {
                fail(db, code, sql);
                sqlite3_finalize(query);
                return -EIO;
        }
        *ret_query = query;
        return 0;
}

int database_query(sqlite3 *db, sqlite3_stmt **ret_query, const char *sql, const char *types, ...)
{
        va_list values;
        int r;

        va_start(values, types);
        r = prepare(db, ret_query, sql, types, values);
        va_end(values);
        return r;
}

int database_step(sqlite3_stmt *query)
{
        int code = sqlite3_step(query);

        if (code == SQLITE_ROW) {
                return 0;
        }
        return code == SQLITE_DONE ? 1 : fail(sqlite3_db_handle(query), code, sqlite3_sql(query));
}

void database_text(sqlite3_stmt *query, int column, char *target, size_t size)
{
        const char *text = (const char *)sqlite3_column_text(query, column);

        snprintf(target, size, "%s", text ? text : "");
}

void database_finish(sqlite3_stmt **query)
{
        sqlite3_finalize(*query);
}

int database_number(sqlite3 *db, int64_t *ret_number, const char *sql, const char *types, ...)
{
        __attribute__((cleanup(database_finish))) sqlite3_stmt *query = NULL;
        va_list values;
        int r;

        va_start(values, types);
        r = prepare(db, &query, sql, types, values);
        va_end(values);
        if (r == 0) {
                r = database_step(query);
        }
        if (r == 0) {
                *ret_number = sqlite3_column_int64(query, 0);
        }
        return r;
}

int database_run(sqlite3 *db, const char *sql, const char *types, ...)
{
        __attribute__((cleanup(database_finish))) sqlite3_stmt *query = NULL;
        va_list values;
        int r;

        va_start(values, types);
        r = prepare(db, &query, sql, types, values);
        va_end(values);
        if (r < 0) {
                return r;
        }
        do {
                r = database_step(query);
        } while (r == 0);
        return r == 1 ? 0 : r;
}

int database_begin(sqlite3 *db)
{
        return execute(db, "BEGIN IMMEDIATE");
}

int database_end(sqlite3 *db, int result)
{
        int r = result == 0 ? execute(db, "COMMIT") : result;

        /* A commit that failed may or may not have left the transaction open. */
        if (r != 0 && !sqlite3_get_autocommit(db)) {
                execute(db, "ROLLBACK");
        }
        return r;
}
