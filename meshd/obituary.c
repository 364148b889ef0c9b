/* SPDX-License-Identifier: MIT */
#include "meshd/obituary.h"

#include "meshd/daemon.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"

#include <errno.h>

#define TURN_MS 50
#define GREETING_MS 1000 /* for the others to be met, beyond the pauses of the protocol */

int obituary_check(struct log *log, int outcome, struct fault *fault)
{
        if (outcome != LOG_CONTINUED) {
                return fault_set(fault, FAULT_FAILED, -ENODATA,
                                "Obituary: no stream of this node was found in --runtime-dir, so "
                                "there is nothing to speak for. The others give it up by "
                                "themselves.");
        }
        if (!log_was_closed(log)) {
                return OBITUARY_NEEDED;
        }
        log_close(log); /* as it was */
        logger(LOGGER_INFO, "obituary.needless", L_TEXT("msg", "the last meshd ended in order"));
        return OBITUARY_NEEDLESS;
}

/* Members that the goodbye reaches, those that it does not, and those of which that may change. */
struct census {
        uint32_t n_told;
        uint32_t n_untold;
        uint32_t n_open;
};

static struct census count(const struct daemon *daemon)
{
        struct census census = {0};
        struct core_member member;

        for (uint32_t i = 0; core_member(daemon->core, clock_now(), i, &member) == 0; i++) {
                bool is_told = member.has_link && member.is_heard;

                if (member.state != MEMBER_LEFT) {
                        census.n_told += is_told;
                        census.n_untold += !is_told;
                        census.n_open += member.state != MEMBER_LIVE && member.state != MEMBER_GONE;
                }
        }
        return census;
}

/* LIVE: the pause is over, and every member is heard in both directions or was given up. */
static bool is_over(const struct daemon *daemon, uint64_t since_ns)
{
        /* That of the dead one, if it was longer. */
        uint64_t wait_ns = 2 * log_lease_ns(&daemon->log) + cmi_ms(GREETING_MS);
        uint64_t elapsed_ns = clock_read_ns(CLOCK_MONOTONIC) - since_ns;
        struct core_status status;

        core_status(daemon->core, &status);
        if (status.n_members > 0) {
                wait_ns += cmi_ms(daemon->config->gone_ms);
        }
        return elapsed_ns >= wait_ns || (status.state == CORE_LIVE && count(daemon).n_open == 0);
}

int obituary_wait(struct daemon *daemon)
{
        uint64_t since_ns = clock_read_ns(CLOCK_MONOTONIC);
        struct census census;

        logger(LOGGER_INFO, "obituary.begun", L_ID("id", &daemon->state.id),
                        L_UINT("incarnation", daemon->state.incarnation),
                        L_UINT("position", log_newest(&daemon->log)));
        while (!daemon->is_ending && !is_over(daemon, since_ns)) {
                loop_turn(&daemon->loop, TURN_MS);
        }
        census = count(daemon);
        if (!daemon->is_ending && census.n_untold == 0) {
                logger(LOGGER_INFO, "obituary.told", L_UINT("told", census.n_told));
                return 0;
        }
        logger(LOGGER_WARNING, "obituary.partial", L_UINT("told", census.n_told),
                        L_UINT("untold", census.n_untold),
                        L_TEXT("msg", daemon->is_ending ? "stopped before it was said"
                                                        : "who is not reached learns nothing"));
        return FAULT_RETRY;
}
