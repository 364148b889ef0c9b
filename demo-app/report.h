/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a change was told to the mesh, in words, and packed into a query argument, so that the page
 * after a redirect can show it.
 */
#include "demo-app/cache.h"

#include <stdbool.h>
#include <stdio.h>

#define REPORT_PACKED_MAX 80

/* One word: "everywhere", "partial", "pending", "timeout", "nobody" or "failed". Static. */
const char *report_word(const struct cache_report *report);

/* A sentence for people. */
void report_describe(FILE *out, const struct cache_report *report);

void report_pack(const struct cache_report *report, char ret_packed[REPORT_PACKED_MAX]);

/* Whether @packed is the work of report_pack(); numbers only, so nobody can put words
 * on a page by a link. */
bool report_unpack(const char *packed, struct cache_report *ret_report);
