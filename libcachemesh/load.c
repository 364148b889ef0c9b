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
 * however many wait, two loads do. A load that fails fails for all who wait.
 *
 * The result is an entry, pinned by the load until the last waiter has its own pin, whether it
 * could be stored or not.
 */
#include "libcachemesh/get.h"
#include "libcachemesh/region.h"

#include <errno.h>

struct cm_load {
        struct cm_load *next; /* in the handle's chain, while it runs */
        struct cm_region *region;
        const struct cmi_thread *owner;
        uint64_t hash;
        uint64_t began; /* place in the order of arrivals and beginnings */
        uint32_t refs;  /* owner and waiters; under loads_lock */
        bool is_done;
        pthread_cond_t done;
        int outcome; /* 0, CM_NEGATIVE or an error */
        struct cmi_pin *pin;

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
        pthread_condattr_destroy(&attributes);
        return load;
}

static void free_given(struct cm_load *load)
{
        struct cm *cm = load->region->cm;

        if (load->value) {
                cmi_handle_deallocate(cm, load->value, load->value_len);
        }
        for (uint32_t i = 0; i < load->n_tags; i++) {
                cmi_handle_deallocate(cm, (void *)load->tags[i].data, load->tags[i].len);
        }
        load->value = NULL;
        load->n_tags = 0;
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

/* Would waiting for this load be waiting for oneself, here or through other waiting
 * threads? loads_lock held. */
static bool is_circular(const struct cm_load *load, const struct cmi_thread *thread)
{
        while (load) {
                if (load->owner == thread) {
                        return true;
                }
                load = load->owner->awaited_load;
        }
        return false;
}

static struct timespec deadline_of(const struct cm *cm)
{
        uint64_t ns = cmi_clock_ns(CLOCK_MONOTONIC) + cm->options.timeout_ms * UINT64_C(1000000);

        return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

/*
 * Wait for a load that another thread runs. loads_lock held. CM_MISS: its result is not for us. The
 * full check is made without the lock, hence the reference.
 */
static int wait_for(struct cm_load *load, struct cmi_thread *thread, uint64_t arrival,
                const struct timespec *deadline, struct cm_value *ret_value)
{
        struct cm *cm = load->region->cm;
        bool is_new = load->began > arrival;
        int r = 0;

        load->refs++;
        thread->awaited_load = load;
        while (!load->is_done && r == 0) {
                r = pthread_cond_timedwait(&load->done, &cm->loads_lock, deadline);
        }
        thread->awaited_load = NULL;
        if (!load->is_done) {
                unref(load);
                return cmi_fail(CM_E_TIMEOUT, "another thread's load of the key takes too long");
        }
        r = load->outcome;
        if (r < 0) {
                cmi_fail(r, "another thread's load of the key failed: %s", cm_strerror(r));
        } else {
                pthread_mutex_unlock(&cm->loads_lock);
                if (is_new || cmi_region_check(load->region, thread,
                                              atomic_load_explicit(&load->pin->entry,
                                                              memory_order_acquire)) ==
                                                CM_REASON_NONE) {
                        r = hand_over(load, thread, ret_value);
                } else {
                        r = CM_MISS;
                }
                pthread_mutex_lock(&cm->loads_lock);
        }
        unref(load);
        return r;
}

/* What the loader gave becomes an entry, in the table if it may. The outcome
 * for owner and waiters. */
static int store(struct cm_load *load, struct cmi_thread *thread, struct cm_token token)
{
        struct cm_region *region = load->region;
        struct cmi_put put = {
                        .key = {load->key, load->key_len},
                        .value = {load->value, load->value_len},
                        .tags = load->tags,
                        .n_tags = load->n_tags,
                        .ttl_ms = load->ttl_ms,
                        .is_negative = load->is_negative,
                        .token = token,
        };
        int r = cmi_region_store(region, thread, &put, &load->pin);

        if (!load->pin) {
                return cmi_fail(r, "no memory for the loaded entry");
        }
        cmi_count(thread, region, region->id, r == 0 ? CMI_COUNT_PUT : CMI_COUNT_REFUSED);
        return load->is_negative ? CM_NEGATIVE : 0;
}

static int run(struct cm_load *load, struct cmi_thread *thread, cm_load_fn function, void *userdata)
{
        struct cm_token token = cmi_token(load->region->cm, thread);
        int r = function(userdata, load, load->key, load->key_len);

        if (r < 0) {
                return r;
        }
        if (load->error < 0) {
                return load->error;
        }
        if (!load->has_value && !load->is_negative) {
                return cmi_fail(-ENODATA, "the loader gave no value");
        }
        return store(load, thread, token);
}

static void take_out(struct cm_load *load)
{
        struct cm_load **link = chain_of(load->region->cm, load->hash);

        while (*link != load) {
                link = &(*link)->next;
        }
        *link = load->next;
}

/* Run a load that stands in the chain already. No lock held. */
static int lead(struct cm_load *load, struct cmi_thread *thread, cm_load_fn function,
                void *userdata, struct cm_value *ret_value)
{
        struct cm_region *region = load->region;
        struct cm *cm = region->cm;
        int r;

        cmi_count(thread, region, region->id, CMI_COUNT_LOAD);
        r = run(load, thread, function, userdata);
        free_given(load);
        pthread_mutex_lock(&cm->loads_lock);
        load->outcome = r;
        load->is_done = true;
        take_out(load);
        pthread_cond_broadcast(&load->done);
        pthread_mutex_unlock(&cm->loads_lock);
        if (r >= 0) {
                r = hand_over(load, thread, ret_value);
        } else {
                cmi_count(thread, region, region->id, CMI_COUNT_LOAD_ERROR);
        }
        pthread_mutex_lock(&cm->loads_lock);
        unref(load);
        pthread_mutex_unlock(&cm->loads_lock);
        return r;
}

/* After a miss: wait for a running load, or begin one. CM_MISS: what was waited for is too old. */
static int load_or_wait(struct cm_region *region, struct cmi_thread *thread, struct cmi_slice key,
                uint64_t *arrival, const struct timespec *deadline, cm_load_fn function,
                void *userdata, struct cm_value *ret_value)
{
        uint64_t hash = XXH3_64bits_withSeed(key.data, key.len, region->id);
        struct cm *cm = region->cm;
        struct cm_load *load;
        int r;

        pthread_mutex_lock(&cm->loads_lock);
        if (*arrival == 0) {
                *arrival = ++cm->load_seq;
        }
        load = find_load(region, hash, key);
        if (load) {
                if (is_circular(load, thread)) {
                        pthread_mutex_unlock(&cm->loads_lock);
                        return cmi_fail(-EDEADLK, "this thread's own load would have to end first");
                }
                cmi_count(thread, region, region->id, CMI_COUNT_LOAD_WAIT);
                r = wait_for(load, thread, *arrival, deadline, ret_value);
                pthread_mutex_unlock(&cm->loads_lock);
                return r;
        }
        load = new_load(region, hash, key);
        if (!load) {
                pthread_mutex_unlock(&cm->loads_lock);
                return cmi_fail(-ENOMEM, "no memory for a load");
        }
        load->owner = thread;
        load->began = ++cm->load_seq;
        load->next = *chain_of(cm, hash);
        *chain_of(cm, hash) = load;
        pthread_mutex_unlock(&cm->loads_lock);
        return lead(load, thread, function, userdata, ret_value);
}

int cm_get_or_load(struct cm_region *region, const void *key, size_t key_len, cm_load_fn load,
                void *userdata, struct cm_value *ret_value)
{
        struct timespec deadline = {0, 0};
        struct cm_value value = {0};
        struct cmi_thread *thread;
        uint64_t arrival = 0;
        int r;

        if (!region || !key || !load || !ret_value || key_len - 1 >= CM_KEY_MAX) {
                return cmi_fail(-EINVAL, "a key has 1 to %d bytes, and a load a function",
                                CM_KEY_MAX);
        }
        do {
                r = cm_get(region, key, key_len, &value);
                if (r != CM_MISS) {
                        break;
                }
                thread = cmi_thread();
                if (!thread) {
                        return -ENOMEM;
                }
                if (arrival == 0) {
                        deadline = deadline_of(region->cm);
                }
                r = load_or_wait(region, thread, cmi_slice(key, key_len), &arrival, &deadline, load,
                                userdata, &value);
        } while (r == CM_MISS);
        if (r >= 0) {
                *ret_value = value;
        }
        return r;
}

/* The first error is what the load fails with. */
static int set_error(struct cm_load *load, int error, const char *text)
{
        if (load && load->error == 0) {
                load->error = error;
        }
        return cmi_fail(error, "%s", text);
}

static void *copy(struct cm_load *load, const void *data, size_t len)
{
        void *bytes = cmi_handle_allocate(load->region->cm, 16, len);

        if (bytes) {
                memcpy(bytes, data, len);
        }
        return bytes;
}

int cm_load_set_value(struct cm_load *load, const void *data, size_t len)
{
        void *value = NULL;

        if (!load || (len > 0 && !data)) {
                return set_error(load, -EINVAL, "a value has data if it has a length");
        }
        if (len > CMI_VALUE_MAX) {
                return set_error(load, -E2BIG, "a value has less than 4 GiB");
        }
        if (len > 0) {
                value = copy(load, data, len);
                if (!value) {
                        return set_error(load, -ENOMEM, "no memory for the loaded value");
                }
        }
        if (load->value) {
                cmi_handle_deallocate(load->region->cm, load->value, load->value_len);
        }
        load->value = value;
        load->value_len = len;
        load->has_value = true;
        load->is_negative = false;
        return 0;
}

int cm_load_set_negative(struct cm_load *load)
{
        if (!load) {
                return cmi_fail(-EINVAL, "there is no load");
        }
        if (load->value) {
                cmi_handle_deallocate(load->region->cm, load->value, load->value_len);
        }
        load->value = NULL;
        load->value_len = 0;
        load->has_value = false;
        load->is_negative = true;
        return 0;
}

int cm_load_add_tag(struct cm_load *load, const void *tag, size_t tag_len)
{
        void *bytes;

        if (!load || !tag || tag_len - 1 >= CM_TAG_MAX) {
                return set_error(load, -EINVAL, "a tag has 1 to 255 bytes");
        }
        if (load->n_tags == CM_TAGS_MAX) {
                return set_error(load, -E2BIG, "an entry has at most 16 tags");
        }
        bytes = copy(load, tag, tag_len);
        if (!bytes) {
                return set_error(load, -ENOMEM, "no memory for a tag");
        }
        load->tags[load->n_tags++] = (struct cm_bytes){bytes, tag_len};
        return 0;
}

int cm_load_set_ttl(struct cm_load *load, uint32_t ttl_ms)
{
        if (!load) {
                return cmi_fail(-EINVAL, "there is no load");
        }
        load->ttl_ms = ttl_ms;
        return 0;
}
