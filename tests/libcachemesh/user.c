/* SPDX-License-Identifier: MIT */
/*
 * A program in strict C99 that uses the library as any other would: nothing of GNU C, nothing of
 * POSIX. It prints its own TAP.
 */
#include "libcachemesh/cachemesh.h"

#include <stdio.h>
#include <string.h>

#if __STDC_VERSION__ != 199901L || !defined(__STRICT_ANSI__)
#error "this is to be compiled as C99"
#endif

static struct cm *cm;
static struct cm_region *region;

static int load(void *userdata, struct cm_load *running, const void *key, size_t key_len)
{
        int *n_loads = userdata;

        ++*n_loads;
        if (key_len == 4 && memcmp(key, "none", 4) == 0) {
                return cm_load_set_negative(running);
        }
        return cm_load_add_tag(running, "people", 6) == 0 ? cm_load_set_value(running, key, key_len)
                                                          : -1;
}

static int reads(void)
{
        struct cm_value value = {0};
        int n_loads = 0;
        int is_good = cm_get_or_load(region, "ada", 3, load, &n_loads, &value) == CM_OK &&
                      value.len == 3 && memcmp(value.data, "ada", 3) == 0;

        cm_release(&value);
        is_good &= cm_get(region, "ada", 3, &value) == CM_OK && n_loads == 1;
        cm_release(&value);
        is_good &= cm_get_or_load(region, "none", 4, load, &n_loads, &value) == CM_NEGATIVE;
        return is_good && cm_get(region, "none", 4, &value) == CM_NEGATIVE && n_loads == 2;
}

static int puts_with_a_tag(void)
{
        const struct cm_bytes tag = {"people", 6};
        const struct cm_put_options options = {.size = sizeof(options), .tags = &tag, .n_tags = 1};

        return cm_put(region, "eve", 3, "value", 5, cm_token(cm), &options) == CM_OK;
}

static int invalidates(void)
{
        const struct cm_bytes keys[] = {{"ada", 3}, {"eve", 3}, {"none", 4}};
        struct cm_value values[3] = {{0}};
        struct cm_result result = {0};
        struct cm_batch *batch = NULL;
        int outcomes[3];
        int is_good = puts_with_a_tag() && cm_get_many(region, keys, 3, values, outcomes) == 2 &&
                      outcomes[2] == CM_NEGATIVE;

        cm_release(&values[0]);
        cm_release(&values[1]);
        is_good &= cm_batch_new(&batch, cm) == 0 &&
                   cm_batch_add_tag(batch, region, "people", 6) == 0 &&
                   cm_batch_add_key(batch, region, "none", 4) == 0 &&
                   cm_batch_publish(batch, CM_WAIT_MESH, 0, &result) == CM_OK;
        batch = cm_batch_free(batch);
        is_good &= cm_get_many(region, keys, 3, values, outcomes) == 0 && result.n_members == 0;
        cm_result_clear(&result);
        return is_good && outcomes[2] == CM_MISS && cm_last_reason() != CM_REASON_NONE;
}

static int looks(void)
{
        struct cm_region_stats stats = {.size = sizeof(stats)};
        struct cm_state state;

        return cm_region_stats(region, &stats) == 0 && stats.n_hits >= 3 && stats.n_loads == 2 &&
               cm_state(cm, &state) == 0 && state.mode == CM_STANDALONE &&
               strlen(cm_strerror(CM_PARTIAL)) > 0 && strlen(cm_version()) > 0;
}

static int n_cases;

static int check(int is_good, const char *name)
{
        printf("%s %d %s\n", is_good ? "ok" : "not ok", ++n_cases, name);
        return is_good;
}

int main(void)
{
        const struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        const struct cm_region_options how = {.size = sizeof(how), .ttl_ms = 60000};
        int is_good;

        printf("1..4\n");
        is_good = check(cm_open(&cm, &options) == 0 &&
                                        cm_region_open(&region, cm, "people", &how) == 0 && reads(),
                        "a_c99_program_reads_and_loads");
        is_good &= check(region && invalidates(), "it_invalidates_by_tag_and_batch");
        is_good &= check(region && looks(), "it_looks_at_state_and_counters");
        cm = cm_close(cm);
        is_good &= check(cm == NULL, "it_closes");
        return is_good ? 0 : 1;
}
