/* SPDX-License-Identifier: MIT */
#include "demo-app/options.h"

#include "libcachemesh/cachemesh.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option flags[] = {{"port", required_argument, NULL, 'p'},
                {"db", required_argument, NULL, 'd'}, {"node-name", required_argument, NULL, 'n'},
                {"socket", required_argument, NULL, 's'}, {"standalone", no_argument, NULL, 'a'},
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
             "  --standalone      do without meshd; nothing reaches other nodes\n"
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
                return 0;
        case 'q':
                options->is_publishing = false;
                return 0;
        case 'h':
                options->is_help = true;
                return 0;
        default:
                return -EINVAL; /* getopt_long() said why */
        }
}

int options_read(struct options *ret_options, int argc, char **argv)
{
        struct options options = {.node = "demo", .is_publishing = true};
        int flag;

        while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
                if (read_flag(&options, flag) < 0) {
                        return -EINVAL;
                }
        }
        if (optind < argc) {
                return refuse("argument", argv[optind], "nothing but options is expected");
        }
        if (!options.is_help && (!options.db || !options.db[0])) {
                fputs("cachemesh-demo: --db FILE is needed; --help says more.\n", stderr);
                return -EINVAL;
        }
        *ret_options = options;
        return 0;
}
