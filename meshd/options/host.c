/* SPDX-License-Identifier: MIT */
#include "meshd/options/host.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <sys/socket.h>

int host_resolve(const char *text, struct cmi_endpoint *ret_endpoint, const char **ret_why)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        struct addrinfo *found = NULL;
        char host[CMI_ENDPOINT_HOST_SIZE];
        uint16_t port;
        int r = cmi_endpoint_split(text, host, &port);

        if (r != CMI_ENDPOINT_OK) {
                *ret_why = cmi_endpoint_error_text(r);
                return -EINVAL;
        }
        r = getaddrinfo(host, NULL, &hints, &found);
        if (r != 0) {
                *ret_why = gai_strerror(r);
                return -EINVAL;
        }
        r = cmi_endpoint_from_sockaddr(found->ai_addr, ret_endpoint);
        freeaddrinfo(found);
        if (r < 0) {
                *ret_why = "neither an IPv4 nor an IPv6 host";
                return -EINVAL;
        }
        ret_endpoint->port = port;
        return 0;
}
