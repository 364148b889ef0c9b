/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The source of truth behind the cache: rows {key, version, write} in a real database. One
 * connection belongs to one thread. When transactions begin, and what is cached, is left to the
 * client.
 */
#include <stdbool.h>
#include <stdint.h>

struct row {
        uint64_t version; /* each write adds 1; 0 at first */
        uint64_t write;   /* number of the write that made this version; 0 at first */
};

struct database;

/* One kind of database; each function is as the one with its name below. */
struct database_kind {
        int (*open)(struct database **ret_database, const char *where, bool is_repeatable);
        void (*close)(struct database *database);
        int (*create)(struct database *database, uint32_t n_rows);
        int (*begin)(struct database *database);
        int (*read)(struct database *database, uint32_t key, struct row *ret_row);
        int (*write)(struct database *database, uint32_t key, uint64_t write,
                        uint64_t *ret_version);
        int (*commit)(struct database *database);
        int (*rollback)(struct database *database);
};

struct database {
        const struct database_kind *kind;
};

extern const struct database_kind database_sqlite;
extern const struct database_kind database_postgres; /* only where libpq was found */

/**
 * database_open() - connect
 * @ret_database: end it with database_close()
 * @where:        "sqlite:FILE", "postgres:CONNINFO", or "postgres-rr:CONNINFO" with REPEATABLE READ
 *                instead of READ COMMITTED; a read transaction of SQLite is always repeatable
 *
 * Return: 0, -ENOTSUP (this kind was not built), -EIO (it says why on standard error).
 */
int database_open(struct database **ret_database, const char *where);

/** database_close() - end the connection; NULL is allowed; Return: NULL */
struct database *database_close(struct database *database);

/** database_create() - make the table and rows 0 to n_rows - 1; Return: 0, -EIO */
int database_create(struct database *database, uint32_t n_rows);

/** database_begin() - begin a transaction that only reads; it sees nothing yet; Return: 0, -EIO */
int database_begin(struct database *database);

/** database_read() - one row; Return: 0, -EIO (also if there is no such row) */
int database_read(struct database *database, uint32_t key, struct row *ret_row);

/**
 * database_write() - begin a transaction and in it change one row
 * @ret_version: what the row will have after database_commit()
 *
 * Return: 0, -EAGAIN (another transaction was in the way; nothing is open), -EIO.
 */
int database_write(struct database *database, uint32_t key, uint64_t write, uint64_t *ret_version);

/** database_commit() - end a transaction; Return: 0, -EAGAIN (rolled back), -EIO (unknown) */
int database_commit(struct database *database);

/** database_rollback() - end a transaction without effect; Return: 0, -EIO */
int database_rollback(struct database *database);
