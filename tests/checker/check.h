/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Is a history one of a coherent cache? A read of version v of a key is legal if the write of v
 * began before the read ended, and no newer version was acknowledged before the read began:
 * everywhere, or in the reader's own process. Pure: records in, verdicts out. Where they come from
 * is left to history.h.
 *
 * First every record of all files is learned, then the checker is sealed, then every record is
 * judged. With n records of which m are no reads this takes O(n log m) time and O(m) memory.
 * Equal times prove no order, so they are in favour of the accused.
 */
#include "tests/checker/history.h"

#include <stdbool.h>

enum verdict {
        VERDICT_LEGAL = 0,
        VERDICT_STALE,       /* a newer version was done everywhere before this read began */
        VERDICT_STALE_HERE,  /* a newer one was done in this process before it began */
        VERDICT_TOO_EARLY,   /* the write of this version began after this ended */
        VERDICT_NOT_WRITTEN, /* nobody wrote this version under this number */
        VERDICT_NOT_REAL,    /* that write was rolled back, or another one became this version */
        VERDICT_TWICE,       /* a second write of one version, or with one number */
        VERDICT_BACKWARDS,   /* a write began after this version, or a newer one, was done */
        VERDICT_BROKEN,      /* no record: it ends before it starts, or its kind is unknown */
        VERDICTS,
};

/* One write, and what became of it. */
struct check_write {
        uint64_t key;
        uint64_t version;
        uint64_t write;
        uint64_t start_ns;
        uint32_t n_times; /* it was noted */
        bool is_undone;
        bool is_real; /* acknowledged, or read */
};

/* A version was done at a time, for one process or for all. */
struct check_done {
        uint64_t scope; /* 0: everywhere; process + 1: there */
        uint64_t key;
        uint64_t at_ns;
        uint64_t version; /* when sealed: the newest one until then */
};

struct checker {
        struct check_write *writes;
        struct check_done *dones;
        struct history_record *fates; /* what became of writes, until sealed */
        size_t n_writes, n_dones, n_fates;
        size_t n_writes_max, n_dones_max, n_fates_max;
};

/** checker_deinit() - give the memory back */
void checker_deinit(struct checker *checker);

/**
 * checker_learn() - take note of a record
 * @checker: zeroed at first; not sealed yet
 * @record:  copied if needed
 *
 * Return: 0, -ENOMEM.
 */
int checker_learn(struct checker *checker, const struct history_record *record);

/** checker_seal() - all records are learned: make ready to judge */
void checker_seal(struct checker *checker);

/**
 * checker_judge() - is this record legal?
 * @checker: sealed; remembers which writes were read
 * @record:  one of those that were learned
 *
 * Of two writes of one version the one that is acknowledged, or else judged as read first, is real.
 *
 * Return: an enum verdict; where several apply, what is wrong with the record or its write comes
 *         before what is stale.
 */
enum verdict checker_judge(struct checker *checker, const struct history_record *record);

/** verdict_name() - a few words for people */
const char *verdict_name(enum verdict verdict);
