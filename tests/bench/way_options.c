/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench.h"
#include "tests/bench/way.h"

#include <stdlib.h>
#include <string.h>

bool way_option(struct way_options *options, int option, const char *value)
{
        switch (option) {
        case 'r':
                options->n_receivers = (unsigned)atoi(value);
                return options->n_receivers >= 1 && options->n_receivers <= WAY_RECEIVERS_MAX;
        case 'd':
                options->meshd = value;
                return true;
        case 'm':
                options->meshctl = value;
                return true;
        case 'a':
                options->address = value;
                return true;
        case 'h':
                return hosts_parse(value, &options->hosts);
        case 'l':
                options->local = value;
                return true;
        default:
                return false;
        }
}

bool way_find(const struct way *const *ways, size_t n_ways, const char *name, struct way *ret_way)
{
        for (size_t i = 0; i < n_ways && name; i++) {
                if (strcmp(ways[i]->name, name) == 0) {
                        *ret_way = *ways[i];
                        return true;
                }
        }
        return false;
}

void way_start(struct way *way, const struct way_options *options)
{
        for (unsigned i = 0; i < options->n_receivers; i++) {
                way->stamps[i] = stamps_new(&way->stamp_fds[i]);
        }
        way->start(way, options);
}
