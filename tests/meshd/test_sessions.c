/* SPDX-License-Identifier: MIT */
/*
 * Sessions as a client of the socket sees them: that its requests reach the plane of this node and
 * are answered, how long blobs are joined, and what one client may take. What a request does is
 * tested in test_plane.c.
 */
#include "meshd/local/sessions.h"
#include "tests/meshd/pair.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONG_LEN 100000
#define UTC_MS (clock_now().real_ns / CMI_NS_PER_MS)

static uint8_t blob[CMI_SESSION_BLOB_MAX];

static void write_message(struct visitor *visitor, uint64_t type, uint64_t id,
                void (*write)(struct cmi_writer *writer, const void *what), const void *what)
{
        static uint8_t bytes[1 << 16];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        size_t begin = cmi_local_begin(&writer, (enum cmi_local_type)type, id);
        uint64_t before = nodes[0].local.counters.requests + nodes[0].local.counters.garbage;

        write(&writer, what);
        cmi_local_end(&writer, begin);
        visitor_say(visitor, &writer);
        /* So that the next one finds room in the socket. */
        TURN_UNTIL(nodes[0].local.counters.requests + nodes[0].local.counters.garbage > before);
}

static void write_request(struct cmi_writer *writer, const void *request)
{
        cmi_session_request_write(writer, request);
}

static void write_part(struct cmi_writer *writer, const void *part)
{
        cmi_session_part_write(writer, part);
}

static struct cmi_session_request request_of(enum cmi_session_verb verb, uint8_t key)
{
        struct cmi_session_request request = {.verb = verb};

        memset(request.space.bytes, 0x5a, sizeof(request.space.bytes));
        memset(request.key.bytes, key, sizeof(request.key.bytes));
        request.request = 77;
        return request;
}

static struct cmi_session_request create_of(uint8_t key, size_t len)
{
        struct cmi_session_request request = request_of(CMI_SESSION_CREATE, key);

        request.max_end_ms = UTC_MS + 3600000;
        memset(request.save_id.bytes, key, sizeof(request.save_id.bytes));
        request.blob_len = len;
        request.blob = cmi_slice(blob, len < CMI_SESSION_PART_MAX ? len : CMI_SESSION_PART_MAX);
        return request;
}

static uint64_t send_request(struct visitor *visitor, const struct cmi_session_request *request)
{
        write_message(visitor, CMI_LOCAL_SESSION, ++visitor->id, write_request, request);
        return visitor->id;
}

static void send_part(struct visitor *visitor, uint64_t id, uint64_t offset, size_t len)
{
        const struct cmi_session_part part = {id, offset, cmi_slice(blob + offset, len)};

        write_message(visitor, CMI_LOCAL_SESSION_PART, ++visitor->id, write_part, &part);
}

static struct cmi_session_answer expect_answer(struct visitor *visitor, uint64_t id)
{
        struct cmi_local_head head = visitor_expect(visitor, CMI_LOCAL_SESSION_ANSWER, id);
        struct cmi_session_answer answer;

        g_assert_cmpint(cmi_session_answer_decode(head.fields, &answer), ==, 0);
        return answer;
}

static struct cmi_session_answer ask(
                struct visitor *visitor, const struct cmi_session_request *request)
{
        return expect_answer(visitor, send_request(visitor, request));
}

static struct visitor *set_up(void)
{
        struct visitor *visitor;

        for (size_t i = 0; i < sizeof(blob); i++) {
                blob[i] = (uint8_t)(i * 7 + i / 251);
        }
        pair_set_up(1);
        visitor = visitor_new(0);
        visitor_attach(visitor, false);
        return visitor;
}

static void tear_down(struct visitor *visitor)
{
        visitor_free(visitor);
        pair_tear_down();
}

static void a_session_is_made_read_and_ended(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(1, 500);
        struct cmi_session_answer answer = ask(visitor, &request);

        g_assert_cmpint(answer.outcome, ==, 0);
        g_assert_cmpuint(answer.n_copies, ==, 1);
        request = request_of(CMI_SESSION_GET, 1);
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, 0);
        g_assert_cmpmem(answer.blob.data, answer.blob.len, blob, 500);
        request = request_of(CMI_SESSION_DESTROY, 1);
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, 0);
        request = request_of(CMI_SESSION_GET, 1);
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, CMI_GONE);
        tear_down(visitor);
}

static void a_logout_everywhere_is_one_of_its_space(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request create = create_of(1, 5);
        struct cmi_session_request end = request_of(CMI_SESSION_DESTROY_PRINCIPAL, 0);
        struct cmi_session_request get = request_of(CMI_SESSION_GET, 1);

        create.principal.bytes[0] = end.principal.bytes[0] = 9;
        g_assert_cmpint(ask(visitor, &create).outcome, ==, 0);
        end.space.bytes[0]++;
        g_assert_cmpint(ask(visitor, &end).outcome, ==, 0);
        g_assert_cmpint(ask(visitor, &get).outcome, ==, 0);
        end.space.bytes[0]--;
        g_assert_cmpint(ask(visitor, &end).outcome, ==, 0);
        g_assert_cmpint(ask(visitor, &get).outcome, ==, CMI_GONE);
        tear_down(visitor);
}

static void a_change_stamps_the_page_before_it_is_answered(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(1, 5);
        struct cmi_session_answer made = ask(visitor, &request);
        struct cmi_page_view view = cmi_page_view(nodes[0].page.page);
        struct cmi_session_request save = create_of(1, 6);
        uint64_t stamp;

        save.verb = CMI_SESSION_SAVE;
        save.request = 78;
        save.expected = made.version;
        save.holder = made.holder;
        g_assert_cmpint(ask(visitor, &save).outcome, ==, 0);
        stamp = atomic_load(&view.sessions[cmi_page_session_slot(&view, request.key.bytes)]);
        g_assert_cmpuint(stamp, >, made.token);
        tear_down(visitor);
}

static void a_long_blob_is_joined_from_its_parts(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(2, LONG_LEN);
        uint64_t id = send_request(visitor, &request);
        struct cmi_session_answer answer;

        send_part(visitor, id, CMI_SESSION_PART_MAX, 30000);
        send_part(visitor, id, CMI_SESSION_PART_MAX + 30000,
                        LONG_LEN - CMI_SESSION_PART_MAX - 30000);
        answer = expect_answer(visitor, id);
        g_assert_cmpint(answer.outcome, ==, 0);
        request = request_of(CMI_SESSION_GET, 2);
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, 0);
        g_assert_cmpmem(answer.blob.data, answer.blob.len, blob, LONG_LEN);
        tear_down(visitor);
}

static void a_part_out_of_order_ends_the_connection(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(2, LONG_LEN);
        uint64_t id = send_request(visitor, &request);

        send_part(visitor, id, CMI_SESSION_PART_MAX + 1, 30000);
        TURN_UNTIL(!visitor_pull(visitor));
        g_assert_cmpuint(nodes[0].local.counters.garbage, ==, 1);
        tear_down(visitor);
}

static void a_part_beyond_the_end_ends_the_connection(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(2, CMI_SESSION_PART_MAX + 10);
        uint64_t id = send_request(visitor, &request);

        send_part(visitor, id, CMI_SESSION_PART_MAX, 11);
        TURN_UNTIL(!visitor_pull(visitor));
        tear_down(visitor);
}

static void a_part_of_nothing_is_ignored(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = request_of(CMI_SESSION_GET, 9);

        send_part(visitor, 1, 0, 10);
        g_assert_cmpint(ask(visitor, &request).outcome, ==, CMI_GONE);
        tear_down(visitor);
}

static void one_client_has_so_many_long_blobs_on_the_way_and_no_more(void)
{
        struct visitor *visitor = set_up();
        struct visitor *other = visitor_new(0);
        struct cmi_session_request request;
        struct cmi_session_answer answer;

        visitor_attach(other, false);
        for (uint8_t i = 0; i < SESSIONS_JOINED_MAX; i++) {
                request = create_of((uint8_t)(i + 1), CMI_SESSION_PART_MAX + 1);
                send_request(visitor, &request);
        }
        request = create_of(100, CMI_SESSION_PART_MAX + 1);
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, CMI_E_BUSY);
        visitor_free(visitor);
        /* What it held is free again with its connection. */
        TURN_UNTIL(nodes[0].local.n_clients == 1);
        g_assert_cmpint(ask(other, &(struct cmi_session_request){0}).outcome, ==, -EINVAL);
        tear_down(other);
}

static void a_blob_that_does_not_come_whole_in_time_is_dropped(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(2, LONG_LEN);
        uint64_t id;
        struct cmi_session_answer answer;

        request.timeout_ms = 20;
        id = send_request(visitor, &request);
        answer = expect_answer(visitor, id);
        g_assert_cmpint(answer.outcome, ==, CMI_E_TIMEOUT);
        send_part(visitor, id, CMI_SESSION_PART_MAX, 100); /* late, and of nothing now */
        request = request_of(CMI_SESSION_GET, 2);
        g_assert_cmpint(ask(visitor, &request).outcome, ==, CMI_GONE);
        tear_down(visitor);
}

static void no_disk_is_promised(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(1, 5);
        struct cmi_session_answer answer;

        request.level = CMI_SESSION_DISK;
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, -EOPNOTSUPP);
        g_assert_cmpstr(answer.text, !=, "");
        tear_down(visitor);
}

static void a_node_with_a_temporary_id_holds_no_sessions(void)
{
        struct visitor *visitor = set_up();
        struct service *service = &nodes[0].service;
        struct sessions *sessions = service->sessions;
        struct cmi_session_request request = create_of(1, 5);
        struct cmi_session_answer answer;
        const char *why = NULL;

        nodes[0].state.is_temporary = true;
        g_assert_cmpint(sessions_new(&service->sessions, service), ==, 0);
        g_assert_null(sessions_plane(service->sessions, &why));
        g_assert_nonnull(strstr(why, "--state-dir"));
        nodes[0].loop.sessions = service->sessions;
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, -EOPNOTSUPP);
        g_assert_cmpstr(answer.text, ==, why);
        sessions_free(service->sessions);
        service->sessions = sessions;
        nodes[0].loop.sessions = sessions;
        tear_down(visitor);
}

static void people_see_what_is_held_and_can_end_it(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(0xab, 5);
        const char *key = "abababababababababababababababab";

        g_assert_cmpint(ask(visitor, &request).outcome, ==, 0);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "sessions", NULL, NULL);
        pair_expect_document(visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id).fields,
                        "cachemesh.sessions/1");
        visitor_ask(visitor, CMI_LOCAL_QUERY, "session", "key", key);
        pair_expect_document(visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id).fields,
                        "cachemesh.session/1");
        visitor_ask(visitor, CMI_LOCAL_QUERY, "session_destroy", "key", key);
        pair_expect_document(visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id).fields,
                        "cachemesh.session/1");
        request = request_of(CMI_SESSION_GET, 0xab);
        g_assert_cmpint(ask(visitor, &request).outcome, ==, CMI_GONE);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "session_destroy", "key", key);
        visitor_expect_error(visitor, visitor->id, -ENOENT);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "session", "key", "abc");
        visitor_expect_error(visitor, visitor->id, -EINVAL);
        tear_down(visitor);
}

static bool shows(struct visitor *visitor, const char *name, const char *value, const char *text)
{
        struct cmi_slice fields;

        visitor_ask(visitor, CMI_LOCAL_QUERY, "sessions", name, value);
        fields = visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id).fields;
        return memmem(fields.data, fields.len, text, strlen(text)) != NULL;
}

/* The test runs as the user of meshd, who sees all; another one is made of it by hand. */
static void who_is_no_operator_sees_their_own_sessions(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(0xab, 5);
        const char *theirs = "abababababababababababababababab";
        const char *own = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
        char from[2 * CMI_ID_SIZE + 1];

        g_assert_cmpint(ask(visitor, &request).outcome, ==, 0);
        nodes[0].local.clients->uid = 4321;
        g_assert_false(shows(visitor, "from", theirs, theirs));
        g_assert_false(shows(visitor, "from", theirs, "n_sessions"));
        for (unsigned i = 0; i < 39; i++) { /* for some it is the last key that is looked at */
                g_snprintf(from, sizeof(from), "%08x%024x",
                                0xabababab - ((4094 + i % 3) << (8 + i / 3)), 0u);
                g_assert_false(shows(visitor, "from", from, "abababab"));
        }
        visitor_ask(visitor, CMI_LOCAL_QUERY, "session", "key", theirs);
        visitor_expect_error(visitor, visitor->id, -ENOENT);
        visitor_ask(visitor, CMI_LOCAL_QUERY, "session_destroy", "key", theirs);
        visitor_expect_error(visitor, visitor->id, -EPERM);
        request = request_of(CMI_SESSION_GET, 0xab);
        g_assert_cmpint(ask(visitor, &request).outcome, ==, CMI_GONE);
        request = create_of(0xcd, 5);
        g_assert_cmpint(ask(visitor, &request).outcome, ==, 0);
        g_assert_true(shows(visitor, "from", own, own));
        visitor_ask(visitor, CMI_LOCAL_QUERY, "session", "key", own);
        visitor_expect(visitor, CMI_LOCAL_ANSWER, visitor->id);
        nodes[0].local.clients->uid = geteuid();
        g_assert_true(shows(visitor, "from", theirs, theirs));
        g_assert_true(shows(visitor, "from", own, own));
        g_assert_true(shows(visitor, "from", own, "n_sessions"));
        tear_down(visitor);
}

static void those_of_a_namespace_are_found_by_its_name(void)
{
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(0xab, 5);
        const char *key = "00000000000000000000000000000001";

        request.key = (struct cmi_id){{[15] = 1}}; /* among the first that are looked at */
        /* As the library of apps makes it: see test_seal.c, and session-keys.md. */
        request.space = (struct cmi_id){{0x62, 0xe1, 0x80, 0x5b, 0x70, 0x07, 0x8b, 0xb8, 0x7d, 0x22,
                        0xf2, 0x9d, 0x9e, 0x2a, 0x9c, 0x87}};
        g_assert_cmpint(ask(visitor, &request).outcome, ==, 0);
        g_assert_true(shows(visitor, "space", "shop", key));
        g_assert_false(shows(visitor, "space", "shoe", key));
        tear_down(visitor);
}

static void a_user_has_half_of_what_long_blobs_may_take(void)
{
        const size_t n_visitors = SESSIONS_JOINED_BYTES_USER / SESSIONS_JOINED_BYTES_MAX;
        const size_t n_each = SESSIONS_JOINED_BYTES_MAX / CMI_SESSION_BLOB_MAX;
        g_autoptr(GPtrArray) others = g_ptr_array_new();
        struct visitor *visitor = set_up();
        struct cmi_session_request request = create_of(1, CMI_SESSION_BLOB_MAX);
        struct cmi_session_answer answer;
        uint64_t n_ignored;

        for (size_t i = 0; i < n_visitors; i++) {
                struct visitor *other = visitor_new(0);

                g_ptr_array_add(others, other);
                visitor_attach(other, false);
                for (size_t n = 0; n < n_each; n++) {
                        send_request(other, &request);
                }
        }
        answer = ask(visitor, &request);
        g_assert_cmpint(answer.outcome, ==, CMI_E_BUSY);
        g_assert_nonnull(strstr(answer.text, "16 MiB"));
        for (struct client *c = nodes[0].local.clients; c; c = c->next) {
                c->uid = c->next ? geteuid() : 4321; /* the first one that came is the last */
        }
        n_ignored = send_request(visitor, &request);
        request = request_of(CMI_SESSION_GET, 9);
        g_assert_cmpint(ask(visitor, &request).outcome, ==, CMI_GONE); /* the other one is joined */
        g_assert_cmpuint(visitor->id, ==, n_ignored + 1);
        for (guint i = 0; i < others->len; i++) {
                visitor_free(others->pdata[i]);
        }
        tear_down(visitor);
}

static void write_get(struct cmi_writer *writer, uint64_t id)
{
        struct cmi_session_request get = request_of(CMI_SESSION_GET, 1);
        size_t begin = cmi_local_begin(writer, CMI_LOCAL_SESSION, id);

        get.timeout_ms = CMI_SESSION_TIMEOUT_MAX_MS;
        cmi_session_request_write(writer, &get);
        cmi_local_end(writer, begin);
}

#define N_GETS (LOCAL_OUT_MAX / 50000 + 20) /* more than a client may leave unread */

/* A session and all the gets of it, with the ids from 2 on. */
static void send_all(struct visitor *visitor)
{
        static uint8_t bytes[1 << 17];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_session_request create = create_of(1, 50000);
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_SESSION, ++visitor->id);

        create.timeout_ms = CMI_SESSION_TIMEOUT_MAX_MS;
        cmi_session_request_write(&writer, &create);
        cmi_local_end(&writer, begin);
        for (uint64_t i = 1; i <= N_GETS; i++) {
                write_get(&writer, visitor->id + i);
        }
        visitor_say(visitor, &writer);
}

static uint64_t n_waiting(void)
{
        const char *reason;
        struct plane_status status;

        plane_status(sessions_plane(nodes[0].loop.sessions, &reason), clock_now(), &status);
        return status.n_waiting;
}

/* Return: NULL: the node was there before all of them waited. */
static struct visitor *set_up_waiting(const char *alone_ms)
{
        struct visitor *visitor;

        pair_alone_ms = alone_ms;
        pair_set_up(0);
        pair_start(0);
        pair_alone_ms = "1";
        visitor = visitor_new(0);
        visitor_attach(visitor, false);
        send_all(visitor);
        TURN_UNTIL(n_waiting() == N_GETS + 1 || pair_is_live(0, 0));
        if (pair_is_live(0, 0)) {
                tear_down(visitor);
                return NULL;
        }
        return visitor;
}

/* Return: have all come, or is that in vain? */
static bool has_answers(struct visitor *visitor, uint64_t *n)
{
        struct cmi_session_answer answer;
        struct cmi_local_head head;

        while (visitor_next(visitor, &head)) {
                g_assert_cmpuint(head.type, ==, CMI_LOCAL_SESSION_ANSWER);
                g_assert_cmpuint(head.id, ==, visitor->id + *n);
                g_assert_cmpint(cmi_session_answer_decode(head.fields, &answer), ==, 0);
                g_assert_cmpint(answer.outcome, ==, 0);
                g_assert_cmpuint(answer.blob.len, ==, *n == 0 ? 0 : 50000);
                ++*n;
        }
        return *n == N_GETS + 1 || nodes[0].local.counters.closed_overflow > 0;
}

/* All are answered at the moment when the node is there; a slow machine gives it more time. */
static void an_app_that_waited_with_many_gets_is_not_disconnected(void)
{
        static const char *const alone_ms[] = {"300", "1500", "6000"};
        struct visitor *visitor = NULL;
        uint64_t n = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(alone_ms) && !visitor; i++) {
                visitor = set_up_waiting(alone_ms[i]);
        }
        g_assert_nonnull(visitor);
        if (!visitor) {
                return;
        }
        TURN_UNTIL(has_answers(visitor, &n));
        g_assert_cmpuint(n, ==, N_GETS + 1);
        g_assert_cmpuint(nodes[0].local.counters.closed_overflow, ==, 0);
        tear_down(visitor);
}

static void open_region(struct visitor *visitor, uint64_t fresh, uint64_t ttl_ms, uint64_t hold_ms)
{
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_region_request request = {
                        .name = CMI_SESSION_REGION,
                        .fresh = fresh,
                        .ttl_ms = ttl_ms,
                        .hold_ms = hold_ms,
        };
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_REGION, ++visitor->id);

        cmi_region_request_write(&writer, &request);
        cmi_local_end(&writer, begin);
        visitor_say(visitor, &writer);
}

static void publish(struct visitor *visitor, enum cmi_op_kind kind, const char *region)
{
        uint8_t op_bytes[256];
        uint8_t bytes[512];
        struct cmi_writer op = cmi_writer(op_bytes, sizeof(op_bytes));
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_publish request = {.wait = CMI_WAIT_NODE};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_PUBLISH, ++visitor->id);

        cmi_op_write_head(&op, kind, cmi_slice_str(region), 1, false);
        cmi_write_bin(&op, cmi_slice_str("key"));
        cmi_op_write_tags(&op, 0);
        if (kind == CMI_OP_INTENT_BEGIN) {
                cmi_op_write_deadline(&op, 1000);
        } else {
                cmi_op_write_end(&op, true);
        }
        request.op = cmi_written(&op);
        cmi_publish_write(&writer, &request);
        cmi_local_end(&writer, begin);
        visitor_say(visitor, &writer);
}

/* One app could make all sessions' copies useless for all others, on every node. */
static void the_region_of_sessions_is_meshds_own(void)
{
        struct visitor *visitor = set_up();

        open_region(visitor, CMI_FRESH_TTL, 1000, 0);
        visitor_expect_error(visitor, visitor->id, -EPERM);
        open_region(visitor, CMI_FRESH_BOUNDED, 0, 500);
        visitor_expect_error(visitor, visitor->id, -EPERM);
        open_region(visitor, CMI_FRESH_BOUNDED, 0, 0);
        visitor_expect(visitor, CMI_LOCAL_REGION_OPENED, visitor->id);
        publish(visitor, CMI_OP_INVALIDATE, CMI_SESSION_REGION);
        visitor_expect_error(visitor, visitor->id, -EPERM);
        publish(visitor, CMI_OP_INTENT_BEGIN, CMI_SESSION_REGION);
        visitor_expect_error(visitor, visitor->id, -EPERM);
        publish(visitor, CMI_OP_INVALIDATE, "other");
        visitor_expect(visitor, CMI_LOCAL_RESULT, visitor->id);
        tear_down(visitor);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
#define TEST(name) g_test_add_func("/sessions/" #name, name)
        TEST(a_session_is_made_read_and_ended);
        TEST(a_logout_everywhere_is_one_of_its_space);
        TEST(a_change_stamps_the_page_before_it_is_answered);
        TEST(a_long_blob_is_joined_from_its_parts);
        TEST(a_part_out_of_order_ends_the_connection);
        TEST(a_part_beyond_the_end_ends_the_connection);
        TEST(a_part_of_nothing_is_ignored);
        TEST(one_client_has_so_many_long_blobs_on_the_way_and_no_more);
        TEST(a_blob_that_does_not_come_whole_in_time_is_dropped);
        TEST(no_disk_is_promised);
        TEST(a_node_with_a_temporary_id_holds_no_sessions);
        TEST(people_see_what_is_held_and_can_end_it);
        TEST(who_is_no_operator_sees_their_own_sessions);
        TEST(those_of_a_namespace_are_found_by_its_name);
        TEST(a_user_has_half_of_what_long_blobs_may_take);
        TEST(an_app_that_waited_with_many_gets_is_not_disconnected);
        TEST(the_region_of_sessions_is_meshds_own);
        return g_test_run();
}
