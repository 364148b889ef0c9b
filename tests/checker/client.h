/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An app that reads rows of a database through its cache and changes them, and notes all of it in
 * histories. client.c starts and ends it; reader.c and writer.c are what its threads do. What is
 * legal is left to check.h, faults are left to the test.
 */
#include "libcachemesh/cachemesh.h"
#include "tests/checker/database.h"
#include "tests/checker/history.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* When is the token of a load taken? Only the first is right. */
enum token_when {
        TOKEN_BEFORE = 0, /* before the transaction begins */
        TOKEN_BEGUN,      /* when it has begun to see: wrong if it goes on to see that moment */
        TOKEN_LOADED,     /* when it has ended */
};

struct client {
        struct cm *cm;
        struct cm_region *region;
        const char *where; /* as database_open() */
        const char *history;
        uint16_t process;
        uint32_t n_rows;
        enum token_when when;
        _Atomic bool is_ending;
        _Atomic uint64_t n_hits;
        _Atomic uint64_t n_loads;
        _Atomic uint64_t n_writes;
        _Atomic uint64_t n_acks;
        _Atomic uint64_t n_errors; /* failed invalidations, but for short waits */
};

/* One thread. */
struct worker {
        pthread_t thread;
        struct client *client;
        unsigned number;
        struct database *database;
        struct history history;
        uint64_t random;
        uint64_t n_writes;
};

/* Where a key lives in the cache. */
struct name {
        char text[32];
        size_t len;
};

/* What a thread runs until is_ending; @argument: its struct worker. */
void *reader_run(void *argument);
void *writer_run(void *argument);

uint64_t client_now_ns(void); /* CLOCK_MONOTONIC */
struct name client_key(uint32_t key);
struct name client_tag(uint32_t key); /* shared by a few keys */

/* Ends the process if that is not true: a test that cannot go on says so by its exit status. */
void client_must(bool is_true, const char *what);

/* Notes an event of the calling thread. */
void worker_note(struct worker *worker, enum history_kind kind, uint32_t key, const struct row *row,
                uint64_t start_ns, uint64_t end_ns);

/* A random number below a limit. */
uint32_t worker_draw(struct worker *worker, uint32_t limit);

/* Up to so many microseconds: work that is not reading, and what a load takes. */
void worker_pause(struct worker *worker, uint32_t limit_us);
