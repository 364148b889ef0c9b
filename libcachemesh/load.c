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
 * its turn (turn.c) does not: each of them tries until its own deadline. Where the region allows it
 * each caller then gets the last value instead of the error (stale.c).
 *
 * The result is an entry, pinned by the load until the last waiter has its own pin, whether it
 * could be stored or not.
 */
#include "libcachemesh/load.h"
#include "libcachemesh/get.h"

#include <errno.h>

/* One call. */
struct request {
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
 * handles, hence the lock of the process: each load that is seen under it lives, since whoever waits
 * for it has a reference until after wait_ends().
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
static int take_result(struct cm_load *load, const struct request *request, bool is_new,
                struct cm_value *ret_value)
{
        const struct cmi_entry *entry =
                        atomic_load_explicit(&load->pin->entry, memory_order_acquire);

        if (!is_new && cmi_region_check(load->region, request->thread, entry) != CM_REASON_NONE) {
                return CM_MISS;
        }
        return hand_over(load, request->thread, ret_value);
}

/* Until it is done. loads_lock held, and given up meanwhile. 0 or CM_E_TIMEOUT. */
static int await(struct cm_load *load, const struct request *request)
{
        struct cm *cm = load->region->cm;
        int r = 0;

        cmi_turn_lend(load, request->thread);
        while (!load->is_done && r == 0) {
                r = pthread_cond_timedwait(&load->done, &cm->loads_lock, &request->deadline);
        }
        return load->is_done ? 0 : CM_E_TIMEOUT;
}

/* Wait for a load that another thread runs. A reference and loads_lock held. CM_MISS: its result is
 * not for us. */
static int wait_for(struct cm_load *load, const struct request *request, struct cm_value *ret_value)
{
        struct cm *cm = load->region->cm;
        bool is_new;
        int r;

        r = await(load, request);
        is_new = load->began > request->arrival && !load->is_old;
        if (r < 0) {
                cmi_fail(r, "another thread's load of the key takes too long");
        } else if (load->began == 0) {
                r = CM_MISS; /* it had no turn */
        } else if (load->outcome < 0) {
                r = load->outcome;
                cmi_fail(r, "another thread's load of the key failed: %s", cm_strerror(r));
        } else {
                pthread_mutex_unlock(&cm->loads_lock);
                r = take_result(load, request, is_new, ret_value);
                pthread_mutex_lock(&cm->loads_lock);
        }
        return r;
}

/* What the loader gave becomes an entry, in the table if it may. The outcome
 * for owner and waiters. */
static int store(struct cm_load *load, struct cmi_thread *thread, struct cm_token token,
                uint32_t loaded_ds)
{
        struct cm_region *region = load->region;
        struct cmi_put put = {
                        .key = {load->key, load->key_len},
                        .value = {load->value, load->value_len},
                        .tags = load->tags,
                        .n_tags = load->n_tags,
                        .ttl_ms = load->ttl_ms,
                        .is_negative = load->is_negative,
                        .loaded_ds = loaded_ds,
                        .token = token,
        };
        int r = cmi_region_store(region, thread, &put, &load->pin);

        if (!load->pin) {
                return cmi_fail(r, "no memory for the loaded entry");
        }
        cmi_count(thread, region, region->id, r == 0 ? CMI_COUNT_PUT : CMI_COUNT_REFUSED);
        return load->is_negative ? CM_NEGATIVE : 0;
}

/* The caller's loader, in this thread. What it gave is in the load; 0 or an error. */
static int call_loader(struct cm_load *load, const struct request *request)
{
        int r;

        load->outer = request->thread->leading;
        request->thread->leading = load;
        r = request->function(request->userdata, load, load->key, load->key_len);
        request->thread->leading = load->outer;
        if (r < 0) {
                return r;
        }
        if (load->error < 0) {
                return load->error;
        }
        return load->has_value || load->is_negative
                               ? 0
                               : cmi_fail(-ENODATA, "the loader gave no value");
}

/* @share: NULL, or who has to be told. */
static int run(struct cm_load *load, const struct request *request, const struct cmi_share *share)
{
        struct cmi_thread *thread = request->thread;
        struct cm_region *region = load->region;
        struct cm_token token = cmi_token(region->cm, thread);
        uint32_t loaded_ds = cmi_now_ds();
        int r;

        cmi_count(thread, region, region->id, CMI_COUNT_LOAD);
        r = call_loader(load, request);
        if (share) {
                cmi_share_tell(load, share, r, token, loaded_ds);
        }
        if (r < 0) {
                cmi_count(thread, region, region->id, CMI_COUNT_LOAD_ERROR);
                return r;
        }
        return store(load, thread, token, loaded_ds);
}

/* As run(), or what another process has loaded. */
static int run_shared(struct cm_load *load, const struct request *request)
{
        struct cmi_share share = {
                        .region = load->region,
                        .key = {load->key, load->key_len},
                        .deadline_ns = (uint64_t)request->deadline.tv_sec * UINT64_C(1000000000) +
                                       (uint64_t)request->deadline.tv_nsec,
                        .is_hasty = request->flags & CM_LOAD_NO_WAIT,
        };
        int r = cmi_share_ask(load, request->thread, &share);

        if (r < 0) {
                return r;
        }
        if (r == CMI_SHARE_TAKE) {
                return load->is_negative ? CM_NEGATIVE : 0;
        }
        return run(load, request, r == CMI_SHARE_LEAD ? &share : NULL);
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

/* Run a load that has its turn. No lock held. */
static int lead(struct cm_load *load, const struct request *request, struct cm_value *ret_value)
{
        struct cm_region *region = load->region;
        struct cm *cm = region->cm;
        int r;

        r = region->options.flags & CM_REGION_SHARE_LOADS ? run_shared(load, request)
                                                          : run(load, request, NULL);
        cmi_load_free_given(load);
        pthread_mutex_lock(&cm->loads_lock);
        end(load, r);
        pthread_mutex_unlock(&cm->loads_lock);
        if (r >= 0) {
                r = hand_over(load, request->thread, ret_value);
        }
        pthread_mutex_lock(&cm->loads_lock);
        unref(load);
        pthread_mutex_unlock(&cm->loads_lock);
        return r;
}

/* As wait_for(), for who may wait for it at all. */
static int join_in(struct cm_load *load, struct request *request, struct cm_value *ret_value)
{
        struct cm_region *region = request->region;
        int r;

        if (!wait_begins(load, request->thread)) {
                request->is_own_fault = true;
                return cmi_fail(-EDEADLK, "this thread's own load would have to end first");
        }
        if (request->flags & CM_LOAD_NO_WAIT) {
                r = cmi_fail(CM_E_BUSY, "another thread loads the key");
        } else {
                cmi_count(request->thread, region, region->id, CMI_COUNT_LOAD_WAIT);
                r = wait_for(load, request, ret_value);
        }
        wait_ends(request->thread);
        return r;
}

/* Somebody loads the key already. loads_lock held. */
static int join(struct cm_load *load, struct request *request, struct cm_value *ret_value)
{
        int r;

        load->refs++;
        r = join_in(load, request, ret_value);
        unref(load);
        return r;
}

static int no_turn(const struct cm *cm)
{
        return cmi_fail(CM_E_BUSY, "%u loaders run already", cm->options.loads_max);
}

/* Begin a load, and wait for its turn. loads_lock held. */
static int begin(struct request *request, uint64_t hash, struct cm_load **ret_load)
{
        struct cm *cm = request->region->cm;
        struct cm_load *load;
        int r;

        if (request->flags & CM_LOAD_NO_WAIT && !cmi_turn_is_free(cm, request->thread)) {
                return no_turn(cm);
        }
        load = new_load(request->region, hash, request->key);
        if (!load) {
                return cmi_fail(-ENOMEM, "no memory for a load");
        }
        load->owner = request->thread;
        load->next = *chain_of(cm, hash);
        *chain_of(cm, hash) = load;
        r = cmi_turn_take(load, request->thread, &request->deadline);
        if (r < 0) {
                end(load, r);
                unref(load);
                return no_turn(cm);
        }
        load->began = ++cm->load_seq;
        *ret_load = load;
        return 0;
}

/* After a miss: wait for a running load, or begin one. CM_MISS: what was waited for is too old. */
static int load_or_wait(struct request *request, struct cm_value *ret_value)
{
        struct cm_region *region = request->region;
        uint64_t hash = XXH3_64bits_withSeed(request->key.data, request->key.len, region->id);
        struct cm *cm = region->cm;
        struct cm_load *load;
        bool is_leader;
        int r;

        pthread_mutex_lock(&cm->loads_lock);
        if (request->arrival == 0) {
                request->arrival = ++cm->load_seq;
        }
        load = find_load(region, hash, request->key);
        is_leader = !load;
        r = load ? join(load, request, ret_value) : begin(request, hash, &load);
        pthread_mutex_unlock(&cm->loads_lock);
        return is_leader && r == 0 ? lead(load, request, ret_value) : r;
}

/* The error of a call, or the last value instead. */
static int failed(const struct request *request, int error, struct cm_value *ret_value)
{
        struct cm_region *region = request->region;
        int r = error;

        if (error == CM_E_BUSY) {
                cmi_count(request->thread, region, region->id, CMI_COUNT_BUSY);
                atomic_fetch_add(&region->cm->n_busy, 1);
        }
        if (!request->is_own_fault) {
                r = cmi_stale_get(region, request->thread, request->key, error, ret_value);
        }
        if (r == CM_STALE) {
                atomic_fetch_add(&region->cm->n_stale, 1);
                cmi_fail(r, "%s (%d): a value of %llu ms instead", cm_strerror(error), error,
                                (unsigned long long)ret_value->age_ms);
        }
        return r;
}

static int load_missing(struct request *request, uint32_t timeout_ms, struct cm_value *ret_value)
{
        struct cm_region *region = request->region;
        int r;

        request->thread = cmi_thread();
        if (!request->thread) {
                return -ENOMEM;
        }
        request->deadline = deadline_of(region->cm, timeout_ms);
        while ((r = load_or_wait(request, ret_value)) == CM_MISS) {
                r = cm_get(region, request->key.data, request->key.len, ret_value);
                if (r != CM_MISS) {
                        return r;
                }
        }
        return r < 0 ? failed(request, r, ret_value) : r;
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
        struct request request;
        int r = options ? copy_options(&copy, options) : 0;

        if (r < 0) {
                return r;
        }
        if (!load || !ret_value) {
                return cmi_fail(-EINVAL, "a load needs a function and a place for the value");
        }
        r = cm_get(region, key, key_len, &value);
        if (r == CM_MISS) {
                request = (struct request){
                                .region = region,
                                .key = {key, key_len},
                                .function = load,
                                .userdata = userdata,
                                .flags = copy.flags,
                };
                r = load_missing(&request, copy.timeout_ms, &value);
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
