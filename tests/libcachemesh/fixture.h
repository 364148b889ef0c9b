/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A standalone handle with one region, and the writer's side of its page: tests of the
 * cache play meshd with it.
 */
#include "libcachemesh/cache.h"

#include <glib.h>

struct fixture {
        struct cm *cm;
        struct cm_region *region;
};

/* Opens a handle with these region options (NULL: defaults) and further handle flags. */
struct fixture fixture_open(const struct cm_region_options *options, unsigned flags);
void fixture_close(struct fixture *fixture);

/* The current page, writable. */
struct cmi_page_view fixture_page(struct fixture *fixture);

/* Leases that run for a long time, and none. */
void fixture_set_lease(struct fixture *fixture, bool is_running);

int put_text(struct cm_region *region, const char *key, const char *text, struct cm_token token);
int put_tagged(struct cm_region *region, const char *key, const char *text, struct cm_token token,
                const char *tag);

/* What a get of the key gives: the text copied, or NULL and *ret_outcome. Released again. */
char *get_text(struct cm_region *region, const char *key, int *ret_outcome);

/* Asserts on the outcome of a get; and on cm_last_reason() after a miss. */
#define assert_hit(region, key, text)                                                              \
        do {                                                                                       \
                int outcome_ = -1;                                                                 \
                g_autofree char *text_ = get_text(region, key, &outcome_);                         \
                g_assert_cmpint(outcome_, ==, 0);                                                  \
                g_assert_cmpstr(text_, ==, text);                                                  \
        } while (0)
#define assert_miss(region, key, reason)                                                           \
        do {                                                                                       \
                int outcome_ = -1;                                                                 \
                g_autofree char *text_ = get_text(region, key, &outcome_);                         \
                g_assert_cmpint(outcome_, ==, CM_MISS);                                            \
                g_assert_cmpint(cm_last_reason(), ==, reason);                                     \
        } while (0)
