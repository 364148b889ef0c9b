/* SPDX-License-Identifier: MIT */
/*
 * A load that is shared with other processes of the node: what they are told of one that ran here,
 * and what is made of one that ran there. Who loads is meshd's decision.
 *
 * What another process found is stored under the token from before its load, which this process's
 * page judges as any other. Two things it cannot judge:
 *
 * 1. Whether this caller may have it at all. It may if the load began after the caller came, since
 *    then it saw everything that was committed before; or if the full check holds now. Else it is
 *    asked again, and the place in the order of arrivals stays.
 * 2. What this process itself has invalidated: its own stamps have numbers that mean nothing
 *    elsewhere. The token T of this process, from before it asked, stands in. If the load began
 *    after that, T is older than the load. If not, what T covers must be in the page by now, and it
 *    is if nothing was on its way to meshd when T was taken: requests of one connection take effect
 *    in order. Otherwise 0 stands in for T, so that whatever this process has ever invalidated is
 *    refused.
 */
#include "libcachemesh/get.h"
#include "libcachemesh/load.h"
#include "wire/load.h"

#define RECORD_OVERHEAD (64 + CM_TAGS_MAX * (CM_TAG_MAX + 4))

#define TAKE_TOO_OLD 16 /* beside enum cmi_share_outcome: to be asked again */

/* What this process knew when it asked. */
struct before {
        struct cm_token token;
        bool is_quiet; /* nothing was on its way to meshd */
};

static struct before take_before(struct cm *cm, struct cmi_thread *thread)
{
        struct before before = {.token = cmi_token(cm, thread)};

        before.is_quiet = atomic_load(&cm->n_unsent) == 0 && !atomic_load(&cm->is_pending);
        return before;
}

/* The page has not come to that token: it is of another page, or of nobody. */
static bool is_of_this_page(struct cm_region *region, struct cmi_thread *thread,
                const struct cmi_load_record *record)
{
        struct cm_token now = cmi_token(region->cm, thread);

        return record->epoch == now.opaque[0] && record->token <= now.opaque[1];
}

static int store(struct cm_load *load, struct cmi_thread *thread, const struct cmi_share *share,
                const struct before *before, const struct cmi_load_record *record)
{
        struct cm_region *region = load->region;
        struct cm_bytes tags[CM_TAGS_MAX];
        struct cmi_put put = {
                        .key = {load->key, load->key_len},
                        .value = record->value,
                        .tags = tags,
                        .n_tags = record->n_tags,
                        .ttl_ms = (uint32_t)record->ttl_ms,
                        .is_negative = record->is_negative,
                        .loaded_ds = (uint32_t)record->loaded_ds,
                        .age_ms = (uint64_t)(cmi_now_ds() - (uint32_t)record->loaded_ds) * 100,
                        .token = {{record->epoch, record->token,
                                        share->is_new || before->is_quiet ? before->token.opaque[2]
                                                                          : 0}},
        };
        int r;

        for (uint32_t i = 0; i < record->n_tags; i++) {
                tags[i] = (struct cm_bytes){record->tags[i].data, record->tags[i].len};
        }
        r = cmi_region_store(region, thread, &put, &load->pin);
        if (!load->pin) {
                return cmi_fail(r, "no memory for the loaded entry");
        }
        cmi_count(thread, region, region->id, r == 0 ? CMI_COUNT_PUT : CMI_COUNT_REFUSED);
        return 0;
}

/* CMI_SHARE_TAKE with load->pin, TAKE_TOO_OLD, CMI_SHARE_ALONE (it is of no use), or an error. */
static int take(struct cm_load *load, struct cmi_thread *thread, const struct cmi_share *share,
                const struct before *before)
{
        struct cm_region *region = load->region;
        struct cmi_load_record record;
        int r;

        if (cmi_load_record_decode(cmi_slice(share->record, share->record_len), &record) < 0 ||
                        !is_of_this_page(region, thread, &record)) {
                return CMI_SHARE_ALONE;
        }
        r = store(load, thread, share, before, &record);
        if (r < 0) {
                return r;
        }
#ifndef CM_MUTANT_SHARE_UNCHECKED
        if (!share->is_new && cmi_region_check(region, thread, atomic_load(&load->pin->entry)) !=
                                              CM_REASON_NONE) {
                cmi_pin_drop(load->pin);
                load->pin = NULL;
                return TAKE_TOO_OLD;
        }
#endif
        load->is_negative = record.is_negative;
        load->is_old = !share->is_new;
        cmi_count(thread, region, region->id, CMI_COUNT_SHARED);
        return CMI_SHARE_TAKE;
}

int cmi_share_ask(struct cm_load *load, struct cmi_thread *thread, struct cmi_share *share)
{
        struct cm *cm = load->region->cm;
        struct before before = take_before(cm, thread);
        int r;

        share->n_busy = atomic_exchange(&cm->n_busy, 0);
        share->n_stale = atomic_exchange(&cm->n_stale, 0);
        do {
                r = cm->ops->share_begin(cm, share);
                if (r == CMI_SHARE_TAKE) {
                        r = take(load, thread, share, &before);
                        cmi_handle_deallocate(cm, share->record, share->record_len);
                        share->record = NULL;
                }
        } while (r == TAKE_TOO_OLD);
        atomic_fetch_add(&cm->n_busy, share->n_busy); /* what was not told */
        atomic_fetch_add(&cm->n_stale, share->n_stale);
        return r;
}

static struct cmi_slice encode(const struct cm_load *load, struct cm_token token,
                uint32_t loaded_ds, struct cmi_writer *writer)
{
        struct cmi_load_record record = {
                        .epoch = token.opaque[0],
                        .token = token.opaque[1],
                        .loaded_ds = loaded_ds,
                        .ttl_ms = load->ttl_ms,
                        .is_negative = load->is_negative,
                        .value = {load->value, load->value_len},
                        .n_tags = load->n_tags,
        };

        for (uint32_t i = 0; i < load->n_tags; i++) {
                record.tags[i] = cmi_slice(load->tags[i].data, load->tags[i].len);
        }
        cmi_load_record_write(writer, &record);
        return writer->error < 0 ? cmi_slice(NULL, 0) : cmi_written(writer);
}

void cmi_share_tell(const struct cm_load *load, const struct cmi_share *share, int error,
                struct cm_token token, uint32_t loaded_ds)
{
        struct cm *cm = load->region->cm;
        size_t size = load->value_len + RECORD_OVERHEAD;
        struct cmi_slice record = {NULL, 0};
        void *buffer = NULL;
        struct cmi_writer writer;

        if (error == 0 && load->value_len <= CMI_LOAD_VALUE_MAX) {
                buffer = cmi_handle_allocate(cm, 16, size);
        }
        if (buffer) {
                writer = cmi_writer(buffer, size);
                record = encode(load, token, loaded_ds, &writer);
        }
        cm->ops->share_end(cm, share, error, record);
        if (buffer) {
                cmi_handle_deallocate(cm, buffer, size);
        }
}

void cmi_share_give_up(const struct cm_load *load, const struct cmi_share *share)
{
        load->region->cm->ops->share_give_up(load->region->cm, share);
}
