/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A few cores in one process with frames handed over by the test: for unit tests of meshd/core.
 * Time moves only when the test says so; all nodes share one clock. The simulator in tests/sim is
 * the place for faults and chance.
 */
#include "meshd/core/core.h"

#define RIG_NODES 5
#define RIG_FRAMES 4096
#define RIG_ADDRESSES 3
#define RIG_MESSAGES 256

struct rig;

struct rig_node {
        struct rig *rig;
        uint32_t number;
        struct core *core;
        struct cmi_page *page;
        struct log log;
        void *log_memory;
        struct intent_memory *intents;                       /* lives and dies with the log */
        uint32_t link_to[CORE_PEERS_MAX + CORE_LINKS_SPARE]; /* node number + 1 */
        uint32_t link_moves[CORE_PEERS_MAX + CORE_LINKS_SPARE];
        uint32_t link_address[CORE_PEERS_MAX + CORE_LINKS_SPARE];
        uint32_t n_addresses;        /* that it advertises; 0: one */
        bool is_dead[RIG_ADDRESSES]; /* frames to that address vanish */
        uint32_t n_met;              /* links that turned out to lead to a member */
        uint32_t n_moves;            /* each one to another port; the old one leads nowhere */
        bool is_deaf;                /* frames to it vanish */
        bool is_mute;                /* frames from it vanish */
        bool is_full;                /* its links take nothing */
        bool loses_lists;            /* frames from it with members vanish */
        uint32_t cut_from;           /* bits of those whose frames to it vanish */
        uint32_t n_done;
        uint32_t n_answered;
        struct core_outcome outcome;
        uint32_t n_forgot;
        uint32_t n_gaps;
        uint32_t n_differences;         /* of regions, told */
        uint32_t n_patience;            /* members with another gone_ns, told */
        uint32_t n_widened;             /* holds, told */
        uint32_t n_expired;             /* intents, told */
        char expired[CMI_NAME_MAX + 1]; /* whose was the last one */
        char refused[CORE_TEXT_MAX];
        bool takes_none; /* messages, once started again */
        uint32_t n_messages;
        uint32_t messages[RIG_MESSAGES]; /* their first bytes, in order */
        uint64_t message_len;            /* of the newest */
        struct cmi_id message_from;
        uint64_t message_incarnation;
        uint32_t n_postable;
        struct cmi_op applied; /* the newest; its lists are over */
};

struct rig_frame {
        uint32_t from, to;
        size_t header_len, body_len;
        uint8_t *bytes;
};

struct rig {
        struct rig_node nodes[RIG_NODES];
        uint32_t n_nodes;
        struct cmi_time now;
        struct rig_frame frames[RIG_FRAMES];
        uint32_t n_frames;
        uint64_t lease_ns;
        uint32_t holds_max;
        uint64_t gone_ns[RIG_NODES];   /* of those that start from now on; 0: three leases */
        uint32_t max_peers[RIG_NODES]; /* likewise; 0: more than there are nodes */
};

struct rig *rig_new(uint32_t n_nodes);
struct rig *rig_free(struct rig *rig);
/* Start a node, again if it ran before: a new incarnation; the log is kept unless told otherwise.
 */
void rig_start(struct rig *rig, uint32_t node, const char *name, bool keeps_log);
/* The same with the identity of another node: from a copy of its state directory. */
void rig_start_copy(struct rig *rig, uint32_t node, const char *name, uint32_t of);
void rig_kill(struct rig *rig, uint32_t node);
void rig_connect(struct rig *rig, uint32_t from, uint32_t to);
/* Let time pass in steps of a millisecond, delivering frames at once. */
void rig_run(struct rig *rig, uint64_t ms);
/* Start all, connect all, run until all are LIVE. */
void rig_form(struct rig *rig);
int rig_publish(struct rig *rig, uint32_t node, const char *key, enum cmi_wait wait,
                uint64_t timeout_ms);
/* One key, or with filler bytes in it; *ret_place: what rig_end() wants. */
int rig_begin(struct rig *rig, uint32_t node, struct cmi_slice key, uint64_t deadline_ms,
                struct cmi_position *ret_place);
int rig_end(struct rig *rig, uint32_t node, struct cmi_slice key, struct cmi_position place);
/* An INVALIDATE that holds this key, or with NULL the region; opens no region. */
int rig_publish_held(struct rig *rig, uint32_t node, const char *key, uint64_t hold_ms);
int rig_begin_held(struct rig *rig, uint32_t node, struct cmi_slice key, uint64_t deadline_ms,
                uint64_t hold_ms, struct cmi_position *ret_place);
int rig_end_held(struct rig *rig, uint32_t node, struct cmi_slice key, struct cmi_position place,
                uint64_t hold_ms);
/* Is the intent flag of @key's slot set on @node? */
bool rig_is_flagged(const struct rig *rig, uint32_t node, struct cmi_slice key);
enum core_state rig_state(const struct rig *rig, uint32_t node);
/* Does the stamp of @key on @node exceed @token? */
bool rig_is_stamped(const struct rig *rig, uint32_t node, const char *key, uint64_t token);
uint64_t rig_token(const struct rig *rig, uint32_t node);
bool rig_serves(const struct rig *rig, uint32_t node);
