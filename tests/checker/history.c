/* SPDX-License-Identifier: MIT */
#include "tests/checker/history.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

int history_create(struct history *history, const char *path, size_t n_max)
{
        CM_CLEANUP(cmi_close_p)
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct history_record head = {.kind = HISTORY_HEAD, .version = HISTORY_FORMAT};
        size_t size = n_max * sizeof(struct history_record);
        void *memory;

        if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
                return -errno;
        }
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) {
                return -errno;
        }
        *history = (struct history){.records = memory, .n_max = n_max};
        return history_add(history, &head);
}

int history_add(struct history *history, const struct history_record *record)
{
        struct history_record *place = &history->records[history->n];

        if (history->n == history->n_max) {
                return -ENOSPC;
        }
        *place = *record;
        /* A process may be killed between two stores: without its kind it is no record. */
        place->kind = HISTORY_NONE;
        atomic_signal_fence(memory_order_seq_cst);
        *(volatile uint8_t *)&place->kind = record->kind;
        history->n++;
        return 0;
}

void history_close(struct history *history)
{
        if (history->records) {
                munmap(history->records, history->n_max * sizeof(struct history_record));
                history->records = NULL;
        }
}

int history_map(const char *path, const struct history_record **ret_records, size_t *ret_n)
{
        CM_CLEANUP(cmi_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
        const struct history_record *records;
        struct stat file;
        size_t n_max, n = 0;

        if (fd < 0 || fstat(fd, &file) != 0) {
                return -errno;
        }
        n_max = (size_t)file.st_size / sizeof(*records);
        if (n_max == 0) {
                *ret_n = 0;
                return file.st_size == 0 ? 0 : -EBADMSG;
        }
        records = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (records == MAP_FAILED) {
                return -errno;
        }
        while (n < n_max && records[n].kind != HISTORY_NONE) {
                n++;
        }
        if (n > 0 && (records[0].kind != HISTORY_HEAD || records[0].version != HISTORY_FORMAT)) {
                return -EBADMSG;
        }
        *ret_records = records + 1;
        *ret_n = n > 0 ? n - 1 : 0;
        return 0;
}
