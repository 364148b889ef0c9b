/* SPDX-License-Identifier: MIT */
#include "tests/meshd/plane_rig.h"

#include <assert.h>
#include <stdlib.h>

static void note(struct plane_rig *rig, const struct plane_act *act)
{
        if (rig->n_acts < PLANE_RIG_ACTS_MAX) {
                rig->acts[rig->n_acts++] = *act;
        }
}

static void on_answer(void *context, const struct plane_caller *caller,
                const struct cmi_session_answer *answer)
{
        struct plane_rig *rig = context;

        note(rig, &(struct plane_act){.kind = PLANE_ACT_ANSWER,
                                  .caller = *caller,
                                  .outcome = answer->outcome});
        rig->n_answers++;
        rig->answer = *answer;
        assert(answer->blob.len <= CMI_SESSION_BLOB_MAX && answer->tag.len <= sizeof(rig->tag));
        if (answer->blob.len > 0) {
                memcpy(rig->blob, answer->blob.data, answer->blob.len);
        }
        if (answer->tag.len > 0) {
                memcpy(rig->tag, answer->tag.data, answer->tag.len);
        }
        if (!cmi_session_version_is_none(&answer->version)) {
                rig->version = answer->version;
                rig->holder = answer->holder;
        }
        rig->answer.blob.data = rig->blob;
        rig->answer.tag.data = rig->tag;
        if (rig->on_answer) {
                rig->on_answer(rig, caller, &rig->answer);
        }
}

static uint64_t on_stamp(void *context, const struct cmi_id *key)
{
        struct plane_rig *rig = context;

        note(rig, &(struct plane_act){.kind = PLANE_ACT_STAMP,
                                  .key = key ? *key : (struct cmi_id){{0}}});
        rig->n_stamps++;
        rig->apply_seq++;
        if (rig->on_stamp) {
                rig->on_stamp(rig, key);
        }
        return rig->apply_seq;
}

static void on_event(void *context, const struct plane_event *event)
{
        struct plane_rig *rig = context;

        note(rig, &(struct plane_act){.kind = PLANE_ACT_EVENT, .event = event->kind});
        rig->n_events++;
        rig->event = *event;
}

static bool takes(void *context, uint64_t client)
{
        const struct plane_rig *rig = context;

        return client != rig->full_client;
}

static bool is_live(void *context)
{
        const struct plane_rig *rig = context;

        return rig->is_live;
}

static bool is_alone(void *context)
{
        const struct plane_rig *rig = context;

        return !rig->has_others;
}

static uint64_t token(void *context)
{
        struct plane_rig *rig = context;

        if (rig->on_token) {
                rig->on_token(rig);
        }
        return rig->is_live && !rig->is_pageless ? rig->apply_seq : 0;
}

void plane_rig_init(struct plane_rig *rig)
{
        *rig = (struct plane_rig){
                        .options = {.node_id = {{7}},
                                        .incarnation = 3,
                                        .store = {.record_bytes = 4u << 20, .key_bytes = 1u << 20}},
                        .now = {100 * CMI_NS_PER_S, PLANE_RIG_START_MS * CMI_NS_PER_MS},
                        .is_live = true,
                        .apply_seq = 1000,
                        .blob = malloc(CMI_SESSION_BLOB_MAX),
        };
}

int plane_rig_start(struct plane_rig *rig)
{
        const struct store_memory memory = {&rig->memory, counted_alloc, counted_free};
        const struct plane_sink sink = {rig, on_answer, on_stamp, on_event, takes, rig->disk};
        const struct plane_view view = {rig, is_live, is_alone, token};

        return plane_new(&rig->plane, &rig->options, &memory, &sink, &view);
}

void plane_rig_open(struct plane_rig *rig)
{
        int r;

        plane_rig_init(rig);
        r = plane_rig_start(rig);
        assert(r == 0);
        (void)r;
}

void plane_rig_close(struct plane_rig *rig)
{
        rig->plane = plane_free(rig->plane);
        assert(rig->memory.n_blocks == 0 && rig->memory.n_bytes == 0);
        free(rig->blob);
        rig->blob = NULL;
}

void plane_rig_pass(struct plane_rig *rig, uint64_t ms)
{
        rig->now.mono_ns += cmi_ms(ms);
        rig->now.real_ns += cmi_ms(ms);
        do {
                plane_tick(rig->plane, rig->now);
        } while (plane_timeout_ns(rig->plane) <= rig->now.mono_ns);
}

uint64_t plane_rig_now_ms(const struct plane_rig *rig)
{
        return rig->now.real_ns / CMI_NS_PER_MS;
}

struct cmi_id plane_rig_key(uint32_t number)
{
        uint32_t spread = number * UINT32_C(2654435769) + 1;

        return (struct cmi_id){{(uint8_t)(spread >> 24), (uint8_t)(spread >> 16),
                        (uint8_t)(spread >> 8),
                        (uint8_t)spread, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number}};
}

struct cmi_id plane_rig_space(uint8_t number)
{
        return (struct cmi_id){{number, 0x5a}};
}

static struct cmi_session_request request(struct plane_rig *rig, uint64_t verb, uint32_t key)
{
        return (struct cmi_session_request){
                        .verb = verb,
                        .space = plane_rig_space(1),
                        .key = plane_rig_key(key),
                        .request = rig ? ++rig->n_requests : 0,
        };
}

static void bring(struct cmi_session_request *request, const char *text)
{
        request->blob_len = strlen(text);
        request->blob = cmi_slice(text, request->blob_len < CMI_SESSION_PART_MAX
                                                        ? (size_t)request->blob_len
                                                        : CMI_SESSION_PART_MAX);
        request->save_id = (struct cmi_id){{(uint8_t)request->request, 1}};
}

struct cmi_session_request plane_rig_create(struct plane_rig *rig, uint32_t key, const char *text)
{
        struct cmi_session_request create = request(rig, CMI_SESSION_CREATE, key);

        create.max_end_ms = plane_rig_now_ms(rig) + PLANE_RIG_HOUR_MS;
        bring(&create, text);
        return create;
}

struct cmi_session_request plane_rig_get(uint32_t key)
{
        return request(NULL, CMI_SESSION_GET, key);
}

struct cmi_session_request plane_rig_save(struct plane_rig *rig, uint32_t key, const char *text)
{
        struct cmi_session_request save = request(rig, CMI_SESSION_SAVE, key);

        save.expected = rig->version;
        save.holder = rig->holder;
        bring(&save, text);
        return save;
}

struct cmi_session_request plane_rig_touch(struct plane_rig *rig, uint32_t key)
{
        struct cmi_session_request touch = request(NULL, CMI_SESSION_TOUCH, key);

        touch.holder = rig->holder;
        return touch;
}

struct cmi_session_request plane_rig_destroy(struct plane_rig *rig, uint32_t key)
{
        return request(rig, CMI_SESSION_DESTROY, key);
}

struct cmi_session_request plane_rig_principal(struct plane_rig *rig, uint8_t principal)
{
        struct cmi_session_request end = request(rig, CMI_SESSION_DESTROY_PRINCIPAL, 0);

        end.key = (struct cmi_id){{0}};
        end.principal = (struct cmi_id){{principal}};
        return end;
}

struct cmi_session_request plane_rig_rotate(
                struct plane_rig *rig, uint32_t key, uint32_t new_key, const char *text)
{
        struct cmi_session_request rotate = plane_rig_save(rig, key, text);

        rotate.verb = CMI_SESSION_ROTATE;
        rotate.new_key = plane_rig_key(new_key);
        return rotate;
}

int plane_rig_send_as(
                struct plane_rig *rig, uint64_t client, const struct cmi_session_request *request)
{
        const struct plane_caller caller = {client, request->request, rig->user};
        uint32_t n = rig->n_answers;

        /* The whole of it lies where its first part does. */
        plane_request(rig->plane, rig->now, &caller, request,
                        cmi_session_has_blob(request->verb)
                                        ? cmi_slice(request->blob.data, (size_t)request->blob_len)
                                        : cmi_slice(NULL, 0));
        return rig->n_answers > n && rig->answer.outcome == CMI_E_BUSY ? CMI_E_BUSY : 0;
}

int plane_rig_send(struct plane_rig *rig, const struct cmi_session_request *request)
{
        return plane_rig_send_as(rig, 1, request);
}

int64_t plane_rig_ask(struct plane_rig *rig, struct cmi_session_request request)
{
        uint32_t n = rig->n_answers;
        int r = cmi_session_request_check(&request);

        assert(r == 0);
        plane_rig_send(rig, &request);
        assert(r == 0 && rig->n_answers == n + 1);
        (void)r;
        (void)n;
        return rig->answer.outcome;
}

bool plane_rig_has(const struct plane_rig *rig, const char *text)
{
        return cmi_slice_equal(rig->answer.blob, cmi_slice_str(text));
}
