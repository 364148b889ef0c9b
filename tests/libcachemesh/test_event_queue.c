/* SPDX-License-Identifier: MIT */
#include "libcachemesh/event_queue.h"

#include <glib.h>
#include <stdio.h>

static void push(struct cmi_event_queue *queue, unsigned n)
{
        char detail[32];

        for (unsigned i = 0; i < n; i++) {
                snprintf(detail, sizeof(detail), "event %u", i);
                cmi_event_queue_push(queue, CM_EVENT_STATE, CM_LIVE, detail);
        }
}

static void events_come_in_the_order_in_which_they_happened(void)
{
        struct cmi_event_queue queue = {0};
        struct cm_event event;

        g_assert_cmpint(cmi_event_queue_pop(&queue, &event), ==, CM_NO_EVENT);
        push(&queue, 2);
        g_assert_cmpint(cmi_event_queue_pop(&queue, &event), ==, 0);
        g_assert_cmpstr(event.detail, ==, "event 0");
        g_assert_cmpint(event.kind, ==, CM_EVENT_STATE);
        g_assert_cmpint(event.mode, ==, CM_LIVE);
        g_assert_cmpint(cmi_event_queue_pop(&queue, &event), ==, 0);
        g_assert_cmpstr(event.detail, ==, "event 1");
        g_assert_cmpint(cmi_event_queue_pop(&queue, &event), ==, CM_NO_EVENT);
}

static void a_full_queue_drops_its_oldest_and_says_how_many(void)
{
        struct cmi_event_queue queue = {0};
        struct cm_event event;
        unsigned n = 0;

        push(&queue, CMI_EVENTS_MAX + 3);
        g_assert_cmpint(cmi_event_queue_pop(&queue, &event), ==, 0);
        g_assert_cmpstr(event.detail, ==, "(3 earlier events were dropped) event 3");
        g_assert_cmpint(cmi_event_queue_pop(&queue, &event), ==, 0);
        g_assert_cmpstr(event.detail, ==, "event 4");
        while (cmi_event_queue_pop(&queue, &event) == 0) {
                n++;
        }
        g_assert_cmpuint(n, ==, CMI_EVENTS_MAX - 2);
}

static void a_long_detail_is_cut(void)
{
        struct cmi_event_queue queue = {0};
        struct cm_event event;
        char detail[300];

        memset(detail, 'x', sizeof(detail) - 1);
        detail[sizeof(detail) - 1] = '\0';
        for (int i = 0; i < CMI_EVENTS_MAX + 1; i++) {
                cmi_event_queue_push(&queue, CM_EVENT_CONFIG, CM_LIVE, detail);
        }
        g_assert_cmpint(cmi_event_queue_pop(&queue, &event), ==, 0);
        g_assert_cmpuint(strlen(event.detail), ==, sizeof(event.detail) - 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/event_queue/order", events_come_in_the_order_in_which_they_happened);
        g_test_add_func("/event_queue/full", a_full_queue_drops_its_oldest_and_says_how_many);
        g_test_add_func("/event_queue/long", a_long_detail_is_cut);
        return g_test_run();
}
