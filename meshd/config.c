/* SPDX-License-Identifier: MIT */
#include "meshd/config.h"

#include "meshd/core/core.h"
#include "meshd/host.h"
#include "meshd/io/logger.h"
#include "meshd/nearest.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#define OFFSET(member) offsetof(struct config, member)
#define TEXT_AT(member) OFFSET(member), sizeof(((struct config *)0)->member) - 1

enum option_kind {
        OPTION_TEXT,      /* max: bytes */
        OPTION_NAME,      /* the same, printable, not empty */
        OPTION_NUMBER,    /* min to max */
        OPTION_POWER,     /* the same, and a power of two */
        OPTION_SWITCH,    /* on or off */
        OPTION_SET,       /* a flag without a value; in the environment: on or off */
        OPTION_LISTEN,    /* ADDRESS:PORT */
        OPTION_ADVERTISE, /* the same, repeatable */
        OPTION_PEER,      /* HOST:PORT, repeatable */
        OPTION_GROUP,     /* a multicast address */
        OPTION_LEVEL,
};

struct option {
        const char *flag;
        enum option_kind kind;
        size_t offset;
        uint64_t max;
        uint64_t min;
        const char *fallback; /* NULL: found otherwise, see set_late_defaults() */
        const char *value;
        const char *help;
};

static const struct option options[] = {
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
                {"lease-ms", OPTION_NUMBER, OFFSET(lease_ms), 60000, 50, "1000", "MS",
                                "a cut-off node serves no longer than this; equal on all nodes"},
                {"gone-ms", OPTION_NUMBER, OFFSET(gone_ms), 3600000, 100, NULL, "MS",
                                "silence after which a node is gone; default: 3 leases"},
                {"log-level", OPTION_LEVEL, OFFSET(log_level), 0, 0, "info", "LEVEL",
                                "error, warning, info or debug"},
                {"new-identity", OPTION_SET, OFFSET(is_new_identity), 0, 0, "off", NULL,
                                "take a new node id: for a copied state directory"},
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

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* One value, and where it came from, for messages. */
struct source {
        const char *label; /* "--name" or "MESHD_NAME" */
        const char *text;
        struct fault *fault;
};

static int refuse(const struct source *source, const char *why)
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

static int parse_text(const struct option *option, char *target, const struct source *source)
{
        size_t n = strlen(source->text);
        char why[80];

        if (n > option->max) {
                snprintf(why, sizeof(why), "longer than the %u bytes that are possible",
                                (unsigned int)option->max);
                return refuse(source, why);
        }
        if (n < option->min) {
                return refuse(source, "must not be empty");
        }
        if (!is_printable(source->text)) {
                return refuse(source, "holds a control character");
        }
        memcpy(target, source->text, n + 1);
        return 0;
}

static int parse_number(const struct option *option, uint64_t *target, const struct source *source)
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
                return refuse(source, why);
        }
        if (option->kind == OPTION_POWER && (number & (number - 1)) != 0) {
                return refuse(source, "want a power of two");
        }
        *target = number;
        return 0;
}

static int parse_switch(bool *target, const struct source *source)
{
        if (strcmp(source->text, "on") != 0 && strcmp(source->text, "off") != 0) {
                return refuse(source, "want on or off");
        }
        *target = source->text[1] == 'n';
        return 0;
}

static int parse_level(uint64_t *target, const struct source *source)
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
        return refuse(source, "want error, warning, info or debug");
}

static int parse_endpoint(const struct config *config, struct cmi_endpoint *target,
                const struct source *source)
{
        struct cmi_endpoint endpoint;
        int r = cmi_endpoint_parse(source->text, &endpoint);

        if (r != CMI_ENDPOINT_OK) {
                return refuse(source, cmi_endpoint_error_text(r));
        }
        if (cmi_endpoint_is_multicast(&endpoint)) {
                return refuse(source, "a multicast address is no place to listen or connect");
        }
        /* Encryption needs a key, and nothing goes unencrypted beyond this host. */
        if (!config->key[0] && !cmi_endpoint_is_loopback(&endpoint)) {
                return refuse(source, "without a mesh key only addresses of this host itself are "
                                      "possible (127.0.0.0/8 or [::1]), since nothing would be "
                                      "encrypted; see --key");
        }
        *target = endpoint;
        return 0;
}

static int parse_advertise(struct config *config, const struct source *source)
{
        int r;

        if (config->n_advertise == CMI_ENDPOINTS_MAX) {
                return refuse(source, "more than 4 addresses");
        }
        r = parse_endpoint(config, &config->advertise[config->n_advertise], source);
        if (r == 0 && config->advertise[config->n_advertise].port == 0) {
                return refuse(source, "others need the port's number");
        }
        if (r == 0 && cmi_endpoint_is_unspecified(&config->advertise[config->n_advertise])) {
                return refuse(source, "nobody can be reached there");
        }
        config->n_advertise += r == 0;
        return r;
}

/* Host names are looked up once, here. */
static int resolve(const struct source *source, char ret_text[CMI_ENDPOINT_TEXT_SIZE])
{
        const char *why;
        struct cmi_endpoint endpoint;

        if (host_resolve(source->text, &endpoint, &why) < 0) {
                return refuse(source, why);
        }
        cmi_endpoint_format(&endpoint, ret_text);
        return 0;
}

static int parse_peer(struct config *config, const struct source *source)
{
        char text[CMI_ENDPOINT_TEXT_SIZE];
        struct source numeric = *source;
        struct cmi_endpoint *target = &config->peers[config->n_peers];
        int r;

        if (config->n_peers == CONFIG_PEERS_MAX) {
                return refuse(source, "more than 64 peers; nodes learn of each other from one");
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
                return refuse(source, "nobody can be reached there");
        }
        config->n_peers += r == 0;
        return r;
}

static int parse_group(char *target, const struct source *source)
{
        char text[CMI_ENDPOINT_TEXT_SIZE];
        struct cmi_endpoint endpoint;
        bool is_v6 = strchr(source->text, ':') != NULL;

        snprintf(text, sizeof(text), is_v6 ? "[%.50s]:1" : "%.50s:1", source->text);
        if (strlen(source->text) > CONFIG_GROUP_MAX ||
                        cmi_endpoint_parse(text, &endpoint) != CMI_ENDPOINT_OK ||
                        !cmi_endpoint_is_multicast(&endpoint)) {
                return refuse(source,
                                "want a multicast address, as 239.255.67.80 or ff02::efff:4350");
        }
        strcpy(target, source->text);
        return 0;
}

static int set(struct config *config, const struct option *option, const struct source *source)
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
        case OPTION_GROUP:
                return parse_group(target, source);
        case OPTION_LEVEL:
                return parse_level(target, source);
        }
        return -EINVAL;
}

/* A list given by flags replaces the one from the environment. */
static void clear_list(struct config *config, const struct option *option)
{
        if (option->kind == OPTION_PEER) {
                config->n_peers = 0;
        } else if (option->kind == OPTION_ADVERTISE) {
                config->n_advertise = 0;
        }
}

static int refuse_unknown(const char *argument, const char *name, struct fault *fault)
{
        const struct option *nearest = &options[0];

        for (size_t i = 0; i < N_OPTIONS; i++) {
                if (nearest_distance(name, options[i].flag) <
                                nearest_distance(name, nearest->flag)) {
                        nearest = &options[i];
                }
        }
        return fault_set(fault, FAULT_USAGE, -EINVAL,
                        "%.200s: no such option. The nearest one is --%s; --help lists all.",
                        argument, nearest->flag);
}

static const struct option *find(const char *name)
{
        for (size_t i = 0; i < N_OPTIONS; i++) {
                if (strcmp(options[i].flag, name) == 0) {
                        return &options[i];
                }
        }
        return NULL;
}

/* One flag of the command line, and what follows it. */
struct given {
        const struct option *option;
        char label[72];
        const char *text; /* its value */
        int n_arguments;
};

static int read_flag(char *const *argv, struct given *ret_given, struct fault *fault)
{
        char name[64];
        const char *argument = argv[0];
        const char *equals = strchr(argument, '=');

        if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
                return fault_set(fault, FAULT_USAGE, -EINVAL,
                                "%.200s: want options only, each as --NAME VALUE; --help lists "
                                "them.",
                                argument);
        }
        snprintf(name, sizeof(name), "%.*s",
                        equals ? (int)(equals - argument - 2) : (int)strlen(argument) - 2,
                        argument + 2);
        ret_given->option = find(name);
        if (!ret_given->option) {
                return refuse_unknown(argument, name, fault);
        }
        snprintf(ret_given->label, sizeof(ret_given->label), "--%s", name);
        ret_given->text = equals                                  ? equals + 1
                          : ret_given->option->kind == OPTION_SET ? "on"
                                                                  : argv[1];
        if (!ret_given->text) {
                return fault_set(fault, FAULT_USAGE, -EINVAL, "%s: needs a value, %s.",
                                ret_given->label, ret_given->option->value);
        }
        ret_given->n_arguments = equals || ret_given->option->kind == OPTION_SET ? 1 : 2;
        return 0;
}

/* With @only no other option is looked at. Return: 0, -EINVAL with @fault. */
static int load_flags(struct config *config, char *const *argv, const struct option *only,
                struct fault *fault)
{
        bool is_seen[N_OPTIONS] = {false};
        struct given given = {0};

        for (char *const *at = argv + (argv[0] != NULL); *at; at += given.n_arguments) {
                struct source source = {given.label, NULL, fault};
                int r = read_flag(at, &given, fault);

                if (r < 0) {
                        return r;
                }
                assert(given.option);
                if (only && given.option != only) {
                        continue;
                }
                if (!is_seen[given.option - options]) {
                        clear_list(config, given.option);
                        is_seen[given.option - options] = true;
                }
                source.text = given.text;
                if (set(config, given.option, &source) < 0) {
                        return -EINVAL;
                }
        }
        return 0;
}

static void environment_name(const struct option *option, char ret_name[64])
{
        snprintf(ret_name, 64, "MESHD_%s", option->flag);
        for (char *at = ret_name; *at; at++) {
                *at = *at == '-' ? '_' : (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
        }
}

/* Lists are separated by blanks or commas there. */
static int load_list(
                struct config *config, const struct option *option, const struct source *source)
{
        const char *at = source->text + strspn(source->text, " ,");

        while (*at) {
                char word[CMI_ENDPOINT_HOST_SIZE + 16];
                const struct source one = {source->label, word, source->fault};
                size_t n = strcspn(at, " ,");

                snprintf(word, sizeof(word), "%.*s", (int)n, at);
                if (n >= sizeof(word)) {
                        return refuse(&one, "too long");
                }
                if (set(config, option, &one) < 0) {
                        return -EINVAL;
                }
                at += n;
                at += strspn(at, " ,");
        }
        return 0;
}

static int load_environment(struct config *config, char *(*get)(const char *), struct fault *fault)
{
        for (size_t i = 0; i < N_OPTIONS; i++) {
                char name[64];
                struct source source = {name, NULL, fault};
                bool is_list = options[i].kind == OPTION_PEER ||
                               options[i].kind == OPTION_ADVERTISE;
                int r = 0;

                environment_name(&options[i], name);
                source.text = get(name);
                if (source.text) {
                        r = is_list ? load_list(config, &options[i], &source)
                                    : set(config, &options[i], &source);
                }
                if (r < 0) {
                        return r;
                }
        }
        return 0;
}

static void load_defaults(struct config *config)
{
        struct fault fault;

        for (size_t i = 0; i < N_OPTIONS; i++) {
                struct source source = {options[i].flag, options[i].fallback, &fault};

                if (options[i].fallback) {
                        int r = set(config, &options[i], &source);

                        assert(r == 0);
                        (void)r;
                }
        }
}

/* What depends on the host or on other values. */
static void set_late_defaults(struct config *config)
{
        const char *slash;

        if (!config->name[0] && (gethostname(config->name, CMI_NAME_MAX) < 0 || !config->name[0])) {
                snprintf(config->name, sizeof(config->name), "localhost");
        }
        if (!config->is_listen_chosen) {
                cmi_endpoint_parse("127.0.0.1:6781", &config->listen);
        }
        if (config->gone_ms == 0) {
                config->gone_ms = 3 * config->lease_ms;
        }
        slash = strrchr(config->socket, '/');
        if (!config->runtime_dir[0]) {
                snprintf(config->runtime_dir, sizeof(config->runtime_dir), "%.*s",
                                slash ? (int)(slash - config->socket + (slash == config->socket))
                                      : 1,
                                slash ? config->socket : ".");
        }
        config->is_socket_chosen = strcmp(config->socket, find("socket")->fallback) != 0;
}

static int check_together(const struct config *config, struct fault *fault)
{
        const char *interface = config->interface;

        if (config->gone_ms < 2 * config->lease_ms) {
                return fault_set(fault, FAULT_CONFIG, -EINVAL,
                                "--gone-ms %llu: must be at least twice --lease-ms (%llu).",
                                (unsigned long long)config->gone_ms,
                                (unsigned long long)config->lease_ms);
        }
        if (!config->key[0] && interface[0] && strcmp(interface, "lo") != 0) {
                return fault_set(fault, FAULT_CONFIG, -EINVAL,
                                "--interface %s: without a mesh key multicast stays on lo, since "
                                "nothing would be encrypted.",
                                interface);
        }
        if (config->key_slots + config->tag_slots + config->session_slots > CMI_PAGE_SLOTS_MAX) {
                return fault_set(fault, FAULT_CONFIG, -EINVAL,
                                "--key-slots, --tag-slots and --session-slots: more than %u "
                                "together.",
                                (unsigned int)CMI_PAGE_SLOTS_MAX);
        }
        return 0;
}

int config_load(struct config *ret_config, char *const *argv, char *(*get)(const char *name),
                struct fault *fault)
{
        int r;

        memset(ret_config, 0, sizeof(*ret_config));
        load_defaults(ret_config);
        r = load_flags(ret_config, argv, find("key"), fault);
        r = r < 0 ? r : load_environment(ret_config, get, fault);
        r = r < 0 ? r : load_flags(ret_config, argv, NULL, fault);
        if (r < 0) {
                return r;
        }
        if (ret_config->is_help || ret_config->is_version) {
                return 0;
        }
        set_late_defaults(ret_config);
        return check_together(ret_config, fault);
}

void config_print_help(FILE *out)
{
        fputs("usage: meshd [--NAME VALUE]...\n\n"
              "One node of a cachemesh: tells apps on this host and other nodes what changed.\n\n",
                        out);
        for (size_t i = 0; i < N_OPTIONS; i++) {
                char left[48];

                snprintf(left, sizeof(left), "--%s%s%s", options[i].flag,
                                options[i].value ? " " : "",
                                options[i].value ? options[i].value : "");
                fprintf(out, "  %-24s %s", left, options[i].help);
                if (options[i].kind != OPTION_SET && options[i].fallback &&
                                options[i].fallback[0]) {
                        fprintf(out, "; default: %s", options[i].fallback);
                }
                fputc('\n', out);
        }
        fputs("\nEach option can also be given as an environment variable: MESHD_LEASE_MS=200 for "
              "--lease-ms 200,\n"
              "lists separated by blanks. Flags go before the environment.\n\n"
              "Exit status: 0 ended on request, 1 failed, 64 usage, 75 something is in use, 78 bad "
              "configuration.\n",
                        out);
}
