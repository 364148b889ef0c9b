/* SPDX-License-Identifier: MIT */
/*
 * checker FILE...: judges the history in these files, which are all of one run. Prints a line for
 * each of the first illegal records, and one line of figures. Exit status: 0 legal, 1 illegal,
 * 2 usage, 3 a file that cannot be read.
 */
#include "tests/checker/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 20
#define FILES_MAX 4096

static const char *const kind_names[] = {
                "none", "head", "write", "undone", "done", "done_here", "hit", "load"};
#define KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

struct file {
        const struct history_record *records;
        size_t n;
};

static struct file files[FILES_MAX];

struct figures {
        uint64_t n_by_kind[KINDS];
        uint64_t n_by_verdict[VERDICTS];
};

static void show(const char *path, const struct history_record *record, enum verdict verdict)
{
        printf("illegal=%s kind=%s key=%u version=%" PRIu64 " write=%" PRIu64
               " process=%u start_ns=%" PRIu64 " end_ns=%" PRIu64 " file=%s\n",
                        verdict_name(verdict),
                        record->kind < KINDS ? kind_names[record->kind] : "unknown", record->key,
                        record->version, record->write, record->process, record->start_ns,
                        record->end_ns, path);
}

static void judge_file(struct checker *checker, const struct file *file, const char *path,
                struct figures *figures)
{
        for (size_t i = 0; i < file->n; i++) {
                const struct history_record *record = &file->records[i];
                enum verdict verdict = checker_judge(checker, record);

                figures->n_by_verdict[verdict]++;
                if (record->kind < KINDS) {
                        figures->n_by_kind[record->kind]++;
                }
                if (verdict != VERDICT_LEGAL && figures->n_by_verdict[verdict] <= SHOWN_MAX) {
                        show(path, record, verdict);
                }
        }
}

static uint64_t print_figures(const struct figures *figures)
{
        uint64_t n_illegal = 0;

        for (size_t i = HISTORY_WRITE; i < KINDS; i++) {
                printf("%s=%" PRIu64 " ", kind_names[i], figures->n_by_kind[i]);
        }
        for (int i = VERDICT_LEGAL + 1; i < VERDICTS; i++) {
                printf("%s=%" PRIu64 " ", verdict_name((enum verdict)i), figures->n_by_verdict[i]);
                n_illegal += figures->n_by_verdict[i];
        }
        printf("illegal=%" PRIu64 "\n", n_illegal);
        return n_illegal;
}

static int learn_files(struct checker *checker, int n, char **paths)
{
        for (int i = 0; i < n; i++) {
                int r = history_map(paths[i], &files[i].records, &files[i].n);

                for (size_t j = 0; r == 0 && j < files[i].n; j++) {
                        r = checker_learn(checker, &files[i].records[j]);
                }
                if (r != 0) {
                        fprintf(stderr, "checker: %s: %s\n", paths[i], strerror(-r));
                        return r;
                }
        }
        return 0;
}

int main(int argc, char **argv)
{
        struct checker checker = {0};
        struct figures figures = {0};
        int n = argc - 1;

        if (n < 1 || n > FILES_MAX) {
                fprintf(stderr, "usage: checker FILE... (up to %d)\n", FILES_MAX);
                return 2;
        }
        if (learn_files(&checker, n, argv + 1) != 0) {
                checker_deinit(&checker);
                return 3;
        }
        checker_seal(&checker);
        for (int i = 0; i < n; i++) {
                judge_file(&checker, &files[i], argv[i + 1], &figures);
        }
        checker_deinit(&checker);
        return print_figures(&figures) == 0 ? 0 : 1;
}
