/* SPDX-License-Identifier: MIT */
/*
 * What is loaded from the disk, before anything is served: it is a copy as any other, and is asked
 * as such. What cannot be read must not make anything alive: of a tombstone that is damaged the
 * name is known, and of counts whose they are, so the one is kept as ended for as long as a session
 * can live, and the sessions of the other are all ended.
 */
#include "meshd/session/plane_state.h"

#include <string.h>

/* As on the disk, unless told otherwise. */
static int merge_quietly(
                struct plane *plane, struct cmi_time now, const struct store_change *change)
{
        int r;

        plane->journal.is_loading_one = true;
        r = store_merge(plane->store, now, change, NULL);
        plane->journal.is_loading_one = false;
        return r;
}

/* What is here is not what is there. */
static int differ(struct plane *plane, const struct cmi_id *id, bool is_principal, int outcome)
{
        journal_mark(plane, id, is_principal);
        return outcome;
}

static int load_dead(struct plane *plane, struct cmi_time now, const struct disk_item *item)
{
        const struct store_change change = {.way = STORE_TOMBSTONE, .tombstone = &item->tombstone};
        int r = merge_quietly(plane, now, &change);

        if (store_is_full(r)) {
                return PLANE_LOAD_FULL; /* nothing that is unknown is taken then */
        }
        if (r == STORE_STORED || r == STORE_SAME) {
                return PLANE_LOADED;
        }
        return differ(plane, &item->tombstone.key, false, PLANE_LOAD_OVER);
}

static int load_counts(struct plane *plane, struct cmi_time now, const struct disk_item *item)
{
        const struct store_change change = {.way = STORE_PRINCIPAL, .principal = &item->principal};
        int r = merge_quietly(plane, now, &change);

        if (store_is_full(r)) {
                return PLANE_LOAD_FULL;
        }
        if (r == STORE_STORED || r == STORE_SAME) {
                return PLANE_LOADED;
        }
        return differ(plane, &item->principal.principal, true, PLANE_LOAD_OVER);
}

/* It was idle for too long when nobody was there to say so. */
static bool end_idle(struct plane *plane, struct cmi_time now, const struct cmi_id *key)
{
        struct store_view view;
        struct store_change change = {.way = STORE_END};

        if (store_find(plane->store, now, key, &view) != STORE_STORED ||
                        view.session.idle_ttl_ms == 0 ||
                        cmi_session_idle_end_ms(view.session.last_touch_ms,
                                        view.session.idle_ttl_ms) > plane_utc_ms(now) ||
                        JOURNAL_MUTANT(IDLE_REVIVED)) {
                return false;
        }
        change.end = (struct store_end){
                        .key = *key,
                        .epoch = plane_epoch(plane, &view),
                        .expected = view.session.version,
                        .reason = CMI_TOMBSTONE_IDLE,
                        .last_touch_ms = view.session.last_touch_ms,
        };
        return store_merge(plane->store, now, &change, NULL) == STORE_STORED;
}

/* How often this node has ended all of theirs, as far as is known here. */
static uint64_t count_known(struct plane *plane, struct cmi_time now, const struct cmi_id *hash)
{
        struct cmi_principal known = {0};

        if (store_principal(plane->store, now, hash, &known) == STORE_ABSENT) {
                return 0;
        }
        for (uint32_t i = 0; i < known.n_counts; i++) {
                if (cmi_id_equal(&known.counts[i].node, &plane->options.node_id)) {
                        return known.counts[i].count;
                }
        }
        return 0;
}

/*
 * A session says under which count it was made. The disk may have lost that one, as when it was
 * broken; then the next could be no higher where the clock was set back, and would end nothing.
 */
static void learn_count(struct plane *plane, struct cmi_time now, const struct cmi_session *session)
{
        struct cmi_principal counts = {.principal = session->principal, .n_counts = 1};
        const struct store_change change = {.way = STORE_PRINCIPAL, .principal = &counts};

        for (uint32_t i = 0; i < session->n_vector; i++) {
                const struct cmi_session_count *made_under = &session->vector[i];

                if (cmi_id_equal(&made_under->node, &plane->options.node_id) &&
                                made_under->count > count_known(plane, now, &session->principal)) {
                        counts.counts[0] = (struct cmi_principal_count){made_under->node,
                                        made_under->count,
                                        plane_utc_ms(now) + plane_life_max_ms(plane)};
                        store_merge(plane->store, now, &change, NULL);
                }
        }
}

static int load_record(struct plane *plane, struct cmi_time now, const struct disk_item *item)
{
        const struct cmi_session *session = &item->session;
        const struct store_change change = {
                        .way = STORE_COPY, .record = {.session = session, .blob = item->blob}};
        int r = merge_quietly(plane, now, &change);

        if (r < 0) {
                return differ(plane, &session->key, false, PLANE_LOAD_DAMAGED);
        }
        if (store_is_full(r)) {
                return PLANE_LOAD_FULL;
        }
        if (r != STORE_STORED && r != STORE_SAME) {
                return differ(plane, &session->key, false, PLANE_LOAD_OVER);
        }
        learn_count(plane, now, session);
        return end_idle(plane, now, &session->key)
                               ? differ(plane, &session->key, false, PLANE_LOAD_OVER)
                               : PLANE_LOADED;
}

/* Return: as store_merge(). */
static int bury(struct plane *plane, struct cmi_time now, const struct cmi_id *key)
{
        const struct cmi_tombstone tombstone = {
                        .key = *key,
                        .max_end_ms = plane_utc_ms(now) + plane_life_max_ms(plane),
                        .reason = CMI_TOMBSTONE_DESTROY,
        };
        const struct store_change change = {.way = STORE_TOMBSTONE, .tombstone = &tombstone};

        return store_merge(plane->store, now, &change, NULL);
}

/*
 * As if somebody else had raised them: a logout of our own would be refused where room is short,
 * and how high our own count was is not known any more. That of nobody else is higher in each
 * process.
 */
static int end_all(struct plane *plane, struct cmi_time now, const struct cmi_id *principal)
{
        struct cmi_principal counts = {
                        .principal = *principal,
                        .n_counts = 1,
                        .counts = {{plane->options.node_id, plane->options.incarnation,
                                        plane_utc_ms(now) + plane_life_max_ms(plane)}},
        };
        const struct store_change change = {.way = STORE_PRINCIPAL, .principal = &counts};

        counts.counts[0].node.bytes[0] ^= 0xff;
        return JOURNAL_MUTANT(COUNTS_DROPPED) ? 0 : store_merge(plane->store, now, &change, NULL);
}

static int load_damaged(struct plane *plane, struct cmi_time now, enum disk_kind kind,
                const struct cmi_id *id)
{
        int r = kind == DISK_DEAD     ? bury(plane, now, id)
                : kind == DISK_COUNTS ? end_all(plane, now, id)
                                      : 0;

        if (store_is_full(r)) {
                return PLANE_LOAD_FULL; /* nothing that is unknown is taken then */
        }
        return differ(plane, id, kind == DISK_COUNTS, PLANE_LOAD_DAMAGED);
}

static int load(struct plane *plane, struct cmi_time now, enum disk_kind kind,
                const struct cmi_id *id, struct cmi_slice value)
{
        struct journal *journal = &plane->journal;
        struct disk_item item;
        int r = disk_item_read(kind, id, value, &item);

        if (item.pass > journal->pass_found && r == 0) {
                journal->pass_found = item.pass;
        }
        if (r != 0 || cmi_id_is_zero(id)) {
                return load_damaged(plane, now, kind, id);
        }
        switch (kind) {
        case DISK_DEAD:
                return load_dead(plane, now, &item);
        case DISK_COUNTS:
                return load_counts(plane, now, &item);
        case DISK_RECORD:
                return load_record(plane, now, &item);
        case DISK_NONE:
                break;
        }
        return PLANE_LOAD_DAMAGED;
}

int plane_load(struct plane *plane, struct cmi_time now, enum disk_kind kind,
                const struct cmi_id *id, struct cmi_slice value)
{
        struct plane_disk_status *counters = &plane->journal.counters;
        int r = load(plane, now, kind, id, value);

        counters->n_loaded += r == PLANE_LOADED;
        counters->n_over += r == PLANE_LOAD_OVER;
        counters->n_damaged += r == PLANE_LOAD_DAMAGED;
        counters->n_unloaded += r == PLANE_LOAD_FULL;
        return r;
}

void plane_loaded(struct plane *plane, struct cmi_time now)
{
        struct journal *journal = &plane->journal;

        if (journal->state != PLANE_DISK_LOADING) {
                return;
        }
        journal->pass = journal->pass_found + 1;
        journal->state = PLANE_DISK_WORKS;
        if (journal->is_overflown) { /* too much was not as on the disk */
                plane_disk_broken(plane, now);
                plane_disk_mended(plane, now);
        }
        plane_tick(plane, now);
}
