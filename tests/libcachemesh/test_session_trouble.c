/* SPDX-License-Identifier: MIT */
/* Sessions while meshd hangs, ends and comes back; beside other threads; and in forked children. */
#include "tests/libcachemesh/session_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALL_MS 60
#define LIMIT_US (20 * G_USEC_PER_SEC)
#define THREADS 4
#define ROUNDS 60

static const struct cm_session_call_options soon = {.size = sizeof(soon), .timeout_ms = CALL_MS};
static const struct cm_session_create_options soon_create = {
                .size = sizeof(soon_create), .timeout_ms = CALL_MS};

static void every_call_ends_by_its_deadline(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        gint64 begin_us = g_get_monotonic_time();
        char id[CM_SESSION_ID_SIZE];
        char new_id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        fake_meshd_pause(f->meshd);
        g_assert_cmpint(cm_session_get(f->other, id, &soon, &session), ==, CM_E_TIMEOUT);
        g_assert_cmpint(cm_session_save(&session, "x", 1, &soon), ==, CM_E_TIMEOUT);
        g_assert_cmpint(cm_session_create(f->space, "x", 1, &soon_create, new_id, NULL), ==,
                        CM_E_TIMEOUT);
        g_assert_cmpint(cm_session_rotate(&session, "x", 1, &soon_create, new_id), ==,
                        CM_E_TIMEOUT);
        g_assert_cmpint(cm_session_destroy(f->space, id, &soon), ==, CM_E_TIMEOUT);
        g_assert_cmpint(cm_session_destroy_principal(f->space, "p", 1, &soon), ==, CM_E_TIMEOUT);
        g_assert_cmpint(cm_session_touch(&session), ==, 0);
        fixture_expect(&session, "data");
        g_assert_cmpint(g_get_monotonic_time() - begin_us, >=, 6 * CALL_MS * 1000);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, LIMIT_US);
        fake_meshd_resume(f->meshd);
        cm_session_release(&session);
}

static void without_meshd_each_says_so(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];
        char new_id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_cmpint(cm_session_get(f->other, id, &soon, &session), ==, -ENOTCONN);
        g_assert_cmpint(cm_session_save(&session, "x", 1, &soon), ==, -ENOTCONN);
        g_assert_cmpint(cm_session_create(f->space, "x", 1, &soon_create, new_id, NULL), ==,
                        -ENOTCONN);
        g_assert_cmpint(cm_session_destroy(f->space, id, &soon), ==, -ENOTCONN);
        fixture_expect(&session, "data");
        cm_session_release(&session);
}

/* Whatever the first answer was, the retry has the same number, and one of them counts. */
static void what_was_done_before_the_connection_ended_is_not_done_twice(
                struct fixture *f, const void *unused)
{
        static const enum fake_sessions_fault faults[] = {
                        FAKE_SESSIONS_UNTOLD, FAKE_SESSIONS_UNDONE};
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
                fake_sessions_fail(f->sessions, faults[i]);
                g_assert_cmpint(cm_session_create(f->space, "1", 1, NULL, id, &session), ==, 0);
                g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 1);
                fake_sessions_fail(f->sessions, faults[i]);
                g_assert_cmpint(cm_session_save(&session, "2", 1, NULL), ==, 0);
                fixture_expect(&session, "2");
                fake_sessions_fail(f->sessions, faults[i]);
                g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
                fixture_expect(&session, "2");
                fake_sessions_fail(f->sessions, faults[i]);
                g_assert_cmpint(cm_session_rotate(&session, "3", 1, NULL, id), ==, 0);
                g_assert_cmpint(cm_session_save(&session, "4", 1, NULL), ==, 0);
                g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 1);
                fake_sessions_fail(f->sessions, faults[i]);
                g_assert_cmpint(cm_session_destroy(f->space, id, NULL), ==, 0);
                g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 0);
        }
        cm_session_release(&session);
}

/* It was written, and nobody is there to say more: not "nothing has happened". */
static void a_save_that_may_be_done_is_not_told_as_undone(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "1", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        fake_sessions_fail(f->sessions, FAKE_SESSIONS_DEAF);
        g_assert_cmpint(cm_session_save(&session, "2", 1, &soon), ==, CM_E_TIMEOUT);
        cm_session_release(&session);
}

/* As of a retry, when somebody has used the new id already. */
static void what_was_saved_over_since_shows_what_was_asked_for(
                struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .life_ms = 7200000, .tag = "old", .tag_len = 3};
        struct cm_session session = {.size = sizeof(session)};
        uint64_t end_ms = (uint64_t)g_get_real_time() / 1000 + 3600000;
        char id[CM_SESSION_ID_SIZE];

        g_assert_cmpint(cm_session_create(f->space, "1", 1, &options, id, &session), ==, 0);
        options.life_ms = 3600000;
        options.idle_ms = 60000;
        options.tag = "newer";
        options.tag_len = 5;
        fake_sessions_fail(f->sessions, FAKE_SESSIONS_CURT);
        g_assert_cmpint(cm_session_rotate(&session, "2", 1, &options, id), ==, 0);
        fixture_expect(&session, "2");
        g_assert_cmpuint(session.end_ms, >=, end_ms);
        g_assert_cmpuint(session.end_ms, <, end_ms + 1800000);
        g_assert_cmpuint(session.idle_ms, ==, 60000);
        g_assert_cmpmem(session.tag, session.tag_len, "newer", 5);
        g_assert_cmpint(cm_session_save(&session, "3", 1, NULL), ==, CM_E_STALE);
        fake_sessions_fail(f->sessions, FAKE_SESSIONS_OK);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_save(&session, "3", 1, NULL), ==, 0);
        cm_session_release(&session);
}

static void a_meshd_that_has_forgotten_all_is_believed(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        fake_meshd_kill(f->meshd);
        fake_sessions_free(f->sessions);
        f->sessions = fake_sessions_new();
        f->meshd = fake_sessions_start(f->sessions, f->path);
        g_assert_cmpint(cm_session_save(&session, "x", 1, NULL), ==, CM_GONE);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, CM_GONE);
        cm_session_release(&session);
}

struct counting {
        struct fixture *f;
        const char *id;
        struct cm_session_space *space;
        unsigned n_saved;
};

/* Each adds one to the number that the session has, however often it takes. */
static void *count(void *data)
{
        struct counting *counting = data;
        struct cm_session session = {.size = sizeof(session)};

        for (int i = 0; i < ROUNDS; i++) {
                int r = cm_session_get(counting->space, counting->id, NULL, &session);

                g_assert_cmpint(r, ==, 0);
                do {
                        unsigned n;

                        memcpy(&n, session.data, sizeof(n));
                        n++;
                        r = cm_session_save(&session, &n, sizeof(n), NULL);
                } while (r == CM_CONFLICT);
                g_assert_cmpint(r, ==, 0);
                counting->n_saved++;
        }
        cm_session_release(&session);
        return NULL;
}

static void threads_lose_no_save(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        struct counting countings[THREADS];
        pthread_t threads[THREADS];
        char id[CM_SESSION_ID_SIZE];
        unsigned n = 0;

        g_assert_cmpint(cm_session_create(f->space, &n, sizeof(n), NULL, id, NULL), ==, 0);
        for (int i = 0; i < THREADS; i++) {
                countings[i] = (struct counting){f, id, i % 2 ? f->space : f->other, 0};
                g_assert_cmpint(pthread_create(&threads[i], NULL, count, &countings[i]), ==, 0);
        }
        for (int i = 0; i < THREADS; i++) {
                pthread_join(threads[i], NULL);
                g_assert_cmpuint(countings[i].n_saved, ==, ROUNDS);
        }
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        memcpy(&n, session.data, sizeof(n));
        g_assert_cmpuint(n, ==, THREADS * ROUNDS);
        cm_session_release(&session);
}

static int child(struct fixture *f, struct cm_session *inherited, const char *id)
{
        struct cm_session session = {.size = sizeof(session)};

        if (inherited->len != 4 || memcmp(inherited->data, "data", 4) != 0) {
                return 1;
        }
        if (cm_session_get(f->space, id, NULL, &session) != 0 || session.len != 4) {
                return 2;
        }
        if (cm_session_save(&session, "child", 5, NULL) != 0) {
                return 3;
        }
        if (cm_session_save(inherited, "x", 1, NULL) != CM_CONFLICT || inherited->len != 5) {
                return 4;
        }
        cm_session_release(inherited);
        cm_session_release(&session);
        return 0;
}

static void a_child_goes_on_with_what_it_inherits(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];
        int status = -1;
        pid_t pid;

        fixture_create(f, "data", id);
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        pid = fork();
        if (pid == 0) {
                _exit(child(f, &session, id));
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
        fixture_expect(&session, "data");
        g_assert_cmpint(cm_session_get(f->space, id, NULL, &session), ==, 0);
        fixture_expect(&session, "child");
        cm_session_release(&session);
}

static void rewrite_keys(struct fixture *f, const char *seal, const char *index)
{
        g_autofree char *text = NULL;
        g_autofree char *old = NULL;
        g_auto(GStrv) lines = NULL;

        g_assert_true(g_file_get_contents(f->keys, &old, NULL, NULL));
        lines = g_strsplit(old, "\n", -1); /* head, comment, seal use, index use */
        text = g_strdup_printf("%s\nseal use %s\nseal key %s\nindex use %s\nindex key %s\n",
                        lines[0], seal, lines[2] + strlen("seal use "), index,
                        lines[3] + strlen("index use "));
        g_assert_true(g_file_set_contents_full(
                        f->keys, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

/* f->other uses new keys from now on, and accepts those of f->space. */
static void change_keys(struct fixture *f)
{
        rewrite_keys(f, "abababababababababababababababababababababababababababababababab",
                        "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd");
        cm_session_space_close(f->other);
        f->other = fixture_space(f, f->other_cm);
}

static void sessions_outlive_a_change_of_keys(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .principal = "alice", .principal_len = 5};
        struct cm_session session = {.size = sizeof(session)};
        char ids[3][CM_SESSION_ID_SIZE];

        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(cm_session_create(f->space, "old", 3, &options, ids[i], NULL), ==,
                                0);
        }
        change_keys(f);
        g_assert_cmpint(cm_session_get(f->other, ids[0], NULL, &session), ==, 0);
        fixture_expect(&session, "old");
        g_assert_cmpint(cm_session_save(&session, "new", 3, NULL), ==, 0);
        for (int i = 0; i < 3; i++) { /* found here under the old key, without a request */
                g_assert_cmpint(cm_session_get(f->other, ids[0], NULL, &session), ==, 0);
        }
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 2);
        g_assert_cmpint(cm_session_get(f->space, ids[0], NULL, &session), ==, CM_E_SEALED);
        g_assert_cmpint(cm_session_create(f->other, "new", 3, &options, ids[2], NULL), ==, 0);
        g_assert_cmpint(cm_session_get(f->space, ids[2], NULL, &session), ==, CM_GONE);
        g_assert_cmpint(cm_session_destroy(f->other, ids[0], NULL), ==, 0);
        g_assert_cmpint(cm_session_get(f->other, ids[0], NULL, &session), ==, CM_GONE);
        g_assert_cmpint(cm_session_destroy_principal(f->other, "alice", 5, NULL), ==, 0);
        g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 0);
        cm_session_release(&session);
}

/* It lives under the key that is asked last, and the first one's answer is no reason to stop. */
static void what_ends_a_session_is_asked_under_each_index_key(struct fixture *f, const void *unused)
{
        struct cm_session_create_options options = {
                        .size = sizeof(options), .principal = "alice", .principal_len = 5};
        char id[CM_SESSION_ID_SIZE];

        change_keys(f);
        fixture_create(f, "old", id);
        fake_sessions_answer_next(f->sessions, CM_E_FULL, "no room for tombstones");
        g_assert_cmpint(cm_session_destroy(f->other, id, NULL), ==, CM_E_FULL);
        g_assert_cmpstr(cm_error_detail(NULL), ==, "no room for tombstones");
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_DESTROY), ==, 2);
        g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 0);

        g_assert_cmpint(cm_session_create(f->space, "old", 3, &options, id, NULL), ==, 0);
        fake_sessions_answer_next(f->sessions, CM_E_FULL, "no room for counts");
        g_assert_cmpint(cm_session_destroy_principal(f->other, "alice", 5, NULL), ==, CM_E_FULL);
        g_assert_cmpstr(cm_error_detail(NULL), ==, "no room for counts");
        g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 0);
        fake_sessions_answer_next(f->sessions, CM_PENDING, "");
        g_assert_cmpint(cm_session_destroy_principal(f->other, "alice", 5, NULL), ==, CM_PENDING);
}

/* Of two refusals the one that may have had an effect is told. */
static void an_end_that_is_unconfirmed_may_be_done(struct fixture *f, const void *unused)
{
        static const int others[] = {CM_E_FULL, CM_E_BUSY, -EOPNOTSUPP};
        char id[CM_SESSION_ID_SIZE];

        change_keys(f);
        fixture_create(f, "data", id);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                for (int is_first = 0; is_first < 2; is_first++) {
                        int r = is_first ? CM_E_UNCONFIRMED : others[i];
                        int next = is_first ? others[i] : CM_E_UNCONFIRMED;

                        fake_sessions_answer_next(f->sessions, r, is_first ? "done" : "not");
                        fake_sessions_answer_next(f->sessions, next, is_first ? "not" : "done");
                        g_assert_cmpint(cm_session_destroy(f->other, id, NULL), ==,
                                        CM_E_UNCONFIRMED);
                        g_assert_cmpstr(cm_error_detail(NULL), ==, "done");
                }
        }
}

/* Of which there is a copy here lives under one key: the other one is not written down as ended. */
static void the_end_of_a_known_session_is_asked_once(struct fixture *f, const void *unused)
{
        struct cm_session session = {.size = sizeof(session)};
        char id[CM_SESSION_ID_SIZE];

        change_keys(f);
        fixture_create(f, "old", id);
        g_assert_cmpint(cm_session_get(f->other, id, NULL, &session), ==, 0);
        g_assert_cmpint(cm_session_destroy(f->other, id, NULL), ==, 0);
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_DESTROY), ==, 1);
        g_assert_cmpuint(fake_sessions_n_alive(f->sessions), ==, 0);
        cm_session_release(&session);
}

#define CASE(name)                                                                                 \
        g_test_add("/session_trouble/" #name, struct fixture, NULL, fixture_set_up, name,          \
                        fixture_tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE(every_call_ends_by_its_deadline);
        CASE(without_meshd_each_says_so);
        CASE(what_was_done_before_the_connection_ended_is_not_done_twice);
        CASE(a_save_that_may_be_done_is_not_told_as_undone);
        CASE(what_was_saved_over_since_shows_what_was_asked_for);
        CASE(a_meshd_that_has_forgotten_all_is_believed);
        CASE(threads_lose_no_save);
        CASE(a_child_goes_on_with_what_it_inherits);
        CASE(sessions_outlive_a_change_of_keys);
        CASE(what_ends_a_session_is_asked_under_each_index_key);
        CASE(an_end_that_is_unconfirmed_may_be_done);
        CASE(the_end_of_a_known_session_is_asked_once);
        return g_test_run();
}
