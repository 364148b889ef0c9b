/* SPDX-License-Identifier: MIT */
/*
 * The mesh's sockets: what link.h knows of a connection, with a sender that is only a socket.
 */
#include "meshd/mesh/link.h"

#include "meshd/io/clock.h"

#include <glib.h>

#define BODY_SIZE 60000
#define N_MESSAGES 30 /* more than INTAKE_PENDING_MAX in all */

struct fixture {
        struct links links;
        void *sender;
};

static void set_up(struct fixture *fixture, const void *unused)
{
        const struct links_options options = {
                        .listen = {.family = 4, .address = {127, 0, 0, 1}},
                        .n_links = 1,
        };
        char text[CMI_ENDPOINT_TEXT_SIZE];
        char url[CMI_ENDPOINT_TEXT_SIZE + 8];
        struct fault fault;

        g_assert_cmpint(links_open(&fixture->links, &options, &fault), ==, 0);
        fixture->sender = zmq_socket(fixture->links.context, ZMQ_DEALER);
        cmi_endpoint_format(&fixture->links.bound, text);
        g_snprintf(url, sizeof(url), "tcp://%s", text);
        g_assert_cmpint(zmq_connect(fixture->sender, url), ==, 0);
}

static void tear_down(struct fixture *fixture, const void *unused)
{
        zmq_close(fixture->sender);
        links_close(&fixture->links, 0);
}

static void send_one(struct fixture *fixture)
{
        static const char body[BODY_SIZE];

        g_assert_cmpint(zmq_send(fixture->sender, "header", 6, ZMQ_SNDMORE), ==, 6);
        g_assert_cmpint(zmq_send(fixture->sender, body, sizeof(body), 0), ==, BODY_SIZE);
}

static void receive_one(struct fixture *fixture, bool is_polled)
{
        uint64_t end_ns = clock_read_ns(CLOCK_MONOTONIC) + 10 * CMI_NS_PER_S;
        zmq_pollitem_t item = {.socket = fixture->links.router, .events = ZMQ_POLLIN};
        struct link_message message;

        do {
                if (is_polled) {
                        zmq_poll(&item, 1, 1000);
                }
                if (links_receive(&fixture->links, &message) == 1) {
                        g_assert_cmpuint(zmq_msg_size(&message.body), ==, BODY_SIZE);
                        link_message_close(&message);
                        return;
                }
        } while (clock_read_ns(CLOCK_MONOTONIC) < end_ns);
        g_assert_not_reached();
}

/* With a blocked link meshd polls the ROUTER, else it only receives. */
static void what_was_received_is_not_held_against_its_sender(
                struct fixture *fixture, const void *is_polled)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        send_one(fixture);
        receive_one(fixture, is_polled != NULL);
        links_drain_monitor(&fixture->links);
        for (int i = 0; i < N_MESSAGES; i++) {
                send_one(fixture);
                receive_one(fixture, is_polled != NULL);
        }
        for (int i = 1; i <= 3; i++) {
                links_check(&fixture->links, now_ns + (uint64_t)i * CMI_NS_PER_S);
        }
        g_assert_cmpuint(fixture->links.counters.endless, ==, 0);
        send_one(fixture);
        receive_one(fixture, is_polled != NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add("/link/what was received is not held against its sender", struct fixture, NULL,
                        set_up, what_was_received_is_not_held_against_its_sender, tear_down);
        g_test_add("/link/what was received after a poll is not held against its sender either",
                        struct fixture, "polled", set_up,
                        what_was_received_is_not_held_against_its_sender, tear_down);
        return g_test_run();
}
