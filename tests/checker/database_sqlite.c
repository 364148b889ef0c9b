/* SPDX-License-Identifier: MIT */
/*
 * A file with a write-ahead log: readers go on with their snapshot while others write. Nothing is
 * synced, since only processes are killed here, not the host.
 */
#include "tests/checker/database.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 10000

enum { BEGIN_READ, BEGIN_WRITE, READ, WRITE, COMMIT, ROLLBACK, STATEMENTS };

static const char write_text[] = "UPDATE item SET version = version + 1, write = ?2"
                                 " WHERE key = ?1 RETURNING version, write";

static const char *const texts[STATEMENTS] = {
                [BEGIN_READ] = "BEGIN",
                [BEGIN_WRITE] = "BEGIN IMMEDIATE",
                [READ] = "SELECT version, write FROM item WHERE key = ?1",
                [WRITE] = write_text,
                [COMMIT] = "COMMIT",
                [ROLLBACK] = "ROLLBACK",
};

struct sqlite_database {
        struct database database;
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENTS];
};

static int fail(const struct sqlite_database *own, const char *what)
{
        fprintf(stderr, "sqlite: %s: %s\n", what, sqlite3_errmsg(own->db));
        return -EIO;
}

static void close_database(struct database *database)
{
        struct sqlite_database *own = (struct sqlite_database *)database;

        for (int i = 0; i < STATEMENTS; i++) {
                sqlite3_finalize(own->statements[i]);
        }
        sqlite3_close(own->db);
        free(own);
}

static int prepare(struct sqlite_database *own)
{
        for (int i = 0; i < STATEMENTS; i++) {
                if (!own->statements[i] &&
                                sqlite3_prepare_v3(own->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                                &own->statements[i], NULL) != SQLITE_OK) {
                        return fail(own, texts[i]);
                }
        }
        return 0;
}

static int open_database(struct database **ret_database, const char *where, bool is_repeatable)
{
        struct sqlite_database *own = calloc(1, sizeof(*own));
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

        (void)is_repeatable; /* it always is */
        if (!own) {
                return -ENOMEM;
        }
        if (sqlite3_open_v2(where, &own->db, flags, NULL) != SQLITE_OK ||
                        sqlite3_busy_timeout(own->db, BUSY_MS) != SQLITE_OK ||
                        sqlite3_exec(own->db, "PRAGMA synchronous=OFF", NULL, NULL, NULL) !=
                                        SQLITE_OK) {
                int r = fail(own, where);

                close_database(&own->database);
                return r;
        }
        *ret_database = &own->database;
        return 0;
}

static int create(struct database *database, uint32_t n_rows)
{
        struct sqlite_database *own = (struct sqlite_database *)database;
        char sql[256];

        snprintf(sql, sizeof(sql),
                        "PRAGMA journal_mode=WAL; BEGIN;"
                        "CREATE TABLE item(key INTEGER PRIMARY KEY, version INTEGER, write "
                        "INTEGER);"
                        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
                        " WHERE i + 1 < %u) INSERT INTO item SELECT i, 0, 0 FROM n; COMMIT",
                        n_rows);
        return sqlite3_exec(own->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(own, sql);
}

/* Runs a statement with up to two numbers; what it returns goes into @ret_row. */
static int execute(struct database *database, int which, uint64_t first, uint64_t second,
                struct row *ret_row)
{
        struct sqlite_database *own = (struct sqlite_database *)database;
        int r = prepare(own), code;
        sqlite3_stmt *statement = own->statements[which];

        if (r != 0) {
                return r;
        }
        if (which == READ || which == WRITE) {
                sqlite3_bind_int64(statement, 1, (sqlite3_int64)first);
        }
        if (which == WRITE) {
                sqlite3_bind_int64(statement, 2, (sqlite3_int64)second);
        }
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW && ret_row) {
                *ret_row = (struct row){(uint64_t)sqlite3_column_int64(statement, 0),
                                (uint64_t)sqlite3_column_int64(statement, 1)};
                code = which == WRITE ? sqlite3_step(statement) : SQLITE_DONE;
        } else if (ret_row && code == SQLITE_DONE) {
                code = SQLITE_EMPTY;
        }
        r = code == SQLITE_DONE            ? 0
            : (code & 0xff) == SQLITE_BUSY ? -EAGAIN
                                           : fail(own, texts[which]);
        sqlite3_reset(statement);
        return r;
}

static int rollback(struct database *database)
{
        return execute(database, ROLLBACK, 0, 0, NULL);
}

static int begin(struct database *database)
{
        return execute(database, BEGIN_READ, 0, 0, NULL);
}

static int read_row(struct database *database, uint32_t key, struct row *ret_row)
{
        return execute(database, READ, key, 0, ret_row);
}

static int write_row(struct database *database, uint32_t key, uint64_t write, uint64_t *ret_version)
{
        struct row row;
        int r = execute(database, BEGIN_WRITE, 0, 0, NULL);

        if (r != 0) {
                return r;
        }
        r = execute(database, WRITE, key, write, &row);
        if (r != 0) {
                rollback(database);
                return r;
        }
        *ret_version = row.version;
        return 0;
}

static int commit(struct database *database)
{
        int r = execute(database, COMMIT, 0, 0, NULL);

        if (r == -EAGAIN && rollback(database) != 0) {
                return -EIO;
        }
        return r;
}

const struct database_kind database_sqlite = {
                .open = open_database,
                .close = close_database,
                .create = create,
                .begin = begin,
                .read = read_row,
                .write = write_row,
                .commit = commit,
                .rollback = rollback,
};
