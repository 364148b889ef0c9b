/* SPDX-License-Identifier: MIT */
#include "tests/bench/host.h"

#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

static const struct host loopback = {.address = "127.0.0.1"};
static int own = -1; /* namespace, while in another one */

static bool parse_one(const char *text, size_t len, struct host *ret_host)
{
        const char *equals = memchr(text, '=', len);
        struct in_addr ignored;
        size_t path_len = equals ? (size_t)(equals - text) : 0;
        size_t address_len = len - path_len - 1;

        if (path_len == 0 || path_len >= sizeof(ret_host->namespace) ||
                        address_len >= sizeof(ret_host->address)) {
                return false;
        }
        *ret_host = (struct host){0};
        memcpy(ret_host->namespace, text, path_len);
        memcpy(ret_host->address, equals + 1, address_len);
        return inet_pton(AF_INET, ret_host->address, &ignored) == 1;
}

bool hosts_parse(const char *text, struct hosts *ret_hosts)
{
        struct hosts hosts = {0};

        while (*text) {
                size_t len = strcspn(text, ",");

                if (hosts.n == HOSTS_MAX || !parse_one(text, len, &hosts.hosts[hosts.n])) {
                        return false;
                }
                hosts.n++;
                text += len;
                text += *text == ',';
        }
        *ret_hosts = hosts;
        return hosts.n > 0;
}

const struct host *hosts_at(const struct hosts *hosts, unsigned i)
{
        if (!hosts || hosts->n == 0) {
                return &loopback;
        }
        if (i >= hosts->n) {
                bench_die("only %u hosts", hosts->n);
        }
        return &hosts->hosts[i];
}

void host_enter(const struct host *host)
{
        int fd;

        if (host->namespace[0] == '\0') {
                return;
        }
        own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        fd = open(host->namespace, O_RDONLY | O_CLOEXEC);
        if (own < 0 || fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
                bench_die("%s: %m", host->namespace);
        }
        close(fd);
}

void host_leave(void)
{
        if (own < 0) {
                return;
        }
        if (setns(own, CLONE_NEWNET) < 0) {
                bench_die("back to the own namespace: %m");
        }
        close(own);
        own = -1;
}
