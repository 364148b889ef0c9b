/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fixture.h"

#include <string.h>

struct fixture fixture_open(const struct cm_region_options *options, unsigned flags)
{
        struct cm_options handle = {.size = sizeof(handle), .flags = CM_OPEN_STANDALONE | flags};
        struct fixture fixture = {NULL, NULL};

        g_assert_cmpint(cm_open(&fixture.cm, &handle), ==, 0);
        g_assert_cmpint(cm_region_open(&fixture.region, fixture.cm, "region", options), ==, 0);
        return fixture;
}

void fixture_close(struct fixture *fixture)
{
        fixture->cm = cm_close(fixture->cm);
        g_assert_null(fixture->cm);
}

struct cmi_page_view fixture_page(struct fixture *fixture)
{
        return atomic_load(&fixture->cm->mapping)->view;
}

void fixture_set_lease(struct fixture *fixture, bool is_running)
{
        struct cmi_page_view view = fixture_page(fixture);
        uint64_t end = is_running ? UINT64_MAX / 2 : 0;

        cmi_page_set_lease(&view, end, end);
}

int put_text(struct cm_region *region, const char *key, const char *text, struct cm_token token)
{
        return cm_put(region, key, strlen(key), text, strlen(text), token, NULL);
}

int put_tagged(struct cm_region *region, const char *key, const char *text, struct cm_token token,
                const char *tag)
{
        struct cm_bytes tags = {tag, strlen(tag)};
        struct cm_put_options options = {.size = sizeof(options), .tags = &tags, .n_tags = 1};

        return cm_put(region, key, strlen(key), text, strlen(text), token, &options);
}

char *get_text(struct cm_region *region, const char *key, int *ret_outcome)
{
        struct cm_value value = {0};
        char *text;

        *ret_outcome = cm_get(region, key, strlen(key), &value);
        if (*ret_outcome != 0) {
                return NULL;
        }
        text = g_strndup(value.data, value.len);
        cm_release(&value);
        return text;
}
