/* SPDX-License-Identifier: MIT */
#include "meshd/daemon.h"

#include "discovery/peer_file.h"
#include "meshd/descriptors.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"
#include "meshd/mesh/advertise.h"
#include "meshd/mesh/port_holder.h"
#include "meshd/obituary.h"
#include "meshd/sink.h"
#include "meshd/verbs/history.h"
#include "meshd/verbs/monitor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

static int open_state(struct daemon *daemon, struct fault *fault)
{
        const struct state_dir_options options = {
                        .path = daemon->config->state_dir,
                        .mesh = daemon->config->mesh,
                        .name = daemon->config->name,
                        .unix_ms = clock_read_ns(CLOCK_REALTIME) / CMI_NS_PER_MS,
                        .is_new_identity = daemon->config->is_new_identity,
        };
        int r = state_dir_open(&daemon->state, &options, fault);

        if (r == STATE_DIR_UNSTORED) {
                logger(LOGGER_WARNING, "state.unstored", L_TEXT("error", daemon->state.why),
                                L_ID("id", &daemon->state.id),
                                L_TEXT("msg", daemon->state.is_temporary
                                                                ? "running with a temporary node "
                                                                  "id: make the directory "
                                                                  "writable, or name another one "
                                                                  "with --state-dir"
                                                                : "running; the next start may "
                                                                  "need to take a higher "
                                                                  "incarnation"));
        }
        if (r >= 0 && daemon->state.damage[0]) {
                logger(LOGGER_WARNING, "state.damaged", L_TEXT("path", daemon->config->state_dir),
                                L_TEXT("file", "incarnation"),
                                L_TEXT("error", daemon->state.damage),
                                L_UINT("incarnation", daemon->state.incarnation),
                                L_TEXT("msg", "it is made anew from the clock, and raised if "
                                              "others know a higher one: look at the disk"));
        }
        return r < 0 ? r : 0;
}

/* An incarnation is the time of a start; what the host has lost when it went down is no news. */
static bool had_stream_since_boot(const struct daemon *daemon)
{
        uint64_t up_ms = clock_read_ns(CLOCK_BOOTTIME) / CMI_NS_PER_MS;
        uint64_t now_ms = clock_read_ns(CLOCK_REALTIME) / CMI_NS_PER_MS;

        return !daemon->config->is_new_identity && daemon->state.previous > now_ms - up_ms;
}

/* Return: why there is nothing to be gone on with, and nothing that is damaged; NULL: all is well,
 * or log_open() knows more. */
static const char *reason_of_file(const struct daemon *daemon, int opened)
{
        if (daemon->log_file.dropped != 0) {
                return "it has another length: it was cut, or --log-bytes has changed";
        }
        if (daemon->log_file.fd < 0 || opened != LOG_CREATED ||
                        log_loss(&daemon->log) != LOG_LOST_NOTHING) {
                return NULL;
        }
        if (!daemon->log_file.is_new) {
                return "it is empty";
        }
        return had_stream_since_boot(daemon) ? "it is gone" : NULL;
}

/* @opened: by log_open() */
static void tell_lost_stream(const struct daemon *daemon, int opened)
{
        static const char *const reasons[] = {
                        [LOG_LOST_DAMAGED] = "it is damaged",
                        [LOG_LOST_VERSION] = "a meshd of another version wrote it",
                        [LOG_LOST_NODE] = "it is of another node: this one has a new identity",
        };
        enum log_loss loss = log_loss(&daemon->log);
        const char *reason = reason_of_file(daemon, opened);

        if (!reason) {
                reason = reasons[loss];
        }
        if (reason) {
                logger(LOGGER_WARNING, "stream.lost", L_TEXT("path", daemon->log_file.path),
                                L_TEXT("error", reason),
                                L_TEXT("msg", "a new stream begins: others may forget what they "
                                              "cached, and positions begin anew"));
        }
}

static void tell_lost_intents(const struct daemon *daemon)
{
        if (core_intents_are_damaged(daemon->core)) {
                logger(LOGGER_WARNING, "stream.lost", L_TEXT("path", daemon->log_file.path),
                                L_TEXT("error", "its part for write intents is damaged, or of "
                                                "another version"),
                                L_TEXT("msg", "writes that were open count as ended here, unless "
                                              "another node tells of them: see meshctl intents"));
        }
}

static int open_log(struct daemon *daemon, struct fault *fault)
{
        const struct config *config = daemon->config;
        uint64_t stream;
        int r = log_file_open(&daemon->log_file, config->runtime_dir, config->socket,
                        config->log_bytes + sizeof(struct intent_memory), fault);

        if (r < 0) {
                return r;
        }
        if (r == LOG_FILE_VOLATILE) {
                logger(LOGGER_WARNING, "stream.volatile", L_TEXT("error", daemon->log_file.why),
                                L_TEXT("msg", "the stream is kept in memory only: after a crash "
                                              "the others forget what they cached; see "
                                              "--runtime-dir"));
        }
        if (getrandom(&stream, sizeof(stream), 0) != sizeof(stream)) {
                return fault_set(fault, FAULT_FAILED, -EIO, "No random numbers from the kernel.");
        }
        r = log_open(&daemon->log, daemon->log_file.memory, config->log_bytes, &daemon->state.id,
                        stream | 1);
        if (r >= 0) {
                tell_lost_stream(daemon, r);
        }
        return r < 0 ? fault_set(fault, FAULT_FAILED, r, "Stream log: %s.", strerror(-r)) : r;
}

static int open_page(struct daemon *daemon, struct fault *fault)
{
        const struct cmi_page_geometry geometry = {
                        .key_slots = (uint32_t)daemon->config->key_slots,
                        .tag_slots = (uint32_t)daemon->config->tag_slots,
                        .session_slots = (uint32_t)daemon->config->session_slots,
        };

        return page_file_open(&daemon->page, &geometry, cmi_ms(daemon->config->lease_ms), fault);
}

static int open_links(struct daemon *daemon, struct fault *fault)
{
        uint32_t n_spare = daemon->n_spare + CORE_LINKS_SPARE;
        const struct links_options options = {
                        .listen = daemon->config->listen,
                        .is_port_chosen = daemon->config->is_listen_chosen,
                        .n_links = (uint32_t)daemon->config->max_peers + CORE_LINKS_SPARE,
                        .ring = daemon->keys.ring,
                        .open_max = (uint32_t)daemon->config->max_peers + CORE_LINKS_SPARE +
                                    daemon->n_spare,
                        .strangers_max =
                                        n_spare < LINK_STRANGERS_MAX ? n_spare : LINK_STRANGERS_MAX,
        };
        int r = links_open(&daemon->links, &options, fault);

        if (r < 0) {
                return r;
        }
        daemon->keys.links = &daemon->links;
        daemon->keys.loop = &daemon->poller.uv;
        daemon->n_advertised = daemon->config->n_advertise;
        memcpy(daemon->advertised, daemon->config->advertise, sizeof(daemon->advertised));
        if (daemon->n_advertised == 0) {
                daemon->n_advertised = advertise_list(&daemon->links.bound, daemon->advertised);
        }
        return 0;
}

/*
 * A node that knows nobody, since its state directory was lost, may be cut off from one that still
 * relies on being counted by it. For tests it may be said that it is not.
 */
static uint64_t alone_ns(const struct daemon *daemon, const struct core_options *options)
{
        uint64_t told[] = {options->gone_ns, options->before_gone_ns, log_gone_ns(&daemon->log)};
        uint64_t longest = options->alone_ns;

        for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
                longest = told[i] > longest ? told[i] : longest;
        }
        if (daemon->config->alone_ms) {
                return cmi_ms(daemon->config->alone_ms);
        }
        return longest < cmi_ms(CORE_GONE_MAX_MS) ? longest : cmi_ms(CORE_GONE_MAX_MS);
}

static struct core_options make_core_options(const struct daemon *daemon, bool is_clean)
{
        const struct config *config = daemon->config;
        struct core_options options = core_options_default();
        uint64_t before_ms = state_dir_lease(&daemon->state);
        uint64_t told_ms = state_dir_gone(&daemon->state);

        options.node_id = daemon->state.id;
        options.incarnation = daemon->state.incarnation;
        options.name = config->name;
        options.mesh = config->mesh;
        options.software = SERVICE_SOFTWARE;
        memcpy(options.endpoints, daemon->advertised, sizeof(options.endpoints));
        options.n_endpoints = daemon->n_advertised;
        options.max_peers = (uint32_t)config->max_peers;
        options.lease_ns = cmi_ms(config->lease_ms);
        options.gone_ns = cmi_ms(config->gone_ms);
        options.start_ns = config->start_ms ? cmi_ms(config->start_ms) : options.start_ns;
        options.is_clean = is_clean;
        options.is_obituary = config->is_obituary;
        options.before_ns = cmi_ms(before_ms < CORE_LEASE_MAX_MS ? before_ms : CORE_LEASE_MAX_MS);
        options.before_gone_ns = cmi_ms(told_ms < CORE_GONE_MAX_MS ? told_ms : CORE_GONE_MAX_MS);
        options.alone_ns = alone_ns(daemon, &options);
        options.intents = (struct intent_memory *)((char *)daemon->log_file.memory +
                                                   config->log_bytes);
        return options;
}

static int make_core(struct daemon *daemon, bool is_clean, struct fault *fault)
{
        const struct core_sink sink = sink_make(daemon);
        struct core_options options = make_core_options(daemon, is_clean);
        struct cmi_page_view view = cmi_page_view(daemon->page.page);

        if (getrandom(&options.random, sizeof(options.random), 0) != sizeof(options.random)) {
                return fault_set(fault, FAULT_FAILED, -EIO, "No random numbers from the kernel.");
        }
        daemon->core_size = core_size(&options);
        daemon->core_memory = mmap(NULL, daemon->core_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (daemon->core_memory == MAP_FAILED) {
                daemon->core_memory = NULL;
                return fault_set(fault, FAULT_FAILED, -ENOMEM,
                                "No memory for %llu peers: lower --max-peers.",
                                (unsigned long long)options.max_peers);
        }
        daemon->core = core_init(
                        daemon->core_memory, &options, &sink, &view, &daemon->log, clock_now());
        return 0;
}

static void on_forgotten(void *context, const struct cmi_id *id)
{
        struct daemon *daemon = context;

        peer_store_note(&daemon->peers);
        if (daemon->loop.discover) {
                discover_forget(daemon->loop.discover, id);
        }
}

static int make_service(struct daemon *daemon, struct fault *fault)
{
        struct service *service = &daemon->service;

        service->core = daemon->core;
        service->local = &daemon->local;
        service->config = daemon->config;
        service->state = &daemon->state;
        service->page = &daemon->page;
        service->links = &daemon->links;
        service->keys = &daemon->keys;
        service->advertised = daemon->advertised;
        service->n_advertised = daemon->n_advertised;
        service->daemon = daemon;
        service->forgotten = on_forgotten;
        service->context = daemon;
        if (service_init(service) < 0 || inquiries_new(&service->inquiries, service) < 0 ||
                        monitor_new(&service->monitor, service) < 0 ||
                        history_new(&service->history, &daemon->page.page->apply_seq) < 0) {
                return fault_set(fault, FAULT_FAILED, -ENOMEM, "No memory for the local socket.");
        }
        /* Before the first app is answered. */
        collector_start(&daemon->collector, &daemon->poller, daemon->core, daemon->config->socket);
        return 0;
}

static int open_local(struct daemon *daemon, struct fault *fault)
{
        const struct local_handler handler = service_handler(&daemon->service);

        if (local_open(&daemon->local, &daemon->poller, (uint32_t)daemon->config->max_clients,
                            &handler) < 0) {
                return fault_set(fault, FAULT_FAILED, -ENOMEM, "No memory for the local socket.");
        }
        return 0;
}

static int start_discovery(struct daemon *daemon, struct fault *fault)
{
        const struct discover_options options = {
                        .poller = &daemon->poller,
                        .core = daemon->core,
                        .config = daemon->config,
                        .ring = daemon->keys.ring,
                        .id = daemon->state.id,
                        .incarnation = daemon->state.incarnation,
                        .advertised = daemon->advertised,
                        .n_advertised = daemon->n_advertised,
        };

        if (discover_start(&daemon->discover, &options) < 0) {
                return fault_set(fault, FAULT_FAILED, -ENOMEM, "No memory for discovery.");
        }
        daemon->loop.discover = &daemon->discover;
        return 0;
}

/* Those of an earlier life are to be met, or to be found gone, before this node serves. */
static int load_peers(struct daemon *daemon, struct fault *fault)
{
        int n = peer_store_start(&daemon->peers, &daemon->poller, daemon->core, &daemon->state,
                        2 * CORE_PEERS_MAX); /* it may have been more than now */

        if (n < 0) {
                return fault_set(fault, FAULT_FAILED, n, "No memory for the list of peers.");
        }
        for (int i = 0; i < n; i++) {
                const struct peer_file_entry *entry = peer_store_get(&daemon->peers, (uint32_t)i);

                core_remember(daemon->core, clock_now(), &entry->id, entry->name, &entry->endpoint);
                discover_add(&daemon->discover, &entry->id, &entry->endpoint);
        }
        return 0;
}

static int make_loop(struct daemon *daemon, struct fault *fault)
{
        struct loop *loop = &daemon->loop;

        loop->poller = &daemon->poller;
        loop->core = daemon->core;
        loop->links = &daemon->links;
        loop->local = &daemon->local;
        loop->inquiries = daemon->service.inquiries;
        loop->loads = daemon->service.loads;
        loop->sessions = daemon->service.sessions;
        if (loop_init(loop) < 0) {
                return fault_set(fault, FAULT_FAILED, -ENOMEM, "No memory for the loop.");
        }
        return 0;
}

static void on_signal(uv_signal_t *handle, int number)
{
        struct daemon *daemon = handle->data;

        if (number == SIGHUP) {
                logger(LOGGER_INFO, "meshd.hangup",
                                L_TEXT("msg", "nothing to read again: the configuration is in "
                                              "flags and environment"));
                return;
        }
        if (daemon->is_ending) {
                _exit(FAULT_FAILED);
        }
        logger(LOGGER_INFO, "meshd.stopping", L_INT("signal", number));
        daemon->is_ending = true;
}

static void watch_signals(struct daemon *daemon)
{
        static const int numbers[DAEMON_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

        signal(SIGPIPE, SIG_IGN);
        for (int i = 0; i < DAEMON_SIGNALS; i++) {
                uv_signal_init(&daemon->poller.uv, &daemon->signals[i]);
                daemon->signals[i].data = daemon;
                uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
        }
        daemon->poller.is_changed = true;
}

/* In this order: what others may hold first, so that a start that cannot
 * succeed disturbs nobody. */
static int start(struct daemon *daemon, struct fault *fault)
{
        bool is_clean;
        int r = descriptors_take(daemon->config, &daemon->n_spare, fault);

        r = r < 0 ? r : keys_open(&daemon->keys, daemon->config->key, fault);
        r = r < 0 ? r : socket_file_open(&daemon->local.file, daemon->config->socket, fault);
        r = r < 0 ? r : open_state(daemon, fault);
        r = r < 0 ? r : open_links(daemon, fault);
        r = r < 0 ? r : open_log(daemon, fault);
        if (r < 0) {
                return r;
        }
        /* Is no app served by an earlier page of ours, with a lease that still runs or without? */
        is_clean = r == LOG_CONTINUED && log_was_closed(&daemon->log);
        r = daemon->config->is_obituary ? obituary_check(&daemon->log, r, fault) : 0;
        if (r != 0) {
                return r;
        }
        r = open_page(daemon, fault);
        r = r < 0 ? r : make_core(daemon, is_clean, fault);
        if (r == 0) {
                tell_lost_intents(daemon);
                sink_store_lease(daemon, log_lease_ns(&daemon->log) / CMI_NS_PER_MS);
                sink_store_gone(daemon, log_gone_ns(&daemon->log) / CMI_NS_PER_MS);
        }
        r = r < 0 ? r : make_service(daemon, fault);
        r = r < 0 ? r : open_local(daemon, fault);
        r = r < 0 ? r : make_loop(daemon, fault);
        r = r < 0 ? r : start_discovery(daemon, fault);
        return r < 0 ? r : load_peers(daemon, fault);
}

int daemon_start(struct daemon *daemon, const struct config *config, struct fault *fault)
{
        int r;

        daemon->config = config;
        daemon->local.file = (struct socket_file){.lock = -1, .fd = -1};
        daemon->state = (struct state_dir){.fd = -1, .lock = -1};
        daemon->links.listener.fd = -1;
        logger_start((enum logger_level)config->log_level, config->name);
        if (uv_loop_init(&daemon->poller.uv) < 0) {
                return fault_set(fault, FAULT_FAILED, -ENOMEM, "No event loop from the kernel.");
        }
        watch_signals(daemon);
        r = start(daemon, fault);
        if (r != 0) {
                socket_file_close(&daemon->local.file);
                links_close(&daemon->links, 0);
                keys_close(&daemon->keys);
                return r;
        }
        port_holder_warn(&daemon->links.bound);
        if (config->is_obituary) {
                return 0;
        }
        logger(LOGGER_INFO, "meshd.ready", L_TEXT("software", SERVICE_SOFTWARE),
                        L_TEXT("mesh", config->mesh), L_ID("id", &daemon->state.id),
                        L_UINT("incarnation", daemon->state.incarnation),
                        L_ENDPOINT("listen", &daemon->links.bound),
                        L_TEXT("key", daemon->keys.ring ? key_ring_used(daemon->keys.ring)
                                                                          ->fingerprint
                                                        : NULL),
                        L_TEXT("socket", config->socket),
                        L_TEXT("multicast", daemon->discover.text),
                        L_UINT("position", log_newest(&daemon->log)));
        return 0;
}

/*
 * What an app had sent counts also if it has ended since (CM_WAIT_NONE), and nobody would say it
 * again. The others do say again what was not answered: a busy one keeps nobody from ending.
 */
static void drain(struct daemon *daemon)
{
        const struct local *local = &daemon->local;
        uint64_t begin_ns = clock_read_ns(CLOCK_MONOTONIC);
        uint64_t before, max_ms;

        do {
                before = local->counters.bytes_in + local->counters.requests;
                loop_turn(&daemon->loop, 1);
                max_ms = local->n_ended > 0 ? DAEMON_ENDED_MS : DAEMON_DRAIN_MS;
        } while ((local->counters.bytes_in + local->counters.requests != before ||
                                 local->n_held > 0 || local->n_ended > 0) &&
                        clock_read_ns(CLOCK_MONOTONIC) - begin_ns < cmi_ms(max_ms));
        if (local->n_ended > 0) {
                logger(LOGGER_WARNING, "meshd.undrained",
                                L_TEXT("msg", "not all that ended apps had sent was published"),
                                L_UINT("apps", local->n_ended));
        }
}

static void flush(struct daemon *daemon)
{
        uint64_t end_ns = clock_read_ns(CLOCK_MONOTONIC) + cmi_ms(DAEMON_FLUSH_MS);
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        while (!core_is_flushed(daemon->core) && now_ns < end_ns) {
                loop_turn(&daemon->loop, (int)((end_ns - now_ns) / CMI_NS_PER_MS) + 1);
                now_ns = clock_read_ns(CLOCK_MONOTONIC);
        }
        if (!core_is_flushed(daemon->core)) {
                logger(LOGGER_WARNING, "meshd.unflushed",
                                L_TEXT("msg", "not every node has acknowledged everything; the "
                                              "stream goes on when this node starts again"));
        }
}

static void release(struct daemon *daemon)
{
        peer_store_stop(&daemon->peers);
        discover_stop(&daemon->discover);
        daemon->loop.discover = NULL;
        local_close(&daemon->local);
        for (int i = 0; i < DAEMON_SIGNALS; i++) {
                uv_close((uv_handle_t *)&daemon->signals[i], NULL);
        }
        uv_run(&daemon->poller.uv, UV_RUN_DEFAULT);
        uv_loop_close(&daemon->poller.uv);
        local_deinit(&daemon->local);
        discover_deinit(&daemon->discover);
        peer_store_deinit(&daemon->peers);
        loop_deinit(&daemon->loop);
        daemon->service.inquiries = inquiries_free(daemon->service.inquiries);
        daemon->service.monitor = monitor_free(daemon->service.monitor);
        daemon->service.history = history_free(daemon->service.history);
        service_deinit(&daemon->service);
        links_close(&daemon->links, DAEMON_LINGER_MS);
        keys_close(&daemon->keys);
        page_file_close(&daemon->page);
        log_file_close(&daemon->log_file);
        state_dir_close(&daemon->state);
        munmap(daemon->core_memory, daemon->core_size);
}

/* The lease ends before anything is closed: from then on no app of this node gets a hit. */
static void end(struct daemon *daemon)
{
        bool is_in_order;

        drain(daemon);
        collector_stop(&daemon->collector);
        core_stop(daemon->core, clock_now());
        local_stop(&daemon->local);
        flush(daemon);
        is_in_order = core_goodbye(daemon->core, clock_now());
        local_flush(&daemon->local);
        if (is_in_order) {
                log_close(&daemon->log);
        }
        logger(LOGGER_INFO, "meshd.stopped", L_UINT("position", log_newest(&daemon->log)));
        release(daemon);
}

int daemon_run(struct daemon *daemon)
{
        int status = daemon->config->is_obituary ? obituary_wait(daemon) : 0;

        while (!daemon->is_ending && !daemon->config->is_obituary) {
                loop_turn(&daemon->loop, -1);
        }
        end(daemon);
        return status;
}
