/* SPDX-License-Identifier: MIT */
#include "meshd/local/service.h"

#include "meshd/io/clock.h"
#include "meshd/io/cookie.h"
#include "meshd/io/logger.h"
#include "meshd/local/app_op.h"
#include "meshd/local/client_limit.h"
#include "meshd/local/loads.h"
#include "meshd/local/sessions.h"
#include "meshd/verbs/inquiry.h"
#include "meshd/verbs/monitor.h"
#include "meshd/verbs/verbs.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NO_WAIT UINT32_MAX
#define TIMEOUT_MAX_MS UINT64_C(86400000)

/* Answers */

struct cmi_writer service_begin(
                struct service *service, enum cmi_local_type type, uint64_t id, size_t *ret_begin)
{
        struct cmi_writer writer =
                        cmi_writer(service->answer, SERVICE_ANSWER_MAX + CMI_LOCAL_PREFIX_SIZE);

        *ret_begin = cmi_local_begin(&writer, type, id);
        return writer;
}

void service_send(struct client *client, struct cmi_writer *writer, size_t begin, uint64_t id)
{
        cmi_local_end(writer, begin);
        if (writer->error) {
                service_error(client, id, writer->error, "the answer is longer than %d bytes",
                                SERVICE_ANSWER_MAX);
                return;
        }
        client_send(client, cmi_written(writer));
}

void service_send_error(struct client *client, enum cmi_local_type type, uint64_t id,
                const struct cmi_error *error)
{
        uint8_t bytes[CMI_LOCAL_TEXT_MAX + 64];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        size_t begin = cmi_local_begin(&writer, type, id);

        cmi_error_write(&writer, error);
        cmi_local_end(&writer, begin);
        client_send(client, cmi_written(&writer));
}

void service_error(struct client *client, uint64_t id, int64_t code, const char *format, ...)
{
        struct cmi_error error = {.code = code};
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(error.text, sizeof(error.text), format, arguments);
        va_end(arguments);
        service_send_error(client, CMI_LOCAL_ERROR, id, &error);
}

static void send_result(struct client *client, uint64_t id, uint64_t position,
                const struct cmi_result *from)
{
        uint8_t bytes[128];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_result result = from ? *from : (struct cmi_result){.position = position};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_RESULT, id);

        cmi_result_write(&writer, &result);
        cmi_local_end(&writer, begin);
        client_send(client, cmi_written(&writer));
}

/* Waits */

/* Connections are few, and nobody is over his user's share before so many wait in all. */
static bool is_user_over_share(const struct service *service, uid_t uid)
{
        uint32_t n = 0;

        if (service->n_waits < SERVICE_WAITS_USER_MAX) {
                return false;
        }
        for (const struct client *client = service->local->clients; client; client = client->next) {
                const struct guest *guest = client->guest;

                n += guest && client->uid == uid ? guest->n_waits : 0;
        }
        return n >= SERVICE_WAITS_USER_MAX;
}

/* Return: whether one more may wait; if not, the client was told which limit it is. */
static bool may_wait(const struct service *service, const struct guest *guest, uint64_t request)
{
        struct client *client = guest->client;

        if (guest->n_waits >= SERVICE_WAITS_CLIENT_MAX) {
                service_error(client, request, CMI_E_BUSY,
                                "%d calls of this connection wait already, its share",
                                SERVICE_WAITS_CLIENT_MAX);
        } else if (is_user_over_share(service, client->uid)) {
                service_error(client, request, CMI_E_BUSY,
                                "%d calls of user %u wait already, his share",
                                SERVICE_WAITS_USER_MAX, client->uid);
        } else if (service->free_wait == NO_WAIT) {
                service_error(client, request, CMI_E_BUSY, "%d calls of all users wait already",
                                CORE_WAITS_MAX);
        } else {
                return true;
        }
        return false;
}

static uint32_t take_wait(struct service *service, struct guest *guest, uint64_t request)
{
        uint32_t slot = service->free_wait;
        struct service_wait *wait = &service->waits[slot];

        service->free_wait = wait->next_free;
        service->n_waits++;
        wait->guest = guest;
        wait->request = request;
        guest->n_waits++;
        return slot;
}

static void free_wait(struct service *service, uint32_t slot)
{
        struct service_wait *wait = &service->waits[slot];

        wait->guest->n_waits--;
        wait->guest = NULL;
        wait->generation++;
        wait->next_free = service->free_wait;
        service->free_wait = slot;
        service->n_waits--;
}

static_assert(CORE_WAITS_MAX <= COOKIE_SLOTS_MAX, "a wait has no cookie");

static uint64_t make_cookie(const struct service *service, uint32_t slot)
{
        return cookie_pack((struct cookie){.kind = COOKIE_PUBLISH,
                        .slot = slot,
                        .generation = service->waits[slot].generation});
}

void service_done(struct service *service, uint64_t packed, const struct core_outcome *outcome)
{
        struct cookie cookie = cookie_unpack(packed);
        struct service_wait *wait = &service->waits[cookie.slot % CORE_WAITS_MAX];
        struct cmi_result result = {
                        .outcome = outcome->outcome,
                        .position = outcome->position,
                        .n_applied = outcome->n_applied,
                        .n_lapsed = outcome->n_lapsed,
                        .n_unconfirmed = outcome->n_unconfirmed,
                        .n_members = outcome->n_members,
        };
        struct cmi_writer writer;
        struct client *client;
        uint64_t request;
        size_t begin;

        if (cookie.kind != COOKIE_PUBLISH || !wait->guest ||
                        wait->generation != cookie.generation) {
                return;
        }
        client = wait->guest->client;
        request = wait->request;
        free_wait(service, cookie.slot);
        writer = service_begin(service, CMI_LOCAL_RESULT, request, &begin);
        cmi_result_write(&writer, &result);
        for (uint32_t i = 0; i < outcome->n_members; i++) {
                cmi_result_write_member(&writer, &outcome->members[i]);
        }
        service_send(client, &writer, begin, request);
}

static void cancel_waits(struct service *service, struct guest *guest)
{
        for (uint32_t slot = 0; slot < CORE_WAITS_MAX && guest->n_waits > 0; slot++) {
                if (service->waits[slot].guest == guest) {
                        core_cancel(service->core, make_cookie(service, slot));
                        free_wait(service, slot);
                }
        }
}

/* Requests. Each returns 0, or a negative errno if the message is malformed. */

static void send_attached(
                struct service *service, struct client *client, uint64_t id, bool has_page)
{
        struct core_status status;
        struct cmi_attached attached = {
                        .version = CMI_LOCAL_VERSION_MAX,
                        .software = SERVICE_SOFTWARE,
                        .node_id = service->state->id,
                        .epoch = service->page->page->epoch,
                        .page_size = has_page ? service->page->size : 0,
        };
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_ATTACHED, id);
        int r;

        core_status(service->core, &status);
        attached.incarnation = status.incarnation;
        attached.stream = status.newest.stream;
        snprintf(attached.node, sizeof(attached.node), "%s", service->config->name);
        /* Last of all: the client brackets it with its own clocks. */
        attached.clock = clock_now();
        cmi_attached_write(&writer, &attached);
        cmi_local_end(&writer, begin);
        if (!has_page) {
                client_send(client, cmi_written(&writer));
                return;
        }
        r = client_send_fd(client, cmi_written(&writer), service->page->shown_fd);
        if (r < 0) {
                client_drop(client);
        }
}

/* A connection of the reserve is for meshctl; an app that got in on it is told why there is no
 * other for it. Return: whether it was. */
static bool is_turned_away(struct service *service, struct guest *guest, uint64_t id, bool is_app)
{
        struct client *client = guest->client;
        char why[CLIENT_LIMIT_TEXT_MAX];

        if (!client->is_reserved || !is_app) {
                return false;
        }
        client_limit_describe(service->local, client->uid, why);
        logger(LOGGER_WARNING, "client.refused", L_INT("pid", client->pid),
                        L_UINT("uid", client->uid), L_TEXT("msg", why));
        service->local->counters.refused_user++;
        service_error(client, id, -EMFILE, "%s", why);
        client_leave(client);
        return true;
}

static int do_attach(
                struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_attach attach;
        int r = cmi_attach_decode(head->fields, &attach);

        if (r < 0) {
                return r;
        }
        if (attach.version_min > CMI_LOCAL_VERSION_MAX ||
                        attach.version_max < CMI_LOCAL_VERSION_MIN) {
                service_error(guest->client, head->id, -EPROTO,
                                "meshd speaks versions %d to %d of the local protocol",
                                CMI_LOCAL_VERSION_MIN, CMI_LOCAL_VERSION_MAX);
                return 0;
        }
        if (is_turned_away(service, guest, head->id, attach.wants_page)) {
                return 0;
        }
        memcpy(guest->name, attach.name, sizeof(guest->name));
        guest->has_page = attach.wants_page;
        guest->client->is_known = true;
        send_attached(service, guest->client, head->id, attach.wants_page);
        return 0;
}

static int do_region(
                struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        return is_turned_away(service, guest, head->id, true)
                               ? 0
                               : service_open_region(service, guest, head);
}

static void refuse_publish(struct client *client, uint64_t id, int error)
{
        if (error == -ENOSPC) {
                service_error(client, id, CMI_E_BUSY,
                                "so many write intents are open: %d of this connection, %d of this "
                                "node, %d of all at most",
                                CORE_INTENTS_CLIENT_MAX, CORE_INTENTS_OWN_MAX, CORE_INTENTS_MAX);
        } else if (error == -EBUSY) {
                service_error(client, id, CMI_E_BUSY, "%d calls of all users wait already",
                                CORE_WAITS_MAX);
        } else {
                service_error(client, id, error, "meshd does not take this operation: %s",
                                strerror(-error));
        }
}

/* What the core cannot know: whose a name is, and what is a client's share. All else of an
 * operation is checked there. Return: was it refused? */
static bool is_refused(const struct service *service, const struct guest *guest, uint64_t id,
                struct cmi_slice bytes)
{
        struct cmi_op op;

        if (cmi_op_decode(bytes, &op) < 0) {
                return false;
        }
        if (app_op_is_of_meshd(&op)) {
                service_error(guest->client, id, -EPERM,
                                "sessions and region %s are meshd's own: what changes a session "
                                "says so",
                                CMI_SESSION_REGION);
                return true;
        }
        if (op.kind == CMI_OP_INTENT_BEGIN &&
                        core_intents_of(service->core, guest->number) >= CORE_INTENTS_CLIENT_MAX) {
                refuse_publish(guest->client, id, -ENOSPC);
                return true;
        }
        return false;
}

static int do_publish(
                struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_publish publish;
        struct cmi_time now = clock_now();
        uint32_t slot = NO_WAIT;
        uint64_t cookie = 0;
        uint64_t position = 0;
        uint64_t timeout_ms;
        int r = cmi_publish_decode(head->fields, &publish);

        if (r < 0) {
                return r;
        }
        if (publish.wait > CMI_WAIT_MESH) {
                service_error(guest->client, head->id, -EINVAL, "no such wait level");
                return 0;
        }
        if (is_refused(service, guest, head->id, publish.op)) {
                return 0;
        }
        if (core_defers(service->core, now, (enum cmi_wait)publish.wait)) {
                if (!may_wait(service, guest, head->id)) {
                        return 0;
                }
                slot = take_wait(service, guest, head->id);
                cookie = make_cookie(service, slot);
        }
        timeout_ms = publish.timeout_ms < TIMEOUT_MAX_MS ? publish.timeout_ms : TIMEOUT_MAX_MS;
        r = core_publish_for(service->core, now, publish.op, guest->number,
                        (enum cmi_wait)publish.wait, cmi_ms(timeout_ms), cookie, &position);
        if (r < 0) {
                if (slot != NO_WAIT) {
                        free_wait(service, slot);
                }
                refuse_publish(guest->client, head->id, r);
                return 0;
        }
        guest->published++;
        if (publish.wait == CMI_WAIT_NONE) {
                guest->has_none = true;
                guest->none_id = head->id;
                guest->none_position = position;
                client_touch(guest->client);
        } else if (slot == NO_WAIT) {
                struct cmi_result result = {.position = position};

                result.outcome = r == CORE_EXPIRED ? CMI_E_EXPIRED : 0;
                send_result(guest->client, head->id, position, &result);
        }
        return 0;
}

static int do_query(struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_local_query query;
        int r = cmi_local_query_decode(head->fields, &query);

        if (r < 0) {
                return r;
        }
        verbs_answer(service, guest, head->id, &query);
        return 0;
}

static int do_subscribe(
                struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_local_query query;
        int r = cmi_local_query_decode(head->fields, &query);

        return r < 0 ? r : monitor_subscribe(service->monitor, guest, head->id, &query);
}

static int on_request(void *context, struct client *client, struct cmi_slice payload)
{
        struct service *service = context;
        struct guest *guest = client->guest;
        struct cmi_local_head head;
        int r = cmi_local_decode(payload, &head);

        if (r < 0) {
                return r;
        }
        /* Ids grow, and the first request attaches: what breaks this is no
         * client of this protocol. */
        if (head.id <= guest->last_id || client->is_known == (head.type == CMI_LOCAL_ATTACH)) {
                return -EPROTO;
        }
        guest->last_id = head.id;
        switch (head.type) {
        case CMI_LOCAL_ATTACH:
                return do_attach(service, guest, &head);
        case CMI_LOCAL_REGION:
                return do_region(service, guest, &head);
        case CMI_LOCAL_PUBLISH:
                return do_publish(service, guest, &head);
        case CMI_LOCAL_QUERY:
                return do_query(service, guest, &head);
        case CMI_LOCAL_SUBSCRIBE:
                return do_subscribe(service, guest, &head);
        case CMI_LOCAL_LOAD:
                return loads_ask(service->loads, guest, &head);
        case CMI_LOCAL_LOADED:
                return loads_end(service->loads, guest, &head);
        case CMI_LOCAL_SESSION:
                return sessions_ask(service->sessions, guest, &head);
        case CMI_LOCAL_SESSION_PART:
                return sessions_part(service->sessions, guest, &head);
        default:
                service_error(client, head.id, -EOPNOTSUPP, "meshd does not know this request");
                return 0;
        }
}

static int on_opened(void *context, struct client *client)
{
        struct service *service = context;
        struct guest *guest = calloc(1, sizeof(*guest));

        if (!guest) {
                return -ENOMEM;
        }
        guest->client = client;
        guest->number = ++service->n_guests;
        client->guest = guest;
        return 0;
}

static void on_closed(void *context, struct client *client)
{
        struct service *service = context;
        struct guest *guest = client->guest;

        if (!guest) {
                return;
        }
        cancel_waits(service, guest);
        loads_cancel(service->loads, guest);
        sessions_cancel(service->sessions, guest);
        inquiry_cancel(service->inquiries, guest);
        monitor_unsubscribe(service->monitor, guest);
        verb_keys_cancel(service, guest);
        service_forget_regions(service, guest);
        free(guest);
        client->guest = NULL;
}

/* One RESULT confirms all publications without a wait up to its id. */
static void on_flush(void *context, struct client *client)
{
        struct guest *guest = client->guest;

        if (guest->has_none) {
                guest->has_none = false;
                send_result(client, guest->none_id, guest->none_position, NULL);
        }
}

static bool is_writable(void *context)
{
        const struct service *service = context;

        return core_is_writable(service->core);
}

struct local_handler service_handler(struct service *service)
{
        return (struct local_handler){
                        .context = service,
                        .opened = on_opened,
                        .request = on_request,
                        .flush = on_flush,
                        .closed = on_closed,
                        .is_writable = is_writable,
        };
}

int service_init(struct service *service)
{
        service->waits = calloc(CORE_WAITS_MAX, sizeof(*service->waits));
        service->answer = malloc(SERVICE_ANSWER_MAX + CMI_LOCAL_PREFIX_SIZE);
        if (!service->waits || !service->answer || loads_new(&service->loads, service) < 0 ||
                        sessions_new(&service->sessions, service) < 0) {
                service_deinit(service);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < CORE_WAITS_MAX; i++) {
                service->waits[i].next_free = i + 1 < CORE_WAITS_MAX ? i + 1 : NO_WAIT;
        }
        service->free_wait = 0;
        return 0;
}

void service_deinit(struct service *service)
{
        free(service->waits);
        free(service->answer);
        service->waits = NULL;
        service->answer = NULL;
        service->loads = loads_free(service->loads);
        service->sessions = sessions_free(service->sessions);
}
