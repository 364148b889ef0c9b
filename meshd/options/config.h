/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Configuration: from flags, then the environment, then defaults, all out of the table of
 * option.h, which also makes the help. This file decides which values go together. It opens
 * nothing that the values name; the one exception is looking up a --peer that is a host name (a
 * --dns name is not looked up here).
 */
#include "base/endpoint.h"
#include "discovery/dns_name.h"
#include "meshd/io/fault.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_PATH_MAX 4000
#define CONFIG_SOCKET_MAX 107 /* of struct sockaddr_un */
#define CONFIG_PEERS_MAX 64
#define CONFIG_DNS_MAX 4
#define CONFIG_INTERFACE_MAX 15
#define CONFIG_GROUP_MAX 45

struct config {
        char name[CMI_NAME_MAX + 1];
        char mesh[CMI_NAME_MAX + 1];
        char key[CONFIG_PATH_MAX + 1]; /* "": none, and nothing but loopback */
        struct cmi_endpoint listen;
        bool is_listen_chosen; /* else another port will do if the default one is taken */
        struct cmi_endpoint advertise[CMI_ENDPOINTS_MAX];
        uint32_t n_advertise; /* 0: what is listened on */
        char socket[CONFIG_SOCKET_MAX + 1];
        bool is_socket_chosen;
        char runtime_dir[CONFIG_PATH_MAX + 1]; /* "" until config_load() took the socket's */
        char state_dir[CONFIG_PATH_MAX + 1];   /* "none": no state is kept */
        struct cmi_endpoint peers[CONFIG_PEERS_MAX];
        uint32_t n_peers;
        struct dns_name dns[CONFIG_DNS_MAX];
        uint32_t n_dns;
        struct cmi_endpoint dns_server; /* family 0: those of /etc/resolv.conf */
        bool is_multicast;
        char group[CONFIG_GROUP_MAX + 1]; /* a numeric address; "": the defaults of IPv4 and IPv6 */
        uint64_t port;                    /* UDP */
        char interface[CONFIG_INTERFACE_MAX + 1]; /* "": all, without a key the loopback */
        uint64_t max_peers;
        uint64_t max_clients;
        uint64_t log_level; /* enum logger_level */
        uint64_t lease_ms;
        uint64_t gone_ms;
        uint64_t start_ms; /* 0: the core's default */
        uint64_t alone_ms; /* likewise */
        uint64_t key_slots;
        uint64_t tag_slots;
        uint64_t session_slots;
        uint64_t log_bytes;
        uint64_t session_bytes;     /* for sessions */
        uint64_t session_key_bytes; /* for what is kept of ended ones, and of principals */
        uint64_t session_limit;     /* of one principal; 0: any number */
        bool is_new_identity;
        bool is_obituary;
        bool is_check;
        bool is_version;
        bool is_help;
};

/**
 * config_load() - read flags and environment
 * @ret_config: to be filled; large, so not on a small stack
 * @argv:       as of main(), NULL-terminated
 * @get:        getenv() or a test's
 * @fault:      filled on failure
 *
 * With --help or --version nothing else is checked.
 *
 * Return: 0, -EINVAL with @fault.
 */
int config_load(struct config *ret_config, char *const *argv, char *(*get)(const char *name),
                struct fault *fault);

/* The text of --help. */
void config_print_help(FILE *out);
