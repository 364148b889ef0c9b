/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The log of the program: one line per event to stderr, in logfmt, with a stable event name that
 * people may search for and alert on. Bytes from outside are escaped and cut, so that nobody can
 * forge a line. Each event name has a budget of lines; what is left out is counted and said with
 * the next line of that name. What may go on for long without any news in it, such as a refusal, is
 * written with its cause: the same line comes once, and again once a minute while it goes on.
 *
 * A reader of stderr that stops must not stop meshd: a line that cannot be written at once is
 * dropped, and counted. One thread.
 */
#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/id.h"
#include "base/time.h"

#include <stdint.h>

#define LOGGER_LINE_MAX 2048
#define LOGGER_VALUE_MAX 256 /* bytes of one value before escaping; the rest is cut off */
#define LOGGER_EVENTS_MAX 128
#define LOGGER_BURST 20      /* lines of one event at once, */
#define LOGGER_PER_SECOND 1  /* and then */
#define LOGGER_CAUSES_MAX 64 /* remembered; beyond it the one that is longest ago is forgotten */
#define LOGGER_CAUSE_NS (60 * CMI_NS_PER_S)

enum logger_level {
        LOGGER_ERROR = 3,
        LOGGER_WARNING = 4,
        LOGGER_INFO = 6,
        LOGGER_DEBUG = 7,
};

enum logger_kind {
        LOGGER_END = 0,
        LOGGER_TEXT,
        LOGGER_BYTES,
        LOGGER_UINT,
        LOGGER_INT,
        LOGGER_ID,
        LOGGER_ENDPOINT,
};

struct logger_field {
        const char *key; /* a word */
        enum logger_kind kind;
        union {
                const char *text; /* NULL: the field is left out */
                struct cmi_slice bytes;
                uint64_t uint;
                int64_t integer;
                const struct cmi_id *id;
                const struct cmi_endpoint *endpoint;
        };
};

#define L_TEXT(k, v) ((struct logger_field){.key = (k), .kind = LOGGER_TEXT, .text = (v)})
#define L_BYTES(k, v) ((struct logger_field){.key = (k), .kind = LOGGER_BYTES, .bytes = (v)})
#define L_UINT(k, v) ((struct logger_field){.key = (k), .kind = LOGGER_UINT, .uint = (v)})
#define L_INT(k, v) ((struct logger_field){.key = (k), .kind = LOGGER_INT, .integer = (v)})
#define L_ID(k, v) ((struct logger_field){.key = (k), .kind = LOGGER_ID, .id = (v)})
#define L_ENDPOINT(k, v)                                                                           \
        ((struct logger_field){.key = (k), .kind = LOGGER_ENDPOINT, .endpoint = (v)})

/* logger(LOGGER_INFO, "peer.state", L_TEXT("name", name), ...): at least one field. */
#define logger(level, event, ...)                                                                  \
        logger_write((level), (event),                                                             \
                        (const struct logger_field[]){__VA_ARGS__, {.kind = LOGGER_END}})

/* The same, for what repeats itself: equal lines come once in LOGGER_CAUSE_NS. */
#define logger_cause(level, event, ...)                                                            \
        logger_write_cause((level), (event),                                                       \
                        (const struct logger_field[]){__VA_ARGS__, {.kind = LOGGER_END}})

struct logger_problem {
        uint64_t mono_ns; /* 0: there was none */
        char text[256];   /* event and its fields, without the time */
};

/**
 * logger_start() - set level and name; before it, everything from LOGGER_INFO on is written
 * @level: the least important one that is written
 * @node:  name of this node, in each line; borrowed for ever
 */
void logger_start(enum logger_level level, const char *node);

/**
 * logger_write() - one event; see the macro logger()
 * @event:  a name with dots, never changed once released; static storage
 * @fields: ends with LOGGER_END
 */
void logger_write(enum logger_level level, const char *event, const struct logger_field *fields);

/**
 * logger_write_cause() - one event that may repeat itself; see the macro logger_cause()
 *
 * The first line is written as by logger_write(). An equal one, in all its fields, is counted and
 * left out until LOGGER_CAUSE_NS have passed; the next one says in "suppressed" how many those
 * were. Not for changes of a state: the last line about one must be true.
 */
void logger_write_cause(
                enum logger_level level, const char *event, const struct logger_field *fields);

/* The newest error or warning. */
const struct logger_problem *logger_last_problem(void);

/* Lines that were left out: over the budget of their event, or since stderr did not take them. */
uint64_t logger_n_suppressed(void);

/**
 * logger_format_value() - a value as logfmt writes it
 * @value:    any bytes
 * @ret_text: at least 8 bytes of room, NUL-terminated on return
 * @size:     of @ret_text
 *
 * Plain words stay as they are. Anything else comes in double quotes, with quote and backslash
 * escaped, control characters and bytes that are no UTF-8 as \xNN. What does not fit, or is over
 * LOGGER_VALUE_MAX, is cut and marked by three dots.
 *
 * Return: length of the text.
 */
size_t logger_format_value(struct cmi_slice value, char *ret_text, size_t size);

/* A budget of lines; all zero at first. */
struct logger_budget {
        const char *event;
        uint64_t filled_ns;
        uint32_t n_tokens;
        uint64_t n_suppressed;
};

/**
 * logger_budget_take() - may one more line be written now?
 *
 * Return: 1 and the number left out since the last one, or 0.
 */
int logger_budget_take(struct logger_budget *budget, uint64_t now_ns, uint64_t *ret_suppressed);

struct logger_cause {
        uint64_t hash; /* of the line; 0: free */
        uint64_t written_ns;
        uint64_t n_suppressed;
};

/* What repeats itself; all zero at first. */
struct logger_causes {
        struct logger_cause causes[LOGGER_CAUSES_MAX];
};

/**
 * logger_causes_take() - is it time to write this line again?
 * @hash: of the line, not 0
 *
 * Return: 1 and the number left out since the last one, or 0.
 */
int logger_causes_take(struct logger_causes *causes, uint64_t hash, uint64_t now_ns,
                uint64_t *ret_suppressed);
