/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Pins: how a reader keeps an entry readable without writing to memory that other threads write.
 * Each thread has a record with 64 slots (more blocks of 64 when all are in use); a pin is the
 * entry's address in one of them. Whoever wants to free an entry unlinks it, waits until every
 * reader's stores are visible (cmi_barrier), and looks through all slots. Source: M. Michael,
 * "Hazard pointers" (2004), with the asymmetric barrier of membarrier(2).
 *
 * The reader's side: load the address, store it in a slot, load the address again; if it is still
 * there, the entry was not unlinked before the store, so whoever unlinks it sees the pin. Store and
 * second load are ordered by cmi_barrier() on the other side, or by themselves where
 * cmi_process_is_strong.
 *
 * A slot is free when it is NULL, and nothing else says so: any thread may release. At thread exit
 * the record stays with the pins in it, and the next new thread takes it over.
 */
#include "libcachemesh/cachemesh.h"
#include "libcachemesh/entry.h"
#include "libcachemesh/process.h"

struct cmi_mapping;
struct cmi_counters;

#define CMI_PINS_PER_BLOCK 64
#define CMI_COUNTERS_CACHED 8
#define CMI_DETAIL_SIZE 256

struct cmi_pin {
        _Atomic(struct cmi_entry *) entry; /* NULL: free */
        _Atomic uint32_t region_id;        /* for statistics only */
};

struct cmi_pins {
        struct cmi_pin pins[CMI_PINS_PER_BLOCK];
        _Atomic(struct cmi_pins *) next;
};

struct cmi_thread {
        /* Only the owner writes what follows, others read mapping. */
        _Alignas(64) uint64_t generation;      /* of the process that made the record */
        _Atomic(struct cmi_mapping *) mapping; /* which page the owner is inside of */
        struct cmi_pin *hint;                  /* the slot that was found free last */
        struct cmi_pins *block;                /* and where it is */
        enum cm_reason last_reason;
        struct {
                uint64_t region_id;
                struct cmi_counters *counters;
        } counters[CMI_COUNTERS_CACHED];
        uint64_t random;
        const struct cm_load *awaited_load; /* the process's lock */
        struct cm_load *leading; /* whose loader runs in this thread, the innermost one */
        char detail[CMI_DETAIL_SIZE];

        struct cmi_thread *next;
        _Atomic uint32_t is_owned;
        _Alignas(64) struct cmi_pins pins;
};

/*
 * Every record there is; only grows. In a forked child those of the parent stay in it: nobody takes
 * them over, and what they hold is never freed there.
 */
extern _Atomic(struct cmi_thread *) cmi_threads;

extern __thread struct cmi_thread *cmi_thread_self __attribute__((tls_model("initial-exec")));

/* The caller's record, made or taken over at its first call; NULL if memory is short. */
struct cmi_thread *cmi_thread_join(void);

static inline struct cmi_thread *cmi_thread(void)
{
        struct cmi_thread *thread = cmi_thread_self;
        uint64_t generation = atomic_load_explicit(&cmi_process->generation, memory_order_relaxed);

        if (__builtin_expect(thread && thread->generation == generation, 1)) {
                return thread;
        }
        return cmi_thread_join();
}

/* The slow part of cmi_pin_slot(): the hinted slot is taken. NULL if memory is short. */
struct cmi_pin *cmi_pin_find(struct cmi_thread *thread);

/* A free slot of the calling thread, for an entry of this region. NULL if memory is short. */
static inline struct cmi_pin *cmi_pin_slot(struct cmi_thread *thread, uint32_t region_id)
{
        struct cmi_pin *pin = thread->hint;

        if (__builtin_expect(atomic_load_explicit(&pin->entry, memory_order_acquire) != NULL, 0)) {
                pin = cmi_pin_find(thread);
                if (!pin) {
                        return NULL;
                }
        }
        atomic_store_explicit(&pin->region_id, region_id, memory_order_relaxed);
        return pin;
}

/* Store a pin; the caller then loads the source of the address again, with CMI_VALIDATE order. */
#ifdef CM_SEQ_CST
#define CMI_PUBLISH memory_order_seq_cst
#define CMI_VALIDATE memory_order_seq_cst
#else
#define CMI_PUBLISH memory_order_release
#define CMI_VALIDATE memory_order_acquire
#endif

static inline void cmi_order_store_load(void)
{
#ifndef CM_SEQ_CST
        atomic_signal_fence(memory_order_seq_cst);
        if (__builtin_expect(cmi_process_is_strong, 0)) {
                atomic_thread_fence(memory_order_seq_cst);
        }
#endif
}

static inline void cmi_pin_store(struct cmi_pin *pin, struct cmi_entry *entry)
{
        atomic_store_explicit(&pin->entry, entry, CMI_PUBLISH);
        cmi_order_store_load();
}

static inline void cmi_pin_drop(struct cmi_pin *pin)
{
        atomic_store_explicit(&pin->entry, NULL, memory_order_release);
}

/*
 * All pins of the process at one moment: valid for entries that were unlinked before cmi_barrier()
 * and this call. More than fit are looked up in the slots themselves, which is slower and as right.
 */
#define CMI_PIN_SET_MAX 512
struct cmi_pin_set {
        uint32_t n;
        bool is_complete;
        uintptr_t entries[CMI_PIN_SET_MAX]; /* addresses, sorted */
};
void cmi_pin_set_fill(struct cmi_pin_set *ret_set);
bool cmi_pin_set_has(const struct cmi_pin_set *set, const struct cmi_entry *entry);

/* How many pins of a region there are; exact when nobody pins or releases meanwhile. */
uint64_t cmi_pin_count(uint32_t region_id);

/* Is any thread inside this mapping? As above, after cmi_barrier(). */
bool cmi_mapping_is_entered(const struct cmi_mapping *mapping);
