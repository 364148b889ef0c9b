/* SPDX-License-Identifier: MIT */
/*
 * The regions of a handle: opening by name, and their beginning and end.
 */
#include "libcachemesh/region.h"

#include "wire/session_local.h"
#include "wire/text.h"

#include <errno.h>

#define BUDGET_DEFAULT ((size_t)64 << 20)
#define BUDGET_MIN ((size_t)64 << 10)
#define JITTER_MAX 50

static _Atomic uint32_t last_id;

static uint32_t new_id(void)
{
        uint32_t id;

        do {
                id = atomic_fetch_add(&last_id, 1) + 1;
        } while (id == 0);
        return id;
}

static int check_options(struct cm_region_options *options, const struct cm_region_options *theirs)
{
        if (theirs && cmi_options_copy(options, sizeof(*options), theirs, theirs->size) < 0) {
                return cmi_fail(-EINVAL, "region options begin with their size");
        }
        options->size = sizeof(*options);
        if (options->budget_bytes == 0) {
                options->budget_bytes = BUDGET_DEFAULT;
        }
        if (options->fresh != CM_FRESH_BOUNDED && options->fresh != CM_FRESH_TTL) {
                return cmi_fail(-EINVAL, "unknown freshness %d", (int)options->fresh);
        }
        if (options->fresh == CM_FRESH_TTL && options->ttl_ms == 0) {
                return cmi_fail(-EINVAL, "CM_FRESH_TTL needs a TTL");
        }
        if (options->budget_bytes < BUDGET_MIN) {
                return cmi_fail(-EINVAL, "a budget has at least %zu bytes", BUDGET_MIN);
        }
        if (options->flags & ~CM_REGION_SHARE_LOADS) {
                return cmi_fail(-EINVAL, "unknown flags 0x%x", options->flags);
        }
        if (options->hold_ms > CM_HOLD_MS_MAX) {
                return cmi_fail(-EINVAL, "a region holds for at most %d ms", CM_HOLD_MS_MAX);
        }
        if (options->ttl_jitter_percent > JITTER_MAX) {
                return cmi_fail(-EINVAL, "a TTL's jitter is at most %d %%", JITTER_MAX);
        }
        return 0;
}

/* As many as fit with the shortest keys and no values. */
static size_t n_entries_max(const struct cm_region_options *options)
{
        return options->budget_bytes /
               (sizeof(struct cmi_entry) + sizeof(struct cmi_bucket) / CMI_TABLE_FILL);
}

static struct cm_region *new_region(
                struct cm *cm, const char *name, const struct cm_region_options *options)
{
        struct cm_region *region = cmi_handle_allocate(cm, 64, sizeof(*region));

        if (!region) {
                return NULL;
        }
        memset((void *)region, 0, sizeof(*region));
        region->heap = cmi_heap_new(&cm->options.allocator, options->budget_bytes);
        if (!region->heap || cmi_table_init(&region->table, cm, n_entries_max(options)) < 0) {
                cmi_heap_free(region->heap);
                cmi_handle_deallocate(cm, region, sizeof(*region));
                return NULL;
        }
        region->cm = cm;
        region->id = new_id();
        region->fresh = options->fresh;
        region->has_sessions = strcmp(name, CMI_SESSION_REGION) == 0;
        region->options = *options;
        region->generation = cmi_process_generation();
        region->binding = CMI_REGION_INDEX_UNKNOWN; /* of no mapping: serials begin with 1 */
        memcpy(region->name, name, strlen(name) + 1);
        pthread_mutex_init(&region->lock, NULL);
        return region;
}

static struct cm_region *find_region(struct cm *cm, const char *name)
{
        uint32_t n = atomic_load_explicit(&cm->n_regions, memory_order_acquire);

        for (uint32_t i = 0; i < n; i++) {
                struct cm_region *region =
                                atomic_load_explicit(&cm->regions[i], memory_order_relaxed);

                if (strcmp(region->name, name) == 0) {
                        return region;
                }
        }
        return NULL;
}

static bool are_equal(const struct cm_region_options *a, const struct cm_region_options *b)
{
        return a->fresh == b->fresh && a->budget_bytes == b->budget_bytes &&
               a->ttl_ms == b->ttl_ms && a->negative_ttl_ms == b->negative_ttl_ms &&
               a->ttl_jitter_percent == b->ttl_jitter_percent && a->version == b->version &&
               a->stale_if_error_ms == b->stale_if_error_ms && a->flags == b->flags &&
               a->hold_ms == b->hold_ms;
}

/* Lock held. 0 (an open one), 1 (a new one) or an error. */
static int find_or_add(struct cm *cm, const char *name, const struct cm_region_options *options,
                struct cm_region **ret_region)
{
        uint32_t n = atomic_load_explicit(&cm->n_regions, memory_order_relaxed);
        struct cm_region *region = find_region(cm, name);

        if (region) {
                if (!are_equal(&region->options, options)) {
                        return cmi_fail(CM_E_CONFIG, "region %s is open with other options", name);
                }
                *ret_region = region;
                return 0;
        }
        if (n == CM_REGIONS_MAX) {
                return cmi_fail(-ENOSPC, "a handle has at most %d regions", CM_REGIONS_MAX);
        }
        region = new_region(cm, name, options);
        if (!region) {
                return cmi_fail(-ENOMEM, "no memory for region %s", name);
        }
        region->number = n;
        atomic_store_explicit(&cm->regions[n], region, memory_order_relaxed);
        atomic_store_explicit(&cm->n_regions, n + 1, memory_order_release);
        *ret_region = region;
        return 1;
}

int cm_region_open(struct cm_region **ret_region, struct cm *cm, const char *name,
                const struct cm_region_options *options)
{
        struct cm_region_options copy = {0};
        struct cm_region *region = NULL;
        int r;

        if (!ret_region || !cm || !name || !*name || !cmi_text_is_clean(cmi_slice_str(name))) {
                return cmi_fail(-EINVAL, "a region has a name of UTF-8 without control characters");
        }
        r = cmi_handle_enter(cm);
        if (r < 0) {
                return r;
        }
        if (strlen(name) > CM_REGION_NAME_MAX) {
                return cmi_fail(-ENAMETOOLONG, "a region's name has up to %d bytes",
                                CM_REGION_NAME_MAX);
        }
        if (strcmp(name, CMI_SESSION_REGION) == 0) {
                return cmi_fail(-EINVAL, "%s is the region of libcachemesh-session",
                                CMI_SESSION_REGION);
        }
        r = check_options(&copy, options);
        if (r < 0) {
                return r;
        }
        pthread_mutex_lock(&cm->lock);
        r = find_or_add(cm, name, &copy, &region);
        pthread_mutex_unlock(&cm->lock);
        if (r < 0) {
                return r;
        }
        /* One that was refused since is asked for again. */
        r = cm->ops->open_region(cm, region, r > 0 ? cmi_timeout(cm, copy.timeout_ms) : 0);
        if (r < 0) {
                return r;
        }
        *ret_region = region;
        return 0;
}

int cmi_region_open_sessions(struct cm_region **ret_region, struct cm *cm, size_t budget_bytes)
{
        struct cm_region_options options = {
                        .size = sizeof(options),
                        .budget_bytes = budget_bytes,
        };
        struct cm_region *region;
        int r = check_options(&options, NULL);

        if (r < 0) {
                return r;
        }
        pthread_mutex_lock(&cm->lock);
        region = find_region(cm, CMI_SESSION_REGION);
        if (!region) {
                r = find_or_add(cm, CMI_SESSION_REGION, &options, &region);
        }
        pthread_mutex_unlock(&cm->lock);
        if (r < 0) {
                return r;
        }
        (void)cm->ops->open_region(cm, region, 0);
        *ret_region = region;
        return 0;
}

uint32_t cmi_handle_n_regions(struct cm *cm)
{
        return atomic_load_explicit(&cm->n_regions, memory_order_acquire);
}

struct cm_region *cmi_handle_region(struct cm *cm, uint32_t number)
{
        return number < cmi_handle_n_regions(cm) ? atomic_load(&cm->regions[number]) : NULL;
}

const char *cmi_region_name(const struct cm_region *region)
{
        return region->name;
}

const struct cm_region_options *cmi_region_options(const struct cm_region *region)
{
        return &region->options;
}

/* The source's lock is held, so the mapping stays. Entries of a place that is given up cannot be
 * hit any more, but be the last value of their key. */
static void move_home(struct cm_region *region, uint32_t serial, uint32_t index)
{
        const struct cmi_mapping *mapping = atomic_load(&region->cm->mapping);
        struct cmi_home home = {.serial = serial, .index = index};

        if (!mapping || mapping->serial != serial || index == CMI_REGION_INDEX_UNKNOWN) {
                return;
        }
        home.seed = mapping->view.seed;
        pthread_mutex_lock(&region->lock);
        if (region->home.serial != serial || region->home.index != index) {
                region->last_home = region->home;
                region->home = home;
        }
        pthread_mutex_unlock(&region->lock);
}

void cmi_region_set_index(struct cm_region *region, uint32_t serial, uint32_t index, uint64_t owner)
{
        move_home(region, serial, index);
        atomic_store_explicit(&region->owner, owner, memory_order_relaxed);
        atomic_store_explicit(
                        &region->binding, (uint64_t)serial << 32 | index, memory_order_release);
}

uint32_t cmi_region_index(const struct cm_region *region, uint32_t serial)
{
        uint64_t binding = atomic_load_explicit(&region->binding, memory_order_acquire);

        return binding >> 32 == serial ? (uint32_t)binding : CMI_REGION_INDEX_UNKNOWN;
}

struct cmi_entry *cmi_region_free(struct cm_region *region)
{
        struct cm *cm = region->cm;
        struct cmi_entry *pinned;

        cmi_region_empty(region);
        cmi_region_reclaim(region);
        pinned = region->unlinked;
        for (struct cmi_entry *entry = pinned; entry; entry = entry->older) {
                entry->newer = entry->flags & CMI_ENTRY_DETACHED ? NULL : (void *)region->heap;
        }
        if (region->heap->n_blocks == 0) {
                cmi_heap_free(region->heap);
        }
        cmi_table_deinit(&region->table, cm);
        cmi_counters_free_all(cm, region);
        pthread_mutex_destroy(&region->lock);
        cmi_handle_deallocate(cm, region, sizeof(*region));
        return pinned;
}

/*
 * Another thread of the parent may have been in the middle of a change, so nothing of what is there
 * can be freed or followed. It stays, shared with the parent until one of the two writes.
 */
int cmi_region_after_fork(struct cm_region *region, uint64_t generation)
{
        const struct cm_allocator *allocator = &region->cm->options.allocator;
        struct cmi_heap *heap;
        struct cmi_table table;

        if (region->generation == generation) {
                return 0; /* an earlier call got as far as this, and no further */
        }
        heap = cmi_heap_new(allocator, region->options.budget_bytes);
        if (!heap || cmi_table_init(&table, region->cm, n_entries_max(&region->options)) < 0) {
                cmi_heap_free(heap);
                return -ENOMEM;
        }
        region->heap = heap;
        memcpy((void *)&region->table, (const void *)&table, sizeof(table));
        region->binding = CMI_REGION_INDEX_UNKNOWN;
        atomic_store_explicit(&region->own_max, 0, memory_order_relaxed);
        atomic_store_explicit(&region->own_region_stamp, 0, memory_order_relaxed);
        atomic_store_explicit(&region->own_hold_ns, 0, memory_order_relaxed);
        region->id = new_id(); /* what threads remember about the old one must not match */
        region->counters = NULL;
        region->newest = region->oldest = region->hand = region->unlinked = NULL;
        region->n_unlinked = region->n_kept = 0;
        region->unlinked_bytes = region->kept_bytes = 0;
        region->n_evicted = 0;
        region->home = region->last_home = (struct cmi_home){0};
        region->generation = generation;
        pthread_mutex_init(&region->lock, NULL);
        return 0;
}

int cm_region_clear(struct cm_region *region)
{
        struct cmi_target target = {.region = region};
        struct cmi_thread *thread = NULL;
        int r;

        if (!region) {
                return cmi_fail(-EINVAL, "there is no region");
        }
        r = cmi_handle_join(region->cm, &thread);
        if (r < 0) {
                return r;
        }
        cmi_own_invalidate(region->cm, thread, &target, 1);
        pthread_mutex_lock(&region->lock);
        cmi_region_empty(region);
        cmi_region_reclaim(region);
        pthread_mutex_unlock(&region->lock);
        return 0;
}
