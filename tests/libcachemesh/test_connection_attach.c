/* SPDX-License-Identifier: MIT */
/* Attaching: whom the client believes, and what it does when it does not. */
#include "libcachemesh/connection.h"
#include "tests/libcachemesh/connection_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static unsigned n_open_descriptors(void)
{
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(directory)) {
                n++;
        }
        closedir(directory);
        return n;
}

static void a_page_and_an_index_for_each_region_arrive(struct fixture *f, const void *unused)
{
        fixture_start(f, NULL);
        g_assert_cmpint(fake_handle_region(f->cm, "a", 5000), ==, 0);
        g_assert_cmpint(fake_handle_region(f->cm, "b", 5000), ==, 0);
        g_assert_cmpuint(f->cm->n_installs, ==, 1);
        g_assert_cmpuint(f->cm->regions[0].index, ==, 40);
        g_assert_cmpuint(f->cm->regions[1].index, ==, 41);
        g_assert_cmpuint(f->cm->regions[0].serial, ==, f->cm->serial);
        g_assert_nonnull(fake_handle_find_event(f->cm, CM_EVENT_PAGE));
        g_assert_true(fake_handle_is_live(f->cm, NULL));
}

static void after_a_restart_a_new_page_comes_and_indices_are_asked_for_again(
                struct fixture *f, const void *unused)
{
        uint64_t epoch;

        fixture_start(f, NULL);
        fake_handle_region(f->cm, "a", 5000);
        epoch = fake_handle_epoch(f->cm);
        fake_meshd_kill(f->meshd);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_offline, NULL));
        f->meshd = fake_meshd_start(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_live, NULL));
        g_assert_true(fake_handle_await(f->cm, fake_handle_has_index, GUINT_TO_POINTER(0)));
        g_assert_cmpuint(fake_handle_epoch(f->cm), !=, epoch);
        g_assert_cmpuint(f->cm->n_installs, ==, 2);
}

static void another_time_namespace_gets_no_page_and_is_told_once(
                struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct cmi_source_status status;

        script.mono_shift_ns = 6 * (int64_t)CMI_NS_PER_S;
        fixture_start(f, &script);
        g_assert_cmpint(fake_handle_region(f->cm, "a", 5000), ==, 0);
        g_assert_cmpuint(f->cm->n_installs, ==, 0);
        f->cm->ops->status(f->cm, &status);
        g_assert_cmpint(status.mode, ==, CM_BYPASS);
        g_assert_nonnull(strstr(status.reason, "clocks"));
        g_assert_nonnull(fake_handle_find_event(f->cm, CM_EVENT_PAGE));
        f->cm->ops->poke(f->cm);
        f->cm->ops->dispatch(f->cm);
        g_assert_null(fake_handle_find_event(f->cm, CM_EVENT_PAGE));
        /* Invalidations work all the same. */
        g_assert_cmpint(fake_handle_invalidate(f->cm, "a", "k", CM_WAIT_MESH, 5000, NULL), ==, 0);
}

static void a_shift_of_either_clock_is_noticed(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.real_shift_ns = -30 * (int64_t)CMI_NS_PER_MS;
        fixture_start(f, &script);
        fake_handle_region(f->cm, "a", 5000);
        g_assert_cmpuint(f->cm->n_installs, ==, 0);
}

static void an_answer_that_is_looked_at_late_still_gives_a_page(
                struct fixture *f, const void *unused)
{
        gint64 end_us;

        fixture_start(f, NULL);
        g_assert_true(fake_meshd_await_accepted(f->meshd, 1));
        /* Time passes in which the app does not look; the width of the bracket must not matter. */
        end_us = g_get_monotonic_time() + 60000;
        while (g_get_monotonic_time() < end_us) {
        }
        fake_handle_region(f->cm, "a", 5000);
        g_assert_cmpuint(f->cm->n_installs, ==, 1);
        g_assert_cmpuint(fake_meshd_n_accepted(f->meshd), ==, 1);
}

static bool has_tried_again(struct cm *cm, void *meshd)
{
        return cm->n_installs > 0 || fake_meshd_n_accepted(meshd) >= 3;
}

/* The client must give the connection up each time, try again, and leave no descriptor behind. */
static void expect_refusal(struct fixture *f, const struct fake_meshd_script *script)
{
        struct fake_meshd_script good = fake_meshd_script();
        unsigned n_before;

        f->meshd = fake_meshd_start(f->path, script);
        n_before = n_open_descriptors();
        f->cm = fake_handle_open(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, has_tried_again, f->meshd));
        g_assert_cmpuint(f->cm->n_installs, ==, 0);
        f->cm = fake_handle_close(f->cm);
        fake_meshd_hang_up(f->meshd);
        g_assert_cmpuint(n_open_descriptors(), ==, n_before);
        if (script->is_unsealed) {
                return;
        }
        /* And it must have been the script's fault. */
        fake_meshd_set_script(f->meshd, &good);
        f->cm = fake_handle_open(f->path, NULL);
        g_assert_true(fake_handle_await(f->cm, fake_handle_is_live, NULL));
}

static void a_meshd_that_gives_no_page_is_bypassed(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.n_descriptors = 0;
        fixture_start(f, &script);
        /* Size 0 and no descriptor: meshd gives no page, which is allowed. */
        fake_handle_region(f->cm, "a", 5000);
        g_assert_cmpuint(f->cm->n_installs, ==, 0);
        g_assert_false(fake_handle_is_offline(f->cm, NULL));
}

static void a_size_without_a_descriptor_and_the_reverse_are_refused(
                struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.is_size_wrong = true;
        expect_refusal(f, &script);
        f->cm = fake_handle_close(f->cm);
        fake_meshd_kill(f->meshd);
        script.n_descriptors = 0;
        expect_refusal(f, &script);
}

static void two_descriptors_are_refused(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.n_descriptors = 2;
        expect_refusal(f, &script);
}

static void an_unsealed_page_is_refused(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.is_unsealed = true;
        expect_refusal(f, &script);
}

static void a_page_of_another_size_or_epoch_is_refused(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.page_size_off = 4096;
        expect_refusal(f, &script);
        f->cm = fake_handle_close(f->cm);
        fake_meshd_kill(f->meshd);
        script = fake_meshd_script();
        script.is_page_of_other_epoch = true;
        expect_refusal(f, &script);
}

static void another_version_is_refused(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.version = CMI_LOCAL_VERSION_MAX + 1;
        expect_refusal(f, &script);
}

static void nonsense_is_refused(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.is_babbling = true;
        expect_refusal(f, &script);
}

static void meshd_may_refuse_and_its_reason_is_logged(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.attach_error = -EACCES;
        f->meshd = fake_meshd_start(f->path, &script);
        f->cm = fake_handle_open(f->path, NULL);
        g_assert_cmpint(fake_handle_region(f->cm, "a", 5000), ==, 0);
        g_assert_true(fake_handle_is_offline(f->cm, NULL));
        g_assert_cmpuint(f->cm->n_logs, >, 0);
}

static void a_conflict_of_region_options_is_returned_and_told(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.region_error = CM_E_CONFIG;
        fixture_start(f, &script);
        g_assert_cmpint(fake_handle_region(f->cm, "a", 5000), ==, CM_E_CONFIG);
        g_assert_nonnull(strstr(fake_handle_find_event(f->cm, CM_EVENT_CONFIG), "region a"));
        g_assert_cmpint(fake_handle_invalidate(f->cm, "a", "k", CM_WAIT_NODE, 5000, NULL), ==, 0);
}

static void a_region_that_meshd_has_no_room_for_is_refused(struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();

        script.region_error = -ENOSPC;
        fixture_start(f, &script);
        g_assert_cmpint(fake_handle_region(f->cm, "a", 5000), ==, -ENOSPC);
        g_assert_cmpint(fake_handle_invalidate(f->cm, "a", "k", CM_WAIT_NODE, 5000, NULL), ==, 0);
}

struct opening {
        struct cm *cm;
        struct cm_region *region;
        int outcome;
        char detail[128];
};

static void *open_region(void *data)
{
        struct opening *opening = data;

        opening->outcome = fake_handle_open_region(opening->cm, opening->region, 10000);
        g_strlcpy(opening->detail, fake_handle_detail(), sizeof(opening->detail));
        return NULL;
}

static unsigned count_waiters(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);
        unsigned n = 0;

        cmi_connection_lock(connection);
        for (const struct cmi_waiter *waiter = connection->waiters.head; waiter;
                        waiter = waiter->next) {
                n++;
        }
        cmi_connection_unlock(connection);
        return n;
}

static bool await_waiters(struct cm *cm, unsigned n)
{
        gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

        while (count_waiters(cm) != n && g_get_monotonic_time() < end_us) {
                g_thread_yield();
        }
        return count_waiters(cm) == n;
}

static void each_of_two_threads_is_told_why_its_own_region_was_refused(
                struct fixture *f, const void *unused)
{
        struct fake_meshd_script script = fake_meshd_script();
        struct opening openings[2] = {0};
        pthread_t threads[2];

        fixture_start_region(f, NULL);
        script.holds_regions = true;
        fake_meshd_set_script(f->meshd, &script);
        for (unsigned i = 0; i < 2; i++) {
                openings[i].cm = f->cm;
                openings[i].region = fake_handle_add_region(f->cm, i == 0 ? "first" : "second");
                g_assert_cmpint(pthread_create(&threads[i], NULL, open_region, &openings[i]), ==,
                                0);
                /* That the request is there is not enough: the other thread may have sent it. */
                g_assert_true(fake_meshd_await_held(f->meshd, i + 1));
                g_assert_true(await_waiters(f->cm, i + 1));
        }
        /* Whoever reads finds both answers at once, before either thread goes on. */
        fake_meshd_refuse_regions(f->meshd, -ENOSPC);
        for (unsigned i = 0; i < 2; i++) {
                pthread_join(threads[i], NULL);
                g_assert_cmpint(openings[i].outcome, ==, -ENOSPC);
        }
        g_assert_cmpstr(openings[0].detail, ==, "region first: no room for first");
        g_assert_cmpstr(openings[1].detail, ==, "region second: no room for second");
}

static void a_path_over_the_limit_is_refused(struct fixture *f, const void *unused)
{
        char path[CM_SOCKET_PATH_MAX + 2];

        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        g_assert_null(fake_handle_open(path, NULL));
        g_assert_cmpint(errno, ==, ENAMETOOLONG);
}

static void a_path_of_the_limit_works(struct fixture *f, const void *unused)
{
        g_autofree char *directory = g_path_get_dirname(f->path);
        char path[CM_SOCKET_PATH_MAX + 1];

        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        memcpy(path, directory, strlen(directory));
        path[strlen(directory)] = '/';
        f->meshd = fake_meshd_start(path, NULL);
        f->cm = fake_handle_open(path, NULL);
        fake_handle_region(f->cm, "a", 5000);
        g_assert_cmpuint(f->cm->n_installs, ==, 1);
        unlink(path);
}

static void without_meshd_it_is_offline_and_says_why(struct fixture *f, const void *unused)
{
        struct cmi_source_status status;

        f->cm = fake_handle_open(f->path, NULL);
        g_assert_cmpint(fake_handle_region(f->cm, "a", 5000), ==, 0);
        f->cm->ops->status(f->cm, &status);
        g_assert_cmpint(status.mode, ==, CM_OFFLINE);
        g_assert_cmpstr(status.reason, ==, "no meshd listens on the socket");
}

static void a_stopped_meshd_costs_the_first_region_its_deadline_and_not_each(
                struct fixture *f, const void *unused)
{
        gint64 begin_us;

        f->meshd = fake_meshd_start(f->path, NULL);
        fake_meshd_pause(f->meshd);
        f->cm = fake_handle_open(f->path, NULL);
        begin_us = g_get_monotonic_time();
        g_assert_cmpint(fake_handle_region(f->cm, "a", 50), ==, 0);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 50000);
        for (int i = 0; i < 5; i++) {
                g_assert_cmpint(fake_handle_region(f->cm, "b", 20000), ==, 0);
        }
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, 15 * G_USEC_PER_SEC);
        fake_meshd_resume(f->meshd);
        for (unsigned i = 0; i < 6; i++) {
                g_assert_true(fake_handle_await(f->cm, fake_handle_has_index, GUINT_TO_POINTER(i)));
        }
}

static void attempts_to_connect_keep_the_back_off(struct fixture *f, const void *unused)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        gint64 begin_us = g_get_monotonic_time();
        gint64 end_us = begin_us + 10 * G_USEC_PER_SEC;
        unsigned n = 0;
        int listener;
        int fd;

        /* A listener that hangs up on each. Slots last at least half of 10, 20, 40, 80, 160 ms. */
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        strcpy(address.sun_path, f->path);
        g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        g_assert_cmpint(listen(listener, 64), ==, 0);
        f->cm = fake_handle_open(f->path, NULL);
        while (n < 6 && g_get_monotonic_time() < end_us) {
                f->cm->ops->poke(f->cm);
                f->cm->ops->dispatch(f->cm);
                fd = accept(listener, NULL, NULL);
                if (fd >= 0) {
                        close(fd);
                        n++;
                }
        }
        close(listener);
        g_assert_cmpuint(n, ==, 6);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 155000);
}

#define CASE(name, function)                                                                       \
        g_test_add("/connection_attach/" name, struct fixture, NULL, fixture_set_up, function,     \
                        fixture_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE("page", a_page_and_an_index_for_each_region_arrive);
        CASE("restart", after_a_restart_a_new_page_comes_and_indices_are_asked_for_again);
        CASE("time_namespace", another_time_namespace_gets_no_page_and_is_told_once);
        CASE("either_clock", a_shift_of_either_clock_is_noticed);
        CASE("late", an_answer_that_is_looked_at_late_still_gives_a_page);
        CASE("no_page", a_meshd_that_gives_no_page_is_bypassed);
        CASE("half", a_size_without_a_descriptor_and_the_reverse_are_refused);
        CASE("two_descriptors", two_descriptors_are_refused);
        CASE("unsealed", an_unsealed_page_is_refused);
        CASE("size", a_page_of_another_size_or_epoch_is_refused);
        CASE("version", another_version_is_refused);
        CASE("nonsense", nonsense_is_refused);
        CASE("refused", meshd_may_refuse_and_its_reason_is_logged);
        CASE("conflict", a_conflict_of_region_options_is_returned_and_told);
        CASE("conflict_room", a_region_that_meshd_has_no_room_for_is_refused);
        CASE("conflict_threads", each_of_two_threads_is_told_why_its_own_region_was_refused);
        CASE("long_path", a_path_over_the_limit_is_refused);
        CASE("limit_path", a_path_of_the_limit_works);
        CASE("offline", without_meshd_it_is_offline_and_says_why);
        CASE("stopped", a_stopped_meshd_costs_the_first_region_its_deadline_and_not_each);
        CASE("back_off", attempts_to_connect_keep_the_back_off);
        return g_test_run();
}
