/* SPDX-License-Identifier: MIT */
/*
 * cachemesh-demo: starts the app, keeps its connection to meshd alive, stops on a signal. What it
 * serves is decided by route.c.
 */
#include "demo-app/app.h"
#include "demo-app/http.h"
#include "demo-app/options.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EXIT_USAGE 64

/* Before any thread starts: all inherit the mask, and only the descriptor gets the signals. */
static int open_signals(void)
{
        sigset_t signals;
        int fd;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

static void log_events(struct cm *cm)
{
        static const char *const modes[] = {[CM_LIVE] = "live",
                        [CM_BYPASS] = "bypass",
                        [CM_OFFLINE] = "offline",
                        [CM_STANDALONE] = "standalone"};
        struct cm_event event;

        while (cm_next_event(cm, &event) == 0) {
                fprintf(stderr, "event=mesh kind=%d mode=%s detail=\"%s\"\n", (int)event.kind,
                                modes[event.mode], event.detail);
        }
}

/* Until a signal comes: the library's events, and with them reconnection as
 * soon as meshd is back. */
static int run(struct cm *cm, int signals)
{
        struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {0}};

        while (true) {
                fds[1] = (struct pollfd){.fd = cm_fd(cm), .events = (short)cm_events(cm)};
                if (poll(fds, 2, cm_timeout_ms(cm)) < 0 && errno != EINTR) {
                        return -errno;
                }
                if (fds[0].revents) {
                        return 0;
                }
                cm_dispatch(cm);
                log_events(cm);
        }
}

/* Others link to this node as soon as they know its port. */
static int announce(const struct app *app, uint16_t port)
{
        struct cache_report report;
        int r = store_add_node(app->store, app->node, port);

        if (r == 0) {
                printf("node=%s port=%" PRIu16 "\n", app->node, port);
                printf("http://127.0.0.1:%" PRIu16 "/\n", port);
                fflush(stdout);
                cache_publish_nodes(app->cache, &report);
        }
        return r;
}

static int serve(const struct app *app, const struct options *options, int signals)
{
        struct http *http = NULL;
        uint16_t port = 0;
        int r = http_start(&http, app, options->port, &port);

        if (r < 0) {
                fprintf(stderr, "cachemesh-demo: port %" PRIu16 " of 127.0.0.1: %s.\n",
                                options->port, strerror(-r));
                return r;
        }
        r = announce(app, port);
        if (r == 0) {
                r = run(cache_handle(app->cache), signals);
        }
        http_stop(http);
        return r;
}

/* 0, also if the app does without. */
static int open_logins(struct app *app, const struct options *options)
{
        struct login_options login_options = {.node = options->node,
                        .key_file = options->session_keys,
                        .idle_ms = options->idle_ms,
                        .life_ms = options->life_ms};
        int r = options->has_logins
                                ? login_open(&app->logins, cache_handle(app->cache), &login_options)
                                : 0;

        if (r < 0) {
                fprintf(stderr,
                                "cachemesh-demo: cannot open the sessions: %s (%s). "
                                "--new-session-keys makes a key ring, --no-login does without.\n",
                                cm_strerror(r), cm_error_detail(NULL));
        }
        return r;
}

static int start(const struct options *options, int signals)
{
        struct cache_options cache_options = {.socket = options->socket,
                        .name = options->node,
                        .is_standalone = options->is_standalone,
                        .is_publishing = options->is_publishing};
        struct app app = {.node = options->node, .is_cookie_secure = options->is_cookie_secure};
        int r = store_open(&app.store, options->db);

        if (r < 0) {
                fprintf(stderr, "cachemesh-demo: cannot use the database %s.\n", options->db);
                return r;
        }
        r = cache_open(&app.cache, app.store, &cache_options);
        if (r < 0) {
                fprintf(stderr, "cachemesh-demo: cannot open the cache: %s.\n", cm_strerror(r));
        } else if ((r = open_logins(&app, options)) == 0) {
                r = serve(&app, options, signals);
        }
        login_close(app.logins);
        cache_close(app.cache);
        store_close(app.store);
        return r;
}

static int make_keys(const char *path)
{
        int r = cm_session_keys_new(path);

        if (r < 0) {
                fprintf(stderr, "cachemesh-demo: cannot make the key ring %s: %s.\n", path,
                                cm_strerror(r));
        }
        return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
        struct options options;
        int signals;

        if (options_read(&options, argc, argv) < 0) {
                return EXIT_USAGE;
        }
        if (options.is_help) {
                options_print_help();
                return 0;
        }
        if (options.new_session_keys) {
                return make_keys(options.new_session_keys);
        }
        signals = open_signals();
        if (signals < 0) {
                fprintf(stderr, "cachemesh-demo: signalfd: %s.\n", strerror(-signals));
                return 1;
        }
        return start(&options, signals) < 0 ? 1 : 0;
}
