/* SPDX-License-Identifier: MIT */
#include "discovery/schedule.h"

#include "base/time.h"

#include <glib.h>

#define START cmi_ms(7000)

/* Goes to the next beacon as a loop with a timer would, and returns how long that took. */
static uint64_t next_gap(struct schedule *schedule, bool is_missing, uint64_t *now_ns)
{
        uint64_t deadline_ns = schedule_deadline(schedule, is_missing);
        uint64_t gap_ns = deadline_ns - *now_ns;

        g_assert_cmpuint(deadline_ns, >=, *now_ns);
        g_assert_cmpint(schedule_due(schedule, is_missing, deadline_ns - 1), ==, 0);
        g_assert_cmpint(schedule_due(schedule, is_missing, deadline_ns), ==, 1);
        g_assert_cmpint(schedule_due(schedule, is_missing, deadline_ns), ==, 0);
        *now_ns = deadline_ns;
        return gap_ns;
}

static uint64_t run_burst(struct schedule *schedule, uint64_t seed)
{
        uint64_t now_ns = START;

        schedule_init(schedule, seed, now_ns);
        for (int i = 0; i < SCHEDULE_BURST; i++) {
                next_gap(schedule, true, &now_ns);
        }
        return now_ns;
}

static void five_leave_in_the_first_second_the_first_at_once(void)
{
        for (uint64_t seed = 0; seed < 1000; seed++) {
                struct schedule schedule;
                uint64_t now_ns;

                schedule_init(&schedule, seed, START);
                g_assert_cmpuint(schedule_deadline(&schedule, false), ==, START);
                now_ns = run_burst(&schedule, seed);
                g_assert_cmpuint(now_ns, <, START + cmi_ms(1000));
                g_assert_cmpuint(now_ns, >, START + cmi_ms(600));
                g_assert_cmpuint(next_gap(&schedule, true, &now_ns), >=, cmi_ms(800));
        }
}

static void assert_gaps(bool is_missing, uint64_t mean_ms)
{
        uint64_t now_ns, gap_ns, least_ns = UINT64_MAX, most_ns = 0;
        struct schedule schedule;

        now_ns = run_burst(&schedule, 5);
        for (int i = 0; i < 10000; i++) {
                gap_ns = next_gap(&schedule, is_missing, &now_ns);
                least_ns = MIN(least_ns, gap_ns);
                most_ns = MAX(most_ns, gap_ns);
        }
        g_assert_cmpuint(least_ns, ==, cmi_ms(mean_ms) * 80 / 100);
        g_assert_cmpuint(most_ns, ==, cmi_ms(mean_ms) * 120 / 100);
}

static void a_second_apart_while_someone_is_missing(void)
{
        assert_gaps(true, 1000);
}

static void five_seconds_apart_when_all_are_there(void)
{
        assert_gaps(false, 5000);
}

static void who_starts_to_miss_someone_waits_less(void)
{
        struct schedule schedule;
        uint64_t now_ns = run_burst(&schedule, 9);

        g_assert_cmpuint(schedule_deadline(&schedule, false), >=, now_ns + cmi_ms(4000));
        g_assert_cmpuint(schedule_deadline(&schedule, true), <=, now_ns + cmi_ms(1200));
        g_assert_cmpint(schedule_due(&schedule, false, now_ns + cmi_ms(1200)), ==, 0);
        g_assert_cmpint(schedule_due(&schedule, true, now_ns + cmi_ms(1200)), ==, 1);
}

static void a_long_pause_is_not_made_up_for(void)
{
        struct schedule schedule;
        uint64_t now_ns = run_burst(&schedule, 11) + cmi_ms(3600000);

        g_assert_cmpint(schedule_due(&schedule, true, now_ns), ==, 1);
        g_assert_cmpint(schedule_due(&schedule, true, now_ns), ==, 0);
        g_assert_cmpuint(schedule_deadline(&schedule, true), >=, now_ns + cmi_ms(800));
}

static void a_new_network_gets_a_burst_of_its_own_but_not_two(void)
{
        struct schedule schedule;
        uint64_t now_ns = run_burst(&schedule, 13);
        unsigned int n = 0;

        schedule_restart(&schedule, now_ns);
        for (uint64_t t_ns = now_ns; t_ns < now_ns + cmi_ms(1000); t_ns += cmi_ms(1)) {
                n += (unsigned int)schedule_due(&schedule, false, t_ns);
                if (n > 0 && n < SCHEDULE_BURST) {
                        schedule_restart(&schedule, t_ns);
                }
        }
        g_assert_cmpuint(n, ==, SCHEDULE_BURST);
}

static void two_nodes_that_start_together_drift_apart(void)
{
        struct schedule a, b;
        uint64_t a_ns = run_burst(&a, 1), b_ns = run_burst(&b, 2);
        unsigned int n_same = 0;

        for (int i = 0; i < 100; i++) {
                n_same += next_gap(&a, true, &a_ns) == next_gap(&b, true, &b_ns);
        }
        g_assert_cmpuint(n_same, <, 20);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/schedule/burst", five_leave_in_the_first_second_the_first_at_once);
        g_test_add_func("/schedule/missing", a_second_apart_while_someone_is_missing);
        g_test_add_func("/schedule/complete", five_seconds_apart_when_all_are_there);
        g_test_add_func("/schedule/change", who_starts_to_miss_someone_waits_less);
        g_test_add_func("/schedule/late", a_long_pause_is_not_made_up_for);
        g_test_add_func("/schedule/restart", a_new_network_gets_a_burst_of_its_own_but_not_two);
        g_test_add_func("/schedule/drift", two_nodes_that_start_together_drift_apart);
        return g_test_run();
}
