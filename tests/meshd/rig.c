/* SPDX-License-Identifier: MIT */
#include "tests/meshd/rig.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_SIZE LOG_SIZE_MIN

static const struct cmi_page_geometry geometry = {4096, 256, 256};

#define PORT 1000
#define PORTS_A_MOVE 100

static struct cmi_endpoint endpoint_of(const struct rig_node *node, uint32_t address)
{
        return (struct cmi_endpoint){.family = 4,
                        .port = (uint16_t)(PORT + node->number + PORTS_A_MOVE * node->n_moves),
                        .address = {127, 0, 0, (uint8_t)(address + 1)}};
}

static int on_dial(void *context, uint32_t link, const struct cmi_endpoint *endpoint)
{
        struct rig_node *node = context;

        node->link_to[link] = (endpoint->port - PORT) % PORTS_A_MOVE + 1;
        node->link_moves[link] = (endpoint->port - PORT) / PORTS_A_MOVE;
        node->link_address[link] = endpoint->address[3] - 1U;
        return 0;
}

static void on_hangup(void *context, uint32_t link)
{
        struct rig_node *node = context;

        node->link_to[link] = 0;
}

static bool leads_somewhere(const struct rig_node *node, uint32_t link)
{
        const struct rig_node *to = &node->rig->nodes[node->link_to[link] - 1];

        return to->core && to->n_moves == node->link_moves[link];
}

static int on_send(void *context, uint32_t link, struct cmi_slice header, struct cmi_slice body,
                uint64_t body_id)
{
        struct rig_node *node = context;
        struct rig *rig = node->rig;
        struct rig_frame *frame = &rig->frames[rig->n_frames];

        assert(node->link_to[link] != 0);
        if (node->is_full || !leads_somewhere(node, link)) {
                return -EAGAIN;
        }
        if (rig->nodes[node->link_to[link] - 1].is_dead[node->link_address[link]]) {
                return 0;
        }
        assert(rig->n_frames < RIG_FRAMES);
        *frame = (struct rig_frame){node->number, node->link_to[link] - 1, header.len, body.len,
                        malloc(header.len + body.len)};
        memcpy(frame->bytes, header.data, header.len);
        memcpy(frame->bytes + header.len, body.data, body.len);
        rig->n_frames++;
        return 0;
}

static void on_done(void *context, uint64_t cookie, const struct core_outcome *outcome)
{
        struct rig_node *node = context;

        node->n_done++;
        node->outcome = *outcome;
}

static void on_event(void *context, const struct core_event *event)
{
        struct rig_node *node = context;

        node->n_forgot += event->kind == CORE_EVENT_FORGOT;
        node->n_gaps += event->kind == CORE_EVENT_GAP;
        node->n_met += event->kind == CORE_EVENT_MET;
        node->n_differences += event->kind == CORE_EVENT_REGION;
        node->n_patience += event->kind == CORE_EVENT_PATIENCE;
        node->n_widened += event->kind == CORE_EVENT_WIDENED;
        if (event->kind == CORE_EVENT_EXPIRED) {
                node->n_expired++;
                snprintf(node->expired, sizeof(node->expired), "%s", event->name);
                assert(event->op->n_keys == 1);
        }
        if (event->kind == CORE_EVENT_REFUSED) {
                memcpy(node->refused, event->text, sizeof(node->refused));
        }
        if (getenv("RIG_TRACE")) {
                fprintf(stderr, "# %u: event %d %s %d->%d %s\n", node->number, event->kind,
                                event->name, event->from, event->to, event->text);
        }
}

static void on_answered(void *context, uint64_t cookie, const struct cmi_answer *answer)
{
        struct rig_node *node = context;

        node->n_answered++;
}

static void on_message(void *context, const struct cmi_id *id, uint64_t incarnation,
                struct cmi_slice message)
{
        struct rig_node *node = context;
        uint32_t *first = &node->messages[node->n_messages++ % RIG_MESSAGES];

        *first = 0;
        memcpy(first, message.data, message.len < sizeof(*first) ? message.len : sizeof(*first));
        node->message_len = message.len;
        node->message_from = *id;
        node->message_incarnation = incarnation;
}

static void on_postable(void *context, const struct cmi_id *id)
{
        struct rig_node *node = context;

        node->n_postable++;
}

static void on_applied(void *context, const char *source, uint64_t number, const struct cmi_op *op)
{
        struct rig_node *node = context;

        node->applied = *op;
}

struct rig *rig_new(uint32_t n_nodes)
{
        struct rig *rig = calloc(1, sizeof(*rig));

        rig->n_nodes = n_nodes;
        rig->now = (struct cmi_time){1000 * CMI_NS_PER_S, 5000 * CMI_NS_PER_S};
        rig->holds_max = core_options_default().holds_max;
        rig->lease_ns = 1000 * CMI_NS_PER_MS;
        for (uint32_t i = 0; i < n_nodes; i++) {
                rig->nodes[i].rig = rig;
                rig->nodes[i].number = i;
        }
        return rig;
}

void rig_kill(struct rig *rig, uint32_t number)
{
        struct rig_node *node = &rig->nodes[number];

        free(node->core);
        free(node->page);
        node->core = NULL;
        node->page = NULL;
        memset(node->link_to, 0, sizeof(node->link_to));
}

struct rig *rig_free(struct rig *rig)
{
        for (uint32_t i = 0; i < rig->n_nodes; i++) {
                rig_kill(rig, i);
                free(rig->nodes[i].log_memory);
                free(rig->nodes[i].intents);
        }
        for (uint32_t i = 0; i < rig->n_frames; i++) {
                free(rig->frames[i].bytes);
        }
        free(rig);
        return NULL;
}

static void start(struct rig *rig, uint32_t number, const char *name, bool keeps_log,
                uint32_t identity)
{
        struct rig_node *node = &rig->nodes[number];
        struct core_options options = core_options_default();
        struct cmi_page_view view;
        struct core_sink sink = {
                        .context = node,
                        .dial = on_dial,
                        .hangup = on_hangup,
                        .send = on_send,
                        .done = on_done,
                        .event = on_event,
                        .applied = on_applied,
                        .answered = on_answered,
                        .message = node->takes_none ? NULL : on_message,
                        .postable = on_postable,
        };
        char text[8];

        rig_kill(rig, number);
        if (!keeps_log || !node->log_memory) {
                free(node->log_memory);
                free(node->intents);
                node->log_memory = calloc(1, LOG_SIZE);
                node->intents = calloc(1, sizeof(*node->intents));
        }
        snprintf(text, sizeof(text), "n%u", number);
        options.node_id.bytes[0] = (uint8_t)(identity + 1);
        options.incarnation = rig->now.real_ns / CMI_NS_PER_MS;
        options.random = rig->now.mono_ns + number;
        options.name = name ? name : text;
        options.mesh = "rig";
        options.n_endpoints = node->n_addresses > 0 ? node->n_addresses : 1;
        for (uint32_t i = 0; i < options.n_endpoints; i++) {
                options.endpoints[i] = endpoint_of(node, i);
        }
        options.max_peers = rig->max_peers[number] ? rig->max_peers[number] : 8;
        options.lease_ns = rig->lease_ns;
        options.gone_ns = rig->gone_ns[number] ? rig->gone_ns[number] : 3 * rig->lease_ns;
        options.holds_max = rig->holds_max;
        options.intents = node->intents;
        log_open(&node->log, node->log_memory, LOG_SIZE, &options.node_id,
                        rig->now.mono_ns + number);
        options.is_clean = log_was_closed(&node->log);
        node->page = aligned_alloc(4096, cmi_page_size(&geometry));
        memset(node->page, 0, cmi_page_size(&geometry));
        cmi_page_init(node->page, &geometry, rig->now.mono_ns + number, 42, options.lease_ns);
        view = cmi_page_view(node->page);
        node->core = aligned_alloc(64, (core_size(&options) + 63) & ~(size_t)63);
        memset(node->core, 0, core_size(&options));
        core_init(node->core, &options, &sink, &view, &node->log, rig->now);
}

void rig_start(struct rig *rig, uint32_t number, const char *name, bool keeps_log)
{
        start(rig, number, name, keeps_log, number);
}

void rig_start_copy(struct rig *rig, uint32_t number, const char *name, uint32_t of)
{
        start(rig, number, name, false, of);
}

void rig_connect(struct rig *rig, uint32_t from, uint32_t to)
{
        struct cmi_endpoint endpoint = endpoint_of(&rig->nodes[to], 0);

        core_connect(rig->nodes[from].core, rig->now, &endpoint);
}

static bool is_lost(const struct rig *rig, const struct rig_frame *frame)
{
        struct cmi_frame_header header;

        if (rig->nodes[frame->to].cut_from & 1U << frame->from) {
                return true;
        }
        return rig->nodes[frame->from].loses_lists &&
               cmi_frame_header_decode(cmi_slice(frame->bytes, frame->header_len), &header) == 0 &&
               header.type == CMI_FRAME_MEMBERS;
}

static void deliver(struct rig *rig, const struct rig_frame *frame)
{
        struct rig_node *to = &rig->nodes[frame->to];

        if (to->core && !to->is_deaf && !rig->nodes[frame->from].is_mute && !is_lost(rig, frame)) {
                core_receive(to->core, rig->now, frame->from,
                                cmi_slice(frame->bytes, frame->header_len),
                                cmi_slice(frame->bytes + frame->header_len, frame->body_len));
        }
}

static void turn(struct rig *rig, struct rig_node *node)
{
        for (uint32_t link = 0; link < CORE_LINKS_SPARE; link++) {
                if (core_link_is_blocked(node->core, link) && !node->is_full &&
                                leads_somewhere(node, link)) {
                        core_link_writable(node->core, rig->now, link);
                }
        }
        core_tick(node->core, rig->now);
}

void rig_run(struct rig *rig, uint64_t ms)
{
        for (uint64_t i = 0; i < ms; i++) {
                uint32_t n = rig->n_frames;
                struct rig_frame frames[RIG_FRAMES];

                rig->now.mono_ns += CMI_NS_PER_MS;
                rig->now.real_ns += CMI_NS_PER_MS;
                memcpy(frames, rig->frames, n * sizeof(frames[0]));
                rig->n_frames = 0;
                for (uint32_t f = 0; f < n; f++) {
                        deliver(rig, &frames[f]);
                        free(frames[f].bytes);
                }
                for (uint32_t node = 0; node < rig->n_nodes; node++) {
                        if (rig->nodes[node].core) {
                                turn(rig, &rig->nodes[node]);
                        }
                }
        }
}

void rig_form(struct rig *rig)
{
        for (uint32_t i = 0; i < rig->n_nodes; i++) {
                rig_start(rig, i, NULL, true);
        }
        for (uint32_t i = 1; i < rig->n_nodes; i++) {
                rig_connect(rig, i, 0);
        }
        rig_run(rig, 2500);
}

static void open_region(struct rig *rig)
{
        uint32_t index;

        for (uint32_t i = 0; i < rig->n_nodes; i++) {
                if (rig->nodes[i].core) {
                        core_region(rig->nodes[i].core, cmi_slice_str("r"), &index);
                }
        }
}

int rig_publish(struct rig *rig, uint32_t node, const char *key, enum cmi_wait wait,
                uint64_t timeout_ms)
{
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        open_region(rig);
        cmi_op_write_begin(&writer, cmi_slice_str("r"), 1);
        cmi_write_bin(&writer, cmi_slice_str(key));
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, false);
        return core_publish(rig->nodes[node].core, rig->now, cmi_written(&writer), wait,
                        cmi_ms(timeout_ms), 7, NULL);
}

int rig_publish_held(struct rig *rig, uint32_t node, const char *key, uint64_t hold_ms)
{
        uint8_t buffer[256];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_head(&writer, CMI_OP_INVALIDATE, cmi_slice_str("r"), key ? 1 : 0, true);
        if (key) {
                cmi_write_bin(&writer, cmi_slice_str(key));
        }
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_end(&writer, !key);
        cmi_op_write_hold(&writer, hold_ms);
        return core_publish(rig->nodes[node].core, rig->now, cmi_written(&writer), CMI_WAIT_NODE, 0,
                        0, NULL);
}

int rig_begin(struct rig *rig, uint32_t number, struct cmi_slice key, uint64_t deadline_ms,
                struct cmi_position *ret_place)
{
        return rig_begin_held(rig, number, key, deadline_ms, 0, ret_place);
}

int rig_begin_held(struct rig *rig, uint32_t number, struct cmi_slice key, uint64_t deadline_ms,
                uint64_t hold_ms, struct cmi_position *ret_place)
{
        struct rig_node *node = &rig->nodes[number];
        uint8_t buffer[CMI_INTENT_SIZE_MAX];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        open_region(rig);
        cmi_op_write_head(&writer, CMI_OP_INTENT_BEGIN, cmi_slice_str("r"), 1, hold_ms > 0);
        cmi_write_bin(&writer, key);
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_deadline(&writer, deadline_ms);
        cmi_op_write_hold(&writer, hold_ms);
        ret_place->stream = log_stream(&node->log);
        return core_publish_for(node->core, rig->now, cmi_written(&writer), 1, CMI_WAIT_MESH, 0, 7,
                        &ret_place->number);
}

int rig_end(struct rig *rig, uint32_t node, struct cmi_slice key, struct cmi_position place)
{
        return rig_end_held(rig, node, key, place, 0);
}

int rig_end_held(struct rig *rig, uint32_t node, struct cmi_slice key, struct cmi_position place,
                uint64_t hold_ms)
{
        uint8_t buffer[CMI_INTENT_SIZE_MAX + 32];
        struct cmi_writer writer = cmi_writer(buffer, sizeof(buffer));

        cmi_op_write_head(&writer, CMI_OP_INTENT_END, cmi_slice_str("r"), 1, hold_ms > 0);
        cmi_write_bin(&writer, key);
        cmi_op_write_tags(&writer, 0);
        cmi_op_write_place(&writer, place.stream, place.number);
        cmi_op_write_hold(&writer, hold_ms);
        return core_publish(rig->nodes[node].core, rig->now, cmi_written(&writer), CMI_WAIT_NODE, 0,
                        0, NULL);
}

enum core_state rig_state(const struct rig *rig, uint32_t node)
{
        struct core_status status;

        core_status(rig->nodes[node].core, &status);
        return status.state;
}

static uint64_t stamp_of(const struct rig *rig, uint32_t node, struct cmi_slice key)
{
        struct cmi_page_view view = cmi_page_view(rig->nodes[node].page);
        uint32_t region;

        core_region(rig->nodes[node].core, cmi_slice_str("r"), &region);
        return view.keys[cmi_page_slot(
                        cmi_page_hash(view.seed, CMI_PAGE_KEY, region, key.data, key.len),
                        view.key_mask)];
}

bool rig_is_stamped(const struct rig *rig, uint32_t node, const char *key, uint64_t token)
{
        return stamp_of(rig, node, cmi_slice_str(key)) > token;
}

bool rig_is_flagged(const struct rig *rig, uint32_t node, struct cmi_slice key)
{
        return (stamp_of(rig, node, key) & CMI_PAGE_INTENT_FLAG) != 0;
}

uint64_t rig_token(const struct rig *rig, uint32_t node)
{
        return rig->nodes[node].page->apply_seq;
}

bool rig_serves(const struct rig *rig, uint32_t node)
{
        return rig->nodes[node].page->lease_end_mono_ns > rig->now.mono_ns &&
               rig->nodes[node].page->lease_end_real_ns > rig->now.real_ns;
}
