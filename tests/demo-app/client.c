/* SPDX-License-Identifier: MIT */
#include "tests/demo-app/client.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_S 20

int client_connect(uint16_t port)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                        .sin_port = htons(port)};
        struct timeval limit = {.tv_sec = ANSWER_S};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        return fd;
}

bool client_send(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

                if (sent <= 0) {
                        return false;
                }
                bytes += sent;
                n -= (size_t)sent;
        }
        return true;
}

char *client_read(int fd)
{
        GString *text = g_string_new(NULL);
        char buffer[4096];
        ssize_t n;

        while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
                g_string_append_len(text, buffer, n);
        }
        close(fd);
        return g_string_free(text, FALSE);
}

char *client_exchange(uint16_t port, const char *bytes, size_t n)
{
        int fd = client_connect(port);

        client_send(fd, bytes, n);
        return client_read(fd);
}

void client_hang_up(uint16_t port, const char *bytes, size_t n)
{
        int fd = client_connect(port);

        client_send(fd, bytes, n);
        shutdown(fd, SHUT_WR);
        g_free(client_read(fd));
}

int client_status(const char *answer)
{
        int status = 0;

        return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

void client_assert_has(const char *answer, const char *text)
{
        if (!strstr(answer, text)) {
                g_test_message("no %s in: %s", text, answer);
                g_test_fail();
        }
}

void client_assert_lacks(const char *answer, const char *text)
{
        if (strstr(answer, text)) {
                g_test_message("%s in: %s", text, answer);
                g_test_fail();
        }
}
