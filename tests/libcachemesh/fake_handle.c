/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_handle.h"

#include "wire/local.h"
#include "wire/op.h"
#include "wire/page.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>

struct cm *fake_handle_open(const char *socket_path, const struct cm_options *options)
{
        struct cm *cm = calloc(1, sizeof(*cm));
        int r;

        if (options) {
                cm->options = *options;
        }
        cm->options.socket_path = socket_path;
        cm->options.name = "fake";
        if (cm->options.timeout_ms == 0) {
                cm->options.timeout_ms = CMI_TIMEOUT_MS_DEFAULT;
        }
        if (cm->options.pending_max == 0) {
                cm->options.pending_max = CMI_PENDING_MAX_DEFAULT;
        }
        r = cmi_connection_new(cm, &cm->ops, &cm->source);
        if (r < 0) {
                free(cm);
                errno = -r;
                return NULL;
        }
        return cm;
}

struct cm *fake_handle_close(struct cm *cm)
{
        if (!cm) {
                return NULL;
        }
        cm->ops->free(cm);
        cmi_mapping_drop(cm);
        g_assert_cmpint(cm->n_allocated, ==, 0);
        free(cm);
        return NULL;
}

struct cm_region *fake_handle_add_region(struct cm *cm, const char *name)
{
        struct cm_region *region = &cm->regions[cm->n_regions];

        snprintf(region->name, sizeof(region->name), "%s", name);
        region->index = CMI_REGION_INDEX_UNKNOWN;
        cm->n_regions++;
        return region;
}

int fake_handle_open_region(struct cm *cm, struct cm_region *region, uint32_t timeout_ms)
{
        return cm->ops->open_region(cm, region, timeout_ms);
}

int fake_handle_region(struct cm *cm, const char *name, uint32_t timeout_ms)
{
        return fake_handle_open_region(cm, fake_handle_add_region(cm, name), timeout_ms);
}

int fake_handle_invalidate(struct cm *cm, const char *region, const char *key, enum cm_wait wait,
                uint32_t timeout_ms, struct cm_result *ret_result)
{
        uint8_t bytes[2048];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_slice op;

        cmi_op_write_begin(&writer, cmi_slice_str(region), 1);
        cmi_write_bin(&writer, cmi_slice_str(key));
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, false);
        op = cmi_written(&writer);
        return cm->ops->publish(cm, &op, 1, wait, timeout_ms, ret_result);
}

bool fake_handle_await(struct cm *cm, bool (*is_reached)(struct cm *cm, void *data), void *data)
{
        gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

        while (!is_reached(cm, data)) {
                struct pollfd watched = {cm->ops->fd(cm), (short)cm->ops->events(cm), 0};
                int timeout_ms = cm->ops->timeout_ms(cm);

                if (g_get_monotonic_time() > end_us) {
                        return false;
                }
                poll(&watched, 1, timeout_ms < 0 || timeout_ms > 100 ? 100 : timeout_ms);
                cm->ops->dispatch(cm);
        }
        return true;
}

uint64_t fake_handle_epoch(const struct cm *cm)
{
        return cm->page ? ((const struct cmi_page *)cm->page)->epoch : 0;
}

static bool page_lives(struct cm *cm)
{
        struct cmi_page *page = cm->page;

        return page && page->lease_end_mono_ns != 0;
}

bool fake_handle_is_live(struct cm *cm, void *unused)
{
        struct cmi_source_status status;

        cm->ops->status(cm, &status);
        return status.mode == CM_BYPASS && page_lives(cm);
}

bool fake_handle_is_offline(struct cm *cm, void *unused)
{
        struct cmi_source_status status;

        cm->ops->status(cm, &status);
        return status.mode == CM_OFFLINE;
}

bool fake_handle_is_flushed(struct cm *cm, void *unused)
{
        return !cm->is_pending;
}

bool fake_handle_has_index(struct cm *cm, void *number)
{
        const struct cm_region *region = &cm->regions[GPOINTER_TO_UINT(number)];

        return region->serial == cm->serial && region->index != CMI_REGION_INDEX_UNKNOWN;
}

const char *fake_handle_find_event(struct cm *cm, enum cm_event_kind kind)
{
        static struct cm_event event;

        while (cm->ops->next_event(cm, &event) == 0) {
                if (event.kind == kind) {
                        return event.detail;
                }
        }
        return NULL;
}

/* handle.h */

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
        cm->is_pending = is_pending;
        cm->n_pending_changes++;
}

void *cmi_handle_allocate(struct cm *cm, size_t alignment, size_t size)
{
        if (cm->is_out_of_memory) {
                return NULL;
        }
        cm->n_allocated++;
        return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void cmi_handle_deallocate(struct cm *cm, void *memory, size_t size)
{
        cm->n_allocated--;
        free(memory);
}

void cmi_handle_log(struct cm *cm, enum cm_log_level level, const char *format, ...)
{
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        va_list arguments;

        pthread_mutex_lock(&lock);
        va_start(arguments, format);
        vsnprintf(cm->last_log, sizeof(cm->last_log), format, arguments);
        va_end(arguments);
        cm->n_logs++;
        pthread_mutex_unlock(&lock);
}

static _Thread_local char detail[CMI_LOCAL_TEXT_MAX + 128];

int cmi_fail(int error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(detail, sizeof(detail), format, arguments);
        va_end(arguments);
        return error;
}

const char *fake_handle_detail(void)
{
        return detail;
}

int cmi_mapping_install(struct cm *cm, void *page, size_t size, uint32_t *ret_serial)
{
        cmi_mapping_drop(cm);
        cm->page = page;
        cm->page_size = size;
        cm->serial = ++cm->n_installs;
        *ret_serial = cm->serial;
        return 0;
}

void cmi_mapping_drop(struct cm *cm)
{
        if (cm->page) {
                munmap(cm->page, cm->page_size);
                cm->n_drops++;
        }
        cm->page = NULL;
        cm->serial = 0;
}

void cmi_mapping_vouch(struct cm *cm, uint64_t until_ns)
{
        cm->vouched_ns = until_ns;
        cm->n_vouched++;
}

uint32_t cmi_handle_n_regions(struct cm *cm)
{
        return cm->n_regions;
}

struct cm_region *cmi_handle_region(struct cm *cm, uint32_t number)
{
        return &cm->regions[number];
}

const char *cmi_region_name(const struct cm_region *region)
{
        return region->name;
}

const struct cm_region_options *cmi_region_options(const struct cm_region *region)
{
        return &region->options;
}

uint32_t cmi_region_index(const struct cm_region *region, uint32_t serial)
{
        return region->serial == serial ? region->index : CMI_REGION_INDEX_UNKNOWN;
}

void cmi_region_set_index(struct cm_region *region, uint32_t serial, uint32_t index, uint64_t owner)
{
        region->serial = serial;
        region->index = index;
}
