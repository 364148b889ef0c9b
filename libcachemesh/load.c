/* SPDX-License-Identifier: MIT */
/*
 * cm_get_or_load(): one load per key at a time. Whoever finds no load of the key running begins
 * one; the others wait for it.
 *
 * A waiter takes the result
 * 1. if the load began after the waiter came: then everything that was invalidated before the
 *    waiter asked was already invalidated when the load began; or
 * 2. if the full check holds at hand-over: then nothing was invalidated since the load began.
 * Else it begins anew, and those who came with it find that load running, which falls under 1. So
 * however many wait, two loads do. A load that fails fails for all who wait; one that did not get
 * its turn (turn.c), or that another process runs for too long, does not: each of them tries until
 * its own deadline. Where the region allows it each caller then gets the last value instead of the
 * error (stale.c).
 *
 * The result is an entry, pinned by the load until the last waiter has its own pin, whether it
 * could be stored or not.
 */
#include "libcachemesh/load.h"
#include "libcachemesh/get.h"

#include <errno.h>

static struct cm_load **chain_of(struct cm *cm, uint64_t hash)
{
        return &cm->loads[hash % CMI_LOAD_CHAINS];
}

static struct cm_load *find_load(struct cm_region *region, uint64_t hash, struct cmi_slice key)
{
        struct cm_load *load = *chain_of(region->cm, hash);

        while (load && (load->region != region || load->hash != hash ||
                                       !cmi_slice_equal(
                                                       cmi_slice(load->key, load->key_len), key))) {
                load = load->next;
        }
        return load;
}

static struct cm_load *new_load(struct cm_region *region, uint64_t hash, struct cmi_slice key)
{
        size_t size = sizeof(struct cm_load) + key.len;
        struct cm_load *load = cmi_handle_allocate(region->cm, 16, size);
        pthread_condattr_t attributes;

        if (!load) {
                return NULL;
        }
        memset((void *)load, 0, sizeof(*load));
        load->region = region;
        load->hash = hash;
        load->refs = 1;
        load->size = size;
        load->key_len = key.len;
        memcpy(load->key, key.data, key.len);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&load->done, &attributes);
        pthread_cond_init(&load->turn, &attributes);
        pthread_condattr_destroy(&attributes);
        return load;
}

/* loads_lock held. */
static void unref(struct cm_load *load)
{
        if (--load->refs > 0) {
                return;
        }
        if (load->pin) {
                cmi_pin_drop(load->pin);
        }
        pthread_cond_destroy(&load->done);
        pthread_cond_destroy(&load->turn);
        cmi_handle_deallocate(load->region->cm, load, load->size);
}

/* A pin of the calling thread on the load's result, which somebody else keeps pinned meanwhile. */
static int hand_over(struct cm_load *load, struct cmi_thread *thread, struct cm_value *ret_value)
{
        struct cmi_entry *entry = atomic_load_explicit(&load->pin->entry, memory_order_acquire);
        struct cmi_pin *pin;

        if (load->outcome == CM_NEGATIVE) {
                memset(ret_value, 0, sizeof(*ret_value));
                ret_value->token = cmi_token(load->region->cm, thread);
                return CM_NEGATIVE;
        }
        pin = cmi_pin_slot(thread, load->region->id);
        if (!pin) {
                return cmi_fail(-ENOMEM, "no memory for a pin");
        }
        cmi_pin_store(pin, entry);
        memset(ret_value, 0, sizeof(*ret_value));
        cmi_value_set(ret_value, pin, entry);
        return 0;
}

/*
 * This thread is about to wait for the load, which it has a reference on. False: that would be
 * waiting for itself, here or through other threads that wait. Those may wait for loads of other
 * handles, hence the lock of the process: each load that is seen under it lives, since whoever
 * waits for it has a reference until after wait_ends().
 */
static bool wait_begins(const struct cm_load *load, struct cmi_thread *thread)
{
        const struct cm_load *other = load;
        bool is_circular;

        cmi_process_lock();
        while (other && other->owner && other->owner != thread) {
                other = other->owner->awaited_load;
        }
        is_circular = other && other->owner == thread;
        if (!is_circular) {
                thread->awaited_load = load;
        }
        cmi_process_unlock();
        return !is_circular;
}

static void wait_ends(struct cmi_thread *thread)
{
        cmi_process_lock();
        thread->awaited_load = NULL;
        cmi_process_unlock();
}

static struct timespec deadline_of(const struct cm *cm, uint32_t timeout_ms)
{
        uint64_t ns = cmi_clock_ns(CLOCK_MONOTONIC) +
                      cmi_timeout(cm, timeout_ms) * UINT64_C(1000000);

        return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

/* May this caller have the result? The full check is made without the lock, hence a reference is
 * held. */
static int take_result(struct cm_load *load, const struct cmi_load_call *call, bool is_new,
                struct cm_value *ret_value)
{
        const struct cmi_entry *entry =
                        atomic_load_explicit(&load->pin->entry, memory_order_acquire);

        if (!is_new && cmi_region_check(load->region, call->thread, entry) != CM_REASON_NONE) {
                return CM_MISS;
        }
        return hand_over(load, call->thread, ret_value);
}

/* Until it is done. loads_lock held, and given up meanwhile. 0 or CM_E_TIMEOUT. */
static int await(struct cm_load *load, const struct cmi_load_call *call)
{
        struct cm *cm = load->region->cm;
        bool is_lent = cmi_turn_lend(load, call->thread);
        int r = 0;

        while (!load->is_done && r == 0) {
                r = pthread_cond_timedwait(&load->done, &cm->loads_lock, &call->deadline);
        }
        load->n_lenders -= is_lent;
        return load->is_done ? 0 : CM_E_TIMEOUT;
}

/* Wait for a load that another thread runs. A reference and loads_lock held. CM_MISS: its result is
 * not for us. */
static int wait_for(
                struct cm_load *load, const struct cmi_load_call *call, struct cm_value *ret_value)
{
        struct cm *cm = load->region->cm;
        bool is_new;
        int r = await(load, call);

        is_new = load->began > call->arrival && !load->is_old;
        if (r < 0) {
                cmi_fail(r, "another thread's load of the key takes too long");
        } else if (load->began == 0) {
                r = CM_MISS; /* it was not run */
        } else if (load->outcome < 0) {
                r = load->outcome;
                cmi_fail(r, "another thread's load of the key failed: %s", cm_strerror(r));
        } else {
                pthread_mutex_unlock(&cm->loads_lock);
                r = take_result(load, call, is_new, ret_value);
                pthread_mutex_lock(&cm->loads_lock);
        }
        return r;
}

static void take_out(struct cm_load *load)
{
        struct cm_load **link = chain_of(load->region->cm, load->hash);

        while (*link != load) {
                link = &(*link)->next;
        }
        *link = load->next;
}

/* It is in the chain no more, and those who wait for it go on. loads_lock held. */
static void end(struct cm_load *load, int outcome)
{
        load->outcome = outcome;
        load->is_done = true;
        cmi_process_lock();
        load->owner = NULL;
        cmi_process_unlock();
        take_out(load);
        cmi_turn_pass(load);
        pthread_cond_broadcast(&load->done);
}

/* Run a load that has begun. No lock held. */
static int lead(struct cm_load *load, struct cmi_load_call *call, struct cm_value *ret_value)
{
        struct cm *cm = load->region->cm;
        int r = cmi_load_run(load, call);

        if (cmi_load_is_inherited(call)) {
                call->is_own_fault = true;
                return r;
        }
        cmi_load_free_given(load);
        pthread_mutex_lock(&cm->loads_lock);
        end(load, r);
        pthread_mutex_unlock(&cm->loads_lock);
        if (r >= 0) {
                r = hand_over(load, call->thread, ret_value);
        }
        pthread_mutex_lock(&cm->loads_lock);
        unref(load);
        pthread_mutex_unlock(&cm->loads_lock);
        return r;
}

/* As wait_for(), for who may wait for it at all. */
static int join_in(struct cm_load *load, struct cmi_load_call *call, struct cm_value *ret_value)
{
        struct cm_region *region = call->region;
        int r;

        if (!wait_begins(load, call->thread)) {
                call->is_own_fault = true;
                return cmi_fail(-EDEADLK, "this thread's own load would have to end first");
        }
        if (call->flags & CM_LOAD_NO_WAIT) {
                r = cmi_fail(CM_E_BUSY, "another thread loads the key");
        } else {
                cmi_count(call->thread, region, region->id, CMI_COUNT_LOAD_WAIT);
                r = wait_for(load, call, ret_value);
        }
        wait_ends(call->thread);
        return r;
}

/* Somebody loads the key already. loads_lock held. */
static int join(struct cm_load *load, struct cmi_load_call *call, struct cm_value *ret_value)
{
        int r;

        load->refs++;
        r = join_in(load, call, ret_value);
        unref(load);
        return r;
}

/* Begin a load, and wait for its turn if that comes first. loads_lock held. */
static int begin(struct cmi_load_call *call, uint64_t hash, struct cm_load **ret_load)
{
        struct cm *cm = call->region->cm;
        bool takes_turn = !cmi_load_is_shared(call->region);
        struct cm_load *load;
        int r = 0;

        if (takes_turn && call->flags & CM_LOAD_NO_WAIT && !cmi_turn_is_free(cm, call->thread)) {
                return cmi_turn_fail(cm);
        }
        load = new_load(call->region, hash, call->key);
        if (!load) {
                return cmi_fail(-ENOMEM, "no memory for a load");
        }
        load->owner = call->thread;
        load->next = *chain_of(cm, hash);
        *chain_of(cm, hash) = load;
        if (takes_turn) {
                r = cmi_turn_take(load, call->thread, &call->deadline);
        }
        if (r < 0) {
                end(load, r);
                unref(load);
                return cmi_turn_fail(cm);
        }
        load->began = ++cm->load_seq;
        *ret_load = load;
        return 0;
}

/* After a miss: wait for a running load, or begin one. CM_MISS: what was waited for is too old. */
static int load_or_wait(struct cmi_load_call *call, struct cm_value *ret_value)
{
        struct cm_region *region = call->region;
        uint64_t hash = XXH3_64bits_withSeed(call->key.data, call->key.len, region->id);
        struct cm *cm = region->cm;
        struct cm_load *load;
        bool is_leader;
        int r;

        pthread_mutex_lock(&cm->loads_lock);
        if (call->arrival == 0) {
                call->arrival = ++cm->load_seq;
        }
        load = find_load(region, hash, call->key);
        is_leader = !load;
        r = load ? join(load, call, ret_value) : begin(call, hash, &load);
        pthread_mutex_unlock(&cm->loads_lock);
        return is_leader && r == 0 ? lead(load, call, ret_value) : r;
}

/* The error of a call, or the last value instead. */
static int failed(const struct cmi_load_call *call, int error, struct cm_value *ret_value)
{
        struct cm_region *region = call->region;
        int r = error;

        if (error == CM_E_BUSY) {
                cmi_count(call->thread, region, region->id, CMI_COUNT_BUSY);
                atomic_fetch_add(&region->cm->n_busy, 1);
        }
        if (!call->is_own_fault) {
                r = cmi_stale_get(region, call->thread, call->key, error, ret_value);
        }
        if (r == CM_STALE) {
                atomic_fetch_add(&region->cm->n_stale, 1);
                cmi_fail(r, "%s (%d): a value of %llu ms instead", cm_strerror(error), error,
                                (unsigned long long)ret_value->age_ms);
        }
        return r;
}

static int load_missing(struct cmi_load_call *call, uint32_t timeout_ms, struct cm_value *ret_value)
{
        struct cm_region *region = call->region;
        int r;

        call->thread = cmi_thread();
        if (!call->thread) {
                return -ENOMEM;
        }
        call->deadline = deadline_of(region->cm, timeout_ms);
        while ((r = load_or_wait(call, ret_value)) == CM_MISS) {
                r = cm_get(region, call->key.data, call->key.len, ret_value);
                if (r != CM_MISS) {
                        return r;
                }
        }
        return r < 0 ? failed(call, r, ret_value) : r;
}

static int copy_options(struct cm_load_options *ret_copy, const struct cm_load_options *options)
{
        if (cmi_options_copy(ret_copy, sizeof(*ret_copy), options, options->size) < 0) {
                return cmi_fail(-EINVAL, "load options begin with their size");
        }
        return ret_copy->flags & ~CM_LOAD_NO_WAIT
                               ? cmi_fail(-EINVAL, "unknown flags 0x%x", ret_copy->flags)
                               : 0;
}

int cm_get_or_load_with(struct cm_region *region, const void *key, size_t key_len, cm_load_fn load,
                void *userdata, const struct cm_load_options *options, struct cm_value *ret_value)
{
        struct cm_load_options copy = {0};
        struct cm_value value = {0};
        struct cmi_load_call call;
        int r = options ? copy_options(&copy, options) : 0;

        if (r < 0) {
                return r;
        }
        if (!load || !ret_value) {
                return cmi_fail(-EINVAL, "a load needs a function and a place for the value");
        }
        r = cm_get(region, key, key_len, &value);
        if (r == CM_MISS) {
                call = (struct cmi_load_call){
                                .region = region,
                                .key = {key, key_len},
                                .function = load,
                                .userdata = userdata,
                                .flags = copy.flags,
                };
                r = load_missing(&call, copy.timeout_ms, &value);
        }
        if (r >= 0) {
                *ret_value = value;
        }
        return r;
}

int cm_get_or_load(struct cm_region *region, const void *key, size_t key_len, cm_load_fn load,
                void *userdata, struct cm_value *ret_value)
{
        return cm_get_or_load_with(region, key, key_len, load, userdata, NULL, ret_value);
}
