/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Why meshd cannot start: an exit status and a text for people, filled where the cause is known and
 * printed once, by main.c. A text says what failed, on what, why, and what to do next. While
 * running nothing is a reason to exit; there the logger is told instead.
 */
#include <stdarg.h>

enum fault_status {
        FAULT_FAILED = 1,
        FAULT_USAGE = 64,  /* the command line cannot be read */
        FAULT_RETRY = 75,  /* something is in use that may be free later */
        FAULT_CONFIG = 78, /* a value, or what it names, cannot be used */
};

struct fault {
        int status; /* enum fault_status */
        char text[1024];
};

/**
 * fault_set() - say why it does not go on
 * @fault:  to be filled
 * @status: enum fault_status
 * @error:  negative errno
 * @format: as of printf; one or more sentences without newlines
 *
 * Return: @error, for `return fault_set(...)`.
 */
int fault_set(struct fault *fault, enum fault_status status, int error, const char *format, ...)
                __attribute__((format(printf, 4, 5)));
