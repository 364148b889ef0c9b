/* SPDX-License-Identifier: MIT */
/* A server reached by libpq: see database_open() for the two isolation levels. */
#include "tests/checker/database.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 24

struct postgres_database {
        struct database database;
        PGconn *connection;
        const char *begin_read;
        const char *begin_write;
        bool is_prepared;
};

/* A serialization failure or a deadlock is the way of the world, all else is an error. */
static int outcome(struct postgres_database *own, const PGresult *result, const char *what)
{
        ExecStatusType status = PQresultStatus(result);
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
                return 0;
        }
        if (state && (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0)) {
                return -EAGAIN;
        }
        fprintf(stderr, "postgres: %s: %s\n", what, PQerrorMessage(own->connection));
        return -EIO;
}

static int execute(struct postgres_database *own, const char *sql)
{
        PGresult *result = PQexec(own->connection, sql);
        int r = outcome(own, result, sql);

        PQclear(result);
        return r;
}

/* A prepared statement with up to two numbers, that gives one row. */
static int execute_prepared(struct postgres_database *own, const char *name, uint64_t first,
                uint64_t second, struct row *ret_row)
{
        char numbers[2][NUMBER_SIZE];
        const char *values[] = {numbers[0], numbers[1]};
        PGresult *result;
        int r;

        snprintf(numbers[0], NUMBER_SIZE, "%" PRIu64, first);
        snprintf(numbers[1], NUMBER_SIZE, "%" PRIu64, second);
        result = PQexecPrepared(own->connection, name, strcmp(name, "read") == 0 ? 1 : 2, values,
                        NULL, NULL, 0);
        r = outcome(own, result, name);
        if (r == 0 && PQntuples(result) != 1) {
                r = -EIO;
        }
        if (r == 0) {
                *ret_row = (struct row){strtoull(PQgetvalue(result, 0, 0), NULL, 10),
                                strtoull(PQgetvalue(result, 0, 1), NULL, 10)};
        }
        PQclear(result);
        return r;
}

static int prepare(struct postgres_database *own, const char *name, const char *sql)
{
        PGresult *result = PQprepare(own->connection, name, sql, 0, NULL);
        int r = outcome(own, result, sql);

        PQclear(result);
        return r;
}

static void close_database(struct database *database)
{
        struct postgres_database *own = (struct postgres_database *)database;

        PQfinish(own->connection);
        free(own);
}

static int open_database(struct database **ret_database, const char *where, bool is_repeatable)
{
        struct postgres_database *own = calloc(1, sizeof(*own));

        if (!own) {
                return -ENOMEM;
        }
        own->begin_read = is_repeatable ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                        : "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
        own->begin_write = is_repeatable ? "BEGIN ISOLATION LEVEL REPEATABLE READ"
                                         : "BEGIN ISOLATION LEVEL READ COMMITTED";
        own->connection = PQconnectdb(where);
        if (PQstatus(own->connection) != CONNECTION_OK) {
                fprintf(stderr, "postgres: %s\n", PQerrorMessage(own->connection));
                close_database(&own->database);
                return -EIO;
        }
        *ret_database = &own->database;
        return 0;
}

static int create(struct database *database, uint32_t n_rows)
{
        struct postgres_database *own = (struct postgres_database *)database;
        char sql[256];

        snprintf(sql, sizeof(sql),
                        "CREATE TABLE item(key bigint PRIMARY KEY, version bigint, write bigint);"
                        "INSERT INTO item SELECT i, 0, 0 FROM generate_series(0, %u - 1) i",
                        n_rows);
        return execute(own, sql);
}

/* At the first transaction, since there is no table before. */
static int prepare_all(struct postgres_database *own)
{
        static const char read_sql[] = "SELECT version, write FROM item WHERE key = $1::bigint";
        static const char write_sql[] = "UPDATE item SET version = version + 1, write = $2::bigint"
                                        " WHERE key = $1::bigint RETURNING version, write";
        int r = prepare(own, "read", read_sql);

        return r == 0 ? prepare(own, "write", write_sql) : r;
}

static int begin_with(struct postgres_database *own, const char *sql)
{
        int r = own->is_prepared ? 0 : prepare_all(own);

        own->is_prepared = true;
        return r == 0 ? execute(own, sql) : r;
}

static int begin(struct database *database)
{
        struct postgres_database *own = (struct postgres_database *)database;

        return begin_with(own, own->begin_read);
}

static int read_row(struct database *database, uint32_t key, struct row *ret_row)
{
        return execute_prepared((struct postgres_database *)database, "read", key, 0, ret_row);
}

static int rollback(struct database *database)
{
        return execute((struct postgres_database *)database, "ROLLBACK");
}

static int write_row(struct database *database, uint32_t key, uint64_t write, uint64_t *ret_version)
{
        struct postgres_database *own = (struct postgres_database *)database;
        struct row row;
        int r = begin_with(own, own->begin_write);

        if (r != 0) {
                return r;
        }
        r = execute_prepared(own, "write", key, write, &row);
        if (r != 0) {
                rollback(database);
                return r;
        }
        *ret_version = row.version;
        return 0;
}

static int commit(struct database *database)
{
        return execute((struct postgres_database *)database, "COMMIT");
}

const struct database_kind database_postgres = {
                .open = open_database,
                .close = close_database,
                .create = create,
                .begin = begin,
                .read = read_row,
                .write = write_row,
                .commit = commit,
                .rollback = rollback,
};
