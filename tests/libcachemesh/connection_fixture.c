/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/connection_fixture.h"

#include <pthread.h>

void fixture_set_up(struct fixture *f, const void *unused)
{
        f->path = fake_path_new();
}

void fixture_tear_down(struct fixture *f, const void *unused)
{
        f->cm = fake_handle_close(f->cm);
        if (f->meshd) {
                fake_meshd_kill(f->meshd);
        }
        fake_path_free(f->path);
}

void fixture_start(struct fixture *f, const struct fake_meshd_script *script)
{
        f->meshd = fake_meshd_start(f->path, script);
        f->cm = fake_handle_open(f->path, NULL);
        g_assert_nonnull(f->cm);
}

void fixture_start_region(struct fixture *f, const struct fake_meshd_script *script)
{
        fixture_start(f, script);
        g_assert_cmpint(fake_handle_region(f->cm, "r", 5000), ==, 0);
}

void fixture_kill_within(struct fixture *f, void *(*call)(void *data), void *data)
{
        struct fake_meshd_script script = fake_meshd_script();
        pthread_t thread;

        script.answers_mesh = false;
        fixture_start_region(f, &script);
        g_assert_cmpint(pthread_create(&thread, NULL, call, data), ==, 0);
        g_assert_true(fake_meshd_await_published(f->meshd, 1));
        f->meshd = fake_meshd_kill(f->meshd);
        pthread_join(thread, NULL);
}
