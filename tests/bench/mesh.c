/* SPDX-License-Identifier: MIT */
#include "tests/bench/mesh.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_NS (60 * UINT64_C(1000000000))

static const struct host *host_of(const struct mesh *mesh, const struct mesh_node *node)
{
        return hosts_at(mesh->hosts, (unsigned)(node - mesh->nodes));
}

static void exec_meshd(const struct mesh *mesh, const struct mesh_node *node, int stamps_fd)
{
        char log[BENCH_PATH_MAX + 8];
        char peer[HOST_ADDRESS_SIZE + 16];
        char listen[HOST_ADDRESS_SIZE + 16];
        char fd_text[16];
        char mesh_name[32];
        const char *arguments[24] = {mesh->program, "--socket", node->socket, "--mesh", mesh_name,
                        "--name", node->name, "--state-dir", node->directory, "--runtime-dir",
                        node->directory, "--multicast", "off", "--listen", listen};
        int fd;

        snprintf(log, sizeof(log), "%s/log", node->directory);
        snprintf(mesh_name, sizeof(mesh_name), "bench-%d", getppid());
        snprintf(listen, sizeof(listen), "%s:0", host_of(mesh, node)->address);
        snprintf(peer, sizeof(peer), "%s:%u", hosts_at(mesh->hosts, 0)->address,
                        mesh->nodes[0].port);
        if (node != &mesh->nodes[0]) {
                arguments[15] = "--peer";
                arguments[16] = peer;
        }
        if (stamps_fd >= 0) {
                snprintf(fd_text, sizeof(fd_text), "%d", stamps_fd);
                setenv("BENCH_STAMPS", fd_text, 1);
        }
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, STDERR_FILENO);
        host_enter(host_of(mesh, node));
        execv(mesh->program, (char *const *)arguments);
        _exit(127);
}

/* "listen=ADDRESS:PORT" of the line that says it is ready; 0: not there yet. */
static unsigned logged_port(const struct mesh_node *node)
{
        char path[BENCH_PATH_MAX + 8];
        char line[1024];
        unsigned port = 0;
        FILE *file;

        snprintf(path, sizeof(path), "%s/log", node->directory);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file)) {
                const char *at = strstr(line, "event=meshd.ready");

                at = at ? strstr(at, "listen=") : NULL;
                at = at ? strchr(at, ':') : NULL;
                port = at ? (unsigned)atoi(at + 1) : port;
        }
        if (file) {
                fclose(file);
        }
        return port;
}

static void print_log(const struct mesh_node *node)
{
        char path[BENCH_PATH_MAX + 8];
        char line[1024];
        FILE *file;

        snprintf(path, sizeof(path), "%s/log", node->directory);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file)) {
                fputs(line, stderr);
        }
        if (file) {
                fclose(file);
        }
}

static void launch(struct mesh *mesh, unsigned number, int stamps_fd)
{
        struct mesh_node *node = &mesh->nodes[number];

        node->directory = bench_directory();
        snprintf(node->socket, sizeof(node->socket), "%s/s", node->directory);
        snprintf(node->name, sizeof(node->name), "node-%u", number + 1);
        node->pid = bench_fork();
        if (node->pid == 0) {
                exec_meshd(mesh, node, stamps_fd);
        }
}

static void await_port(struct mesh_node *node)
{
        uint64_t end_ns = bench_now_ns() + START_NS;

        while ((node->port = logged_port(node)) == 0) {
                if (bench_now_ns() > end_ns || waitpid(node->pid, NULL, WNOHANG) != 0) {
                        print_log(node);
                        bench_die("meshd does not start");
                }
                bench_nap(2000000);
        }
}

static void await_peers(const struct mesh *mesh, const struct mesh_node *node)
{
        char wanted[32];
        pid_t pid = bench_fork();
        int status = 1;

        if (pid == 0) {
                snprintf(wanted, sizeof(wanted), "peers=%u", mesh->n_nodes - 1);
                execl(mesh->meshctl, mesh->meshctl, "wait", "--for", wanted, "--socket",
                                node->socket, "--timeout", "60s", "-q", (char *)NULL);
                _exit(127);
        }
        waitpid(pid, &status, 0);
        bench_kill(&pid);
        if (status != 0) {
                print_log(node);
                bench_die("%s does not see %u others: status %d", node->name, mesh->n_nodes - 1,
                                WEXITSTATUS(status));
        }
}

static void await_whole(const struct mesh *mesh)
{
        for (unsigned i = 0; i < mesh->n_nodes; i++) {
                await_peers(mesh, &mesh->nodes[i]);
        }
}

void mesh_start(struct mesh *mesh, unsigned n_nodes, const char *program, const char *meshctl,
                const struct hosts *hosts, const int *stamp_fds)
{
        *mesh = (struct mesh){
                        .program = program, .meshctl = meshctl, .hosts = hosts, .n_nodes = n_nodes};
        if (n_nodes > MESH_NODES_MAX) {
                bench_die("at most %d nodes", MESH_NODES_MAX);
        }
        for (unsigned i = 0; i < n_nodes; i++) {
                launch(mesh, i, stamp_fds ? stamp_fds[i] : -1);
                if (i == 0) {
                        await_port(&mesh->nodes[0]);
                }
        }
        for (unsigned i = 1; i < n_nodes; i++) {
                await_port(&mesh->nodes[i]);
        }
        await_whole(mesh);
}

void mesh_join(struct mesh *mesh)
{
        if (mesh->n_nodes == MESH_NODES_MAX) {
                bench_die("at most %d nodes", MESH_NODES_MAX);
        }
        mesh->n_nodes++;
        launch(mesh, mesh->n_nodes - 1, -1);
        await_port(&mesh->nodes[mesh->n_nodes - 1]);
        await_whole(mesh);
}

void mesh_stop(struct mesh *mesh)
{
        for (unsigned i = 0; i < mesh->n_nodes; i++) {
                bench_kill(&mesh->nodes[i].pid);
        }
        mesh->n_nodes = 0;
}

uint64_t mesh_counter(const struct mesh *mesh, unsigned node, const char *name)
{
        char command[3 * BENCH_PATH_MAX];
        json_t *document;
        json_t *value;
        uint64_t number;
        FILE *pipe;

        snprintf(command, sizeof(command), "'%s' stats -o json --socket '%s'", mesh->meshctl,
                        mesh->nodes[node].socket);
        pipe = popen(command, "re");
        document = pipe ? json_loadf(pipe, 0, NULL) : NULL;
        value = json_object_get(document, name);
        if (!json_is_integer(value)) {
                bench_die("meshctl stats of %s says nothing of %s", mesh->nodes[node].name, name);
        }
        number = (uint64_t)json_integer_value(value);
        json_decref(document);
        pclose(pipe);
        return number;
}
