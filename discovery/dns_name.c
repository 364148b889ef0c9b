/* SPDX-License-Identifier: MIT */
#include "discovery/dns_name.h"

#include <string.h>

static const char service_prefix[] = "_cachemesh._tcp.";

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
}

static int check_name(const char *name)
{
        size_t n_label = 0;
        size_t n = strlen(name);

        if (n > 0 && name[n - 1] == '.') {
                n--;
        }
        if (n == 0) {
                return DNS_NAME_EMPTY;
        }
        if (n > DNS_NAME_MAX) {
                return DNS_NAME_TOO_LONG;
        }
        for (size_t i = 0; i < n; i++) {
                if (name[i] == '.' && n_label > 0) {
                        n_label = 0;
                } else if (!is_letter(name[i]) || ++n_label > DNS_LABEL_MAX) {
                        return DNS_NAME_BAD_LABEL;
                }
        }
        return n_label > 0 ? DNS_NAME_OK : DNS_NAME_BAD_LABEL;
}

bool dns_name_is_valid(const char *name)
{
        return check_name(name) == DNS_NAME_OK;
}

/* No top-level domain is a number, so this is an address, or a part of one. */
static bool is_numeric(const char *name)
{
        const char *dot = strrchr(name, '.');
        const char *last = dot ? dot + 1 : name;

        return last[0] != '\0' && strspn(last, "0123456789") == strlen(last);
}

static int parse_port(const char *text, uint16_t *ret_port)
{
        uint32_t port = 0;
        size_t n = strspn(text, "0123456789");

        if (n == 0 || n > 5 || text[n] != '\0') {
                return DNS_NAME_BAD_PORT;
        }
        for (size_t i = 0; i < n; i++) {
                port = port * 10 + (uint32_t)(text[i] - '0');
        }
        if (port == 0 || port > UINT16_MAX) {
                return DNS_NAME_BAD_PORT;
        }
        *ret_port = (uint16_t)port;
        return DNS_NAME_OK;
}

/* Without a port: the name is one of a service, or has one below it. */
static int derive_service(struct dns_name *name)
{
        const size_t n_prefix = sizeof(service_prefix) - 1;

        if (name->host[0] == '_') {
                memcpy(name->service, name->host, sizeof(name->service));
                name->host[0] = '\0';
                return DNS_NAME_OK;
        }
        if (strlen(name->host) + n_prefix > DNS_NAME_MAX) {
                return DNS_NAME_TOO_LONG;
        }
        memcpy(name->service, service_prefix, n_prefix);
        memcpy(name->service + n_prefix, name->host, strlen(name->host));
        return DNS_NAME_OK;
}

int dns_name_parse(const char *text, struct dns_name *ret_name)
{
        struct dns_name name = {.port = DNS_PORT};
        const char *colon = strrchr(text, ':');
        size_t n = colon ? (size_t)(colon - text) : strlen(text);
        int r;

        if (n >= sizeof(name.host) || strlen(text) > DNS_TEXT_MAX) {
                return DNS_NAME_TOO_LONG;
        }
        memcpy(name.host, text, n);
        memcpy(name.text, text, strlen(text));
        r = check_name(name.host);
        if (r == DNS_NAME_OK && is_numeric(name.host)) {
                r = DNS_NAME_NUMERIC;
        }
        if (r != DNS_NAME_OK) {
                return r;
        }
        if (colon && name.host[0] == '_') {
                return DNS_NAME_SERVICE_PORT;
        }
        r = colon ? parse_port(colon + 1, &name.port) : derive_service(&name);
        if (r == DNS_NAME_OK) {
                *ret_name = name;
        }
        return r;
}

const char *dns_name_error_text(int error)
{
        switch ((enum dns_name_error)error) {
        case DNS_NAME_OK:
                return "all is well";
        case DNS_NAME_EMPTY:
                return "there is no name";
        case DNS_NAME_TOO_LONG:
                return "longer than a DNS name can be";
        case DNS_NAME_BAD_LABEL:
                return "want labels of 1 to 63 letters, digits, - or _ with dots between them";
        case DNS_NAME_BAD_PORT:
                return "want a port from 1 to 65535 after the colon, or none";
        case DNS_NAME_NUMERIC:
                return "an address needs no DNS: give it with --peer";
        case DNS_NAME_SERVICE_PORT:
                return "a service brings its own ports: give it without one";
        }
        return "unknown error";
}
