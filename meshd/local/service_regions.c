/* SPDX-License-Identifier: MIT */
/* Regions that apps have open: of each connection, their options, and the shares of users. */
#include "meshd/local/service.h"

#include "meshd/io/logger.h"
#include "wire/session_local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NO_REGION UINT32_MAX

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
        r = region_quota_take(&service->quotas, guest->client->uid, index);
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
        const struct cmi_region options = {.fresh = request->fresh,
                        .ttl_ms = request->ttl_ms,
                        .hold_ms = request->hold_ms};
        struct service_region *region = &service->regions[index];
        struct guest_region *own = find_region(guest, index);
        int r;

        if (region->n_clients > 0 && !core_region_is_alike(&region->options, &options)) {
                region->is_conflicting = true;
                return CMI_E_CONFIG;
        }
        if (!own) {
                r = add_region(service, guest, id, index, &own);
                if (r < 0) {
                        return r;
                }
        }
        region->options = options;
        region->version = request->version;
        core_region_describe(service->core, index, &options);
        region->budget_bytes += request->budget_bytes - own->budget_bytes;
        own->budget_bytes = request->budget_bytes;
        return 0;
}

void service_forget_regions(struct service *service, struct guest *guest)
{
        for (uint32_t i = 0; i < guest->n_regions; i++) {
                uint32_t index = guest->regions[i].index;
                struct service_region *region = &service->regions[index];

                core_region_drop(service->core, index);
                region_quota_return(&service->quotas, guest->client->uid, index);
                region->budget_bytes -= guest->regions[i].budget_bytes;
                if (--region->n_clients == 0) {
                        *region = (struct service_region){0};
                }
        }
        free(guest->regions);
}

void service_options_text(const struct cmi_region *options, char ret_text[SERVICE_OPTIONS_TEXT_MAX])
{
        int n = snprintf(ret_text, SERVICE_OPTIONS_TEXT_MAX, "%s, ttl %llu ms",
                        cmi_fresh_text(options->fresh), (unsigned long long)options->ttl_ms);

        if (options->hold_ms != CMI_HOLD_UNTOLD) {
                snprintf(ret_text + n, SERVICE_OPTIONS_TEXT_MAX - (size_t)n, ", hold %llu ms",
                                (unsigned long long)options->hold_ms);
        }
}

static void refuse_region(struct service *service, struct guest *guest, uint64_t id, int error,
                const char *name, uint32_t index)
{
        char text[SERVICE_OPTIONS_TEXT_MAX];

        switch (error) {
        case CMI_E_CONFIG:
                logger(LOGGER_WARNING, "region.conflict", L_TEXT("region", name),
                                L_TEXT("client", guest->name), L_INT("pid", guest->client->pid),
                                L_TEXT("msg", "opened with other options than before; refused"));
                service_options_text(&service->regions[index].options, text);
                service_error(guest->client, id, error, "another process has it open with fresh %s",
                                text);
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
                                index == NO_REGION ? CMI_PAGE_REGIONS : REGION_QUOTA_MAX);
                return;
        default:
                service_error(guest->client, id, error, "meshd cannot open it: %s",
                                strerror(-error));
        }
}

/* Everybody's sessions are in one region, so nobody may open it as another kind of one. */
static bool is_misused(const struct cmi_region_request *request)
{
        return strcmp(request->name, CMI_SESSION_REGION) == 0 &&
               (request->fresh != CMI_FRESH_BOUNDED || request->ttl_ms != 0 ||
                               request->hold_ms != 0);
}

int service_open_region(
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
        if (is_misused(&request)) {
                service_error(guest->client, head->id, -EPERM,
                                "region %s is meshd's own: bounded, without a TTL or a hold",
                                CMI_SESSION_REGION);
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
        char theirs[SERVICE_OPTIONS_TEXT_MAX];
        char ours[SERVICE_OPTIONS_TEXT_MAX];
        char text[2 * SERVICE_OPTIONS_TEXT_MAX + 16];

        service_options_text(&event->theirs, theirs);
        service_options_text(&event->ours, ours);
        snprintf(text, sizeof(text), "%s there; %s here", theirs, ours);
        logger(LOGGER_WARNING, "region.differs", L_BYTES("region", name),
                        L_TEXT("peer", event->name), L_TEXT("msg", text));
        snprintf(notice.text, sizeof(notice.text), "differs on node %s: %s", event->name, text);
        for (struct client *client = service->local->clients; client; client = client->next) {
                struct guest_region *own = client->guest ? find_region(client->guest, index) : NULL;

                if (own) {
                        service_send_error(client, CMI_LOCAL_NOTICE, own->request, &notice);
                }
        }
}
