/* SPDX-License-Identifier: MIT */
/*
 * Two whole daemons in one process, turned by the test, and clients of them on real sockets: what the parts of meshd/io
 * do together.
 */
#include "meshd/io/daemon.h"

#include "base/cleanup.h"
#include "meshd/io/clock.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NODES 2
#define DEADLINE_NS (10 * CMI_NS_PER_S)

static struct config configs[NODES];
static struct daemon nodes[NODES];
static bool is_up[NODES];
static char directory[32];

/* One connection to a node. */
struct visitor {
        int fd;
        uint64_t id;
        int page_fd;
        uint8_t in[1 << 17];
        size_t n_in;
};

static char *nothing(const char *name)
{
        return NULL;
}

static void start_node(uint32_t i)
{
        char name[8];
        char socket_path[64];
        char state[64];
        char peer[CMI_ENDPOINT_TEXT_SIZE] = "127.0.0.1:1";
        char *argv[] = {(char *)"meshd", (char *)"--name", name, (char *)"--mesh", directory + 5,
                        (char *)"--listen", (char *)"127.0.0.1:0", (char *)"--socket", socket_path,
                        (char *)"--state-dir", state, (char *)"--multicast", (char *)"off",
                        (char *)"--peer", peer, (char *)"--lease-ms", (char *)"600",
                        (char *)"--start-ms", (char *)"1", (char *)"--alone-ms", (char *)"1",
                        (char *)"--log-level", (char *)"error", (char *)"--max-peers", (char *)"8",
                        (char *)"--max-clients", (char *)"64", (char *)"--key-slots",
                        (char *)"4096", (char *)"--tag-slots", (char *)"256",
                        (char *)"--session-slots", (char *)"256", (char *)"--log-bytes",
                        (char *)"1048576", NULL};
        struct fault fault = {0};

        snprintf(name, sizeof(name), "n%u", i);
        snprintf(socket_path, sizeof(socket_path), "%s/%u", directory, i);
        snprintf(state, sizeof(state), "%s/state%u", directory, i);
        if (i > 0) {
                cmi_endpoint_format(&nodes[0].links.bound, peer);
        }
        memset(&nodes[i], 0, sizeof(nodes[i]));
        g_assert_cmpint(config_load(&configs[i], argv, nothing, &fault), ==, 0);
        if (daemon_start(&nodes[i], &configs[i], &fault) < 0) {
                g_error("%s", fault.text);
        }
        is_up[i] = true;
}

static void turn(void)
{
        for (uint32_t i = 0; i < NODES; i++) {
                if (is_up[i]) {
                        loop_turn(&nodes[i].loop, 1);
                }
        }
}

/* The condition may have effects: once it is true it is not asked again. */
#define TURN_UNTIL(condition)                                                                      \
        do {                                                                                       \
                uint64_t end_ns = clock_read_ns(CLOCK_MONOTONIC) + DEADLINE_NS;                    \
                bool is_so = (condition);                                                          \
                while (!is_so && clock_read_ns(CLOCK_MONOTONIC) < end_ns) {                        \
                        turn();                                                                    \
                        is_so = (condition);                                                       \
                }                                                                                  \
                g_assert_true(is_so);                                                              \
        } while (0)

static bool is_live(uint32_t i, uint32_t n_peers)
{
        struct core_status status;
        struct core_member member;
        uint32_t n = 0;

        core_status(nodes[i].core, &status);
        for (uint32_t j = 0; core_member(nodes[i].core, clock_now(), j, &member) == 0; j++) {
                n += member.state == MEMBER_LIVE;
        }
        return status.state == CORE_LIVE && n == n_peers;
}

/* What a daemon does at SIGTERM, in a loop of its own. */
static void stop_node(uint32_t i)
{
        nodes[i].is_ending = true;
        daemon_run(&nodes[i]);
        is_up[i] = false;
}

static void set_up(uint32_t n)
{
        strcpy(directory, "/tmp/daemon-XXXXXX");
        g_assert_nonnull(g_mkdtemp(directory));
        for (uint32_t i = 0; i < n; i++) {
                start_node(i);
        }
        for (uint32_t i = 0; i < n; i++) {
                TURN_UNTIL(is_live(i, n - 1));
        }
}

static void remove_tree(const char *path)
{
        g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
        const char *name;

        while (entries && (name = g_dir_read_name(entries))) {
                g_autofree char *child = g_build_filename(path, name, NULL);

                if (g_file_test(child, G_FILE_TEST_IS_DIR)) {
                        remove_tree(child);
                } else {
                        unlink(child);
                }
        }
        rmdir(path);
}

static void tear_down(void)
{
        for (uint32_t i = 0; i < NODES; i++) {
                if (is_up[i]) {
                        stop_node(i);
                }
        }
        remove_tree(directory);
}

static struct visitor *visit(uint32_t node)
{
        struct visitor *visitor = g_new0(struct visitor, 1);
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        visitor->page_fd = -1;
        visitor->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, configs[node].socket);
        g_assert_cmpint(connect(visitor->fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        return visitor;
}

static void leave(struct visitor *visitor)
{
        cmi_close_p(&visitor->fd);
        cmi_close_p(&visitor->page_fd);
        g_free(visitor);
}

/* Whatever has come; a descriptor beside it is kept. Return: false at the end of the stream. */
static bool pull(struct visitor *visitor)
{
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec vector = {visitor->in + visitor->n_in, sizeof(visitor->in) - visitor->n_in};
        struct msghdr message = {.msg_iov = &vector,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(visitor->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n > 0 && CMSG_FIRSTHDR(&message)) {
                memcpy(&visitor->page_fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
        }
        visitor->n_in += n > 0 ? (size_t)n : 0;
        return n != 0 && !(n < 0 && errno != EAGAIN);
}

/* The next message, taken off the buffer; its bytes stay readable until the next call. */
static bool next(struct visitor *visitor, struct cmi_local_head *ret_head)
{
        static uint8_t copy[1 << 17];
        struct cmi_slice payload;
        int64_t used;

        pull(visitor);
        used = cmi_local_split(
                        cmi_slice(visitor->in, visitor->n_in), CMI_LOCAL_ANSWER_MAX, &payload);
        if (used <= 0) {
                return false;
        }
        memcpy(copy, payload.data, payload.len);
        g_assert_cmpint(cmi_local_decode(cmi_slice(copy, payload.len), ret_head), ==, 0);
        visitor->n_in -= (size_t)used;
        memmove(visitor->in, visitor->in + used, visitor->n_in);
        return true;
}

static struct cmi_local_head expect(struct visitor *visitor, uint64_t type, uint64_t id)
{
        struct cmi_local_head head = {0};

        TURN_UNTIL(next(visitor, &head));
        g_assert_cmpuint(head.type, ==, type);
        g_assert_cmpuint(head.id, ==, id);
        return head;
}

static void expect_error(struct visitor *visitor, uint64_t id, int64_t code)
{
        struct cmi_local_head head = expect(visitor, CMI_LOCAL_ERROR, id);
        struct cmi_error error;

        g_assert_cmpint(cmi_error_decode(head.fields, &error), ==, 0);
        g_assert_cmpint(error.code, ==, code);
        g_assert_true(error.text[0] != '\0');
}

static void say(struct visitor *visitor, struct cmi_writer *writer)
{
        g_assert_cmpint(writer->error, ==, 0);
        g_assert_cmpint(send(visitor->fd, writer->data, writer->len, MSG_NOSIGNAL), ==,
                        (ssize_t)writer->len);
}

static struct cmi_attached attach(struct visitor *visitor, bool wants_page)
{
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_attach request = {.version_min = 1,
                        .version_max = 9,
                        .name = "visitor",
                        .wants_page = wants_page,
                        .clock = clock_now()};
        struct cmi_attached attached;
        struct cmi_local_head head;
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_ATTACH, ++visitor->id);

        cmi_attach_write(&writer, &request);
        cmi_local_end(&writer, begin);
        say(visitor, &writer);
        head = expect(visitor, CMI_LOCAL_ATTACHED, visitor->id);
        g_assert_cmpint(cmi_attached_decode(head.fields, &attached), ==, 0);
        return attached;
}

static void publish(struct visitor *visitor, const char *key, enum cmi_wait wait)
{
        uint8_t op_bytes[256];
        uint8_t bytes[512];
        struct cmi_writer op = cmi_writer(op_bytes, sizeof(op_bytes));
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_publish request = {.wait = wait};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_PUBLISH, ++visitor->id);

        cmi_op_write_begin(&op, cmi_slice_str("r"), 1);
        cmi_write_bin(&op, cmi_slice_str(key));
        cmi_op_write_tags(&op, 0);
        cmi_op_write_end(&op, false);
        request.op = cmi_written(&op);
        cmi_publish_write(&writer, &request);
        cmi_local_end(&writer, begin);
        say(visitor, &writer);
}

static uint64_t open_region(struct visitor *visitor, uint64_t ttl_ms)
{
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_region_request request = {.name = "r", .ttl_ms = ttl_ms, .budget_bytes = 5};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_REGION, ++visitor->id);

        cmi_region_request_write(&writer, &request);
        cmi_local_end(&writer, begin);
        say(visitor, &writer);
        return visitor->id;
}

static void ask(struct visitor *visitor, enum cmi_local_type type, const char *verb,
                const char *key, const char *value)
{
        uint8_t arguments_bytes[128];
        uint8_t bytes[256];
        struct cmi_writer arguments = cmi_writer(arguments_bytes, sizeof(arguments_bytes));
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        size_t begin = cmi_local_begin(&writer, type, ++visitor->id);

        cmi_write_map(&arguments, key != NULL);
        if (key) {
                cmi_write_cstr(&arguments, key);
                cmi_write_cstr(&arguments, value);
        }
        cmi_local_query_write(&writer, cmi_slice_str(verb), cmi_written(&arguments));
        cmi_local_end(&writer, begin);
        say(visitor, &writer);
}

/* Reads the whole document with the strict reader, and compares its schema. */
static void expect_document(struct cmi_slice fields, const char *schema)
{
        struct cmi_slice document;
        struct cmi_reader reader;
        uint32_t n;

        g_assert_cmpint(cmi_document_decode(fields, &document), ==, 0);
        reader = cmi_reader(document);
        n = cmi_read_map(&reader, 1000);
        g_assert_cmpuint(n, >=, 1);
        g_assert_true(cmi_slice_equal(cmi_read_str(&reader, 64), cmi_slice_str("schema")));
        g_assert_true(cmi_slice_equal(cmi_read_str(&reader, 64), cmi_slice_str(schema)));
        for (uint32_t i = 1; i < n; i++) {
                cmi_read_str(&reader, 64);
                cmi_read_skip(&reader);
        }
        g_assert_cmpint(cmi_read_done(&reader), ==, 0);
}

static bool contains(struct cmi_slice bytes, const char *text)
{
        return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

/* Cases */

static void a_client_gets_a_page_that_it_can_read_and_not_write(void)
{
        struct visitor *visitor;
        struct cmi_attached attached;
        struct cmi_page *page;

        set_up(1);
        visitor = visit(0);
        attached = attach(visitor, true);
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
        leave(visitor);
        tear_down();
}

static void publications_without_a_wait_are_confirmed_together(void)
{
        struct visitor *visitor;
        struct cmi_local_head head;
        struct cmi_result result;

        set_up(1);
        visitor = visit(0);
        attach(visitor, false);
        for (int i = 0; i < 100; i++) { /* few enough for the socket's buffer */
                publish(visitor, "k", CMI_WAIT_NONE);
        }
        head = expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        g_assert_cmpint(cmi_result_decode(head.fields, &result), ==, 0);
        g_assert_cmpint(result.outcome, ==, 0);
        g_assert_cmpuint(result.position, ==, 100);
        publish(visitor, "k", CMI_WAIT_NODE);
        head = expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        g_assert_cmpint(cmi_result_decode(head.fields, &result), ==, 0);
        g_assert_cmpuint(result.position, ==, 101);
        leave(visitor);
        tear_down();
}

static void a_waited_publication_is_in_the_other_nodes_page_before_it_is_answered(void)
{
        struct visitor *visitor;
        struct cmi_local_head head;
        struct cmi_result result;
        uint64_t before;
        uint32_t index;

        set_up(2);
        visitor = visit(0);
        attach(visitor, false);
        /* An app there has the region open; for a region that nobody knows there is nothing to stamp. */
        g_assert_cmpint(core_region(nodes[1].core, cmi_slice_str("r"), &index), ==, 0);
        before = nodes[1].page.page->apply_seq;
        publish(visitor, "k", CMI_WAIT_MESH);
        head = expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        g_assert_cmpint(cmi_result_decode(head.fields, &result), ==, 0);
        g_assert_cmpint(result.outcome, ==, 0);
        g_assert_cmpuint(result.n_applied, ==, 1);
        g_assert_cmpuint(nodes[1].page.page->apply_seq, >, before);
        leave(visitor);
        tear_down();
}

static void a_client_that_leaves_while_it_waits_frees_its_wait(void)
{
        struct visitor *visitor;

        set_up(2);
        is_up[1] = false; /* it does not answer */
        visitor = visit(0);
        attach(visitor, false);
        for (int i = 0; i < 10; i++) {
                publish(visitor, "k", CMI_WAIT_MESH);
        }
        TURN_UNTIL(nodes[0].service.n_waits == 10);
        leave(visitor);
        TURN_UNTIL(nodes[0].service.n_waits == 0);
        is_up[1] = true;
        tear_down();
}

static void two_apps_cannot_open_one_region_with_different_options(void)
{
        struct visitor *first;
        struct visitor *second;

        set_up(1);
        first = visit(0);
        second = visit(0);
        attach(first, false);
        attach(second, false);
        expect(first, CMI_LOCAL_REGION_OPENED, open_region(first, 0));
        expect(first, CMI_LOCAL_REGION_OPENED, open_region(first, 0));
        g_assert_cmpuint(nodes[0].service.regions[0].budget_bytes, ==, 5);
        expect_error(second, open_region(second, 100), -1001);
        g_assert_true(nodes[0].service.regions[0].is_conflicting);
        leave(first);
        TURN_UNTIL(nodes[0].local.n_clients == 1);
        expect(second, CMI_LOCAL_REGION_OPENED, open_region(second, 100));
        leave(second);
        tear_down();
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

        set_up(1);
        neighbour = visit(0);
        attach(neighbour, false);
        for (size_t i = 0; i < 6; i++) {
                struct visitor *visitor = visit(0);
                uint8_t bytes[64] = {0};
                size_t n = i == 1 || i == 0 ? 4 : i == 3 ? 3 : i == 4 ? 1 : i == 2 ? 5 : 8;

                n_garbage = nodes[0].local.counters.garbage;
                bytes[0] = (uint8_t)n;
                memcpy(bytes + 4, payloads[i], n);
                g_assert_cmpint(send(visitor->fd, bytes, n + 4, MSG_NOSIGNAL), ==, (ssize_t)n + 4);
                TURN_UNTIL(!pull(visitor));
                g_assert_cmpuint(nodes[0].local.counters.garbage, ==, n_garbage + 1);
                leave(visitor);
        }
        publish(neighbour, "k", CMI_WAIT_NODE);
        expect(neighbour, CMI_LOCAL_RESULT, neighbour->id);
        neighbour->id = 0;
        publish(neighbour, "k", CMI_WAIT_NODE); /* an id again */
        TURN_UNTIL(!pull(neighbour));
        leave(neighbour);
        tear_down();
}

static void every_verb_answers_with_its_document(void)
{
        static const char *const verbs[] = {"version", "status", "peers", "stats", "regions",
                        "clients", "links", "ping"};
        struct visitor *visitor;
        struct cmi_local_head head;

        set_up(2);
        visitor = visit(0);
        attach(visitor, false);
        expect(visitor, CMI_LOCAL_REGION_OPENED, open_region(visitor, 0));
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                g_autofree char *schema = g_strdup_printf("cachemesh.%s/1", verbs[i]);

                ask(visitor, CMI_LOCAL_QUERY, verbs[i], NULL, NULL);
                head = expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
                expect_document(head.fields, schema);
        }
        ask(visitor, CMI_LOCAL_QUERY, "peer", "peer", "n1");
        head = expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        expect_document(head.fields, "cachemesh.peer/1");
        ask(visitor, CMI_LOCAL_QUERY, "wait", "for", "caught-up");
        head = expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        expect_document(head.fields, "cachemesh.wait/1");
        ask(visitor, CMI_LOCAL_QUERY, "peer", "peer", "nobody");
        expect_error(visitor, visitor->id, -ENOENT);
        ask(visitor, CMI_LOCAL_QUERY, "peer", NULL, NULL);
        expect_error(visitor, visitor->id, -EINVAL);
        ask(visitor, CMI_LOCAL_QUERY, "forget", "peer", "n1");
        expect_error(visitor, visitor->id, -EBUSY);
        ask(visitor, CMI_LOCAL_QUERY, "no-such-verb", NULL, NULL);
        expect_error(visitor, visitor->id, -EOPNOTSUPP);
        ask(visitor, CMI_LOCAL_QUERY, "wait", "for", "godot");
        expect_error(visitor, visitor->id, -EINVAL);
        leave(visitor);
        tear_down();
}

static void the_matrix_of_links_comes_from_all_nodes(void)
{
        struct visitor *visitor;
        struct cmi_local_head head;

        set_up(2);
        visitor = visit(0);
        attach(visitor, false);
        ask(visitor, CMI_LOCAL_QUERY, "links", NULL, NULL);
        head = expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        g_assert_true(contains(head.fields, ".1"));
        g_assert_true(contains(head.fields, "1."));
        leave(visitor);
        tear_down();
}

static void a_monitor_sees_both_nodes_operations_and_hides_their_keys(void)
{
        struct visitor *monitor;
        struct visitor *writer;
        struct cmi_local_head head;

        set_up(2);
        monitor = visit(1);
        writer = visit(0);
        attach(monitor, false);
        attach(writer, false);
        ask(monitor, CMI_LOCAL_SUBSCRIBE, "monitor", NULL, NULL);
        ask(monitor, CMI_LOCAL_QUERY, "version", NULL, NULL);
        expect(monitor, CMI_LOCAL_ANSWER, monitor->id);
        publish(writer, "secret-key", CMI_WAIT_NODE);
        head = expect(monitor, CMI_LOCAL_EVENT, monitor->id - 1);
        expect_document(head.fields, "cachemesh.event/1");
        g_assert_true(contains(head.fields, "n0"));
        g_assert_false(contains(head.fields, "secret-key"));
        leave(monitor);
        leave(writer);
        tear_down();
}

static void a_flood_reaches_a_monitor_as_a_sample(void)
{
        struct visitor *monitor;
        struct visitor *writer;
        struct cmi_local_head head;
        int n_events = 0;

        set_up(1);
        monitor = visit(0);
        writer = visit(0);
        attach(monitor, false);
        attach(writer, false);
        ask(monitor, CMI_LOCAL_SUBSCRIBE, "monitor", NULL, NULL);
        ask(monitor, CMI_LOCAL_QUERY, "version", NULL, NULL);
        expect(monitor, CMI_LOCAL_ANSWER, monitor->id);
        for (int i = 0; i < 1000; i++) {
                publish(writer, "k", CMI_WAIT_NONE);
                if (i % 50 == 0) {
                        turn();
                        pull(writer);
                        writer->n_in = 0;
                }
        }
        publish(writer, "k", CMI_WAIT_NODE);
        TURN_UNTIL(next(writer, &head) && head.id == writer->id);
        while (next(monitor, &head)) {
                n_events++;
        }
        g_assert_cmpint(n_events, >=, 100);
        g_assert_cmpint(n_events, <, 500);
        leave(monitor);
        leave(writer);
        tear_down();
}

static void a_stranger_on_the_mesh_port_is_counted_and_changes_nothing(void)
{
        void *context = zmq_ctx_new();
        void *dealer = zmq_socket(context, ZMQ_DEALER);
        char text[CMI_ENDPOINT_TEXT_SIZE];
        g_autofree char *endpoint = NULL;
        struct core_status status;
        int linger = 0;

        set_up(2);
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
        g_assert_true(is_live(0, 1));
        g_assert_cmpuint(nodes[0].links.counters.rejected, ==, 0);
        zmq_close(dealer);
        zmq_ctx_term(context);
        tear_down();
}

static void a_clean_end_says_goodbye_and_the_stream_goes_on_after_it(void)
{
        struct visitor *visitor;
        struct core_member member;
        struct core_status status;
        uint64_t stream;

        set_up(2);
        visitor = visit(1);
        attach(visitor, false);
        publish(visitor, "k", CMI_WAIT_MESH);
        expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        core_status(nodes[1].core, &status);
        stream = status.newest.stream;
        leave(visitor);
        stop_node(1);
        g_assert_cmpint(access(configs[1].socket, F_OK), ==, -1);
        TURN_UNTIL(core_member(nodes[0].core, clock_now(), 0, &member) == 0 &&
                        member.state == MEMBER_LEFT);
        start_node(1);
        TURN_UNTIL(is_live(1, 1) && is_live(0, 1));
        core_status(nodes[1].core, &status);
        g_assert_cmpuint(status.newest.number, ==, 1);
        g_assert_cmpuint(status.newest.stream, ==, stream);
        tear_down();
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
        g_test_add_func("/daemon/sample", a_flood_reaches_a_monitor_as_a_sample);
        g_test_add_func("/daemon/stranger",
                        a_stranger_on_the_mesh_port_is_counted_and_changes_nothing);
        g_test_add_func("/daemon/end", a_clean_end_says_goodbye_and_the_stream_goes_on_after_it);
        return g_test_run();
}
