/* SPDX-License-Identifier: MIT */
#pragma once
/* One line on standard error, if that is a terminal, while something takes more than a second. */
#include <stdbool.h>
#include <stdint.h>

struct progress {
        bool is_shown;   /* on a terminal and not --quiet */
        bool is_visible; /* there is a line to wipe */
        uint64_t since_ns;
        char what[120]; /* "waiting for ..." */
};

/* A wait begins; @what is copied. */
__attribute__((format(printf, 2, 3))) void progress_start(
                struct progress *progress, const char *what, ...);

/* Draw if it is time. Return: milliseconds until the next call is useful, -1: never. */
int progress_draw(struct progress *progress);

/* The wait is over: wipe the line. */
void progress_stop(struct progress *progress);
