/* SPDX-License-Identifier: MIT */
/* What a plane writes to its disk, who waits for it, and what it takes from there. */
#include "tests/meshd/paper_disk.h"
#include "tests/meshd/plane_rig.h"
#include "tests/wire/bytes.h"

#define ALL PAPER_QUEUE_MAX
#define SENT(made) send_request(&rig, made)

static struct paper_disk disk;

static int64_t send_request(struct plane_rig *rig, struct cmi_session_request request)
{
        uint32_t n = rig->n_answers;

        plane_rig_send(rig, &request);
        return rig->n_answers == n ? G_MAXINT64 : rig->answer.outcome;
}

#define WAITS G_MAXINT64

static void open_rig(struct plane_rig *rig)
{
        disk = (struct paper_disk){.queue_max = ALL};
        plane_rig_init(rig);
        rig->disk = paper_disk_sink(&disk);
        g_assert_cmpint(plane_rig_start(rig), ==, 0);
}

#define BEGIN                                                                                      \
        struct plane_rig rig;                                                                      \
        open_rig(&rig);                                                                            \
        plane_loaded(rig.plane, rig.now)
#define END                                                                                        \
        plane_rig_close(&rig);                                                                     \
        paper_disk_close(&disk)

static void commit(struct plane_rig *rig)
{
        plane_committed(rig->plane, rig->now, paper_disk_commit(&disk, ALL));
}

static void restart(struct plane_rig *rig)
{
        paper_disk_forget(&disk);
        rig->plane = plane_free(rig->plane);
        rig->options.incarnation++;
        g_assert_cmpint(plane_rig_start(rig), ==, 0);
}

static void start_again(struct plane_rig *rig)
{
        restart(rig);
        paper_disk_load(&disk, rig->plane, rig->now, false);
}

/* Items */

static struct cmi_slice write_record(uint8_t *buffer, struct disk_item *item)
{
        *item = (struct disk_item){
                        .pass = 3,
                        .session = {.key = plane_rig_key(1),
                                        .version = {{1, {{7}}, 3}, 1, {{7}}},
                                        .created_ms = PLANE_RIG_START_MS,
                                        .max_end_ms = PLANE_RIG_START_MS + 1000,
                                        .last_touch_ms = PLANE_RIG_START_MS,
                                        .blob_len = 4},
                        .blob = cmi_slice_str("blob"),
        };
        item->session.blob_sum = cmi_session_sum(item->blob);
        return disk_item_write(buffer, DISK_RECORD, item);
}

static void an_item_comes_back_as_it_was(void)
{
        static uint8_t buffer[DISK_ITEM_MAX];
        struct disk_item item, there;
        struct cmi_slice value = write_record(buffer, &item);

        g_assert_cmpint(disk_item_read(DISK_RECORD, &item.session.key, value, &there), ==, 0);
        g_assert_cmpuint(there.pass, ==, 3);
        g_assert_cmpuint(disk_item_pass(value), ==, 3);
        g_assert_true(cmi_slice_equal(there.blob, item.blob));
        g_assert_cmpuint(there.session.max_end_ms, ==, item.session.max_end_ms);
}

static void an_item_that_was_changed_or_cut_is_none(void)
{
        static uint8_t buffer[DISK_ITEM_MAX];
        struct disk_item item, there;
        struct cmi_slice value = write_record(buffer, &item);
        struct cmi_id other = plane_rig_key(2);

        for (size_t i = 0; i < value.len * 8; i++) {
                buffer[i / 8] ^= (uint8_t)(1u << i % 8);
                g_assert_cmpint(disk_item_read(DISK_RECORD, &item.session.key, value, &there), ==,
                                -EBADMSG);
                buffer[i / 8] ^= (uint8_t)(1u << i % 8);
        }
        for (size_t len = 0; len < value.len; len++) {
                g_autofree uint8_t *cut = g_memdup2(buffer, len);

                g_assert_cmpint(disk_item_read(DISK_RECORD, &item.session.key, cmi_slice(cut, len),
                                                &there),
                                ==, -EBADMSG);
        }
        g_assert_cmpint(disk_item_read(DISK_RECORD, &other, value, &there), ==, -EBADMSG);
        g_assert_cmpint(disk_item_read(DISK_DEAD, &item.session.key, value, &there), ==, -EBADMSG);
}

/* Whatever is in a file: its sum is right, and all else is made up. */
static void random_items_are_read_or_refused(void)
{
        static uint8_t buffer[DISK_ITEM_MAX];
        g_autoptr(GRand) random = g_rand_new_with_seed(test_seed());
        struct disk_item item, there;
        struct cmi_slice value = write_record(buffer, &item);

        for (int i = 0; i < 20000; i++) {
                g_autofree uint8_t *bytes = g_memdup2(value.data, value.len);
                size_t len = (size_t)g_rand_int_range(
                                random, DISK_ITEM_FIXED + 1, (gint32)value.len + 1);
                uint64_t sum;

                for (int n = g_rand_int_range(random, 1, 4); n > 0; n--) {
                        bytes[g_rand_int_range(random, 8, (gint32)len)] =
                                        (uint8_t)g_rand_int(random);
                }
                sum = cmi_session_sum(cmi_slice(bytes + 8, len - 8));
                memcpy(bytes, &sum, sizeof(sum));
                for (int kind = DISK_DEAD; kind <= DISK_RECORD; kind++) {
                        int r = disk_item_read((enum disk_kind)kind, &item.session.key,
                                        cmi_slice(bytes, len), &there);

                        g_assert_true(r == 0 || r == -EBADMSG);
                }
        }
}

/* Waiting for it */

static void a_logout_is_told_when_it_is_safe(void)
{
        BEGIN;
        g_assert_cmpint(SENT(plane_rig_create(&rig, 1, "one")), ==, 0);
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        commit(&rig);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        g_assert_cmpint(SENT(plane_rig_create(&rig, 1, "one")), ==, CMI_GONE);
        END;
}

static void a_logout_that_was_not_told_may_be_undone(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        commit(&rig);
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, 0);
        g_assert_true(plane_rig_has(&rig, "one"));
        END;
}

static void who_logs_out_everywhere_waits_too(void)
{
        struct cmi_session_request create;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.principal = (struct cmi_id){{9}};
        g_assert_cmpint(SENT(create), ==, 0);
        commit(&rig);
        g_assert_cmpint(SENT(plane_rig_principal(&rig, 9)), ==, WAITS);
        commit(&rig);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        END;
}

static void who_is_told_that_others_may_know_it_waits_too(void)
{
        struct cmi_session_request create;

        BEGIN;
        rig.has_others = true;
        create = plane_rig_create(&rig, 1, "one");
        create.principal = (struct cmi_id){{9}};
        g_assert_cmpint(SENT(create), ==, 0);
        commit(&rig);
        g_assert_cmpint(SENT(plane_rig_principal(&rig, 9)), ==, WAITS);
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 2)), ==, WAITS);
        commit(&rig);
        g_assert_cmpuint(rig.n_answers, ==, 3);
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_UNCONFIRMED);
        g_assert_true(g_str_has_prefix(rig.answer.text, "ended on this node"));
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        END;
}

static void a_save_waits_if_it_is_to_be_on_the_disk(void)
{
        struct cmi_session_request save;

        BEGIN;
        g_assert_cmpint(SENT(plane_rig_create(&rig, 1, "one")), ==, 0);
        save = plane_rig_save(&rig, 1, "two");
        save.level = CMI_SESSION_DISK;
        g_assert_cmpint(SENT(save), ==, WAITS);
        commit(&rig);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        g_assert_cmpint(SENT(plane_rig_save(&rig, 1, "three")), ==, 0);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, 0);
        g_assert_true(plane_rig_has(&rig, "two"));
        END;
}

static void a_repeated_logout_waits_as_the_first_one(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        commit(&rig);
        g_assert_cmpuint(rig.n_answers, ==, 3);
        g_assert_cmpuint(plane_disk_status(rig.plane).n_held, ==, 0);
        END;
}

static void a_slow_disk_is_waited_for_until_the_deadline(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        plane_rig_pass(&rig, PLANE_TIMEOUT_MS - 1);
        g_assert_cmpuint(rig.n_answers, ==, 1);
        plane_rig_pass(&rig, 1);
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_UNCONFIRMED);
        g_assert_cmpstr(rig.answer.text, !=, "");
        commit(&rig);
        g_assert_cmpuint(rig.n_answers, ==, 2);
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        commit(&rig);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        END;
}

static void who_is_gone_is_not_answered(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        plane_cancel(rig.plane, 1);
        commit(&rig);
        g_assert_cmpuint(rig.n_answers, ==, 1);
        END;
}

/* A disk that breaks */

static void a_broken_disk_does_not_keep_anybody_from_working(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 1)), ==, WAITS);
        paper_disk_forget(&disk);
        plane_disk_broken(rig.plane, rig.now);
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_UNCONFIRMED);
        g_assert_cmpint(SENT(plane_rig_create(&rig, 2, "two")), ==, 0);
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 2)), ==, CMI_E_UNCONFIRMED);
        g_assert_cmpint(SENT(plane_rig_get(2)), ==, CMI_GONE);
        END;
}

static void a_mended_disk_gets_all_that_there_is(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        SENT(plane_rig_create(&rig, 2, "two"));
        commit(&rig);
        plane_disk_broken(rig.plane, rig.now);
        SENT(plane_rig_destroy(&rig, 1));
        SENT(plane_rig_create(&rig, 3, "three"));
        plane_disk_mended(rig.plane, rig.now);
        g_assert_cmpint(SENT(plane_rig_destroy(&rig, 2)), ==, WAITS);
        while (disk.n_queue > 0 || plane_disk_status(rig.plane).state != PLANE_DISK_WORKS) {
                plane_tick(rig.plane, rig.now);
                commit(&rig);
        }
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        g_assert_cmpint(SENT(plane_rig_get(2)), ==, CMI_GONE);
        g_assert_cmpint(SENT(plane_rig_get(3)), ==, 0);
        END;
}

/* Starting */

static void nothing_is_served_before_all_is_loaded(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        commit(&rig);
        restart(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, WAITS);
        g_assert_cmpint(plane_disk_status(rig.plane).state, ==, PLANE_DISK_LOADING);
        paper_disk_load(&disk, rig.plane, rig.now, false);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        g_assert_true(plane_rig_has(&rig, "one"));
        END;
}

static void who_waits_for_a_disk_that_reads_for_ever_is_told(void)
{
        BEGIN;
        restart(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, WAITS);
        plane_rig_pass(&rig, PLANE_TIMEOUT_MS);
        g_assert_cmpint(rig.answer.outcome, ==, CMI_E_UNCONFIRMED);
        END;
}

static void what_was_over_by_the_clock_is_not_loaded(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        commit(&rig);
        rig.now.real_ns += cmi_ms(PLANE_RIG_HOUR_MS);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        g_assert_cmpuint(plane_disk_status(rig.plane).n_over, ==, 1);
        commit(&rig);
        g_assert_cmpuint(paper_disk_count(&disk, DISK_RECORD), ==, 0);
        END;
}

static void a_clock_that_was_set_back_makes_nothing_live_longer(void)
{
        BEGIN;
        SENT(plane_rig_create(&rig, 1, "one"));
        commit(&rig);
        rig.now.real_ns -= cmi_ms(2 * CMI_SESSION_LIFE_MAX_MS);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        END;
}

static void a_use_is_written_once_in_an_interval(void)
{
        struct cmi_session_request create;
        uint32_t n_written = 0;

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.idle_ttl_ms = 60000; /* 3 s of it */
        SENT(create);
        commit(&rig);
        for (int i = 0; i < 600; i++) {
                plane_rig_pass(&rig, 100);
                SENT(plane_rig_get(1));
                n_written += disk.n_queue;
                commit(&rig);
        }
        g_assert_cmpuint(n_written, >=, 19);
        g_assert_cmpuint(n_written, <=, 21);
        END;
}

static void a_smaller_memory_leaves_on_the_disk_what_it_cannot_hold(void)
{
        static char text[30000];

        memset(text, 'x', sizeof(text) - 1);
        BEGIN;
        for (uint32_t i = 0; i < 4; i++) {
                SENT(plane_rig_create(&rig, i, text));
        }
        commit(&rig);
        rig.options.store.record_bytes = STORE_MEMORY_MIN;
        start_again(&rig);
        commit(&rig);
        g_assert_cmpuint(plane_disk_status(rig.plane).n_unloaded, ==, 2);
        g_assert_cmpuint(paper_disk_count(&disk, DISK_RECORD), ==, 4);
        END;
}

static void who_logs_out_everywhere_ends_what_was_left_on_the_disk(void)
{
        static char text[30000];

        memset(text, 'x', sizeof(text) - 1);
        BEGIN;
        for (uint32_t i = 0; i < 4; i++) {
                struct cmi_session_request create = plane_rig_create(&rig, i, text);

                create.principal = (struct cmi_id){{i < 2 ? 8 : 9}};
                g_assert_cmpint(SENT(create), ==, 0);
        }
        commit(&rig);
        rig.options.store.record_bytes = STORE_MEMORY_MIN;
        start_again(&rig);
        g_assert_cmpuint(plane_disk_status(rig.plane).n_unloaded, ==, 2);
        g_assert_cmpint(SENT(plane_rig_principal(&rig, 9)), ==, WAITS);
        commit(&rig);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        rig.options.store.record_bytes = 4u << 20;
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(0)), ==, 0);
        g_assert_cmpint(SENT(plane_rig_get(2)), ==, CMI_GONE);
        g_assert_cmpint(SENT(plane_rig_get(3)), ==, CMI_GONE);
        END;
}

/* Sessions of principal 9, in one instant: 1, then it ended all of them, then 2. */
static struct paper_item *two_sessions_and_counts(struct plane_rig *rig)
{
        static const struct cmi_id principal = {{9}};

        for (uint32_t key = 1; key <= 2; key++) {
                struct cmi_session_request create = plane_rig_create(rig, key, "content");

                create.principal = principal;
                g_assert_cmpint(send_request(rig, create), ==, 0);
                if (key == 1) {
                        send_request(rig, plane_rig_principal(rig, 9));
                }
                commit(rig);
        }
        return paper_disk_find(&disk, DISK_COUNTS, &principal);
}

static void damaged_counts_end_the_sessions_though_the_clock_stands(void)
{
        BEGIN;
        two_sessions_and_counts(&rig)->value[20] ^= 1;
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(2)), ==, CMI_GONE);
        END;
}

static void a_session_tells_the_count_that_the_disk_has_lost(void)
{
        struct paper_item *counts;

        BEGIN;
        counts = two_sessions_and_counts(&rig);
        counts->kind = DISK_NONE;
        g_clear_pointer(&counts->value, free);
        start_again(&rig);
        g_assert_cmpint(SENT(plane_rig_get(2)), ==, 0);
        g_assert_cmpint(SENT(plane_rig_principal(&rig, 9)), ==, WAITS);
        commit(&rig);
        g_assert_cmpint(rig.answer.outcome, ==, 0);
        g_assert_cmpint(SENT(plane_rig_get(2)), ==, CMI_GONE);
        END;
}

/* However many there are: a logout of this node's own is refused when others are this many. */
static void damaged_counts_end_the_sessions_though_room_is_short(void)
{
        struct cmi_session_request create;
        const struct paper_item *item;
        struct cmi_id principal = {{9}};

        BEGIN;
        create = plane_rig_create(&rig, 1, "one");
        create.principal = principal;
        g_assert_cmpint(SENT(create), ==, 0);
        commit(&rig);
        restart(&rig);
        for (int i = 0; i < 20000; i++) {
                struct cmi_id other = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
                int r = plane_load(
                                rig.plane, rig.now, DISK_COUNTS, &other, cmi_slice_str("damaged"));

                g_assert_true(r == PLANE_LOAD_DAMAGED || r == PLANE_LOAD_FULL);
                if (i == 2000) {
                        plane_load(rig.plane, rig.now, DISK_COUNTS, &principal,
                                        cmi_slice_str("damaged"));
                }
        }
        item = paper_disk_find(&disk, DISK_RECORD, &create.key);
        g_assert_cmpint(plane_load(rig.plane, rig.now, DISK_RECORD, &item->id,
                                        cmi_slice(item->value, item->len)),
                        !=, PLANE_LOADED);
        plane_loaded(rig.plane, rig.now);
        g_assert_cmpint(SENT(plane_rig_get(1)), ==, CMI_GONE);
        END;
}

static void each_allocation_may_fail(void)
{
        for (uint64_t n = 1; n < 4; n++) {
                struct plane_rig rig;

                disk = (struct paper_disk){.queue_max = ALL};
                plane_rig_init(&rig);
                rig.disk = paper_disk_sink(&disk);
                rig.memory.fail_at = n;
                g_assert_cmpint(plane_rig_start(&rig), ==, -ENOMEM);
                plane_rig_close(&rig);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/journal/" #name, name)
        CASE(an_item_comes_back_as_it_was);
        CASE(an_item_that_was_changed_or_cut_is_none);
        CASE(random_items_are_read_or_refused);
        CASE(a_logout_is_told_when_it_is_safe);
        CASE(a_logout_that_was_not_told_may_be_undone);
        CASE(who_logs_out_everywhere_waits_too);
        CASE(who_is_told_that_others_may_know_it_waits_too);
        CASE(a_save_waits_if_it_is_to_be_on_the_disk);
        CASE(a_repeated_logout_waits_as_the_first_one);
        CASE(a_slow_disk_is_waited_for_until_the_deadline);
        CASE(who_is_gone_is_not_answered);
        CASE(a_broken_disk_does_not_keep_anybody_from_working);
        CASE(a_mended_disk_gets_all_that_there_is);
        CASE(nothing_is_served_before_all_is_loaded);
        CASE(who_waits_for_a_disk_that_reads_for_ever_is_told);
        CASE(what_was_over_by_the_clock_is_not_loaded);
        CASE(a_clock_that_was_set_back_makes_nothing_live_longer);
        CASE(a_use_is_written_once_in_an_interval);
        CASE(a_smaller_memory_leaves_on_the_disk_what_it_cannot_hold);
        CASE(who_logs_out_everywhere_ends_what_was_left_on_the_disk);
        CASE(damaged_counts_end_the_sessions_though_the_clock_stands);
        CASE(a_session_tells_the_count_that_the_disk_has_lost);
        CASE(damaged_counts_end_the_sessions_though_room_is_short);
        CASE(each_allocation_may_fail);
        return g_test_run();
}
