/* SPDX-License-Identifier: MIT */
/*
 * Opening, closing and inheriting a handle; its memory; the few words that the
 * source half may change.
 */
#include "libcachemesh/handle.h"

#include "libcachemesh/memory.h"
#include "libcachemesh/region.h"
#include "wire/text.h"

#include <errno.h>

void *cmi_handle_allocate(struct cm *cm, size_t alignment, size_t size)
{
        const struct cm_allocator *allocator = &cm->options.allocator;

        return allocator->allocate(allocator->userdata, alignment, size);
}

void cmi_handle_deallocate(struct cm *cm, void *memory, size_t size)
{
        const struct cm_allocator *allocator = &cm->options.allocator;

        allocator->deallocate(allocator->userdata, memory, size);
}

struct cmi_source *cmi_handle_source(struct cm *cm)
{
        return cm->source;
}

const struct cm_options *cmi_handle_options(const struct cm *cm)
{
        return &cm->options;
}

void cmi_handle_set_pending(struct cm *cm, bool is_pending)
{
        if (atomic_load_explicit(&cm->is_pending, memory_order_relaxed) != is_pending) {
                atomic_store_explicit(&cm->is_pending, is_pending, memory_order_release);
        }
}

uint32_t cmi_timeout(const struct cm *cm, uint32_t timeout_ms)
{
        return timeout_ms ? timeout_ms : cm->options.timeout_ms;
}

/* A struct of this version out of one of the caller's; what it has beyond ours must be zero. */
int cmi_options_copy(void *ours, size_t our_size, const void *theirs, size_t their_size)
{
        const unsigned char *bytes = theirs;

        if (their_size < sizeof(size_t)) {
                return -EINVAL;
        }
        for (size_t i = our_size; i < their_size; i++) {
                if (bytes[i] != 0) {
                        return -EINVAL;
                }
        }
        memset(ours, 0, our_size);
        memcpy(ours, theirs, their_size < our_size ? their_size : our_size);
        return 0;
}

static int check_options(struct cm_options *options)
{
        struct cm_allocator *allocator = &options->allocator;

        if (options->flags & ~(CM_OPEN_STANDALONE | CM_OPEN_NO_FORK)) {
                return cmi_fail(-EINVAL, "unknown flags 0x%x", options->flags);
        }
        if (!allocator->allocate && !allocator->deallocate) {
                *allocator = cmi_memory_allocator;
        }
        if (!allocator->allocate || !allocator->deallocate) {
                return cmi_fail(-EINVAL, "an allocator needs both functions");
        }
        if (options->name && (strlen(options->name) > CM_NAME_MAX ||
                                             !cmi_text_is_clean(cmi_slice_str(options->name)))) {
                return cmi_fail(-EINVAL, "a name has up to %d bytes of UTF-8", CM_NAME_MAX);
        }
        if (options->socket_path && strlen(options->socket_path) > CM_SOCKET_PATH_MAX) {
                return cmi_fail(-ENAMETOOLONG, "a socket path has up to %d bytes",
                                CM_SOCKET_PATH_MAX);
        }
        if (options->timeout_ms == 0) {
                options->timeout_ms = CMI_TIMEOUT_MS_DEFAULT;
        }
        if (options->pending_max == 0) {
                options->pending_max = CMI_PENDING_MAX_DEFAULT;
        }
        if (options->loads_max == 0) {
                options->loads_max = CMI_LOADS_MAX_DEFAULT;
        }
        return 0;
}

static int set_defaults(struct cm_options *options)
{
        const char *path = getenv("CACHEMESH_SOCKET");

        options->size = sizeof(*options);
        if (!options->socket_path) {
                options->socket_path = path && *path ? path : "/run/cachemesh/meshd.sock";
        }
        if (!options->name) {
                options->name = program_invocation_short_name;
        }
        return check_options(options);
}

/* The name of a program may be anything; the one that the app gives was checked. */
static void copy_name(char ret_name[CM_NAME_MAX + 1], const char *name)
{
        size_t len = strnlen(name, CM_NAME_MAX);

        memcpy(ret_name, name, len);
        ret_name[len] = '\0';
        if (!cmi_text_is_clean(cmi_slice(ret_name, len))) {
                memcpy(ret_name, "app", sizeof("app"));
        }
}

static void init_locks(struct cm *cm)
{
        pthread_mutex_init(&cm->lock, NULL);
        pthread_mutex_init(&cm->loads_lock, NULL);
        pthread_mutex_init(&cm->own_lock, NULL);
}

/* The handle's memory, with what its end needs: the home of values that are still pinned then. */
static struct cm *allocate_handle(const struct cm_options *options)
{
        const struct cm_allocator *allocator = &options->allocator;
        struct cm *cm = allocator->allocate(allocator->userdata, 64, sizeof(*cm));
        struct cmi_orphanage *orphanage;

        if (!cm) {
                return NULL;
        }
        orphanage = allocator->allocate(allocator->userdata, 16, sizeof(*orphanage));
        if (!orphanage) {
                allocator->deallocate(allocator->userdata, cm, sizeof(*cm));
                return NULL;
        }
        memset((void *)cm, 0, sizeof(*cm));
        *orphanage = (struct cmi_orphanage){.allocator = *allocator};
        cm->orphanage = orphanage;
        cm->options = *options;
        copy_name(cm->name, options->name);
        memcpy(cm->socket_path, options->socket_path, strlen(options->socket_path) + 1);
        cm->options.name = cm->name;
        cm->options.socket_path = cm->socket_path;
        atomic_store(&cm->generation, cmi_process_generation());
        init_locks(cm);
        return cm;
}

static void free_handle(struct cm *cm)
{
        struct cm_allocator allocator = cm->options.allocator;
        struct cmi_orphanage *orphanage = cm->orphanage;
        struct cmi_entry *pinned = NULL;
        uint32_t n = atomic_load(&cm->n_regions);

        for (uint32_t i = 0; i < n; i++) {
                struct cmi_entry *entry = cmi_region_free(atomic_load(&cm->regions[i]));

                while (entry) {
                        struct cmi_entry *next = entry->older;

                        entry->older = pinned;
                        pinned = entry;
                        entry = next;
                }
        }
        cmi_mapping_free_all(cm);
        pthread_mutex_destroy(&cm->lock);
        pthread_mutex_destroy(&cm->loads_lock);
        pthread_mutex_destroy(&cm->own_lock);
        allocator.deallocate(allocator.userdata, cm, sizeof(*cm));
        cmi_orphanage_adopt(orphanage, pinned);
}

int cm_open(struct cm **ret_cm, const struct cm_options *options)
{
        struct cm_options copy = {0};
        struct cm *cm;
        int r = cmi_process_start();

        if (r < 0) {
                return r;
        }
        if (!ret_cm || (options && cmi_options_copy(&copy, sizeof(copy), options, options->size) <
                                                       0)) {
                return cmi_fail(-EINVAL,
                                "cm_open() needs a place and options that begin with their size");
        }
        r = set_defaults(&copy);
        if (r < 0) {
                return r;
        }
        cm = allocate_handle(&copy);
        if (!cm) {
                return cmi_fail(-ENOMEM, "no memory for the handle");
        }
        r = copy.flags & CM_OPEN_STANDALONE ? cmi_standalone_new(cm, &cm->ops, &cm->source)
                                            : cmi_connection_new(cm, &cm->ops, &cm->source);
        if (r < 0) {
                free_handle(cm);
                return cmi_fail(r, "the handle cannot be set up: %s", cm_strerror(r));
        }
        *ret_cm = cm;
        return 0;
}

struct cm *cm_close(struct cm *cm)
{
        if (!cm) {
                return NULL;
        }
        if (cmi_handle_enter(cm) == 0) {
                cm->ops->free(cm);
                free_handle(cm);
        }
        /* Else it is the parent's, in a child that may not use it: its memory cannot be told
         * from what is in use. */
        return NULL;
}

/* Under the process's lock, so alone. */
static int inherit(struct cm *cm, uint64_t generation)
{
        uint32_t n = atomic_load(&cm->n_regions);
        int r;

        init_locks(cm);
        atomic_store(&cm->is_pending, 0);
        memset(cm->loads, 0, sizeof(cm->loads));
        memset(&cm->turns, 0, sizeof(cm->turns));
        atomic_store(&cm->n_unsent, 0);
        /* A thread of the parent may have been between a stamp and own_seq: what is newer than
         * every token would be refused for good. Nothing from before the fork is served here. */
        memset((void *)cm->own_keys, 0, sizeof(cm->own_keys));
        memset((void *)cm->own_tags, 0, sizeof(cm->own_tags));
        memset((void *)cm->own_key_holds, 0, sizeof(cm->own_key_holds));
        memset((void *)cm->own_tag_holds, 0, sizeof(cm->own_tag_holds));
        atomic_store(&cm->own_hold_ns, 0);
        cmi_mapping_free_all(cm);
        for (uint32_t i = 0; i < n; i++) {
                r = cmi_region_after_fork(atomic_load(&cm->regions[i]), generation);
                if (r < 0) {
                        return r;
                }
        }
        return cm->ops->after_fork(cm);
}

int cmi_handle_adopt(struct cm *cm)
{
        uint64_t generation = cmi_process_generation();
        uint32_t n;
        int r = 0;

        if (cm->options.flags & CM_OPEN_NO_FORK) {
                return cmi_fail(CM_E_FORKED, "this handle belongs to the parent process");
        }
        cmi_process_lock();
        if (atomic_load(&cm->generation) == generation) {
                cmi_process_unlock();
                return 0;
        }
        r = inherit(cm, generation);
        if (r == 0) {
                atomic_store_explicit(&cm->generation, generation, memory_order_release);
        }
        cmi_process_unlock();
        if (r < 0) {
                return cmi_fail(r, "no memory to go on in a forked child");
        }
        n = atomic_load(&cm->n_regions);
        for (uint32_t i = 0; i < n; i++) {
                (void)cm->ops->open_region(cm, atomic_load(&cm->regions[i]), 0);
        }
        return 0;
}
