/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The cache half as far as a source sees it (libcachemesh/handle.h), so that the connection can be
 * tested alone: it remembers what it was told.
 */
#include "libcachemesh/handle.h"

#include <pthread.h>
#include <stdatomic.h>

#define FAKE_REGIONS_MAX 8

struct cm_region {
        char name[CM_REGION_NAME_MAX + 1];
        struct cm_region_options options;
        _Atomic uint32_t serial;
        _Atomic uint32_t index;
};

struct cm {
        struct cm_options options;
        const struct cmi_source_ops *ops;
        struct cmi_source *source;
        struct cm_region regions[FAKE_REGIONS_MAX];
        _Atomic uint32_t n_regions;
        _Atomic bool is_pending;
        _Atomic unsigned n_pending_changes;
        void *page;
        size_t page_size;
        _Atomic uint32_t serial;
        _Atomic unsigned n_installs;
        _Atomic unsigned n_drops;
        _Atomic uint64_t vouched_ns; /* and how often */
        _Atomic unsigned n_vouched;
        _Atomic unsigned n_logs;
        char last_log[256];
        _Atomic long n_allocated; /* blocks */
        _Atomic bool is_out_of_memory;
};

struct cm *fake_handle_open(const char *socket_path, const struct cm_options *options);
struct cm *fake_handle_close(struct cm *cm);

/* Adds a region and asks the source for it; returns what the source does. One call at a time. */
int fake_handle_region(struct cm *cm, const char *name, uint32_t timeout_ms);

/* The same in two steps, of which only the second one may be any thread's at any time. */
struct cm_region *fake_handle_add_region(struct cm *cm, const char *name);
int fake_handle_open_region(struct cm *cm, struct cm_region *region, uint32_t timeout_ms);

/* What the last failure of this thread was told with. */
const char *fake_handle_detail(void);

/* An INVALIDATE of one key. */
int fake_handle_invalidate(struct cm *cm, const char *region, const char *key, enum cm_wait wait,
                uint32_t timeout_ms, struct cm_result *ret_result);

/* Run the loop integration until @is_reached says so, or 10 s have passed: then false. */
bool fake_handle_await(struct cm *cm, bool (*is_reached)(struct cm *cm, void *data), void *data);

/* Of its page; 0 without one. */
uint64_t fake_handle_epoch(const struct cm *cm);

bool fake_handle_is_live(struct cm *cm, void *unused);
bool fake_handle_is_offline(struct cm *cm, void *unused);
bool fake_handle_is_flushed(struct cm *cm, void *unused);
bool fake_handle_has_index(struct cm *cm, void *number);

/* Fetches events until one of this kind; its detail, or NULL if there is none. */
const char *fake_handle_find_event(struct cm *cm, enum cm_event_kind kind);
