/* SPDX-License-Identifier: MIT */
#include "libcachemesh/pending.h"

#include "tests/libcachemesh/fake_handle.h"

#include <errno.h>
#include <glib.h>

struct fixture {
        struct cm cm;
        struct cmi_pending pending;
        struct cmi_waiters waiters;
};

static void set_up(struct fixture *f, const void *unused)
{
        memset((void *)&f->cm, 0, sizeof(f->cm));
        cmi_pending_init(&f->pending, &f->cm, 4);
}

static void tear_down(struct fixture *f, const void *unused)
{
        cmi_pending_clear(&f->pending, CM_PENDING);
        g_assert_cmpint(f->cm.n_allocated, ==, 0);
}

static struct cmi_publication *add(struct fixture *f, enum cm_wait wait)
{
        struct cmi_publication *publication = NULL;

        g_assert_cmpint(cmi_pending_add(&f->pending, cmi_slice("op", 2), wait, 0, &publication), ==,
                        0);
        return publication;
}

static void one_result_confirms_all_before_it_that_asked_for_no_wait(
                struct fixture *f, const void *unused)
{
        struct cmi_publication *waiting;

        add(f, CM_WAIT_NONE);
        waiting = add(f, CM_WAIT_MESH);
        add(f, CM_WAIT_NONE);
        add(f, CM_WAIT_NONE);
        for (uint64_t id = 1; id <= 4; id++) {
                cmi_pending_written(&f->pending, id, id * 10);
        }
        cmi_pending_confirm(&f->pending, 3);
        g_assert_cmpuint(f->pending.n, ==, 2);
        g_assert_true(cmi_pending_find(&f->pending, 2) == waiting);
        g_assert_nonnull(cmi_pending_find(&f->pending, 4));
        g_assert_null(cmi_pending_find(&f->pending, 3));
}

static void what_is_not_written_is_not_confirmed(struct fixture *f, const void *unused)
{
        add(f, CM_WAIT_NONE);
        add(f, CM_WAIT_NONE);
        cmi_pending_written(&f->pending, 1, 10);
        cmi_pending_confirm(&f->pending, 100);
        g_assert_cmpuint(f->pending.n, ==, 1);
        g_assert_true(f->pending.unwritten == f->pending.head);
}

static void a_lost_socket_makes_all_unwritten_again_in_their_order(
                struct fixture *f, const void *unused)
{
        struct cmi_publication *first = add(f, CM_WAIT_NONE);
        struct cmi_publication *second = add(f, CM_WAIT_NONE);

        cmi_pending_written(&f->pending, 1, 10);
        cmi_pending_requeue(&f->pending, 10);
        g_assert_true(f->pending.unwritten == first && first->next == second);
        g_assert_cmpuint(f->pending.n_late, ==, 2);
        g_assert_null(cmi_pending_find(&f->pending, 1));
}

static void a_waiter_learns_that_its_sent_publication_is_of_unknown_fate(
                struct fixture *f, const void *unused)
{
        struct cmi_publication *sent = add(f, CM_WAIT_MESH);
        struct cmi_publication *half_sent = add(f, CM_WAIT_MESH);
        struct cmi_waiter waiters[2];

        cmi_waiters_enter(&f->waiters, &waiters[0], CMI_WAITER_ANSWER, NULL);
        cmi_waiters_enter(&f->waiters, &waiters[1], CMI_WAITER_ANSWER, NULL);
        sent->waiter = &waiters[0];
        half_sent->waiter = &waiters[1];
        cmi_pending_written(&f->pending, 1, 10);
        cmi_pending_written(&f->pending, 2, 20);
        cmi_pending_requeue(&f->pending, 15);
        g_assert_true(waiters[0].is_done);
        g_assert_cmpint(waiters[0].outcome, ==, CM_PENDING);
        g_assert_cmpint(sent->wait, ==, CM_WAIT_NONE);
        /* The other one cannot have arrived, so its call goes on. */
        g_assert_false(waiters[1].is_done);
        g_assert_cmpint(half_sent->wait, ==, CM_WAIT_MESH);
        cmi_pending_clear(&f->pending, CM_PENDING);
        g_assert_true(waiters[1].is_done);
        cmi_waiters_leave(&f->waiters, &waiters[0]);
        cmi_waiters_leave(&f->waiters, &waiters[1]);
        g_assert_true(f->waiters.head == NULL && f->waiters.tail == NULL);
}

static void a_wait_that_meshd_cannot_hold_is_repeated_without_one(
                struct fixture *f, const void *unused)
{
        struct cmi_publication *busy = add(f, CM_WAIT_MESH);
        struct cmi_waiter waiter;

        add(f, CM_WAIT_NONE);
        cmi_waiters_enter(&f->waiters, &waiter, CMI_WAITER_ANSWER, NULL);
        busy->waiter = &waiter;
        cmi_pending_written(&f->pending, 1, 10);
        cmi_pending_written(&f->pending, 2, 20);
        cmi_pending_repeat(&f->pending, busy);
        g_assert_cmpint(waiter.outcome, ==, CM_PENDING);
        g_assert_true(f->pending.unwritten == busy && f->pending.tail == busy);
        g_assert_cmpuint(f->pending.n, ==, 2);
        g_assert_cmpuint(f->pending.n_late, ==, 1);
        cmi_pending_confirm(&f->pending, 2);
        g_assert_true(f->pending.head == busy && busy->previous == NULL);
        cmi_pending_written(&f->pending, 3, 30);
        cmi_pending_confirm(&f->pending, 3);
        g_assert_cmpuint(f->pending.n, ==, 0);
        g_assert_cmpuint(f->pending.n_late, ==, 0);
        cmi_waiters_leave(&f->waiters, &waiter);
}

static void late_ones_are_counted_until_they_are_confirmed(struct fixture *f, const void *unused)
{
        struct cmi_publication *publication = add(f, CM_WAIT_NONE);

        cmi_pending_set_late(&f->pending, publication);
        cmi_pending_set_late(&f->pending, publication);
        g_assert_cmpuint(f->pending.n_late, ==, 1);
        cmi_pending_written(&f->pending, 1, 10);
        cmi_pending_confirm(&f->pending, 1);
        g_assert_cmpuint(f->pending.n_late, ==, 0);
}

static void it_is_full_by_number_and_by_bytes(struct fixture *f, const void *unused)
{
        g_autofree char *large = g_malloc0(CMI_PENDING_BYTES_MAX / 2);
        struct cmi_publication *publication;

        for (int i = 0; i < 3; i++) {
                add(f, CM_WAIT_NONE);
                g_assert_false(cmi_pending_is_full(&f->pending));
        }
        add(f, CM_WAIT_NONE);
        g_assert_true(cmi_pending_is_full(&f->pending));
        cmi_pending_clear(&f->pending, 0);
        for (int i = 0; i < 2; i++) {
                g_assert_false(cmi_pending_is_full(&f->pending));
                cmi_pending_add(&f->pending, cmi_slice(large, CMI_PENDING_BYTES_MAX / 2),
                                CM_WAIT_NONE, 0, &publication);
        }
        g_assert_true(cmi_pending_is_full(&f->pending));
}

static void without_memory_nothing_is_added(struct fixture *f, const void *unused)
{
        struct cmi_publication *publication;

        f->cm.is_out_of_memory = true;
        g_assert_cmpint(cmi_pending_add(&f->pending, cmi_slice("op", 2), CM_WAIT_NONE, 0,
                                        &publication),
                        ==, -ENOMEM);
        g_assert_cmpuint(f->pending.n, ==, 0);
}

#define CASE(name, function)                                                                       \
        g_test_add("/pending/" name, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("cumulative", one_result_confirms_all_before_it_that_asked_for_no_wait);
        CASE("unwritten", what_is_not_written_is_not_confirmed);
        CASE("requeue", a_lost_socket_makes_all_unwritten_again_in_their_order);
        CASE("waiter", a_waiter_learns_that_its_sent_publication_is_of_unknown_fate);
        CASE("repeat", a_wait_that_meshd_cannot_hold_is_repeated_without_one);
        CASE("late", late_ones_are_counted_until_they_are_confirmed);
        CASE("full", it_is_full_by_number_and_by_bytes);
        CASE("memory", without_memory_nothing_is_added);
        return g_test_run();
}
