/* SPDX-License-Identifier: MIT */
/* The operations that writers publish, encoded, and which keys each of them covers. */
#include "tests/sim/world.h"

static void write_fat(struct cmi_writer *writer)
{
        uint8_t filler[CMI_KEY_MAX];
        uint32_t n = (OP_SIZE - 1000) / (CMI_KEY_MAX + 8);

        memset(filler, 0xff, sizeof(filler));
        cmi_op_write_begin(writer, cmi_slice_str("other"), n);
        for (uint32_t i = 0; i < n; i++) {
                cmi_write_bin(writer, cmi_slice(filler, sizeof(filler)));
        }
        cmi_op_write_tags(writer, 0);
        cmi_op_write_end(writer, false);
}

/* What a version that this one does not know may send: kind 99. */
static void write_unknown(struct cmi_writer *writer)
{
        cmi_write_array(writer, 2);
        cmi_write_uint(writer, 99);
        cmi_write_uint(writer, 1);
}

static uint32_t all_keys(const struct world *world)
{
        return (1u << world->options.n_keys) - 1;
}

static uint32_t keys_of_tag(const struct world *world, const char *region, uint8_t tag)
{
        uint32_t keys = 0;

        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                keys |= reader_tag(i, world->options.n_tags) == tag &&
                                                        strcmp(app_region(world, i), region) == 0
                                        ? 1u << i
                                        : 0;
        }
        return keys;
}

static uint32_t keys_of_region(const struct world *world, const char *region)
{
        uint32_t keys = 0;

        for (uint32_t i = 0; i < world->options.n_keys; i++) {
                keys |= strcmp(app_region(world, i), region) == 0 ? 1u << i : 0;
        }
        return keys;
}

static uint64_t hold_ms(const struct world *world)
{
        return world->options.hold_ns / CMI_NS_PER_MS;
}

static void write_targets(struct cmi_writer *writer, const char *region, const uint8_t *key,
                const uint8_t *tag, bool is_whole, uint64_t hold_ms)
{
        cmi_op_write_head(
                        writer, CMI_OP_INVALIDATE, cmi_slice_str(region), key ? 1 : 0, hold_ms > 0);
        if (key) {
                cmi_write_bin(writer, cmi_slice(key, 1));
        }
        cmi_op_write_tags(writer, tag ? 1 : 0);
        if (tag) {
                cmi_write_bin(writer, cmi_slice(tag, 1));
        }
        cmi_op_write_end(writer, is_whole);
        cmi_op_write_hold(writer, hold_ms);
}

static uint32_t keys_of(const struct world *world, enum write_op op, uint32_t key)
{
        switch (op) {
        case OP_KEY:
                return 1u << key;
        case OP_TAG:
                return keys_of_tag(world, app_region(world, key),
                                reader_tag(key, world->options.n_tags));
        case OP_REGION:
                return keys_of_region(world, app_region(world, key));
        case OP_ALL:
        case OP_UNKNOWN:
                return all_keys(world);
        case OP_FAT:
        case OP_INTENT:
        case OP_KINDS:
                break;
        }
        return 0;
}

void operation_make(struct sim_write *write, enum write_op op, uint32_t key)
{
        const struct world *world = write->app->node->world;
        struct cmi_writer writer = cmi_writer(write->op, sizeof(write->op));
        uint8_t key_name = (uint8_t)key;
        uint8_t tag = reader_tag(key, world->options.n_tags);

        /* These carry no hold: nobody may use them for what is loaded from a source that lags. */
        if (hold_ms(world) > 0 && (op == OP_ALL || op == OP_UNKNOWN)) {
                op = OP_REGION;
        }
        write->keys = keys_of(world, op, key);
        if (op == OP_FAT) {
                write_fat(&writer);
        } else if (op == OP_UNKNOWN) {
                write_unknown(&writer);
        } else if (op == OP_ALL) {
                cmi_op_write_all(&writer);
        } else {
                write_targets(&writer, app_region(world, key), op == OP_KEY ? &key_name : NULL,
                                op == OP_TAG ? &tag : NULL, op == OP_REGION, hold_ms(world));
        }
        write->op_len = (uint32_t)writer.len;
}

void operation_intent(struct sim_write *write)
{
        const struct world *world = write->app->node->world;
        struct cmi_writer writer = cmi_writer(write->op, sizeof(write->op));
        uint8_t key = (uint8_t)write->key;
        uint8_t tag = reader_tag(write->key, world->options.n_tags);
        bool is_begin = write->intent == INTENT_BEGINS;

        cmi_op_write_head(&writer, is_begin ? CMI_OP_INTENT_BEGIN : CMI_OP_INTENT_END,
                        cmi_slice_str(app_region(world, write->key)), write->is_by_tag ? 0 : 1,
                        hold_ms(world) > 0);
        if (!write->is_by_tag) {
                cmi_write_bin(&writer, cmi_slice(&key, 1));
        }
        cmi_op_write_tags(&writer, write->is_by_tag ? 1 : 0);
        if (write->is_by_tag) {
                cmi_write_bin(&writer, cmi_slice(&tag, 1));
        }
        if (is_begin) {
                cmi_op_write_deadline(&writer, write->deadline_ns / CMI_NS_PER_MS);
        } else {
                cmi_op_write_place(&writer, write->place.stream, write->place.number);
        }
        cmi_op_write_hold(&writer, hold_ms(world));
        write->op_len = (uint32_t)writer.len;
        write->keys = write->is_by_tag ? keys_of_tag(world, app_region(world, write->key), tag)
                                       : 1u << write->key;
}
