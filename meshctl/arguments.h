/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The command line: which verb, with which flags and operands. Flags may stand before or after
 * the verb, "--" ends them. What exists is decided by the table of verbs; this file prints
 * nothing and asks nobody.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGUMENTS_FLAGS_MAX 8 /* of one verb */
#define ARGUMENTS_COMPLAINT_MAX 400

struct call;

enum flag_value {
        FLAG_ALONE = 0,
        FLAG_NEEDS_VALUE, /* --flag VALUE or --flag=VALUE */
        FLAG_TAKES_VALUE, /* --flag or --flag=VALUE */
};

struct flag {
        const char *name; /* without dashes; NULL ends a list */
        char letter;      /* 0: none */
        enum flag_value value;
        const char *placeholder; /* of the value, for help */
        const char *help;        /* one line */
};

struct verb {
        const char *name;
        const char *operands; /* for help, "" if none */
        unsigned operands_min;
        unsigned operands_max;
        uint32_t timeout_ms; /* default of --timeout; 0: none */
        bool is_watchable;   /* accepts --watch */
        const char *summary; /* one line */
        const char *help;    /* paragraphs, each line ended */
        struct flag flags[ARGUMENTS_FLAGS_MAX];
        int (*run)(struct call *call); /* returns the exit status */
};

enum format {
        FORMAT_TABLE = 0,
        FORMAT_WIDE,
        FORMAT_JSON,
        FORMAT_JSONL,
        FORMAT_NAME,
};

enum color_choice {
        COLOR_AUTO = 0,
        COLOR_ALWAYS,
        COLOR_NEVER,
};

struct arguments {
        const struct verb *verb; /* NULL: only with wants_help or wants_version */
        const char **operands;   /* n_operands of the caller's strings; owned array */
        size_t n_operands;
        /* By index of the verb's flags; NULL: not given, "": no value. */
        const char *values[ARGUMENTS_FLAGS_MAX];
        const char *socket; /* NULL: not given */
        enum format format;
        enum color_choice color;
        bool is_without_headers;
        bool is_quiet;
        bool wants_help;
        bool wants_version;
        uint32_t watch_ms;   /* 0: once */
        uint32_t timeout_ms; /* 0: none */
        bool has_timeout;    /* it was given */
        char complaint[ARGUMENTS_COMPLAINT_MAX];
};

enum arguments_outcome {
        ARGUMENTS_OK = 0,
        ARGUMENTS_BAD = 1, /* complaint says what is wrong and what to do; verb: if recognized */
};

/* Flags that every verb takes, ended by a NULL name. */
extern const struct flag arguments_global_flags[];

/**
 * arguments_parse() - read a command line
 * @arguments: filled in every case; release it with arguments_deinit()
 * @verbs:     table, ended by a NULL name; borrowed by @arguments
 * @argc:      as main() gets it
 * @argv:      borrowed by @arguments
 *
 * Return: an enum arguments_outcome.
 */
int arguments_parse(struct arguments *arguments, const struct verb *verbs, int argc, char **argv);
void arguments_deinit(struct arguments *arguments);

/* The value of a flag of the verb: NULL if it was not given, "" if it was given without one. */
const char *arguments_value(const struct arguments *arguments, const char *name);
bool arguments_has(const struct arguments *arguments, const char *name);

/**
 * arguments_number() - read a whole decimal number
 *
 * Return: 0, -EINVAL (no number), -ERANGE (not between @min and @max).
 */
int arguments_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);

/**
 * arguments_duration() - read "5", "2.5s", "300ms" or "1m"; without a unit seconds are meant
 *
 * Return: 0, -EINVAL, -ERANGE (below 1 ms, or over a day).
 */
int arguments_duration(const char *text, uint32_t *ret_ms);
