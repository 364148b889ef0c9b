/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A disk of paper for a plane: a queue of what was written, and what is safe. Nothing becomes safe
 * by itself: the test commits, breaks, and takes the power away.
 */
#include "meshd/session/plane.h"

#define PAPER_ITEMS_MAX 512
#define PAPER_QUEUE_MAX 64

struct paper_item {
        enum disk_kind kind; /* DISK_NONE: free */
        struct cmi_id id;
        uint8_t *value;
        size_t len;
};

struct paper_write {
        struct plane_write write; /* its value is ours */
        uint8_t *value;
};

struct paper_disk {
        struct paper_item items[PAPER_ITEMS_MAX];
        struct paper_write queue[PAPER_QUEUE_MAX];
        uint32_t n_queue, queue_max;
        bool is_broken;
};

struct plane_disk paper_disk_sink(struct paper_disk *disk);
/* Up to @n writes, as one. Return: the serial that is safe now; 0: there was nothing. */
uint64_t paper_disk_commit(struct paper_disk *disk, uint32_t n);
void paper_disk_forget(struct paper_disk *disk); /* what is not committed */
void paper_disk_close(struct paper_disk *disk);
/* Give all to a plane that has just begun. @is_reversed: what may be alive first, and a tick
 * between. */
void paper_disk_load(struct paper_disk *disk, struct plane *plane, struct cmi_time now,
                bool is_reversed);
struct paper_item *paper_disk_find(
                struct paper_disk *disk, enum disk_kind kind, const struct cmi_id *id);
uint32_t paper_disk_count(const struct paper_disk *disk, enum disk_kind kind);
