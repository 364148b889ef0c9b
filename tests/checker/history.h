/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What happened in a run, as records in files: one file for each thread, which alone writes it. A
 * file is mapped, so what was noted outlives a kill of the process. What it means is left to
 * check.h. All times are nanoseconds of CLOCK_MONOTONIC of one host.
 */
#include <stddef.h>
#include <stdint.h>

enum history_kind {
        HISTORY_NONE = 0, /* behind the last record of a file */
        HISTORY_HEAD,     /* first record of a file: @version is HISTORY_FORMAT */
        HISTORY_WRITE,    /* began at @start_ns; noted before the commit, so it may not be real */
        HISTORY_UNDONE,   /* this write was rolled back */
        HISTORY_DONE,     /* its invalidation, begun at @start_ns, was done everywhere at @end_ns */
        HISTORY_DONE_HERE, /* it returned at @end_ns: done in this process at least */
        HISTORY_HIT,       /* the cache answered with this version */
        HISTORY_LOAD,      /* the database did */
};

#define HISTORY_FORMAT 1

struct history_record {
        uint64_t start_ns;
        uint64_t end_ns;
        uint64_t version; /* of the row: each write of a key adds 1; 0: as it was at first */
        uint64_t write;   /* who wrote that version: another number for each attempt; 0: nobody */
        uint32_t key;
        uint16_t process; /* that noted it */
        uint8_t kind;     /* enum history_kind */
        uint8_t reserved; /* 0 */
};

/* A file that is being written. */
struct history {
        struct history_record *records; /* mapped */
        size_t n;
        size_t n_max;
};

/**
 * history_create() - begin a file
 * @history: filled; history_close() it
 * @path:    must not exist yet
 * @n_max:   records that it may hold; only what is used takes room on disk
 *
 * Return: 0, a negative errno.
 */
int history_create(struct history *history, const char *path, size_t n_max);

/**
 * history_add() - note one event
 * @history: of the calling thread
 * @record:  copied
 *
 * Return: 0, -ENOSPC (the file is full, and the event is lost).
 */
int history_add(struct history *history, const struct history_record *record);

/** history_close() - end a file; a second time does nothing */
void history_close(struct history *history);

/**
 * history_map() - read a file
 * @path:        of a file that nobody writes any more
 * @ret_records: after the head; mapped until the end of the process
 * @ret_n:       how many; 0 too if the process was killed before it had written the head
 *
 * Return: 0, -EBADMSG (no history), or another negative errno.
 */
int history_map(const char *path, const struct history_record **ret_records, size_t *ret_n);
