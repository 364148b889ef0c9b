/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What meshd does for its local clients: attach, open regions, publish and wait. It decides what a
 * request means, and keeps for each client (a guest) what it has open. Messages come from local.h;
 * queries are answered by verbs.h and inquiry.h, and subscriptions by monitor.h.
 *
 * One thread.
 */
#include "meshd/core/core.h"
#include "meshd/io/document.h"
#include "meshd/io/page_file.h"
#include "meshd/io/state_dir.h"
#include "meshd/local/flight.h"
#include "meshd/local/local.h"
#include "meshd/local/region_quota.h"
#include "meshd/mesh/keys.h"
#include "meshd/mesh/link.h"
#include "meshd/options/config.h"

struct daemon;

#define SERVICE_SOFTWARE "meshd " MESHD_VERSION
#define SERVICE_ANSWER_MAX CMI_LOCAL_ANSWER_MAX

/* Shares of the CORE_WAITS_MAX publications that wait at a time */
#define SERVICE_WAITS_CLIENT_MAX (CORE_WAITS_MAX / 8)
#define SERVICE_WAITS_USER_MAX (CORE_WAITS_MAX / 2)

/* What a client said about a region; it counts while the client is connected. */
struct guest_region {
        uint32_t index;
        uint64_t request; /* that opened it first */
        uint64_t budget_bytes;
};

struct guest {
        struct client *client;
        char name[CMI_LOCAL_NAME_MAX + 1];
        uint64_t last_id; /* ids grow */
        uint64_t number;  /* of this connection, never 0 */
        bool has_page;
        bool has_none; /* publications with CMI_WAIT_NONE that are to be confirmed */
        uint64_t none_id;
        uint64_t none_position;
        uint64_t published;
        uint32_t n_waits;
        uint32_t n_inquiries;
        uint32_t n_vigils;
        uint32_t n_regions;
        struct guest_region *regions;
        struct subscription *subscription; /* NULL: none; of monitor.h */
        struct flight_guest flight;        /* loads that it takes part in; of loads.h */
        uint32_t n_joined;                 /* sessions whose blobs have not come whole; of */
        size_t joined_bytes;               /* sessions.h, as this */
};

/* Options of a region, from the first of the clients that have it open. */
struct service_region {
        struct cmi_region options; /* without its name */
        uint64_t version;
        uint64_t budget_bytes; /* of all clients together */
        uint32_t n_clients;
        bool is_conflicting; /* a client that wanted other options was refused */
};

struct service_wait {
        struct guest *guest; /* NULL: free */
        uint64_t request;
        uint32_t generation; /* an answer for an earlier user of the slot is ignored */
        uint32_t next_free;
};

struct service {
        struct core *core;
        struct local *local;
        const struct config *config;
        const struct state_dir *state;
        const struct page_file *page;
        const struct links *links;
        struct keys *keys;
        const struct cmi_endpoint *advertised;
        uint32_t n_advertised;
        const struct daemon *daemon; /* whose it is; for the verbs that tell of all its parts */
        void (*forgotten)(void *context, const struct cmi_id *id);
        void *context;
        struct guest *key_guest; /* waits for a change of the keys; NULL: nobody does */
        uint64_t key_request;
        struct inquiries *inquiries;
        struct monitor *monitor;
        struct history *history;
        struct loads *loads;
        struct sessions *sessions;
        struct service_region regions[CMI_PAGE_REGIONS];
        struct region_quota *quotas; /* of them, by user */
        struct service_wait *waits;  /* CORE_WAITS_MAX */
        uint32_t free_wait;
        uint32_t n_waits;
        uint64_t n_guests; /* that there were */
        uint8_t *answer;   /* scratch of SERVICE_ANSWER_MAX + prefix */
};

/**
 * service_init() - get ready; the pointers in @service are set by the caller before
 *
 * Return: 0, -ENOMEM.
 */
int service_init(struct service *service);
void service_deinit(struct service *service);

/* For local_open(). */
struct local_handler service_handler(struct service *service);

/* core_sink.done; see cookie.h */
void service_done(struct service *service, uint64_t packed, const struct core_outcome *outcome);

#define SERVICE_OPTIONS_TEXT_MAX 96

/* A region's options, for people: what the others are compared with. */
void service_options_text(
                const struct cmi_region *options, char ret_text[SERVICE_OPTIONS_TEXT_MAX]);

/* Another node has a region open with other options: the clients that have it open are told. */
void service_region_differs(struct service *service, const struct core_event *event);

/* Answering, for question.h, inquiry.h and monitor.h */

/* Begin an answer in the scratch buffer; end and send it with service_send(). */
struct cmi_writer service_begin(
                struct service *service, enum cmi_local_type type, uint64_t id, size_t *ret_begin);
/* An answer that did not fit becomes ERROR -EMSGSIZE. */
void service_send(struct client *client, struct cmi_writer *writer, size_t begin, uint64_t id);

void service_error(struct client *client, uint64_t id, int64_t code, const char *format, ...)
                __attribute__((format(printf, 4, 5)));
void service_send_error(struct client *client, enum cmi_local_type type, uint64_t id,
                const struct cmi_error *error);

/* service_regions.c */

/* REGION: what it has to say goes to the client. Return: 0, -EBADMSG. */
int service_open_region(
                struct service *service, struct guest *guest, const struct cmi_local_head *head);
void service_forget_regions(struct service *service, struct guest *guest);
