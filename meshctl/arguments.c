/* SPDX-License-Identifier: MIT */
#include "meshctl/arguments.h"

#include "base/nearest.h"
#include "meshctl/memory.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS (24u * 3600u * 1000u)
#define WATCH_DEFAULT_MS 2000

const struct flag arguments_global_flags[] = {
                {"socket", 0, FLAG_NEEDS_VALUE, "PATH",
                                "meshd's socket; default: $CACHEMESH_SOCKET, else "
                                "/run/cachemesh/meshd.sock"},
                {"output", 'o', FLAG_NEEDS_VALUE, "FORMAT",
                                "table (default), wide, json, jsonl (a row a line) or name"},
                {"no-headers", 0, FLAG_ALONE, NULL, "tables without their first line"},
                {"watch", 0, FLAG_TAKES_VALUE, "S", "show it again every S seconds (default 2)"},
                {"timeout", 0, FLAG_NEEDS_VALUE, "S",
                                "longest wait: seconds, or with a unit: 300ms, 2m"},
                {"quiet", 'q', FLAG_ALONE, NULL,
                                "no data and no progress, only errors and the exit status"},
                {"color", 0, FLAG_NEEDS_VALUE, "WHEN",
                                "auto (default: on a terminal, unless NO_COLOR is set), always or "
                                "never"},
                {"help", 'h', FLAG_ALONE, NULL, "this text, or that of the verb"},
                {"version", 0, FLAG_ALONE, NULL, "the version of meshctl"},
                {NULL},
};

enum global {
        GLOBAL_SOCKET = 0,
        GLOBAL_OUTPUT,
        GLOBAL_NO_HEADERS,
        GLOBAL_WATCH,
        GLOBAL_TIMEOUT,
        GLOBAL_QUIET,
        GLOBAL_COLOR,
        GLOBAL_HELP,
        GLOBAL_VERSION,
};

/* A flag as it stood on the command line; its value is NULL or borrowed. */
struct given {
        const char *text; /* with its dashes, up to "=" */
        size_t text_len;
        const char *value;
        bool is_long;
};

__attribute__((format(printf, 2, 3))) static int complain(
                struct arguments *arguments, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        vsnprintf(arguments->complaint, sizeof(arguments->complaint), format, list);
        va_end(list);
        return ARGUMENTS_BAD;
}

static const struct verb *find_verb(const struct verb *verbs, const char *name)
{
        for (; verbs->name; verbs++) {
                if (strcmp(verbs->name, name) == 0) {
                        return verbs;
                }
        }
        return NULL;
}

static bool flag_is(const struct flag *flag, const struct given *given)
{
        if (given->is_long) {
                return strlen(flag->name) == given->text_len - 2 &&
                       strncmp(flag->name, given->text + 2, given->text_len - 2) == 0;
        }
        return flag->letter && flag->letter == given->text[1];
}

static const struct flag *flag_among(const struct flag *flags, const struct given *given)
{
        for (; flags->name; flags++) {
                if (flag_is(flags, given)) {
                        return flags;
                }
        }
        return NULL;
}

/* Before the verb is known any verb's flag may be meant; flags of one name take values
 * alike in all verbs. */
static const struct flag *flag_of_any(const struct verb *verbs, const struct given *given)
{
        const struct flag *flag = NULL;

        for (; verbs->name && !flag; verbs++) {
                flag = flag_among(verbs->flags, given);
        }
        return flag;
}

static struct given given_read(const char *argument)
{
        struct given given = {.text = argument, .is_long = argument[1] == '-'};
        const char *equal = given.is_long ? strchr(argument, '=') : NULL;

        if (equal) {
                given.text_len = (size_t)(equal - argument);
                given.value = equal + 1;
        } else if (given.is_long) {
                given.text_len = strlen(argument);
        } else {
                given.text_len = 2;
                given.value = argument[2] ? argument + 2 : NULL;
        }
        return given;
}

static void nearest_flag(const struct flag *flags, const char *typed, const char **best,
                unsigned *best_distance)
{
        unsigned distance;

        for (; flags->name; flags++) {
                if (cmi_nearest_is_close(typed, flags->name, &distance) &&
                                distance < *best_distance) {
                        *best = flags->name;
                        *best_distance = distance;
                }
        }
}

static int complain_flag(struct arguments *arguments, const struct given *given)
{
        char typed[CMI_NEAREST_WORD_MAX + 1] = "";
        const char *best = NULL;
        unsigned distance = UINT32_MAX;

        if (given->is_long && given->text_len - 2 <= CMI_NEAREST_WORD_MAX) {
                memcpy(typed, given->text + 2, given->text_len - 2);
        }
        nearest_flag(arguments_global_flags, typed, &best, &distance);
        if (arguments->verb) {
                nearest_flag(arguments->verb->flags, typed, &best, &distance);
        }
        return complain(arguments, "unknown flag %.*s%s%s%s%s", (int)given->text_len, given->text,
                        arguments->verb ? " of " : "", arguments->verb ? arguments->verb->name : "",
                        best ? "; did you mean --" : "", best ? best : "");
}

static int complain_verb(struct arguments *arguments, const struct verb *verbs, const char *typed)
{
        const char *best = NULL;
        unsigned best_distance = UINT32_MAX, distance;

        for (; verbs->name; verbs++) {
                if (cmi_nearest_is_close(typed, verbs->name, &distance) &&
                                distance < best_distance) {
                        best = verbs->name;
                        best_distance = distance;
                }
        }
        if (best) {
                return complain(arguments, "unknown verb \"%.40s\"; did you mean %s?", typed, best);
        }
        return complain(arguments, "unknown verb \"%.40s\"; meshctl --help lists them", typed);
}

static int choose(const char *const *words, const char *typed)
{
        for (int i = 0; words[i]; i++) {
                if (strcmp(words[i], typed) == 0) {
                        return i;
                }
        }
        return -EINVAL;
}

static int take_format(struct arguments *arguments, const char *value)
{
        static const char *const words[] = {"table", "wide", "json", "jsonl", "name", NULL};
        int choice = choose(words, value);

        if (choice < 0) {
                return complain(arguments,
                                "-o %.40s: the formats are table, wide, json, jsonl and name",
                                value);
        }
        arguments->format = (enum format)choice;
        return 0;
}

static int take_color(struct arguments *arguments, const char *value)
{
        static const char *const words[] = {"auto", "always", "never", NULL};
        int choice = choose(words, value);

        if (choice < 0) {
                return complain(arguments, "--color=%.40s: choose auto, always or never", value);
        }
        arguments->color = (enum color_choice)choice;
        return 0;
}

static int take_duration(
                struct arguments *arguments, const char *name, const char *value, uint32_t *ret_ms)
{
        int r = arguments_duration(value, ret_ms);

        if (r == -ERANGE) {
                return complain(arguments, "--%s=%.40s: between 1 ms and a day", name, value);
        }
        if (r < 0) {
                return complain(arguments, "--%s=%.40s: give seconds, or a number with ms, s or m",
                                name, value);
        }
        return 0;
}

static int take_global(struct arguments *arguments, enum global global, const char *value)
{
        switch (global) {
        case GLOBAL_SOCKET:
                arguments->socket = value;
                return value[0] ? 0 : complain(arguments, "--socket: the path is empty");
        case GLOBAL_OUTPUT:
                return take_format(arguments, value);
        case GLOBAL_NO_HEADERS:
                arguments->is_without_headers = true;
                return 0;
        case GLOBAL_WATCH:
                if (!value[0]) {
                        arguments->watch_ms = WATCH_DEFAULT_MS;
                        return 0;
                }
                return take_duration(arguments, "watch", value, &arguments->watch_ms);
        case GLOBAL_TIMEOUT:
                arguments->has_timeout = true;
                return take_duration(arguments, "timeout", value, &arguments->timeout_ms);
        case GLOBAL_QUIET:
                arguments->is_quiet = true;
                return 0;
        case GLOBAL_COLOR:
                return take_color(arguments, value);
        case GLOBAL_HELP:
                arguments->wants_help = true;
                return 0;
        case GLOBAL_VERSION:
                arguments->wants_version = true;
                return 0;
        }
        return 0;
}

/* Verb flags met before the verb, or at all: sorted out once the verb is known. */
struct parse {
        struct arguments *arguments;
        const struct verb *verbs;
        struct given *flags;
        size_t n_flags;
        int argc;
        char **argv;
};

static int take_flag(struct parse *parse, int *at)
{
        struct arguments *arguments = parse->arguments;
        struct given given = given_read(parse->argv[*at]);
        const struct flag *flag = flag_among(arguments_global_flags, &given);
        bool is_global = flag != NULL;

        if (!flag && arguments->verb) {
                flag = flag_among(arguments->verb->flags, &given);
        }
        if (!flag) {
                flag = flag_of_any(parse->verbs, &given);
        }
        if (!flag) {
                return complain_flag(arguments, &given);
        }
        if (flag->value == FLAG_ALONE && given.value) {
                return complain(arguments, "--%s takes no value", flag->name);
        }
        if (flag->value == FLAG_NEEDS_VALUE && !given.value) {
                if (*at + 1 >= parse->argc) {
                        return complain(arguments, "--%s needs a value: %s", flag->name,
                                        flag->placeholder);
                }
                given.value = parse->argv[++*at];
        }
        if (is_global) {
                return take_global(arguments, (enum global)(flag - arguments_global_flags),
                                given.value ? given.value : "");
        }
        parse->flags[parse->n_flags++] = given;
        return 0;
}

static int take_operand(struct parse *parse, const char *operand)
{
        struct arguments *arguments = parse->arguments;

        if (arguments->verb) {
                arguments->operands[arguments->n_operands++] = operand;
                return 0;
        }
        if (strcmp(operand, "help") == 0) { /* "meshctl help VERB" is what people try first */
                arguments->wants_help = true;
                return 0;
        }
        arguments->verb = find_verb(parse->verbs, operand);
        return arguments->verb ? 0 : complain_verb(arguments, parse->verbs, operand);
}

static int take_all(struct parse *parse)
{
        bool is_over = false;
        int r = 0;

        for (int i = 1; i < parse->argc && r == 0; i++) {
                const char *argument = parse->argv[i];

                if (!is_over && strcmp(argument, "--") == 0) {
                        is_over = true;
                } else if (!is_over && argument[0] == '-' && argument[1]) {
                        r = take_flag(parse, &i);
                } else {
                        r = take_operand(parse, argument);
                }
        }
        return r;
}

static int sort_flags(const struct parse *parse)
{
        struct arguments *arguments = parse->arguments;

        for (size_t i = 0; i < parse->n_flags; i++) {
                const struct given *given = &parse->flags[i];
                const struct flag *flag = flag_among(arguments->verb->flags, given);

                if (!flag) {
                        return complain_flag(arguments, given);
                }
                arguments->values[flag - arguments->verb->flags] = given->value ? given->value : "";
        }
        return 0;
}

static int check(const struct parse *parse)
{
        struct arguments *arguments = parse->arguments;
        const struct verb *verb = arguments->verb;
        int r;

        if (arguments->wants_help || arguments->wants_version) {
                return 0;
        }
        if (!verb) {
                return complain(arguments, "which verb? meshctl --help lists them");
        }
        r = sort_flags(parse);
        if (r != 0) {
                return r;
        }
        if (arguments->n_operands < verb->operands_min) {
                return complain(arguments, "%s needs %s", verb->name, verb->operands);
        }
        if (arguments->n_operands > verb->operands_max) {
                return complain(arguments, "%s: \"%.40s\" is too much; it takes %s", verb->name,
                                arguments->operands[verb->operands_max],
                                verb->operands[0] ? verb->operands : "flags only");
        }
        if (arguments->watch_ms && !verb->is_watchable) {
                return complain(arguments, "%s cannot be watched; leave --watch out", verb->name);
        }
        if (!arguments->has_timeout) {
                arguments->timeout_ms = verb->timeout_ms;
        }
        return 0;
}

int arguments_parse(struct arguments *arguments, const struct verb *verbs, int argc, char **argv)
{
        struct parse parse = {.arguments = arguments, .verbs = verbs, .argc = argc, .argv = argv};
        size_t n = argc > 0 ? (size_t)argc : 1;
        int r;

        *arguments = (struct arguments){0};
        arguments->operands = memory_got(calloc(n, sizeof(*arguments->operands)));
        parse.flags = memory_got(calloc(n, sizeof(*parse.flags)));
        r = take_all(&parse);
        if (r == 0) {
                r = check(&parse);
        }
        free(parse.flags);
        return r;
}

void arguments_deinit(struct arguments *arguments)
{
        free(arguments->operands);
        arguments->operands = NULL;
}

const char *arguments_value(const struct arguments *arguments, const char *name)
{
        for (size_t i = 0; arguments->verb && arguments->verb->flags[i].name; i++) {
                if (strcmp(arguments->verb->flags[i].name, name) == 0) {
                        return arguments->values[i];
                }
        }
        return NULL;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
        return arguments_value(arguments, name) != NULL;
}

int arguments_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
        unsigned long long number;
        char *end;

        if (text[0] < '0' || text[0] > '9') {
                return -EINVAL;
        }
        errno = 0;
        number = strtoull(text, &end, 10);
        if (*end) {
                return -EINVAL;
        }
        if (errno == ERANGE || number < min || number > max) {
                return -ERANGE;
        }
        *ret_number = number;
        return 0;
}

int arguments_duration(const char *text, uint32_t *ret_ms)
{
        double number, factor;
        char *end;

        if ((text[0] < '0' || text[0] > '9') && text[0] != '.') {
                return -EINVAL;
        }
        number = strtod(text, &end);
        if (strcmp(end, "ms") == 0) {
                factor = 1;
        } else if (!*end || strcmp(end, "s") == 0) {
                factor = 1000;
        } else if (strcmp(end, "m") == 0) {
                factor = 60000;
        } else {
                return -EINVAL;
        }
        number *= factor;
        if (!isfinite(number) || number < 1 || number > DAY_MS) {
                return -ERANGE;
        }
        *ret_ms = (uint32_t)(number + 0.5);
        return 0;
}
