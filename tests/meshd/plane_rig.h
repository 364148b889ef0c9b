/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A plane with a clock, a page and a sink that are the test's. What the sink is told is written
 * down in the order in which it came.
 */
#include "meshd/session/plane.h"
#include "tests/meshd/counted.h"

#define PLANE_RIG_START_MS UINT64_C(1700000000000)
#define PLANE_RIG_ACTS_MAX 8192
#define PLANE_RIG_HOUR_MS UINT64_C(3600000)

enum plane_act_kind {
        PLANE_ACT_ANSWER = 1,
        PLANE_ACT_STAMP,
        PLANE_ACT_EVENT,
};

struct plane_act {
        enum plane_act_kind kind;
        struct plane_caller caller;
        int64_t outcome;
        struct cmi_id key; /* STAMP; zero: of all */
        enum plane_event_kind event;
};

struct plane_rig {
        struct plane *plane;
        struct plane_options options;
        struct cmi_time now;
        bool is_live;
        bool has_others;      /* the node is not alone */
        uint64_t full_client; /* takes no more answers; 0: each does */
        uint32_t user;        /* as whom all clients run */
        bool is_pageless;     /* nothing may be kept */
        uint64_t apply_seq;
        struct counted memory;
        void (*on_token)(struct plane_rig *rig); /* NULL, or called when the plane asks for it */
        void (*on_answer)(struct plane_rig *rig, const struct plane_caller *caller,
                        const struct cmi_session_answer *answer);
        void (*on_stamp)(struct plane_rig *rig, const struct cmi_id *key);
        void *context;
        uint64_t n_requests; /* numbers given out */
        struct plane_act acts[PLANE_RIG_ACTS_MAX];
        uint32_t n_acts;
        /* The last answer, with copies of what it borrowed. */
        struct cmi_session_answer answer;
        uint8_t tag[CMI_SESSION_TAG_MAX];
        uint8_t *blob; /* of CMI_SESSION_BLOB_MAX */
        /* Of the last answer that had them. */
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        uint32_t n_answers;
        uint32_t n_stamps;
        uint32_t n_events;
        struct plane_event event; /* the last one */
        struct plane_disk disk;   /* none, usually */
};

/* LIVE, with 4 MiB for records and 1 MiB for keys. */
void plane_rig_init(struct plane_rig *rig);
int plane_rig_start(struct plane_rig *rig);              /* with rig->options */
void plane_rig_open(struct plane_rig *rig);              /* both */
void plane_rig_close(struct plane_rig *rig);             /* asserts that all memory came back */
void plane_rig_pass(struct plane_rig *rig, uint64_t ms); /* both clocks, and ticks until quiet */
uint64_t plane_rig_now_ms(const struct plane_rig *rig);

struct cmi_id plane_rig_key(uint32_t number);
struct cmi_id plane_rig_space(uint8_t number);

/* Requests that pass cmi_session_request_check(): of space 1, an hour to live, a number of their
 * own. Blobs are made of @text. */
struct cmi_session_request plane_rig_create(struct plane_rig *rig, uint32_t key, const char *text);
struct cmi_session_request plane_rig_get(uint32_t key);
/* Over rig->version. */
struct cmi_session_request plane_rig_save(struct plane_rig *rig, uint32_t key, const char *text);
struct cmi_session_request plane_rig_touch(struct plane_rig *rig, uint32_t key);
struct cmi_session_request plane_rig_destroy(struct plane_rig *rig, uint32_t key);
struct cmi_session_request plane_rig_principal(struct plane_rig *rig, uint8_t principal);
struct cmi_session_request plane_rig_rotate(
                struct plane_rig *rig, uint32_t key, uint32_t new_key, const char *text);

/* Hand it to the plane, by client 1, or @client. Return: CMI_E_BUSY: it was answered so; else 0. */
int plane_rig_send(struct plane_rig *rig, const struct cmi_session_request *request);
int plane_rig_send_as(
                struct plane_rig *rig, uint64_t client, const struct cmi_session_request *request);
/* Which has to be answered at once. Return: the outcome. */
int64_t plane_rig_ask(struct plane_rig *rig, struct cmi_session_request request);
/* Is it the blob of the last answer? */
bool plane_rig_has(const struct plane_rig *rig, const char *text);
