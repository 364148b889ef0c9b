/* SPDX-License-Identifier: MIT */
#include "meshd/local/client_limit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct census {
        uint32_t n, n_user; /* not of the reserve */
        uint32_t n_reserved_others, n_reserved_user;
};

static bool is_privileged(uid_t uid)
{
        return uid == 0 || uid == geteuid();
}

static struct census count(const struct local *local, uid_t uid)
{
        struct census census = {0};

        for (const struct client *client = local->clients; client; client = client->next) {
                if (client->is_reserved) {
                        census.n_reserved_user += client->uid == uid;
                        census.n_reserved_others += !is_privileged(client->uid);
                } else {
                        census.n_user += client->uid == uid;
                        census.n++;
                }
        }
        return census;
}

int client_limit_check(struct local *local, uid_t uid)
{
        struct census census = count(local, uid);
        bool is_full = census.n >= local->max_clients;

        if (!is_full && census.n_user < local->max_clients / 2) {
                return CLIENT_LIMIT_GRANTED;
        }
        if (census.n_reserved_user < CLIENT_LIMIT_RESERVE_USER &&
                        (is_privileged(uid) ||
                                        census.n_reserved_others < CLIENT_LIMIT_RESERVE_OTHERS)) {
                return CLIENT_LIMIT_RESERVED;
        }
        if (is_full) {
                local->counters.refused_full++;
        } else {
                local->counters.refused_user++;
        }
        return -EMFILE;
}

void client_limit_describe(
                const struct local *local, uid_t uid, char ret_text[CLIENT_LIMIT_TEXT_MAX])
{
        struct census census = count(local, uid);

        if (census.n >= local->max_clients) {
                snprintf(ret_text, CLIENT_LIMIT_TEXT_MAX,
                                "too many connections: all %u of --max-clients are in use",
                                local->max_clients);
        } else {
                snprintf(ret_text, CLIENT_LIMIT_TEXT_MAX,
                                "too many connections of this user: user %u has %u, half of "
                                "--max-clients",
                                uid, census.n_user);
        }
}

void client_limit_refuse(int fd, const char *text)
{
        uint8_t bytes[512];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_error error = {.code = -EMFILE};
        size_t begin = cmi_local_begin(&writer, CMI_LOCAL_ERROR, 1);

        snprintf(error.text, sizeof(error.text), "%s", text);
        cmi_error_write(&writer, &error);
        cmi_local_end(&writer, begin);
        send(fd, bytes, writer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
}
