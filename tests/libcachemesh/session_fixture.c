/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/session_fixture.h"

#include <glib/gstdio.h>

static struct cm *open_handle(struct fixture *f)
{
        const struct cm_options options = {.size = sizeof(options), .socket_path = f->path};
        struct cm *cm = NULL;

        g_assert_cmpint(cm_open(&cm, &options), ==, 0);
        return cm;
}

struct cm_session_space *fixture_space(struct fixture *f, struct cm *cm)
{
        struct cm_session_space_options options = {.size = sizeof(options), .key_file = f->keys};
        struct cm_session_space *space = NULL;

        g_assert_cmpint(cm_session_space_open(&space, cm, "shop", &options), ==, 0);
        return space;
}

/* Its region was asked for before this one, so it has its index when this one has. */
static void await_regions(struct cm *cm)
{
        struct cm_region *region = NULL;

        g_assert_cmpint(cm_region_open(&region, cm, "last", NULL), ==, 0);
}

void fixture_set_up(struct fixture *f, const void *unused)
{
        f->path = fake_path_new();
        f->keys = g_strconcat(f->path, ".keys", NULL);
        g_assert_cmpint(cm_session_keys_new(f->keys), ==, 0);
        f->sessions = fake_sessions_new();
        f->meshd = fake_sessions_start(f->sessions, f->path);
        f->cm = open_handle(f);
        f->other_cm = open_handle(f);
        f->space = fixture_space(f, f->cm);
        f->other = fixture_space(f, f->other_cm);
        await_regions(f->cm);
        await_regions(f->other_cm);
}

void fixture_tear_down(struct fixture *f, const void *unused)
{
        cm_session_space_close(f->space);
        cm_session_space_close(f->other);
        cm_close(f->cm);
        cm_close(f->other_cm);
        if (f->meshd) {
                fake_meshd_kill(f->meshd);
        }
        fake_sessions_free(f->sessions);
        g_unlink(f->keys);
        g_free(f->keys);
        fake_path_free(f->path);
}

void fixture_create(struct fixture *f, const char *text, char ret_id[CM_SESSION_ID_SIZE])
{
        g_assert_cmpint(cm_session_create(f->space, text, strlen(text), NULL, ret_id, NULL), ==, 0);
}

void fixture_expect(const struct cm_session *session, const char *text)
{
        g_assert_cmpmem(session->data, session->len, text, strlen(text));
}
