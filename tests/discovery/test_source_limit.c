/* SPDX-License-Identifier: MIT */
#include "discovery/source_limit.h"

#include "base/time.h"

#include <glib.h>

#define START cmi_ms(7000)

static struct cmi_endpoint source(uint32_t n, uint16_t port)
{
        return (struct cmi_endpoint){
                        4, port, 0, {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static unsigned int take(struct source_limit *limit, struct cmi_endpoint from, unsigned int n,
                uint64_t now_ns)
{
        unsigned int n_taken = 0;

        while (n--) {
                n_taken += source_limit_take(limit, &from, now_ns);
        }
        return n_taken;
}

static void a_burst_passes_and_then_the_rate(void)
{
        struct source_limit limit;

        source_limit_init(&limit, 1);
        g_assert_cmpuint(take(&limit, source(1, 1), 1000, START), ==, SOURCE_LIMIT_BURST);
        g_assert_cmpuint(take(&limit, source(1, 1), 1000, START + cmi_ms(1000)), ==,
                        SOURCE_LIMIT_RATE);
        g_assert_cmpuint(take(&limit, source(1, 1), 1000, START + cmi_ms(1500)), ==,
                        SOURCE_LIMIT_RATE / 2);
        g_assert_cmpuint(take(&limit, source(1, 1), 1000, START + cmi_ms(3600000)), ==,
                        SOURCE_LIMIT_BURST);
}

static void frequent_looks_do_not_lose_time(void)
{
        struct source_limit limit;
        unsigned int n = 0;

        source_limit_init(&limit, 1);
        take(&limit, source(1, 1), 1000, START);
        for (uint64_t ms = 1; ms <= 10000; ms++) {
                n += take(&limit, source(1, 1), 2, START + cmi_ms(ms));
        }
        g_assert_cmpuint(n, ==, 10 * SOURCE_LIMIT_RATE);
}

static void a_port_does_not_make_another_source(void)
{
        struct source_limit limit;
        unsigned int n = 0;

        source_limit_init(&limit, 1);
        for (uint16_t port = 1; port <= 1000; port++) {
                n += take(&limit, source(1, port), 1, START);
        }
        g_assert_cmpuint(n, ==, SOURCE_LIMIT_BURST);
}

static void a_flooder_leaves_its_neighbour_alone(void)
{
        struct source_limit limit;

        source_limit_init(&limit, 1);
        take(&limit, source(1, 1), 100000, START);
        g_assert_cmpuint(take(&limit, source(2, 1), 10, START), ==, 10);
}

static void invented_sources_share_what_there_is(void)
{
        struct source_limit limit;
        unsigned int n = 0;

        source_limit_init(&limit, 1);
        for (uint32_t i = 0; i < 200000; i++) {
                n += take(&limit, source(i, 1), 1, START);
        }
        g_assert_cmpuint(n, <=, SOURCE_LIMIT_BUCKETS * SOURCE_LIMIT_BURST);
}

static void a_clock_that_stands_gives_nothing(void)
{
        struct source_limit limit;

        source_limit_init(&limit, 1);
        take(&limit, source(1, 1), 1000, START);
        g_assert_cmpuint(take(&limit, source(1, 1), 10, START), ==, 0);
        g_assert_cmpuint(take(&limit, source(1, 1), 10, START - cmi_ms(5000)), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/source_limit/burst", a_burst_passes_and_then_the_rate);
        g_test_add_func("/source_limit/fine", frequent_looks_do_not_lose_time);
        g_test_add_func("/source_limit/port", a_port_does_not_make_another_source);
        g_test_add_func("/source_limit/neighbour", a_flooder_leaves_its_neighbour_alone);
        g_test_add_func("/source_limit/invented", invented_sources_share_what_there_is);
        g_test_add_func("/source_limit/clock", a_clock_that_stands_gives_nothing);
        return g_test_run();
}
