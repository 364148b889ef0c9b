/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The slots of a candidate table: who has one, and who gives way when all are taken. For
 * candidate_table.c and candidate_dial.c only.
 */
#include "discovery/candidate_table.h"

/* NULL: nobody. @id is not zero. */
struct candidate *candidate_slot_of_id(
                const struct candidate_table *table, const struct cmi_id *id);

/* The one that stands for a static endpoint, or for one of DNS; NULL: none. */
struct candidate *candidate_slot_of_fixed(
                const struct candidate_table *table, const struct cmi_endpoint *endpoint);

/**
 * candidate_slot_claim() - an empty candidate that is due now
 * @table:      to take it from
 * @is_trusted: for a node that more than a beacon or DNS speaks for
 * @now_ns:     now
 *
 * Return: the candidate; NULL if there is no room.
 */
struct candidate *candidate_slot_claim(
                struct candidate_table *table, bool is_trusted, uint64_t now_ns);

/* Of one that is not being dialled. */
void candidate_slot_release(struct candidate_table *table, struct candidate *candidate);
