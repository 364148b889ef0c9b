/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A load in flight, and what its parts share: load.c decides who loads and who waits, turn.c how
 * many loaders run at a time, load_given.c takes what the loader gives.
 *
 * A load is QUEUED (it waits for its turn), RUNNING and done. From its beginning on it can be found
 * by its key, so others with the same key wait for it in either state.
 */
#include "libcachemesh/region.h"

struct cm_load {
        struct cm_load *next; /* in the handle's chain, until it is done */
        struct cm_region *region;
        const struct cmi_thread *owner; /* NULL: it is done; the process's lock */
        uint64_t hash;
        uint64_t began; /* place in the order of arrivals and beginnings; 0: it has not */
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
        bool has_turn; /* to be passed on */

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

/**
 * cmi_share_ask() - let meshd say who loads (share.c)
 * @share: its first part is set
 *
 * Return: CMI_SHARE_ALONE, CMI_SHARE_LEAD (then cmi_share_tell() follows), CMI_SHARE_TAKE
 *         (load->pin is set), or an error, with which the load fails.
 */
int cmi_share_ask(struct cm_load *load, struct cmi_thread *thread, struct cmi_share *share);

/* The load that was to be led has ended: with this error, or with what the loader gave. */
void cmi_share_tell(const struct cm_load *load, const struct cmi_share *share, int error,
                struct cm_token token, uint32_t loaded_ds);

/* What the loader gave is freed. */
void cmi_load_free_given(struct cm_load *load);

/* Could a load of this thread begin at once? loads_lock held. */
bool cmi_turn_is_free(const struct cm *cm, const struct cmi_thread *thread);

/**
 * cmi_turn_take() - wait for a turn
 * @load:     of the calling thread, in the chain
 * @deadline: CLOCK_MONOTONIC
 *
 * loads_lock is held, and given up while waiting.
 *
 * Return: 0, then cmi_turn_pass() follows; CM_E_BUSY.
 */
int cmi_turn_take(struct cm_load *load, struct cmi_thread *thread, const struct timespec *deadline);

/* The load has ended: the next one that waits has its turn. loads_lock held. */
void cmi_turn_pass(struct cm_load *load);

/* A loader is about to wait for this load: it may run meanwhile. loads_lock held. */
void cmi_turn_lend(struct cm_load *load, const struct cmi_thread *thread);
