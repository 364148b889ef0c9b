/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The connection to the SQLite file that the apps of all nodes share: opening, schema, statements
 * with bound parameters, transactions. What is stored, and who may change it, is left to store.c.
 *
 * A connection belongs to one thread at a time. Failures are logged here, by SQLite's own words,
 * and become -EIO or -EBUSY.
 */
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/**
 * database_open() - open the file, or create it with its tables
 *
 * Return: 0, -EIO, -EBUSY (another process held it for too long), -EPROTO
 *         (tables of another version).
 */
int database_open(sqlite3 **ret_db, const char *path);
sqlite3 *database_close(sqlite3 *db);

/**
 * database_query() - prepare a statement and bind its parameters
 * @ret_query: to be finished with database_finish(); NULL on failure
 * @types:     a letter for each parameter: 's' const char * (valid until the
 *             statement ends), 'i' int64_t
 *
 * Return: 0, -EIO.
 */
int database_query(sqlite3 *db, sqlite3_stmt **ret_query, const char *sql, const char *types, ...);

/**
 * database_step() - go to the next row
 *
 * Return: 0 (there is one), 1 (there is none), -EEXIST (a constraint forbids it), -EBUSY, -EIO.
 */
int database_step(sqlite3_stmt *query);

/* Copies a column of text; a longer one is cut off. */
void database_text(sqlite3_stmt *query, int column, char *target, size_t size);

/* For CM-style cleanup attributes: ends the statement, if there is one. */
void database_finish(sqlite3_stmt **query);

/**
 * database_number() - the first column of the first row
 * @ret_number: left alone if there is no row
 *
 * Return: 0, 1 (no row), -EBUSY, -EIO.
 */
int database_number(sqlite3 *db, int64_t *ret_number, const char *sql, const char *types, ...);

/**
 * database_run() - run a statement that returns no rows
 *
 * Return: 0, -EEXIST, -EBUSY, -EIO.
 */
int database_run(sqlite3 *db, const char *sql, const char *types, ...);

/* Begins a transaction that may write: it waits for the other writers now and not half-way. */
int database_begin(sqlite3 *db);

/**
 * database_end() - commit if @result is 0, else undo everything since database_begin()
 *
 * Return: @result, or what went wrong with the commit.
 */
int database_end(sqlite3 *db, int result);
