/* SPDX-License-Identifier: MIT */
/* The parts of discovery together, on real sockets: nodes in one process that find each other by
 * their beacons alone. */
#include "base/time.h"
#include "discovery/candidate_table.h"
#include "discovery/multicast.h"
#include "discovery/schedule.h"

#include <glib.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define N_NODES 3
#define N_SLOTS 16
#define DEADLINE_NS (10 * CMI_NS_PER_S)

struct node {
        struct multicast *multicast;
        struct candidate_table table;
        struct candidate slots[N_SLOTS];
        struct schedule schedule;
        struct beacon beacon;
        unsigned int n_connected;
        uint64_t n_errors[BEACON_N_ERRORS];
};

static uint16_t port;
static struct node nodes[N_NODES];

static uint64_t now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * CMI_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void start(struct node *node, uint8_t n, uint64_t incarnation, const char *mesh)
{
        struct multicast_options options = {.port = port, .is_loopback_only = true};

        *node = (struct node){.beacon = {.mesh = beacon_mesh_hash(mesh),
                                              .id = {{n}},
                                              .incarnation = incarnation,
                                              .n_endpoints = 1,
                                              .endpoints = {{4, n, 0, {127, 0, 0, 1}}}}};
        g_assert_cmpint(multicast_open(&options, &node->multicast), ==, 0);
        candidate_table_init(&node->table, node->slots, N_SLOTS, &node->beacon.id, n);
        candidate_table_set_own(&node->table, incarnation, node->beacon.endpoints, 1);
        candidate_table_set_loopback_only(&node->table, true);
        schedule_init(&node->schedule, n, now_ns());
}

static void stop(struct node *node)
{
        node->multicast = multicast_free(node->multicast);
}

static void hear(struct node *node)
{
        struct multicast_datagram datagram;
        struct beacon beacon;
        int r;

        while (multicast_receive(node->multicast, &datagram)) {
                r = beacon_decode(datagram.bytes, datagram.size, node->beacon.mesh, &beacon);
                node->n_errors[r]++;
                if (r != BEACON_OK) {
                        continue;
                }
                r = candidate_table_feed(&node->table, &beacon, &datagram.source, datagram.ifindex,
                                now_ns());
                if (r == CANDIDATE_RESTARTED) {
                        candidate_table_disconnected(&node->table, &beacon.id, now_ns());
                        node->n_connected--;
                }
        }
}

/* Every dial of this network succeeds: its port is the node's number. */
static void connect_all(struct node *node)
{
        struct candidate_dial dial;

        while (candidate_table_next_dial(&node->table, now_ns(), &dial)) {
                struct cmi_id id = {{(uint8_t)dial.endpoint.port}};

                candidate_table_connected(&node->table, dial.slot, &id);
                node->n_connected++;
        }
}

static uint64_t turn(struct node *node)
{
        bool is_missing = candidate_table_is_missing(&node->table);
        uint8_t bytes[BEACON_SIZE_MAX];
        uint64_t deadline_ns;
        size_t size;

        if (schedule_due(&node->schedule, is_missing, now_ns())) {
                node->beacon.counter++;
                g_assert_cmpint(beacon_encode(&node->beacon, bytes, &size), ==, BEACON_OK);
                g_assert_cmpint(multicast_send(node->multicast, bytes, size), >, 0);
        }
        hear(node);
        connect_all(node);
        deadline_ns = schedule_deadline(&node->schedule, is_missing);
        return MIN(deadline_ns, candidate_table_deadline(&node->table));
}

static void wait_until(uint64_t deadline_ns)
{
        struct pollfd polls[3 * N_NODES];
        uint64_t now = now_ns();
        int fds[3];

        for (int i = 0; i < N_NODES; i++) {
                multicast_get_fds(nodes[i].multicast, fds);
                for (int j = 0; j < 3; j++) {
                        polls[3 * i + j] = (struct pollfd){
                                        .fd = j < 2 ? fds[j] : -1, .events = POLLIN};
                }
        }
        poll(polls, G_N_ELEMENTS(polls),
                        deadline_ns > now ? (int)((deadline_ns - now) / CMI_NS_PER_MS) + 1 : 0);
}

/* Runs all nodes until each of the first @n has a link to each other one, or the deadline comes. */
static bool have_met(int n)
{
        uint64_t deadline_ns = now_ns() + DEADLINE_NS;

        while (now_ns() < deadline_ns) {
                uint64_t next_ns = deadline_ns;
                int n_done = 0;

                for (int i = 0; i < N_NODES; i++) {
                        next_ns = MIN(next_ns, turn(&nodes[i]));
                        n_done += i < n && nodes[i].n_connected == (unsigned int)n - 1;
                }
                if (n_done == n) {
                        return true;
                }
                wait_until(next_ns);
        }
        return false;
}

static void three_nodes_meet_in_a_moment(void)
{
        uint64_t began_ns = now_ns();

        for (uint8_t i = 0; i < N_NODES; i++) {
                start(&nodes[i], i + 1, 10, "meeting");
        }
        g_assert_true(have_met(N_NODES));
        g_test_message("%.0f ms", (double)(now_ns() - began_ns) / 1e6);
        for (int i = 0; i < N_NODES; i++) {
                g_assert_cmpuint(nodes[i].table.n_used, ==, N_NODES - 1);
                g_assert_cmpuint(nodes[i].table.n_outcomes[CANDIDATE_OWN], >, 0);
                g_assert_cmpuint(nodes[i].table.n_outcomes[CANDIDATE_CLONE], ==, 0);
                g_assert_false(candidate_table_is_missing(&nodes[i].table));
                stop(&nodes[i]);
        }
}

static void a_node_that_starts_again_is_met_again(void)
{
        for (uint8_t i = 0; i < N_NODES; i++) {
                start(&nodes[i], i + 1, 10, "meeting");
        }
        g_assert_true(have_met(N_NODES));
        stop(&nodes[2]);
        start(&nodes[2], 3, 11, "meeting");
        g_assert_true(have_met(N_NODES));
        for (int i = 0; i < 2; i++) {
                /* On lo a beacon that was sent has arrived, but maybe nobody has looked yet. */
                turn(&nodes[i]);
                g_assert_cmpuint(nodes[i].table.n_outcomes[CANDIDATE_RESTARTED], ==, 1);
        }
        g_assert_true(have_met(N_NODES));
        for (int i = 0; i < N_NODES; i++) {
                stop(&nodes[i]);
        }
}

static void meshes_share_a_group_without_meeting(void)
{
        start(&nodes[0], 1, 10, "meeting");
        start(&nodes[1], 2, 10, "meeting");
        start(&nodes[2], 3, 10, "elsewhere");
        g_assert_true(have_met(2));
        g_assert_cmpuint(nodes[2].table.n_used, ==, 0);
        g_assert_cmpuint(nodes[2].n_errors[BEACON_FOREIGN], >, 0);
        g_assert_null(candidate_table_find(&nodes[0].table, &nodes[2].beacon.id));
        for (int i = 0; i < N_NODES; i++) {
                stop(&nodes[i]);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        port = (uint16_t)g_random_int_range(10240, 32767);
        g_test_add_func("/meeting/three", three_nodes_meet_in_a_moment);
        g_test_add_func("/meeting/again", a_node_that_starts_again_is_met_again);
        g_test_add_func("/meeting/meshes", meshes_share_a_group_without_meeting);
        return g_test_run();
}
