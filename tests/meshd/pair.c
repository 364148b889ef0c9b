/* SPDX-License-Identifier: MIT */
#include "tests/meshd/pair.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct config configs[NODES];
struct daemon nodes[NODES];
bool is_up[NODES];
const char *pair_alone_ms = "1";
bool pair_is_late;
static char *directory;

static char *nothing(const char *name)
{
        return NULL;
}

void pair_start(uint32_t i)
{
        char name[8];
        char socket_path[108];
        char state[128];
        char peer[CMI_ENDPOINT_TEXT_SIZE] = "127.0.0.1:1";
        char *mesh = strrchr(directory, '/') + 1;
        char *argv[] = {(char *)"meshd", (char *)"--name", name, (char *)"--mesh", mesh,
                        (char *)"--listen", (char *)"127.0.0.1:0", (char *)"--socket", socket_path,
                        (char *)"--state-dir", state, (char *)"--multicast", (char *)"off",
                        (char *)"--peer", peer, (char *)"--lease-ms", (char *)"600",
                        (char *)"--start-ms", (char *)"1", (char *)"--alone-ms",
                        (char *)pair_alone_ms, (char *)"--log-level", (char *)"error",
                        (char *)"--max-peers", (char *)"8", (char *)"--max-clients", (char *)"64",
                        (char *)"--key-slots", (char *)"4096", (char *)"--tag-slots", (char *)"256",
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

void pair_turn(void)
{
        for (uint32_t i = 0; i < NODES; i++) {
                if (is_up[i]) {
                        loop_turn(&nodes[i].loop, 1);
                }
        }
}

bool pair_is_live(uint32_t i, uint32_t n_peers)
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
void pair_stop(uint32_t i)
{
        nodes[i].is_ending = true;
        daemon_run(&nodes[i]);
        is_up[i] = false;
}

void pair_set_up(uint32_t n)
{
        directory = g_dir_make_tmp("daemon-XXXXXX", NULL);
        g_assert_nonnull(directory);
        pair_is_late = false;
        for (uint32_t i = 0; i < n; i++) {
                pair_start(i);
        }
        for (uint32_t i = 0; i < n; i++) {
                TURN_UNTIL(pair_is_live(i, n - 1));
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

void pair_tear_down(void)
{
        for (uint32_t i = 0; i < NODES; i++) {
                if (is_up[i]) {
                        pair_stop(i);
                }
        }
        remove_tree(directory);
        g_clear_pointer(&directory, g_free);
}

struct visitor *visitor_new(uint32_t node)
{
        struct visitor *visitor = g_new0(struct visitor, 1);
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        visitor->page_fd = -1;
        visitor->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, configs[node].socket);
        g_assert_cmpint(connect(visitor->fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        return visitor;
}

void visitor_free(struct visitor *visitor)
{
        cmi_close_p(&visitor->fd);
        cmi_close_p(&visitor->page_fd);
        g_free(visitor);
}

/* Whatever has come; a descriptor beside it is kept. Return: false at the end of the stream. */
bool visitor_pull(struct visitor *visitor)
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
bool visitor_next(struct visitor *visitor, struct cmi_local_head *ret_head)
{
        static uint8_t copy[1 << 17];
        struct cmi_slice payload;
        int64_t used;

        visitor_pull(visitor);
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

struct cmi_local_head visitor_expect(struct visitor *visitor, uint64_t type, uint64_t id)
{
        struct cmi_local_head head = {0};

        TURN_UNTIL(visitor_next(visitor, &head));
        g_assert_cmpuint(head.type, ==, type);
        g_assert_cmpuint(head.id, ==, id);
        return head;
}

void visitor_expect_error(struct visitor *visitor, uint64_t id, int64_t code)
{
        struct cmi_local_head head = visitor_expect(visitor, CMI_LOCAL_ERROR, id);
        struct cmi_error error;

        g_assert_cmpint(cmi_error_decode(head.fields, &error), ==, 0);
        g_assert_cmpint(error.code, ==, code);
        g_assert_true(error.text[0] != '\0');
}

void visitor_say(struct visitor *visitor, struct cmi_writer *writer)
{
        g_assert_cmpint(writer->error, ==, 0);
        g_assert_cmpint(send(visitor->fd, writer->data, writer->len, MSG_NOSIGNAL), ==,
                        (ssize_t)writer->len);
}

struct cmi_attached visitor_attach(struct visitor *visitor, bool wants_page)
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
        visitor_say(visitor, &writer);
        head = visitor_expect(visitor, CMI_LOCAL_ATTACHED, visitor->id);
        g_assert_cmpint(cmi_attached_decode(head.fields, &attached), ==, 0);
        return attached;
}

void visitor_publish(struct visitor *visitor, const char *key, enum cmi_wait wait)
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
        visitor_say(visitor, &writer);
}

uint64_t visitor_open_region(struct visitor *visitor, uint64_t ttl_ms)
{
        uint8_t bytes[256];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_region_request request = {.name = "r", .ttl_ms = ttl_ms, .budget_bytes = 5};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_REGION, ++visitor->id);

        cmi_region_request_write(&writer, &request);
        cmi_local_end(&writer, begin);
        visitor_say(visitor, &writer);
        return visitor->id;
}

void visitor_ask(struct visitor *visitor, enum cmi_local_type type, const char *verb,
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
        visitor_say(visitor, &writer);
}

/* Reads the whole document with the strict reader, and compares its schema. */
void pair_expect_document(struct cmi_slice fields, const char *schema)
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
