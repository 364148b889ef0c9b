/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The test app: a real user of cachemesh.h that a test drives over standard input, one command
 * and one answer a line. app.c reads commands and answers; app_load.c has the loops that run
 * for a while, in threads.
 */
#include "libcachemesh/cachemesh.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define APP_KEY_SIZE (2 * CM_KEY_MAX)
#define APP_ROWS 4096       /* of the database */
#define APP_SHARED "shared" /* a region of this name shares its loads, and mix loads through it */

/* One row of what stands for a database; shared by all processes of a test through a file. */
struct app_row {
        _Atomic uint64_t version;   /* committed */
        _Atomic uint64_t done;      /* newest version that was told to be invalidated everywhere */
        _Atomic uint64_t published; /* and the newest one that was told to be in a stream */
};

struct app {
        struct cm *cm;
        struct app_row *rows; /* APP_ROWS; NULL: no database */
        /* Newest version whose invalidation returned here, with any outcome. */
        _Atomic uint64_t own_done[APP_ROWS];
        /* Newest version that was in a stream a lease ago, and a little: see app_mix(). */
        _Atomic uint64_t due[APP_ROWS];
};

#define APP_LIMIT_NS UINT64_C(60000000000) /* for what a test tells by a file */

/* How calls ended, and how long the longest one took. */
struct app_tally {
        uint64_t n_by_outcome[CM_PARTIAL + 1];
        uint64_t n_timeouts;
        uint64_t n_errors;
        int last_error;
        uint64_t longest_ns;
};

uint64_t app_now_ns(void); /* CLOCK_MONOTONIC */
enum cm_wait app_wait(const char *word);
void app_tally_add(struct app_tally *tally, int outcome, uint64_t began_ns);
void app_tally_print(const struct app_tally *tally);

/* Each command gets its words, the command itself first, and prints "name=value"
 * pairs without a newline. */
typedef void (*app_command_fn)(struct app *app, char **words);

/* A word that is a path has "%" for "/", which stands between words of "fork". */
const char *app_path(char *word);

void app_last_hit(struct app *app, char **words);
void app_await(struct app *app, char **words);
void app_until(struct app *app, char **words);
void app_pump_start(struct app *app, char **words);
void app_pump_stop(struct app *app, char **words);
void app_mix(struct app *app, char **words);

struct cm_region *app_region(struct app *app, const char *name);
