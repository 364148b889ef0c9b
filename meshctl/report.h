/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The report of the doctor while it is written: who is examined, and the rows so far. The checks
 * are in doctor.c; those of what discovery hears and cannot reach in doctor_discovery.c.
 */
#include "meshctl/doctor.h"

#include <stdbool.h>

#define RECENT_MS 600000 /* what happened longer ago is no news */

struct report {
        const struct doctor_case *patient;
        json_t *checks;
        const char *check; /* that runs */
        int n_problems;
        int n_notes;
};

/* One row. @advice: static, or "" */
__attribute__((format(printf, 5, 6))) void report_tell(struct report *report, const char *state,
                const char *about, const char *advice, const char *format, ...);

bool report_is_true(const json_t *map, const char *key);

/* An age that is known and not over this. */
bool report_is_recent(const json_t *map, const char *key, json_int_t max_ms);

/* The checks of doctor_discovery.c. */
void report_multicast(struct report *report);
void report_names(struct report *report);
void report_foreign(struct report *report);
void report_key(struct report *report);
void report_candidates(struct report *report);
