/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out anywhere: an app goes through the life of a session again and again, each
 * time with another allocation of its handle refused, once or from there on. Each call succeeds, or
 * says -ENOMEM (or what follows from meshd not being told), and then nothing has happened; nothing
 * leaks; and with memory again the same space works.
 */
#include "tests/libcachemesh/fake_sessions.h"

#include "libcachemesh/cachemesh-session.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LARGE 200000
#define CALL_MS 2000
#define ATTEMPTS 2

/* What the handle's allocator has given, and when it gives no more. */
struct memory {
        _Atomic int64_t n_left;
        _Atomic bool is_for_ever;
        _Atomic bool has_refused;
        bool is_unsure; /* a call of this life may have been done, and has said so */
        _Atomic int64_t n_blocks;
};

struct fixture {
        char *path;
        char *keys;
        struct fake_sessions *sessions;
        struct fake_meshd *meshd;
        struct memory memory;
        uint8_t *large;
};

static void *allocate(void *userdata, size_t alignment, size_t size)
{
        struct memory *memory = userdata;
        int64_t n = memory->n_left--;
        void *block;

        if (n == 0 || (n < 0 && memory->is_for_ever)) {
                memory->has_refused = true;
                return NULL;
        }
        block = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
        memory->n_blocks += block != NULL;
        return block;
}

static void deallocate(void *userdata, void *block, size_t size)
{
        struct memory *memory = userdata;

        memory->n_blocks -= block != NULL;
        free(block);
}

static void set_up(struct fixture *f, const void *unused)
{
        f->path = fake_path_new();
        f->keys = g_strconcat(f->path, ".keys", NULL);
        g_assert_cmpint(cm_session_keys_new(f->keys), ==, 0);
        f->sessions = fake_sessions_new();
        f->meshd = fake_sessions_start(f->sessions, f->path);
        f->large = g_malloc0(LARGE);
}

static void tear_down(struct fixture *f, const void *unused)
{
        fake_meshd_kill(f->meshd);
        fake_sessions_free(f->sessions);
        g_unlink(f->keys);
        g_free(f->keys);
        g_free(f->large);
        fake_path_free(f->path);
}

/* Until there is memory again the call is tried some times, and then there is. */
static bool is_to_be_tried_again(struct memory *memory, int r, int attempt)
{
        if (r >= 0) {
                return false;
        }
        g_assert_true(memory->has_refused);
        g_assert_true(r == -ENOMEM || r == -ENOTCONN || r == CM_E_TIMEOUT);
        memory->is_unsure |= r == CM_E_TIMEOUT;
        if (attempt == ATTEMPTS) {
                memory->is_for_ever = false;
        }
        g_assert_cmpint(attempt, <, 2 * ATTEMPTS);
        return true;
}

#define TRY(result, call)                                                                          \
        do {                                                                                       \
                int attempt_ = 0;                                                                  \
                do {                                                                               \
                        (result) = (call);                                                         \
                } while (is_to_be_tried_again(&f->memory, (result), attempt_++));                  \
        } while (0)

static void expect(const struct cm_session *session, const void *data, size_t len)
{
        g_assert_cmpmem(session->data, session->len, data, len);
}

/* A save that has timed out may be done: then the next one finds it. */
static void save(struct fixture *f, struct cm_session *session, const void *data, size_t len)
{
        int r;

        do {
                TRY(r, cm_session_save(session, data, len, NULL));
        } while (r == CM_CONFLICT && f->memory.is_unsure);
        g_assert_cmpint(r, ==, 0);
        expect(session, data, len);
}

/* Return: false if one that has timed out was done, so that the session is gone. */
static bool rotate(struct fixture *f, struct cm_session *session, char ret_id[CM_SESSION_ID_SIZE])
{
        int r;

        TRY(r, cm_session_rotate(session, "rotated", 7, NULL, ret_id));
        g_assert_true(r == 0 || (r == CM_GONE && f->memory.is_unsure));
        if (r == 0) {
                expect(session, "rotated", 7);
        }
        return r == 0;
}

static void live(struct fixture *f, struct cm_session_space *space)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .principal = "p", .principal_len = 1};
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];
        int r;

        f->memory.is_unsure = false;
        TRY(r, cm_session_create(space, "created", 7, &options, id, &session));
        g_assert_cmpint(r, ==, 0);
        g_assert_true(fake_sessions_n_alive(f->sessions) == 1 || f->memory.is_unsure);
        expect(&session, "created", 7);
        TRY(r, cm_session_get(space, id, NULL, &session));
        g_assert_cmpint(r, ==, 0);
        save(f, &session, f->large, LARGE);
        fake_sessions_touch_all(f->sessions);
        TRY(r, cm_session_get(space, id, NULL, &session));
        g_assert_cmpint(r, ==, 0);
        expect(&session, f->large, LARGE);
        if (rotate(f, &session, id)) {
                TRY(r, cm_session_destroy(space, id, NULL));
                g_assert_cmpint(r, ==, 0);
        }
        TRY(r, cm_session_destroy_principal(space, "p", 1, NULL));
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 0);
        TRY(r, cm_session_get(space, id, NULL, &session));
        g_assert_cmpint(r, ==, CM_GONE);
        cm_session_release(&session);
}

/* Return: whether something was refused. */
static bool live_with(struct fixture *f, int64_t n, bool is_for_ever)
{
        struct cm_options options = {
                        .size = sizeof(options),
                        .socket_path = f->path,
                        .timeout_ms = CALL_MS,
                        .allocator = {allocate, deallocate, &f->memory},
        };
        struct cm_session_space_options space_options = {
                        .size = sizeof(space_options),
                        .key_file = f->keys,
                        .copies_bytes = 4 << 20,
        };
        struct cm_session_space *space = NULL;
        struct cm *cm = NULL;
        bool has_refused;
        int r;

        f->memory.has_refused = false;
        f->memory.is_for_ever = is_for_ever;
        f->memory.n_left = n;
        TRY(r, cm_open(&cm, &options));
        TRY(r, cm_session_space_open(&space, cm, "shop", &space_options));
        g_assert_cmpint(r, ==, 0);
        live(f, space);
        has_refused = f->memory.has_refused;
        f->memory.is_for_ever = false;
        f->memory.n_left = -1;
        live(f, space);
        cm_session_space_close(space);
        cm_close(cm);
        g_assert_cmpint(f->memory.n_blocks, ==, 0);
        return has_refused;
}

static void try_all(struct fixture *f, bool is_for_ever)
{
        int64_t n = 0;

        while (live_with(f, n, is_for_ever) && !g_test_failed()) {
                n++;
        }
        g_test_message("%" G_GINT64_FORMAT " allocations refused, one after the other", n);
        g_assert_cmpint(n, >, 20);
}

static void any_allocation_may_be_refused_once(struct fixture *f, const void *unused)
{
        try_all(f, false);
}

static void all_may_be_refused_for_a_while(struct fixture *f, const void *unused)
{
        try_all(f, true);
}

#define CASE(name)                                                                                 \
        g_test_add("/session_shortage/" #name, struct fixture, NULL, set_up, name, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE(any_allocation_may_be_refused_once);
        CASE(all_may_be_refused_for_a_while);
        return g_test_run();
}
