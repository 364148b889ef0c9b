/* SPDX-License-Identifier: MIT */
/*
 * The source of a standalone handle: a private page in this process, whose lease never ends.
 * Operations are applied at once, as meshd would; nothing reaches another process.
 */
#include "libcachemesh/cache.h"
#include "wire/op.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define LEASE_END_NS (UINT64_MAX / 2)

struct cmi_source {
        pthread_mutex_t lock;
        struct cmi_page_view view; /* writable */
        uint32_t serial;
        int fd; /* never readable: for programs that poll */
};

/* A region of this handle by name; NULL if it was never opened, so that nothing of it is cached. */
static struct cm_region *find_region(struct cm *cm, struct cmi_slice name)
{
        for (uint32_t i = 0; i < cmi_handle_n_regions(cm); i++) {
                struct cm_region *region = cmi_handle_region(cm, i);

                if (cmi_slice_equal(cmi_slice_str(cmi_region_name(region)), name)) {
                        return region;
                }
        }
        return NULL;
}

static void stamp_targets(
                struct cm *cm, const struct cmi_page_view *view, struct cmi_op *op, uint64_t seq)
{
        struct cm_region *region = find_region(cm, op->region);
        struct cmi_slice target;

        if (!region) {
                return;
        }
        for (uint32_t i = 0; i < op->n_keys; i++) {
                target = cmi_op_next(&op->keys);
                cmi_page_stamp_key(view, region->number, target.data, target.len, seq);
        }
        for (uint32_t i = 0; i < op->n_tags; i++) {
                target = cmi_op_next(&op->tags);
                cmi_page_stamp_tag(view, region->number, target.data, target.len, seq);
        }
        if (op->is_whole_region) {
                cmi_page_stamp_region(view, region->number, seq);
        }
}

static int apply(struct cm *cm, struct cmi_slice bytes)
{
        const struct cmi_page_view *view = &cm->source->view;
        struct cmi_op op;
        uint64_t seq;
        int r = cmi_op_decode(bytes, &op);

        if (r < 0) {
                return r;
        }
        seq = cmi_page_begin(view);
        if (op.kind == CMI_OP_INVALIDATE) {
                stamp_targets(cm, view, &op, seq);
        } else {
                cmi_page_stamp_floor(view, seq);
        }
        cmi_page_publish(view, seq);
        return 0;
}

static int publish(struct cm *cm, const struct cmi_slice *ops, size_t n_ops, enum cm_wait wait,
                uint32_t timeout_ms, struct cm_result *ret_result)
{
        struct cmi_source *source = cm->source;
        uint64_t position;
        int r = 0;

        /* A child that got no memory for its page fails before it comes here. */
        assert(source->view.page);
        pthread_mutex_lock(&source->lock);
        for (size_t i = 0; i < n_ops && r == 0; i++) {
                r = apply(cm, ops[i]);
        }
        position = source->view.page->apply_seq;
        pthread_mutex_unlock(&source->lock);
        if (r == 0) {
                cmi_result_set(ret_result, (struct cm_result){.position = position});
        }
        return r;
}

static int open_region(struct cm *cm, struct cm_region *region, uint32_t timeout_ms)
{
        cmi_region_set_index(region, cm->source->serial, region->number, 0);
        return 0;
}

static void poke(struct cm *cm)
{
}

static void vouch(struct cm *cm)
{
        pthread_mutex_lock(&cm->source->lock);
        cmi_mapping_vouch(cm, LEASE_END_NS);
        pthread_mutex_unlock(&cm->source->lock);
}

static int share_begin(struct cm *cm, struct cmi_share *share)
{
        return CMI_SHARE_ALONE;
}

static void share_end(
                struct cm *cm, const struct cmi_share *share, int error, struct cmi_slice record)
{
}

static void share_give_up(struct cm *cm, const struct cmi_share *share)
{
}

static void status(struct cm *cm, struct cmi_source_status *ret_status)
{
        *ret_status = (struct cmi_source_status){CM_STANDALONE, "standalone: a private page", 0};
}

static int fd(struct cm *cm)
{
        return cm->source->fd;
}

static int events(struct cm *cm)
{
        return POLLIN;
}

static int timeout_ms(struct cm *cm)
{
        return -1;
}

static int dispatch(struct cm *cm)
{
        return 0;
}

static int next_event(struct cm *cm, struct cm_event *ret_event)
{
        return CM_NO_EVENT;
}

/* A new private page becomes the current one. */
static int make_page(struct cm *cm, struct cmi_source *source)
{
        const struct cmi_page_geometry geometry = {
                        CMI_PAGE_SLOTS_DEFAULT, CMI_PAGE_SLOTS_DEFAULT, CMI_PAGE_SLOTS_MIN};
        size_t size = cmi_page_size(&geometry);
        uint64_t random[2];
        void *page;

        if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
                return -EIO;
        }
        page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1, 0);
        if (page == MAP_FAILED) {
                return -ENOMEM;
        }
        cmi_page_init(page, &geometry, random[0] | 1, random[1], LEASE_END_NS);
        source->view = cmi_page_view(page);
        cmi_page_set_lease(&source->view, LEASE_END_NS, LEASE_END_NS);
        cmi_page_set_state(&source->view, CMI_PAGE_LIVE);
        return cmi_mapping_install(cm, page, size, &source->serial);
}

/* The parent's page is gone with its mapping; the child gets its own. */
static int after_fork(struct cm *cm)
{
        pthread_mutex_init(&cm->source->lock, NULL);
        cm->source->view.page = NULL;
        return make_page(cm, cm->source);
}

static void free_source(struct cm *cm)
{
        struct cmi_source *source = cm->source;

        pthread_mutex_destroy(&source->lock);
        close(source->fd);
        cmi_handle_deallocate(cm, source, sizeof(*source));
}

static const struct cmi_source_ops standalone_ops = {
                .publish = publish,
                .open_region = open_region,
                .poke = poke,
                .vouch = vouch,
                .share_begin = share_begin,
                .share_end = share_end,
                .share_give_up = share_give_up,
                .status = status,
                .fd = fd,
                .events = events,
                .timeout_ms = timeout_ms,
                .dispatch = dispatch,
                .next_event = next_event,
                .after_fork = after_fork,
                .free = free_source,
};

int cmi_standalone_new(struct cm *cm, const struct cmi_source_ops **ret_ops,
                struct cmi_source **ret_source)
{
        struct cmi_source *source = cmi_handle_allocate(cm, 16, sizeof(*source));
        int r;

        if (!source) {
                return -ENOMEM;
        }
        *source = (struct cmi_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        r = source->fd < 0 ? -errno : make_page(cm, source);
        if (r < 0) {
                if (source->fd >= 0) {
                        close(source->fd);
                }
                cmi_handle_deallocate(cm, source, sizeof(*source));
                return r;
        }
        pthread_mutex_init(&source->lock, NULL);
        *ret_ops = &standalone_ops;
        *ret_source = source;
        return 0;
}
