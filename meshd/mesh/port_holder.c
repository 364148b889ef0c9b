/* SPDX-License-Identifier: MIT */
#include "meshd/mesh/port_holder.h"

#include "meshd/io/logger.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TCP_LISTEN_STATE 0x0a

/* Inode of a listening socket in /proc/net/tcp or tcp6; 0 if there is none. */
static unsigned long find_inode(const char *table, uint16_t port)
{
        FILE *file = fopen(table, "re");
        unsigned long found = 0;
        char line[512];

        if (!file) {
                return 0;
        }
        while (!found && fgets(line, sizeof(line), file)) {
                unsigned int local_port;
                unsigned int state;
                unsigned long inode;

                if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %lu",
                                    &local_port, &state, &inode) == 3 &&
                                local_port == port && state == TCP_LISTEN_STATE) {
                        found = inode;
                }
        }
        fclose(file);
        return found;
}

static bool process_has(const char *pid, const char *link)
{
        char path[300];
        char target[64];
        DIR *directory;
        const struct dirent *entry;
        bool is_found = false;

        snprintf(path, sizeof(path), "/proc/%s/fd", pid);
        directory = opendir(path);
        while (directory && !is_found && (entry = readdir(directory))) {
                ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

                target[n > 0 ? n : 0] = '\0';
                is_found = strcmp(target, link) == 0;
        }
        if (directory) {
                closedir(directory);
        }
        return is_found;
}

static void read_name(const char *pid, char ret_name[32])
{
        char path[300];
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%s/comm", pid);
        file = fopen(path, "re");
        if (!file || !fgets(ret_name, 32, file)) {
                snprintf(ret_name, 32, "?");
        }
        if (file) {
                fclose(file);
        }
        ret_name[strcspn(ret_name, "\n")] = '\0';
}

void port_holder_find(uint16_t port, char ret_text[PORT_HOLDER_TEXT_SIZE])
{
        unsigned long inode = find_inode("/proc/net/tcp", port);
        DIR *directory = opendir("/proc");
        const struct dirent *entry;
        char link[64];

        inode = inode ? inode : find_inode("/proc/net/tcp6", port);
        snprintf(link, sizeof(link), "socket:[%lu]", inode);
        snprintf(ret_text, PORT_HOLDER_TEXT_SIZE, "a process that cannot be told from here");
        while (directory && inode && (entry = readdir(directory))) {
                char name[32];

                if (isdigit((unsigned char)entry->d_name[0]) && process_has(entry->d_name, link)) {
                        read_name(entry->d_name, name);
                        snprintf(ret_text, PORT_HOLDER_TEXT_SIZE, "process %.20s (%.31s)",
                                        entry->d_name, name);
                        break;
                }
        }
        if (directory) {
                closedir(directory);
        }
}

void port_holder_warn(const struct cmi_endpoint *endpoint)
{
        FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
        unsigned int low = 32768;
        unsigned int high = 60999;

        if (file) {
                if (fscanf(file, "%u %u", &low, &high) != 2) {
                        low = 32768;
                }
                fclose(file);
        }
        if (endpoint->port >= low && endpoint->port <= high) {
                logger(LOGGER_WARNING, "listen.ephemeral", L_ENDPOINT("listen", endpoint),
                                L_TEXT("msg", "the kernel gives such ports to outgoing "
                                              "connections: after a restart it may be taken; "
                                              "choose one below 32768"));
        }
}
