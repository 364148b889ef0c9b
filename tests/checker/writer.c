/* SPDX-License-Identifier: MIT */
#include "tests/checker/client.h"

#include <errno.h>

#define PAUSE_US 8000
#define ROLLBACK_ONE_IN 32 /* writes */

/* Most wait for the mesh, since only what was acknowledged proves something. */
static enum cm_wait draw_wait(struct worker *worker)
{
        uint32_t number = worker_draw(worker, 8);

        return number == 0 ? CM_WAIT_NONE : number == 1 ? CM_WAIT_NODE : CM_WAIT_MESH;
}

static int publish_batch(struct client *client, const struct name *name, enum cm_wait wait)
{
        struct cm_batch *batch;
        int r;

        client_must(cm_batch_new(&batch, client->cm) == 0, "cm_batch_new");
        r = cm_batch_add_key(batch, client->region, name->text, name->len);
        client_must(r == 0, "cm_batch_add_key");
        r = cm_batch_publish(batch, wait, 0, NULL);
        cm_batch_free(batch);
        return r;
}

static int invalidate(struct worker *worker, uint32_t key, enum cm_wait wait)
{
        struct client *client = worker->client;
        struct name name = client_key(key), tag = client_tag(key);

        switch (worker_draw(worker, 8)) {
        case 0:
                return cm_invalidate_tag(client->region, tag.text, tag.len, wait, NULL);
        case 1:
                return publish_batch(client, &name, wait);
        default:
                return cm_invalidate(client->region, name.text, name.len, wait, NULL);
        }
}

/* After the commit: tell everybody, and note what was answered. */
static void announce(struct worker *worker, uint32_t key, const struct row *row)
{
        struct client *client = worker->client;
        enum cm_wait wait = draw_wait(worker);
        uint64_t start_ns = client_now_ns();
        int r = invalidate(worker, key, wait);
        uint64_t end_ns = client_now_ns();

        if (wait == CM_WAIT_MESH && r == 0) {
                worker_note(worker, HISTORY_DONE, key, row, start_ns, end_ns);
                atomic_fetch_add(&client->n_acks, 1);
        } else {
                worker_note(worker, HISTORY_DONE_HERE, key, row, start_ns, end_ns);
        }
        if (r < 0 && r != CM_E_TIMEOUT) {
                atomic_fetch_add(&client->n_errors, 1);
        }
}

static void write_row(struct worker *worker, uint32_t key)
{
        struct client *client = worker->client;
        uint64_t start_ns = client_now_ns();
        struct row row = {.write = (uint64_t)client->process << 40 |
                                   (uint64_t)worker->number << 32 | ++worker->n_writes};
        int r = database_write(worker->database, key, row.write, &row.version);

        client_must(r == 0 || r == -EAGAIN, "write");
        if (r != 0) {
                return;
        }
        worker_note(worker, HISTORY_WRITE, key, &row, start_ns, client_now_ns());
        if (worker_draw(worker, ROLLBACK_ONE_IN) == 0) {
                worker_note(worker, HISTORY_UNDONE, key, &row, start_ns, client_now_ns());
                client_must(database_rollback(worker->database) == 0, "rollback");
                return;
        }
        r = database_commit(worker->database);
        client_must(r == 0 || r == -EAGAIN, "commit");
        if (r != 0) {
                worker_note(worker, HISTORY_UNDONE, key, &row, start_ns, client_now_ns());
                return;
        }
        atomic_fetch_add(&client->n_writes, 1);
        announce(worker, key, &row);
}

void *writer_run(void *argument)
{
        struct worker *worker = argument;

        while (!atomic_load(&worker->client->is_ending)) {
                write_row(worker, worker_draw(worker, worker->client->n_rows));
                worker_pause(worker, PAUSE_US);
        }
        return NULL;
}
