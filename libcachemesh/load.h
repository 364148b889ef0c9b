/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A load in flight, and what its parts share: load.c decides who loads and who waits, turn.c how
 * many loaders run at a time, load_run.c runs one, load_given.c takes what the loader gives, and
 * load_shared.c speaks with other processes about it.
 *
 * A load is ASKED (meshd is asked who loads; only where processes share loads), QUEUED (it waits
 * for its turn), RUNNING and done. From its beginning on it can be found by its key, so others with
 * the same key wait for it in each of these states.
 */
#include "libcachemesh/region.h"

struct cm_load {
        struct cm_load *next; /* in the handle's chain, until it is done */
        struct cm_region *region;
        const struct cmi_thread *owner; /* NULL: it is done; the process's lock */
        uint64_t hash;
        uint64_t began; /* place in the order of arrivals and beginnings; 0: it has no outcome */
        uint32_t refs;  /* owner and waiters; under loads_lock */
        bool is_done;
        pthread_cond_t done;
        int outcome; /* 0, CM_NEGATIVE or an error */
        struct cmi_pin *pin;
        bool is_old;           /* began elsewhere, before those who wait may have come */
        struct cm_load *outer; /* whose loader made this call, in the same thread */

        /* turn.c; under loads_lock */
        pthread_cond_t turn;
        struct cm_load *next_queued;
        bool is_queued;
        bool has_turn;      /* to be passed on */
        uint32_t n_lenders; /* loaders that wait for it, under whose turns it may run */

        /* What the loader gives; the owner's alone. */
        int error;
        bool has_value;
        bool is_negative;
        void *value;
        size_t value_len;
        uint32_t ttl_ms;
        uint32_t n_tags;
        struct cm_bytes tags[CM_TAGS_MAX];

        size_t size;
        size_t key_len;
        char key[];
};

/* One call of cm_get_or_load(). */
struct cmi_load_call {
        struct cm_region *region;
        struct cmi_thread *thread;
        struct cmi_slice key;
        cm_load_fn function;
        void *userdata;
        unsigned flags;           /* CM_LOAD_* */
        struct timespec deadline; /* CLOCK_MONOTONIC; once it has missed */
        uint64_t arrival;         /* in the order of arrivals and beginnings; 0: not yet */
        bool is_own_fault;        /* no value, not even an older one, is an answer to the error */
};

/* Do the processes of a node share the region's loads? */
static inline bool cmi_load_is_shared(const struct cm_region *region)
{
        return region->options.flags & CM_REGION_SHARE_LOADS;
}

/*
 * Has the loader forked, and is this the child? Then load, turns and whoever waits are the
 * parent's, and any lock may be held for good: nothing of it is touched.
 */
static inline bool cmi_load_is_inherited(const struct cmi_load_call *call)
{
        return call->thread->generation != cmi_process_generation();
}

/**
 * cmi_load_run() - run a load that has begun, in the calling thread
 * @load: in the chain, of this thread; with its turn, unless processes share it
 *
 * No lock is held. What it waits for it waits for up to the call's deadline, but for the loader.
 *
 * Return: 0 or CM_NEGATIVE with load->pin; or an error. With load->began 0 it was not run, and the
 *         error is this caller's alone. CM_E_FORKED if cmi_load_is_inherited().
 */
int cmi_load_run(struct cm_load *load, const struct cmi_load_call *call);

/**
 * cmi_share_ask() - let meshd say who loads (load_shared.c)
 * @share: its first part is set
 *
 * Return: CMI_SHARE_ALONE, CMI_SHARE_LEAD (then cmi_share_tell() follows), CMI_SHARE_TAKE
 *         (load->pin is set), or an error, with which the load fails.
 */
int cmi_share_ask(struct cm_load *load, struct cmi_thread *thread, struct cmi_share *share);

/* The load that was to be led has ended: with this error, or with what the loader gave. */
void cmi_share_tell(const struct cm_load *load, const struct cmi_share *share, int error,
                struct cm_token token, uint32_t loaded_ds);

/* The load that was to be led is not run: another process shall load. */
void cmi_share_give_up(const struct cm_load *load, const struct cmi_share *share);

/* What the loader gave is freed. */
void cmi_load_free_given(struct cm_load *load);

/* Could a load of this thread begin at once? loads_lock held. */
bool cmi_turn_is_free(const struct cm *cm, const struct cmi_thread *thread);

/* The turn if it can be had at once; then cmi_turn_pass() follows. loads_lock held. */
bool cmi_turn_try(struct cm_load *load, const struct cmi_thread *thread);

/**
 * cmi_turn_take() - wait for a turn
 * @load:     of the calling thread, in the chain
 * @deadline: CLOCK_MONOTONIC
 *
 * loads_lock is held, and given up while waiting.
 *
 * Return: 0, then cmi_turn_pass() follows; CM_E_BUSY.
 */
int cmi_turn_take(struct cm_load *load, const struct cmi_thread *thread,
                const struct timespec *deadline);

/* CM_E_BUSY, with its text. */
int cmi_turn_fail(const struct cm *cm);

/* It runs no more: the next one that waits has its turn, if it had one. loads_lock held. */
void cmi_turn_pass(struct cm_load *load);

/*
 * This thread is about to wait for the load: if it runs a loader, the load may run meanwhile.
 * loads_lock held. Return: true if it lends its turn; then load->n_lenders is less by one after the
 * waiting.
 */
bool cmi_turn_lend(struct cm_load *load, const struct cmi_thread *thread);
