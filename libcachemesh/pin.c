/* SPDX-License-Identifier: MIT */
#include "libcachemesh/pin.h"

#include <pthread.h>
#include <stdlib.h>

_Atomic(struct cmi_thread *) cmi_threads;
__thread struct cmi_thread *cmi_thread_self __attribute__((tls_model("initial-exec")));

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;

/* The record stays with its pins; the next new thread takes it over. */
static void leave(void *record)
{
        struct cmi_thread *thread = record;

        cmi_thread_self = NULL;
        if (thread->generation == cmi_process_generation()) {
                atomic_store_explicit(&thread->is_owned, 0, memory_order_release);
        }
}

static void make_key(void)
{
        has_key = pthread_key_create(&key, leave) == 0;
}

static struct cmi_thread *take_over(uint64_t generation)
{
        struct cmi_thread *thread = atomic_load_explicit(&cmi_threads, memory_order_acquire);

        for (; thread; thread = thread->next) {
                uint32_t is_owned = 0;

                if (thread->generation == generation &&
                                atomic_compare_exchange_strong(&thread->is_owned, &is_owned, 1)) {
                        return thread;
                }
        }
        return NULL;
}

static struct cmi_thread *make(uint64_t generation)
{
        struct cmi_thread *thread = aligned_alloc(64, sizeof(*thread));

        if (!thread) {
                return NULL;
        }
        memset((void *)thread, 0, sizeof(*thread));
        thread->generation = generation;
        thread->block = &thread->pins;
        thread->hint = &thread->pins.pins[0];
        thread->is_owned = 1;
        thread->random = (uintptr_t)thread;
        thread->next = atomic_load(&cmi_threads);
        while (!atomic_compare_exchange_weak(&cmi_threads, &thread->next, thread)) {
        }
        return thread;
}

struct cmi_thread *cmi_thread_join(void)
{
        uint64_t generation = cmi_process_generation();
        struct cmi_thread *thread = cmi_thread_self;

        if (thread && thread->generation == generation) {
                return thread;
        }
        /* A record of before a fork stays as it is: what the parent pinned stays
         * readable here, for good. */
        pthread_once(&key_once, make_key);
        if (!has_key) {
                return NULL;
        }
        thread = take_over(generation);
        if (!thread) {
                thread = make(generation);
        }
        if (thread && pthread_setspecific(key, thread) != 0) {
                atomic_store_explicit(&thread->is_owned, 0, memory_order_release);
                return NULL;
        }
        cmi_thread_self = thread;
        return thread;
}

static struct cmi_pins *add_block(struct cmi_pins *last)
{
        struct cmi_pins *block = aligned_alloc(64, (sizeof(*block) + 63) & ~(size_t)63);

        if (!block) {
                return NULL;
        }
        memset((void *)block, 0, sizeof(*block));
        atomic_store_explicit(&last->next, block, CMI_PUBLISH);
        return block;
}

/* The first free slot of a block from a number on, going round. */
static struct cmi_pin *find_in(struct cmi_pins *block, uint32_t first)
{
        for (uint32_t i = 0; i < CMI_PINS_PER_BLOCK; i++) {
                struct cmi_pin *pin = &block->pins[(first + i) % CMI_PINS_PER_BLOCK];

                if (!atomic_load_explicit(&pin->entry, memory_order_acquire)) {
                        return pin;
                }
        }
        return NULL;
}

struct cmi_pin *cmi_pin_find(struct cmi_thread *thread)
{
        struct cmi_pins *block = thread->block;
        struct cmi_pin *pin = find_in(block, (uint32_t)(thread->hint - block->pins) + 1);
        struct cmi_pins *last = NULL;

        if (!pin) {
                for (block = &thread->pins; block && !pin;) {
                        last = block;
                        pin = find_in(block, 0);
                        block = atomic_load_explicit(&block->next, memory_order_relaxed);
                }
                block = pin ? last : add_block(last);
                if (!block) {
                        return NULL;
                }
                pin = pin ? pin : &block->pins[0];
        }
        thread->block = block;
        thread->hint = pin;
        return pin;
}

static int compare(const void *a, const void *b)
{
        uintptr_t left = *(const uintptr_t *)a;
        uintptr_t right = *(const uintptr_t *)b;

        return left < right ? -1 : left > right;
}

/* Calls visit(block, context) for each block of slots until it returns false. */
static void for_each_block(bool (*visit)(struct cmi_pins *block, void *context), void *context)
{
        struct cmi_thread *thread = atomic_load_explicit(&cmi_threads, CMI_VALIDATE);
        struct cmi_pins *block;

        for (; thread; thread = thread->next) {
                for (block = &thread->pins; block;
                                block = atomic_load_explicit(&block->next, CMI_VALIDATE)) {
                        if (!visit(block, context)) {
                                return;
                        }
                }
        }
}

static bool collect(struct cmi_pins *block, void *context)
{
        struct cmi_pin_set *set = context;

        for (uint32_t i = 0; i < CMI_PINS_PER_BLOCK; i++) {
                struct cmi_entry *entry = atomic_load_explicit(&block->pins[i].entry, CMI_VALIDATE);

                if (!entry) {
                        continue;
                }
                if (set->n == CMI_PIN_SET_MAX) {
                        set->is_complete = false;
                        return false;
                }
                set->entries[set->n++] = (uintptr_t)entry;
        }
        return true;
}

void cmi_pin_set_fill(struct cmi_pin_set *ret_set)
{
        ret_set->n = 0;
        ret_set->is_complete = true;
        for_each_block(collect, ret_set);
        if (ret_set->n > 1) {
                qsort(ret_set->entries, ret_set->n, sizeof(uintptr_t), compare);
        }
}

struct search {
        const struct cmi_entry *entry;
        bool is_found;
};

static bool look(struct cmi_pins *block, void *context)
{
        struct search *search = context;

        for (uint32_t i = 0; i < CMI_PINS_PER_BLOCK && !search->is_found; i++) {
                search->is_found = atomic_load_explicit(&block->pins[i].entry, CMI_VALIDATE) ==
                                   search->entry;
        }
        return !search->is_found;
}

bool cmi_pin_set_has(const struct cmi_pin_set *set, const struct cmi_entry *entry)
{
        uintptr_t address = (uintptr_t)entry;
        struct search search = {entry, false};

        if (set->n > 0 && bsearch(&address, set->entries, set->n, sizeof(uintptr_t), compare)) {
                return true;
        }
        if (!set->is_complete) {
                for_each_block(look, &search);
        }
        return search.is_found;
}

struct count {
        uint32_t region_id;
        uint64_t n;
};

static bool count_block(struct cmi_pins *block, void *context)
{
        struct count *count = context;

        for (uint32_t i = 0; i < CMI_PINS_PER_BLOCK; i++) {
                if (atomic_load_explicit(&block->pins[i].entry, memory_order_acquire) &&
                                atomic_load_explicit(&block->pins[i].region_id,
                                                memory_order_relaxed) == count->region_id) {
                        count->n++;
                }
        }
        return true;
}

uint64_t cmi_pin_count(uint32_t region_id)
{
        struct count count = {region_id, 0};

        for_each_block(count_block, &count);
        return count.n;
}

bool cmi_mapping_is_entered(const struct cmi_mapping *mapping)
{
        struct cmi_thread *thread = atomic_load_explicit(&cmi_threads, CMI_VALIDATE);

        for (; thread; thread = thread->next) {
                if (atomic_load_explicit(&thread->mapping, CMI_VALIDATE) == mapping) {
                        return true;
                }
        }
        return false;
}
