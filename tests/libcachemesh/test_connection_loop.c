/* SPDX-License-Identifier: MIT */
/* Loop integration, state and events, and forked children. */
#include "tests/libcachemesh/connection_fixture.h"

#include "wire/op.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void without_a_descriptor_there_is_no_loop_and_the_rest_goes_on(
                struct fixture *f, const void *unused)
{
        struct rlimit limit;
        struct rlimit none;

        fixture_start_region(f, NULL);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        none = (struct rlimit){0, limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
        g_assert_cmpint(f->cm->ops->fd(f->cm), ==, -EMFILE);
        g_assert_cmpint(f->cm->ops->dispatch(f->cm), ==, 0);
        setrlimit(RLIMIT_NOFILE, &limit);
        g_assert_true(fake_handle_is_live(f->cm, NULL));
        g_assert_cmpint(f->cm->ops->fd(f->cm), >=, 0);
}

static bool is_readable(struct cm *cm, int timeout_ms)
{
        struct pollfd watched = {cm->ops->fd(cm), (short)cm->ops->events(cm), 0};

        return poll(&watched, 1, timeout_ms) == 1;
}

static void drain_events(struct cm *cm)
{
        struct cm_event event;

        while (cm->ops->next_event(cm, &event) == 0) {
        }
}

static void the_descriptor_stays_the_same_over_reconnects(struct fixture *f, const void *unused)
{
        int fd;

        fixture_start_region(f, NULL);
        fd = f->cm->ops->fd(f->cm);
        g_assert_cmpint(fd, >=, 0);
        for (int i = 0; i < 3; i++) {
                fake_meshd_kill(f->meshd);
                g_assert_true(fake_handle_await(f->cm, fake_handle_is_offline, NULL));
                f->meshd = fake_meshd_start(f->path, NULL);
                g_assert_true(fake_handle_await(f->cm, fake_handle_is_live, NULL));
                g_assert_cmpint(f->cm->ops->fd(f->cm), ==, fd);
        }
}

static void the_descriptor_is_readable_while_events_are_queued(
                struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        g_assert_true(is_readable(f->cm, 0));
        drain_events(f->cm);
        g_assert_false(is_readable(f->cm, 0));
}

static void a_dead_meshd_makes_the_descriptor_readable(struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        drain_events(f->cm);
        g_assert_false(is_readable(f->cm, 0));
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_true(is_readable(f->cm, 5000));
        f->cm->ops->dispatch(f->cm);
        g_assert_nonnull(fake_handle_find_event(f->cm, CM_EVENT_STATE));
        g_assert_false(is_readable(f->cm, 0));
        /* Then only time can bring the next step. */
        g_assert_cmpint(f->cm->ops->timeout_ms(f->cm), >=, 0);
        g_assert_cmpint(f->cm->ops->timeout_ms(f->cm), <=, 1001);
}

static void an_idle_live_handle_asks_for_no_busy_loop(struct fixture *f, const void *unused)
{
        fixture_start_region(f, NULL);
        drain_events(f->cm);
        g_assert_true(fake_handle_is_live(f->cm, NULL));
        g_assert_cmpint(f->cm->ops->timeout_ms(f->cm), >, 1000);
}

static void the_end_of_the_lease_is_an_event(struct fixture *f, const void *unused)
{
        struct cmi_source_status status;

        fixture_start_region(f, NULL);
        drain_events(f->cm);
        fake_meshd_page(f->meshd)->lease_end_mono_ns = 1;
        f->cm->ops->dispatch(f->cm);
        g_assert_nonnull(fake_handle_find_event(f->cm, CM_EVENT_STATE));
        f->cm->ops->status(f->cm, &status);
        g_assert_cmpint(status.mode, ==, CM_BYPASS);
        g_assert_nonnull(strstr(status.reason, "lease"));
        fake_meshd_page(f->meshd)->state = CMI_PAGE_JOINING;
        f->cm->ops->status(f->cm, &status);
        g_assert_nonnull(strstr(status.reason, "joining"));
}

static void a_get_that_misses_reconnects(struct fixture *f, const void *unused)
{
        gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

        fixture_start_region(f, NULL);
        fake_meshd_kill(f->meshd);
        f->meshd = fake_meshd_start(f->path, NULL);
        while (f->cm->n_installs < 2 && g_get_monotonic_time() < end_us) {
                f->cm->ops->poke(f->cm);
        }
        g_assert_cmpuint(f->cm->n_installs, ==, 2);
}

/* In the child: everything of the parent is left alone, an own connection is made. Returns 0
 * or a step's number. */
static int child(struct fixture *f)
{
        struct cm *cm = f->cm;

        cm->n_regions = 0;
        cm->is_pending = false;
        cm->serial = 0;
        cm->page = NULL;
        if (cm->ops->after_fork(cm) != 0) {
                return 1;
        }
        if (fake_handle_region(cm, "r", 5000) != 0 || cm->serial == 0) {
                return 2;
        }
        if (fake_handle_invalidate(cm, "r", "child", CM_WAIT_MESH, 5000, NULL) != 0) {
                return 3;
        }
        if (cm->ops->fd(cm) < 0 || !fake_handle_is_live(cm, NULL)) {
                return 4;
        }
        cm->ops->free(cm);
        return 0;
}

static void a_forked_child_makes_its_own_connection(struct fixture *f, const void *unused)
{
        int status;
        pid_t pid;
        int fd;

        fixture_start_region(f, NULL);
        fd = f->cm->ops->fd(f->cm);
        drain_events(f->cm);
        pid = fork();
        if (pid == 0) {
                _exit(child(f));
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 2);
        /* The parent's connection is as it was. */
        g_assert_cmpint(f->cm->ops->fd(f->cm), ==, fd);
        g_assert_false(is_readable(f->cm, 0));
        g_assert_cmpint(fake_handle_invalidate(f->cm, "r", "parent", CM_WAIT_MESH, 5000, NULL), ==,
                        0);
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 2);
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_true(is_readable(f->cm, 5000));
}

static void a_child_leaves_the_parent_s_queue_to_the_parent(struct fixture *f, const void *unused)
{
        g_autofree char *first = NULL;
        g_autofree char *second = NULL;
        int status;
        pid_t pid;

        f->cm = fake_handle_open(f->path, NULL);
        fake_handle_region(f->cm, "r", 0);
        g_assert_cmpint(fake_handle_invalidate(f->cm, "r", "parent", CM_WAIT_NONE, 5000, NULL), ==,
                        CM_PENDING);
        f->meshd = fake_meshd_start(f->path, NULL);
        pid = fork();
        if (pid == 0) {
                _exit(child(f));
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_flushed, NULL));
        first = fake_meshd_published(f->meshd, 0);
        second = fake_meshd_published(f->meshd, 1);
        g_assert_cmpstr(first, ==, "r:child");
        g_assert_cmpstr(second, ==, "r:parent");
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, 2);
}

/* A child that does one thing and then lives until it is told to end. */
static pid_t fork_idle(struct fixture *f, bool is_adopting, int *ret_leash)
{
        int leash[2];
        int ready[2];
        pid_t pid;
        char byte;

        g_assert_cmpint(pipe(leash), ==, 0);
        g_assert_cmpint(pipe(ready), ==, 0);
        pid = fork();
        if (pid == 0) {
                close(leash[1]);
                if (is_adopting) {
                        f->cm->ops->after_fork(f->cm);
                }
                close(ready[0]);
                close(ready[1]);
                _exit(read(leash[0], &byte, 1) != 0);
        }
        close(leash[0]);
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==,
                        0); /* the child's end is closed: it is done */
        close(ready[0]);
        *ret_leash = leash[1];
        return pid;
}

static void end_idle(pid_t pid, int leash)
{
        int status;

        close(leash);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void a_child_keeps_no_copy_of_the_parent_s_socket(struct fixture *f, const void *unused)
{
        pid_t pid;
        int leash;

        fixture_start_region(f, NULL);
        pid = fork_idle(f, true, &leash);
        f->cm = fake_handle_close(f->cm);
        g_assert_true(fake_meshd_await_closed(f->meshd, 1));
        end_idle(pid, leash);
}

static bool has_second_page(struct cm *cm, void *unused)
{
        return cm->n_installs >= 2;
}

static void a_lost_socket_leaves_the_loop_even_if_a_child_holds_a_copy(
                struct fixture *f, const void *unused)
{
        pid_t pid;
        int leash;

        fixture_start_region(f, NULL);
        g_assert_cmpint(f->cm->ops->fd(f->cm), >=, 0);
        f->cm->ops->dispatch(f->cm);
        pid = fork_idle(f, false, &leash);
        fake_meshd_hang_up(f->meshd);
        g_assert_true(fake_handle_await(f->cm, has_second_page, NULL));
        g_assert_true(fake_handle_await(f->cm, fake_handle_has_index, GUINT_TO_POINTER(0)));
        drain_events(f->cm);
        g_assert_false(is_readable(f->cm, 0));
        end_idle(pid, leash);
}

#define CASE(name, function)                                                                       \
        g_test_add("/connection_loop/" name, struct fixture, NULL, fixture_set_up, function,       \
                        fixture_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("no_fd", without_a_descriptor_there_is_no_loop_and_the_rest_goes_on);
        CASE("fd", the_descriptor_stays_the_same_over_reconnects);
        CASE("readable", the_descriptor_is_readable_while_events_are_queued);
        CASE("dead", a_dead_meshd_makes_the_descriptor_readable);
        CASE("idle", an_idle_live_handle_asks_for_no_busy_loop);
        CASE("lease", the_end_of_the_lease_is_an_event);
        CASE("poke", a_get_that_misses_reconnects);
        CASE("fork", a_forked_child_makes_its_own_connection);
        CASE("fork_queue", a_child_leaves_the_parent_s_queue_to_the_parent);
        CASE("fork_copy", a_child_keeps_no_copy_of_the_parent_s_socket);
        CASE("fork_watch", a_lost_socket_leaves_the_loop_even_if_a_child_holds_a_copy);
        return g_test_run();
}
