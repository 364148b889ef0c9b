/* SPDX-License-Identifier: MIT */
#include "meshd/io/service.h"

#include "meshd/io/admin.h"
#include "meshd/io/admission.h"
#include "meshd/io/clock.h"
#include "meshd/io/inquiry.h"
#include "meshd/io/key_admin.h"
#include "meshd/io/logger.h"
#include "meshd/io/monitor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NO_WAIT UINT32_MAX
#define NO_REGION UINT32_MAX
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

static void send_error(struct client *client, enum cmi_local_type type, uint64_t id,
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
        send_error(client, CMI_LOCAL_ERROR, id, &error);
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

static uint32_t take_wait(struct service *service, struct guest *guest, uint64_t request)
{
        uint32_t slot = service->free_wait;

        if (slot != NO_WAIT) {
                struct service_wait *wait = &service->waits[slot];

                service->free_wait = wait->next_free;
                service->n_waits++;
                wait->guest = guest;
                wait->request = request;
                guest->n_waits++;
        }
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

static uint64_t make_cookie(const struct service *service, uint32_t slot)
{
        return (uint64_t)service->waits[slot].generation << 32 | slot;
}

void service_done(struct service *service, uint64_t cookie, const struct core_outcome *outcome)
{
        uint32_t slot = (uint32_t)cookie;
        struct service_wait *wait = &service->waits[slot];
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

        if (slot >= CORE_WAITS_MAX || !wait->guest || wait->generation != cookie >> 32) {
                return;
        }
        client = wait->guest->client;
        request = wait->request;
        free_wait(service, slot);
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
        char why[ADMISSION_TEXT_MAX];

        if (!client->is_reserved || !is_app) {
                return false;
        }
        admission_describe(service->local, client->uid, why);
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

static struct guest_region *find_region(struct guest *guest, uint32_t index)
{
        for (uint32_t i = 0; i < guest->n_regions; i++) {
                if (guest->regions[i].index == index) {
                        return &guest->regions[i];
                }
        }
        return NULL;
}

/* From now on the guest has it open, until it goes. */
static int add_region(struct service *service, struct guest *guest, uint64_t id, uint32_t index,
                struct guest_region **ret_region)
{
        struct guest_region *regions =
                        reallocarray(guest->regions, guest->n_regions + 1, sizeof(*regions));
        int r;

        if (!regions) {
                return -ENOMEM;
        }
        guest->regions = regions;
        r = share_take(&service->shares, guest->client->uid, index);
        if (r < 0) {
                return r;
        }
        core_region_hold(service->core, index);
        service->regions[index].n_clients++;
        *ret_region = &guest->regions[guest->n_regions++];
        **ret_region = (struct guest_region){.index = index, .request = id};
        return 0;
}

static int note_region(struct service *service, struct guest *guest, uint64_t id, uint32_t index,
                const struct cmi_region_request *request)
{
        struct service_region *region = &service->regions[index];
        struct guest_region *own = find_region(guest, index);
        int r;

        if (region->n_clients > 0 &&
                        (region->fresh != request->fresh || region->ttl_ms != request->ttl_ms)) {
                region->is_conflicting = true;
                return CMI_E_CONFIG;
        }
        if (!own) {
                r = add_region(service, guest, id, index, &own);
                if (r < 0) {
                        return r;
                }
        }
        region->fresh = request->fresh;
        region->ttl_ms = request->ttl_ms;
        region->version = request->version;
        core_region_describe(service->core, index, request->fresh, request->ttl_ms);
        region->budget_bytes += request->budget_bytes - own->budget_bytes;
        own->budget_bytes = request->budget_bytes;
        return 0;
}

static void forget_regions(struct service *service, struct guest *guest)
{
        for (uint32_t i = 0; i < guest->n_regions; i++) {
                uint32_t index = guest->regions[i].index;
                struct service_region *region = &service->regions[index];

                core_region_drop(service->core, index);
                share_return(&service->shares, guest->client->uid, index);
                region->budget_bytes -= guest->regions[i].budget_bytes;
                if (--region->n_clients == 0) {
                        *region = (struct service_region){0};
                }
        }
        free(guest->regions);
}

static void refuse_region(struct service *service, struct guest *guest, uint64_t id, int error,
                const char *name, uint32_t index)
{
        switch (error) {
        case CMI_E_CONFIG:
                logger(LOGGER_WARNING, "region.conflict", L_TEXT("region", name),
                                L_TEXT("client", guest->name), L_INT("pid", guest->client->pid),
                                L_TEXT("msg", "opened with other options than before; refused"));
                service_error(guest->client, id, error,
                                "another process has it open with fresh %s, ttl %llu ms",
                                cmi_fresh_text(service->regions[index].fresh),
                                (unsigned long long)service->regions[index].ttl_ms);
                return;
        case -ENOSPC:
                logger(LOGGER_WARNING, "region.refused", L_TEXT("region", name),
                                L_TEXT("client", guest->name), L_INT("pid", guest->client->pid),
                                L_UINT("uid", guest->client->uid),
                                L_TEXT("msg", index == NO_REGION ? "all regions are in use"
                                                                 : "its user has its share open"));
                service_error(guest->client, id, error,
                                index == NO_REGION ? "all %d regions of this node are open"
                                                   : "this user has %d regions open, its share of "
                                                     "this node's",
                                index == NO_REGION ? CMI_PAGE_REGIONS : SHARE_REGIONS_MAX);
                return;
        default:
                service_error(guest->client, id, error, "meshd cannot open it: %s",
                                strerror(-error));
        }
}

static int do_region(
                struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_region_request request;
        struct cmi_region_opened opened;
        struct cmi_writer writer;
        uint32_t index = NO_REGION;
        size_t begin;
        int r = cmi_region_request_decode(head->fields, &request);

        if (r < 0) {
                return r;
        }
        if (is_turned_away(service, guest, head->id, true)) {
                return 0;
        }
        r = core_region(service->core, cmi_slice_str(request.name), &index);
        if (r == 0) {
                r = note_region(service, guest, head->id, index, &request);
        }
        if (r < 0) {
                refuse_region(service, guest, head->id, r, request.name, index);
                return 0;
        }
        opened.index = index;
        opened.owner = core_region_owner(service->core, index);
        writer = service_begin(service, CMI_LOCAL_REGION_OPENED, head->id, &begin);
        cmi_region_opened_write(&writer, &opened);
        service_send(guest->client, &writer, begin, head->id);
        return 0;
}

void service_region_differs(struct service *service, const struct core_event *event)
{
        uint32_t index = (uint32_t)event->number;
        struct cmi_slice name = core_region_name(service->core, index);
        struct cmi_error notice = {.code = CMI_E_CONFIG};
        char text[CORE_TEXT_MAX];

        snprintf(text, sizeof(text), "%s, ttl %llu ms there; %s, ttl %llu ms here",
                        cmi_fresh_text(event->theirs.fresh),
                        (unsigned long long)event->theirs.ttl_ms, cmi_fresh_text(event->ours.fresh),
                        (unsigned long long)event->ours.ttl_ms);
        logger(LOGGER_WARNING, "region.differs", L_BYTES("region", name),
                        L_TEXT("peer", event->name), L_TEXT("msg", text));
        snprintf(notice.text, sizeof(notice.text), "differs on node %s: %s", event->name, text);
        for (struct client *client = service->local->clients; client; client = client->next) {
                struct guest_region *own = client->guest ? find_region(client->guest, index) : NULL;

                if (own) {
                        send_error(client, CMI_LOCAL_NOTICE, own->request, &notice);
                }
        }
}

static void refuse_publish(struct client *client, uint64_t id, int error)
{
        if (error == -EBUSY) {
                service_error(client, id, CMI_E_BUSY, "%d calls wait already", CORE_WAITS_MAX);
        } else {
                service_error(client, id, error, "meshd does not take this operation: %s",
                                strerror(-error));
        }
}

static int do_publish(
                struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_publish publish;
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
        if (publish.wait == CMI_WAIT_MESH) {
                slot = take_wait(service, guest, head->id);
                if (slot == NO_WAIT) {
                        refuse_publish(guest->client, head->id, -EBUSY);
                        return 0;
                }
                cookie = make_cookie(service, slot);
        }
        timeout_ms = publish.timeout_ms < TIMEOUT_MAX_MS ? publish.timeout_ms : TIMEOUT_MAX_MS;
        r = core_publish(service->core, clock_now(), publish.op, (enum cmi_wait)publish.wait,
                        cmi_ms(timeout_ms), cookie, &position);
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
        } else if (publish.wait == CMI_WAIT_NODE) {
                send_result(guest->client, head->id, position, NULL);
        }
        return 0;
}

static int do_query(struct service *service, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_local_query query;
        int r = cmi_local_query_decode(head->fields, &query);

        return r < 0 ? r : admin_answer(service, guest, head->id, &query);
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
        default:
                service_error(client, head.id, -EOPNOTSUPP, "meshd does not know this request");
                return 0;
        }
}

static int on_opened(void *context, struct client *client)
{
        struct guest *guest = calloc(1, sizeof(*guest));

        if (!guest) {
                return -ENOMEM;
        }
        guest->client = client;
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
        inquiry_cancel(service->inquiries, guest);
        monitor_unsubscribe(service->monitor, guest);
        key_admin_cancel(service, guest);
        forget_regions(service, guest);
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
        if (!service->waits || !service->answer) {
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
}
