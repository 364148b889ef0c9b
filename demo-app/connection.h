/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What store.c, which reads, and change.c, which writes, have in common: the
 * connection and one check.
 */
#include "demo-app/database.h"

#include <pthread.h>

/* Reads are short and mostly answered by the cache: one connection, used by one thread
 * at a time, is enough. */
struct store {
        pthread_mutex_t mutex;
        sqlite3 *db;
};

/* With the mutex held. Returns 0, STORE_NO_PERSON, -EIO, -EBUSY. */
int connection_check_person(sqlite3 *db, const char *person);
