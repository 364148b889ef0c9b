/* SPDX-License-Identifier: MIT */
#include "demo-app/options.h"

#include "libcachemesh/cachemesh-session.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option flags[] = {{"port", required_argument, NULL, 'p'},
                {"db", required_argument, NULL, 'd'}, {"node-name", required_argument, NULL, 'n'},
                {"socket", required_argument, NULL, 's'}, {"standalone", no_argument, NULL, 'a'},
                {"session-keys", required_argument, NULL, 'k'},
                {"new-session-keys", required_argument, NULL, 'w'},
                {"session-idle", required_argument, NULL, 'i'},
                {"session-life", required_argument, NULL, 'l'},
                {"secure-cookie", no_argument, NULL, 'c'}, {"no-login", no_argument, NULL, 'o'},
                {"no-publish", no_argument, NULL, 'q'}, {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0}};

void options_print_help(void)
{
        puts("usage: cachemesh-demo --db FILE [OPTION...]\n"
             "\n"
             "People, folders and sharing, as pages and as JSON on the loopback; trees of folders "
             "are\n"
             "cached in the process and kept coherent with other nodes by cachemesh.\n"
             "\n"
             "  --db FILE         SQLite database, shared by the apps of all nodes\n"
             "  --port PORT       to listen on; 0, the default, takes any free one and prints it\n"
             "  --node-name NAME  of this node, shown in each answer; default: demo\n"
             "  --socket FILE     of meshd; default: $CACHEMESH_SOCKET or "
             "/run/cachemesh/meshd.sock\n"
             "  --standalone      do without meshd; nothing reaches other nodes; --no-login\n"
             "\n"
             "  --session-keys FILE      key ring that seals the sessions of logins; the\n"
             "                           same on all nodes; default: $CACHEMESH_SESSION_KEYS\n"
             "  --new-session-keys FILE  make one, and end\n"
             "  --session-idle SECONDS   a login that is not used ends; 0: never; default: 1800\n"
             "  --session-life SECONDS   and so does an old one, default: 43200, 12 hours\n"
             "  --secure-cookie          browsers send the cookie over TLS only, for a proxy\n"
             "  --no-login               do without logins: whoever is named in a request acts\n"
             "\n"
             "  --no-publish      tell nobody what changed, to show what is then seen\n"
             "\n"
             "Exit status: 0 stopped by a signal, 1 failed, 64 usage.");
}

static int refuse(const char *flag, const char *value, const char *why)
{
        fprintf(stderr, "cachemesh-demo: %s \"%.80s\": %s.\n", flag, value, why);
        return -EINVAL;
}

static int read_port(const char *text, uint16_t *ret_port)
{
        char *end;
        unsigned long port = strtoul(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || *end || port > 65535) {
                return refuse("--port", text, "want a number from 0 to 65535");
        }
        *ret_port = (uint16_t)port;
        return 0;
}

#define LIFE_S_MAX (CM_SESSION_LIFE_MS_MAX / 1000)

static int read_seconds(const char *flag, const char *text, unsigned long least, uint64_t *ret_ms)
{
        char *end;
        unsigned long seconds = strtoul(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || *end || seconds < least || seconds > LIFE_S_MAX) {
                return refuse(flag, text, "want seconds, 7 days at most");
        }
        *ret_ms = (uint64_t)seconds * 1000;
        return 0;
}

/* It goes into headers and pages as it is. */
static int read_node(const char *text, const char **ret_node)
{
        static const char allowed[] =
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";

        if (!text[0] || strlen(text) > CM_NAME_MAX || text[strspn(text, allowed)]) {
                return refuse("--node-name", text, "want 1 to 64 letters, digits, dots, hyphens");
        }
        *ret_node = text;
        return 0;
}

static int read_session_flag(struct options *options, int flag)
{
        switch (flag) {
        case 'k':
                options->session_keys = optarg;
                return 0;
        case 'w':
                options->new_session_keys = optarg;
                return 0;
        case 'i':
                return read_seconds("--session-idle", optarg, 0, &options->idle_ms);
        case 'l':
                return read_seconds("--session-life", optarg, 1, &options->life_ms);
        case 'c':
                options->is_cookie_secure = true;
                return 0;
        case 'o':
                options->has_logins = false;
                return 0;
        default:
                return -EINVAL; /* getopt_long() said why */
        }
}

static int read_flag(struct options *options, int flag)
{
        switch (flag) {
        case 'p':
                return read_port(optarg, &options->port);
        case 'd':
                options->db = optarg;
                return 0;
        case 'n':
                return read_node(optarg, &options->node);
        case 's':
                options->socket = optarg;
                return 0;
        case 'a':
                options->is_standalone = true;
                options->has_logins = false;
                return 0;
        case 'q':
                options->is_publishing = false;
                return 0;
        case 'h':
                options->is_help = true;
                return 0;
        default:
                return read_session_flag(options, flag);
        }
}

int options_read(struct options *ret_options, int argc, char **argv)
{
        struct options options = {.node = "demo",
                        .is_publishing = true,
                        .has_logins = true,
                        .idle_ms = 30 * 60 * 1000,
                        .life_ms = CM_SESSION_LIFE_MS_DEFAULT};
        int flag;

        while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
                if (read_flag(&options, flag) < 0) {
                        return -EINVAL;
                }
        }
        if (optind < argc) {
                return refuse("argument", argv[optind], "nothing but options is expected");
        }
        if (!options.is_help && !options.new_session_keys && (!options.db || !options.db[0])) {
                fputs("cachemesh-demo: --db FILE is needed; --help says more.\n", stderr);
                return -EINVAL;
        }
        *ret_options = options;
        return 0;
}
