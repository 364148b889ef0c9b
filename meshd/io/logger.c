/* SPDX-License-Identifier: MIT */
#include "meshd/io/logger.h"

#include "meshd/io/clock.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct line {
        char text[LOGGER_LINE_MAX];
        size_t len;
};

static struct {
        enum logger_level level;
        const char *node;
        bool is_journal;
        struct logger_budget budgets[LOGGER_EVENTS_MAX];
        struct logger_causes causes;
        struct logger_problem problem;
        uint64_t n_suppressed;
} state = {.level = LOGGER_INFO};

/* journald says in JOURNAL_STREAM which device and inode stderr is if it reads it. */
static bool stderr_is_journal(void)
{
        const char *text = getenv("JOURNAL_STREAM");
        unsigned long long device;
        unsigned long long inode;
        struct stat status;

        return text && sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
               status.st_ino == inode;
}

void logger_start(enum logger_level level, const char *node)
{
        state.level = level;
        state.node = node;
        state.is_journal = stderr_is_journal();
}

/* Length of the UTF-8 sequence at the start, 0 if it is none, or one that hides
 * or turns text around. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
        uint32_t code;
        size_t n;

        if (at[0] < 0x80) {
                return at[0] >= 0x20 && at[0] != 0x7f;
        }
        n = at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;
        if (n == 0 || at[0] >= 0xf5 || n > left) {
                return 0;
        }
        code = at[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((at[i] & 0xc0) != 0x80) {
                        return 0;
                }
                code = code << 6 | (at[i] & 0x3f);
        }
        if ((n == 3 && code < 0x800) || (n == 4 && code < 0x10000) || code > 0x10ffff ||
                        (code >= 0xd800 && code < 0xe000)) {
                return 0;
        }
        /* C1 controls, line separators, marks that change the direction of writing. */
        if (code < 0xa0 || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
                        (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
                        code == 0xfeff) {
                return 0;
        }
        return n;
}

static bool is_plain(struct cmi_slice value)
{
        const unsigned char *at = value.data;

        for (size_t i = 0; i < value.len; i++) {
                if (at[i] <= ' ' || at[i] >= 0x7f || at[i] == '"' || at[i] == '=' ||
                                at[i] == '\\') {
                        return false;
                }
        }
        return value.len > 0 && value.len <= LOGGER_VALUE_MAX;
}

/* One character of the value as it is written; returns how many bytes of it were used. */
static size_t escape(const unsigned char *at, size_t left, char ret_text[8], size_t *ret_len)
{
        size_t n = utf8_length(at, left);

        if (at[0] == '"' || at[0] == '\\') {
                *ret_len = (size_t)snprintf(ret_text, 8, "\\%c", at[0]);
                return 1;
        }
        if (n > 0) {
                memcpy(ret_text, at, n);
                *ret_len = n;
                return n;
        }
        *ret_len = (size_t)snprintf(ret_text, 8, "\\x%02x", at[0]);
        return 1;
}

size_t logger_format_value(struct cmi_slice value, char *ret_text, size_t size)
{
        size_t limit = value.len < LOGGER_VALUE_MAX ? value.len : LOGGER_VALUE_MAX;
        const unsigned char *at = value.data;
        size_t used = 0;
        size_t len = 0;

        if (is_plain(value) && value.len < size) {
                memcpy(ret_text, value.data, value.len);
                ret_text[value.len] = '\0';
                return value.len;
        }
        ret_text[len++] = '"';
        while (used < limit) {
                char piece[8];
                size_t piece_len;
                size_t n = escape(at + used, value.len - used, piece, &piece_len);

                if (len + piece_len + sizeof("...\"") > size) {
                        break;
                }
                memcpy(ret_text + len, piece, piece_len);
                len += piece_len;
                used += n;
        }
        len += (size_t)snprintf(ret_text + len, size - len, used < value.len ? "...\"" : "\"");
        return len;
}

int logger_budget_take(struct logger_budget *budget, uint64_t now_ns, uint64_t *ret_suppressed)
{
        uint64_t seconds = (now_ns - budget->filled_ns) / CMI_NS_PER_S;

        if (budget->filled_ns == 0 || seconds >= LOGGER_BURST) {
                budget->n_tokens = LOGGER_BURST;
                budget->filled_ns = now_ns;
        } else if (seconds > 0) {
                budget->n_tokens += (uint32_t)seconds * LOGGER_PER_SECOND;
                budget->n_tokens =
                                budget->n_tokens < LOGGER_BURST ? budget->n_tokens : LOGGER_BURST;
                budget->filled_ns += seconds * CMI_NS_PER_S;
        }
        if (budget->n_tokens == 0) {
                budget->n_suppressed++;
                return 0;
        }
        budget->n_tokens--;
        *ret_suppressed = budget->n_suppressed;
        budget->n_suppressed = 0;
        return 1;
}

/* Event names are literals, and few; should there ever be more than fit, the last
 * ones share a budget. */
static struct logger_budget *find_budget(const char *event)
{
        size_t i = 0;

        while (i < LOGGER_EVENTS_MAX - 1 && state.budgets[i].event &&
                        strcmp(state.budgets[i].event, event) != 0) {
                i++;
        }
        state.budgets[i].event = event;
        return &state.budgets[i];
}

static struct logger_cause *find_cause(struct logger_causes *causes, uint64_t hash)
{
        struct logger_cause *oldest = &causes->causes[0];

        for (size_t i = 0; i < LOGGER_CAUSES_MAX; i++) {
                struct logger_cause *cause = &causes->causes[i];

                if (cause->hash == hash) {
                        return cause;
                }
                if (cause->written_ns < oldest->written_ns) {
                        oldest = cause;
                }
        }
        *oldest = (struct logger_cause){.hash = hash};
        return oldest;
}

int logger_causes_take(struct logger_causes *causes, uint64_t hash, uint64_t now_ns,
                uint64_t *ret_suppressed)
{
        struct logger_cause *cause = find_cause(causes, hash);

        if (cause->written_ns != 0 && now_ns - cause->written_ns < LOGGER_CAUSE_NS) {
                cause->n_suppressed++;
                return 0;
        }
        cause->written_ns = now_ns;
        *ret_suppressed = cause->n_suppressed;
        cause->n_suppressed = 0;
        return 1;
}

static void append(struct line *line, const char *key, struct cmi_slice value)
{
        /* Room for the key, the shortest value and the newline, else the field is left out. */
        if (line->len + strlen(key) + 16 > sizeof(line->text)) {
                return;
        }
        if (line->len > 0 && line->text[line->len - 1] != '>') {
                line->text[line->len++] = ' ';
        }
        line->len += (size_t)snprintf(
                        line->text + line->len, sizeof(line->text) - line->len, "%s=", key);
        line->len += logger_format_value(
                        value, line->text + line->len, sizeof(line->text) - line->len - 1);
}

static void append_field(struct line *line, const struct logger_field *field)
{
        char text[CMI_ENDPOINT_TEXT_SIZE];

        switch (field->kind) {
        case LOGGER_TEXT:
                if (field->text) {
                        append(line, field->key, cmi_slice_str(field->text));
                }
                return;
        case LOGGER_BYTES:
                append(line, field->key, field->bytes);
                return;
        case LOGGER_UINT:
                snprintf(text, sizeof(text), "%" PRIu64, field->uint);
                break;
        case LOGGER_INT:
                snprintf(text, sizeof(text), "%" PRId64, field->integer);
                break;
        case LOGGER_ID:
                cmi_id_format(field->id, text);
                break;
        case LOGGER_ENDPOINT:
                cmi_endpoint_format(field->endpoint, text);
                break;
        case LOGGER_END:
                return;
        }
        append(line, field->key, cmi_slice_str(text));
}

static const char *level_text(enum logger_level level)
{
        switch (level) {
        case LOGGER_ERROR:
                return "error";
        case LOGGER_WARNING:
                return "warning";
        case LOGGER_INFO:
                return "info";
        case LOGGER_DEBUG:
                return "debug";
        }
        return "info";
}

static void begin(struct line *line, enum logger_level level)
{
        char text[64];
        struct timespec now;
        struct tm parts;
        size_t n;

        line->len = 0;
        if (state.is_journal) {
                line->len = (size_t)snprintf(line->text, sizeof(line->text), "<%d>", (int)level);
        } else {
                clock_gettime(CLOCK_REALTIME, &now);
                gmtime_r(&now.tv_sec, &parts);
                n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
                snprintf(text + n, sizeof(text) - n, ".%03ldZ", now.tv_nsec / 1000000);
                append(line, "time", cmi_slice_str(text));
        }
        append(line, "level", cmi_slice_str(level_text(level)));
        if (state.node) {
                append(line, "node", cmi_slice_str(state.node));
        }
}

/* A pipe that polls writable takes PIPE_BUF bytes at once, and a line is shorter. */
static void emit(const struct line *line)
{
        struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};

        if (poll(&poll_fd, 1, 0) != 1 || !(poll_fd.revents & POLLOUT) ||
                        write(STDERR_FILENO, line->text, line->len) < 0) {
                state.n_suppressed++;
        }
}

static void append_event(struct line *line, const char *event, const struct logger_field *fields)
{
        append(line, "event", cmi_slice_str(event));
        for (const struct logger_field *field = fields; field->kind != LOGGER_END; field++) {
                append_field(line, field);
        }
}

/* @n_suppressed: equal lines that were left out before */
static void write_line(enum logger_level level, const char *event,
                const struct logger_field *fields, uint64_t now_ns, uint64_t n_suppressed)
{
        uint64_t n_over = 0;
        struct line line;
        size_t head;

        if (!logger_budget_take(find_budget(event), now_ns, &n_over)) {
                state.n_suppressed++;
                return;
        }
        begin(&line, level);
        head = line.len + 1;
        append_event(&line, event, fields);
        if (level <= LOGGER_WARNING) {
                state.problem.mono_ns = now_ns;
                snprintf(state.problem.text, sizeof(state.problem.text), "%.*s",
                                (int)(line.len - head), line.text + head);
        }
        if (n_suppressed + n_over > 0) {
                append_field(&line, &L_UINT("suppressed", n_suppressed + n_over));
        }
        line.text[line.len++] = '\n';
        emit(&line);
}

void logger_write(enum logger_level level, const char *event, const struct logger_field *fields)
{
        if (level <= state.level) {
                write_line(level, event, fields, clock_read_ns(CLOCK_MONOTONIC), 0);
        }
}

void logger_write_cause(
                enum logger_level level, const char *event, const struct logger_field *fields)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);
        struct line line = {.len = 0};
        uint64_t n_suppressed = 0;

        if (level > state.level) {
                return;
        }
        append_event(&line, event, fields);
        if (logger_causes_take(&state.causes, XXH3_64bits(line.text, line.len) | 1, now_ns,
                            &n_suppressed)) {
                write_line(level, event, fields, now_ns, n_suppressed);
        } else {
                state.n_suppressed++;
        }
}

const struct logger_problem *logger_last_problem(void)
{
        return &state.problem;
}

uint64_t logger_n_suppressed(void)
{
        return state.n_suppressed;
}
