/* SPDX-License-Identifier: MIT */
/*
 * What is written to the disk, and when. The store tells which keys are not what they were; each is
 * looked up when there is room for it, and written as it is then, so that one which changes often
 * is not written as often. More keys than there are marks for, or a disk that breaks, mean that
 * what is there is not known any more: then all is written anew, what has ended first, and what was
 * not swept away. Who waits for the disk is in held.c; what comes from it, in load.c.
 */
#include "meshd/session/plane_state.h"

#include <assert.h>
#include <errno.h>

#define MARKS_USUAL 32768

int journal_init(struct plane *plane)
{
        struct journal *journal = &plane->journal;

        if (!plane->sink.disk.write) {
                return 0;
        }
        journal->n_marks_max = plane->options.n_marks == 0 ? MARKS_USUAL : plane->options.n_marks;
        journal->marks = plane_alloc(plane, journal->n_marks_max * sizeof(*journal->marks));
        journal->buffer = plane_alloc(plane, DISK_ITEM_MAX);
        journal->state = PLANE_DISK_LOADING;
        return journal->marks && journal->buffer ? 0 : -ENOMEM;
}

void journal_deinit(struct plane *plane)
{
        struct journal *journal = &plane->journal;

        if (journal->marks) {
                plane_release(plane, journal->marks,
                                journal->n_marks_max * sizeof(*journal->marks));
        }
        if (journal->buffer) {
                plane_release(plane, journal->buffer, DISK_ITEM_MAX);
        }
}

bool journal_is_loading(const struct plane *plane)
{
        return plane->journal.state == PLANE_DISK_LOADING && !JOURNAL_MUTANT(DISK_BEFORE_DEAD);
}

/* Marks */

static void begin_rewrite(struct journal *journal)
{
        journal->state = PLANE_DISK_BEHIND;
        journal->pass = (journal->pass > journal->pass_found ? journal->pass
                                                             : journal->pass_found) +
                        1;
        journal->rewrite = (struct rewrite){.at = disk_order[0], .cursor = {.last = {{0}}}};
        memset(journal->rewrite.cursor.last.bytes, 0xff, sizeof(journal->rewrite.cursor.last));
        journal->counters.n_rewrites++;
}

/* More than is remembered: what is on the disk is not known from here on. */
static void overflow(struct journal *journal)
{
        journal->n_marks = 0;
        if (journal->state == PLANE_DISK_LOADING) {
                journal->is_overflown = true;
        } else if (!JOURNAL_MUTANT(OVERFLOW_UNWRITTEN)) {
                begin_rewrite(journal);
        }
}

static struct mark *mark_at(struct journal *journal, uint32_t index)
{
        assert(journal->n_marks_max > 0);
        return &journal->marks[(journal->first_mark + index) % journal->n_marks_max];
}

/* Changes of one key often follow each other. */
static bool is_last(struct journal *journal, const struct cmi_id *id, bool is_principal)
{
        const struct mark *last =
                        journal->n_marks > 0 ? mark_at(journal, journal->n_marks - 1) : NULL;

        return last && last->is_principal == is_principal && cmi_id_equal(&last->id, id);
}

uint64_t journal_mark(struct plane *plane, const struct cmi_id *id, bool is_principal)
{
        struct journal *journal = &plane->journal;

        if (is_last(journal, id, is_principal)) {
                return journal->serial;
        }
        if (journal->n_marks == journal->n_marks_max) {
                overflow(journal);
        }
        *mark_at(journal, journal->n_marks++) = (struct mark){*id, ++journal->serial, is_principal};
        return journal->serial;
}

static bool is_marking(const struct journal *journal)
{
        return journal->state != PLANE_DISK_NONE && journal->state != PLANE_DISK_BROKEN &&
               !journal->is_loading_one;
}

void journal_changed(void *context, const struct cmi_id *key, bool is_principal)
{
        struct plane *plane = context;

        if (is_marking(&plane->journal)) {
                journal_mark(plane, key, is_principal);
        }
}

/*
 * Once in an interval, which is the time that an idle session is given anyway: what a crash takes
 * away of its use never ends it early. Each session begins its intervals at another time.
 */
static uint64_t interval_of(const struct store_touched *touched, uint64_t at_ms)
{
        uint64_t interval_ms = cmi_session_touch_interval_ms(touched->idle_ttl_ms);
        uint64_t phase = touched->key.bytes[0] | (uint64_t)touched->key.bytes[1] << 8 |
                         (uint64_t)touched->key.bytes[2] << 16;

        interval_ms = interval_ms == 0 ? 1 : interval_ms;
        return (at_ms + phase % interval_ms) / interval_ms;
}

void journal_touched(void *context, const struct store_touched *touched)
{
        if (touched->idle_ttl_ms != 0 &&
                        interval_of(touched, touched->before_ms) !=
                                        interval_of(touched, touched->now_ms) &&
                        !JOURNAL_MUTANT(TOUCH_UNWRITTEN)) {
                journal_changed(context, &touched->key, false);
        }
}

/* Writing */

static bool send(struct plane *plane, struct plane_write *write)
{
        write->is_urgent = plane->journal.first != NULL;
        plane->journal.is_refused = !plane->sink.disk.write(plane->sink.disk.context, write);
        return !plane->journal.is_refused;
}

static bool write_item(struct plane *plane, struct plane_write *write, struct disk_item *item)
{
        if (write->put != DISK_NONE) {
                item->pass = plane->journal.pass;
                write->value = disk_item_write(plane->journal.buffer, write->put, item);
        }
        return send(plane, write);
}

static bool write_view(struct plane *plane, uint64_t serial, const struct store_view *view)
{
        struct disk_item item = {0};
        struct plane_write write = {.serial = serial};

        if (view->is_record) {
                write.id = view->session.key;
                write.put = DISK_RECORD;
                write.drops = 1u << DISK_DEAD;
                item.session = view->session;
                item.blob = view->blob;
        } else {
                write.id = view->tombstone.key;
                write.put = DISK_DEAD;
                write.drops = JOURNAL_MUTANT(RECORD_LEFT) ? 0 : 1u << DISK_RECORD;
                item.tombstone = view->tombstone;
        }
        return write_item(plane, &write, &item);
}

static bool write_key(struct plane *plane, struct cmi_time now, const struct mark *mark)
{
        struct store_view view = {.is_record = false};
        struct plane_write write = {.serial = mark->serial,
                        .id = mark->id,
                        .drops = 1u << DISK_RECORD | 1u << DISK_DEAD};

        if (store_find(plane->store, now, &mark->id, &view) == STORE_ABSENT) {
                return JOURNAL_MUTANT(FORGOTTEN_LEFT) || send(plane, &write);
        }
        return write_view(plane, mark->serial, &view);
}

static bool write_principal(struct plane *plane, struct cmi_time now, const struct mark *mark)
{
        struct disk_item item = {0};
        struct plane_write write = {.serial = mark->serial, .id = mark->id};

        if (JOURNAL_MUTANT(PRINCIPAL_UNWRITTEN)) {
                return true;
        }
        if (store_principal(plane->store, now, &mark->id, &item.principal) == STORE_ABSENT) {
                write.drops = 1u << DISK_COUNTS;
        } else {
                write.put = DISK_COUNTS;
        }
        return write_item(plane, &write, &item);
}

/* Return: was there room for all? */
static bool write_marks(struct plane *plane, struct cmi_time now)
{
        struct journal *journal = &plane->journal;

        for (uint32_t n = 0; journal->n_marks > 0; n++) {
                struct mark mark = *mark_at(journal, 0);

                if (n == PLANE_STEPS || !(mark.is_principal ? write_principal(plane, now, &mark)
                                                            : write_key(plane, now, &mark))) {
                        return false;
                }
                /* Looking it up may have ended something, and that may have been one too many. */
                if (journal->n_marks > 0 && mark_at(journal, 0)->serial == mark.serial) {
                        journal->first_mark = (journal->first_mark + 1) % journal->n_marks_max;
                        journal->n_marks--;
                }
        }
        return true;
}

/* All anew */

/* Return: an enum store_walk; STORE_PAUSED also when there was no room for it. */
static int rewrite_next(struct plane *plane, struct cmi_time now)
{
        struct journal *journal = &plane->journal;
        struct rewrite *rewrite = &journal->rewrite;
        struct store_cursor before = rewrite->cursor;
        struct plane_write write = {.put = DISK_COUNTS};
        struct disk_item item = {0};
        struct store_view view = {.is_record = false};
        bool is_written;
        int r;

        if (rewrite->at == DISK_COUNTS) {
                r = store_next_principal(plane->store, now, &rewrite->cursor, &item.principal);
                write.id = item.principal.principal;
        } else {
                r = store_next(plane->store, now,
                                rewrite->at == DISK_DEAD ? STORE_TOMBSTONES : STORE_RECORDS,
                                &rewrite->cursor, &view);
        }
        if (r != STORE_GIVEN) {
                return r;
        }
        is_written = rewrite->at == DISK_COUNTS ? write_item(plane, &write, &item)
                                                : write_view(plane, 0, &view);
        if (!is_written) {
                rewrite->cursor = before;
                return STORE_PAUSED;
        }
        return STORE_GIVEN;
}

static void rewrite_next_kind(struct rewrite *rewrite)
{
        uint32_t i = 0;

        while (disk_order[i] != rewrite->at) {
                i++;
        }
        rewrite->at = i + 1 < DISK_KINDS ? disk_order[i + 1] : DISK_NONE;
        rewrite->cursor = (struct store_cursor){.is_done = false};
        memset(rewrite->cursor.last.bytes, 0xff, sizeof(rewrite->cursor.last));
}

static void sweep(struct plane *plane)
{
        struct journal *journal = &plane->journal;
        struct plane_write write = {.serial = journal->serial + 1, .sweep = journal->pass};

        if (JOURNAL_MUTANT(SWEPT_NEVER)) {
                write.sweep = 1;
        }
        if (send(plane, &write)) {
                journal->rewrite.sweep_serial = ++journal->serial;
        }
}

static void rewrite(struct plane *plane, struct cmi_time now)
{
        struct rewrite *rewrite = &plane->journal.rewrite;

        rewrite->cursor.steps = PLANE_STEPS;
        while (rewrite->at != DISK_NONE) {
                int r = rewrite_next(plane, now);

                if (r == STORE_PAUSED || plane->journal.n_marks > 0) {
                        return;
                }
                if (r == STORE_WALKED) {
                        rewrite_next_kind(rewrite);
                        rewrite->cursor.steps = PLANE_STEPS;
                }
        }
        if (rewrite->sweep_serial == 0) {
                sweep(plane);
        }
}

void journal_write(struct plane *plane, struct cmi_time now)
{
        struct journal *journal = &plane->journal;

        if (journal->state != PLANE_DISK_WORKS && journal->state != PLANE_DISK_BEHIND) {
                return;
        }
        journal->is_refused = false;
        if (write_marks(plane, now) && journal->state == PLANE_DISK_BEHIND) {
                rewrite(plane, now);
        }
}

bool journal_is_due(const struct plane *plane)
{
        const struct journal *journal = &plane->journal;

        switch (journal->state) {
        case PLANE_DISK_WORKS:
                return journal->n_marks > 0 && !journal->is_refused;
        case PLANE_DISK_BEHIND:
                return (journal->n_marks > 0 || journal->rewrite.sweep_serial == 0) &&
                       !journal->is_refused;
        case PLANE_DISK_NONE:
        case PLANE_DISK_LOADING:
        case PLANE_DISK_BROKEN:
                break;
        }
        return false;
}

/* What the disk says */

void plane_committed(struct plane *plane, struct cmi_time now, uint64_t serial)
{
        struct journal *journal = &plane->journal;

        if (journal->state != PLANE_DISK_WORKS && journal->state != PLANE_DISK_BEHIND) {
                return;
        }
        journal->committed = serial > journal->committed ? serial : journal->committed;
        if (journal->state == PLANE_DISK_BEHIND && journal->rewrite.sweep_serial != 0 &&
                        journal->committed >= journal->rewrite.sweep_serial) {
                journal->state = PLANE_DISK_WORKS;
        }
        held_run(plane, now);
}

void plane_disk_broken(struct plane *plane, struct cmi_time now)
{
        struct journal *journal = &plane->journal;

        if (journal->state == PLANE_DISK_NONE) {
                return;
        }
        journal->state = PLANE_DISK_BROKEN;
        journal->n_marks = 0;
        held_run(plane, now);
}

void plane_disk_mended(struct plane *plane, struct cmi_time now)
{
        if (plane->journal.state == PLANE_DISK_BROKEN) {
                begin_rewrite(&plane->journal);
                journal_write(plane, now);
        }
}

void plane_disk_absent(struct plane *plane)
{
        plane->journal.state = PLANE_DISK_NONE;
        plane->journal.n_marks = 0;
}

struct plane_disk_status plane_disk_status(const struct plane *plane)
{
        const struct journal *journal = &plane->journal;
        struct plane_disk_status status = journal->counters;

        status.state = journal->state;
        status.n_marks = journal->n_marks;
        return status;
}
