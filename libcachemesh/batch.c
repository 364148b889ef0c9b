/* SPDX-License-Identifier: MIT */
/*
 * Batches: targets collected by one thread, killed here together, and encoded into as
 * few operations as fit.
 */
#include "libcachemesh/region.h"
#include "wire/op.h"

#include <errno.h>

#define CHUNK_SIZE 16384
#define TARGET_OVERHEAD 5 /* bytes of msgpack before the bytes of a key or tag */
#define OP_OVERHEAD (CM_REGION_NAME_MAX + 32)

/* Bytes of keys and tags; they do not move while the batch grows. */
struct chunk {
        struct chunk *next;
        size_t used;
        char bytes[CHUNK_SIZE];
};

struct cm_batch {
        struct cm *cm;
        struct chunk *chunks;
        struct cmi_target *targets;
        size_t n_targets;
        size_t capacity;
};

int cm_batch_new(struct cm_batch **ret_batch, struct cm *cm)
{
        struct cm_batch *batch;
        int r;

        if (!ret_batch || !cm) {
                return cmi_fail(-EINVAL, "cm_batch_new() needs a place and a handle");
        }
        r = cmi_handle_enter(cm);
        if (r < 0) {
                return r;
        }
        batch = cmi_handle_allocate(cm, 16, sizeof(*batch));
        if (!batch) {
                return cmi_fail(-ENOMEM, "no memory for the batch");
        }
        *batch = (struct cm_batch){.cm = cm};
        *ret_batch = batch;
        return 0;
}

static void empty(struct cm_batch *batch)
{
        while (batch->chunks) {
                struct chunk *next = batch->chunks->next;

                cmi_handle_deallocate(batch->cm, batch->chunks, sizeof(*batch->chunks));
                batch->chunks = next;
        }
        if (batch->targets) {
                cmi_handle_deallocate(batch->cm, batch->targets,
                                batch->capacity * sizeof(*batch->targets));
        }
        batch->targets = NULL;
        batch->n_targets = batch->capacity = 0;
}

struct cm_batch *cm_batch_free(struct cm_batch *batch)
{
        if (batch) {
                empty(batch);
                cmi_handle_deallocate(batch->cm, batch, sizeof(*batch));
        }
        return NULL;
}

static int grow(struct cm_batch *batch)
{
        size_t capacity = batch->capacity ? 2 * batch->capacity : 64;
        struct cmi_target *targets;

        if (batch->n_targets < batch->capacity) {
                return 0;
        }
        targets = cmi_handle_allocate(batch->cm, 16, capacity * sizeof(*targets));
        if (!targets) {
                return -ENOMEM;
        }
        if (batch->targets) {
                memcpy(targets, batch->targets, batch->n_targets * sizeof(*targets));
                cmi_handle_deallocate(
                                batch->cm, batch->targets, batch->capacity * sizeof(*targets));
        }
        batch->targets = targets;
        batch->capacity = capacity;
        return 0;
}

/* A copy of the bytes that lives as long as the batch; no data without memory. */
static struct cmi_slice keep(struct cm_batch *batch, struct cmi_slice bytes)
{
        struct chunk *chunk = batch->chunks;

        if (!chunk || sizeof(chunk->bytes) - chunk->used < bytes.len) {
                chunk = cmi_handle_allocate(batch->cm, 16, sizeof(*chunk));
                if (!chunk) {
                        return (struct cmi_slice){NULL, 0};
                }
                chunk->next = batch->chunks;
                chunk->used = 0;
                batch->chunks = chunk;
        }
        memcpy(chunk->bytes + chunk->used, bytes.data, bytes.len);
        chunk->used += bytes.len;
        return (struct cmi_slice){chunk->bytes + chunk->used - bytes.len, bytes.len};
}

static int add(struct cm_batch *batch, struct cm_region *region, struct cmi_slice key,
                struct cmi_slice tag)
{
        struct cmi_target target = {.region = region};

        if (region->cm != batch->cm) {
                return cmi_fail(-EINVAL, "the region belongs to another handle");
        }
        if (batch->n_targets == CM_BATCH_MAX) {
                return cmi_fail(-E2BIG, "a batch has at most %d targets", CM_BATCH_MAX);
        }
        if (grow(batch) < 0) {
                return cmi_fail(-ENOMEM, "no memory for another target");
        }
        if (key.data) {
                target.key = keep(batch, key);
        } else if (tag.data) {
                target.tag = keep(batch, tag);
        }
        if ((key.data && !target.key.data) || (tag.data && !target.tag.data)) {
                return cmi_fail(-ENOMEM, "no memory for another target");
        }
        batch->targets[batch->n_targets++] = target;
        return 0;
}

int cm_batch_add_key(
                struct cm_batch *batch, struct cm_region *region, const void *key, size_t key_len)
{
        if (!batch || !region || !key || key_len - 1 >= CM_KEY_MAX) {
                return cmi_fail(-EINVAL, "a key has 1 to %d bytes", CM_KEY_MAX);
        }
        return add(batch, region, cmi_slice(key, key_len), (struct cmi_slice){NULL, 0});
}

int cm_batch_add_tag(
                struct cm_batch *batch, struct cm_region *region, const void *tag, size_t tag_len)
{
        if (!batch || !region || !tag || tag_len - 1 >= CM_TAG_MAX) {
                return cmi_fail(-EINVAL, "a tag has 1 to %d bytes", CM_TAG_MAX);
        }
        return add(batch, region, (struct cmi_slice){NULL, 0}, cmi_slice(tag, tag_len));
}

int cm_batch_add_region(struct cm_batch *batch, struct cm_region *region)
{
        if (!batch || !region) {
                return cmi_fail(-EINVAL, "there is no region");
        }
        return add(batch, region, (struct cmi_slice){NULL, 0}, (struct cmi_slice){NULL, 0});
}

/* Keys, then tags, then the region itself: the order inside an operation. */
static unsigned rank(const struct cmi_target *target)
{
        return target->key.data ? 0 : target->tag.data ? 1 : 2;
}

/* The wait is on the last operation, and its outcome is stricter for regions that are served by
 * their TTL: these come last, so that it holds for all. */
static int compare(const void *a, const void *b)
{
        const struct cmi_target *left = a;
        const struct cmi_target *right = b;
        enum cm_fresh fresh = left->region->options.fresh;

        if (fresh != right->region->options.fresh) {
                return fresh == CM_FRESH_BOUNDED ? -1 : 1;
        }
        if (left->region != right->region) {
                return left->region->number < right->region->number ? -1 : 1;
        }
        return (int)rank(left) - (int)rank(right);
}

static struct cmi_slice bytes_of(const struct cmi_target *target)
{
        return target->key.data ? target->key : target->tag;
}

/* How many of the targets, from the first on, share one operation. */
static size_t cut(const struct cmi_target *targets, size_t n)
{
        size_t size = OP_OVERHEAD;
        size_t i = 0;

        for (; i < n && targets[i].region == targets[0].region; i++) {
                size += bytes_of(&targets[i]).len + TARGET_OVERHEAD;
                if (size > CMI_OP_SIZE_MAX) {
                        break;
                }
        }
        return i;
}

static struct cmi_slice encode(
                struct cmi_writer *writer, const struct cmi_target *targets, size_t n)
{
        uint32_t hold_ms = targets[0].region->options.hold_ms;
        size_t begin = writer->len;
        uint32_t n_of[3] = {0, 0, 0};
        size_t i = 0;

        for (size_t k = 0; k < n; k++) {
                n_of[rank(&targets[k])]++;
        }
        cmi_op_write_head(writer, CMI_OP_INVALIDATE, cmi_slice_str(targets[0].region->name),
                        n_of[0], hold_ms > 0);
        for (; i < n_of[0]; i++) {
                cmi_write_bin(writer, targets[i].key);
        }
        cmi_op_write_tags(writer, n_of[1]);
        for (; i < n_of[0] + n_of[1]; i++) {
                cmi_write_bin(writer, targets[i].tag);
        }
        cmi_op_write_end(writer, n_of[2] > 0);
        cmi_op_write_hold(writer, hold_ms);
        return cmi_slice(writer->data + begin, writer->len - begin);
}

/* Number and bytes of the operations, at most. */
static void measure(const struct cm_batch *batch, size_t *ret_n_ops, size_t *ret_size)
{
        size_t n_ops = 0;
        size_t size = 0;

        for (size_t i = 0, n; i < batch->n_targets; i += n, n_ops++) {
                n = cut(&batch->targets[i], batch->n_targets - i);
                size += OP_OVERHEAD;
                for (size_t k = i; k < i + n; k++) {
                        size += bytes_of(&batch->targets[k]).len + TARGET_OVERHEAD;
                }
        }
        *ret_n_ops = n_ops;
        *ret_size = size;
}

static int publish(struct cm_batch *batch, struct cmi_thread *thread, enum cm_wait wait,
                uint32_t timeout_ms, struct cm_result *ret_result)
{
        struct cm *cm = batch->cm;
        struct cmi_writer writer;
        struct cmi_slice *ops;
        size_t n_ops;
        size_t size;
        size_t n = 0;
        int r;

        qsort(batch->targets, batch->n_targets, sizeof(batch->targets[0]), compare);
        measure(batch, &n_ops, &size);
        ops = cmi_handle_allocate(cm, 16, n_ops * sizeof(*ops) + size);
        if (!ops) {
                return cmi_fail(-ENOMEM, "no memory for the batch");
        }
        writer = cmi_writer(ops + n_ops, size);
        for (size_t i = 0, step; i < batch->n_targets; i += step) {
                step = cut(&batch->targets[i], batch->n_targets - i);
                ops[n++] = encode(&writer, &batch->targets[i], step);
        }
        cmi_unsent_begin(cm);
        cmi_own_invalidate(cm, thread, batch->targets, batch->n_targets);
        r = cm->ops->publish(cm, ops, n_ops, wait, timeout_ms, ret_result);
        cmi_unsent_end(cm, r);
        if (r == CM_PENDING) {
                cmi_own_hold(cm, thread, batch->targets, batch->n_targets);
        }
        empty(batch);
        cmi_handle_deallocate(cm, ops, n_ops * sizeof(*ops) + size);
        return r;
}

int cm_batch_publish(struct cm_batch *batch, enum cm_wait wait, uint32_t timeout_ms,
                struct cm_result *ret_result)
{
        struct cmi_thread *thread = NULL;
        int r;

        if (!batch || (wait != CM_WAIT_NONE && wait != CM_WAIT_NODE && wait != CM_WAIT_MESH)) {
                return cmi_fail(-EINVAL, "cm_batch_publish() needs a batch and a wait level");
        }
        r = cmi_handle_join(batch->cm, &thread);
        if (r < 0) {
                return r;
        }
        if (batch->n_targets == 0) {
                cmi_result_set(ret_result, (struct cm_result){0});
                return 0;
        }
        return publish(batch, thread, wait, cmi_timeout(batch->cm, timeout_ms), ret_result);
}
