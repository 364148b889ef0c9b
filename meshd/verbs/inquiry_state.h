/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files behind inquiry.h share: one inquiry and whom it asks. inquiry.c has what all kinds
 * have in common, trace.c what a trace has beside that.
 */
#include "meshd/verbs/inquiry.h"
#include "meshd/verbs/vigil.h"

/* Times are of this node's monotonic clock; 0: not yet. */
struct target_trace {
        uint64_t sent_ns;
        uint64_t acknowledged_ns;
        bool is_applied; /* it says so */
        uint64_t ago_ns; /* that it was applied there when it answered; 0: not known */
        const char *outcome;
};

struct inquiry_trace {
        char region[CMI_REGION_NAME_MAX + 1];
        uint64_t key; /* its hash */
        uint64_t number;
        uint64_t numbered_ns; /* in the log, and applied to the own page */
        uint64_t done_ns;     /* the wait for the mesh was over */
        int outcome;
        bool is_asking; /* the nodes, since the wait is over */
};

enum target_state {
        TARGET_NONE = 0, /* not asked: this node itself, or one without a link */
        TARGET_DUE,
        TARGET_ASKED,
        TARGET_ANSWERED,
        TARGET_FAILED,
};

enum target_key {
        TARGET_KEY_UNKNOWN = 0,
        TARGET_KEY_HELD,
        TARGET_KEY_LACKED,
};

struct target {
        struct cmi_id id;
        char name[CMI_NAME_MAX + 1];
        const char *state_text;
        enum target_state state;
        uint64_t asked_ns;
        uint64_t rtt_ns;
        uint64_t answered_ns;
        const char *error;
        struct target_trace trace; /* TRACE */
        bool is_needed;            /* KEY: its answer is; it was live */
        enum target_key key;       /* KEY */
};

/* Is there anybody to answer? */
static inline bool target_is_askable(enum member_state state)
{
        return state == MEMBER_LIVE || state == MEMBER_JOINING || state == MEMBER_SILENT;
}

struct inquiry {
        struct question question; /* without its arguments; guest NULL: free */
        enum inquiry_kind kind;
        uint32_t generation;
        uint64_t deadline_ns;
        uint32_t n_targets;
        struct target *targets; /* for LINKS the first one is this node */
        char *cells;            /* n_targets rows of n_targets characters */
        uint32_t *by_id;        /* targets in the order of their ids */
        struct inquiry_trace trace;
        char key[KEY_RING_FINGERPRINT_SIZE]; /* KEY: that is to be used */
};

struct inquiries {
        struct service *service;
        struct inquiry slots[INQUIRIES_MAX];
        struct vigils vigils; /* WAIT: they need no slot */
        uint32_t n_active;
        uint32_t n_open; /* queries between nodes */
};

/* One more to ask; its state is TARGET_NONE. Return: 0, -ENOMEM. */
int inquiry_add_target(struct inquiry *inquiry, const struct cmi_id *id, const char *name,
                const char *state_text);
