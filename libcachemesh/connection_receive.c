/* SPDX-License-Identifier: MIT */
#include "libcachemesh/connection.h"

#include "libcachemesh/attach.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static_assert((int)CM_FRESH_BOUNDED == (int)CMI_FRESH_BOUNDED &&
                                (int)CM_FRESH_TTL == (int)CMI_FRESH_TTL,
                "enum cm_fresh goes over the wire as it is");
static_assert((int)CM_WAIT_NONE == (int)CMI_WAIT_NONE && (int)CM_WAIT_NODE == (int)CMI_WAIT_NODE &&
                                (int)CM_WAIT_MESH == (int)CMI_WAIT_MESH,
                "so does enum cm_wait");
static_assert((int)CM_PENDING == (int)CMI_PENDING && (int)CM_PARTIAL == (int)CMI_PARTIAL &&
                                CM_E_CONFIG == (int)CMI_E_CONFIG &&
                                CM_E_TIMEOUT == (int)CMI_E_TIMEOUT &&
                                CM_E_BUSY == (int)CMI_E_BUSY && CM_E_EXPIRED == (int)CMI_E_EXPIRED,
                "so do outcomes and codes");

#define ASK_NS (100 * CMI_NS_PER_MS)
#define UNSURE_MAX 3 /* attaches in a row; a time namespace then */

static int nonsense(const char **ret_reason)
{
        *ret_reason = "meshd sent nonsense";
        return -EPROTO;
}

/* No page for this connection: everything bounded misses, invalidations work. Told
 * once for each attach. */
static void go_without_page(struct cmi_connection *connection, const char *reason)
{
        cmi_mapping_drop(connection->cm);
        connection->page = NULL;
        connection->serial = 0;
        connection->reason = reason;
        cmi_connection_note(connection, CM_LOG_WARNING, "the cache is bypassed: %s", reason);
}

static int install_page(struct cmi_connection *connection, const struct cmi_attached *attached,
                const char **ret_reason)
{
        uint32_t serial;
        void *page;
        int r;

        r = cmi_page_map(connection->channel.page_fd, attached->page_size, attached->epoch, &page);
        if (r < 0) {
                *ret_reason = r == -EPROTO   ? "meshd's page is of another version"
                              : r == -ENOMEM ? "no memory for meshd's page"
                                             : "meshd's page is not usable";
                return r;
        }
        r = cmi_mapping_install(connection->cm, page, attached->page_size, &serial);
        if (r < 0) {
                *ret_reason = "no memory for meshd's page";
                return r;
        }
        connection->page = page;
        connection->serial = serial;
        connection->vouched_ns = 0;
        connection->was_live = atomic_load(&((struct cmi_page *)page)->state) == CMI_PAGE_LIVE;
        connection->reason = "attached";
        return 0;
}

/* Clocks first: a page whose lease ends mean something else here must not become
 * current for a moment. */
static int settle_page(struct cmi_connection *connection, const struct cmi_attached *attached,
                const char **ret_reason)
{
        enum cmi_clocks clocks = cmi_clocks_compare(
                        connection->attach_clock, attached->clock, cmi_clocks_read());
        bool has_descriptor = connection->channel.page_fd >= 0;

        if (has_descriptor != (attached->page_size > 0)) {
                return nonsense(ret_reason);
        }
        if (!has_descriptor) {
                go_without_page(connection, "meshd gave no page");
                return 0;
        }
        if (clocks == CMI_CLOCKS_UNSURE && ++connection->n_unsure < UNSURE_MAX) {
                *ret_reason = "meshd's clocks could not be compared";
                return -EAGAIN;
        }
        connection->n_unsure = 0;
        if (clocks != CMI_CLOCKS_SAME) {
                go_without_page(connection,
                                "meshd's clocks differ from this process's (time namespace)");
                return 0;
        }
        return install_page(connection, attached, ret_reason);
}

static int handle_attached(struct cmi_connection *connection, const struct cmi_local_head *head,
                const char **ret_reason)
{
        struct cmi_attached attached;
        const char *ignored;
        int r;

        if (connection->state != CMI_CONNECTION_ATTACHING || head->id != connection->attach_id ||
                        cmi_attached_decode(head->fields, &attached) < 0) {
                return nonsense(ret_reason);
        }
        if (attached.version < CMI_LOCAL_VERSION_MIN || attached.version > CMI_LOCAL_VERSION_MAX) {
                *ret_reason = "meshd speaks another version of the local protocol";
                return -EPROTO;
        }
        r = settle_page(connection, &attached, ret_reason);
        if (r == 0) {
                r = cmi_connection_requeue_regions(connection);
                *ret_reason = "no memory";
        }
        if (r < 0) {
                return r;
        }
        if (connection->channel.page_fd >= 0) {
                close(connection->channel.page_fd);
                connection->channel.page_fd = -1;
        }
        connection->state = CMI_CONNECTION_ATTACHED;
        connection->stream = attached.stream;
        connection->backoff_ns = CMI_BACKOFF_MIN_NS;
        cmi_connection_mode(connection, &ignored);
        cmi_connection_event(connection, CM_EVENT_PAGE,
                        connection->page ? "a new page" : connection->reason);
        return 0;
}

static struct cmi_request *find_request(
                struct cmi_connection *connection, uint64_t id, uint32_t *ret_number)
{
        for (uint32_t i = 0; i < connection->n_requested; i++) {
                if (connection->requests[i].id == id) {
                        *ret_number = i;
                        return &connection->requests[i];
                }
        }
        return NULL;
}

static int handle_region_opened(struct cmi_connection *connection,
                const struct cmi_local_head *head, const char **ret_reason)
{
        struct cmi_region_opened opened;
        struct cmi_request *request;
        uint32_t number;

        request = find_request(connection, head->id, &number);
        if (!request || request->state != CMI_REQUEST_WRITTEN ||
                        cmi_region_opened_decode(head->fields, &opened) < 0 ||
                        opened.index >= CMI_PAGE_REGIONS) {
                return nonsense(ret_reason);
        }
        request->state = CMI_REQUEST_ANSWERED;
        if (connection->serial != 0) {
                cmi_region_set_index(cmi_handle_region(connection->cm, number), connection->serial,
                                (uint32_t)opened.index, opened.owner);
        }
        cmi_waiters_wake(&connection->waiters, CMI_WAITER_REGION);
        return 0;
}

static void copy_members(struct cm_result *result, struct cmi_result *from)
{
        if (from->n_members == 0) {
                return;
        }
        result->members = calloc(from->n_members, sizeof(*result->members));
        if (!result->members) {
                return; /* the counts still tell the truth */
        }
        result->n_members = from->n_members;
        for (uint32_t i = 0; i < from->n_members; i++) {
                struct cmi_result_member member = cmi_result_next_member(&from->members);

                memcpy(result->members[i].name, member.name.data, member.name.len);
                memcpy(result->members[i].node_id, member.id.bytes, CMI_ID_SIZE);
                /* A state of a newer version proves nothing to this one. */
                result->members[i].state = member.state <= CM_MEMBER_UNCONFIRMED
                                                           ? (enum cm_member_state)member.state
                                                           : CM_MEMBER_UNCONFIRMED;
        }
}

static int known_outcome(int64_t outcome)
{
        if (outcome == 0 || outcome == CM_PENDING || outcome == CM_PARTIAL) {
                return (int)outcome;
        }
        return outcome < 0 && outcome >= INT32_MIN ? (int)outcome : CM_PENDING;
}

/* Does the caller get the result with it? */
static bool is_told(int outcome)
{
        return outcome == 0 || outcome == CM_PARTIAL || outcome == CM_E_TIMEOUT;
}

static void finish_wait(struct cmi_connection *connection, struct cmi_publication *publication,
                struct cmi_result *result)
{
        struct cmi_waiter *waiter = publication->waiter;
        int outcome = known_outcome(result->outcome);

        if (waiter && waiter->result && is_told(outcome)) {
                cmi_result_set(waiter->result,
                                (struct cm_result){
                                                .n_applied = result->n_applied,
                                                .n_lapsed = result->n_lapsed,
                                                .n_unconfirmed = result->n_unconfirmed,
                                                .position = result->position,
                                });
                copy_members(waiter->result, result);
        }
        if (waiter && result->position != 0) {
                waiter->place = (struct cmi_place){connection->stream, result->position};
        } else if (publication->is_intent && result->position != 0) {
                cmi_connection_end_late(connection, publication, result->position);
        }
        cmi_pending_finish(&connection->pending, publication, outcome);
}

static int handle_result(struct cmi_connection *connection, const struct cmi_local_head *head,
                const char **ret_reason)
{
        struct cmi_publication *publication;
        struct cmi_result result;

        if (connection->state != CMI_CONNECTION_ATTACHED || head->id >= connection->next_id ||
                        cmi_result_decode(head->fields, &result) < 0) {
                return nonsense(ret_reason);
        }
        publication = cmi_pending_find(&connection->pending, head->id);
        if (publication && publication->wait != CM_WAIT_NONE) {
                finish_wait(connection, publication, &result);
        } else {
                cmi_pending_confirm(&connection->pending, head->id);
        }
        return 0;
}

/* meshd did not take it, but would have at another time. */
static bool is_temporary(int64_t code)
{
        return code == -EAGAIN || code == -EBUSY || code == -ESHUTDOWN || code == -ENOMEM ||
               code == -ENOSPC || code == CM_E_BUSY;
}

static int handle_publish_error(struct cmi_connection *connection,
                struct cmi_publication *publication, const struct cmi_error *error,
                const char **ret_reason)
{
        if (publication->is_intent) {
                cmi_pending_finish(&connection->pending, publication, (int)error->code);
                return 0;
        }
        if (publication->wait != CM_WAIT_NONE && error->code == CM_E_BUSY) {
                cmi_pending_repeat(&connection->pending, publication);
                return 0;
        }
        if (is_temporary(error->code)) {
                /* By reconnecting: it is queued again in its place, and asks
                 * for no wait any more. */
                *ret_reason = "meshd takes no invalidations now";
                return -EAGAIN;
        }
        cmi_connection_note(connection, CM_LOG_ERROR, "meshd refused an invalidation: %s (%d)",
                        error->text, (int)error->code);
        if (!publication->waiter) {
                cmi_connection_event(connection, CM_EVENT_STATE, "meshd refused an invalidation");
        }
        cmi_pending_finish(&connection->pending, publication, (int)error->code);
        return 0;
}

static void tell_region(
                struct cmi_connection *connection, uint32_t number, const struct cmi_error *error)
{
        const char *name = cmi_region_name(cmi_handle_region(connection->cm, number));
        char detail[128];

        snprintf(detail, sizeof(detail), "region %.40s: %.70s", name, error->text);
        cmi_connection_event(connection, CM_EVENT_CONFIG, detail);
        cmi_connection_note(connection, CM_LOG_WARNING, "%s", detail);
}

static void handle_region_error(struct cmi_connection *connection, struct cmi_request *request,
                uint32_t number, const struct cmi_error *error)
{
        request->state = CMI_REQUEST_REFUSED;
        request->error = (int)error->code;
        if (request->error == -ENOMEM) {
                connection->next_ask_ns = cmi_connection_now_ns() + ASK_NS;
        }
        if (!request->is_noticed) {
                request->is_noticed = true;
                tell_region(connection, number, error);
        }
        cmi_waiters_refuse(&connection->waiters, number, error->text);
}

static int handle_error(struct cmi_connection *connection, const struct cmi_local_head *head,
                const char **ret_reason)
{
        struct cmi_publication *publication;
        struct cmi_request *request;
        struct cmi_error error;
        uint32_t number;

        if (cmi_error_decode(head->fields, &error) < 0 || error.code >= 0 ||
                        error.code < INT32_MIN) {
                return nonsense(ret_reason);
        }
        if (connection->state == CMI_CONNECTION_ATTACHING) {
                cmi_connection_note(connection, CM_LOG_ERROR, "meshd refused this process: %s",
                                error.text);
                *ret_reason = "meshd refused this process";
                return (int)error.code;
        }
        request = find_request(connection, head->id, &number);
        if (request) {
                handle_region_error(connection, request, number, &error);
                return 0;
        }
        if (cmi_connection_load_error(connection, head->id, &error) ||
                        cmi_connection_call_error(connection, head->id, &error)) {
                return 0;
        }
        publication = cmi_pending_find(&connection->pending, head->id);
        if (publication) {
                return handle_publish_error(connection, publication, &error, ret_reason);
        }
        return 0;
}

/* A region is open, and something is wrong with it elsewhere. */
static int handle_notice(struct cmi_connection *connection, const struct cmi_local_head *head,
                const char **ret_reason)
{
        struct cmi_error error;
        uint32_t number;

        if (cmi_error_decode(head->fields, &error) < 0) {
                return nonsense(ret_reason);
        }
        if (find_request(connection, head->id, &number)) {
                tell_region(connection, number, &error);
        }
        return 0;
}

int cmi_connection_handle(struct cmi_connection *connection, struct cmi_slice payload,
                const char **ret_reason)
{
        struct cmi_local_head head;

        if (cmi_local_decode(payload, &head) < 0) {
                return nonsense(ret_reason);
        }
        if (connection->channel.page_fd >= 0 && head.type != CMI_LOCAL_ATTACHED) {
                return nonsense(ret_reason);
        }
        switch (head.type) {
        case CMI_LOCAL_ATTACHED:
                return handle_attached(connection, &head, ret_reason);
        case CMI_LOCAL_REGION_OPENED:
                return handle_region_opened(connection, &head, ret_reason);
        case CMI_LOCAL_RESULT:
                return handle_result(connection, &head, ret_reason);
        case CMI_LOCAL_ERROR:
                return handle_error(connection, &head, ret_reason);
        case CMI_LOCAL_LOAD_STATE:
                return cmi_connection_load_state(connection, &head) < 0 ? nonsense(ret_reason) : 0;
        case CMI_LOCAL_SESSION_ANSWER:
                cmi_connection_call_answer(connection, &head);
                return 0;
        case CMI_LOCAL_NOTICE:
                return handle_notice(connection, &head, ret_reason);
        default:
                return 0; /* of a newer version */
        }
}
