/* SPDX-License-Identifier: MIT */
/* What proves that a page is still the node's though its lease is over, and what does not. */
#include "tests/libcachemesh/connection_fixture.h"

#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * CMI_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Looks are spaced by a clock that moves every few milliseconds. */
static void look(struct fixture *f)
{
        gint64 end_us = g_get_monotonic_time() + 20 * 1000;

        while (g_get_monotonic_time() < end_us) {
                f->cm->ops->vouch(f->cm);
        }
}

static bool await_vouched(struct fixture *f, unsigned n)
{
        gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

        while (f->cm->n_vouched < n && g_get_monotonic_time() < end_us) {
                f->cm->ops->vouch(f->cm);
        }
        return f->cm->n_vouched >= n;
}

static void end_lease(struct fixture *f)
{
        fake_meshd_page(f->meshd)->lease_end_mono_ns = 0;
}

static void a_meshd_that_holds_its_socket_vouches_for_its_page_for_less_than_a_lease(
                struct fixture *f, const void *unused)
{
        uint64_t lease_ns;

        fixture_start_region(f, NULL);
        lease_ns = fake_meshd_page(f->meshd)->lease_ns;
        end_lease(f);
        fake_meshd_pause(f->meshd);
        g_assert_true(await_vouched(f, 2));
        g_assert_cmpuint(f->cm->vouched_ns, >, now_ns());
        g_assert_cmpuint(f->cm->vouched_ns, <, now_ns() + lease_ns);
        fake_meshd_resume(f->meshd);
}

static void nobody_on_the_path_vouches_for_the_page_of_the_dead_one(
                struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_true(await_vouched(f, 1));
        /* Also without the file, and whatever pause there is between attempts to connect. */
        unlink(f->path);
        g_assert_true(await_vouched(f, 20));
        g_assert_true(fake_handle_is_offline(f->cm, NULL));
}

/* Somebody may have come, answered and gone. */
static void to_who_did_not_look_for_a_lease_nobody_proves_nothing(
                struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        end_lease(f);
        f->meshd = fake_meshd_kill(f->meshd);
        look(f);
        look(f);
        g_assert_cmpuint(f->cm->n_vouched, ==, 0);
        /* It finds the next one all the same. */
        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_true(await_vouched(f, 1));
        g_assert_cmpuint(f->cm->n_installs, ==, 2);
}

static void who_listens_in_the_place_of_the_dead_one_ends_its_page(
                struct fixture *f, const void *unused)
{
        unsigned n;

        fixture_start_region(f, NULL);
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_true(await_vouched(f, 1));
        f->meshd = fake_meshd_start(f->path, NULL);
        fake_meshd_pause(f->meshd); /* it answers nothing yet */
        n = f->cm->n_vouched;
        look(f);
        g_assert_cmpuint(f->cm->n_vouched, ==, n);
        g_assert_cmpuint(f->cm->n_installs, ==, 1);
        fake_meshd_resume(f->meshd);
        g_assert_true(await_vouched(f, n + 1));
        g_assert_cmpuint(f->cm->n_installs, ==, 2);
}

static void one_that_refuses_this_process_vouches_for_nothing(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        unsigned n;

        fixture_start_region(f, NULL);
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_true(await_vouched(f, 1));
        script.attach_error = -EACCES;
        f->meshd = fake_meshd_start(f->path, &script);
        n = f->cm->n_vouched;
        look(f);
        look(f);
        g_assert_cmpuint(f->cm->n_vouched, ==, n);
}

static void a_relative_path_may_lead_elsewhere_by_now(struct fixture *f, const void *unused)
{
        g_autofree char *directory = g_path_get_dirname(f->path);
        g_autofree char *before = g_get_current_dir();
        g_autofree char *name = g_path_get_basename(f->path);

        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_cmpint(chdir(directory), ==, 0);
        f->cm = fake_handle_open(name, NULL);
        g_assert_cmpint(fake_handle_region(f->cm, "r", 5000), ==, 0);
        g_assert_cmpint(chdir(before), ==, 0);
        g_assert_true(await_vouched(f, 1));
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_offline, NULL));
        f->cm->n_vouched = 0;
        look(f);
        g_assert_cmpuint(f->cm->n_vouched, ==, 0);
        f->cm = fake_handle_close(f->cm);
}

/* As one that was mounted alone into a container: whoever comes next makes a file of his own. */
static void a_file_that_has_lost_its_name_is_nobodys_place_any_more(
                struct fixture *f, const void *unused)
{
        g_autofree char *path = NULL;
        int fd;

        f->meshd = fake_meshd_start(f->path, NULL);
        fd = open(f->path, O_PATH | O_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        path = g_strdup_printf("/proc/self/fd/%d", fd);
        f->cm = fake_handle_open(path, NULL);
        g_assert_cmpint(fake_handle_region(f->cm, "r", 5000), ==, 0);
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_true(await_vouched(f, 1));
        g_assert_cmpint(unlink(f->path), ==, 0);
        f->cm->n_vouched = 0;
        look(f);
        g_assert_cmpuint(f->cm->n_vouched, ==, 0);
        f->cm = fake_handle_close(f->cm);
        close(fd);
}

static void a_page_whose_node_was_never_live_is_vouched_for_by_nobody(
                struct fixture *f, const void *unused)
{
        unsigned n;

        f->meshd = fake_meshd_start(f->path, NULL);
        fake_meshd_page(f->meshd)->state = CMI_PAGE_JOINING;
        end_lease(f);
        f->cm = fake_handle_open(f->path, NULL);
        g_assert_cmpint(fake_handle_region(f->cm, "r", 5000), ==, 0);
        look(f);
        g_assert_cmpuint(f->cm->n_vouched, ==, 0);
        fake_meshd_page(f->meshd)->state = CMI_PAGE_LIVE;
        g_assert_true(await_vouched(f, 1));
        /* That once is enough. */
        fake_meshd_page(f->meshd)->state = CMI_PAGE_JOINING;
        n = f->cm->n_vouched;
        g_assert_true(await_vouched(f, n + 2));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define ADD(path, function)                                                                        \
        g_test_add(path, struct fixture, NULL, fixture_set_up, function, fixture_tear_down)
        ADD("/connection/vouch/held",
                        a_meshd_that_holds_its_socket_vouches_for_its_page_for_less_than_a_lease);
        ADD("/connection/vouch/absent", nobody_on_the_path_vouches_for_the_page_of_the_dead_one);
        ADD("/connection/vouch/joining", a_page_whose_node_was_never_live_is_vouched_for_by_nobody);
        ADD("/connection/vouch/gap", to_who_did_not_look_for_a_lease_nobody_proves_nothing);
        ADD("/connection/vouch/other", who_listens_in_the_place_of_the_dead_one_ends_its_page);
        ADD("/connection/vouch/refused", one_that_refuses_this_process_vouches_for_nothing);
        ADD("/connection/vouch/relative", a_relative_path_may_lead_elsewhere_by_now);
        ADD("/connection/vouch/mounted", a_file_that_has_lost_its_name_is_nobodys_place_any_more);
        return g_test_run();
}
