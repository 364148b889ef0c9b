/* SPDX-License-Identifier: MIT */
#include "tests/checker/check.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ROOM 1024

void checker_deinit(struct checker *checker)
{
        free(checker->writes);
        free(checker->dones);
        free(checker->fates);
        *checker = (struct checker){0};
}

/* Room for one more in an array; returns it, or NULL. */
static void *one_more(void **array, size_t *n, size_t *n_max, size_t size)
{
        size_t wanted = *n_max ? *n_max * 2 : FIRST_ROOM;

        if (*n == *n_max) {
                void *grown = reallocarray(*array, wanted, size);

                if (!grown) {
                        return NULL;
                }
                *array = grown;
                *n_max = wanted;
        }
        return (char *)*array + (*n)++ * size;
}

static int learn_write(struct checker *checker, const struct history_record *record)
{
        struct check_write *write = one_more((void **)&checker->writes, &checker->n_writes,
                        &checker->n_writes_max, sizeof(*write));

        if (!write) {
                return -ENOMEM;
        }
        *write = (struct check_write){
                        .key = record->key,
                        .version = record->version,
                        .write = record->write,
                        .start_ns = record->start_ns,
                        .n_times = 1,
        };
        return 0;
}

static int learn_fate(struct checker *checker, const struct history_record *record)
{
        struct history_record *fate = one_more((void **)&checker->fates, &checker->n_fates,
                        &checker->n_fates_max, sizeof(*fate));

        if (!fate) {
                return -ENOMEM;
        }
        *fate = *record;
        return 0;
}

static int learn_done(struct checker *checker, const struct history_record *record)
{
        struct check_done *done = one_more((void **)&checker->dones, &checker->n_dones,
                        &checker->n_dones_max, sizeof(*done));

        if (!done) {
                return -ENOMEM;
        }
        *done = (struct check_done){
                        .scope = record->kind == HISTORY_DONE ? 0 : record->process + 1u,
                        .key = record->key,
                        .at_ns = record->end_ns,
                        .version = record->version,
        };
        return learn_fate(checker, record);
}

int checker_learn(struct checker *checker, const struct history_record *record)
{
        switch (record->kind) {
        case HISTORY_WRITE:
                return learn_write(checker, record);
        case HISTORY_UNDONE:
                return learn_fate(checker, record);
        case HISTORY_DONE:
        case HISTORY_DONE_HERE:
                return learn_done(checker, record);
        default:
                return 0;
        }
}

static int compare(uint64_t one, uint64_t other)
{
        return (one > other) - (one < other);
}

static int compare_writes(const void *one, const void *other)
{
        const struct check_write *a = one, *b = other;
        int r = compare(a->key, b->key);

        r = r ? r : compare(a->version, b->version);
        return r ? r : compare(a->write, b->write);
}

static int compare_dones(const void *one, const void *other)
{
        const struct check_done *a = one, *b = other;
        int r = compare(a->scope, b->scope);

        r = r ? r : compare(a->key, b->key);
        return r ? r : compare(a->at_ns, b->at_ns);
}

/* One entry for each write; the start of one that was noted twice is the earlier. */
static void merge_writes(struct checker *checker)
{
        size_t n = 0;

        for (size_t i = 0; i < checker->n_writes; i++) {
                struct check_write *write = &checker->writes[i];
                struct check_write *last = n > 0 ? &checker->writes[n - 1] : NULL;

                if (!last || compare_writes(last, write) != 0) {
                        checker->writes[n++] = *write;
                        continue;
                }
                last->n_times++;
                last->start_ns =
                                write->start_ns < last->start_ns ? write->start_ns : last->start_ns;
        }
        checker->n_writes = n;
}

static struct check_write *find_write(
                const struct checker *checker, const struct history_record *record)
{
        struct check_write wanted = {
                        .key = record->key, .version = record->version, .write = record->write};

        return checker->n_writes == 0 ? NULL
                                      : bsearch(&wanted, checker->writes, checker->n_writes,
                                                        sizeof(wanted), compare_writes);
}

static bool is_same_version(const struct check_write *one, const struct check_write *other)
{
        return one->key == other->key && one->version == other->version;
}

/* Another write that became the same version. */
static bool has_real_twin(const struct checker *checker, const struct check_write *write)
{
        const struct check_write *end = checker->writes + checker->n_writes;

        for (const struct check_write *w = write + 1; w < end && is_same_version(w, write); w++) {
                if (w->is_real) {
                        return true;
                }
        }
        for (const struct check_write *w = write;
                        w-- > checker->writes && is_same_version(w, write);) {
                if (w->is_real) {
                        return true;
                }
        }
        return false;
}

void checker_seal(struct checker *checker)
{
        if (checker->n_writes > 0) {
                qsort(checker->writes, checker->n_writes, sizeof(*checker->writes), compare_writes);
        }
        merge_writes(checker);
        for (size_t i = 0; i < checker->n_fates; i++) {
                struct check_write *write = find_write(checker, &checker->fates[i]);

                if (write) {
                        write->is_undone |= checker->fates[i].kind == HISTORY_UNDONE;
                        write->is_real |= checker->fates[i].kind != HISTORY_UNDONE;
                }
        }
        if (checker->n_dones > 0) {
                qsort(checker->dones, checker->n_dones, sizeof(*checker->dones), compare_dones);
        }
        for (size_t i = 1; i < checker->n_dones; i++) {
                struct check_done *done = &checker->dones[i];

                if (done->scope == done[-1].scope && done->key == done[-1].key &&
                                done->version < done[-1].version) {
                        done->version = done[-1].version;
                }
        }
}

/* The newest version that was done in a scope before a time. */
static uint64_t newest_done(
                const struct checker *checker, uint64_t scope, uint64_t key, uint64_t before_ns)
{
        struct check_done wanted = {.scope = scope, .key = key, .at_ns = before_ns};
        size_t low = 0, high = checker->n_dones;
        const struct check_done *last;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (compare_dones(&checker->dones[middle], &wanted) < 0) {
                        low = middle + 1;
                } else {
                        high = middle;
                }
        }
        if (low == 0) {
                return 0;
        }
        last = &checker->dones[low - 1];
        return last->scope == scope && last->key == key ? last->version : 0;
}

static enum verdict judge_read(struct checker *checker, const struct history_record *record)
{
        struct check_write *write = find_write(checker, record);
        uint64_t done = newest_done(checker, 0, record->key, record->start_ns);
        uint64_t here = newest_done(checker, record->process + 1u, record->key, record->start_ns);

        if (!write && (record->version != 0 || record->write != 0)) {
                return VERDICT_NOT_WRITTEN;
        }
        if (write && (write->is_undone || (!write->is_real && has_real_twin(checker, write)))) {
                return VERDICT_NOT_REAL;
        }
        if (write && record->end_ns < write->start_ns) {
                return VERDICT_TOO_EARLY;
        }
        if (write) {
                write->is_real = true;
        }
        return record->version < done   ? VERDICT_STALE
               : record->version < here ? VERDICT_STALE_HERE
                                        : VERDICT_LEGAL;
}

static enum verdict judge_write(struct checker *checker, const struct history_record *record)
{
        const struct check_write *write = find_write(checker, record);

        if (record->version == 0 || write->n_times > 1) {
                return VERDICT_TWICE;
        }
        return newest_done(checker, 0, record->key, record->start_ns) >= record->version
                               ? VERDICT_BACKWARDS
                               : VERDICT_LEGAL;
}

static enum verdict judge_fate(struct checker *checker, const struct history_record *record)
{
        const struct check_write *write = find_write(checker, record);

        if (!write) {
                return VERDICT_NOT_WRITTEN;
        }
        if (record->kind == HISTORY_UNDONE) {
                return VERDICT_LEGAL; /* whoever reads it is judged */
        }
        if (write->is_undone) {
                return VERDICT_NOT_REAL;
        }
        if (has_real_twin(checker, write)) {
                return VERDICT_TWICE;
        }
        return record->end_ns < write->start_ns ? VERDICT_TOO_EARLY : VERDICT_LEGAL;
}

enum verdict checker_judge(struct checker *checker, const struct history_record *record)
{
        if (record->end_ns < record->start_ns) {
                return VERDICT_BROKEN;
        }
        switch (record->kind) {
        case HISTORY_HIT:
        case HISTORY_LOAD:
                return judge_read(checker, record);
        case HISTORY_WRITE:
                return judge_write(checker, record);
        case HISTORY_UNDONE:
        case HISTORY_DONE:
        case HISTORY_DONE_HERE:
                return judge_fate(checker, record);
        default:
                return VERDICT_BROKEN;
        }
}

const char *verdict_name(enum verdict verdict)
{
        static const char *const names[VERDICTS] = {
                        [VERDICT_LEGAL] = "legal",
                        [VERDICT_STALE] = "stale",
                        [VERDICT_STALE_HERE] = "stale_here",
                        [VERDICT_TOO_EARLY] = "too_early",
                        [VERDICT_NOT_WRITTEN] = "not_written",
                        [VERDICT_NOT_REAL] = "not_real",
                        [VERDICT_TWICE] = "twice",
                        [VERDICT_BACKWARDS] = "backwards",
                        [VERDICT_BROKEN] = "broken",
        };

        return names[verdict];
}
