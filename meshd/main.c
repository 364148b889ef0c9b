/* SPDX-License-Identifier: MIT */
/*
 * meshd: one node of a cachemesh. Reads the configuration, starts the daemon, runs it
 * until it is told to stop.
 */
#include "base/cleanup.h"
#include "meshd/daemon.h"
#include "meshd/obituary.h"
#include "meshd/options/config.h"

#include <stdio.h>
#include <stdlib.h>

static struct config config;
static struct daemon node;

static int fail(const struct fault *fault)
{
        fprintf(stderr, "meshd: %s\n", fault->text);
        return fault->status;
}

int main(int argc, char **argv)
{
        struct fault fault = {0};
        int r;

        if (!cmi_standard_fds_open()) {
                return FAULT_FAILED;
        }
        if (config_load(&config, argv, getenv, &fault) < 0) {
                return fail(&fault);
        }
        if (config.is_help) {
                config_print_help(stdout);
                return fflush(stdout) == 0 ? 0 : FAULT_FAILED;
        }
        if (config.is_version) {
                printf("%s\n", SERVICE_SOFTWARE);
                return fflush(stdout) == 0 ? 0 : FAULT_FAILED;
        }
        if (config.is_check) {
                puts("The configuration is good.");
                return 0;
        }
        r = daemon_start(&node, &config, &fault);
        if (r < 0) {
                return fail(&fault);
        }
        return r == OBITUARY_NEEDLESS ? 0 : daemon_run(&node);
}
