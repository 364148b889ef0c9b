/* SPDX-License-Identifier: MIT */
/*
 * The thin part of the public interface: storing, state, and what goes straight to the source.
 */
#include "libcachemesh/get.h"
#include "libcachemesh/region.h"

#include <errno.h>

static int check_tags(const struct cm_put_options *options)
{
        if (options->n_tags > CM_TAGS_MAX) {
                return cmi_fail(-E2BIG, "an entry has at most %d tags", CM_TAGS_MAX);
        }
        if (options->n_tags > 0 && !options->tags) {
                return cmi_fail(-EINVAL, "there are no tags");
        }
        for (size_t i = 0; i < options->n_tags; i++) {
                if (!options->tags[i].data || options->tags[i].len - 1 >= CM_TAG_MAX) {
                        return cmi_fail(-EINVAL, "a tag has 1 to %d bytes", CM_TAG_MAX);
                }
        }
        return 0;
}

static int check_put(const struct cm_put_options *options, const void *data, size_t len)
{
        if (options->flags & ~CM_PUT_NEGATIVE) {
                return cmi_fail(-EINVAL, "unknown flags 0x%x", options->flags);
        }
        if ((options->flags & CM_PUT_NEGATIVE) && (data || len > 0)) {
                return cmi_fail(-EINVAL, "a negative entry has no value");
        }
        if (len > 0 && !data) {
                return cmi_fail(-EINVAL, "there is no value");
        }
        return check_tags(options);
}

static int put(struct cm_region *region, const struct cmi_put *put)
{
        struct cmi_thread *thread = NULL;
        int r = cmi_handle_join(region->cm, &thread);

        if (r < 0) {
                return r;
        }
        r = cmi_region_store(region, thread, put, NULL);
        if (r < 0) {
                return cmi_fail(r, "%s",
                                r == -E2BIG ? "a value has up to an eighth of its region's budget"
                                            : cm_strerror(r));
        }
        cmi_count(thread, region, region->id, r == 0 ? CMI_COUNT_PUT : CMI_COUNT_REFUSED);
        return r;
}

int cm_put(struct cm_region *region, const void *key, size_t key_len, const void *data, size_t len,
                struct cm_token token, const struct cm_put_options *options)
{
        struct cm_put_options copy = {0};
        int r;

        if (!region || !key || key_len - 1 >= CM_KEY_MAX) {
                return cmi_fail(-EINVAL, "a key has 1 to %d bytes", CM_KEY_MAX);
        }
        if (options && cmi_options_copy(&copy, sizeof(copy), options, options->size) < 0) {
                return cmi_fail(-EINVAL, "put options begin with their size");
        }
        r = check_put(&copy, data, len);
        if (r < 0) {
                return r;
        }
        return put(region, &(struct cmi_put){
                                           .key = {key, key_len},
                                           .value = {data, len},
                                           .tags = copy.tags,
                                           .n_tags = copy.n_tags,
                                           .ttl_ms = copy.ttl_ms,
                                           .is_negative = copy.flags & CM_PUT_NEGATIVE,
                                           .loaded_ds = cmi_now_ds(),
                                           .token = token,
                           });
}

/* How long bounded gets may still be answered; 0 without a page. */
static int64_t lease_left_ns(struct cm *cm, struct cmi_thread *thread, uint64_t *ret_epoch)
{
        struct cmi_mapping *mapping = cmi_mapping_enter(thread, &cm->mapping);
        int64_t mono_ns = 0;
        int64_t real_ns = 0;

        if (mapping) {
                const struct cmi_page *page = mapping->view.page;

                mono_ns = (int64_t)(page->lease_end_mono_ns - mapping->tick_mono_ns -
                                    cmi_clock_ns(CLOCK_MONOTONIC_COARSE));
                real_ns = (int64_t)(page->lease_end_real_ns - mapping->tick_real_ns -
                                    cmi_clock_ns(CLOCK_REALTIME_COARSE));
                *ret_epoch = mapping->view.epoch;
        }
        cmi_mapping_leave(thread);
        return mono_ns < real_ns ? mono_ns : real_ns;
}

int cm_state(struct cm *cm, struct cm_state *ret_state)
{
        struct cmi_source_status status;
        struct cmi_thread *thread = NULL;
        struct cm_state state = {0};
        int r;

        if (!cm || !ret_state) {
                return cmi_fail(-EINVAL, "cm_state() needs a handle and a place");
        }
        r = cmi_handle_join(cm, &thread);
        if (r < 0) {
                return r;
        }
        cm->ops->status(cm, &status);
        state.mode = status.mode;
        state.reason = status.reason;
        state.n_pending = status.n_pending;
        state.lease_left_ms = lease_left_ns(cm, thread, &state.epoch) / 1000000;
        if (state.mode == CM_BYPASS && state.lease_left_ms > 0 && !atomic_load(&cm->is_pending)) {
                state.mode = CM_LIVE;
        }
        *ret_state = state;
        return 0;
}

static int enter(struct cm *cm)
{
        return cm ? cmi_handle_enter(cm) : cmi_fail(-EINVAL, "there is no handle");
}

int cm_fd(struct cm *cm)
{
        int r = enter(cm);

        return r < 0 ? r : cm->ops->fd(cm);
}

int cm_events(struct cm *cm)
{
        int r = enter(cm);

        return r < 0 ? r : cm->ops->events(cm);
}

int cm_timeout_ms(struct cm *cm)
{
        int r = enter(cm);

        return r < 0 ? r : cm->ops->timeout_ms(cm);
}

int cm_dispatch(struct cm *cm)
{
        int r = enter(cm);

        return r < 0 ? r : cm->ops->dispatch(cm);
}

int cm_next_event(struct cm *cm, struct cm_event *ret_event)
{
        int r = enter(cm);

        if (r == 0 && !ret_event) {
                r = cmi_fail(-EINVAL, "there is no place for an event");
        }
        return r < 0 ? r : cm->ops->next_event(cm, ret_event);
}

#define TEXT_OF(x) #x
#define VERSION(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *cm_version(void)
{
        return VERSION(CM_VERSION_MAJOR, CM_VERSION_MINOR, CM_VERSION_PATCH);
}
