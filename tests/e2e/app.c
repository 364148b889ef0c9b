/* SPDX-License-Identifier: MIT */
#include "tests/e2e/app.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 12
#define TOKENS 8
#define WRITES 128
#define REGIONS 16
#define HELD_TTL_MS 600000

static struct cm_token tokens[TOKENS];

uint64_t app_now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

enum cm_wait app_wait(const char *word)
{
        return strcmp(word, "mesh") == 0   ? CM_WAIT_MESH
               : strcmp(word, "node") == 0 ? CM_WAIT_NODE
                                           : CM_WAIT_NONE;
}

void app_tally_add(struct app_tally *tally, int outcome, uint64_t began_ns)
{
        uint64_t took_ns = app_now_ns() - began_ns;

        if (outcome >= 0 && outcome <= CM_PARTIAL) {
                tally->n_by_outcome[outcome]++;
        } else if (outcome == CM_E_TIMEOUT) {
                tally->n_timeouts++;
        } else {
                tally->n_errors++;
                tally->last_error = outcome;
        }
        tally->longest_ns = took_ns > tally->longest_ns ? took_ns : tally->longest_ns;
}

void app_tally_print(const struct app_tally *tally)
{
        printf("ok=%lu pending=%lu partial=%lu timeout=%lu error=%lu last_error=%d longest_ms=%.1f",
                        tally->n_by_outcome[CM_OK], tally->n_by_outcome[CM_PENDING],
                        tally->n_by_outcome[CM_PARTIAL], tally->n_timeouts, tally->n_errors,
                        tally->last_error, (double)tally->longest_ns / 1e6);
}

/* A test that cannot go on says so by its exit status. */
static void must(bool is_true, const char *what)
{
        if (!is_true) {
                fprintf(stderr, "app: %s\n", what);
                exit(2);
        }
}

/* The regions that were opened, by name; one with options of its own is opened
 * by a command first. */
static struct {
        char name[CM_REGION_NAME_MAX + 1];
        struct cm_region *region;
} regions[REGIONS];

static int open_region(struct app *app, const char *name, const struct cm_region_options *options,
                struct cm_region **ret_region)
{
        int r = cm_region_open(ret_region, app->cm, name, options);

        for (int i = 0; r == 0 && i < REGIONS; i++) {
                if (!regions[i].region) {
                        snprintf(regions[i].name, sizeof(regions[i].name), "%s", name);
                        regions[i].region = *ret_region;
                        return 0;
                }
        }
        return r;
}

struct cm_region *app_region(struct app *app, const char *name)
{
        const struct cm_region_options shared = {
                        .size = sizeof(shared), .flags = CM_REGION_SHARE_LOADS};
        struct cm_region *region;
        int r;

        for (int i = 0; i < REGIONS && regions[i].region; i++) {
                if (strcmp(regions[i].name, name) == 0) {
                        return regions[i].region;
                }
        }
        r = open_region(app, name, strcmp(name, APP_SHARED) == 0 ? &shared : NULL, &region);
        must(r == 0, cm_strerror(r));
        return region;
}

/* "@N" stands for N bytes, for sizes that no line could carry. */
static struct cm_bytes bytes(const char *word)
{
        static char filler[1 << 20];
        struct cm_bytes found = {word, strlen(word)};

        if (word[0] == '@') {
                memset(filler, 'x', sizeof(filler));
                found = (struct cm_bytes){filler, strtoul(word + 1, NULL, 10)};
                must(found.len <= sizeof(filler), "@N is too large");
        }
        return found;
}

static const char *reason_name(enum cm_reason reason)
{
        static const char *const names[] = {"none", "absent", "expired", "lease", "invalidated",
                        "forgotten", "pending", "offline", "intent"};

        return names[reason];
}

/* region NAME bounded|ttl TTL_MS BUDGET, or region NAME held|held-ttl HOLD_MS BUDGET */
static void do_region(struct app *app, char **words)
{
        bool is_held = strncmp(words[2], "held", 4) == 0;
        bool is_ttl = strstr(words[2], "ttl") != NULL;
        struct cm_region_options options = {
                        .size = sizeof(options),
                        .fresh = is_ttl ? CM_FRESH_TTL : CM_FRESH_BOUNDED,
                        .ttl_ms = is_held ? (is_ttl ? HELD_TTL_MS : 0) : (uint32_t)atoi(words[3]),
                        .hold_ms = is_held ? (uint32_t)atoi(words[3]) : 0,
                        .budget_bytes = strtoul(words[4], NULL, 10),
        };
        struct cm_region *region;

        printf("rc=%d", open_region(app, words[1], &options, &region));
}

static void do_token(struct app *app, char **words)
{
        tokens[atoi(words[1]) % TOKENS] = cm_token(app->cm);
        printf("rc=0");
}

static int put(struct app *app, char **words, struct cm_token token)
{
        struct cm_bytes key = bytes(words[2]);
        char *copy = malloc(key.len + 1);
        struct cm_bytes value;
        int r;

        must(copy, "no memory");
        memcpy(copy, key.data, key.len);
        value = bytes(words[3]);
        r = cm_put(app_region(app, words[1]), copy, key.len, value.data, value.len, token, NULL);
        free(copy);
        return r;
}

static void do_put(struct app *app, char **words)
{
        printf("rc=%d", put(app, words, tokens[atoi(words[4]) % TOKENS]));
}

static void do_load(struct app *app, char **words)
{
        app_region(app, words[1]); /* the token of a load is one from after the region was opened */
        printf("rc=%d", put(app, words, cm_token(app->cm)));
}

/* tagged REGION KEY VALUE TAG */
static void do_tagged(struct app *app, char **words)
{
        struct cm_region *region = app_region(app, words[1]);
        struct cm_bytes tag = bytes(words[4]);
        struct cm_put_options options = {.size = sizeof(options), .tags = &tag, .n_tags = 1};

        printf("rc=%d", cm_put(region, words[2], strlen(words[2]), words[3], strlen(words[3]),
                                        cm_token(app->cm), &options));
}

static void do_get(struct app *app, char **words)
{
        struct cm_bytes key = bytes(words[2]);
        struct cm_value value = {0};
        int r = cm_get(app_region(app, words[1]), key.data, key.len, &value);

        if (r == 0) {
                printf("rc=0 value=%.*s", (int)value.len, (const char *)value.data);
                cm_release(&value);
        } else {
                printf("rc=%d reason=%s", r, reason_name(cm_last_reason()));
        }
}

/* fill REGION PREFIX FIRST N */
static void do_fill(struct app *app, char **words)
{
        struct cm_region *region = app_region(app, words[1]);
        unsigned long first = strtoul(words[3], NULL, 10), n = strtoul(words[4], NULL, 10);
        unsigned long n_stored = 0;
        char key[APP_KEY_SIZE];

        for (unsigned long i = first; i < first + n; i++) {
                int len = snprintf(key, sizeof(key), "%s%lu", words[2], i);

                n_stored += cm_put(region, key, (size_t)len, key, (size_t)len, cm_token(app->cm),
                                            NULL) == 0;
        }
        printf("stored=%lu", n_stored);
}

/* scan REGION PREFIX FIRST N: how many are hits, and why the others are not */
static void do_scan(struct app *app, char **words)
{
        struct cm_region *region = app_region(app, words[1]);
        unsigned long first = strtoul(words[3], NULL, 10), n = strtoul(words[4], NULL, 10);
        unsigned long counts[CM_REASON_INTENT + 1] = {0};
        char key[APP_KEY_SIZE];

        for (unsigned long i = first; i < first + n; i++) {
                struct cm_value value = {0};
                int len = snprintf(key, sizeof(key), "%s%lu", words[2], i);

                cm_get(region, key, (size_t)len, &value);
                counts[cm_last_reason()]++;
                cm_release(&value);
        }
        printf("hits=%lu", counts[CM_REASON_NONE]);
        for (int i = CM_REASON_ABSENT; i <= CM_REASON_INTENT; i++) {
                printf(" %s=%lu", reason_name((enum cm_reason)i), counts[i]);
        }
}

static void print_result(int r, uint64_t began_ns, struct cm_result *result)
{
        printf("rc=%d ms=%.1f applied=%u lapsed=%u unconfirmed=%u position=%lu members=", r,
                        (double)(app_now_ns() - began_ns) / 1e6, result->n_applied,
                        result->n_lapsed, result->n_unconfirmed, result->position);
        for (uint32_t i = 0; i < result->n_members; i++) {
                printf("%s%s:%s", i ? "," : "", result->members[i].name,
                                result->members[i].state == CM_MEMBER_LAPSED ? "lapsed"
                                                                             : "unconfirmed");
        }
        cm_result_clear(result);
}

static void do_invalidate(struct app *app, char **words)
{
        struct cm_result result = {0};
        struct cm_bytes key = bytes(words[2]);
        struct cm_region *region = app_region(app, words[1]);
        uint64_t began_ns = app_now_ns();
        int r = cm_invalidate(region, key.data, key.len, app_wait(words[3]), &result);

        print_result(r, began_ns, &result);
}

/* invalidate-tag REGION TAG WAIT */
static void do_invalidate_tag(struct app *app, char **words)
{
        struct cm_result result = {0};
        struct cm_region *region = app_region(app, words[1]);
        uint64_t began_ns = app_now_ns();
        int r = cm_invalidate_tag(region, words[2], strlen(words[2]), app_wait(words[3]), &result);

        print_result(r, began_ns, &result);
}

/* invalidate-region REGION WAIT */
static void do_invalidate_region(struct app *app, char **words)
{
        struct cm_result result = {0};
        struct cm_region *region = app_region(app, words[1]);
        uint64_t began_ns = app_now_ns();
        int r = cm_invalidate_region(region, app_wait(words[2]), &result);

        print_result(r, began_ns, &result);
}

/* Writes that were begun, by number. */
static struct cm_write *writes[WRITES];

/* begin NUMBER REGION KEY DEADLINE_MS */
static void do_begin(struct app *app, char **words)
{
        struct cm_bytes key = bytes(words[3]);
        struct cm_write_options options = {
                        .size = sizeof(options),
                        .keys = &key,
                        .n_keys = 1,
                        .deadline_ms = (uint32_t)atoi(words[4]),
        };
        struct cm_result result = {0};
        uint64_t began_ns = app_now_ns();
        int r = cm_write_begin(&writes[atoi(words[1]) % WRITES], app_region(app, words[2]),
                        &options, &result);

        print_result(r, began_ns, &result);
}

/* end NUMBER */
static void do_end(struct app *app, char **words)
{
        struct cm_write **write = &writes[atoi(words[1]) % WRITES];

        printf("rc=%d", cm_write_end(*write));
        *write = NULL;
}

/* publish REGION PREFIX FIRST N WAIT: one call a key */
static void do_publish(struct app *app, char **words)
{
        struct cm_region *region = app_region(app, words[1]);
        unsigned long first = strtoul(words[3], NULL, 10), n = strtoul(words[4], NULL, 10);
        struct app_tally tally = {0};
        char key[APP_KEY_SIZE];

        for (unsigned long i = first; i < first + n; i++) {
                int len = snprintf(key, sizeof(key), "%s%lu", words[2], i);
                uint64_t began_ns = app_now_ns();

                app_tally_add(&tally,
                                cm_invalidate(region, key, (size_t)len, app_wait(words[5]), NULL),
                                began_ns);
        }
        app_tally_print(&tally);
}

/* batch REGION PREFIX FIRST N WAIT TIMEOUT_MS */
static void do_batch(struct app *app, char **words)
{
        struct cm_region *region = app_region(app, words[1]);
        unsigned long first = strtoul(words[3], NULL, 10), n = strtoul(words[4], NULL, 10);
        struct cm_result result = {0};
        struct cm_batch *batch;
        char key[APP_KEY_SIZE];
        uint64_t began_ns;
        int r = cm_batch_new(&batch, app->cm);

        must(r == 0, cm_strerror(r));
        for (unsigned long i = first; i < first + n; i++) {
                int len = snprintf(key, sizeof(key), "%s%lu", words[2], i);

                must(cm_batch_add_key(batch, region, key, (size_t)len) == 0, "batch");
        }
        began_ns = app_now_ns();
        r = cm_batch_publish(batch, app_wait(words[5]), (uint32_t)atoi(words[6]), &result);
        print_result(r, began_ns, &result);
        cm_batch_free(batch);
}

static void do_state(struct app *app, char **words)
{
        static const char *const modes[] = {"live", "bypass", "offline", "standalone"};
        struct cm_state state = {0};
        int r;

        cm_dispatch(app->cm);
        r = cm_state(app->cm, &state);
        printf("rc=%d mode=%s pending=%u epoch=%lu lease_left_ms=%ld reason=", r, modes[state.mode],
                        state.n_pending, state.epoch, (long)state.lease_left_ms);
        for (const char *at = state.reason; at && *at; at++) {
                putchar(*at == ' ' ? '_' : *at);
        }
}

/* db FILE: rows that all processes of a test share */
static void do_db(struct app *app, char **words)
{
        size_t size = APP_ROWS * sizeof(struct app_row);
        int fd = open(words[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        must(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "database");
        app->rows = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        must(app->rows != MAP_FAILED, "database");
        close(fd);
        printf("rc=0");
}

static void do_close(struct app *app, char **words)
{
        uint64_t began_ns = app_now_ns();

        app->cm = cm_close(app->cm);
        printf("rc=0 ms=%.1f", (double)(app_now_ns() - began_ns) / 1e6);
}

const char *app_path(char *word)
{
        for (char *at = strchr(word, '%'); at; at = strchr(at, '%')) {
                *at = '/';
        }
        return word;
}

static void do_touch(struct app *app, char **words)
{
        int fd = open(app_path(words[1]), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        must(fd >= 0, words[1]);
        close(fd);
        printf("rc=0");
}

static void do_fork(struct app *app, char **words);

static const struct {
        const char *name;
        int n_words; /* with its own */
        app_command_fn run;
} commands[] = {
                {"region", 5, do_region},
                {"token", 2, do_token},
                {"put", 5, do_put},
                {"load", 4, do_load},
                {"get", 3, do_get},
                {"fill", 5, do_fill},
                {"scan", 5, do_scan},
                {"invalidate", 4, do_invalidate},
                {"tagged", 5, do_tagged},
                {"invalidate-tag", 4, do_invalidate_tag},
                {"invalidate-region", 3, do_invalidate_region},
                {"begin", 5, do_begin},
                {"end", 2, do_end},
                {"publish", 6, do_publish},
                {"batch", 7, do_batch},
                {"state", 1, do_state},
                {"db", 2, do_db},
                {"close", 1, do_close},
                {"fork", 2, do_fork},
                {"last-hit", 4, app_last_hit},
                {"await", 2, app_await},
                {"touch", 2, do_touch},
                {"until", 5, app_until},
                {"pump-start", 4, app_pump_start},
                {"pump-stop", 1, app_pump_stop},
                {"mix", 7, app_mix},
};

static void run(struct app *app, char *line)
{
        char *words[WORDS_MAX + 1] = {NULL};
        char *rest = line;
        int n = 0;

        for (char *word = strsep(&rest, " "); word && n < WORDS_MAX; word = strsep(&rest, " ")) {
                words[n++] = word;
        }
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                if (strcmp(commands[i].name, words[0]) == 0) {
                        must(n == commands[i].n_words, words[0]);
                        commands[i].run(app, words);
                        return;
                }
        }
        must(false, words[0]);
}

/* fork COMMAND/ARGUMENT/...;COMMAND...: in a child, whose answers follow each other,
 * separated by semicolons */
static void do_fork(struct app *app, char **words)
{
        pid_t child;
        int status;

        fflush(stdout);
        child = fork();
        must(child >= 0, "fork");
        if (child == 0) {
                char *rest = words[1];

                for (char *line = strsep(&rest, ";"); line; line = strsep(&rest, ";")) {
                        for (char *at = strchr(line, '/'); at; at = strchr(at, '/')) {
                                *at = ' ';
                        }
                        run(app, line);
                        putchar(';');
                }
                fflush(stdout);
                _exit(0);
        }
        must(waitpid(child, &status, 0) == child, "waitpid");
        printf("status=%d", status);
}

/* app SOCKET NAME TIMEOUT_MS PENDING_MAX */
int main(int argc, char **argv)
{
        static struct app app;
        struct cm_options options = {.size = sizeof(options)};
        char *line = NULL;
        size_t capacity = 0;
        ssize_t len;
        int r;

        must(argc == 5, "usage: app SOCKET NAME TIMEOUT_MS PENDING_MAX");
        options.socket_path = argv[1];
        options.name = argv[2];
        options.timeout_ms = (uint32_t)atoi(argv[3]);
        options.pending_max = (uint32_t)atoi(argv[4]);
        r = cm_open(&app.cm, &options);
        printf("rc=%d\n", r);
        fflush(stdout);
        while (r == 0 && (len = getline(&line, &capacity, stdin)) > 0) {
                line[len - (line[len - 1] == '\n')] = '\0';
                run(&app, line);
                putchar('\n');
                fflush(stdout);
        }
        free(line);
        cm_close(app.cm);
        return 0;
}
