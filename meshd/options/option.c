/* SPDX-License-Identifier: MIT */
#include "meshd/options/option.h"

#include "base/nearest.h"
#include "meshd/core/core.h"
#include "meshd/io/logger.h"
#include "meshd/options/host.h"
#include "meshd/session/store.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define OFFSET(member) offsetof(struct config, member)
#define TEXT_AT(member) OFFSET(member), sizeof(((struct config *)0)->member) - 1

const struct option options[] = {
                {"name", OPTION_NAME, TEXT_AT(name), 1, NULL, "NAME",
                                "of this node, unique in the mesh; default: the host name"},
                {"mesh", OPTION_NAME, TEXT_AT(mesh), 1, "cachemesh", "NAME",
                                "only nodes of one mesh talk to each other"},
                /* Before the addresses: which ones are possible depends on it. */
                {"key", OPTION_TEXT, TEXT_AT(key), 1, NULL, "FILE",
                                "with the mesh's keys, as \"meshctl key new\" makes it; without "
                                "one only this host is reached"},
                {"listen", OPTION_LISTEN, OFFSET(listen), 0, 0, NULL, "ADDR:PORT",
                                "for other nodes; port 0: any free one from 10240 to 32767; "
                                "default: 127.0.0.1:6781, or any free port if that is taken"},
                {"advertise", OPTION_ADVERTISE, OFFSET(advertise), 0, 0, NULL, "ADDR:PORT",
                                "where others reach this node, if not where it listens; up to 4 "
                                "times"},
                {"socket", OPTION_TEXT, TEXT_AT(socket), 1, "/run/cachemesh/meshd.sock", "FILE",
                                "Unix socket for apps and meshctl"},
                {"runtime-dir", OPTION_TEXT, TEXT_AT(runtime_dir), 0, "", "DIR",
                                "for the stream's file, on a tmpfs; default: the socket's "
                                "directory"},
                {"state-dir", OPTION_TEXT, TEXT_AT(state_dir), 1, "/var/lib/cachemesh", "DIR",
                                "for what survives a restart of the host; none: nothing does"},
                {"peer", OPTION_PEER, OFFSET(peers), 0, 0, NULL, "HOST:PORT",
                                "a node to connect to, also without multicast; up to 64 times"},
                {"dns", OPTION_DNS, OFFSET(dns), 0, 0, NULL, "NAME[:PORT]",
                                "a name that DNS has the nodes' addresses for, asked again and "
                                "again; without a port also its service _cachemesh._tcp; up to 4 "
                                "times"},
                {"dns-server", OPTION_SERVER, OFFSET(dns_server), 0, 0, NULL, "ADDR:PORT",
                                "whom to ask for --dns; default: the servers of /etc/resolv.conf"},
                {"multicast", OPTION_SWITCH, OFFSET(is_multicast), 0, 0, "on", "on|off",
                                "find other nodes by multicast"},
                {"group", OPTION_GROUP, OFFSET(group), 0, 0, NULL, "ADDRESS",
                                "multicast group; default: 239.255.67.80, and IPv6's"},
                {"port", OPTION_NUMBER, OFFSET(port), 65535, 1, "6780", "PORT",
                                "UDP port of the group, shared by all nodes of a host"},
                {"interface", OPTION_TEXT, TEXT_AT(interface), 0, "", "NAME",
                                "for multicast; default: all that are up; without a mesh key: lo"},
                {"max-peers", OPTION_NUMBER, OFFSET(max_peers), CORE_PEERS_MAX, 1, "256", "N",
                                "more nodes than these are refused"},
                {"max-clients", OPTION_NUMBER, OFFSET(max_clients), 65536, 2, "1024", "N",
                                "connections to the socket; one user may have half of them"},
                {"key-slots", OPTION_POWER, OFFSET(key_slots), CMI_PAGE_SLOTS_MAX,
                                CMI_PAGE_SLOTS_MIN, "1048576", "N",
                                "stamps for keys, a power of two; 8 bytes each"},
                {"tag-slots", OPTION_POWER, OFFSET(tag_slots), CMI_PAGE_SLOTS_MAX,
                                CMI_PAGE_SLOTS_MIN, "1048576", "N", "the same for tags"},
                {"session-slots", OPTION_POWER, OFFSET(session_slots), CMI_PAGE_SLOTS_MAX,
                                CMI_PAGE_SLOTS_MIN, "1048576", "N", "the same for sessions"},
                {"log-bytes", OPTION_NUMBER, OFFSET(log_bytes), LOG_SIZE_MAX, LOG_SIZE_MIN,
                                "16777216", "N",
                                "of the stream's file: how far others may fall behind"},
                {"session-bytes", OPTION_NUMBER, OFFSET(session_bytes), UINT64_C(1) << 40,
                                STORE_MEMORY_MIN, "268435456", "N",
                                "for sessions; when they are used up, new ones are refused"},
                {"session-key-bytes", OPTION_NUMBER, OFFSET(session_key_bytes), UINT64_C(1) << 40,
                                STORE_MEMORY_MIN, "67108864", "N",
                                "for what is remembered of sessions that have ended"},
                {"session-limit", OPTION_NUMBER, OFFSET(session_limit), UINT32_MAX, 0, "0", "N",
                                "sessions of one principal; 0: any number"},
                {"lease-ms", OPTION_NUMBER, OFFSET(lease_ms), CORE_LEASE_MAX_MS, 50, "1000", "MS",
                                "a cut-off node serves no longer than this; equal on all nodes"},
                {"gone-ms", OPTION_NUMBER, OFFSET(gone_ms), CORE_GONE_MAX_MS, 100, NULL, "MS",
                                "silence after which a node is gone; default: 3 leases"},
                {"log-level", OPTION_LEVEL, OFFSET(log_level), 0, 0, "info", "LEVEL",
                                "error, warning, info or debug"},
                {"new-identity", OPTION_SET, OFFSET(is_new_identity), 0, 0, "off", NULL,
                                "take a new node id: for a copied state directory"},
                {"obituary", OPTION_SET, OFFSET(is_obituary), 0, 0, "off", NULL,
                                "tell the others that the meshd with these options has died, and "
                                "exit; it must have ended"},
                {"check", OPTION_SET, OFFSET(is_check), 0, 0, "off", NULL,
                                "check the configuration and exit"},
                {"version", OPTION_SET, OFFSET(is_version), 0, 0, "off", NULL,
                                "print the version and exit"},
                {"help", OPTION_SET, OFFSET(is_help), 0, 0, "off", NULL, "print this and exit"},
                {"start-ms", OPTION_NUMBER, OFFSET(start_ms), 60000, 0, "0", "MS",
                                "for tests: shortest time from start to live; 0: the protocol's"},
                {"alone-ms", OPTION_NUMBER, OFFSET(alone_ms), 600000, 0, "0", "MS",
                                "for tests: the same while no other node was met; 0: the "
                                "protocol's"},
};

const size_t n_options = sizeof(options) / sizeof(options[0]);
/* config.c counts on it: a bit for each. */
static_assert(sizeof(options) / sizeof(options[0]) <= 64, "too many options for a word");

const struct option *option_find(const char *name)
{
        for (size_t i = 0; i < n_options; i++) {
                if (strcmp(options[i].flag, name) == 0) {
                        return &options[i];
                }
        }
        return NULL;
}

const struct option *option_nearest(const char *name)
{
        const struct option *nearest = &options[0];

        for (size_t i = 1; i < n_options; i++) {
                if (cmi_nearest_distance(name, options[i].flag) <
                                cmi_nearest_distance(name, nearest->flag)) {
                        nearest = &options[i];
                }
        }
        return nearest;
}

bool option_is_list(const struct option *option)
{
        return option->kind == OPTION_PEER || option->kind == OPTION_ADVERTISE ||
               option->kind == OPTION_DNS;
}

int option_refuse(const struct option_source *source, const char *why)
{
        return fault_set(source->fault, FAULT_CONFIG, -EINVAL, "%s %.200s: %s.", source->label,
                        source->text[0] ? source->text : "\"\"", why);
}

static bool is_printable(const char *text)
{
        for (; *text; text++) {
                if ((unsigned char)*text < 0x20 || *text == 0x7f) {
                        return false;
                }
        }
        return true;
}

static int parse_text(const struct option *option, char *target, const struct option_source *source)
{
        size_t n = strlen(source->text);
        char why[80];

        if (n > option->max) {
                snprintf(why, sizeof(why), "longer than the %u bytes that are possible",
                                (unsigned int)option->max);
                return option_refuse(source, why);
        }
        if (n < option->min) {
                return option_refuse(source, "must not be empty");
        }
        if (!is_printable(source->text)) {
                return option_refuse(source, "holds a control character");
        }
        memcpy(target, source->text, n + 1);
        return 0;
}

static int parse_number(
                const struct option *option, uint64_t *target, const struct option_source *source)
{
        char why[100];
        uint64_t number = 0;
        const char *at = source->text;

        while (*at >= '0' && *at <= '9' && number <= option->max) {
                number = number * 10 + (uint64_t)(*at++ - '0');
        }
        if (*at || at == source->text || number < option->min || number > option->max) {
                snprintf(why, sizeof(why), "want a number from %llu to %llu",
                                (unsigned long long)option->min, (unsigned long long)option->max);
                return option_refuse(source, why);
        }
        if (option->kind == OPTION_POWER && (number & (number - 1)) != 0) {
                return option_refuse(source, "want a power of two");
        }
        *target = number;
        return 0;
}

static int parse_switch(bool *target, const struct option_source *source)
{
        if (strcmp(source->text, "on") != 0 && strcmp(source->text, "off") != 0) {
                return option_refuse(source, "want on or off");
        }
        *target = source->text[1] == 'n';
        return 0;
}

static int parse_level(uint64_t *target, const struct option_source *source)
{
        static const struct {
                const char *name;
                enum logger_level level;
        } levels[] = {{"error", LOGGER_ERROR}, {"warning", LOGGER_WARNING}, {"info", LOGGER_INFO},
                        {"debug", LOGGER_DEBUG}};

        for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
                if (strcmp(source->text, levels[i].name) == 0) {
                        *target = levels[i].level;
                        return 0;
                }
        }
        return option_refuse(source, "want error, warning, info or debug");
}

static int parse_endpoint(const struct config *config, struct cmi_endpoint *target,
                const struct option_source *source)
{
        struct cmi_endpoint endpoint;
        int r = cmi_endpoint_parse(source->text, &endpoint);

        if (r != CMI_ENDPOINT_OK) {
                return option_refuse(source, cmi_endpoint_error_text(r));
        }
        if (cmi_endpoint_is_multicast(&endpoint)) {
                return option_refuse(
                                source, "a multicast address is no place to listen or connect");
        }
        /* Encryption needs a key, and nothing goes unencrypted beyond this host. */
        if (!config->key[0] && !cmi_endpoint_is_loopback(&endpoint)) {
                return option_refuse(source,
                                "without a mesh key only addresses of this host itself are "
                                "possible (127.0.0.0/8 or [::1]), since nothing would be "
                                "encrypted; see --key");
        }
        *target = endpoint;
        return 0;
}

static int parse_advertise(struct config *config, const struct option_source *source)
{
        int r;

        if (config->n_advertise == CMI_ENDPOINTS_MAX) {
                return option_refuse(source, "more than 4 addresses");
        }
        r = parse_endpoint(config, &config->advertise[config->n_advertise], source);
        if (r == 0 && config->advertise[config->n_advertise].port == 0) {
                return option_refuse(source, "others need the port's number");
        }
        if (r == 0 && cmi_endpoint_is_unspecified(&config->advertise[config->n_advertise])) {
                return option_refuse(source, "nobody can be reached there");
        }
        config->n_advertise += r == 0;
        return r;
}

/* Host names are looked up once, here. */
static int resolve(const struct option_source *source, char ret_text[CMI_ENDPOINT_TEXT_SIZE])
{
        const char *why;
        struct cmi_endpoint endpoint;

        if (host_resolve(source->text, &endpoint, &why) < 0) {
                return option_refuse(source, why);
        }
        cmi_endpoint_format(&endpoint, ret_text);
        return 0;
}

static int parse_peer(struct config *config, const struct option_source *source)
{
        char text[CMI_ENDPOINT_TEXT_SIZE] = "";
        struct option_source numeric = *source;
        struct cmi_endpoint *target = &config->peers[config->n_peers];
        int r;

        if (config->n_peers == CONFIG_PEERS_MAX) {
                return option_refuse(
                                source, "more than 64 peers; nodes learn of each other from one");
        }
        if (cmi_endpoint_parse(source->text, target) == CMI_ENDPOINT_NOT_NUMERIC) {
                r = resolve(source, text);
                if (r < 0) {
                        return r;
                }
                numeric.text = text;
        }
        r = parse_endpoint(config, target, &numeric);
        if (r == 0 && (target->port == 0 || cmi_endpoint_is_unspecified(target))) {
                return option_refuse(source, "nobody can be reached there");
        }
        config->n_peers += r == 0;
        return r;
}

static int parse_dns(struct config *config, const struct option_source *source)
{
        int r;

        if (config->n_dns == CONFIG_DNS_MAX) {
                return option_refuse(source, "more than 4 names");
        }
        r = dns_name_parse(source->text, &config->dns[config->n_dns]);
        if (r != DNS_NAME_OK) {
                return option_refuse(source, dns_name_error_text(r));
        }
        config->n_dns++;
        return 0;
}

/* Questions are no secrets, and answers only hints: it may be anywhere, also without a key. */
static int parse_server(struct cmi_endpoint *target, const struct option_source *source)
{
        struct cmi_endpoint endpoint;
        int r = cmi_endpoint_parse(source->text, &endpoint);

        if (r != CMI_ENDPOINT_OK) {
                return option_refuse(source, cmi_endpoint_error_text(r));
        }
        if (endpoint.port == 0 || cmi_endpoint_is_unspecified(&endpoint) ||
                        cmi_endpoint_is_multicast(&endpoint)) {
                return option_refuse(source, "nobody can be reached there");
        }
        *target = endpoint;
        return 0;
}

static int parse_group(char *target, const struct option_source *source)
{
        char text[CMI_ENDPOINT_TEXT_SIZE];
        struct cmi_endpoint endpoint;
        bool is_v6 = strchr(source->text, ':') != NULL;

        snprintf(text, sizeof(text), is_v6 ? "[%.50s]:1" : "%.50s:1", source->text);
        if (strlen(source->text) > CONFIG_GROUP_MAX ||
                        cmi_endpoint_parse(text, &endpoint) != CMI_ENDPOINT_OK ||
                        !cmi_endpoint_is_multicast(&endpoint)) {
                return option_refuse(source,
                                "want a multicast address, as 239.255.67.80 or ff02::efff:4350");
        }
        strcpy(target, source->text);
        return 0;
}

int option_set(struct config *config, const struct option *option,
                const struct option_source *source)
{
        void *target = (char *)config + option->offset;

        switch (option->kind) {
        case OPTION_TEXT:
        case OPTION_NAME:
                return parse_text(option, target, source);
        case OPTION_NUMBER:
        case OPTION_POWER:
                return parse_number(option, target, source);
        case OPTION_SWITCH:
        case OPTION_SET:
                return parse_switch(target, source);
        case OPTION_LISTEN:
                config->is_listen_chosen = true;
                return parse_endpoint(config, target, source);
        case OPTION_ADVERTISE:
                return parse_advertise(config, source);
        case OPTION_PEER:
                return parse_peer(config, source);
        case OPTION_DNS:
                return parse_dns(config, source);
        case OPTION_SERVER:
                return parse_server(target, source);
        case OPTION_GROUP:
                return parse_group(target, source);
        case OPTION_LEVEL:
                return parse_level(target, source);
        }
        return -EINVAL;
}
