/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * History: the newest operations that were applied here, own and foreign, and what made the cache
 * be forgotten. It answers "which operation left this stamp in the page, when, and was it about
 * this key". Keys and tags are kept as hashes. It is a ring: what is older is not known any more,
 * and is said to be so. Nothing depends on it but `why` and `trace`.
 *
 * Stamps and numbers are found by hash: any user may ask, as often as he likes.
 *
 * One thread.
 */
#include "meshd/core/core.h"
#include "wire/op.h"
#include "wire/page.h"

#define HISTORY_OPERATIONS 4096
#define HISTORY_TARGETS 16384 /* keys and tags of them */
#define HISTORY_SOURCE_MAX 64

struct history_entry {
        uint64_t seq;    /* its stamp in the page; 0: it had no effect here (no such region) */
        uint64_t at_ns;  /* mono, when it was applied */
        uint64_t number; /* in its stream; 0: no operation, see kind and text */
        uint64_t kind;   /* enum cmi_op_kind; INTENT_END also for one that its deadline ended */
        bool is_whole_region;
        uint32_t n_keys;
        uint32_t n_tags;
        uint64_t first_target; /* of all that were ever noted */
        uint64_t older_seq;    /* of history.c: the next older one of its chain, */
        uint64_t older_number; /* counted from 1 */
        char source[HISTORY_SOURCE_MAX + 1];
        char text[CORE_TEXT_MAX]; /* why everything was forgotten; "" for an operation */
};

enum history_hit {
        HISTORY_OTHER = 0, /* the operation was not about this one */
        HISTORY_SAME,
        HISTORY_UNKNOWN, /* its targets are not remembered any more */
};

struct history;

/**
 * history_new() - an empty ring
 * @apply_seq: of the page; read when something was applied
 *
 * Return: 0, -ENOMEM.
 */
int history_new(struct history **ret_history, const _Atomic uint64_t *apply_seq);
struct history *history_free(struct history *history);

/* An operation was applied just now; for core_sink.applied. */
void history_applied(struct history *history, const char *source, uint64_t number,
                const struct cmi_op *op);

/* A write intent of that node, begun by @op, was ended by its deadline just now. */
void history_expired(struct history *history, const char *source, const struct cmi_op *op);

/* Everything was forgotten just now; @source is "" if no node is the cause. */
void history_forgot(struct history *history, const char *source, const char *text);

/* For core_sink.event: one of these two, or nothing. */
void history_event(struct history *history, const struct core_event *event);

/* What left this stamp; borrowed until the next one is noted. NULL: not remembered. */
const struct history_entry *history_find(const struct history *history, uint64_t seq);

/* The newest operation of this number of a node. NULL: not remembered. */
const struct history_entry *history_find_number(
                const struct history *history, const char *source, uint64_t number);

/* Was this entry about that key (or tag)? Equal hashes of 64 bits are taken for the same. */
enum history_hit history_is_about(const struct history *history, const struct history_entry *entry,
                enum cmi_page_kind kind, struct cmi_slice target);

/* The oldest entry that is remembered; NULL if there is none. */
const struct history_entry *history_oldest(const struct history *history);

/* Entries remembered. */
uint32_t history_n_entries(const struct history *history);
