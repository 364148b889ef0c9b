/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/real_meshd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define AWAIT_US (20 * G_USEC_PER_SEC)

static void exec_meshd(const struct real_meshd *node, const char *listen)
{
        const char *program = getenv("MESHD");
        g_autofree char *lease = g_strdup_printf("%u", node->lease_ms);
        const char *arguments[32] = {program, "--socket", node->socket, "--mesh", node->mesh,
                        "--name", node->name, "--state-dir", node->directory, "--runtime-dir",
                        node->directory, "--multicast", "off", "--lease-ms", lease, "--key-slots",
                        "65536", "--tag-slots", "4096", "--session-slots", "256", "--start-ms",
                        "200", "--alone-ms", "200", "--listen", listen};
        int log = open(node->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

        if (node->peer) {
                arguments[27] = "--peer";
                arguments[28] = node->peer;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(log, STDERR_FILENO);
        execv(program, (char *const *)arguments);
        _exit(127);
}

/* "listen=127.0.0.1:PORT" of the newest start in its log; 0: not there yet. */
static unsigned logged_port(const struct real_meshd *node)
{
        g_autofree char *text = NULL;
        const char *at;

        if (!g_file_get_contents(node->log, &text, NULL, NULL)) {
                return 0;
        }
        at = g_strrstr(text, "event=meshd.ready");
        at = at ? strstr(at, "listen=127.0.0.1:") : NULL;
        return at ? (unsigned)atoi(at + strlen("listen=127.0.0.1:")) : 0;
}

static void run(struct real_meshd *node)
{
        g_autofree char *listen = g_strdup_printf("127.0.0.1:%u", node->port);
        gint64 end_us = g_get_monotonic_time() + AWAIT_US;

        unlink(node->log);
        node->pid = fork();
        if (node->pid == 0) {
                exec_meshd(node, listen);
        }
        g_assert_cmpint(node->pid, >, 0);
        while ((node->port = logged_port(node)) == 0) {
                if (g_get_monotonic_time() > end_us || waitpid(node->pid, NULL, WNOHANG) != 0) {
                        g_error("meshd does not start, see %s", node->log);
                }
                poll(NULL, 0, 1); /* its log is the only sign of its readiness */
        }
}

void real_meshd_start(struct real_meshd *node, const char *name, const struct real_meshd *other,
                unsigned lease_ms)
{
        *node = (struct real_meshd){.directory = g_dir_make_tmp("cachemesh-XXXXXX", NULL),
                        .lease_ms = lease_ms};
        node->socket = g_build_filename(node->directory, "meshd.sock", NULL);
        node->log = g_build_filename(node->directory, "log", NULL);
        node->name = g_strdup(name);
        node->mesh = other ? g_strdup(other->mesh)
                           : g_strdup_printf("client-%d-%08x", getpid(), g_random_int());
        node->peer = other ? g_strdup_printf("127.0.0.1:%u", other->port) : NULL;
        run(node);
}

void real_meshd_restart(struct real_meshd *node)
{
        run(node);
}

void real_meshd_signal(struct real_meshd *node, int signal)
{
        g_assert_cmpint(kill(node->pid, signal), ==, 0);
}

void real_meshd_kill(struct real_meshd *node)
{
        if (node->pid != 0) {
                kill(node->pid, SIGKILL);
                waitpid(node->pid, NULL, 0);
                node->pid = 0;
        }
}

/* Files, and the spool with what apps left in it. */
static void remove_directory(const char *path)
{
        g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(directory))) {
                g_autofree char *child = g_build_filename(path, name, NULL);

                if (unlink(child) < 0) {
                        remove_directory(child);
                }
        }
        g_assert_cmpint(rmdir(path), ==, 0);
}

void real_meshd_end(struct real_meshd *node)
{
        if (!node->directory) {
                return;
        }
        real_meshd_kill(node);
        remove_directory(node->directory);
        g_free(node->directory);
        g_free(node->socket);
        g_free(node->log);
        g_free(node->mesh);
        g_free(node->peer);
        g_free(node->name);
        *node = (struct real_meshd){0};
}

static void run_loop(struct cm *cm)
{
        struct pollfd watched = {cm_fd(cm), (short)cm_events(cm), 0};
        struct cm_event event;
        int timeout_ms = cm_timeout_ms(cm);

        poll(&watched, 1, timeout_ms < 0 || timeout_ms > 100 ? 100 : timeout_ms);
        cm_dispatch(cm);
        while (cm_next_event(cm, &event) == 0) {
        }
}

bool real_await_mode(struct cm *cm, enum cm_mode mode)
{
        gint64 end_us = g_get_monotonic_time() + AWAIT_US;
        struct cm_state state;

        while (g_get_monotonic_time() < end_us) {
                if (cm_state(cm, &state) == 0 && state.mode == mode) {
                        return true;
                }
                run_loop(cm);
        }
        return false;
}

bool real_await_flushed(struct cm *cm)
{
        gint64 end_us = g_get_monotonic_time() + AWAIT_US;
        struct cm_state state;

        while (g_get_monotonic_time() < end_us) {
                if (cm_state(cm, &state) == 0 && state.n_pending == 0 && state.mode != CM_OFFLINE) {
                        return true;
                }
                run_loop(cm);
        }
        return false;
}
