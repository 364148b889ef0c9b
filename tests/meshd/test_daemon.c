/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the shell do together, seen from outside.
 */
#include "meshd/verbs/vigil.h"
#include "tests/meshd/pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct visitor *new_client(uint32_t node)
{
        struct visitor *visitor = visitor_new(node);

        visitor_attach(visitor, false);
        return visitor;
}

/* It has subscribed when this returns. */
static struct visitor *new_monitor(uint32_t node)
{
        struct visitor *monitor = new_client(node);

        visitor_ask(monitor, CMI_LOCAL_SUBSCRIBE, "monitor", NULL, NULL);
        visitor_ask(monitor, CMI_LOCAL_QUERY, "version", NULL, NULL);
        visitor_expect(monitor, CMI_LOCAL_ANSWER, monitor->id);
        return monitor;
}

static bool contains(struct cmi_slice bytes, const char *text)
{
        return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

static void a_client_gets_a_page_that_it_can_read_and_not_write(void)
{
        struct visitor *visitor;
        struct cmi_attached attached;
        struct cmi_page *page;

        pair_set_up(1);
        visitor = visitor_new(0);
        attached = visitor_attach(visitor, true);
        g_assert_cmpuint(attached.version, ==, 1);
        g_assert_cmpstr(attached.node, ==, "n0");
        g_assert_cmpint(visitor->page_fd, >=, 0);
        page = mmap(NULL, attached.page_size, PROT_READ, MAP_SHARED, visitor->page_fd, 0);
        g_assert_true(page != MAP_FAILED);
        g_assert_cmpint(cmi_page_check(page, attached.page_size), ==, 0);
        g_assert_cmpuint(page->epoch, ==, attached.epoch);
        g_assert_true(mmap(NULL, attached.page_size, PROT_WRITE, MAP_SHARED, visitor->page_fd, 0) ==
                        MAP_FAILED);
        munmap(page, attached.page_size);
        visitor_free(visitor);
        pair_tear_down();
}

static void publications_without_a_wait_are_confirmed_together(void)
{
        struct visitor *visitor;
        struct cmi_local_head head;
        struct cmi_result result;

        pair_set_up(1);
        visitor = new_client(0);
        for (int i = 0; i < 100; i++) { /* few enough for the socket's buffer */
                visitor_publish(visitor, "k", CMI_WAIT_NONE);
        }
        head = visitor_expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        g_assert_cmpint(cmi_result_decode(head.fields, &result), ==, 0);
        g_assert_cmpint(result.outcome, ==, 0);
        g_assert_cmpuint(result.position, ==, 100);
        visitor_publish(visitor, "k", CMI_WAIT_NODE);
        head = visitor_expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        g_assert_cmpint(cmi_result_decode(head.fields, &result), ==, 0);
        g_assert_cmpuint(result.position, ==, 101);
        visitor_free(visitor);
        pair_tear_down();
}

static void a_waited_publication_is_in_the_other_nodes_page_before_it_is_answered(void)
{
        struct visitor *visitor;
        struct cmi_local_head head;
        struct cmi_result result;
        uint64_t before;
        uint32_t index;

        pair_set_up(2);
        visitor = new_client(0);
        /* An app there has the region open; for a region that nobody knows there
         * is nothing to stamp. */
        g_assert_cmpint(core_region(nodes[1].core, cmi_slice_str("r"), &index), ==, 0);
        before = nodes[1].page.page->apply_seq;
        visitor_publish(visitor, "k", CMI_WAIT_MESH);
        head = visitor_expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        g_assert_cmpint(cmi_result_decode(head.fields, &result), ==, 0);
        g_assert_cmpint(result.outcome, ==, 0);
        g_assert_cmpuint(result.n_applied, ==, 1);
        g_assert_cmpuint(nodes[1].page.page->apply_seq, >, before);
        visitor_free(visitor);
        pair_tear_down();
}

static void a_client_that_leaves_while_it_waits_frees_its_wait(void)
{
        struct visitor *visitor;

        pair_set_up(2);
        is_up[1] = false; /* it does not answer */
        visitor = new_client(0);
        for (int i = 0; i < 10; i++) {
                visitor_publish(visitor, "k", CMI_WAIT_MESH);
        }
        TURN_UNTIL(nodes[0].service.n_waits == 10);
        visitor_free(visitor);
        TURN_UNTIL(nodes[0].service.n_waits == 0);
        is_up[1] = true;
        pair_tear_down();
}

static void two_apps_cannot_open_one_region_with_different_options(void)
{
        struct visitor *first;
        struct visitor *second;

        pair_set_up(1);
        first = new_client(0);
        second = new_client(0);
        visitor_expect(first, CMI_LOCAL_REGION_OPENED, visitor_open_region(first, 0));
        visitor_expect(first, CMI_LOCAL_REGION_OPENED, visitor_open_region(first, 0));
        g_assert_cmpuint(nodes[0].service.regions[0].budget_bytes, ==, 5);
        visitor_expect_error(second, visitor_open_region(second, 100), -1001);
        g_assert_true(nodes[0].service.regions[0].is_conflicting);
        visitor_free(first);
        TURN_UNTIL(nodes[0].local.n_clients == 1);
        visitor_expect(second, CMI_LOCAL_REGION_OPENED, visitor_open_region(second, 100));
        visitor_free(second);
        pair_tear_down();
}

static void whoever_breaks_the_protocol_is_disconnected(void)
{
        static const char *const payloads[] = {
                        "\x93\x02\x01\x80",                 /* not ATTACH first */
                        "\x93\x01\x00\x80",                 /* id 0 */
                        "\x93\x01\x01\x80\x80",             /* bytes left over */
                        "\x92\x01\x01",                     /* too short */
                        "\xc1",                             /* no msgpack */
                        "\x93\x01\x01\xdf\xff\xff\xff\xff", /* a map that lies */
        };
        struct visitor *neighbour;
        uint64_t n_garbage;

        pair_set_up(1);
        neighbour = new_client(0);
        for (size_t i = 0; i < 6; i++) {
                struct visitor *visitor = visitor_new(0);
                uint8_t bytes[64] = {0};
                size_t n = i == 1 || i == 0 ? 4 : i == 3 ? 3 : i == 4 ? 1 : i == 2 ? 5 : 8;

                n_garbage = nodes[0].local.counters.garbage;
                bytes[0] = (uint8_t)n;
                memcpy(bytes + 4, payloads[i], n);
                g_assert_cmpint(send(visitor->fd, bytes, n + 4, MSG_NOSIGNAL), ==, (ssize_t)n + 4);
                TURN_UNTIL(!visitor_pull(visitor));
                g_assert_cmpuint(nodes[0].local.counters.garbage, ==, n_garbage + 1);
                visitor_free(visitor);
        }
        visitor_publish(neighbour, "k", CMI_WAIT_NODE);
        visitor_expect(neighbour, CMI_LOCAL_RESULT, neighbour->id);
        neighbour->id = 0;
        visitor_publish(neighbour, "k", CMI_WAIT_NODE); /* an id again */
        TURN_UNTIL(!visitor_pull(neighbour));
        visitor_free(neighbour);
        pair_tear_down();
}

static void every_verb_answers_with_its_document(void)
{
        static const char *const verbs[] = {"version", "status", "peers", "stats", "regions",
                        "clients", "links", "ping"};
        struct visitor *visitor;
        struct cmi_local_head head;

        pair_set_up(2);
        visitor = new_client(0);
        visitor_expect(visitor, CMI_LOCAL_REGION_OPENED, visitor_open_region(visitor, 0));
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                g_autofree char *schema = g_strdup_printf("cachemesh.%s/1", verbs[i]);

                visitor_ask(visitor, CMI_LOCAL_QUERY, verbs[i], NULL, NULL);
                head = visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
                pair_expect_document(head.fields, schema);
        }
        visitor_ask(visitor, CMI_LOCAL_QUERY, "peer", "peer", "n1");
        head = visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        pair_expect_document(head.fields, "cachemesh.peer/1");
        visitor_ask(visitor, CMI_LOCAL_QUERY, "wait", "for", "caught-up");
        head = visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        pair_expect_document(head.fields, "cachemesh.wait/1");
        visitor_ask(visitor, CMI_LOCAL_QUERY, "peer", "peer", "nobody");
        visitor_expect_error(visitor, visitor->id, -ENOENT);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "peer", NULL, NULL);
        visitor_expect_error(visitor, visitor->id, -EINVAL);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "forget", "peer", "n1");
        visitor_expect_error(visitor, visitor->id, -EBUSY);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "no-such-verb", NULL, NULL);
        visitor_expect_error(visitor, visitor->id, -EOPNOTSUPP);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "wait", "for", "godot");
        visitor_expect_error(visitor, visitor->id, -EINVAL);
        visitor_free(visitor);
        pair_tear_down();
}

static void the_matrix_of_links_comes_from_all_nodes(void)
{
        struct visitor *visitor;
        struct cmi_local_head head;

        pair_set_up(2);
        visitor = new_client(0);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "links", NULL, NULL);
        head = visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        g_assert_true(contains(head.fields, ".1"));
        g_assert_true(contains(head.fields, "1."));
        visitor_free(visitor);
        pair_tear_down();
}

static void more_questions_at_once_than_may_be_are_refused(void)
{
        struct visitor *visitor;
        uint64_t first;

        pair_set_up(2);
        visitor = new_client(0);
        is_up[1] = false; /* so that nothing is answered meanwhile */
        first = visitor->id + 1;
        for (int i = 0; i < INQUIRIES_MAX + 1; i++) {
                visitor_ask(visitor, CMI_LOCAL_QUERY, "ping", NULL, NULL);
        }
        visitor_expect_error(visitor, visitor->id, CMI_E_BUSY);
        is_up[1] = true;
        for (int i = 0; i < INQUIRIES_MAX; i++) {
                visitor_expect(visitor, CMI_LOCAL_ANSWER, first + (uint64_t)i);
        }
        visitor_ask(visitor, CMI_LOCAL_QUERY, "ping", NULL, NULL);
        visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        visitor_free(visitor);
        pair_tear_down();
}

/* As many services of a host do that start at once; and none is in the way of a question. */
static void any_number_waits_for_a_node_and_questions_are_answered_meanwhile(void)
{
        struct visitor *visitors[INQUIRIES_MAX + 4];
        struct visitor *last;

        pair_set_up(2);
        last = new_client(0);
        is_up[1] = false; /* so that it does not catch up meanwhile */
        visitor_publish(last, "k", CMI_WAIT_NODE);
        visitor_expect(last, CMI_LOCAL_RESULT, last->id);
        for (size_t i = 0; i < G_N_ELEMENTS(visitors); i++) {
                visitors[i] = new_client(0);
                visitor_ask(visitors[i], CMI_LOCAL_QUERY, "wait", "for", "caught-up");
        }
        for (int i = 0; i < VIGILS_OF_GUEST; i++) {
                visitor_ask(last, CMI_LOCAL_QUERY, "wait", "for", "caught-up");
        }
        visitor_ask(last, CMI_LOCAL_QUERY, "wait", "for", "caught-up");
        visitor_expect_error(last, last->id, CMI_E_BUSY);
        visitor_ask(last, CMI_LOCAL_QUERY, "ping", NULL, NULL);
        visitor_expect(last, CMI_LOCAL_ANSWER, last->id);
        visitor_free(last); /* its vigils end with it */
        is_up[1] = true;
        for (size_t i = 0; i < G_N_ELEMENTS(visitors); i++) {
                visitor_expect(visitors[i], CMI_LOCAL_ANSWER, visitors[i]->id);
                visitor_free(visitors[i]);
        }
        pair_tear_down();
}

static void a_monitor_sees_both_nodes_operations_and_hides_their_keys(void)
{
        struct visitor *monitor;
        struct visitor *writer;
        struct cmi_local_head head;

        pair_set_up(2);
        monitor = new_monitor(1);
        writer = new_client(0);
        visitor_publish(writer, "secret-key", CMI_WAIT_NODE);
        head = visitor_expect(monitor, CMI_LOCAL_EVENT, monitor->id - 1);
        pair_expect_document(head.fields, "cachemesh.event/1");
        g_assert_true(contains(head.fields, "n0"));
        g_assert_false(contains(head.fields, "secret-key"));
        visitor_free(monitor);
        visitor_free(writer);
        pair_tear_down();
}

static void an_app_publishes_no_operation_of_sessions(void)
{
        struct visitor *app;
        uint8_t op_bytes[64], bytes[128];
        struct cmi_writer op = cmi_writer(op_bytes, sizeof(op_bytes));
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_publish request = {.wait = CMI_WAIT_NODE};
        size_t begin;

        pair_set_up(1);
        app = new_client(0);
        begin = cmi_local_begin(&writer, CMI_LOCAL_PUBLISH, ++app->id);
        cmi_op_write_taken(&op, &(struct cmi_id){{7}}, 5);
        request.op = cmi_written(&op);
        cmi_publish_write(&writer, &request);
        cmi_local_end(&writer, begin);
        visitor_say(app, &writer);
        visitor_expect_error(app, app->id, -EPERM);
        visitor_free(app);
        pair_tear_down();
}

static void a_flood_reaches_a_monitor_as_a_sample(void)
{
        struct visitor *monitor;
        struct visitor *writer;
        struct cmi_local_head head;
        int n_events = 0;

        pair_set_up(1);
        monitor = new_monitor(0);
        writer = new_client(0);
        for (int i = 0; i < 1000; i++) {
                visitor_publish(writer, "k", CMI_WAIT_NONE);
                if (i % 50 == 0) {
                        pair_turn();
                        visitor_pull(writer);
                        writer->n_in = 0;
                }
        }
        visitor_publish(writer, "k", CMI_WAIT_NODE);
        TURN_UNTIL(visitor_next(writer, &head) && head.id == writer->id);
        while (visitor_next(monitor, &head)) {
                n_events++;
        }
        g_assert_cmpint(n_events, >=, 100);
        g_assert_cmpint(n_events, <, 500);
        visitor_free(monitor);
        visitor_free(writer);
        pair_tear_down();
}

static void a_stranger_on_the_mesh_port_is_counted_and_changes_nothing(void)
{
        void *context = zmq_ctx_new();
        void *dealer = zmq_socket(context, ZMQ_DEALER);
        char text[CMI_ENDPOINT_TEXT_SIZE];
        g_autofree char *endpoint = NULL;
        struct core_status status;
        int linger = 0;

        pair_set_up(2);
        zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof(linger));
        cmi_endpoint_format(&nodes[0].links.bound, text);
        endpoint = g_strconcat("tcp://", text, NULL);
        g_assert_cmpint(zmq_connect(dealer, endpoint), ==, 0);
        zmq_send(dealer, "one part", 8, 0);
        zmq_send(dealer, "a", 1, ZMQ_SNDMORE);
        zmq_send(dealer, "b", 1, ZMQ_SNDMORE);
        zmq_send(dealer, "c", 1, 0);
        zmq_send(dealer, "no header", 9, ZMQ_SNDMORE);
        zmq_send(dealer, "body", 4, 0);
        TURN_UNTIL(nodes[0].links.counters.malformed == 2);
        TURN_UNTIL((core_status(nodes[0].core, &status),
                        status.counters.dropped_malformed + status.counters.dropped_version == 1));
        g_assert_true(pair_is_live(0, 1));
        g_assert_cmpuint(nodes[0].links.counters.rejected, ==, 0);
        zmq_close(dealer);
        zmq_ctx_term(context);
        pair_tear_down();
}

static void a_clean_end_says_goodbye_and_the_stream_goes_on_after_it(void)
{
        struct visitor *visitor;
        struct core_member member;
        struct core_status status;
        uint64_t stream;

        pair_set_up(2);
        visitor = new_client(1);
        visitor_publish(visitor, "k", CMI_WAIT_MESH);
        visitor_expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        core_status(nodes[1].core, &status);
        stream = status.newest.stream;
        visitor_free(visitor);
        pair_stop(1);
        g_assert_cmpint(access(configs[1].socket, F_OK), ==, -1);
        TURN_UNTIL(core_member(nodes[0].core, clock_now(), 0, &member) == 0 &&
                        member.state == MEMBER_LEFT);
        pair_start(1);
        TURN_UNTIL(pair_is_live(1, 1) && pair_is_live(0, 1));
        core_status(nodes[1].core, &status);
        g_assert_cmpuint(status.newest.number, ==, 1);
        g_assert_cmpuint(status.newest.stream, ==, stream);
        pair_tear_down();
}

static void a_gone_node_can_be_forgotten_by_hand(void)
{
        struct visitor *visitor;
        struct core_member member;

        pair_set_up(2);
        is_up[1] = false;
        visitor = new_client(0);
        TURN_UNTIL(core_member(nodes[0].core, clock_now(), 0, &member) == 0 &&
                        member.state == MEMBER_GONE);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "forget", "peer", "n1");
        visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        g_assert_cmpint(core_member(nodes[0].core, clock_now(), 0, &member), ==, -ENOENT);
        g_assert_null(candidate_table_find(&nodes[0].discover.table, &nodes[1].state.id));
        is_up[1] = true;
        TURN_UNTIL(pair_is_live(0, 1) && pair_is_live(1, 1));
        visitor_free(visitor);
        pair_tear_down();
}

/* A good request of each kind, one of them damaged. Whatever meshd makes of it, it
 * counts what it closes. */
static size_t write_damaged(GRand *random, uint8_t *bytes, size_t capacity)
{
        struct cmi_writer writer = cmi_writer(bytes, capacity);
        const struct cmi_attach attach = {.version_min = 1, .version_max = 1, .name = "fuzz"};
        const struct cmi_region_request region = {.name = "r", .ttl_ms = 7};
        const struct cmi_publish publish = {
                        .op = cmi_slice("\x95\x01\xa1r\x91\xc4\x01k\x90\xc2", 10),
                        .wait = (uint64_t)g_rand_int_range(random, 0, 3)};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_ATTACH, 1);

        cmi_attach_write(&writer, &attach);
        cmi_local_end(&writer, begin);
        begin = cmi_local_begin(&writer, CMI_LOCAL_REGION, 2);
        cmi_region_request_write(&writer, &region);
        cmi_local_end(&writer, begin);
        begin = cmi_local_begin(&writer, CMI_LOCAL_PUBLISH, 3);
        cmi_publish_write(&writer, &publish);
        cmi_local_end(&writer, begin);
        begin = cmi_local_begin(
                        &writer, g_rand_boolean(random) ? CMI_LOCAL_QUERY : CMI_LOCAL_SUBSCRIBE, 4);
        cmi_local_query_write(&writer, cmi_slice_str("monitor"), cmi_slice("\x81\xa4rate\x05", 7));
        cmi_local_end(&writer, begin);
        for (int i = g_rand_int_range(random, 0, 4); i > 0; i--) {
                bytes[g_rand_int_range(random, 0, (gint32)writer.len)] =
                                (uint8_t)g_rand_int_range(random, 0, 256);
        }
        return (size_t)g_rand_int_range(random, 0, (gint32)writer.len + 1);
}

static void damaged_requests_harm_nobody_else(void)
{
        GRand *random = g_rand_new_with_seed(7);
        struct visitor *neighbour;
        struct core_status status;

        pair_set_up(1);
        neighbour = new_client(0);
        for (int i = 0; i < 2000; i++) {
                struct visitor *visitor = visitor_new(0);
                uint8_t bytes[1024];
                size_t n = write_damaged(random, bytes, sizeof(bytes));

                g_assert_cmpint(send(visitor->fd, bytes, n, MSG_NOSIGNAL), ==, (ssize_t)n);
                pair_turn();
                visitor_free(visitor);
        }
        visitor_publish(neighbour, "k", CMI_WAIT_MESH);
        visitor_expect(neighbour, CMI_LOCAL_RESULT, neighbour->id);
        TURN_UNTIL(nodes[0].local.n_clients == 1);
        g_assert_cmpuint(nodes[0].local.counters.garbage, >, 100);
        g_assert_cmpuint(nodes[0].service.n_waits, ==, 0);
        core_status(nodes[0].core, &status);
        g_assert_cmpuint(status.n_waits, ==, 0);
        visitor_free(neighbour);
        pair_tear_down();
        g_rand_free(random);
}

static void beyond_a_users_share_meshctl_is_served_and_apps_are_told(void)
{
        struct visitor *apps[32];
        struct visitor *app;
        struct visitor *tool;
        struct cmi_attach attach = {.version_min = 1, .version_max = 1, .wants_page = true};
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        size_t begin;

        pair_set_up(1);
        for (size_t i = 0; i < G_N_ELEMENTS(apps); i++) {
                apps[i] = visitor_new(0);
        }
        TURN_UNTIL(nodes[0].local.n_clients == G_N_ELEMENTS(apps));
        app = visitor_new(0);
        begin = cmi_local_begin(&writer, CMI_LOCAL_ATTACH, ++app->id);
        cmi_attach_write(&writer, &attach);
        cmi_local_end(&writer, begin);
        visitor_say(app, &writer);
        visitor_expect_error(app, app->id, -EMFILE);
        TURN_UNTIL(!visitor_pull(app));

        tool = new_client(0);
        visitor_ask(tool, CMI_LOCAL_QUERY, "status", NULL, NULL);
        visitor_expect(tool, CMI_LOCAL_ANSWER, tool->id);
        visitor_publish(tool, "k", CMI_WAIT_NODE);
        visitor_expect(tool, CMI_LOCAL_RESULT, tool->id);
        writer = cmi_writer(bytes, sizeof(bytes));
        begin = cmi_local_begin(&writer, CMI_LOCAL_REGION, ++tool->id);
        cmi_region_request_write(&writer, &(struct cmi_region_request){.name = "r"});
        cmi_local_end(&writer, begin);
        visitor_say(tool, &writer);
        visitor_expect_error(tool, tool->id, -EMFILE);
        TURN_UNTIL(!visitor_pull(tool));

        visitor_free(tool);
        visitor_free(app);
        for (size_t i = 0; i < G_N_ELEMENTS(apps); i++) {
                visitor_free(apps[i]);
        }
        pair_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/daemon/page", a_client_gets_a_page_that_it_can_read_and_not_write);
        g_test_add_func("/daemon/none", publications_without_a_wait_are_confirmed_together);
        g_test_add_func("/daemon/mesh",
                        a_waited_publication_is_in_the_other_nodes_page_before_it_is_answered);
        g_test_add_func("/daemon/cancel", a_client_that_leaves_while_it_waits_frees_its_wait);
        g_test_add_func("/daemon/region", two_apps_cannot_open_one_region_with_different_options);
        g_test_add_func("/daemon/protocol", whoever_breaks_the_protocol_is_disconnected);
        g_test_add_func("/daemon/verbs", every_verb_answers_with_its_document);
        g_test_add_func("/daemon/links", the_matrix_of_links_comes_from_all_nodes);
        g_test_add_func("/daemon/monitor",
                        a_monitor_sees_both_nodes_operations_and_hides_their_keys);
        g_test_add_func("/daemon/sessions", an_app_publishes_no_operation_of_sessions);
        g_test_add_func("/daemon/sample", a_flood_reaches_a_monitor_as_a_sample);
        g_test_add_func("/daemon/stranger",
                        a_stranger_on_the_mesh_port_is_counted_and_changes_nothing);
        g_test_add_func("/daemon/end", a_clean_end_says_goodbye_and_the_stream_goes_on_after_it);
        g_test_add_func("/daemon/questions", more_questions_at_once_than_may_be_are_refused);
        g_test_add_func("/daemon/vigils",
                        any_number_waits_for_a_node_and_questions_are_answered_meanwhile);
        g_test_add_func("/daemon/forget", a_gone_node_can_be_forgotten_by_hand);
        g_test_add_func("/daemon/reserve",
                        beyond_a_users_share_meshctl_is_served_and_apps_are_told);
        g_test_add_func("/daemon/damaged", damaged_requests_harm_nobody_else);
        return g_test_run();
}
