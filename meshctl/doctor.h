/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The doctor: from what meshd says about itself, what is wrong and what to do about it, in plain
 * words. It asks nobody: verb_doctor.c collects, and a test gives it any mesh it likes.
 *
 * A check that finds nothing gives one row that says so. States of a row: "ok"; "note": worth
 * knowing, nothing is broken; "problem": somebody has to do something.
 */
#include <jansson.h>

struct doctor_case {
        const json_t *status; /* documents of meshd, borrowed */
        const json_t *peers;
        const json_t *links;
        const json_t *regions;
        const json_t *facts; /* each candidate with "probe" if it was tried: "open", or an error */
        const char *storage; /* what is wrong with the state directory's file system; "": nothing */
};

/**
 * doctor_examine() - all checks
 *
 * Return: a new document, schema cachemesh.doctor/1: node, problems, notes, and checks, rows of
 *         {check, state, about, finding, advice}.
 */
json_t *doctor_examine(const struct doctor_case *patient);
