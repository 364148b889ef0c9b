/* SPDX-License-Identifier: MIT */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_port(const char *text, uint16_t *ret_port)
{
        unsigned int port = 0;
        size_t n = strlen(text);

        if (n == 0 || n > 5) {
                return CMI_ENDPOINT_BAD_PORT;
        }
        for (size_t i = 0; i < n; i++) {
                if (text[i] < '0' || text[i] > '9') {
                        return CMI_ENDPOINT_BAD_PORT;
                }
                port = port * 10 + (unsigned int)(text[i] - '0');
        }
        if (port > UINT16_MAX) {
                return CMI_ENDPOINT_BAD_PORT;
        }
        *ret_port = (uint16_t)port;
        return CMI_ENDPOINT_OK;
}

/* Finds host and colon; the host is empty, not missing, in ":6781". */
static int find_parts(const char *text, const char **ret_host, size_t *ret_n, const char **ret_port)
{
        const char *end;

        if (text[0] == '[') {
                end = strchr(text, ']');
                if (!end || end[1] != ':') {
                        return CMI_ENDPOINT_NO_PORT;
                }
                *ret_host = text + 1;
                *ret_n = (size_t)(end - text - 1);
                *ret_port = end + 2;
                return CMI_ENDPOINT_OK;
        }
        end = strchr(text, ':');
        /* Two colons outside brackets: "::1:6781" could be cut anywhere. */
        if (!end || strchr(end + 1, ':')) {
                return CMI_ENDPOINT_NO_PORT;
        }
        *ret_host = text;
        *ret_n = (size_t)(end - text);
        *ret_port = end + 1;
        return CMI_ENDPOINT_OK;
}

int cmi_endpoint_split(const char *text, char ret_host[CMI_ENDPOINT_HOST_SIZE], uint16_t *ret_port)
{
        const char *host, *port_text;
        uint16_t port;
        size_t n;
        int r;

        r = find_parts(text, &host, &n, &port_text);
        if (r != CMI_ENDPOINT_OK) {
                return r;
        }
        if (n == 0) {
                return CMI_ENDPOINT_NO_HOST;
        }
        if (n >= CMI_ENDPOINT_HOST_SIZE) {
                return CMI_ENDPOINT_HOST_TOO_LONG;
        }
        r = parse_port(port_text, &port);
        if (r != CMI_ENDPOINT_OK) {
                return r;
        }
        memcpy(ret_host, host, n);
        ret_host[n] = '\0';
        *ret_port = port;
        return CMI_ENDPOINT_OK;
}

static int parse_scope(const char *text, uint32_t *ret_scope)
{
        unsigned int index;
        size_t n = strlen(text);

        if (n == 0 || n >= IF_NAMESIZE) {
                return CMI_ENDPOINT_BAD_SCOPE;
        }
        /* Names come first: an interface may be called "7". */
        index = if_nametoindex(text);
        if (index == 0 && n <= 9 && strspn(text, "0123456789") == n) {
                index = (unsigned int)strtoul(text, NULL, 10);
        }
        if (index == 0) {
                return CMI_ENDPOINT_BAD_SCOPE;
        }
        *ret_scope = index;
        return CMI_ENDPOINT_OK;
}

static void set_v6(struct cmi_endpoint *endpoint, const uint8_t bytes[16])
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

        if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
                endpoint->family = 4;
                memcpy(endpoint->address, bytes + 12, 4);
                return;
        }
        endpoint->family = 6;
        memcpy(endpoint->address, bytes, 16);
}

static int parse_v6(char *host, struct cmi_endpoint *endpoint)
{
        char *percent = strchr(host, '%');
        uint8_t bytes[16];

        if (percent) {
                *percent = '\0';
        }
        if (inet_pton(AF_INET6, host, bytes) != 1) {
                return CMI_ENDPOINT_BAD_ADDRESS;
        }
        set_v6(endpoint, bytes);
        if (!percent) {
                return cmi_endpoint_is_link_local(endpoint) ? CMI_ENDPOINT_NO_SCOPE
                                                            : CMI_ENDPOINT_OK;
        }
        if (!cmi_endpoint_is_link_local(endpoint)) {
                return CMI_ENDPOINT_BAD_SCOPE;
        }
        return parse_scope(percent + 1, &endpoint->scope);
}

int cmi_endpoint_parse(const char *text, struct cmi_endpoint *ret_endpoint)
{
        struct cmi_endpoint endpoint = {0};
        char host[CMI_ENDPOINT_HOST_SIZE];
        int r;

        r = cmi_endpoint_split(text, host, &endpoint.port);
        if (r == CMI_ENDPOINT_OK && text[0] == '[') {
                r = parse_v6(host, &endpoint);
        } else if (r == CMI_ENDPOINT_OK) {
                endpoint.family = 4;
                r = inet_pton(AF_INET, host, endpoint.address) == 1 ? CMI_ENDPOINT_OK
                                                                    : CMI_ENDPOINT_NOT_NUMERIC;
        }
        if (r != CMI_ENDPOINT_OK) {
                return r;
        }
        *ret_endpoint = endpoint;
        return CMI_ENDPOINT_OK;
}

const char *cmi_endpoint_error_text(int error)
{
        switch ((enum cmi_endpoint_error)error) {
        case CMI_ENDPOINT_OK:
                return "no error";
        case CMI_ENDPOINT_NO_PORT:
                return "want ADDRESS:PORT, with an IPv6 address in brackets";
        case CMI_ENDPOINT_BAD_PORT:
                return "the port is not a number from 0 to 65535";
        case CMI_ENDPOINT_NO_HOST:
                return "there is no address before the port";
        case CMI_ENDPOINT_HOST_TOO_LONG:
                return "the host name is longer than 255 bytes";
        case CMI_ENDPOINT_NOT_NUMERIC:
                return "not a numeric IPv4 address";
        case CMI_ENDPOINT_BAD_ADDRESS:
                return "not an IPv6 address between the brackets";
        case CMI_ENDPOINT_NO_SCOPE:
                return "a link-local address needs its interface, as in [fe80::1%eth0]:6781";
        case CMI_ENDPOINT_BAD_SCOPE:
                return "no such interface, or a scope where none belongs";
        }
        return "unknown error";
}

static void format_scope(uint32_t scope, char text[IF_NAMESIZE + 1])
{
        char name[IF_NAMESIZE];

        if (scope == 0) {
                text[0] = '\0';
        } else if (if_indextoname(scope, name)) {
                snprintf(text, IF_NAMESIZE + 1, "%%%s", name);
        } else {
                snprintf(text, IF_NAMESIZE + 1, "%%%u", scope);
        }
}

void cmi_endpoint_format(const struct cmi_endpoint *endpoint, char ret_text[CMI_ENDPOINT_TEXT_SIZE])
{
        char address[INET6_ADDRSTRLEN] = "";
        char scope[IF_NAMESIZE + 1];

        if (endpoint->family == 4) {
                inet_ntop(AF_INET, endpoint->address, address, sizeof(address));
                snprintf(ret_text, CMI_ENDPOINT_TEXT_SIZE, "%s:%u", address, endpoint->port);
        } else if (endpoint->family == 6) {
                inet_ntop(AF_INET6, endpoint->address, address, sizeof(address));
                format_scope(endpoint->scope, scope);
                snprintf(ret_text, CMI_ENDPOINT_TEXT_SIZE, "[%s%s]:%u", address, scope,
                                endpoint->port);
        } else {
                snprintf(ret_text, CMI_ENDPOINT_TEXT_SIZE, "-");
        }
}

int cmi_endpoint_from_sockaddr(const struct sockaddr *address, struct cmi_endpoint *ret_endpoint)
{
        struct cmi_endpoint endpoint = {0};

        if (address->sa_family == AF_INET) {
                struct sockaddr_in in;

                memcpy(&in, address, sizeof(in));
                endpoint.family = 4;
                endpoint.port = ntohs(in.sin_port);
                memcpy(endpoint.address, &in.sin_addr, 4);
        } else if (address->sa_family == AF_INET6) {
                struct sockaddr_in6 in;

                memcpy(&in, address, sizeof(in));
                set_v6(&endpoint, in.sin6_addr.s6_addr);
                endpoint.port = ntohs(in.sin6_port);
                /* The kernel fills it for every source on some paths; only link-local needs it. */
                endpoint.scope = cmi_endpoint_is_link_local(&endpoint) ? in.sin6_scope_id : 0;
        } else {
                return -EAFNOSUPPORT;
        }
        *ret_endpoint = endpoint;
        return 0;
}

uint32_t cmi_endpoint_to_sockaddr(
                const struct cmi_endpoint *endpoint, struct sockaddr_storage *ret_address)
{
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                        .sin6_port = htons(endpoint->port),
                        .sin6_scope_id = endpoint->scope};

        if (endpoint->family == 4) {
                memcpy(&in.sin_addr, endpoint->address, sizeof(in.sin_addr));
                memcpy(ret_address, &in, sizeof(in));
                return sizeof(in);
        }
        memcpy(&in6.sin6_addr, endpoint->address, sizeof(in6.sin6_addr));
        memcpy(ret_address, &in6, sizeof(in6));
        return sizeof(in6);
}
