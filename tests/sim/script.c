/* SPDX-License-Identifier: MIT */
#include "tests/sim/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_words[] = {
                "key", "tag", "region", "all", "unknown", "fat", "intent", NULL};
static const char *const click_words[] = {"look", "save", "touch", "rotate", "logout", "logout-all",
                "again", "stranger", "unknown", NULL};
static const char *const wait_words[] = {"none", "node", "mesh", NULL};

/* How the values of an act are written. */
static const struct shape {
        const char *verb;
        struct {
                const char *name;
                bool is_time;
                const char *const *words; /* NULL: a number */
        } values[ACT_VALUES];
} shapes[ACT_KINDS] = {
                [ACT_READ] = {"read", {{"app", false, NULL}, {"reader", false, NULL},
                                                      {"key", false, NULL}, {"check", true, NULL},
                                                      {"end", true, NULL}, {"token", true, NULL},
                                                      {"load", true, NULL}, {"put", true, NULL}}},
                [ACT_WRITE] = {"write",
                                {{"app", false, NULL}, {"key", false, NULL},
                                                {"op", false, op_words},
                                                {"wait", false, wait_words},
                                                {"timeout", true, NULL}, {"after", true, NULL}}},
                [ACT_CUT] = {"cut", {{"to", false, NULL}, {"for", true, NULL}}},
                [ACT_BREAK] = {"break", {{"to", false, NULL}, {"link", false, NULL}}},
                [ACT_STOP] = {"stop", {{"for", true, NULL}}},
                [ACT_FREEZE] = {"freeze", {{"for", true, NULL}}},
                [ACT_SUSPEND] = {"suspend", {{"for", true, NULL}}},
                [ACT_KILL] = {"kill", {{"log_lost", false, NULL}}},
                [ACT_CRASH] = {"crash", {{0}}},
                [ACT_LEAVE] = {"leave", {{0}}},
                [ACT_START] = {"start", {{0}}},
                [ACT_STEP] = {"step", {{"by", true, NULL}}},
                [ACT_INTERRUPT] = {"interrupt", {{"sink", false, NULL}, {"for", true, NULL}}},
                [ACT_TEAR] = {"tear", {{0}}},
                [ACT_ASK] = {"ask", {{"to", false, NULL}, {"what", false, NULL}}},
                [ACT_REGIONS] = {"regions", {{"first", false, NULL}, {"n", false, NULL}}},
                [ACT_DESCRIBE] = {"describe", {{"ttl", false, NULL}}},
                [ACT_FORGET] = {"forget", {{"whom", false, NULL}}},
                [ACT_DROP] = {"drop", {{"app", false, NULL}}},
                [ACT_QUIT] = {"quit", {{"app", false, NULL}}},
                [ACT_HALT] = {"halt", {{"app", false, NULL}, {"for", true, NULL}}},
                [ACT_OBITUARY] = {"obituary", {{0}}},
                [ACT_CONFIGURE] = {"configure", {{"lease", false, NULL}, {"room", false, NULL}}},
                [ACT_POST] = {"post",
                                {{"to", false, NULL}, {"n", false, NULL}, {"size", false, NULL}}},
                [ACT_CLICK] = {"click",
                                {{"user", false, NULL}, {"app", false, NULL},
                                                {"what", false, click_words},
                                                {"timeout", true, NULL}, {"pause", true, NULL},
                                                {"chance", false, NULL}}},
                [ACT_ADDRESS] = {"address", {{"which", false, NULL}, {"for", true, NULL}}},
};

void script_add(struct script *script, const struct act *act)
{
        if (script->n_acts == script->capacity) {
                size_t capacity = script->capacity ? 2 * script->capacity : 1024;
                struct act *acts = realloc(script->acts, capacity * sizeof(*acts));

                if (!acts) {
                        perror("meshsim");
                        exit(1);
                }
                script->acts = acts;
                script->capacity = capacity;
        }
        script->acts[script->n_acts++] = *act;
}

void script_copy(struct script *to, const struct script *from)
{
        struct act *acts = to->acts;
        size_t capacity = to->capacity;

        *to = *from;
        to->acts = acts;
        to->capacity = capacity;
        to->n_acts = 0;
        for (size_t i = 0; i < from->n_acts; i++) {
                script_add(to, &from->acts[i]);
        }
}

void script_deinit(struct script *script)
{
        free(script->acts);
        *script = (struct script){0};
}

/* Writing */

static void write_act(FILE *file, const struct act *act)
{
        const struct shape *shape = &shapes[act->kind];

        options_write_time(file, (int64_t)act->at_ns);
        fprintf(file, " node%u %s", act->node, shape->verb);
        for (uint32_t i = 0; i < ACT_VALUES && shape->values[i].name; i++) {
                fprintf(file, " %s=", shape->values[i].name);
                if (shape->values[i].words) {
                        fputs(shape->values[i].words[act->values[i]], file);
                } else if (shape->values[i].is_time) {
                        options_write_time(file, act->values[i]);
                } else {
                        fprintf(file, "%" PRId64, act->values[i]);
                }
        }
        putc('\n', file);
}

int script_save(const struct script *script, const char *path, const char *remark)
{
        FILE *file = fopen(path, "we");
        bool is_written;

        if (!file) {
                return -errno;
        }
        fputs("# SPDX-License-Identifier: MIT\n", file);
        if (remark) {
                fprintf(file, "# %s\n", remark);
        }
        fprintf(file, "seed %" PRIu64 "\n", script->seed);
        if (script->mutant[0]) {
                fprintf(file, "mutant %s\n", script->mutant);
        }
        if (script->code[0]) {
                fprintf(file, "violates %s\n", script->code);
        }
        options_write(file, &script->options);
        for (size_t i = 0; i < script->n_acts; i++) {
                write_act(file, &script->acts[i]);
        }
        is_written = !ferror(file);
        return fclose(file) == 0 && is_written ? 0 : -EIO;
}

/* Reading */

static int read_number(const char *text, int64_t *ret_value)
{
        char *end;

        errno = 0;
        *ret_value = strtoll(text, &end, 10);
        return errno == 0 && end != text && *end == '\0' ? 0 : -EINVAL;
}

static int read_word(const char *const *words, const char *text, int64_t *ret_value)
{
        for (int64_t i = 0; words[i]; i++) {
                if (strcmp(words[i], text) == 0) {
                        *ret_value = i;
                        return 0;
                }
        }
        return -EINVAL;
}

/* Each value must be there, in the order of the shape. */
static int read_values(struct act *act, char **position)
{
        const struct shape *shape = &shapes[act->kind];
        char *word;

        for (uint32_t i = 0; i < ACT_VALUES && shape->values[i].name; i++) {
                size_t len = strlen(shape->values[i].name);
                int r;

                word = strtok_r(NULL, " ", position);
                if (!word || strncmp(word, shape->values[i].name, len) != 0 || word[len] != '=') {
                        return -EINVAL;
                }
                word += len + 1;
                r = shape->values[i].words
                                    ? read_word(shape->values[i].words, word, &act->values[i])
                    : shape->values[i].is_time ? options_read_time(word, &act->values[i])
                                               : read_number(word, &act->values[i]);
                if (r < 0) {
                        return r;
                }
        }
        return strtok_r(NULL, " ", position) ? -EINVAL : 0;
}

static int read_act(char *first, char **position, struct script *script)
{
        struct act act = {0};
        const char *node = strtok_r(NULL, " ", position);
        const char *verb = strtok_r(NULL, " ", position);
        int64_t at_ns, index;

        if (!node || strncmp(node, "node", 4) != 0 || read_number(node + 4, &index) < 0 ||
                        index < 0 || index >= script->options.n_nodes || !verb ||
                        options_read_time(first, &at_ns) < 0 || at_ns < 0 ||
                        script->n_acts == SCRIPT_ACTS_MAX) {
                return -EINVAL;
        }
        while (act.kind < ACT_KINDS && strcmp(shapes[act.kind].verb, verb) != 0) {
                act.kind++;
        }
        if (act.kind == ACT_KINDS || read_values(&act, position) < 0) {
                return -EINVAL;
        }
        act.at_ns = (uint64_t)at_ns;
        act.node = (uint32_t)index;
        if (script->n_acts > 0 && script->acts[script->n_acts - 1].at_ns > act.at_ns) {
                return -EINVAL;
        }
        script_add(script, &act);
        return 0;
}

static int read_line(char *line, struct script *script)
{
        char *position;
        char *word = strtok_r(line, " ", &position);
        char *value;

        if (!word || word[0] == '#') {
                return 0;
        }
        if (word[0] >= '0' && word[0] <= '9') {
                return read_act(word, &position, script);
        }
        value = strtok_r(NULL, " ", &position);
        if (!value || strtok_r(NULL, " ", &position)) {
                return -EINVAL;
        }
        if (strcmp(word, "seed") == 0) {
                script->seed = strtoull(value, NULL, 10);
                return 0;
        }
        if (strcmp(word, "mutant") == 0 && strlen(value) < sizeof(script->mutant)) {
                strcpy(script->mutant, value);
                return 0;
        }
        if (strcmp(word, "violates") == 0 && strlen(value) < sizeof(script->code)) {
                strcpy(script->code, value);
                return 0;
        }
        return options_read(&script->options, word, value);
}

int script_load(const char *path, struct script *ret_script, unsigned *ret_line)
{
        FILE *file = fopen(path, "re");
        char line[1000];
        int r = 0;

        *ret_line = 0;
        if (!file) {
                return -errno;
        }
        *ret_script = (struct script){0};
        while (r == 0 && fgets(line, sizeof(line), file)) {
                ++*ret_line;
                line[strcspn(line, "\n")] = '\0';
                r = read_line(line, ret_script);
        }
        if (r == 0 && ret_script->options.n_nodes > 0 && !options_are_whole(&ret_script->options)) {
                r = -EINVAL;
        }
        fclose(file);
        if (r < 0) {
                script_deinit(ret_script);
        }
        return r;
}
