/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An item of the disk: what is known of a key, or of a principal, with a sum. The messages in it
 * are those of wire/session.h (docs/reference/session-record.md). Which file it is in, and what is
 * done with it, is decided elsewhere.
 *
 *   bytes 0-7   XXH3 of all that follows, 64 bits, little endian
 *         8-15  the pass of writing in which it was put, little endian
 *         16-   DISK_DEAD: a tombstone; DISK_COUNTS: the counts of a principal; DISK_RECORD: the
 *               length of the head (4 bytes, little endian), the head, the blob
 */
#include "base/bytes.h"
#include "wire/session.h"

#include <stdint.h>

enum disk_kind {
        DISK_NONE = 0,
        DISK_DEAD = 1,
        DISK_COUNTS = 2,
        DISK_RECORD = 3,
};

#define DISK_KINDS 3
#define DISK_FORMAT 1
#define DISK_ITEM_FIXED 16
#define DISK_ITEM_MAX (DISK_ITEM_FIXED + 4 + CMI_SESSION_HEAD_MAX + CMI_SESSION_BLOB_MAX)

/* What has died is read before what may be alive. */
extern const enum disk_kind disk_order[DISK_KINDS];

struct disk_item {
        uint64_t pass;
        union {
                struct cmi_tombstone tombstone;
                struct cmi_principal principal;
                struct cmi_session session; /* its tag is borrowed */
        };
        struct cmi_slice blob; /* borrowed */
};

/**
 * disk_item_write() - what is to be on the disk
 * @buffer: of DISK_ITEM_MAX bytes
 *
 * Return: the value, in the buffer.
 */
struct cmi_slice disk_item_write(
                uint8_t *buffer, enum disk_kind kind, const struct disk_item *item);

/**
 * disk_item_read() - what is on the disk
 * @id:    under which it was found
 * @value: borrowed by @ret_item
 *
 * Return: 0, or -EBADMSG: the sum is wrong, it is cut, it is of another key, or a field or limit
 *         cannot be.
 */
int disk_item_read(enum disk_kind kind, const struct cmi_id *id, struct cmi_slice value,
                struct disk_item *ret_item);

/* In which pass it was put; 0: it is damaged. */
uint64_t disk_item_pass(struct cmi_slice value);
