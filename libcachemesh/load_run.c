/* SPDX-License-Identifier: MIT */
/*
 * How a load is run: the caller's loader in its turn, and what it gave stored; or, where processes
 * share their loads, what another process has found (load_shared.c).
 *
 * A turn is for who loads: none is held while another process does, and none is needed for what
 * that has found.
 */
#include "libcachemesh/get.h"
#include "libcachemesh/load.h"

#include <errno.h>

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
static int call_loader(struct cm_load *load, const struct cmi_load_call *call)
{
        int r;

        load->outer = call->thread->leading;
        call->thread->leading = load;
        r = call->function(call->userdata, load, load->key, load->key_len);
        call->thread->leading = load->outer;
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
static int run(struct cm_load *load, const struct cmi_load_call *call,
                const struct cmi_share *share)
{
        struct cmi_thread *thread = call->thread;
        struct cm_region *region = load->region;
        struct cm_token token = cmi_token(region->cm, thread);
        uint32_t loaded_ds = cmi_now_ds();
        int r;

        cmi_count(thread, region, region->id, CMI_COUNT_LOAD);
        r = call_loader(load, call);
        if (cmi_load_is_inherited(call)) {
                return cmi_fail(CM_E_FORKED, "a child came back from the loader that forked it");
        }
        if (share) {
                cmi_share_tell(load, share, r, token, loaded_ds);
        }
        if (r < 0) {
                cmi_count(thread, region, region->id, CMI_COUNT_LOAD_ERROR);
                return r;
        }
        return store(load, thread, token, loaded_ds);
}

/* A turn for a load that has begun. Return: 0, CM_E_BUSY. */
static int take_turn(struct cm_load *load, const struct cmi_load_call *call, bool may_wait)
{
        struct cm *cm = load->region->cm;
        int r;

        pthread_mutex_lock(&cm->loads_lock);
        r = cmi_turn_try(load, call->thread) ? 0 : CM_E_BUSY;
        if (r < 0 && may_wait) {
                r = cmi_turn_take(load, call->thread, &call->deadline);
        }
        if (r == 0) {
                load->began = ++cm->load_seq;
        }
        pthread_mutex_unlock(&cm->loads_lock);
        return r < 0 ? cmi_turn_fail(cm) : 0;
}

static void pass_turn(struct cm_load *load)
{
        pthread_mutex_lock(&load->region->cm->loads_lock);
        cmi_turn_pass(load);
        pthread_mutex_unlock(&load->region->cm->loads_lock);
}

/* It was not run: nobody fails for that but this caller. */
static int not_run(struct cm_load *load, int error)
{
        pthread_mutex_lock(&load->region->cm->loads_lock);
        load->began = 0;
        pthread_mutex_unlock(&load->region->cm->loads_lock);
        return error;
}

/* Who shall load? As cmi_share_ask(). */
static int ask(struct cm_load *load, const struct cmi_load_call *call, bool is_hasty,
                struct cmi_share *share)
{
        *share = (struct cmi_share){
                        .region = load->region,
                        .key = {load->key, load->key_len},
                        .deadline_ns = (uint64_t)call->deadline.tv_sec * UINT64_C(1000000000) +
                                       (uint64_t)call->deadline.tv_nsec,
                        .is_hasty = is_hasty,
        };
        return cmi_share_ask(load, call->thread, share);
}

/* This process shall load, and has no turn for it: others may load as long as it waits for one. */
static int wait_for_turn(struct cm_load *load, const struct cmi_load_call *call,
                const struct cmi_share *share, bool is_leader)
{
        if (is_leader) {
                cmi_share_give_up(load, share);
        }
        return take_turn(load, call, !(call->flags & CM_LOAD_NO_WAIT));
}

/*
 * As run(), or what another process has loaded. Asking may take long, so no turn is held. Who is
 * told to lead and has to wait for its turn lets others lead meanwhile, and asks again; then with a
 * turn, so without waiting for anybody.
 */
static int run_shared(struct cm_load *load, const struct cmi_load_call *call)
{
        bool is_hasty = call->flags & CM_LOAD_NO_WAIT;
        bool has_turn = false;
        struct cmi_share share;
        int r;

        for (;;) {
                r = ask(load, call, is_hasty || has_turn, &share);
                if (r == CMI_SHARE_TAKE) {
                        return load->is_negative ? CM_NEGATIVE : 0;
                }
                if (r == CM_E_BUSY && has_turn) {
                        pass_turn(load);
                        has_turn = false;
                        continue;
                }
                if (r < 0) {
                        return r == CM_E_BUSY || r == CM_E_TIMEOUT ? not_run(load, r) : r;
                }
                if (has_turn || take_turn(load, call, false) == 0) {
                        return run(load, call, r == CMI_SHARE_LEAD ? &share : NULL);
                }
                if (wait_for_turn(load, call, &share, r == CMI_SHARE_LEAD) < 0) {
                        return not_run(load, CM_E_BUSY);
                }
                if (r == CMI_SHARE_ALONE) {
                        return run(load, call, NULL);
                }
                has_turn = true;
        }
}

int cmi_load_run(struct cm_load *load, const struct cmi_load_call *call)
{
        return cmi_load_is_shared(load->region) ? run_shared(load, call) : run(load, call, NULL);
}
