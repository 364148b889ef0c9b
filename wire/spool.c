/* SPDX-License-Identifier: MIT */
#include "wire/spool.h"

#include "wire/op.h"

#include <errno.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char magic[8] = "cmspool";

static uint32_t word_at(struct cmi_slice bytes, size_t offset)
{
        uint32_t word;

        memcpy(&word, (const uint8_t *)bytes.data + offset, sizeof(word));
        return word;
}

static struct cmi_slice after(struct cmi_slice bytes, size_t n)
{
        return cmi_slice((const uint8_t *)bytes.data + n, bytes.len - n);
}

void cmi_spool_header(uint32_t pid, uint8_t ret_header[CMI_SPOOL_HEADER_SIZE])
{
        uint32_t version = CMI_SPOOL_VERSION;

        memcpy(ret_header, magic, sizeof(magic));
        memcpy(ret_header + 8, &version, sizeof(version));
        memcpy(ret_header + 12, &pid, sizeof(pid));
}

void cmi_spool_record(struct cmi_slice op, uint8_t ret_record[CMI_SPOOL_RECORD_SIZE])
{
        uint32_t len = (uint32_t)op.len;
        uint32_t complement = ~len;
        uint64_t sum = XXH3_64bits(op.data, op.len);

        memcpy(ret_record, &len, sizeof(len));
        memcpy(ret_record + 4, &complement, sizeof(complement));
        memcpy(ret_record + 8, &sum, sizeof(sum));
}

int cmi_spool_open(struct cmi_slice *file, uint32_t *ret_pid)
{
        size_t n_magic = file->len < sizeof(magic) ? file->len : sizeof(magic);

        if (n_magic > 0 && memcmp(file->data, magic, n_magic) != 0) {
                return -EBADMSG;
        }
        if (file->len < CMI_SPOOL_HEADER_SIZE) {
                return -ENODATA;
        }
        if (word_at(*file, 8) != CMI_SPOOL_VERSION) {
                return -EPROTO;
        }
        *ret_pid = word_at(*file, 12);
        *file = after(*file, CMI_SPOOL_HEADER_SIZE);
        return 0;
}

int cmi_spool_next(struct cmi_slice *file, struct cmi_slice *ret_op)
{
        struct cmi_slice op;
        uint32_t len;
        uint64_t sum;

        if (file->len < CMI_SPOOL_RECORD_SIZE) {
                return 0;
        }
        len = word_at(*file, 0);
        if (len != ~word_at(*file, 4) || len == 0 || len > CMI_OP_SIZE_MAX) {
                return -EBADMSG;
        }
        if (file->len - CMI_SPOOL_RECORD_SIZE < len) {
                return 0;
        }
        op = cmi_slice((const uint8_t *)file->data + CMI_SPOOL_RECORD_SIZE, len);
        memcpy(&sum, (const uint8_t *)file->data + 8, sizeof(sum));
        if (XXH3_64bits(op.data, op.len) != sum) {
                return -EBADMSG;
        }
        *file = after(*file, CMI_SPOOL_RECORD_SIZE + len);
        *ret_op = op;
        return 1;
}
