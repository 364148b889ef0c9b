/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/history.h"

#include "meshd/io/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION_MASK (HISTORY_OPERATIONS - 1)
#define TARGET_MASK (HISTORY_TARGETS - 1)

static_assert((HISTORY_OPERATIONS & OPERATION_MASK) == 0, "rings are indexed by a mask");
static_assert((HISTORY_TARGETS & TARGET_MASK) == 0, "rings are indexed by a mask");

struct history {
        const _Atomic uint64_t *apply_seq;
        uint64_t last_seq;  /* of the newest entry with an effect */
        uint64_t n_entries; /* ever noted; the newest HISTORY_OPERATIONS are kept */
        uint64_t n_targets;
        uint64_t by_seq[HISTORY_OPERATIONS]; /* the newest of each chain, counted from 1; 0: none */
        uint64_t by_number[HISTORY_OPERATIONS];
        struct history_entry entries[HISTORY_OPERATIONS];
        uint64_t targets[HISTORY_TARGETS];
};

int history_new(struct history **ret_history, const _Atomic uint64_t *apply_seq)
{
        struct history *history = calloc(1, sizeof(*history));

        if (!history) {
                return -ENOMEM;
        }
        history->apply_seq = apply_seq;
        *ret_history = history;
        return 0;
}

struct history *history_free(struct history *history)
{
        free(history);
        return NULL;
}

static struct history_entry *add(struct history *history, const char *source)
{
        struct history_entry *entry = &history->entries[history->n_entries++ & OPERATION_MASK];

        *entry = (struct history_entry){
                        .at_ns = clock_read_ns(CLOCK_MONOTONIC),
                        .first_target = history->n_targets,
        };
        memcpy(entry->source, source, strnlen(source, HISTORY_SOURCE_MAX));
        return entry;
}

/* A key and a tag of one spelling are not the same target. */
static uint64_t hash_of(enum cmi_page_kind kind, struct cmi_slice target)
{
        return XXH3_64bits_withSeed(target.data, target.len, kind);
}

static void note_targets(struct history *history, enum cmi_page_kind kind, struct cmi_reader list,
                uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                history->targets[history->n_targets++ & TARGET_MASK] =
                                hash_of(kind, cmi_op_next(&list));
        }
}

static size_t chain_of_seq(uint64_t seq)
{
        return XXH3_64bits(&seq, sizeof(seq)) & OPERATION_MASK;
}

static size_t chain_of_number(const char *source, uint64_t number)
{
        return XXH3_64bits_withSeed(source, strnlen(source, HISTORY_SOURCE_MAX), number) &
               OPERATION_MASK;
}

/* Of the newest entry, once its stamp and its number are known. */
static void index_newest(struct history *history, struct history_entry *entry)
{
        uint64_t *chain;

        if (entry->seq != 0) {
                chain = &history->by_seq[chain_of_seq(entry->seq)];
                entry->older_seq = *chain;
                *chain = history->n_entries;
        }
        if (entry->number != 0) {
                chain = &history->by_number[chain_of_number(entry->source, entry->number)];
                entry->older_number = *chain;
                *chain = history->n_entries;
        }
}

/* apply_seq is already that of the operation. If it has not grown, the operation was about a region
 * that nobody has open here. */
void history_applied(struct history *history, const char *source, uint64_t number,
                const struct cmi_op *op)
{
        uint64_t seq = atomic_load_explicit(history->apply_seq, memory_order_relaxed);
        struct history_entry *entry = add(history, source);
        bool has_targets = op->region.len > 0;
        bool has_sessions = cmi_op_is_of_sessions(op);
        bool has_effect = seq != history->last_seq || !has_targets;

        entry->seq = has_effect ? seq : 0;
        entry->number = number;
        entry->kind = op->kind;
        entry->is_whole_region = op->is_whole_region;
        entry->n_keys = op->n_keys;
        entry->n_tags = op->n_tags;
        note_targets(history, has_sessions ? CMI_PAGE_SESSION : CMI_PAGE_KEY, op->keys, op->n_keys);
        note_targets(history, CMI_PAGE_TAG, op->tags, op->n_tags);
        history->last_seq = seq;
        index_newest(history, entry);
}

void history_expired(struct history *history, const char *source, const struct cmi_op *op)
{
        struct cmi_op end = *op;

        end.kind = CMI_OP_INTENT_END;
        history_applied(history, source, 0, &end);
}

void history_forgot(struct history *history, const char *source, const char *text)
{
        struct history_entry *entry = add(history, source);

        entry->seq = atomic_load_explicit(history->apply_seq, memory_order_relaxed);
        entry->kind = CMI_OP_ALL;
        snprintf(entry->text, sizeof(entry->text), "%s", text);
        history->last_seq = entry->seq;
        index_newest(history, entry);
}

void history_event(struct history *history, const struct core_event *event)
{
        if (event->kind == CORE_EVENT_FORGOT) {
                history_forgot(history, event->name, event->text);
        } else if (event->kind == CORE_EVENT_EXPIRED) {
                history_expired(history, event->name, event->op);
        }
}

uint32_t history_n_entries(const struct history *history)
{
        return history->n_entries < HISTORY_OPERATIONS ? (uint32_t)history->n_entries
                                                       : HISTORY_OPERATIONS;
}

/* The entry that was the @nth, from 1. NULL: there is none, or its place has a newer one. */
static const struct history_entry *entry_of(const struct history *history, uint64_t nth)
{
        return nth == 0 || history->n_entries - nth >= HISTORY_OPERATIONS
                               ? NULL
                               : &history->entries[(nth - 1) & OPERATION_MASK];
}

/* The newest one first: "everything was forgotten" is noted before the operation that said so. */
const struct history_entry *history_find(const struct history *history, uint64_t seq)
{
        const struct history_entry *entry = entry_of(history, history->by_seq[chain_of_seq(seq)]);

        while (entry && entry->seq != seq) {
                entry = entry_of(history, entry->older_seq);
        }
        return entry;
}

const struct history_entry *history_find_number(
                const struct history *history, const char *source, uint64_t number)
{
        const struct history_entry *entry =
                        entry_of(history, history->by_number[chain_of_number(source, number)]);

        while (entry && (entry->number != number || strcmp(entry->source, source) != 0)) {
                entry = entry_of(history, entry->older_number);
        }
        return entry;
}

enum history_hit history_is_about(const struct history *history, const struct history_entry *entry,
                enum cmi_page_kind kind, struct cmi_slice target)
{
        uint64_t hash = hash_of(kind, target);
        uint64_t n = (uint64_t)entry->n_keys + entry->n_tags;

        if (history->n_targets - entry->first_target > HISTORY_TARGETS) {
                return HISTORY_UNKNOWN;
        }
        for (uint64_t i = 0; i < n; i++) {
                if (history->targets[(entry->first_target + i) & TARGET_MASK] == hash) {
                        return HISTORY_SAME;
                }
        }
        return HISTORY_OTHER;
}

const struct history_entry *history_oldest(const struct history *history)
{
        uint32_t n = history_n_entries(history);

        return n == 0 ? NULL : &history->entries[(history->n_entries - n) & OPERATION_MASK];
}
