/* SPDX-License-Identifier: MIT */
#include "meshd/session/disk_item.h"

#include "meshd/session/journal_mutant.h"

#include <assert.h>
#include <errno.h>

const enum disk_kind disk_order[DISK_KINDS] = {DISK_DEAD, DISK_COUNTS, DISK_RECORD};

static void put(uint8_t *at, uint64_t number, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                at[i] = (uint8_t)(number >> (8 * i));
        }
}

static uint64_t get(const uint8_t *at, size_t len)
{
        uint64_t number = 0;

        for (size_t i = 0; i < len; i++) {
                number |= (uint64_t)at[i] << (8 * i);
        }
        return number;
}

/* Return: how many bytes it takes. */
static size_t write_record(uint8_t *at, const struct disk_item *item)
{
        struct cmi_writer writer = cmi_writer(at + 4, CMI_SESSION_HEAD_MAX);
        size_t head_len;

        cmi_session_write(&writer, &item->session);
        assert(writer.error == 0);
        head_len = cmi_written(&writer).len;
        put(at, head_len, 4);
        if (item->blob.len > 0) {
                memcpy(at + 4 + head_len, item->blob.data, item->blob.len);
        }
        return 4 + head_len + item->blob.len;
}

static size_t write_message(uint8_t *at, enum disk_kind kind, const struct disk_item *item)
{
        struct cmi_writer writer = cmi_writer(at, CMI_SESSION_HEAD_MAX);

        if (kind == DISK_DEAD) {
                cmi_tombstone_write(&writer, &item->tombstone);
        } else {
                cmi_principal_write(&writer, &item->principal);
        }
        assert(writer.error == 0);
        return cmi_written(&writer).len;
}

struct cmi_slice disk_item_write(uint8_t *buffer, enum disk_kind kind, const struct disk_item *item)
{
        uint8_t *body = buffer + DISK_ITEM_FIXED;
        size_t len;

        assert(item->blob.len <= CMI_SESSION_BLOB_MAX);
        len = kind == DISK_RECORD ? write_record(body, item) : write_message(body, kind, item);
        put(buffer + 8, item->pass, 8);
        put(buffer, cmi_session_sum(cmi_slice(buffer + 8, len + 8)), 8);
        return cmi_slice(buffer, DISK_ITEM_FIXED + len);
}

static bool is_whole(struct cmi_slice value)
{
        const uint8_t *bytes = value.data;

        return value.len > DISK_ITEM_FIXED && value.len <= DISK_ITEM_MAX &&
               (get(bytes, 8) == cmi_session_sum(cmi_slice(bytes + 8, value.len - 8)) ||
                               JOURNAL_MUTANT(SUM_UNCHECKED));
}

uint64_t disk_item_pass(struct cmi_slice value)
{
        return is_whole(value) ? get((const uint8_t *)value.data + 8, 8) : 0;
}

static int read_record(struct cmi_slice body, const struct cmi_id *id, struct disk_item *ret_item)
{
        const uint8_t *bytes = body.data;
        uint64_t head_len = body.len < 4 ? UINT64_MAX : get(bytes, 4);

        if (head_len > CMI_SESSION_HEAD_MAX || head_len > body.len - 4 ||
                        cmi_session_decode(cmi_slice(bytes + 4, (size_t)head_len),
                                        &ret_item->session) < 0) {
                return -EBADMSG;
        }
        ret_item->blob = cmi_slice(bytes + 4 + head_len, body.len - 4 - (size_t)head_len);
        return cmi_id_equal(&ret_item->session.key, id) &&
                                               ret_item->blob.len == ret_item->session.blob_len
                               ? 0
                               : -EBADMSG;
}

static int read_message(struct cmi_slice body, enum disk_kind kind, const struct cmi_id *id,
                struct disk_item *ret_item)
{
        int r = kind == DISK_DEAD ? cmi_tombstone_decode(body, &ret_item->tombstone)
                                  : cmi_principal_decode(body, &ret_item->principal);
        const struct cmi_id *own = kind == DISK_DEAD ? &ret_item->tombstone.key
                                                     : &ret_item->principal.principal;

        return r >= 0 && cmi_id_equal(own, id) ? 0 : -EBADMSG;
}

int disk_item_read(enum disk_kind kind, const struct cmi_id *id, struct cmi_slice value,
                struct disk_item *ret_item)
{
        const uint8_t *bytes = value.data;
        struct cmi_slice body;

        *ret_item = (struct disk_item){0};
        if (!is_whole(value)) {
                return -EBADMSG;
        }
        ret_item->pass = get(bytes + 8, 8);
        body = cmi_slice(bytes + DISK_ITEM_FIXED, value.len - DISK_ITEM_FIXED);
        return kind == DISK_RECORD ? read_record(body, id, ret_item)
                                   : read_message(body, kind, id, ret_item);
}
