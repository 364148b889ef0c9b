/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The memory in which open write intents outlive the process: a mapped file in the runtime
 * directory, beside the log. Who gives it to the core need not look inside; whatever is in it that
 * is not intact is dropped.
 */
#include "base/id.h"
#include "wire/op.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_INTENTS_MAX 1024      /* open here, of all nodes */
#define CORE_INTENTS_OWN_MAX 256   /* of this node's apps */
#define CORE_INTENTS_CLIENT_MAX 64 /* of one of its clients */

/* All but is_open is written before it is set, and changes only while it is clear. */
struct intent_record {
        _Atomic uint64_t is_open;
        uint64_t stream; /* and number: the place of its INTENT_BEGIN */
        uint64_t number;
        struct cmi_id origin;
        uint64_t begun_ns;            /* CLOCK_MONOTONIC of this host: its receipt */
        _Atomic uint64_t deadline_ns; /* likewise */
        uint64_t op_len;
        uint8_t op[CMI_INTENT_SIZE_MAX];
};

#define CORE_HOLD_ENDS 64

/* When the latest hold of each region ends (hold_ends.c), mono; 0: there was none. */
struct hold_ends {
        _Atomic uint64_t others_ns; /* of regions that found no place */
        struct {
                _Atomic uint64_t region; /* hash of its name */
                _Atomic uint64_t end_ns;
        } named[CORE_HOLD_ENDS];
};

struct intent_memory {
        uint64_t magic;
        uint64_t version;
        struct cmi_id node_id;
        /* Until then nothing is served: an intent found no room. 0: all had room. */
        _Atomic uint64_t overflow_ns;
        struct hold_ends holds;
        struct intent_record records[CORE_INTENTS_MAX];
};
