/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/peer_store.h"

#include "discovery/peer_file.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "wire/page.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_timer(uv_timer_t *timer);

static size_t collect(struct peer_store *store)
{
        struct core_member member;
        size_t n = 0;

        for (uint32_t i = 0;
                        n < store->max && core_member(store->core, clock_now(), i, &member) == 0;
                        i++) {
                struct peer_file_entry *entry = &store->entries[n];

                if (member.state == MEMBER_LEFT || member.endpoint.family == 0 ||
                                member.endpoint.port == 0) {
                        continue;
                }
                /* The padding is hashed. */
                memset(entry, 0, sizeof(*entry));
                entry->id = member.id;
                memcpy(&entry->endpoint, &member.endpoint, sizeof(entry->endpoint));
                strcpy(entry->name, member.name);
                n++;
        }
        return n;
}

static uint64_t hash(const struct peer_store *store, size_t n)
{
        return XXH3_64bits(store->entries, n * sizeof(*store->entries)) | 1;
}

/* Only the directory stays open: a child that hangs must not hold the port or a lock of meshd. */
static void run_child(const struct peer_store *store, size_t n)
{
        int fd = dup2(store->state->fd, 0);

        if (fd < 0) {
                _exit(1);
        }
        closefrom(1);
        _exit(peer_file_write(0, store->entries, n) < 0);
}

static void begin_write(struct peer_store *store)
{
        size_t n = collect(store);
        uint64_t written = hash(store, n);
        pid_t child;

        store->is_due = false;
        if (written == store->written) {
                return;
        }
        child = fork();
        if (child == 0) {
                run_child(store, n);
        }
        if (child < 0) {
                logger(LOGGER_WARNING, "peers.unstored", L_TEXT("error", strerror(errno)));
                return;
        }
        store->written = written;
        store->child = child;
}

static void end_write(struct peer_store *store, int flags)
{
        int status;

        if (store->child == 0 || waitpid(store->child, &status, flags) != store->child) {
                return;
        }
        store->child = 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                store->written = 0;
                logger(LOGGER_WARNING, "peers.unstored", L_TEXT("path", store->state->path),
                                L_TEXT("msg", "the list of peers cannot be written; without "
                                              "multicast this node may not find them after a "
                                              "restart"));
        }
}

static void on_child(uv_signal_t *handle, int number)
{
        struct peer_store *store = handle->data;

        end_write(store, WNOHANG);
        if (store->is_due && store->child == 0) {
                uv_timer_start(&store->timer, on_timer, PEER_STORE_DELAY_MS, 0);
        }
}

static void on_timer(uv_timer_t *timer)
{
        struct peer_store *store = timer->data;

        if (store->is_due && store->child == 0) {
                begin_write(store);
        }
}

void peer_store_note(struct peer_store *store)
{
        if (store->state && store->state->fd >= 0 && !store->is_due) {
                store->is_due = true;
                uv_timer_start(&store->timer, on_timer, PEER_STORE_DELAY_MS, 0);
        }
}

static int read_file(struct peer_store *store)
{
        struct peer_file_contents contents = {0};
        int r;

        if (store->state->fd < 0) {
                return 0;
        }
        r = peer_file_read(store->state->fd, store->entries, store->max, &contents);
        if (r < 0 && r != -ENOENT) {
                logger(LOGGER_WARNING, "peers.unreadable", L_TEXT("path", store->state->path),
                                L_TEXT("error", strerror(-r)));
        }
        if (contents.n_bad > 0 || contents.n_surplus > 0) {
                logger(LOGGER_WARNING, "peers.damaged", L_TEXT("path", store->state->path),
                                L_UINT("bad", contents.n_bad),
                                L_UINT("surplus", contents.n_surplus));
        }
        return r < 0 ? 0 : (int)contents.n_entries;
}

int peer_store_start(struct peer_store *store, struct poller *poller, struct core *core,
                const struct state_dir *state, uint32_t max)
{
        store->core = core;
        store->max = max;
        store->entries = calloc(max, sizeof(*store->entries));
        if (!store->entries) {
                return -ENOMEM;
        }
        store->state = state;
        uv_timer_init(&poller->uv, &store->timer);
        uv_signal_init(&poller->uv, &store->signal);
        store->timer.data = store;
        store->signal.data = store;
        uv_signal_start(&store->signal, on_child, SIGCHLD);
        poller->is_changed = true;
        return read_file(store);
}

const struct peer_file_entry *peer_store_get(const struct peer_store *store, uint32_t index)
{
        return &store->entries[index];
}

/* A disk that hangs does not keep meshd from ending. */
static void await_write(struct peer_store *store)
{
        const struct timespec pause = {.tv_nsec = 5000000};

        for (int i = 0; store->child != 0 && i < PEER_STORE_END_MS / 5; i++) {
                end_write(store, WNOHANG);
                if (store->child != 0) {
                        nanosleep(&pause, NULL);
                }
        }
}

void peer_store_stop(struct peer_store *store)
{
        await_write(store);
        if (store->is_due && store->child == 0) {
                begin_write(store);
                await_write(store);
        }
        uv_close((uv_handle_t *)&store->timer, NULL);
        uv_close((uv_handle_t *)&store->signal, NULL);
        store->state = NULL;
}

void peer_store_deinit(struct peer_store *store)
{
        free(store->entries);
        store->entries = NULL;
}
