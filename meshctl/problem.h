/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What went wrong, for people and for scripts: what, on what, why, what next, and the exit status.
 * Functions fill a problem in and return; one place prints it (to standard error).
 */
#include <stdio.h>

/* Exit statuses; those from 64 on are of sysexits.h. */
enum status {
        STATUS_OK = 0,
        STATUS_FAILED = 1,
        STATUS_DEGRADED = 2, /* meshd answers, but something is not as it should be */
        STATUS_USAGE = 64,
        STATUS_UNREACHABLE = 69, /* no meshd behind the socket */
        STATUS_INCOMPLETE = 75,  /* timeout, or only a part was done */
        STATUS_REFUSED = 77,     /* not allowed */
        STATUS_CONFIG = 78,
};

struct problem {
        enum status status;
        char text[600];
        char advice[200]; /* what next; "" if there is nothing to say */
};

/* Returns the status, so that it can be passed up at once. */
__attribute__((format(printf, 4, 5))) int problem_set(struct problem *problem, enum status status,
                const char *advice, const char *format, ...);

/**
 * problem_from_error() - an ERROR of meshd
 * @code: negative errno or CM_E_ code
 * @text: of meshd
 *
 * Return: the exit status that belongs to it.
 */
int problem_from_error(struct problem *problem, const char *verb, long code, const char *text);

/* "meshctl VERB: text", and the advice on a second line. */
void problem_print(const struct problem *problem, FILE *file, const char *verb);
