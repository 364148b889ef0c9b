/* SPDX-License-Identifier: MIT */
/*
 * Asking meshd who of the node's processes loads a key. Whatever goes wrong here, the answer is
 * "load for yourself": without meshd, with one that is stopped, one that does not know LOAD, and
 * while invalidations of this process have not been handed over: what was loaded before them could
 * not be told from what was loaded after.
 *
 * A meshd that works answers at once, be it with "wait", and repeats that a few times a second. One
 * that says nothing for longer is not waited for again before it says something. A call that has
 * little time waits for half of it: a meshd that is stopped shall not cost it the load.
 */
#include "libcachemesh/connection.h"
#include "wire/load.h"

#include <errno.h>

#define ANSWER_NS (500 * CMI_NS_PER_MS) /* for the first answer to a LOAD */
#define HASTY_NS (10 * CMI_NS_PER_MS)   /* of a call that waits for nobody: a round trip */
#define SILENCE_NS (2 * CMI_NS_PER_S)   /* between two, while waiting */

/* A LOAD that was written, on its thread's stack. */
struct cmi_asker {
        struct cmi_asker *next;
        struct cmi_waiter waiter;
        struct cmi_share *share;
        bool is_answered; /* at all */
        uint64_t outcome; /* enum cmi_load_outcome, once answered */
        int error;        /* FAILED */
};

static struct cmi_asker *find_asker(const struct cmi_connection *connection, uint64_t id)
{
        struct cmi_asker *asker = connection->askers;

        while (asker && (asker->share->id != id ||
                                        asker->share->connection != connection->n_connects)) {
                asker = asker->next;
        }
        return asker;
}

static bool is_stalled(struct cmi_connection *connection)
{
        if (connection->loads_stalled_at == 0) {
                return false;
        }
        cmi_connection_read(connection);
        if (connection->n_received == connection->loads_stalled_at) {
                return true;
        }
        connection->loads_stalled_at = 0;
        return false;
}

static bool may_ask(struct cmi_connection *connection, const struct cmi_share *share)
{
        const struct cmi_pending *pending = &connection->pending;

        return connection->state == CMI_CONNECTION_ATTACHED && !connection->has_no_loads &&
               connection->serial != 0 && !pending->unwritten && pending->n_late == 0 &&
               !connection->is_overflowed && !is_stalled(connection) &&
               connection->state == CMI_CONNECTION_ATTACHED &&
               cmi_region_index(share->region, connection->serial) != CMI_REGION_INDEX_UNKNOWN;
}

/* meshd's patience with a loader is half of that of a call that waits for it. */
static uint64_t lead_ms(const struct cmi_connection *connection)
{
        return cmi_handle_options(connection->cm)->timeout_ms / 2;
}

/* And a call's patience is half of what it has left: the rest is for its own load. */
static uint64_t half_of_rest_ns(const struct cmi_share *share, uint64_t now_ns)
{
        return now_ns < share->deadline_ns ? (share->deadline_ns - now_ns) / 2 : 0;
}

static uint64_t patience_ms(const struct cmi_share *share)
{
        return half_of_rest_ns(share, cmi_connection_now_ns()) / CMI_NS_PER_MS + 1;
}

/* With meshd, for the first answer. */
static uint64_t answer_patience_ns(const struct cmi_share *share, uint64_t now_ns)
{
        uint64_t half_ns = half_of_rest_ns(share, now_ns);

        if (share->is_hasty) {
                return HASTY_NS;
        }
        return half_ns < ANSWER_NS ? half_ns : ANSWER_NS;
}

static bool write_load(struct cmi_connection *connection, struct cmi_share *share)
{
        struct cmi_load load = {
                        .index = cmi_region_index(share->region, connection->serial),
                        .version = cmi_region_options(share->region)->version,
                        .key = share->key,
                        .arrival = share->connection == connection->n_connects ? share->arrival : 0,
                        .lead_ms = lead_ms(connection),
                        .n_busy = share->n_busy,
                        .n_stale = share->n_stale,
                        .patience_ms = patience_ms(share),
        };
        struct cmi_writer writer;
        size_t begin;

        if (!cmi_channel_has_room(&connection->channel, share->key.len + 128)) {
                return false;
        }
        writer = cmi_channel_begin(&connection->channel);
        share->id = connection->next_id++;
        share->connection = connection->n_connects;
        share->n_busy = share->n_stale = 0;
        begin = cmi_local_begin(&writer, CMI_LOCAL_LOAD, share->id);
        cmi_load_write(&writer, &load);
        cmi_local_end(&writer, begin);
        cmi_channel_end(&connection->channel, &writer);
        return true;
}

/* Return: false if there is no room. */
static bool write_loaded(struct cmi_connection *connection, const struct cmi_loaded *loaded)
{
        struct cmi_writer writer;
        size_t begin;

        if (!cmi_channel_has_room(&connection->channel, loaded->record.len + 64)) {
                return false;
        }
        writer = cmi_channel_begin(&connection->channel);
        begin = cmi_local_begin(&writer, CMI_LOCAL_LOADED, connection->next_id++);
        cmi_loaded_write(&writer, loaded);
        cmi_local_end(&writer, begin);
        cmi_channel_end(&connection->channel, &writer);
        return true;
}

static bool write_give_up(struct cmi_connection *connection, uint64_t id)
{
        return write_loaded(connection,
                        &(struct cmi_loaded){.load = id, .outcome = CMI_LOADED_NOTHING});
}

/* To be given up by the next pump. Return: false if there are too many. */
static bool defer(struct cmi_connection *connection, uint64_t id)
{
        if (connection->n_unsaid == CMI_UNSAID_MAX) {
                return false;
        }
        connection->unsaid[connection->n_unsaid++] = id;
        return true;
}

bool cmi_connection_write_unsaid(struct cmi_connection *connection)
{
        if (connection->n_unsaid == 0 ||
                        !write_give_up(connection, connection->unsaid[connection->n_unsaid - 1])) {
                return false;
        }
        connection->n_unsaid--;
        return true;
}

/* For what finds no room the load is given up later: what is never said would have meshd count on
 * it until the connection ends. */
static void say(struct cmi_connection *connection, const struct cmi_loaded *loaded)
{
        if (!write_loaded(connection, loaded) && !defer(connection, loaded->load)) {
                cmi_connection_lose(connection, "meshd reads nothing");
                return;
        }
        cmi_connection_pump(connection);
}

static void give_up(struct cmi_connection *connection, uint64_t id)
{
        say(connection, &(struct cmi_loaded){.load = id, .outcome = CMI_LOADED_NOTHING});
}

static bool is_lost(const struct cmi_connection *connection, const struct cmi_share *share)
{
        return connection->state != CMI_CONNECTION_ATTACHED ||
               connection->n_connects != share->connection;
}

/* Return: whether an answer has come, or the connection is lost. */
static bool await_answer(
                struct cmi_connection *connection, struct cmi_asker *asker, uint64_t deadline_ns)
{
        while (!asker->is_answered && !is_lost(connection, asker->share)) {
                if (!cmi_connection_wait(connection, &asker->waiter, deadline_ns)) {
                        return false;
                }
        }
        return true;
}

static int no_answer(struct cmi_connection *connection, const struct cmi_share *share)
{
        give_up(connection, share->id);
        connection->loads_stalled_at = connection->n_received;
        return CMI_SHARE_ALONE;
}

/* Another process loads. 0: there is something else than "wait"; or what the call returns. */
static int await_other(struct cmi_connection *connection, struct cmi_asker *asker)
{
        const struct cmi_share *share = asker->share;
        uint64_t n_received;
        uint64_t slice_ns;

        if (share->is_hasty) {
                give_up(connection, share->id);
                return cmi_fail(CM_E_BUSY, "another process loads the key");
        }
        n_received = connection->n_received;
        slice_ns = cmi_connection_now_ns() + SILENCE_NS;
        asker->is_answered = false;
        if (await_answer(connection, asker,
                            slice_ns < share->deadline_ns ? slice_ns : share->deadline_ns)) {
                return 0;
        }
        asker->is_answered = true; /* as before: wait */
        if (cmi_connection_now_ns() >= share->deadline_ns) {
                give_up(connection, share->id);
                return cmi_fail(CM_E_TIMEOUT, "another process's load of the key takes too long");
        }
        return connection->n_received == n_received ? -EAGAIN : 0;
}

static int result(struct cmi_connection *connection, const struct cmi_asker *asker)
{
        if (!asker->is_answered) {
                return CMI_SHARE_ALONE; /* the connection is lost */
        }
        switch (asker->outcome) {
        case CMI_LOAD_GRANTED:
                return CMI_SHARE_LEAD;
        case CMI_LOAD_VALUE:
                return CMI_SHARE_TAKE;
        case CMI_LOAD_FAILED:
                return cmi_fail(asker->error, "another process's load of the key failed (%d)",
                                asker->error);
        default:
                return CMI_SHARE_ALONE;
        }
}

static int ask(struct cmi_connection *connection, struct cmi_asker *asker)
{
        struct cmi_share *share = asker->share;
        uint64_t now_ns = cmi_connection_now_ns();
        int r = 0;

        if (!await_answer(connection, asker, now_ns + answer_patience_ns(share, now_ns))) {
                return no_answer(connection, share);
        }
        while (r == 0 && asker->is_answered && asker->outcome == CMI_LOAD_WAIT &&
                        !is_lost(connection, share)) {
                r = await_other(connection, asker);
        }
        if (r == -EAGAIN) {
                return no_answer(connection, share);
        }
        return r < 0 ? r : result(connection, asker);
}

static void leave(struct cmi_connection *connection, struct cmi_asker *asker)
{
        struct cmi_asker **link = &connection->askers;

        while (*link != asker) {
                link = &(*link)->next;
        }
        *link = asker->next;
        cmi_connection_leave(connection, &asker->waiter);
}

int cmi_connection_share_begin(struct cm *cm, struct cmi_share *share)
{
        struct cmi_connection *connection = cmi_connection(cm);
        struct cmi_asker asker = {.share = share};
        int r = CMI_SHARE_ALONE;

        cmi_connection_lock(connection);
        if (may_ask(connection, share) && write_load(connection, share)) {
                asker.next = connection->askers;
                connection->askers = &asker;
                cmi_waiters_enter(&connection->waiters, &asker.waiter, CMI_WAITER_LOAD, NULL);
                cmi_connection_pump(connection);
                r = ask(connection, &asker);
                leave(connection, &asker);
        }
        cmi_connection_unlock(connection);
        return r;
}

void cmi_connection_share_end(
                struct cm *cm, const struct cmi_share *share, int error, struct cmi_slice record)
{
        struct cmi_connection *connection = cmi_connection(cm);
        struct cmi_loaded loaded = {.load = share->id, .outcome = error};

        cmi_connection_lock(connection);
        if (!is_lost(connection, share)) {
                if (error == 0 && record.len > 0 && record.len <= CMI_LOAD_RECORD_MAX &&
                                cmi_channel_has_room(&connection->channel, record.len + 64)) {
                        loaded.outcome = CMI_LOADED_VALUE;
                        loaded.record = record;
                } else if (error == 0) {
                        loaded.outcome = CMI_LOADED_APART;
                }
                say(connection, &loaded);
        }
        cmi_connection_unlock(connection);
}

void cmi_connection_share_give_up(struct cm *cm, const struct cmi_share *share)
{
        struct cmi_connection *connection = cmi_connection(cm);

        cmi_connection_lock(connection);
        if (!is_lost(connection, share)) {
                give_up(connection, share->id);
        }
        cmi_connection_unlock(connection);
}

static void take_record(struct cmi_connection *connection, struct cmi_asker *asker,
                const struct cmi_load_state *state)
{
        struct cmi_share *share = asker->share;

        share->record = cmi_handle_allocate(connection->cm, 16, state->record.len);
        if (!share->record) {
                asker->outcome = CMI_LOAD_ALONE;
                return;
        }
        memcpy(share->record, state->record.data, state->record.len);
        share->record_len = state->record.len;
        share->is_new = state->is_new;
}

int cmi_connection_load_state(struct cmi_connection *connection, const struct cmi_local_head *head)
{
        struct cmi_load_state state;
        struct cmi_asker *asker;

        if (cmi_load_state_decode(head->fields, &state) < 0 ||
                        (state.outcome == CMI_LOAD_FAILED &&
                                        (state.error >= 0 || state.error < INT32_MIN)) ||
                        (state.outcome == CMI_LOAD_VALUE && state.record.len == 0)) {
                return -EBADMSG;
        }
        asker = find_asker(connection, head->id);
        if (!asker) {
                /* Its call has returned. Said later, since nothing may be sent, and the socket be
                 * lost, while it is read from. */
                if (state.outcome == CMI_LOAD_GRANTED && !defer(connection, head->id)) {
                        return -EBADMSG;
                }
                return 0;
        }
        if (asker->is_answered && asker->outcome != CMI_LOAD_WAIT) {
                return -EBADMSG;
        }
        asker->is_answered = true;
        asker->outcome = state.outcome;
        asker->error = (int)state.error;
        asker->share->arrival = state.arrival;
        if (state.outcome == CMI_LOAD_VALUE) {
                take_record(connection, asker, &state);
        }
        pthread_cond_signal(&asker->waiter.wake);
        return 0;
}

bool cmi_connection_load_error(
                struct cmi_connection *connection, uint64_t id, const struct cmi_error *error)
{
        struct cmi_asker *asker = find_asker(connection, id);

        if (!asker) {
                return false;
        }
        connection->has_no_loads = error->code == -EOPNOTSUPP;
        asker->is_answered = true;
        asker->outcome = CMI_LOAD_ALONE;
        pthread_cond_signal(&asker->waiter.wake);
        return true;
}
