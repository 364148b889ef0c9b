/* SPDX-License-Identifier: MIT */
/* What libcachemesh does for libcachemesh-session, beside a fake meshd. */
#include "tests/libcachemesh/fake_sessions.h"

#include "libcachemesh/extension.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALL_MS 60
#define LONG_MS 30000
#define LARGE (CMI_SESSION_BLOB_MAX - 7)
#define THREADS 6
#define ROUNDS 40
#define LARGE_CALLS 16 /* 4 MiB: a socket takes 2 MiB at most */

struct fixture {
        char *path;
        struct fake_sessions *sessions;
        struct fake_meshd *meshd;
        struct cm *cm;
        uint8_t *large;
};

static const struct cmi_id space = {{5}};

static void set_up(struct fixture *f, const void *unused)
{
        struct cm_options options = {.size = sizeof(options)};

        f->path = fake_path_new();
        f->sessions = fake_sessions_new();
        f->meshd = fake_sessions_start(f->sessions, f->path);
        options.socket_path = f->path;
        g_assert_cmpint(cm_open(&f->cm, &options), ==, 0);
        f->large = g_malloc(LARGE);
        for (size_t i = 0; i < LARGE; i++) {
                f->large[i] = (uint8_t)(i * 7 + i / 251);
        }
}

static void tear_down(struct fixture *f, const void *unused)
{
        cm_close(f->cm);
        if (f->meshd) {
                fake_meshd_kill(f->meshd);
        }
        fake_sessions_free(f->sessions);
        fake_path_free(f->path);
        g_free(f->large);
}

static struct cmi_id key_of(uint64_t n)
{
        struct cmi_id key = {{9}};

        memcpy(key.bytes + 4, &n, sizeof(n));
        return key;
}

static struct cmi_session_request create(uint64_t n, struct cmi_slice blob)
{
        return (struct cmi_session_request){
                        .verb = CMI_SESSION_CREATE,
                        .space = space,
                        .key = key_of(n),
                        .request = n + 1,
                        .max_end_ms = (uint64_t)g_get_real_time() / 1000 + 3600000,
                        .save_id = {{1}},
                        .blob_len = blob.len,
                        .blob = cmi_slice(blob.data, MIN(blob.len, CMI_SESSION_PART_MAX)),
        };
}

static struct cmi_session_request get(uint64_t n)
{
        return (struct cmi_session_request){
                        .verb = CMI_SESSION_GET, .space = space, .key = key_of(n)};
}

static int ask(struct cm *cm, const struct cmi_session_request *request, struct cmi_slice blob,
                uint32_t timeout_ms, struct cmi_ext_answer *ret_answer)
{
        size_t first = request->blob.len;
        uint8_t *bytes = g_malloc(first + 1024);
        struct cmi_writer writer = cmi_writer(bytes, first + 1024);
        struct cmi_ext_call call = {.deadline_ns = cmi_ext_deadline_ns(cm, timeout_ms)};
        int r;

        cmi_session_request_write(&writer, request);
        g_assert_cmpint(writer.error, ==, 0);
        call.fields = cmi_slice(writer.data, writer.len);
        call.rest = cmi_slice((const uint8_t *)blob.data + first, blob.len - first);
        r = cmi_ext_call(cm, &call, ret_answer);
        g_free(bytes);
        return r;
}

static int ask_simply(struct cm *cm, const struct cmi_session_request *request, uint32_t timeout_ms)
{
        struct cmi_ext_answer answer = {0};
        int r = ask(cm, request, request->blob, timeout_ms, &answer);

        cmi_ext_answer_clear(&answer);
        return r;
}

static void create_large(struct fixture *f, uint64_t n)
{
        struct cmi_slice blob = cmi_slice(f->large, LARGE);
        struct cmi_session_request request = create(n, blob);
        struct cmi_session_answer answer;
        struct cmi_ext_answer told = {0};

        g_assert_cmpint(ask(f->cm, &request, blob, LONG_MS, &told), ==, 0);
        g_assert_cmpint(cmi_session_answer_decode(told.fields, &answer), ==, 0);
        g_assert_cmpint(answer.outcome, ==, 0);
        cmi_ext_answer_clear(&told);
        g_assert_null(told.fields.data);
}

static void expect_large(struct fixture *f, uint64_t n)
{
        struct cmi_session_request request = get(n);
        struct cmi_session_answer answer;
        struct cmi_ext_answer told = {0};

        g_assert_cmpint(ask(f->cm, &request, cmi_slice(NULL, 0), LONG_MS, &told), ==, 0);
        g_assert_cmpint(cmi_session_answer_decode(told.fields, &answer), ==, 0);
        g_assert_cmpmem(answer.blob.data, answer.blob.len, f->large, LARGE);
        cmi_ext_answer_clear(&told);
}

static void the_largest_blob_goes_there_and_back(struct fixture *f, const void *unused)
{
        create_large(f, 1);
        expect_large(f, 1);
}

/* Of a meshd that reads nothing: until not even the beginning of a request goes in. */
static void fill_socket(struct fixture *f)
{
        struct cmi_slice blob = cmi_slice(f->large, LARGE);
        struct cmi_session_request request = create(1000, blob);
        struct cmi_ext_answer answer = {0};
        int r;

        do {
                r = ask(f->cm, &request, blob, CALL_MS, &answer);
        } while (r == CM_E_TIMEOUT);
        g_assert_cmpint(r, ==, -ENOTCONN);
}

static void what_had_left_is_not_written_twice(struct fixture *f, const void *unused)
{
        struct cmi_session_request request = get(1);

        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, 0);
        fake_sessions_fail(f->sessions, FAKE_SESSIONS_UNDONE);
        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, -ECONNRESET);
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_GET), ==, 2);
        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, 0);
}

static void without_meshd_nothing_has_happened(struct fixture *f, const void *unused)
{
        struct cmi_session_request request = get(1);

        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_cmpint(ask_simply(f->cm, &request, CALL_MS), ==, -ENOTCONN);
        g_assert_cmpstr(cm_error_detail(f->cm), !=, "");
}

struct large_call {
        struct fixture *f;
        uint64_t n;
        int r;
};

static void *call_large(void *data)
{
        struct large_call *call = data;
        struct cmi_slice blob = cmi_slice(call->f->large, LARGE);
        struct cmi_session_request request = create(call->n, blob);
        struct cmi_ext_answer answer = {0};

        call->r = ask(call->f->cm, &request, blob, LONG_MS, &answer);
        cmi_ext_answer_clear(&answer);
        return NULL;
}

/* More than a socket holds, so of some of them a part has left at most. */
static void parts_that_were_cut_off_are_written_anew(struct fixture *f, const void *unused)
{
        struct cmi_session_request request = get(1);
        struct large_call calls[LARGE_CALLS];
        pthread_t threads[LARGE_CALLS];
        unsigned n_done = 0;

        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, 0);
        fake_meshd_pause(f->meshd);
        for (unsigned i = 0; i < LARGE_CALLS; i++) {
                calls[i] = (struct large_call){.f = f, .n = i + 1};
                g_assert_cmpint(pthread_create(&threads[i], NULL, call_large, &calls[i]), ==, 0);
        }
        fill_socket(f);
        fake_meshd_kill(f->meshd);
        f->meshd = fake_sessions_start(f->sessions, f->path);
        for (unsigned i = 0; i < LARGE_CALLS; i++) {
                pthread_join(threads[i], NULL);
                g_assert_true(calls[i].r == 0 || calls[i].r == -ECONNRESET);
                if (calls[i].r == 0) {
                        expect_large(f, calls[i].n);
                        n_done++;
                }
        }
        g_assert_cmpuint(n_done, >=, 2);
}

struct late {
        struct fixture *f;
        int r;
};

static void *call_late(void *data)
{
        struct late *late = data;
        struct cmi_session_request request = get(1);

        late->r = ask_simply(late->f->cm, &request, LONG_MS);
        return NULL;
}

static void a_meshd_that_comes_in_time_is_asked(struct fixture *f, const void *unused)
{
        struct late late = {.f = f};
        pthread_t thread;

        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_cmpint(pthread_create(&thread, NULL, call_late, &late), ==, 0);
        f->meshd = fake_sessions_start(f->sessions, f->path);
        pthread_join(thread, NULL);
        g_assert_cmpint(late.r, ==, 0);
}

static void a_meshd_that_hangs_costs_the_deadline(struct fixture *f, const void *unused)
{
        struct cmi_session_request request = get(1);
        gint64 begin_us = g_get_monotonic_time();

        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, 0);
        fake_meshd_pause(f->meshd);
        g_assert_cmpint(ask_simply(f->cm, &request, CALL_MS), ==, CM_E_TIMEOUT);
        fill_socket(f);
        g_assert_cmpint(g_get_monotonic_time() - begin_us, <, LONG_MS * 1000);
        fake_meshd_resume(f->meshd);
        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, 0);
        fake_sessions_fail(f->sessions, FAKE_SESSIONS_SILENT);
        g_assert_cmpint(ask_simply(f->cm, &request, CALL_MS), ==, CM_E_TIMEOUT);
}

static void a_meshd_without_sessions_says_so(struct fixture *f, const void *unused)
{
        struct cmi_session_request request = get(1);

        fake_sessions_fail(f->sessions, FAKE_SESSIONS_UNKNOWN);
        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, -EOPNOTSUPP);
        g_assert_cmpstr(cm_error_detail(f->cm), ==, "meshd: unknown request");
}

static void a_standalone_handle_has_none(struct fixture *f, const void *unused)
{
        struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        struct cmi_session_request request = get(1);
        struct cm_region *region = NULL;
        struct cm *cm = NULL;

        g_assert_cmpint(cm_open(&cm, &options), ==, 0);
        g_assert_cmpint(ask_simply(cm, &request, CALL_MS), ==, -EOPNOTSUPP);
        g_assert_cmpint(cmi_ext_tell(cm, cmi_slice("", 0)), ==, -EOPNOTSUPP);
        g_assert_cmpint(cmi_ext_copies(cm, 0, &region), ==, -EOPNOTSUPP);
        cm_close(cm);
}

static void what_is_told_arrives_and_its_answer_harms_nobody(struct fixture *f, const void *unused)
{
        struct cmi_session_request request = {
                        .verb = CMI_SESSION_TOUCH,
                        .space = space,
                        .key = key_of(1),
                        .holder = {.node = {{1}}, .no = 1},
        };
        uint8_t bytes[1024];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        cmi_session_request_write(&writer, &request);
        create_large(f, 2); /* connects */
        g_assert_cmpint(cmi_ext_tell(f->cm, cmi_slice(bytes, writer.len)), ==, 0);
        g_assert_true(fake_sessions_await(f->sessions, CMI_SESSION_TOUCH, 1));
        for (int i = 0; i < 2000; i++) { /* more answers than a socket holds */
                g_assert_cmpint(cmi_ext_tell(f->cm, cmi_slice(bytes, writer.len)), ==, 0);
        }
        create_large(f, 1);
        g_assert_cmpuint(fake_sessions_n_asked(f->sessions, CMI_SESSION_TOUCH), ==, 2001);
        f->meshd = fake_meshd_kill(f->meshd);
        g_assert_cmpint(cmi_ext_tell(f->cm, cmi_slice(bytes, writer.len)), ==, -EAGAIN);
}

static struct cm_token token_of(struct fixture *f, uint64_t n)
{
        struct cmi_session_request request = get(n);
        struct cmi_session_answer answer;
        struct cmi_ext_answer told = {0};
        struct cm_token token;

        g_assert_cmpint(ask(f->cm, &request, cmi_slice(NULL, 0), LONG_MS, &told), ==, 0);
        g_assert_cmpint(cmi_session_answer_decode(told.fields, &answer), ==, 0);
        token = cmi_ext_token(&told, answer.token);
        cmi_ext_answer_clear(&told);
        return token;
}

static struct cm_region *open_copies(struct fixture *f)
{
        struct cm_region *region = NULL;
        struct cm_region *other = NULL;

        g_assert_cmpint(cmi_ext_copies(f->cm, 4 << 20, &region), ==, 0);
        g_assert_cmpint(cmi_ext_copies(f->cm, 8 << 20, &other), ==, 0);
        g_assert_true(region == other);
        create_large(f, 1); /* and meshd has answered for the region before */
        return region;
}

static int put(struct cm_region *region, uint64_t n, struct cm_token token, const char *text)
{
        struct cmi_id key = key_of(n);
        struct cm_value value = {0};
        int r = cmi_ext_copies_put(region, &key, token, cmi_slice("0123456789abcdef", 16),
                        cmi_slice_str(text), NULL, &value);

        g_assert_cmpint(r, >=, 0);
        g_assert_cmpuint(value.len, ==, 16 + strlen(text));
        g_assert_cmpmem((const char *)value.data + 16, value.len - 16, text, strlen(text));
        g_assert_cmpuint((uintptr_t)value.data % 16, ==, 0);
        cm_release(&value);
        return r;
}

static bool is_hit(struct cm_region *region, uint64_t n)
{
        struct cmi_id key = key_of(n);
        struct cm_value value = {0};
        int r = cm_get(region, key.bytes, sizeof(key.bytes), &value);

        cm_release(&value);
        return r == 0;
}

static void a_copy_is_good_until_its_slot_is_stamped(struct fixture *f, const void *unused)
{
        struct cm_region *region = open_copies(f);
        struct cmi_page_view view = cmi_page_view(fake_meshd_page(f->meshd));
        struct cmi_id key = key_of(1);
        struct cm_token token = token_of(f, 1);
        uint64_t seq = cmi_page_begin(&view);

        g_assert_cmpint(put(region, 1, token, "one"), ==, 0);
        g_assert_cmpint(put(region, 2, token, "two"), ==, 0);
        for (uint32_t i = 0; i <= view.key_mask; i++) {
                cmi_page_stamp(&view.keys[i], seq); /* the tables of keys and tags are others */
                cmi_page_stamp(&view.tags[i & view.tag_mask], seq);
        }
        cmi_page_publish(&view, seq);
        g_assert_true(is_hit(region, 1));
        cmi_page_stamp_session(&view, key.bytes, ++seq);
        cmi_page_publish(&view, seq);
        g_assert_false(is_hit(region, 1));
        g_assert_true(is_hit(region, 2));
        g_assert_cmpint(put(region, 1, token, "one"), ==, CM_REFUSED);
        g_assert_cmpint(put(region, 1, token_of(f, 1), "one"), ==, 0);
        g_assert_true(is_hit(region, 1));
}

static void without_a_token_it_is_pinned_only(struct fixture *f, const void *unused)
{
        struct cm_region *region = open_copies(f);
        struct cm_token none = {{0, 0, 0}};

        g_assert_cmpint(put(region, 1, none, "one"), ==, CM_REFUSED);
        g_assert_false(is_hit(region, 1));
        g_assert_cmpint(put(region, 1, token_of(f, 1), ""), ==, 0);
        g_assert_true(is_hit(region, 1));
}

static void copies_end_with_their_meshd(struct fixture *f, const void *unused)
{
        struct cm_region *region = open_copies(f);

        g_assert_cmpint(put(region, 1, token_of(f, 1), "one"), ==, 0);
        f->meshd = fake_meshd_kill(f->meshd);
        f->meshd = fake_sessions_start(f->sessions, f->path);
        g_assert_cmpint(token_of(f, 1).opaque[0], !=, 0); /* asks the new one */
        g_assert_false(is_hit(region, 1));
}

static void no_app_opens_their_region(struct fixture *f, const void *unused)
{
        struct cm_region *region = NULL;

        g_assert_cmpint(cm_region_open(&region, f->cm, CMI_SESSION_REGION, NULL), ==, -EINVAL);
        g_assert_null(region);
}

static void *call_often(void *data)
{
        struct fixture *f = data;
        static _Atomic uint64_t next = 100;

        for (int i = 0; i < ROUNDS; i++) {
                uint64_t n = next++;

                if (i % 8 == 0) {
                        create_large(f, n);
                        expect_large(f, n);
                } else {
                        struct cmi_session_request request = get(n);

                        g_assert_cmpint(ask_simply(f->cm, &request, LONG_MS), ==, 0);
                }
        }
        return NULL;
}

static void *invalidate_often(void *data)
{
        struct cm_region *region = data;

        for (int i = 0; i < 20 * ROUNDS; i++) {
                g_assert_cmpint(cm_invalidate(region, &i, sizeof(i), CM_WAIT_NONE, NULL), ==, 0);
        }
        return NULL;
}

static void threads_get_their_own_answers(struct fixture *f, const void *unused)
{
        struct cm_region *region = NULL;
        pthread_t threads[THREADS + 1];

        g_assert_cmpint(cm_region_open(&region, f->cm, "r", NULL), ==, 0);
        g_assert_cmpint(pthread_create(&threads[THREADS], NULL, invalidate_often, region), ==, 0);
        for (int i = 0; i < THREADS; i++) {
                g_assert_cmpint(pthread_create(&threads[i], NULL, call_often, f), ==, 0);
        }
        for (int i = 0; i <= THREADS; i++) {
                pthread_join(threads[i], NULL);
        }
        g_assert_cmpuint(fake_meshd_n_published(f->meshd), ==, 20 * ROUNDS);
}

static void a_child_asks_for_itself(struct fixture *f, const void *unused)
{
        struct cmi_session_request request = get(1);
        int status = -1;
        pid_t child;

        create_large(f, 1);
        child = fork();
        if (child == 0) {
                _exit(ask_simply(f->cm, &request, LONG_MS) == 0 ? 0 : 1);
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_cmpint(status, ==, 0);
        expect_large(f, 1);
}

#define CASE(name) g_test_add("/extension/" #name, struct fixture, NULL, set_up, name, tear_down)

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        CASE(the_largest_blob_goes_there_and_back);
        CASE(parts_that_were_cut_off_are_written_anew);
        CASE(what_had_left_is_not_written_twice);
        CASE(without_meshd_nothing_has_happened);
        CASE(a_meshd_that_comes_in_time_is_asked);
        CASE(a_meshd_that_hangs_costs_the_deadline);
        CASE(a_meshd_without_sessions_says_so);
        CASE(a_standalone_handle_has_none);
        CASE(what_is_told_arrives_and_its_answer_harms_nobody);
        CASE(a_copy_is_good_until_its_slot_is_stamped);
        CASE(without_a_token_it_is_pinned_only);
        CASE(copies_end_with_their_meshd);
        CASE(no_app_opens_their_region);
        CASE(threads_get_their_own_answers);
        CASE(a_child_asks_for_itself);
        return g_test_run();
}
