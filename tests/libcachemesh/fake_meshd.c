/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_meshd.h"

#include "tests/libcachemesh/fake_answer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 16

struct client {
        int fd;
        uint8_t buffer[256 << 10];
        size_t len;
        uint32_t n_regions;
        uint64_t none_id; /* newest CMI_WAIT_NONE not confirmed */
};

struct held {
        struct client *client;
        uint64_t id;
        char region[CMI_REGION_NAME_MAX + 1]; /* of a REGION request */
};

struct fake_meshd {
        pthread_mutex_t lock; /* everything below; GLib's mutexes are invisible to TSan */
        pthread_cond_t changed;
        struct fake_meshd_script script;
        pthread_t thread;
        int listener;
        int control[2]; /* a byte wakes the thread */
        bool is_stopping;
        bool is_paused;
        bool has_paused;
        bool hangs_up;
        struct client *clients[CLIENTS_MAX];
        GPtrArray *published;
        GArray *held;
        unsigned n_accepted;
        unsigned n_closed;
        struct fake_page page;
};

struct fake_meshd_script fake_meshd_script(void)
{
        return (struct fake_meshd_script){.n_descriptors = 1, .answers_mesh = true};
}

static void hold_region(
                struct fake_meshd *meshd, struct client *client, const struct cmi_local_head *head)
{
        struct cmi_region_request request;
        struct held held = {.client = client, .id = head->id};

        g_assert_cmpint(cmi_region_request_decode(head->fields, &request), ==, 0);
        strcpy(held.region, request.name);
        g_array_append_val(meshd->held, held);
        pthread_cond_broadcast(&meshd->changed);
}

static void answer_region(
                struct fake_meshd *meshd, struct client *client, const struct cmi_local_head *head)
{
        uint32_t index = FAKE_INDEX_BASE + client->n_regions++;
        struct cmi_region_request request;

        if (meshd->script.region_error) {
                fake_answer_error(client->fd, head->id, meshd->script.region_error);
                return;
        }
        if (meshd->script.applies) {
                g_assert_cmpint(cmi_region_request_decode(head->fields, &request), ==, 0);
                index = fake_page_index(&meshd->page, cmi_slice_str(request.name));
        }
        fake_answer_region(client->fd, head->id, index);
}

static void answer_result(
                struct fake_meshd *meshd, struct client *client, uint64_t id, int64_t outcome)
{
        unsigned n_members = outcome == 0 ? 0 : MAX(meshd->script.n_members, 1);

        fake_answer_result(client->fd, id, outcome, meshd->published->len, n_members);
}

static void remember(struct fake_meshd *meshd, struct cmi_slice bytes)
{
        struct cmi_slice key = cmi_slice_str("*");
        struct cmi_op op;

        g_assert_cmpint(cmi_op_decode(bytes, &op), ==, 0);
        if (op.n_keys > 0) {
                key = cmi_op_next(&op.keys);
        }
        g_ptr_array_add(meshd->published,
                        g_strdup_printf("%s%.*s:%.*s",
                                        op.kind == CMI_OP_INTENT_BEGIN ? "begin "
                                        : op.kind == CMI_OP_INTENT_END ? "end "
                                                                       : "",
                                        (int)op.region.len, (const char *)op.region.data,
                                        (int)key.len, (const char *)key.data));
        g_assert_true(op.kind != CMI_OP_INTENT_END || op.stream == FAKE_STREAM);
        pthread_cond_broadcast(&meshd->changed);
}

static void handle_publish(
                struct fake_meshd *meshd, struct client *client, const struct cmi_local_head *head)
{
        struct cmi_publish publish;

        g_assert_cmpint(cmi_publish_decode(head->fields, &publish), ==, 0);
        if (meshd->script.publish_error) {
                fake_answer_error(client->fd, head->id, meshd->script.publish_error);
                if (meshd->script.errs_once) {
                        meshd->script.publish_error = 0;
                }
                return;
        }
        remember(meshd, publish.op);
        if (meshd->script.applies) {
                fake_page_apply(&meshd->page, publish.op);
        }
        if (publish.wait == CMI_WAIT_NONE) {
                client->none_id = meshd->script.confirms_nothing ? 0 : head->id;
        } else if (publish.wait == CMI_WAIT_NODE) {
                answer_result(meshd, client, head->id, 0);
        } else if (meshd->script.answers_mesh) {
                answer_result(meshd, client, head->id, meshd->script.mesh_outcome);
        } else {
                g_array_append_val(meshd->held, ((struct held){.client = client, .id = head->id}));
                pthread_cond_broadcast(&meshd->changed);
        }
}

static void handle(struct fake_meshd *meshd, struct client *client, struct cmi_slice payload)
{
        struct cmi_local_head head;

        g_assert_cmpint(cmi_local_decode(payload, &head), ==, 0);
        if (meshd->script.is_silent) {
                return;
        }
        switch (head.type) {
        case CMI_LOCAL_ATTACH:
                fake_answer_attach(client->fd, head.id, &meshd->script, &meshd->page);
                break;
        case CMI_LOCAL_REGION:
                if (meshd->script.holds_regions) {
                        hold_region(meshd, client, &head);
                } else {
                        answer_region(meshd, client, &head);
                }
                break;
        case CMI_LOCAL_PUBLISH:
                handle_publish(meshd, client, &head);
                break;
        default:
                if (meshd->script.other) {
                        meshd->script.other(meshd->script.context, client->fd, &head);
                }
        }
}

static void drop_client(struct fake_meshd *meshd, unsigned i)
{
        for (guint j = meshd->held->len; j > 0; j--) {
                if (g_array_index(meshd->held, struct held, j - 1).client == meshd->clients[i]) {
                        g_array_remove_index(meshd->held, j - 1);
                }
        }
        shutdown(meshd->clients[i]->fd, SHUT_RDWR); /* a child of the test may hold a copy */
        close(meshd->clients[i]->fd);
        free(meshd->clients[i]);
        meshd->clients[i] = NULL;
}

/* Return: false at the end of the stream. */
static bool read_client(struct fake_meshd *meshd, struct client *client)
{
        struct cmi_slice payload;
        struct cmi_slice rest;
        int64_t size;
        ssize_t n = recv(client->fd, client->buffer + client->len,
                        sizeof(client->buffer) - client->len, MSG_DONTWAIT);

        if (n <= 0) {
                return false;
        }
        client->len += (size_t)n;
        rest = cmi_slice(client->buffer, client->len);
        while ((size = cmi_local_split(rest, CMI_LOCAL_REQUEST_MAX, &payload)) > 0) {
                handle(meshd, client, payload);
                rest = cmi_slice((const char *)rest.data + size, rest.len - (size_t)size);
        }
        memmove(client->buffer, rest.data, rest.len);
        client->len = rest.len;
        if (client->none_id) {
                answer_result(meshd, client, client->none_id, 0);
                client->none_id = 0;
        }
        return true;
}

static void accept_client(struct fake_meshd *meshd)
{
        int fd = accept4(meshd->listener, NULL, NULL, SOCK_CLOEXEC);

        for (unsigned i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
                if (!meshd->clients[i]) {
                        meshd->clients[i] = calloc(1, sizeof(*meshd->clients[i]));
                        meshd->clients[i]->fd = fd;
                        meshd->n_accepted++;
                        pthread_cond_broadcast(&meshd->changed);
                        return;
                }
        }
        g_assert_cmpint(fd, <, 0);
}

static void turn(struct fake_meshd *meshd)
{
        struct pollfd fds[CLIENTS_MAX + 2] = {{meshd->control[0], POLLIN, 0}};
        uint8_t byte;

        fds[1] = (struct pollfd){meshd->is_paused ? -1 : meshd->listener, POLLIN, 0};
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
                int fd = meshd->clients[i] && !meshd->is_paused ? meshd->clients[i]->fd : -1;

                fds[i + 2] = (struct pollfd){fd, POLLIN, 0};
        }
        meshd->has_paused = meshd->is_paused;
        pthread_cond_broadcast(&meshd->changed);
        pthread_mutex_unlock(&meshd->lock);
        poll(fds, CLIENTS_MAX + 2, -1);
        pthread_mutex_lock(&meshd->lock);
        if (fds[0].revents) {
                g_assert_cmpint(read(meshd->control[0], &byte, 1), ==, 1);
                return;
        }
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
                if (fds[i + 2].revents && !read_client(meshd, meshd->clients[i])) {
                        drop_client(meshd, i);
                        meshd->n_closed++;
                        pthread_cond_broadcast(&meshd->changed);
                }
        }
        if (fds[1].revents) {
                accept_client(meshd);
        }
}

static void drop_clients(struct fake_meshd *meshd)
{
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
                if (meshd->clients[i]) {
                        drop_client(meshd, i);
                }
        }
}

static void *run(void *data)
{
        struct fake_meshd *meshd = data;

        pthread_mutex_lock(&meshd->lock);
        while (!meshd->is_stopping) {
                turn(meshd);
                if (meshd->hangs_up) {
                        drop_clients(meshd);
                        meshd->hangs_up = false;
                        pthread_cond_broadcast(&meshd->changed);
                }
        }
        drop_clients(meshd);
        pthread_mutex_unlock(&meshd->lock);
        return NULL;
}

struct fake_meshd *fake_meshd_start(const char *path, const struct fake_meshd_script *script)
{
        struct fake_meshd *meshd = calloc(1, sizeof(*meshd));
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        pthread_condattr_t attributes;

        meshd->script = script ? *script : fake_meshd_script();
        pthread_mutex_init(&meshd->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&meshd->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        meshd->published = g_ptr_array_new_with_free_func(g_free);
        meshd->held = g_array_new(FALSE, FALSE, sizeof(struct held));
        fake_page_open(&meshd->page, !meshd->script.is_unsealed);
        g_assert_cmpint(pipe2(meshd->control, O_CLOEXEC), ==, 0);
        meshd->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        unlink(path);
        g_assert_cmpint(bind(meshd->listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        g_assert_cmpint(listen(meshd->listener, 64), ==, 0);
        g_assert_cmpint(pthread_create(&meshd->thread, NULL, run, meshd), ==, 0);
        return meshd;
}

static void wake(struct fake_meshd *meshd)
{
        g_assert_cmpint(write(meshd->control[1], "", 1), ==, 1);
}

struct fake_meshd *fake_meshd_kill(struct fake_meshd *meshd)
{
        pthread_mutex_lock(&meshd->lock);
        meshd->is_stopping = true;
        pthread_mutex_unlock(&meshd->lock);
        wake(meshd);
        pthread_join(meshd->thread, NULL);
        close(meshd->listener);
        close(meshd->control[0]);
        close(meshd->control[1]);
        fake_page_close(&meshd->page);
        g_ptr_array_unref(meshd->published);
        g_array_unref(meshd->held);
        pthread_mutex_destroy(&meshd->lock);
        pthread_cond_destroy(&meshd->changed);
        free(meshd);
        return NULL;
}

void fake_meshd_pause(struct fake_meshd *meshd)
{
        pthread_mutex_lock(&meshd->lock);
        meshd->is_paused = true;
        wake(meshd);
        while (!meshd->has_paused) {
                pthread_cond_wait(&meshd->changed, &meshd->lock);
        }
        pthread_mutex_unlock(&meshd->lock);
}

void fake_meshd_resume(struct fake_meshd *meshd)
{
        pthread_mutex_lock(&meshd->lock);
        meshd->is_paused = false;
        wake(meshd);
        pthread_mutex_unlock(&meshd->lock);
}

void fake_meshd_hang_up(struct fake_meshd *meshd)
{
        pthread_mutex_lock(&meshd->lock);
        meshd->hangs_up = true;
        wake(meshd);
        while (meshd->hangs_up) {
                pthread_cond_wait(&meshd->changed, &meshd->lock);
        }
        pthread_mutex_unlock(&meshd->lock);
}

void fake_meshd_set_script(struct fake_meshd *meshd, const struct fake_meshd_script *script)
{
        pthread_mutex_lock(&meshd->lock);
        meshd->script = *script;
        pthread_mutex_unlock(&meshd->lock);
}

/* Lock held. False when ten seconds have passed. */
static bool await_change(struct fake_meshd *meshd, const struct timespec *end)
{
        return pthread_cond_timedwait(&meshd->changed, &meshd->lock, end) == 0;
}

static struct timespec in_ten_seconds(void)
{
        struct timespec end;

        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += 10;
        return end;
}

bool fake_meshd_answer(struct fake_meshd *meshd, int64_t outcome)
{
        struct timespec end = in_ten_seconds();
        struct held held;
        bool is_there = true;

        pthread_mutex_lock(&meshd->lock);
        while (meshd->held->len == 0 && is_there) {
                is_there = await_change(meshd, &end);
        }
        if (is_there) {
                held = g_array_index(meshd->held, struct held, 0);
                g_array_remove_index(meshd->held, 0);
                answer_result(meshd, held.client, held.id, outcome);
        }
        pthread_mutex_unlock(&meshd->lock);
        return is_there;
}

/* Lock not held. */
static bool await_count(struct fake_meshd *meshd, const unsigned *count, unsigned n)
{
        struct timespec end = in_ten_seconds();
        bool is_there = true;

        pthread_mutex_lock(&meshd->lock);
        while (*count < n && is_there) {
                is_there = await_change(meshd, &end);
        }
        pthread_mutex_unlock(&meshd->lock);
        return is_there;
}

bool fake_meshd_await_held(struct fake_meshd *meshd, unsigned n)
{
        return await_count(meshd, &meshd->held->len, n);
}

void fake_meshd_refuse_regions(struct fake_meshd *meshd, int64_t code)
{
        uint8_t bytes[4096];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));

        pthread_mutex_lock(&meshd->lock);
        for (guint i = 0; i < meshd->held->len; i++) {
                struct held *held = &g_array_index(meshd->held, struct held, i);
                struct cmi_error error = {.code = code};

                snprintf(error.text, sizeof(error.text), "no room for %s", held->region);
                fake_answer_write_error(&writer, held->id, &error);
        }
        fake_answer_send(g_array_index(meshd->held, struct held, 0).client->fd, &writer);
        g_array_set_size(meshd->held, 0);
        pthread_mutex_unlock(&meshd->lock);
}

bool fake_meshd_await_published(struct fake_meshd *meshd, unsigned n)
{
        return await_count(meshd, &meshd->published->len, n);
}

bool fake_meshd_await_accepted(struct fake_meshd *meshd, unsigned n)
{
        return await_count(meshd, &meshd->n_accepted, n);
}

bool fake_meshd_await_closed(struct fake_meshd *meshd, unsigned n)
{
        return await_count(meshd, &meshd->n_closed, n);
}

unsigned fake_meshd_n_published(struct fake_meshd *meshd)
{
        unsigned n;

        pthread_mutex_lock(&meshd->lock);
        n = meshd->published->len;
        pthread_mutex_unlock(&meshd->lock);
        return n;
}

unsigned fake_meshd_n_accepted(struct fake_meshd *meshd)
{
        unsigned n;

        pthread_mutex_lock(&meshd->lock);
        n = meshd->n_accepted;
        pthread_mutex_unlock(&meshd->lock);
        return n;
}

char *fake_meshd_published(struct fake_meshd *meshd, unsigned i)
{
        char *text;

        pthread_mutex_lock(&meshd->lock);
        text = g_strdup(i < meshd->published->len ? g_ptr_array_index(meshd->published, i) : "");
        pthread_mutex_unlock(&meshd->lock);
        return text;
}

struct cmi_page *fake_meshd_page(struct fake_meshd *meshd)
{
        return meshd->page.words;
}
