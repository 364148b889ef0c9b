/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait at meshd: how many may, of whom. The node does not go live, so that none is
 * answered before the test is over.
 */
#include "tests/meshd/pair.h"

#include <string.h>

#define USER_CLIENTS (SERVICE_WAITS_USER_MAX / SERVICE_WAITS_CLIENT_MAX)

static void set_up(void)
{
        pair_alone_ms = "600000";
        pair_set_up(0);
        pair_start(0);
}

static struct visitor *new_client(void)
{
        struct visitor *visitor = visitor_new(0);

        visitor_attach(visitor, false);
        return visitor;
}

static void publish(struct visitor *visitor)
{
        uint8_t op_bytes[64];
        uint8_t bytes[128];
        struct cmi_writer op = cmi_writer(op_bytes, sizeof(op_bytes));
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_publish request = {.wait = CMI_WAIT_MESH, .timeout_ms = 600000};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_PUBLISH, ++visitor->id);

        cmi_op_write_begin(&op, cmi_slice_str("r"), 1);
        cmi_write_bin(&op, cmi_slice_str("k"));
        cmi_op_write_tags(&op, 0);
        cmi_op_write_end(&op, false);
        request.op = cmi_written(&op);
        cmi_publish_write(&writer, &request);
        cmi_local_end(&writer, begin);
        visitor_say(visitor, &writer);
}

static void publish_some(struct visitor *visitor, uint32_t n)
{
        uint32_t n_before = nodes[0].service.n_waits;

        for (uint32_t i = 1; i <= n; i++) {
                publish(visitor);
                if (i % 64 == 0 || i == n) { /* few enough for the socket's buffer */
                        TURN_UNTIL(nodes[0].service.n_waits == n_before + i);
                }
        }
}

static void expect_refusal(struct visitor *visitor, const char *why)
{
        uint32_t n_before = nodes[0].service.n_waits;
        struct cmi_local_head head;
        struct cmi_error error;

        publish(visitor);
        head = visitor_expect(visitor, CMI_LOCAL_ERROR, visitor->id);
        g_assert_cmpint(cmi_error_decode(head.fields, &error), ==, 0);
        g_assert_cmpint(error.code, ==, CMI_E_BUSY);
        g_assert_nonnull(strstr(error.text, why));
        g_assert_cmpuint(nodes[0].service.n_waits, ==, n_before);
}

static void a_connection_has_its_share_of_the_waits(void)
{
        struct visitor *greedy;
        struct visitor *modest;

        set_up();
        greedy = new_client();
        modest = new_client();
        publish_some(greedy, SERVICE_WAITS_CLIENT_MAX);
        expect_refusal(greedy, "512 calls of this connection");
        publish_some(modest, 1);
        visitor_free(greedy);
        TURN_UNTIL(nodes[0].service.n_waits == 1);
        visitor_free(modest);
        pair_tear_down();
}

/* The newest client is made somebody else's. */
static struct visitor *new_client_of(uid_t uid)
{
        struct visitor *visitor = new_client();

        nodes[0].local.clients->uid = uid;
        return visitor;
}

static void a_user_has_half_of_the_waits_however_many_connections_he_has(void)
{
        struct visitor *greedy[USER_CLIENTS + 1];
        struct visitor *modest;

        set_up();
        for (uint32_t i = 0; i < USER_CLIENTS; i++) {
                greedy[i] = new_client_of(1000);
                publish_some(greedy[i], SERVICE_WAITS_CLIENT_MAX);
        }
        greedy[USER_CLIENTS] = new_client_of(1000);
        expect_refusal(greedy[USER_CLIENTS], "2048 calls of user 1000");
        modest = new_client_of(1001);
        publish_some(modest, 1);
        visitor_free(modest);
        for (uint32_t i = 0; i <= USER_CLIENTS; i++) {
                visitor_free(greedy[i]);
        }
        TURN_UNTIL(nodes[0].service.n_waits == 0);
        pair_tear_down();
}

static void all_users_together_have_no_more_than_there_are(void)
{
        struct visitor *greedy[2 * USER_CLIENTS];
        struct visitor *late;

        set_up();
        for (uint32_t i = 0; i < 2 * USER_CLIENTS; i++) {
                greedy[i] = new_client_of(1000 + i / USER_CLIENTS);
                publish_some(greedy[i], SERVICE_WAITS_CLIENT_MAX);
        }
        late = new_client_of(1002);
        expect_refusal(late, "4096 calls of all users");
        visitor_free(greedy[0]);
        TURN_UNTIL(nodes[0].service.n_waits == CORE_WAITS_MAX - SERVICE_WAITS_CLIENT_MAX);
        publish_some(late, 1);
        visitor_free(late);
        for (uint32_t i = 1; i < 2 * USER_CLIENTS; i++) {
                visitor_free(greedy[i]);
        }
        TURN_UNTIL(nodes[0].service.n_waits == 0);
        pair_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/waits/connection", a_connection_has_its_share_of_the_waits);
        g_test_add_func("/waits/user",
                        a_user_has_half_of_the_waits_however_many_connections_he_has);
        g_test_add_func("/waits/all", all_users_together_have_no_more_than_there_are);
        return g_test_run();
}
