/* SPDX-License-Identifier: MIT */
#include "meshd/descriptors.h"

#include "meshd/local/client_limit.h"
#include "meshd/mesh/link.h"
#include "meshd/mesh/redial.h"

#include <errno.h>
#include <sys/resource.h>

uint64_t descriptors_needed(const struct config *config)
{
        return 3 * config->max_peers + config->max_clients + CLIENT_LIMIT_RESERVE + 64;
}

int descriptors_take(const struct config *config, uint32_t *ret_n_spare, struct fault *fault)
{
        rlim_t needed = descriptors_needed(config);
        rlim_t wanted = needed + LINK_SPARE_CONNECTIONS + 2 * REDIAL_TRIALS_MAX;
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
                *ret_n_spare = 0;
                return 0;
        }
        if (limit.rlim_cur < wanted) {
                rlim_t before = limit.rlim_cur;

                limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
                if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
                        limit.rlim_cur = before;
                }
        }
        if (limit.rlim_cur < needed) {
                return fault_set(fault, FAULT_CONFIG, -EMFILE,
                                "Open files: %llu peers and %llu clients need %llu, and the hard "
                                "limit is %llu. Raise it (ulimit -Hn, LimitNOFILE=), or lower "
                                "--max-peers or --max-clients.",
                                (unsigned long long)config->max_peers,
                                (unsigned long long)config->max_clients, (unsigned long long)needed,
                                (unsigned long long)limit.rlim_max);
        }
        *ret_n_spare = limit.rlim_cur >= wanted ? LINK_SPARE_CONNECTIONS
                                                : (uint32_t)(limit.rlim_cur - needed) / 2;
        return 0;
}
