/* SPDX-License-Identifier: MIT */
/*
 * Writes that are announced before they are committed: the app's side of a write intent. Its keys
 * are dead here first, then it is begun; the operation that began it is kept, since its end names
 * the same targets.
 */
#include "libcachemesh/region.h"
#include "wire/op.h"

#include <errno.h>

static_assert(CM_WRITE_TARGETS_MAX == CMI_INTENT_TARGETS_MAX, "a limit has two names");
static_assert(CM_WRITE_MS_MAX == CMI_INTENT_MS_MAX, "a limit has two names");
static_assert(CM_HOLD_MS_MAX == CMI_HOLD_MS_MAX, "a limit has two names");
static_assert(CM_WRITE_MS_DEFAULT == CMI_INTENT_MS_DEFAULT, "a default has two names");

struct cm_write {
        struct cm_region *region;
        struct cmi_place place; /* stream 0: not known, so its end is only an invalidation */
        uint32_t end_timeout_ms;
        uint32_t op_len;
        uint8_t op[CMI_INTENT_SIZE_MAX]; /* INTENT_BEGIN */
};

static int check_list(const struct cm_bytes *list, size_t n, size_t max)
{
        for (size_t i = 0; i < n; i++) {
                if (!list || !list[i].data || list[i].len - 1 >= max) {
                        return cmi_fail(-EINVAL, "a key or tag has 1 to %zu bytes", max);
                }
        }
        return 0;
}

static int check(const struct cm_write_options *options)
{
        int r;

        if (options->n_keys > CM_WRITE_TARGETS_MAX || options->n_tags > CM_WRITE_TARGETS_MAX ||
                        options->n_keys + options->n_tags > CM_WRITE_TARGETS_MAX) {
                return cmi_fail(-E2BIG, "a write has at most %d keys and tags",
                                CM_WRITE_TARGETS_MAX);
        }
        if (options->n_keys + options->n_tags == 0) {
                return cmi_fail(-EINVAL, "a write names at least one key or tag");
        }
        if (options->deadline_ms > CM_WRITE_MS_MAX) {
                return cmi_fail(-EINVAL, "the deadline of a write is at most %d ms",
                                CM_WRITE_MS_MAX);
        }
        r = check_list(options->keys, options->n_keys, CM_KEY_MAX);
        return r < 0 ? r : check_list(options->tags, options->n_tags, CM_TAG_MAX);
}

static int encode_begin(struct cm_write *write, const struct cm_write_options *options)
{
        struct cmi_writer writer = cmi_writer(write->op, sizeof(write->op));
        uint32_t hold_ms = write->region->options.hold_ms;

        cmi_op_write_head(&writer, CMI_OP_INTENT_BEGIN, cmi_slice_str(write->region->name),
                        (uint32_t)options->n_keys, hold_ms > 0);
        for (size_t i = 0; i < options->n_keys; i++) {
                cmi_write_bin(&writer, cmi_slice(options->keys[i].data, options->keys[i].len));
        }
        cmi_op_write_tags(&writer, (uint32_t)options->n_tags);
        for (size_t i = 0; i < options->n_tags; i++) {
                cmi_write_bin(&writer, cmi_slice(options->tags[i].data, options->tags[i].len));
        }
        cmi_op_write_deadline(&writer, options->deadline_ms);
        cmi_op_write_hold(&writer, hold_ms);
        write->op_len = (uint32_t)writer.len;
        return writer.error == 0 ? 0
                                 : cmi_fail(-E2BIG, "the keys and tags of a write are too long");
}

/* INTENT_END, or INVALIDATE for one whose place is not known. */
static struct cmi_slice encode_end(const struct cm_write *write, struct cmi_writer *writer)
{
        struct cmi_op op;
        int r = cmi_op_decode(cmi_slice(write->op, write->op_len), &op);

        assert(r == 0);
        (void)r;
        if (write->place.stream != 0) {
                cmi_op_write_targets(writer, CMI_OP_INTENT_END, &op);
                cmi_op_write_place(writer, write->place.stream, write->place.number);
        } else {
                cmi_op_write_targets(writer, CMI_OP_INVALIDATE, &op);
                cmi_op_write_end(writer, false);
        }
        cmi_op_write_hold(writer, op.hold_ms);
        return cmi_written(writer);
}

/* How many. */
static uint32_t targets_of(
                const struct cm_write *write, struct cmi_target ret_targets[CM_WRITE_TARGETS_MAX])
{
        struct cmi_op op;
        uint32_t n = 0;

        if (cmi_op_decode(cmi_slice(write->op, write->op_len), &op) < 0) {
                return 0;
        }
        for (uint32_t i = 0; i < op.n_keys; i++) {
                ret_targets[n++] = (struct cmi_target){
                                .region = write->region, .key = cmi_op_next(&op.keys)};
        }
        for (uint32_t i = 0; i < op.n_tags; i++) {
                ret_targets[n++] = (struct cmi_target){
                                .region = write->region, .tag = cmi_op_next(&op.tags)};
        }
        return n;
}

static void kill_here(const struct cm_write *write, struct cmi_thread *thread)
{
        struct cmi_target targets[CM_WRITE_TARGETS_MAX];

        cmi_own_invalidate(write->region->cm, thread, targets, targets_of(write, targets));
}

static void hold_here(const struct cm_write *write, struct cmi_thread *thread)
{
        struct cmi_target targets[CM_WRITE_TARGETS_MAX];

        cmi_own_hold(write->region->cm, thread, targets, targets_of(write, targets));
}

static int publish_end(const struct cm_write *write, enum cm_wait wait)
{
        struct cm *cm = write->region->cm;
        uint8_t buffer[CMI_INTENT_SIZE_MAX + 32];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));
        struct cmi_slice op = encode_end(write, &writer);

        return cm->ops->publish(cm, &op, 1, wait, cmi_timeout(cm, write->end_timeout_ms), NULL);
}

static int told(int r)
{
        return r < 0 ? cmi_fail(r,
                                       r == CM_E_TIMEOUT ? "not every member has answered in time; "
                                                           "the write was ended again"
                                                         : "meshd refused the write: %s",
                                       cm_strerror(r))
                     : r;
}

static int begin(struct cm_write *write, uint32_t timeout_ms, struct cm_result *ret_result)
{
        struct cm *cm = write->region->cm;
        struct cm_result result = {0};
        int r = cm->ops->begin(cm, cmi_slice(write->op, write->op_len), cmi_timeout(cm, timeout_ms),
                        &result, &write->place);

        if (r == CM_E_TIMEOUT) {
                publish_end(write, CM_WAIT_NONE);
        }
        if (r == 0 || r == CM_PARTIAL) {
                cmi_result_set(ret_result, result);
                if (ret_result) {
                        return r;
                }
        }
        cm_result_clear(&result);
        return told(r);
}

int cm_write_begin(struct cm_write **ret_write, struct cm_region *region,
                const struct cm_write_options *options, struct cm_result *ret_result)
{
        struct cm_write_options copy = {0};
        struct cmi_thread *thread = NULL;
        struct cm_write *write;
        int r;

        if (!ret_write || !region || !options) {
                return cmi_fail(-EINVAL, "cm_write_begin() needs a place, a region and options");
        }
        if (cmi_options_copy(&copy, sizeof(copy), options, options->size) < 0) {
                return cmi_fail(-EINVAL, "write options begin with their size");
        }
        copy.deadline_ms = copy.deadline_ms ? copy.deadline_ms : CM_WRITE_MS_DEFAULT;
        r = check(&copy);
        r = r < 0 ? r : cmi_handle_join(region->cm, &thread);
        if (r < 0) {
                return r;
        }
        if (!region->cm->ops->begin) {
                return cmi_fail(-EOPNOTSUPP, "a standalone handle announces no writes");
        }
        write = cmi_handle_allocate(region->cm, 16, sizeof(*write));
        if (!write) {
                return cmi_fail(-ENOMEM, "no memory for the write");
        }
        *write = (struct cm_write){.region = region, .end_timeout_ms = copy.end_timeout_ms};
        r = encode_begin(write, &copy);
        if (r == 0) {
                kill_here(write, thread);
                r = begin(write, copy.timeout_ms, ret_result);
        }
        if (r < 0) {
                cmi_handle_deallocate(region->cm, write, sizeof(*write));
                return r;
        }
        *ret_write = write;
        return r;
}

/* What committed must be told, also by a thread for whose record there is no memory. */
int cm_write_end(struct cm_write *write)
{
        struct cm *cm;
        int r;

        if (!write) {
                return 0;
        }
        cm = write->region->cm;
        r = cmi_handle_enter(cm);
        if (r == -ENOMEM) {
                return r; /* in a child that cannot be set up yet: the next call may find memory */
        }
        if (r == 0) {
                cmi_unsent_begin(cm);
                kill_here(write, cmi_thread());
                r = publish_end(write, CM_WAIT_NODE);
                cmi_unsent_end(cm, r);
                if (r == CM_PENDING) {
                        hold_here(write, cmi_thread());
                }
        }
        cmi_handle_deallocate(cm, write, sizeof(*write));
        return r;
}
