/* SPDX-License-Identifier: MIT */
#include "tests/meshd/paper_disk.h"

#include <assert.h>
#include <stdlib.h>

static uint8_t *copy(struct cmi_slice bytes)
{
        uint8_t *mine = malloc(bytes.len + 1);

        assert(mine != NULL);
        if (bytes.len > 0) {
                memcpy(mine, bytes.data, bytes.len);
        }
        return mine;
}

static bool on_write(void *context, const struct plane_write *write)
{
        struct paper_disk *disk = context;

        if (disk->n_queue >= disk->queue_max) {
                return false;
        }
        disk->queue[disk->n_queue++] = (struct paper_write){*write, copy(write->value)};
        return true;
}

struct plane_disk paper_disk_sink(struct paper_disk *disk)
{
        return (struct plane_disk){disk, on_write};
}

struct paper_item *paper_disk_find(
                struct paper_disk *disk, enum disk_kind kind, const struct cmi_id *id)
{
        for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                struct paper_item *item = &disk->items[i];

                if (item->kind == kind && (kind == DISK_NONE || cmi_id_equal(&item->id, id))) {
                        return item;
                }
        }
        return NULL;
}

uint32_t paper_disk_count(const struct paper_disk *disk, enum disk_kind kind)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                n += disk->items[i].kind == kind;
        }
        return n;
}

static void drop(struct paper_item *item)
{
        if (item) {
                free(item->value);
                *item = (struct paper_item){.kind = DISK_NONE};
        }
}

static void sweep(struct paper_disk *disk, uint64_t pass)
{
        for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                struct paper_item *item = &disk->items[i];

                if (item->kind != DISK_NONE &&
                                disk_item_pass(cmi_slice(item->value, item->len)) < pass) {
                        drop(item);
                }
        }
}

static void apply(struct paper_disk *disk, const struct paper_write *one)
{
        const struct plane_write *write = &one->write;

        if (write->sweep != 0) {
                sweep(disk, write->sweep);
        }
        for (enum disk_kind kind = DISK_DEAD; kind <= DISK_RECORD; kind++) {
                if (write->put == kind || (write->drops & 1u << kind) != 0) {
                        drop(paper_disk_find(disk, kind, &write->id));
                }
        }
        if (write->put != DISK_NONE) {
                struct paper_item *item = paper_disk_find(disk, DISK_NONE, &write->id);

                assert(item != NULL);
                *item = (struct paper_item){write->put, write->id,
                                copy(cmi_slice(one->value, write->value.len)), write->value.len};
        }
}

static void shift(struct paper_disk *disk, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++) {
                free(disk->queue[i].value);
        }
        disk->n_queue -= n;
        memmove(&disk->queue[0], &disk->queue[n], disk->n_queue * sizeof(disk->queue[0]));
}

uint64_t paper_disk_commit(struct paper_disk *disk, uint32_t n)
{
        uint64_t serial = 0;

        n = n < disk->n_queue ? n : disk->n_queue;
        for (uint32_t i = 0; i < n; i++) {
                apply(disk, &disk->queue[i]);
                serial = disk->queue[i].write.serial > serial ? disk->queue[i].write.serial
                                                              : serial;
        }
        shift(disk, n);
        return serial;
}

void paper_disk_forget(struct paper_disk *disk)
{
        shift(disk, disk->n_queue);
}

void paper_disk_close(struct paper_disk *disk)
{
        paper_disk_forget(disk);
        for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                drop(&disk->items[i]);
        }
}

void paper_disk_load(
                struct paper_disk *disk, struct plane *plane, struct cmi_time now, bool is_reversed)
{
        for (uint32_t k = 0; k < DISK_KINDS; k++) {
                enum disk_kind kind = disk_order[is_reversed ? DISK_KINDS - 1 - k : k];

                for (uint32_t i = 0; i < PAPER_ITEMS_MAX; i++) {
                        const struct paper_item *item = &disk->items[i];

                        if (item->kind == kind) {
                                plane_load(plane, now, kind, &item->id,
                                                cmi_slice(item->value, item->len));
                        }
                }
                plane_tick(plane, now);
        }
        plane_loaded(plane, now);
}
