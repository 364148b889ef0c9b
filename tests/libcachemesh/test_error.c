/* SPDX-License-Identifier: MIT */
/* What a call that fails returns and says, and that it stores nothing; limits of sizes. */
#include "tests/libcachemesh/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

static int nothing(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        return 0;
}

static void make_another_error(void)
{
        g_assert_cmpint(cm_load_set_ttl(NULL, 1), ==, -EINVAL);
        g_assert_cmpstr(cm_error_detail(NULL), ==, "there is no load");
}

static void expect_failed(int r, int code, int line)
{
        if (r != code) {
                g_test_message("line %d", line);
        }
        g_assert_cmpint(r, ==, code);
        g_assert_cmpstr(cm_error_detail(NULL), !=, "there is no load");
}

/* The detail must be of this call, not of the one before. */
#define expect_error(call, code) (make_another_error(), expect_failed(call, code, __LINE__))

static void handles_and_regions_are_not_opened_with_nonsense(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        struct cm *cm = NULL;
        struct cm_region *region = NULL;

        expect_error(cm_open(NULL, &options), -EINVAL);
        options.size = 7;
        expect_error(cm_open(&cm, &options), -EINVAL);
        options.size = sizeof(options);
        options.allocator.allocate = (void *(*)(void *, size_t, size_t))abort;
        expect_error(cm_open(&cm, &options), -EINVAL);
        options.allocator.allocate = NULL;
        options.name = "\xff";
        expect_error(cm_open(&cm, &options), -EINVAL);
        g_assert_null(cm);
        expect_error(cm_region_open(NULL, f.cm, "r", NULL), -EINVAL);
        expect_error(cm_region_open(&region, NULL, "r", NULL), -EINVAL);
        expect_error(cm_region_open(&region, f.cm, NULL, NULL), -EINVAL);
        expect_error(cm_region_open(&region, f.cm, "\xff", NULL), -EINVAL);
        g_assert_null(region);
        fixture_close(&f);
}

static void a_socket_path_of_the_environment_has_the_same_limit(void)
{
        g_autofree char *path = g_strnfill(CM_SOCKET_PATH_MAX + 1, 'p');
        struct cm *cm = NULL;

        g_setenv("CACHEMESH_SOCKET", path, TRUE);
        g_assert_cmpint(cm_open(&cm, NULL), ==, -ENAMETOOLONG);
        g_assert_null(cm);
        path[CM_SOCKET_PATH_MAX] = '\0';
        g_setenv("CACHEMESH_SOCKET", path, TRUE);
        g_assert_cmpint(cm_open(&cm, NULL), ==, 0);
        cm_close(cm);
        g_unsetenv("CACHEMESH_SOCKET");
}

static void without_a_descriptor_a_standalone_handle_is_not_opened(void)
{
        struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        struct fixture f = fixture_open(NULL, 0);
        struct rlimit limit;
        struct rlimit none;
        struct cm *cm = NULL;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        none = (struct rlimit){0, limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
        expect_error(cm_open(&cm, &options), -EMFILE);
        setrlimit(RLIMIT_NOFILE, &limit);
        g_assert_null(cm);
        fixture_close(&f);
}

static void gets_and_puts_check_their_arguments(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_token token = cm_token(f.cm);
        struct cm_token zero = cm_token(NULL);
        struct cm_put_options options = {.size = 3};
        struct cm_value value = {.len = 77};
        struct cm_bytes key = {"k", 1};
        int outcome = 77;

        expect_error(cm_get(f.region, "k", 1, NULL), -EINVAL);
        expect_error(cm_get(NULL, "k", 1, &value), -EINVAL);
        expect_error(cm_get_many(NULL, &key, 1, &value, &outcome), -EINVAL);
        expect_error(cm_get_many(f.region, &key, 1, NULL, &outcome), -EINVAL);
        expect_error(cm_get_many(f.region, &key, (size_t)INT32_MAX + 1, &value, &outcome), -EINVAL);
        expect_error(cm_get_or_load(f.region, "k", CM_KEY_MAX + 1, nothing, NULL, &value), -EINVAL);
        expect_error(cm_get_or_load(f.region, "k", 1, nothing, NULL, NULL), -EINVAL);
        expect_error(cm_get_or_load(f.region, "k", 1, nothing, NULL, &value), -ENODATA);
        g_assert_cmpuint(value.len, ==, 77);
        g_assert_cmpint(outcome, ==, 77);
        expect_error(cm_put(NULL, "k", 1, "v", 1, token, NULL), -EINVAL);
        expect_error(cm_put(f.region, "k", 1, "v", 1, token, &options), -EINVAL);
        options = (struct cm_put_options){.size = sizeof(options), .flags = 2};
        expect_error(cm_put(f.region, "k", 1, "v", 1, token, &options), -EINVAL);
        options = (struct cm_put_options){.size = sizeof(options), .n_tags = 1};
        expect_error(cm_put(f.region, "k", 1, "v", 1, token, &options), -EINVAL);
        /* Looked at before a byte of it is. */
        expect_error(cm_put(f.region, "k", 1, "v", (size_t)UINT32_MAX + 1, token, NULL), -E2BIG);
        expect_error(cm_put(f.region, "k", 1, "v", (8u << 20) + 1, token, NULL), -E2BIG);
        g_assert_cmpint(put_text(f.region, "k", "v", zero), ==, CM_REFUSED);
        assert_miss(f.region, "k", CM_REASON_ABSENT);
        fixture_close(&f);
}

static void every_load_function_needs_a_load(void)
{
        g_assert_cmpint(cm_load_set_value(NULL, "v", 1), ==, -EINVAL);
        g_assert_cmpint(cm_load_set_negative(NULL), ==, -EINVAL);
        g_assert_cmpint(cm_load_add_tag(NULL, "t", 1), ==, -EINVAL);
        g_assert_cmpint(cm_load_set_ttl(NULL, 1), ==, -EINVAL);
}

/* Makes one mistake and goes on as if nothing had been. */
static int mistaken_load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        static const char tag[CM_TAG_MAX + 1] = "t";

        switch (*(int *)userdata) {
        case 0:
                expect_error(cm_load_set_value(load, NULL, 1), -EINVAL);
                break;
        case 1:
                expect_error(cm_load_set_value(load, "v", (size_t)UINT32_MAX + 1), -E2BIG);
                break;
        case 2:
                expect_error(cm_load_add_tag(load, tag, sizeof(tag)), -EINVAL);
                break;
        default:
                for (int i = 0; i < CM_TAGS_MAX; i++) {
                        g_assert_cmpint(cm_load_add_tag(load, tag, CM_TAG_MAX), ==, 0);
                }
                if (*(int *)userdata == 3) {
                        expect_error(cm_load_add_tag(load, tag, 1), -E2BIG);
                }
        }
        return cm_load_set_value(load, "v", 1);
}

static void a_mistake_of_a_loader_fails_the_load(void)
{
        const int codes[] = {-EINVAL, -E2BIG, -EINVAL, -E2BIG, 0};
        struct fixture f = fixture_open(NULL, 0);
        struct cm_value value = {0};

        for (int i = 0; i < 5; i++) {
                g_assert_cmpint(cm_get_or_load(f.region, "k", 1, mistaken_load, &i, &value), ==,
                                codes[i]);
        }
        cm_release(&value);
        assert_hit(f.region, "k", "v");
        fixture_close(&f);
}

static void invalidations_check_their_arguments(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_result result = {.position = 77};

        put_text(f.region, "k", "v", cm_token(f.cm));
        expect_error(cm_invalidate(NULL, "k", 1, CM_WAIT_NONE, &result), -EINVAL);
        expect_error(cm_invalidate(f.region, NULL, 1, CM_WAIT_NONE, &result), -EINVAL);
        expect_error(cm_invalidate_tag(NULL, "k", 1, CM_WAIT_NONE, &result), -EINVAL);
        expect_error(cm_invalidate_tag(f.region, NULL, 1, CM_WAIT_NONE, &result), -EINVAL);
        expect_error(cm_invalidate_region(NULL, CM_WAIT_NONE, &result), -EINVAL);
        expect_error(cm_invalidate_region(f.region, (enum cm_wait)3, &result), -EINVAL);
        expect_error(cm_region_clear(NULL), -EINVAL);
        g_assert_cmpuint(result.position, ==, 77);
        assert_hit(f.region, "k", "v");
        g_assert_cmpint(cm_region_clear(f.region), ==, 0);
        assert_miss(f.region, "k", CM_REASON_ABSENT);
        fixture_close(&f);
}

static void a_batch_takes_only_what_it_can_publish(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct fixture other = fixture_open(NULL, 0);
        struct cm_batch *batch = NULL;
        struct cm_result result = {0};
        static const char bytes[CM_KEY_MAX + 1] = "k";

        expect_error(cm_batch_new(NULL, f.cm), -EINVAL);
        expect_error(cm_batch_new(&batch, NULL), -EINVAL);
        g_assert_null(batch);
        g_assert_cmpint(cm_batch_new(&batch, f.cm), ==, 0);
        expect_error(cm_batch_add_key(NULL, f.region, bytes, 1), -EINVAL);
        expect_error(cm_batch_add_key(batch, NULL, bytes, 1), -EINVAL);
        expect_error(cm_batch_add_key(batch, f.region, NULL, 1), -EINVAL);
        expect_error(cm_batch_add_key(batch, f.region, bytes, 0), -EINVAL);
        expect_error(cm_batch_add_key(batch, f.region, bytes, CM_KEY_MAX + 1), -EINVAL);
        expect_error(cm_batch_add_key(batch, other.region, bytes, 1), -EINVAL);
        expect_error(cm_batch_add_tag(NULL, f.region, bytes, 1), -EINVAL);
        expect_error(cm_batch_add_tag(batch, f.region, bytes, 0), -EINVAL);
        expect_error(cm_batch_add_tag(batch, f.region, bytes, CM_TAG_MAX + 1), -EINVAL);
        expect_error(cm_batch_add_tag(batch, other.region, bytes, 1), -EINVAL);
        expect_error(cm_batch_add_region(NULL, f.region), -EINVAL);
        expect_error(cm_batch_add_region(batch, NULL), -EINVAL);
        expect_error(cm_batch_add_region(batch, other.region), -EINVAL);
        expect_error(cm_batch_publish(NULL, CM_WAIT_NONE, 0, NULL), -EINVAL);
        /* The batch is as it was: this publishes the one key. */
        put_text(f.region, "k", "v", cm_token(f.cm));
        g_assert_cmpint(cm_batch_add_key(batch, f.region, bytes, 1), ==, 0);
        expect_error(cm_batch_publish(batch, (enum cm_wait)3, 0, &result), -EINVAL);
        assert_hit(f.region, "k", "v");
        g_assert_cmpint(cm_batch_publish(batch, CM_WAIT_NODE, 0, &result), ==, 0);
        g_assert_cmpuint(result.position, ==, 1);
        assert_miss(f.region, "k", CM_REASON_ABSENT);
        cm_batch_free(batch);
        fixture_close(&other);
        fixture_close(&f);
}

/* Its list may be there still; a leak is what the sanitizer would see. */
static void a_result_can_be_used_again(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_result result = {.n_members = 1, .members = calloc(1, sizeof(struct cm_member))};
        struct cm_batch *batch;

        g_assert_cmpint(cm_invalidate(f.region, "k", 1, CM_WAIT_MESH, &result), ==, 0);
        g_assert_null(result.members);
        g_assert_cmpuint(result.position, ==, 1);
        result.members = calloc(1, sizeof(struct cm_member));
        g_assert_cmpint(cm_batch_new(&batch, f.cm), ==, 0);
        g_assert_cmpint(cm_batch_publish(batch, CM_WAIT_MESH, 0, &result), ==, 0);
        g_assert_null(result.members);
        g_assert_cmpuint(result.position, ==, 0);
        cm_batch_free(batch);
        fixture_close(&f);
}

static void questions_to_a_handle_check_their_arguments(void)
{
        struct fixture f = fixture_open(NULL, 0);
        struct cm_region_stats stats = {.size = 7};
        struct cm_state state;
        struct cm_event event;

        expect_error(cm_state(NULL, &state), -EINVAL);
        expect_error(cm_state(f.cm, NULL), -EINVAL);
        expect_error(cm_fd(NULL), -EINVAL);
        expect_error(cm_events(NULL), -EINVAL);
        expect_error(cm_timeout_ms(NULL), -EINVAL);
        expect_error(cm_dispatch(NULL), -EINVAL);
        expect_error(cm_next_event(NULL, &event), -EINVAL);
        expect_error(cm_next_event(f.cm, NULL), -EINVAL);
        expect_error(cm_region_stats(f.region, &stats), -EINVAL);
        expect_error(cm_region_stats(f.region, NULL), -EINVAL);
        fixture_close(&f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/error/open", handles_and_regions_are_not_opened_with_nonsense);
        g_test_add_func("/error/path", a_socket_path_of_the_environment_has_the_same_limit);
        g_test_add_func("/error/descriptor",
                        without_a_descriptor_a_standalone_handle_is_not_opened);
        g_test_add_func("/error/get", gets_and_puts_check_their_arguments);
        g_test_add_func("/error/load_null", every_load_function_needs_a_load);
        g_test_add_func("/error/load", a_mistake_of_a_loader_fails_the_load);
        g_test_add_func("/error/invalidate", invalidations_check_their_arguments);
        g_test_add_func("/error/batch", a_batch_takes_only_what_it_can_publish);
        g_test_add_func("/error/result", a_result_can_be_used_again);
        g_test_add_func("/error/state", questions_to_a_handle_check_their_arguments);
        return g_test_run();
}
