/* SPDX-License-Identifier: MIT */
/* The mesh's sockets with keys, against peers that are made of libzmq alone. */
#include "base/time.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/mesh/curve.h"
#include "meshd/mesh/link.h"
#include "meshd/mesh/proof.h"
#include "meshd/mesh/redial.h"
#include "meshd/mesh/zap.h"

#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 10000
#define CUT_MS 2000
#define FRAMES_MANY 40000

static struct key_ring *make_ring(uint32_t n, uint32_t used)
{
        struct cmi_key_file file = {.n_keys = n, .used = used};
        struct key_ring *ring = NULL;

        for (uint32_t i = 0; i < n; i++) {
                memset(file.keys[i], (int)i + 1, CMI_KEY_SIZE);
        }
        g_assert_cmpint(key_ring_new(&ring, &file), ==, 0);
        return ring;
}

/* Only key number @number, as make_ring() makes it. */
static void keep_only(struct key_ring *ring, uint8_t number)
{
        struct cmi_key_file file = {.n_keys = 1};

        memset(file.keys[0], number, CMI_KEY_SIZE);
        key_ring_set(ring, &file);
}

static struct links *open_links(const struct key_ring *ring)
{
        struct links *links = g_new0(struct links, 1);
        struct links_options options = {.n_links = 4, .ring = ring};
        struct fault fault = {0};

        g_assert_cmpint(cmi_endpoint_parse("127.0.0.1:0", &options.listen), ==, CMI_ENDPOINT_OK);
        g_assert_cmpint(links_open(links, &options, &fault), ==, 0);
        g_assert_cmpstr(fault.text, ==, "");
        return links;
}

static void close_links(struct links *links)
{
        links_close(links, 0);
        g_free(links);
}

/* A member of the mesh, or somebody who knows the server's key only. */
static void *connect_as(void *context, const struct links *links, const uint8_t server[32],
                const struct key_ring_entry *entry)
{
        char address[CMI_ENDPOINT_TEXT_SIZE];
        g_autofree char *text = NULL;
        void *socket = zmq_socket(context, ZMQ_DEALER);
        int linger = 0;
        int on = 1;

        cmi_endpoint_format(&links->bound, address);
        text = g_strconcat("tcp://", address, NULL);
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
        zmq_setsockopt(socket, ZMQ_IMMEDIATE, &on, sizeof(on));
        if (entry) {
                curve_dial(socket, server, entry->client_public, entry->client_secret);
        } else {
                uint8_t public[32], secret[32];

                crypto_box_keypair(public, secret);
                curve_dial(socket, server, public, secret);
        }
        g_assert_cmpint(zmq_connect(socket, text), ==, 0);
        return socket;
}

static bool is_connected(void *socket)
{
        int events = 0;
        size_t size = sizeof(events);

        zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
        return events & ZMQ_POLLOUT;
}

/* One round of what the loop does. Return: messages that reached the core. */
static int turn(struct links *links)
{
        struct link_message message;
        int n = 0;

        poll(NULL, 0, 1);
        while (links_receive(links, &message)) {
                link_message_close(&message);
                n++;
        }
        links_drain_monitor(links);
        links_turn(links, clock_read_ns(CLOCK_MONOTONIC));
        return n;
}

static uint64_t now_ms(void)
{
        return clock_read_ns(CLOCK_MONOTONIC) / CMI_NS_PER_MS;
}

/* Return: after how many milliseconds; asserts that it happens. */
static uint64_t wait_connected(struct links *links, void *socket, bool is_wanted)
{
        uint64_t began = now_ms();

        while (is_connected(socket) != is_wanted && now_ms() < began + DEADLINE_MS) {
                turn(links);
        }
        g_assert_true(is_connected(socket) == is_wanted);
        return now_ms() - began;
}

/* A counter of @links. */
static void wait_count(struct links *links, const uint64_t *count, uint64_t n)
{
        uint64_t end_ms = now_ms() + DEADLINE_MS;

        while (*count < n && now_ms() < end_ms) {
                turn(links);
        }
        g_assert_cmpuint(*count, >=, n);
}

/* @a has a link to @b. */
static void connect_links(struct links *a, struct links *b)
{
        uint64_t end_ms = now_ms() + DEADLINE_MS;

        g_assert_cmpint(links_dial(a, 0, &b->bound), ==, 0);
        while (!is_connected(a->dealers[0]) && now_ms() < end_ms) {
                turn(a);
                turn(b);
        }
        g_assert_true(is_connected(a->dealers[0]));
}

static int send_frame(void *socket)
{
        return zmq_send(socket, "head", 4, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
                                               zmq_send(socket, "body", 4, ZMQ_DONTWAIT) < 0
                               ? -1
                               : 0;
}

static void a_random_key_is_refused_with_and_without_a_handler(void)
{
        struct key_ring *ring = make_ring(1, 0);
        void *context = zmq_ctx_new();
        struct zap *zap = NULL;

        g_assert_cmpint(proof_try(context, ring, true), ==, PROOF_REFUSED);
        g_assert_cmpint(proof_try(context, ring, false), ==, PROOF_REFUSED);
        g_assert_cmpint(zap_start(&zap, context, ring), ==, 0);
        g_assert_cmpint(proof_try(context, ring, true), ==, PROOF_REFUSED);
        g_assert_cmpint(proof_try(context, ring, false), ==, PROOF_ACCEPTED);
        zmq_ctx_term(context);
        zap_join(zap);
        key_ring_free(ring);
}

static void each_key_of_the_ring_is_let_in_and_no_other(void)
{
        struct key_ring *all = make_ring(3, 0);
        struct key_ring *ring = make_ring(2, 0);
        struct links *links = open_links(ring);
        void *context = zmq_ctx_new();
        const uint8_t *server = ring->entries[0].server_public;
        void *sockets[4];
        uint64_t end_ms;
        int n = 0;

        for (int i = 0; i < 4; i++) {
                sockets[i] = connect_as(context, links, server, i < 3 ? &all->entries[i] : NULL);
        }
        wait_connected(links, sockets[0], true);
        wait_connected(links, sockets[1], true);
        wait_count(links, &links->counters.unauthorized, 2);
        for (int i = 0; i < 4; i++) {
                g_assert_cmpint(send_frame(sockets[i]), ==, i < 2 ? 0 : -1);
        }
        end_ms = now_ms() + DEADLINE_MS;
        while (n < 2 && now_ms() < end_ms) {
                n += turn(links);
        }
        g_assert_cmpint(n, ==, 2);
        g_assert_cmpuint(links->counters.handshaken, ==, 2);
        for (int i = 0; i < 4; i++) {
                zmq_close(sockets[i]);
        }
        zmq_ctx_term(context);
        close_links(links);
        key_ring_free(ring);
        key_ring_free(all);
}

static void a_silent_connection_of_a_removed_key_is_cut(void)
{
        struct key_ring *all = make_ring(2, 1);
        struct key_ring *ring = make_ring(2, 1);
        struct links *links = open_links(ring);
        void *context = zmq_ctx_new();
        const uint8_t *server = ring->entries[1].server_public;
        void *old = connect_as(context, links, server, &all->entries[0]);
        void *new = connect_as(context, links, server, &all->entries[1]);
        uint64_t cut_ms, back_ms;

        wait_connected(links, old, true);
        wait_connected(links, new, true);
        keep_only(ring, 2);
        links_rekey(links, true, clock_read_ns(CLOCK_MONOTONIC));
        cut_ms = wait_connected(links, old, false);
        back_ms = wait_connected(links, new, true);
        g_test_message("cut after %d ms, the other key is back after %d ms", (int)cut_ms,
                        (int)back_ms);
        g_assert_cmpuint(cut_ms, <=, CUT_MS);
        wait_count(links, &links->counters.unauthorized, 1);
        g_assert_false(is_connected(old));
        zmq_close(old);
        zmq_close(new);
        zmq_ctx_term(context);
        close_links(links);
        key_ring_free(ring);
        key_ring_free(all);
}

static void a_frame_by_a_removed_key_does_not_reach_the_core(void)
{
        struct key_ring *all = make_ring(2, 1);
        struct key_ring *ring = make_ring(2, 1);
        struct links *links = open_links(ring);
        void *context = zmq_ctx_new();
        void *old = connect_as(context, links, ring->entries[1].server_public, &all->entries[0]);
        uint64_t end_ms = now_ms() + DEADLINE_MS;

        wait_connected(links, old, true);
        /* Only the ring changes, as between a removal and the cut. */
        keep_only(ring, 2);
        g_assert_cmpint(send_frame(old), ==, 0);
        while (links->counters.unadmitted == 0 && now_ms() < end_ms) {
                g_assert_cmpint(turn(links), ==, 0);
        }
        g_assert_cmpuint(links->counters.unadmitted, ==, 1);
        zmq_close(old);
        zmq_ctx_term(context);
        close_links(links);
        key_ring_free(ring);
        key_ring_free(all);
}

/* What encryption adds to each part is counted: else it would look like an endless message. */
static void many_small_frames_end_no_connection(void)
{
        struct key_ring *ring = make_ring(1, 0);
        struct links *links = open_links(ring);
        void *context = zmq_ctx_new();
        const struct key_ring_entry *entry = key_ring_used(ring);
        void *member = connect_as(context, links, entry->server_public, entry);
        uint64_t end_ms = now_ms() + DEADLINE_MS;
        int n_wanted = 0;
        int n = 0;

        wait_connected(links, member, true);
        while (n < FRAMES_MANY && now_ms() < end_ms) {
                while (n_wanted < n + 500 && send_frame(member) == 0) {
                        n_wanted++;
                }
                n += turn(links);
        }
        g_assert_cmpint(n, >=, FRAMES_MANY);
        for (uint64_t look = 1; look <= 5; look++) {
                links_check(links, links->checked_ns + cmi_ms(LINK_CHECK_MS));
        }
        g_assert_cmpuint(links->counters.endless, ==, 0);
        g_assert_true(is_connected(member));
        zmq_close(member);
        zmq_ctx_term(context);
        close_links(links);
        key_ring_free(ring);
}

/* What ends it at run time is not known; here it is the context. */
static void a_handler_that_has_ended_is_told_as_an_error(void)
{
        struct key_ring *ring = make_ring(1, 0);
        struct links *links = open_links(ring);
        uint64_t end_ms = now_ms() + DEADLINE_MS;
        uint64_t look = 1;

        links_check(links, links->checked_ns + cmi_ms(LINK_CHECK_MS));
        g_assert_null(strstr(logger_last_problem()->text, "mesh.shut"));
        zmq_ctx_shutdown(links->context);
        while (!strstr(logger_last_problem()->text, "mesh.shut") && now_ms() < end_ms) {
                links_check(links, links->checked_ns + look * cmi_ms(LINK_CHECK_MS));
        }
        g_assert_nonnull(strstr(logger_last_problem()->text, "no node gets in"));
        close_links(links);
        key_ring_free(ring);
}

/* Two nodes; one changes the key that it uses. */
static void a_link_finds_the_key_that_the_other_side_uses(void)
{
        struct key_ring *ring_a = make_ring(2, 0);
        struct key_ring *ring_b = make_ring(2, 0);
        struct links *a = open_links(ring_a);
        struct links *b = open_links(ring_b);
        uint64_t began;
        int n = 0;

        connect_links(a, b);
        ring_b->file.used = 1;
        links_rekey(b, true, clock_read_ns(CLOCK_MONOTONIC));
        began = now_ms();
        while (n == 0 && now_ms() < began + DEADLINE_MS) {
                struct cmi_slice part = cmi_slice_str("x");

                links_send(a, 0, part, part, 0);
                turn(a);
                n = turn(b);
        }
        g_test_message("a frame arrives %d ms after the change", (int)(now_ms() - began));
        g_assert_cmpint(n, >, 0);
        g_assert_cmpuint(a->counters.rekeyed, ==, 1);
        /* And its own: the old connection goes on until the new one is there. */
        ring_a->file.used = 1;
        links_rekey(a, true, clock_read_ns(CLOCK_MONOTONIC));
        began = now_ms();
        while (a->counters.rekeyed == 1 && now_ms() < began + DEADLINE_MS) {
                g_assert_true(is_connected(a->dealers[0]));
                turn(a);
                turn(b);
        }
        g_assert_cmpuint(a->counters.rekeyed, ==, 2);
        g_assert_true(is_connected(a->dealers[0]));
        close_links(a);
        close_links(b);
        key_ring_free(ring_a);
        key_ring_free(ring_b);
}

static void a_link_to_a_node_with_a_removed_key_ends(void)
{
        struct key_ring *ring_a = make_ring(2, 1);
        struct key_ring *ring_b = make_ring(1, 0);
        struct links *a = open_links(ring_a);
        struct links *b;
        uint64_t began;

        /* b lets both keys in, but serves with the old one. */
        key_ring_free(ring_b);
        ring_b = make_ring(2, 0);
        b = open_links(ring_b);
        connect_links(a, b);
        keep_only(ring_a, 2);
        links_rekey(a, true, clock_read_ns(CLOCK_MONOTONIC));
        began = now_ms();
        while (is_connected(a->dealers[0]) && now_ms() < began + DEADLINE_MS) {
                turn(a);
                turn(b);
        }
        g_test_message("cut after %d ms", (int)(now_ms() - began));
        g_assert_cmpuint(now_ms() - began, <=, CUT_MS);
        close_links(a);
        close_links(b);
        key_ring_free(ring_a);
        key_ring_free(ring_b);
}

static void beyond_the_limit_no_connection_is_taken_in_until_some_end(void)
{
        struct links *links = g_new0(struct links, 1);
        struct links_options options = {.n_links = 4, .open_max = 8};
        struct fault fault = {0};
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
        int fds[8];
        int late;
        uint64_t end_ms = now_ms() + DEADLINE_MS;

        g_assert_cmpint(cmi_endpoint_parse("127.0.0.1:0", &options.listen), ==, CMI_ENDPOINT_OK);
        g_assert_cmpint(links_open(links, &options, &fault), ==, 0);
        address.sin_port = htons(links->bound.port);
        for (int i = 0; i < 8; i++) {
                fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                g_assert_cmpint(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), ==,
                                0);
        }
        while (!links->listener.is_shut && now_ms() < end_ms) {
                turn(links);
        }
        g_assert_true(links->listener.is_shut);
        late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(late, (struct sockaddr *)&address, sizeof(address));
        for (int i = 0; i < 20; i++) {
                turn(links);
        }
        g_assert_cmpuint(links->counters.accepted, ==, 8);
        /* Their handshakes run out, and the late one's next try gets in. */
        while (links->counters.accepted == 8 && now_ms() < end_ms) {
                turn(links);
        }
        g_assert_cmpuint(links->counters.accepted, ==, 9);
        g_assert_false(links->listener.is_shut);
        g_assert_cmpuint(links->counters.full, ==, 1);
        for (int i = 0; i < 8; i++) {
                close(fds[i]);
        }
        close(late);
        close_links(links);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define CASE(name) g_test_add_func("/link_keys/" #name, name)
        CASE(a_handler_that_has_ended_is_told_as_an_error);
        CASE(a_random_key_is_refused_with_and_without_a_handler);
        CASE(each_key_of_the_ring_is_let_in_and_no_other);
        CASE(a_silent_connection_of_a_removed_key_is_cut);
        CASE(a_frame_by_a_removed_key_does_not_reach_the_core);
        CASE(many_small_frames_end_no_connection);
        CASE(a_link_finds_the_key_that_the_other_side_uses);
        CASE(a_link_to_a_node_with_a_removed_key_ends);
        CASE(beyond_the_limit_no_connection_is_taken_in_until_some_end);
        return g_test_run();
}
