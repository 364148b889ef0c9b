/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Lines of a descriptor, one at a time, and when it is time to do something with what has come: a
 * pipe that somebody feeds may be silent for days.
 */
#include "base/bytes.h"

#include <stdbool.h>

#define LINES_SIZE 65536

enum lines_outcome {
        LINES_LINE = 0,
        LINES_QUIET, /* nothing has come that was not given: the next call sleeps */
        LINES_END,
};

/* Zeroed at first, but for fd. */
struct lines {
        int fd;
        bool is_quiet; /* LINES_QUIET was said, and nothing has come since */
        bool is_ended;
        size_t begin, end; /* of what has come and was not given */
        char data[LINES_SIZE];
};

/**
 * lines_next() - the next line
 * @ret_line: without its end; borrowed until the next call
 *
 * Return: an enum lines_outcome; -EMSGSIZE (a line that is longer than LINES_SIZE), an errno of
 *         read().
 */
int lines_next(struct lines *lines, struct cmi_slice *ret_line);
