/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/discover.h"

#include "discovery/beacon_seal.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void on_timer(uv_timer_t *timer);

/* What works and what does not, told when it changes. */
static void note_state(struct discover *discover, const char *text, enum logger_level level)
{
        if (strcmp(discover->text, text) != 0) {
                snprintf(discover->text, sizeof(discover->text), "%s", text);
                logger(level, "multicast.state", L_TEXT("state", text));
        }
}

static void look_at_links(struct discover *discover)
{
        char advice[MULTICAST_ADVICE_SIZE] = "";
        struct multicast_status status;
        bool is_working = false;

        multicast_get_status(discover->multicast, &status);
        for (size_t i = 0; i < status.n_links; i++) {
                if (status.links[i].is_joined && status.links[i].error == 0) {
                        is_working = true;
                } else if (!advice[0]) {
                        multicast_advise(&status.links[i], advice);
                }
        }
        if (is_working) {
                note_state(discover, "on", LOGGER_INFO);
        } else {
                note_state(discover, advice[0] ? advice : "no interface takes part",
                                LOGGER_WARNING);
        }
}

static void send_beacon(struct discover *discover)
{
        uint8_t bytes[BEACON_SIZE_MAX];
        size_t size;
        int r;

        discover->beacon.counter++;
        r = discover->ring ? beacon_seal(&discover->beacon, key_ring_used(discover->ring)->beacon,
                                             bytes, &size)
                           : beacon_encode(&discover->beacon, bytes, &size);
        if (r != BEACON_OK) {
                logger(LOGGER_WARNING, "beacon.own", L_TEXT("error", beacon_error_text(r)),
                                L_TEXT("msg", "others cannot find this node: see --advertise"));
                return;
        }
        r = multicast_send(discover->multicast, bytes, size);
        discover->counters.beacons_sent += r > 0 ? (uint64_t)r : 0;
        look_at_links(discover);
}

/* Dialling */

/* A link there exists already: to whom? */
static bool find_linked(const struct discover *discover, struct cmi_time now,
                const struct cmi_endpoint *endpoint, struct cmi_id *ret_id)
{
        struct core_member member;

        for (uint32_t i = 0; core_member(discover->core, now, i, &member) == 0; i++) {
                if (member.has_link && member.is_heard &&
                                cmi_endpoint_equal(&member.endpoint, endpoint)) {
                        *ret_id = member.id;
                        return true;
                }
        }
        return false;
}

static void dial(
                struct discover *discover, const struct candidate_dial *wanted, struct cmi_time now)
{
        struct cmi_id id;
        int r = core_connect(discover->core, now, &wanted->endpoint);

        if (r == -EALREADY && find_linked(discover, now, &wanted->endpoint, &id)) {
                candidate_table_connected(&discover->table, wanted->slot, &id);
                return;
        }
        if (r < 0) {
                candidate_table_failed(
                                &discover->table, wanted->slot, CANDIDATE_UNREACHABLE, now.mono_ns);
                return;
        }
        logger(LOGGER_DEBUG, "peer.dial", L_ENDPOINT("address", &wanted->endpoint));
}

static void dial_all(struct discover *discover, struct cmi_time now)
{
        struct candidate_dial wanted;

        while (candidate_table_next_dial(&discover->table, now.mono_ns, &wanted)) {
                dial(discover, &wanted, now);
        }
}

/* Timer */

static uint64_t earlier(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static void arm(struct discover *discover)
{
        struct cmi_time now = clock_now();
        uint64_t due_ns = candidate_table_deadline(&discover->table);
        uint64_t ms;

        if (discover->multicast) {
                due_ns = earlier(due_ns,
                                schedule_deadline(&discover->schedule,
                                                candidate_table_is_missing(&discover->table)));
        }
        if (discover->config->is_multicast) {
                due_ns = earlier(due_ns, discover->refreshed_ns + cmi_ms(MULTICAST_REFRESH_MS));
        }
        discover->is_changed = false;
        if (due_ns == UINT64_MAX) {
                uv_timer_stop(&discover->timer);
                return;
        }
        ms = due_ns > now.mono_ns ? (due_ns - now.mono_ns) / CMI_NS_PER_MS + 1 : 0;
        uv_update_time(&discover->poller->uv);
        /* Not later than a second: a member that goes missing makes beacons come earlier. */
        uv_timer_start(&discover->timer, on_timer, earlier(ms, 1000), 0);
}

void discover_turn(struct discover *discover)
{
        if (discover->is_changed) {
                arm(discover);
        }
}

/* Multicast */

/*
 * A later process beacons with this node's id: a copy of the state directory. It is dialled, since
 * only our HELLO tells it so; a beacon alone removes nobody.
 */
static void tell_copy(struct discover *discover, const struct beacon *beacon,
                const struct multicast_datagram *datagram)
{
        struct cmi_endpoint endpoints[BEACON_ENDPOINTS_MAX];

        logger(LOGGER_WARNING, "beacon.clone", L_ENDPOINT("source", &datagram->source),
                        L_TEXT("msg", "another node uses this node's id: start the copy with "
                                      "--new-identity"));
        if (address_filter_pick(&discover->table.filter, beacon, &datagram->source,
                            datagram->ifindex, endpoints) > 0) {
                (void)core_connect(discover->core, clock_now(), &endpoints[0]);
        }
}

/* By any key of the ring: while keys are exchanged others may use another one. */
static bool is_sealed(const struct discover *discover, const struct beacon *beacon,
                const struct multicast_datagram *datagram)
{
        if (!discover->ring) {
                return !beacon->has_mac;
        }
        for (uint32_t i = 0; i < discover->ring->file.n_keys; i++) {
                if (beacon_is_sealed(datagram->bytes, beacon, discover->ring->entries[i].beacon)) {
                        return true;
                }
        }
        return false;
}

static int read_beacon(const struct discover *discover, const struct multicast_datagram *datagram,
                struct beacon *ret_beacon)
{
        int r = beacon_decode(datagram->bytes, datagram->size, discover->beacon.mesh, ret_beacon);

        if (r == BEACON_OK && !is_sealed(discover, ret_beacon, datagram)) {
                r = BEACON_BAD_SEAL;
                logger(LOGGER_WARNING, "beacon.forged", L_ENDPOINT("source", &datagram->source),
                                L_TEXT("msg", discover->ring ? "a beacon of this mesh without "
                                                               "a key of it was ignored"
                                                             : "a beacon of a node with a mesh "
                                                               "key was ignored: this node has "
                                                               "none, see --key"));
        }
        return r;
}

/* For meshctl doctor. */
static void note_outsider(
                struct discover *discover, int error, const struct multicast_datagram *datagram)
{
        if (error == BEACON_FOREIGN) {
                discover->counters.foreign_ns = clock_read_ns(CLOCK_MONOTONIC);
                discover->counters.foreign_source = datagram->source;
        } else if (error == BEACON_BAD_SEAL) {
                discover->counters.bad_seal_ns = clock_read_ns(CLOCK_MONOTONIC);
                discover->counters.bad_seal_source = datagram->source;
        }
}

static void on_datagrams(uv_poll_t *handle, int status, int events)
{
        struct discover *discover = handle->data;

        for (int i = 0; i < DISCOVER_DATAGRAMS_PER_TURN; i++) {
                struct multicast_datagram datagram;
                struct beacon beacon;
                int r;

                if (!multicast_receive(discover->multicast, &datagram)) {
                        return;
                }
                discover->counters.received++;
                discover->is_changed = true;
                r = read_beacon(discover, &datagram, &beacon);
                discover->counters.errors[r]++;
                if (r != BEACON_OK) {
                        note_outsider(discover, r, &datagram);
                        continue;
                }
                if (cmi_id_compare(&beacon.id, &discover->beacon.id) != 0) {
                        discover->counters.others_ns = clock_read_ns(CLOCK_MONOTONIC);
                }
                r = candidate_table_feed(&discover->table, &beacon, &datagram.source,
                                datagram.ifindex, clock_read_ns(CLOCK_MONOTONIC));
                if (r == CANDIDATE_RESTARTED) {
                        /* Perhaps at another place: the link to the old one leads nowhere. */
                        candidate_table_disconnected(&discover->table, &beacon.id,
                                        clock_read_ns(CLOCK_MONOTONIC));
                } else if (r == CANDIDATE_CLONE) {
                        tell_copy(discover, &beacon, &datagram);
                } else if (r == CANDIDATE_ADDED) {
                        logger(LOGGER_DEBUG, "beacon.new", L_ID("id", &beacon.id),
                                        L_ENDPOINT("address", &beacon.endpoints[0]));
                }
        }
}

static void refresh(struct discover *discover)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        discover->refreshed_ns = now_ns;
        if (multicast_refresh(discover->multicast) > 0) {
                schedule_restart(&discover->schedule, now_ns);
        }
        look_at_links(discover);
        discover->is_changed = true;
}

static void on_watch(uv_poll_t *handle, int status, int events)
{
        struct discover *discover = handle->data;

        if (multicast_take_changes(discover->multicast)) {
                refresh(discover);
        }
}

static void watch(struct discover *discover)
{
        multicast_get_fds(discover->multicast, discover->fds);
        for (int i = 0; i < DISCOVER_FDS; i++) {
                uv_poll_t *poll = &discover->polls[discover->n_polls];

                if (discover->fds[i] < 0 ||
                                uv_poll_init(&discover->poller->uv, poll, discover->fds[i]) < 0) {
                        continue;
                }
                poll->data = discover;
                discover->n_polls++;
                poller_watch(discover->poller, poll, UV_READABLE,
                                i < DISCOVER_FDS - 1 ? on_datagrams : on_watch);
        }
}

/* Nothing leaves this host without a key; and nothing need, if nobody could connect from there. */
static bool is_loopback_only(const struct discover *discover)
{
        for (int i = 0; discover->ring && i < discover->beacon.n_endpoints; i++) {
                if (!cmi_endpoint_is_loopback(&discover->beacon.endpoints[i])) {
                        return false;
                }
        }
        return discover->config->interface[0] == '\0' || !discover->ring;
}

static void open_multicast(struct discover *discover)
{
        const struct config *config = discover->config;
        const char *interface = config->interface;
        bool is_v6 = strchr(config->group, ':') != NULL;
        struct multicast_options options = {
                        .port = (uint16_t)config->port,
                        .is_loopback_only = is_loopback_only(discover),
                        .interfaces = &interface,
                        .n_interfaces = interface[0] != '\0',
        };
        char text[MULTICAST_ADVICE_SIZE];
        int r;

        if (config->group[0]) {
                options.group4 = is_v6 ? "" : config->group;
                options.group6 = is_v6 ? config->group : "";
        }
        discover->refreshed_ns = clock_read_ns(CLOCK_MONOTONIC);
        discover->is_changed = true;
        r = multicast_open(&options, &discover->multicast);
        if (r < 0) {
                snprintf(text, sizeof(text), "UDP port %u: %s; trying again", options.port,
                                strerror(-r));
                note_state(discover, text, LOGGER_WARNING);
                return;
        }
        watch(discover);
        schedule_restart(&discover->schedule, discover->refreshed_ns);
        look_at_links(discover);
}

static void on_timer(uv_timer_t *timer)
{
        struct discover *discover = timer->data;
        struct cmi_time now = clock_now();

        if (discover->config->is_multicast &&
                        now.mono_ns - discover->refreshed_ns >= cmi_ms(MULTICAST_REFRESH_MS)) {
                if (discover->multicast) {
                        refresh(discover);
                } else {
                        open_multicast(discover);
                }
        }
        if (discover->multicast && schedule_due(&discover->schedule,
                                                   candidate_table_is_missing(&discover->table),
                                                   now.mono_ns)) {
                send_beacon(discover);
        }
        dial_all(discover, now);
        discover->is_changed = true;
}

/* Events */

static void end_dial(struct discover *discover, const struct core_event *event, uint64_t now_ns)
{
        uint32_t slot;

        if (candidate_table_find_dial(&discover->table, &event->endpoint, &slot)) {
                candidate_table_failed(&discover->table, slot,
                                event->kind == CORE_EVENT_SELF ? CANDIDATE_SELF
                                                               : CANDIDATE_UNREACHABLE,
                                now_ns);
        }
}

void discover_event(struct discover *discover, const struct core_event *event)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        /* Only what discovery cares for. */
        if (event->kind == CORE_EVENT_MET) {
                candidate_table_met(&discover->table, &event->id, &event->endpoint, now_ns);
        } else if (event->kind == CORE_EVENT_LINK_FAILED || event->kind == CORE_EVENT_SELF) {
                end_dial(discover, event, now_ns);
        } else if (event->kind == CORE_EVENT_MEMBER && event->to == MEMBER_GONE) {
                candidate_table_disconnected(&discover->table, &event->id, now_ns);
        } else if (event->kind == CORE_EVENT_MEMBER && event->to == MEMBER_LEFT) {
                candidate_table_forget(&discover->table, &event->id, now_ns);
        } else if (event->kind == CORE_EVENT_INCARNATION) {
                discover->beacon.incarnation = event->number;
                candidate_table_set_own(&discover->table, event->number, discover->beacon.endpoints,
                                discover->beacon.n_endpoints);
        }
        discover->is_changed = true;
}

/* Life */

static void add_static_peers(struct discover *discover, uint64_t now_ns)
{
        for (uint32_t i = 0; i < discover->config->n_peers; i++) {
                const struct cmi_endpoint *endpoint = &discover->config->peers[i];
                int r = candidate_table_add(
                                &discover->table, CANDIDATE_STATIC, NULL, endpoint, now_ns);

                /* -ELOOP: one list of peers for all nodes names this one too. */
                if (r < 0 && r != -ELOOP) {
                        logger(LOGGER_WARNING, "peer.unusable", L_ENDPOINT("address", endpoint),
                                        L_TEXT("error", strerror(-r)));
                }
        }
}

static void on_lookup(void *context)
{
        struct discover *discover = context;

        discover->is_changed = true;
}

static void start_lookup(struct discover *discover, uint64_t seed)
{
        struct lookup *lookup = &discover->lookup;

        lookup->poller = discover->poller;
        lookup->table = &discover->table;
        lookup->changed = on_lookup;
        lookup->context = discover;
        lookup_start(lookup, discover->config, seed);
}

void discover_add(struct discover *discover, const struct cmi_id *id,
                const struct cmi_endpoint *endpoint)
{
        candidate_table_add(&discover->table, CANDIDATE_DISK, id, endpoint,
                        clock_read_ns(CLOCK_MONOTONIC));
        discover->is_changed = true;
}

void discover_forget(struct discover *discover, const struct cmi_id *id)
{
        candidate_table_forget(&discover->table, id, clock_read_ns(CLOCK_MONOTONIC));
        discover->is_changed = true;
}

static void set_own(struct discover *discover, const struct discover_options *options)
{
        struct beacon *beacon = &discover->beacon;

        beacon->mesh = beacon_mesh_hash(options->config->mesh);
        beacon->id = options->id;
        beacon->incarnation = options->incarnation;
        beacon->n_endpoints = (uint8_t)options->n_advertised;
        memcpy(beacon->endpoints, options->advertised,
                        options->n_advertised * sizeof(*options->advertised));
        candidate_table_set_loopback_only(&discover->table, options->ring == NULL);
        candidate_table_set_own(&discover->table, options->incarnation, options->advertised,
                        beacon->n_endpoints);
}

int discover_start(struct discover *discover, const struct discover_options *options)
{
        uint32_t n_slots = 2 * (uint32_t)options->config->max_peers;
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);
        uint64_t seeds[3];

        if (getrandom(seeds, sizeof(seeds), 0) != sizeof(seeds)) {
                return -EIO;
        }
        discover->slots = calloc(n_slots, sizeof(*discover->slots));
        if (!discover->slots) {
                return -ENOMEM;
        }
        discover->poller = options->poller;
        discover->core = options->core;
        discover->config = options->config;
        discover->ring = options->ring;
        snprintf(discover->text, sizeof(discover->text), "off");
        uv_timer_init(&options->poller->uv, &discover->timer);
        discover->timer.data = discover;
        candidate_table_init(&discover->table, discover->slots, n_slots, &options->id, seeds[0]);
        set_own(discover, options);
        schedule_init(&discover->schedule, seeds[1], now_ns);
        add_static_peers(discover, now_ns);
        start_lookup(discover, seeds[2]);
        if (options->config->is_multicast) {
                open_multicast(discover);
        }
        discover->is_changed = true;
        return 0;
}

void discover_stop(struct discover *discover)
{
        for (uint32_t i = 0; i < discover->n_polls; i++) {
                uv_close((uv_handle_t *)&discover->polls[i], NULL);
        }
        discover->n_polls = 0;
        discover->is_changed = false;
        uv_close((uv_handle_t *)&discover->timer, NULL);
        lookup_stop(&discover->lookup);
        discover->multicast = multicast_free(discover->multicast);
}

void discover_deinit(struct discover *discover)
{
        free(discover->slots);
        discover->slots = NULL;
}
