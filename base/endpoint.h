/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Endpoints: a numeric address and a TCP or UDP port, as text and as a value. This file decides
 * what a valid text is; it resolves no host names (the I/O side does that at start, with
 * cmi_endpoint_split()) and does not judge whether an endpoint may be dialled.
 */
#include <stdbool.h>
#include <stdint.h>

#define CMI_ENDPOINT_TEXT_SIZE 72  /* "[" 45 "%" 15 "]:" 5 and the final NUL, rounded up */
#define CMI_ENDPOINT_HOST_SIZE 256 /* the longest host name is 253 bytes; with the final NUL */

/* Zero all of it before filling it by hand: comparing looks at every byte. */
struct cmi_endpoint {
        uint8_t family;      /* 4 or 6; 0 is "none" */
        uint16_t port;       /* host byte order; 0 only in texts for --listen */
        uint32_t scope;      /* interface index of a link-local IPv6 address, else 0 */
        uint8_t address[16]; /* network byte order; IPv4 in the first four bytes, the rest zero */
};

enum cmi_endpoint_error {
        CMI_ENDPOINT_OK = 0,
        CMI_ENDPOINT_NO_PORT,       /* no ":PORT" at the end, or an IPv6 address without brackets */
        CMI_ENDPOINT_BAD_PORT,      /* not a decimal number from 0 to 65535 */
        CMI_ENDPOINT_NO_HOST,       /* nothing before the port */
        CMI_ENDPOINT_HOST_TOO_LONG, /* CMI_ENDPOINT_HOST_SIZE bytes or more */
        CMI_ENDPOINT_NOT_NUMERIC,   /* a host name: resolve it first */
        CMI_ENDPOINT_BAD_ADDRESS,   /* brackets around something that is no IPv6 address */
        CMI_ENDPOINT_NO_SCOPE,      /* fe80::/10 without "%interface" */
        CMI_ENDPOINT_BAD_SCOPE,     /* no such interface now, or an address that takes no scope */
};

/**
 * cmi_endpoint_split() - cut "HOST:PORT" or "[HOST]:PORT" in two
 * @text:     NUL-terminated
 * @ret_host: what stood before the port, without brackets, NUL-terminated
 * @ret_port: 0 to 65535
 *
 * For names that are to be resolved; a numeric address needs cmi_endpoint_parse() only. Any thread.
 *
 * Return: CMI_ENDPOINT_OK, _NO_PORT, _BAD_PORT, _NO_HOST or _HOST_TOO_LONG; nothing is stored but
 * with OK.
 */
int cmi_endpoint_split(const char *text, char ret_host[CMI_ENDPOINT_HOST_SIZE], uint16_t *ret_port);

/**
 * cmi_endpoint_parse() - read "10.0.0.1:6781", "[::1]:6781" or "[fe80::1%eth0]:6781"
 * @text:         NUL-terminated
 * @ret_endpoint: set on success; an IPv4-mapped IPv6 address becomes IPv4, so that equal means the
 * same
 *
 * A scope may be an interface's name (looked up now) or its index. Any thread.
 *
 * Return: an enum cmi_endpoint_error.
 */
int cmi_endpoint_parse(const char *text, struct cmi_endpoint *ret_endpoint);

/**
 * cmi_endpoint_error_text() - what is wrong, for a message to people
 * @error: an enum cmi_endpoint_error
 *
 * Return: a static string without a final full stop.
 */
const char *cmi_endpoint_error_text(int error);

/**
 * cmi_endpoint_format() - the text that cmi_endpoint_parse() reads, as people and ZeroMQ ("tcp://"
 * before it) like it
 * @endpoint: of family 4 or 6; of another one the text is "-"
 * @ret_text: NUL-terminated on return
 *
 * A scope is written as the interface's name, or as its index if there is no such interface (any
 * more).
 */
void cmi_endpoint_format(
                const struct cmi_endpoint *endpoint, char ret_text[CMI_ENDPOINT_TEXT_SIZE]);

/* Same family, address, port and scope. */
bool cmi_endpoint_equal(const struct cmi_endpoint *a, const struct cmi_endpoint *b);

/* 127.0.0.0/8 or ::1. */
bool cmi_endpoint_is_loopback(const struct cmi_endpoint *endpoint);

/* 0.0.0.0 or ::, which can be listened on but not dialled. */
bool cmi_endpoint_is_unspecified(const struct cmi_endpoint *endpoint);

/* 224.0.0.0/4 or ff00::/8. */
bool cmi_endpoint_is_multicast(const struct cmi_endpoint *endpoint);

/* fe80::/10, which needs a scope. */
bool cmi_endpoint_is_link_local(const struct cmi_endpoint *endpoint);

struct sockaddr;

/**
 * cmi_endpoint_from_sockaddr() - take over what recvfrom(), getsockname() or getaddrinfo() gave
 * @address:      AF_INET or AF_INET6, of full length for its family
 * @ret_endpoint: set on success; IPv4-mapped addresses become IPv4
 *
 * Return: 0, or -EAFNOSUPPORT.
 */
int cmi_endpoint_from_sockaddr(const struct sockaddr *address, struct cmi_endpoint *ret_endpoint);

struct sockaddr_storage;

/**
 * cmi_endpoint_to_sockaddr() - for bind() and connect()
 * @endpoint:    of family 4 or 6
 * @ret_address: AF_INET or AF_INET6
 *
 * Return: its length.
 */
uint32_t cmi_endpoint_to_sockaddr(
                const struct cmi_endpoint *endpoint, struct sockaddr_storage *ret_address);
