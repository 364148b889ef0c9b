/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One message of each kind between session planes: tests/wire/vectors/peer-KIND.hex has the bytes.
 * Lists are beside them, since they are written one by one.
 */
#include "wire/session_frame.h"

#include <stddef.h>

#define NODE(n)                                                                                    \
        {                                                                                          \
                {                                                                                  \
                        (n), 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 9, 10, 11, 12, 13, 14, 15,  \
                                        16                                                         \
                }                                                                                  \
        }
#define HASH(n)                                                                                    \
        {                                                                                          \
                {                                                                                  \
                        (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7, 8, 9,  \
                                        10, 11, 12, 13, 14, 15                                     \
                }                                                                                  \
        }
#define VERSION(counter, n, seq)                                                                   \
        {                                                                                          \
                {(counter), NODE(n), 1700000000001}, (seq), NODE(0x77)                             \
        }
#define EPOCH(counter, n)                                                                          \
        {                                                                                          \
                (counter), NODE(n), 1700000000000 + (n)                                            \
        }
#define SPACE 0x5152535455565758
#define MAX_END 1700043200000
#define BLOB                                                                                       \
        {                                                                                          \
                "\x01\x02\x03", 3                                                                  \
        }
#define RECORD                                                                                     \
        {                                                                                          \
                .key = HASH(0xa0), .space = SPACE, .version = VERSION(2, 2, 7), .n_lineage = 1,    \
                .lineage = {VERSION(1, 1, 2)}, .created_ms = 1700000000000,                        \
                .idle_ttl_ms = 1800000, .max_end_ms = MAX_END, .last_touch_ms = 1700000600000,     \
                .n_requests = 1, .requests = {5}, .tag = {"v1", 2},                                \
                .sealed_base = VERSION(1, 1, 2), .save_id = NODE(0x99),                            \
                .holder = {NODE(1), 1700000000001, 4}, .blob_len = 3,                              \
                .blob_sum = 0x7172737475767778                                                     \
        }
#define FOUND_RECORD                                                                               \
        {                                                                                          \
                .what = CMI_PEER_RECORD, .record = RECORD, .blob = BLOB                            \
        }
#define REQUEST                                                                                    \
        {                                                                                          \
                .verb = CMI_SESSION_SAVE, .space = HASH(0xc0), .key = HASH(0xa0),                  \
                .request = 0x6162636465666768, .timeout_ms = 2500, .level = CMI_SESSION_ALL,       \
                .expected = VERSION(2, 2, 7), .holder = {NODE(1), 1700000000001, 4},               \
                .tag = {"v1", 2}, .save_id = NODE(0x99), .blob_len = 3, .blob = BLOB               \
        }
#define BLIND                                                                                      \
        {                                                                                          \
                .key = HASH(0xa0), .space = SPACE, .max_end_ms = MAX_END,                          \
                .reason = CMI_TOMBSTONE_DESTROY                                                    \
        }

#define FOUND_ENDED                                                                                \
        {                                                                                          \
                .what = CMI_PEER_TOMBSTONE, .tombstone = {                                         \
                        .key = HASH(0xa0),                                                         \
                        .space = SPACE,                                                            \
                        .version = VERSION(2, 2, 7),                                               \
                        .max_end_ms = MAX_END,                                                     \
                        .reason = CMI_TOMBSTONE_DESTROY                                            \
                }                                                                                  \
        }

static const struct cmi_tombstone golden_dead[] = {
                BLIND,
                {.key = HASH(0xd0),
                                .space = SPACE,
                                .version = VERSION(2, 2, 7),
                                .max_end_ms = MAX_END,
                                .reason = CMI_TOMBSTONE_IDLE,
                                .last_touch_ms = 1700000600000,
                                .holder_no = 4},
};
static const struct cmi_principal golden_counts[] = {
                {.principal = HASH(0xb0), .n_counts = 1, .counts = {{NODE(1), 3, 1700605700000}}},
};
static const struct cmi_peer_refusal golden_refusals[] = {{HASH(0xd0), CMI_STORED_FULL}};

/* By kind. */
static const struct cmi_peer_message golden[CMI_PEER_KIND_LAST + 1] = {
                [CMI_PEER_STATE] = {CMI_PEER_STATE, 5,
                                .state = {.is_holding = true,
                                                .is_draining = true,
                                                .weight = 100,
                                                .host = 0x8182838485868788,
                                                .view = 0x9192939495969798,
                                                .room = 640}},
                [CMI_PEER_STATE_OK] = {CMI_PEER_STATE_OK, 5},
                [CMI_PEER_ASK] = {CMI_PEER_ASK, 6,
                                .ask = {.origin = NODE(1),
                                                .incarnation = 1700000000001,
                                                .hops = 1,
                                                .user = 1000,
                                                .request = REQUEST}},
                [CMI_PEER_ANSWER] = {CMI_PEER_ANSWER, 6,
                                .answer = {.outcome = CMI_CONFLICT,
                                                .text = "saved",
                                                .n_copies = 2,
                                                .is_kept = true,
                                                .found = FOUND_RECORD}},
                [CMI_PEER_MOVED] = {CMI_PEER_MOVED, 6,
                                .moved = {.node = NODE(2), .epoch = EPOCH(3, 2)}},
                [CMI_PEER_FENCE] = {CMI_PEER_FENCE, 7,
                                .fence = {.key = HASH(0xa0),
                                                .epoch = EPOCH(3, 2),
                                                .max_end_ms = MAX_END,
                                                .why = CMI_PEER_WHY_DEATH}},
                [CMI_PEER_FENCED] = {CMI_PEER_FENCED, 7,
                                .fenced = {.outcome = CMI_STORED_FENCED,
                                                .epoch = EPOCH(4, 3),
                                                .found = FOUND_ENDED}},
                [CMI_PEER_ORDER] = {CMI_PEER_ORDER, 8,
                                .order = {.epoch = EPOCH(3, 2),
                                                .wants_disk = true,
                                                .found = FOUND_RECORD}},
                [CMI_PEER_ORDERED] = {CMI_PEER_ORDERED, 8,
                                .stored = {.outcome = CMI_STORED_DEAD,
                                                .is_on_disk = true,
                                                .found = {.what = CMI_PEER_TOMBSTONE,
                                                                .tombstone = BLIND}}},
                [CMI_PEER_FETCH] = {CMI_PEER_FETCH, 9,
                                .fetch = {.key = HASH(0xa0), .version = VERSION(2, 2, 7)}},
                [CMI_PEER_COPY] = {CMI_PEER_COPY, 10,
                                .copy = {.fetch = 9,
                                                .why = CMI_PEER_WHY_FETCH,
                                                .found = FOUND_RECORD}},
                [CMI_PEER_COPIED] = {CMI_PEER_COPIED, 10, .stored = {.version = VERSION(2, 2, 7)}},
                [CMI_PEER_PART] = {CMI_PEER_PART, 8,
                                .part = {.of = CMI_PEER_ORDER, .offset = 60000, .bytes = BLOB}},
                [CMI_PEER_DEAD] = {CMI_PEER_DEAD, 11, .news = {.page = {.serial = 42}, .n = 2}},
                [CMI_PEER_DEAD_OK] = {CMI_PEER_DEAD_OK, 11, .noted = {.serial = 42, .n = 1}},
                [CMI_PEER_COUNTS] = {CMI_PEER_COUNTS, 12,
                                .news = {.page = {.sync = 13, .is_last = true, .serial = 7},
                                                .n = 1}},
                [CMI_PEER_COUNTS_OK] = {CMI_PEER_COUNTS_OK, 12, .noted = {.serial = 7}},
                [CMI_PEER_SYNC] = {CMI_PEER_SYNC, 13,
                                .sync = {.set = CMI_PEER_SET_COUNTS, .after = HASH(0xb0)}},
                [CMI_PEER_HANDOVER] = {CMI_PEER_HANDOVER, 14,
                                .handover = {.key = HASH(0xa0),
                                                .version = VERSION(2, 2, 7),
                                                .epoch = EPOCH(3, 2)}},
                [CMI_PEER_TAKEN] = {CMI_PEER_TAKEN, 14,
                                .stored = {.version = VERSION(2, 2, 7), .epoch = EPOCH(3, 2)}},
                [CMI_PEER_IDLE] = {CMI_PEER_IDLE, 15, .idle = {.key = HASH(0xa0)}},
                [CMI_PEER_AGE] = {CMI_PEER_AGE, 15,
                                .age = {.is_held = true, .age_ms = 90000, .holder_no = 4}},
};
