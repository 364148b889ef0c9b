/* SPDX-License-Identifier: MIT */
#include "meshd/options/config.h"

#include "meshd/core/core.h"
#include "meshd/options/option.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A list given by flags replaces the one from the environment. */
static void clear_list(struct config *config, const struct option *option)
{
        if (option->kind == OPTION_PEER) {
                config->n_peers = 0;
        } else if (option->kind == OPTION_ADVERTISE) {
                config->n_advertise = 0;
        } else if (option->kind == OPTION_DNS) {
                config->n_dns = 0;
        }
}

static int refuse_unknown(const char *argument, const char *name, struct fault *fault)
{
        return fault_set(fault, FAULT_USAGE, -EINVAL,
                        "%.200s: no such option. The nearest one is --%s; --help lists all.",
                        argument, option_nearest(name)->flag);
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
        ret_given->option = option_find(name);
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
        uint64_t seen = 0; /* a bit for each option */
        struct given given = {0};

        for (char *const *at = argv + (argv[0] != NULL); *at; at += given.n_arguments) {
                struct option_source source = {given.label, NULL, fault};
                int r = read_flag(at, &given, fault);
                uint64_t bit;

                if (r < 0) {
                        return r;
                }
                assert(given.option);
                if (only && given.option != only) {
                        continue;
                }
                bit = UINT64_C(1) << (given.option - options);
                if (!(seen & bit)) {
                        clear_list(config, given.option);
                        seen |= bit;
                }
                source.text = given.text;
                if (option_set(config, given.option, &source) < 0) {
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
static int load_list(struct config *config, const struct option *option,
                const struct option_source *source)
{
        const char *at = source->text + strspn(source->text, " ,");

        while (*at) {
                char word[CMI_ENDPOINT_HOST_SIZE + 16];
                const struct option_source one = {source->label, word, source->fault};
                size_t n = strcspn(at, " ,");

                snprintf(word, sizeof(word), "%.*s", (int)n, at);
                if (n >= sizeof(word)) {
                        return option_refuse(&one, "too long");
                }
                if (option_set(config, option, &one) < 0) {
                        return -EINVAL;
                }
                at += n;
                at += strspn(at, " ,");
        }
        return 0;
}

static int load_environment(struct config *config, char *(*get)(const char *), struct fault *fault)
{
        for (size_t i = 0; i < n_options; i++) {
                char name[64];
                struct option_source source = {name, NULL, fault};
                int r = 0;

                environment_name(&options[i], name);
                source.text = get(name);
                if (source.text) {
                        r = option_is_list(&options[i]) ? load_list(config, &options[i], &source)
                                                        : option_set(config, &options[i], &source);
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

        for (size_t i = 0; i < n_options; i++) {
                struct option_source source = {options[i].flag, options[i].fallback, &fault};

                if (options[i].fallback) {
                        int r = option_set(config, &options[i], &source);

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
        config->is_socket_chosen = strcmp(config->socket, option_find("socket")->fallback) != 0;
}

static int check_together(const struct config *config, struct fault *fault)
{
        const char *interface = config->interface;

        if (config->gone_ms < CORE_GONE_LEASES * config->lease_ms) {
                return fault_set(fault, FAULT_CONFIG, -EINVAL,
                                "--gone-ms %llu: must be at least twice --lease-ms (%llu).",
                                (unsigned long long)config->gone_ms,
                                (unsigned long long)config->lease_ms);
        }
        if (config->is_obituary && config->is_new_identity) {
                return fault_set(fault, FAULT_CONFIG, -EINVAL,
                                "--obituary: speaks for the old identity, not for a new one.");
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
        r = load_flags(ret_config, argv, option_find("key"), fault);
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
        for (size_t i = 0; i < n_options; i++) {
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
