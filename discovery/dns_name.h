/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * DNS name: what "--dns NAME[:PORT]" means, as text and as a value. This file decides which
 * questions a text stands for; dns_source.h when they are asked.
 *
 *     NAME:PORT           the addresses of NAME, all with this port
 *     NAME                the service "_cachemesh._tcp.NAME"; if there is none, the addresses of
 *                         NAME with DNS_PORT
 *     _ANY._tcp.NAME      this service
 *
 * A service (SRV, RFC 2782) names hosts and ports. A final dot says that the name is complete;
 * others are looked for in the search domains of the host, too.
 */
#include <stdbool.h>
#include <stdint.h>

enum dns_name_number {
        DNS_PORT = 6781,
        DNS_NAME_MAX = 253, /* bytes of a name, RFC 1035 */
        DNS_LABEL_MAX = 63, /* of what is between two dots */
        DNS_TEXT_MAX = 260, /* of a name, a final dot, and a port */
};

struct dns_name {
        char text[DNS_TEXT_MAX + 1];    /* as it was given */
        char host[DNS_NAME_MAX + 2];    /* with addresses; "": none */
        char service[DNS_NAME_MAX + 2]; /* "": none */
        uint16_t port;                  /* for the addresses of host */
};

enum dns_name_error {
        DNS_NAME_OK = 0,
        DNS_NAME_EMPTY,
        DNS_NAME_TOO_LONG,
        DNS_NAME_BAD_LABEL,
        DNS_NAME_BAD_PORT,
        DNS_NAME_NUMERIC,
        DNS_NAME_SERVICE_PORT,
};

/**
 * dns_name_parse() - read NAME[:PORT]
 * @text:     NUL-terminated
 * @ret_name: set on success
 *
 * Return: an enum dns_name_error.
 */
int dns_name_parse(const char *text, struct dns_name *ret_name);

/* What is wrong, without a final full stop. */
const char *dns_name_error_text(int error);

/* Labels of letters, digits, "-" and "_", and not too long: one that may be asked for and shown. */
bool dns_name_is_valid(const char *name);
