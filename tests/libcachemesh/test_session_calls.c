/* SPDX-License-Identifier: MIT */
/* The interface for apps, beside a fake meshd that is alone with its sessions. */
#include "tests/libcachemesh/session_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 400

static void what_is_created_is_read(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .idle_ms = 60000, .tag = "web", .tag_len = 3};
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_create(f->space, "data", 4, &options, id, &session), ==, 0);
        fixture_expect(&session, "data");
        g_assert_cmpuint(session.n_copies, ==, 1);
        g_assert_cmpuint(session.idle_ms, ==, 60000);
        g_assert_cmpuint(session.end_ms - session.created_ms, <=, CM_SESSION_LIFE_MS_DEFAULT + 100);
        g_assert_cmpmem(session.tag, session.tag_len, "web", 3);
        g_assert_cmpuint((uintptr_t)session.data % 16, ==, 0);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        fixture_expect(&session, "data");
        g_assert_cmpmem(session.tag, session.tag_len, "web", 3);
        cm_session_release(&session);
        g_assert_null(session.data);
        g_assert_cmpuint(session.size, ==, sizeof(session));
        cm_session_release(&session);
        cm_session_release(NULL);
}

static void neither_id_nor_content_leaves_the_process(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .principal = "alice", .principal_len = 5};
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_create(f->space, "canary", 6, &options, id, &session), ==, 0);
        g_assert_cmpint(cm_session_save(&session, "canary again", 12, NULL), ==, 0);
        g_assert_cmpint(cm_session_destroy(f->space, id, NULL), ==, 0);
        g_assert_true(fake_sessions_lacks(f->sessions, "canary"));
        g_assert_true(fake_sessions_lacks(f->sessions, "alice"));

        g_assert_true(fake_sessions_lacks(f->sessions, id));
        cm_session_release(&session);
}

static void a_repeated_get_asks_nobody(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        for (int i = 0; i < 100; i++) {
                g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
                fixture_expect(&session, "data");
        }
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 1);
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_TOUCH), ==, 0);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==,
                        0); /* made by its create */
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 1);
        cm_session_release(&session);
}

static void a_save_is_seen_by_the_other_process_at_once(struct fixture *f, const void *unused)
{
        struct cm_session mine = {.size = sizeof(mine)};
        struct cm_session theirs = {.size = sizeof(theirs)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "one", id);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &theirs), ==, 0);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &mine), ==, 0);
        g_assert_cmpint(cm_session_save(&mine, "two", 3, NULL), ==, 0);
        fixture_expect(&mine, "two");
        fixture_expect(&theirs, "one"); /* what it holds stays readable */
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &theirs), ==, 0);
        fixture_expect(&theirs, "two");
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &mine), ==, 0); /* kept by the save */
        fixture_expect(&mine, "two");
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 2);
        cm_session_release(&mine);
        cm_session_release(&theirs);
}

static void of_two_saves_one_wins(struct fixture *f, const void *unused)
{
        struct cm_session mine = {.size = sizeof(mine)};
        struct cm_session theirs = {.size = sizeof(theirs)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "one", id);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &theirs), ==, 0);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &mine), ==, 0);
        g_assert_cmpint(cm_session_save(&mine, "two", 3, NULL), ==, 0);
        g_assert_cmpint(cm_session_save(&theirs, "three", 5, NULL), ==, CM_CONFLICT);
        fixture_expect(&theirs, "two");
        g_assert_cmpint(cm_session_save(&theirs, "2+3", 3, NULL), ==, 0);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &mine), ==, 0);
        fixture_expect(&mine, "2+3");
        cm_session_release(&mine);
        cm_session_release(&theirs);
}

static void a_save_may_write_a_part_of_what_is_shown(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "head and tail", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_save(&session, (const char *)session.data + 9, 4, NULL), ==, 0);
        fixture_expect(&session, "tail");
        g_assert_cmpint(cm_session_save(&session, NULL, 0, NULL), ==, 0);
        fixture_expect(&session, "");
        g_assert_nonnull(session.data);
        cm_session_release(&session);
}

static void the_largest_session_fits_and_one_byte_more_does_not(
                struct fixture *f, const void *unused)
{
        g_autofree uint8_t *data = g_malloc(CM_SESSION_DATA_MAX + 1);
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE] = "untouched";

        for (size_t i = 0; i <= CM_SESSION_DATA_MAX; i++) {
                data[i] = (uint8_t)(i ^ i >> 8);
        }
        g_assert_cmpint(cm_session_create(f->space, data, CM_SESSION_DATA_MAX + 1, NULL, id,
                                        &session),
                        ==, CM_E_TOO_BIG);
        g_assert_cmpstr(id, ==, "untouched");
        fixture_create(f, "small", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_save(&session, data, CM_SESSION_DATA_MAX + 1, NULL), ==,
                        CM_E_TOO_BIG);
        fixture_expect(&session, "small");
        g_assert_cmpint(cm_session_save(&session, data, CM_SESSION_DATA_MAX, NULL), ==, 0);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        g_assert_cmpmem(session.data, session.len, data, CM_SESSION_DATA_MAX);
        cm_session_release(&session);
}

static void what_was_destroyed_is_gone_everywhere(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_destroy(f->space, id, NULL), ==, 0);
        g_assert_cmpuint(fake_sessions_last(f->sessions).max_end_ms, ==, session.end_ms);
        g_assert_cmpint(cm_session_save(&session, "again", 5, NULL), ==, CM_GONE);
        fixture_expect(&session, "data");
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, CM_GONE);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, CM_GONE);
        g_assert_cmpint(cm_session_destroy(f->space, id, NULL), ==, 0);
        g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 0);
        cm_session_release(&session);
}

static void what_cannot_be_an_id_has_no_session(struct fixture *f, const void *unused)
{
        static const char *const none[] = {"", "x", "../../etc/passwd", "\xff\xfe",
                        "012345678901234567890123456789012345678901234567890123456789"};
        struct cm_session session = {.size = sizeof(session)};

        for (size_t i = 0; i < G_N_ELEMENTS(none); i++) {
                g_assert_cmpint(cm_session_get(f->space, none[i], NULL, &session), ==, CM_GONE);
                g_assert_cmpint(cm_session_destroy(f->space, none[i], NULL), ==, 0);
        }
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 0);
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_DESTROY), ==, 0);
}

static void log_out_everywhere_ends_all_of_somebody(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .principal = "alice", .principal_len = 5};
        struct cm_session session = {.size = sizeof(session)};
        char ids[2][CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_create(f->space, "a", 1, &options, ids[0], NULL), ==, 0);
        options.principal = "bobby";
        g_assert_cmpint(cm_session_create(f->space, "b", 1, &options, ids[1], NULL), ==, 0);
        g_assert_cmpint(cm_session_destroy_principal(f->other, "alice", 5, NULL), ==, 0);
        g_assert_cmpint(cm_session_get(f->space, ids[0], NULL, &session), ==, CM_GONE);
        g_assert_cmpint(cm_session_get(f->space, ids[1], NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_destroy_principal(f->space, "", 0, NULL), ==, -EINVAL);
        cm_session_release(&session);
}

static void the_old_id_never_leads_to_the_new_session(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {.size = sizeof(options), .grace_ms = 1000};
        struct cm_session session = {.size = sizeof(session)};
        struct cm_session old = {.size = sizeof(old)};
        char ids[3][CM_SESSION_ID_SIZE];

        fixture_create(f, "guest", ids[0]);
        g_assert_cmpint(cm_session_get(f->space, ids[0], NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_rotate(&session, "alice", 5, NULL, ids[1]), ==, 0);
        fixture_expect(&session, "alice");
        g_assert_cmpint(cm_session_get(f->space, ids[0], NULL, &old), ==, CM_GONE);
        g_assert_cmpint(cm_session_get(f->other, ids[1], NULL, &old), ==, 0);
        fixture_expect(&old, "alice");
        g_assert_cmpint(cm_session_rotate(&session, NULL, 0, &options, ids[2]), ==, 0);
        fixture_expect(&session, "alice");
        g_assert_cmpint(cm_session_save(&session, "more", 4, NULL), ==, 0);
        g_assert_cmpint(cm_session_get(f->other, ids[1], NULL, &old), ==, 0);
        fixture_expect(&old, "alice");
        g_assert_true(old.is_read_only);
        g_assert_cmpint(cm_session_save(&old, "x", 1, NULL), ==, CM_E_READ_ONLY);
        cm_session_release(&session);
        cm_session_release(&old);
}

static void of_two_rotations_one_wins(struct fixture *f, const void *unused)
{
        struct cm_session mine = {.size = sizeof(mine)};
        struct cm_session theirs = {.size = sizeof(theirs)};
        char id[CM_SESSION_ID_SIZE];
        char new_id[CM_SESSION_ID_SIZE] = "untouched";

        fixture_create(f, "one", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &mine), ==, 0);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &theirs), ==, 0);
        g_assert_cmpint(cm_session_save(&mine, "two", 3, NULL), ==, 0);
        g_assert_cmpint(cm_session_rotate(&theirs, "x", 1, NULL, new_id), ==, CM_CONFLICT);
        g_assert_cmpstr(new_id, ==, "untouched");
        fixture_expect(&theirs, "two");
        cm_session_release(&mine);
        cm_session_release(&theirs);
}

static void uses_are_told_now_and_then(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {.size = sizeof(options), .idle_ms = 400};
        struct cm_session_call_options peek = {.size = sizeof(peek), .flags = CM_SESSION_PEEK};
        struct cm_session session = {.size = sizeof(session)};
        gint64 end_us;
        char id[CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_create(f->space, "a", 1, &options, id, NULL), ==, 0);
        end_us = g_get_monotonic_time() + 200000; /* ten times a twentieth */
        while (g_get_monotonic_time() < end_us) {
                g_assert_cmpint(cm_session_get(f->space, id, &peek, &session), ==, 0);
        }
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_TOUCH), ==, 0);
        end_us = g_get_monotonic_time() + 200000;
        while (g_get_monotonic_time() < end_us) {
                g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
                g_assert_cmpint(cm_session_touch(&session), ==, 0);
        }
        g_assert_true(fake_sessions_await(f->sessions, CMI_SESSION_TOUCH, 1));
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_TOUCH), <=, 11);
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 0);
        cm_session_release(&session);
}

/* However many there are: each has a clock of its own. */
static void many_sessions_in_use_cost_no_more_messages(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .idle_ms = CM_SESSION_LIFE_MS_MAX};
        struct cm_session session = {.size = sizeof(session)};
        static char ids[MANY][CM_SESSION_ID_SIZE];

        for (int i = 0; i < MANY; i++) {
                g_assert_cmpint(cm_session_create(f->space, "a", 1, &options, ids[i], NULL), ==, 0);
        }
        for (int i = 0; i < 3 * MANY; i++) {
                g_assert_cmpint(cm_session_get(f->space, ids[i % MANY], NULL, &session), ==, 0);
        }
        /* Answered after all that was told before. */
        g_assert_cmpint(cm_session_destroy(f->space, ids[0], NULL), ==, 0);
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_TOUCH), ==, 0);
        cm_session_release(&session);
}

static void what_is_past_its_end_is_not_served(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {.size = sizeof(options), .life_ms = 1};
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_create(f->space, "a", 1, &options, id, &session), ==, 0);
        while ((uint64_t)g_get_real_time() / 1000 < session.end_ms + 20) {
        }
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0); /* says this meshd */
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 1);
        cm_session_release(&session);
}

static void the_longest_life_is_not_too_long(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .life_ms = CM_SESSION_LIFE_MS_MAX};
        char id[CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_create(f->space, "a", 1, &options, id, NULL), ==, 0);
        options.life_ms++;
        g_assert_cmpint(cm_session_create(f->space, "a", 1, &options, id, NULL), ==, -EINVAL);
}

static void a_tampered_session_is_not_given(struct fixture *f, const void *unused)
{
        static const enum fake_sessions_fault faults[] = {
                        FAKE_SESSIONS_TAMPERED, FAKE_SESSIONS_REPLAYED};
        struct cm_session session = {.size = sizeof(session)};
        struct cm_session stale = {.size = sizeof(stale)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "one", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &stale), ==, 0);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_save(&session, "two", 3, NULL), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
                fake_sessions_fail(f->sessions, faults[i]);
                g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, CM_E_SEALED);
                fixture_expect(&session, "two");
                g_assert_cmpint(cm_session_save(&stale, "x", 1, NULL), ==, CM_E_SEALED);
                fixture_expect(&stale, "one");
        }
        fake_sessions_fail(f->sessions, FAKE_SESSIONS_NONSENSE);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, -EPROTO);
        fake_sessions_fail(f->sessions, FAKE_SESSIONS_OK);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        fixture_expect(&session, "two");
        cm_session_release(&session);
        cm_session_release(&stale);
}

static void what_may_not_be_kept_is_asked_for_each_time(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fake_sessions_fail(f->sessions, FAKE_SESSIONS_TOKENLESS);
        fixture_create(f, "data", id);
        for (int i = 0; i < 3; i++) {
                g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
                fixture_expect(&session, "data");
        }
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 3);
        cm_session_release(&session);
}

static void outcomes_of_meshd_come_with_its_words(struct fixture *f, const void *unused)
{
        static const int codes[] = {CM_E_FULL, CM_E_STALE, CM_E_UNCONFIRMED, CM_E_BUSY,
                        CM_E_TIMEOUT, -EOPNOTSUPP};
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
                fake_sessions_answer_next(f->sessions, codes[i], "a limit of 7");
                g_assert_cmpint(cm_session_save(&session, "x", 1, NULL), ==, codes[i]);
                g_assert_cmpstr(cm_error_detail(f->cm), ==, "a limit of 7");
                fixture_expect(&session, "data");
        }
        fake_sessions_answer_next(f->sessions, CMI_PENDING, "");
        g_assert_cmpint(cm_session_destroy(f->space, id, NULL), ==, CM_PENDING);
        fake_sessions_answer_next(f->sessions, 77, "");
        g_assert_cmpint(cm_session_save(&session, "x", 1, NULL), ==, -EPROTO);
        cm_session_release(&session);
}

static void spaces_do_not_see_each_other(struct fixture *f, const void *unused)
{
        struct cm_session_space_options options = {.size = sizeof(options), .key_file = f->keys};
        struct cm_session_space *stranger = NULL;
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_space_open(&stranger, f->cm, "stranger", &options), ==, 0);
        g_assert_cmpint(cm_session_get(stranger, id, NULL, &session), ==, CM_GONE);
        cm_session_space_close(stranger);
}

static void an_id_carries_the_route(struct fixture *f, const void *unused)
{
        struct cm_session_space_options options = {
                        .size = sizeof(options), .key_file = f->keys, .route = "node-1"};
        struct cm_session_space *routed = NULL;
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_space_open(&routed, f->cm, "shop", &options), ==, 0);
        g_assert_cmpint(cm_session_create(routed, "data", 4, NULL, id, NULL), ==, 0);
        g_assert_cmpstr(id + 32, ==, ".node-1");
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        memcpy(id + 32, ".else", 6);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        fixture_expect(&session, "data");
        cm_session_release(&session);
        cm_session_space_close(routed);
}

static void arguments_are_checked(struct fixture *f, const void *unused)
{
        struct cm_session_space_options options = {.size = sizeof(options), .key_file = f->keys};
        struct cm_session_call_options call = {.size = sizeof(call), .flags = 2};
        struct cm_session_space *space = NULL;
        struct cm_session session = {.size = sizeof(session)};
        struct cm_session small = {.size = 8};
        struct cm *alone = NULL;
        struct cm_options alone_options = {
                        .size = sizeof(alone_options), .flags = CM_OPEN_STANDALONE};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &small), ==, -EINVAL);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_session_get(f->space, id, &call, &session), ==, -EINVAL);
        g_assert_cmpint(cm_session_save(&session, "x", 1, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_session_touch(&session), ==, -EINVAL);
        g_assert_cmpint(cm_session_create(f->space, NULL, 1, NULL, id, NULL), ==, -EINVAL);
        g_assert_cmpint(cm_session_space_open(&space, f->cm, "", &options), ==, -EINVAL);
        g_assert_cmpint(cm_session_space_open(&space, f->cm, "a\nb", &options), ==, -EINVAL);
        options.route = "a.b";
        g_assert_cmpint(cm_session_space_open(&space, f->cm, "a", &options), ==, -EINVAL);
        options.route = NULL;
        options.key_file = "/nowhere/at/all";
        g_assert_cmpint(cm_session_space_open(&space, f->cm, "a", &options), ==, -ENOENT);
        options.key_file = NULL;
        g_unsetenv("CACHEMESH_SESSION_KEYS");
        g_assert_cmpint(cm_session_space_open(&space, f->cm, "a", &options), ==, -ENOKEY);
        options.key_file = f->keys;
        g_assert_cmpint(cm_open(&alone, &alone_options), ==, 0);
        g_assert_cmpint(cm_session_space_open(&space, alone, "a", &options), ==, -EOPNOTSUPP);
        cm_close(alone);
        g_assert_null(space);
        g_assert_null(cm_session_space_close(NULL));
}

#define CASE(name)                                                                                 \
        g_test_add("/session_calls/" #name, struct fixture, NULL, fixture_set_up, name,            \
                        fixture_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE(what_is_created_is_read);
        CASE(neither_id_nor_content_leaves_the_process);
        CASE(a_repeated_get_asks_nobody);
        CASE(a_save_is_seen_by_the_other_process_at_once);
        CASE(of_two_saves_one_wins);
        CASE(a_save_may_write_a_part_of_what_is_shown);
        CASE(the_largest_session_fits_and_one_byte_more_does_not);
        CASE(what_was_destroyed_is_gone_everywhere);
        CASE(what_cannot_be_an_id_has_no_session);
        CASE(log_out_everywhere_ends_all_of_somebody);
        CASE(the_old_id_never_leads_to_the_new_session);
        CASE(of_two_rotations_one_wins);
        CASE(uses_are_told_now_and_then);
        CASE(many_sessions_in_use_cost_no_more_messages);
        CASE(what_is_past_its_end_is_not_served);
        CASE(the_longest_life_is_not_too_long);
        CASE(a_tampered_session_is_not_given);
        CASE(what_may_not_be_kept_is_asked_for_each_time);
        CASE(outcomes_of_meshd_come_with_its_words);
        CASE(spaces_do_not_see_each_other);
        CASE(an_id_carries_the_route);
        CASE(arguments_are_checked);
        return g_test_run();
}
