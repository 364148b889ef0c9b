/* SPDX-License-Identifier: MIT */
#include "meshd/verbs/goal.h"

#include "meshd/io/arguments.h"

#include <errno.h>
#include <stdio.h>

static const char *const words[] = {
                [GOAL_LIVE] = "live", [GOAL_PEERS] = "peers", [GOAL_CAUGHT_UP] = "caught-up"};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

const char *goal_text(const struct goal *goal)
{
        return words[goal->kind];
}

int goal_read(struct goal *ret_goal, struct cmi_slice arguments, const struct core *core)
{
        struct goal goal = {.n_wanted = 1};
        struct cmi_slice text = {0};
        struct core_status status;
        size_t i = 0;

        if (arguments_str(arguments, "for", 32, &text) < 0 ||
                        arguments_uint(arguments, "count", CORE_PEERS_MAX, &goal.n_wanted) < 0) {
                return -EINVAL;
        }
        while (i < N_WORDS && !cmi_slice_equal(text, cmi_slice_str(words[i]))) {
                i++;
        }
        if (i == N_WORDS) {
                return -EINVAL;
        }
        core_status(core, &status);
        goal.kind = (enum goal_kind)i;
        goal.position = status.newest.number;
        *ret_goal = goal;
        return 0;
}

/* The first member that is not caught up; false if all are. */
static bool find_laggard(const struct goal *goal, const struct core *core, struct cmi_time now,
                struct core_member *ret_member)
{
        for (uint32_t i = 0; core_member(core, now, i, ret_member) == 0; i++) {
                if (ret_member->state == MEMBER_JOINING || ret_member->state == MEMBER_SILENT) {
                        return true;
                }
                if (ret_member->state == MEMBER_LIVE &&
                                (ret_member->acknowledged < goal->position ||
                                                ret_member->applied < ret_member->newest.number)) {
                        return true;
                }
        }
        return false;
}

static uint64_t count_live(const struct core *core, struct cmi_time now)
{
        struct core_member member;
        uint64_t n = 0;

        for (uint32_t i = 0; core_member(core, now, i, &member) == 0; i++) {
                n += member.state == MEMBER_LIVE;
        }
        return n;
}

bool goal_is_reached(const struct goal *goal, const struct core *core, struct cmi_time now)
{
        struct core_status status;
        struct core_member member;

        core_status(core, &status);
        switch (goal->kind) {
        case GOAL_LIVE:
                return status.state == CORE_LIVE;
        case GOAL_PEERS:
                return count_live(core, now) >= goal->n_wanted;
        case GOAL_CAUGHT_UP:
                return status.state == CORE_LIVE && !find_laggard(goal, core, now, &member);
        }
        return false;
}

void goal_describe(const struct goal *goal, const struct core *core, struct cmi_time now,
                char ret_text[GOAL_TEXT_MAX])
{
        struct core_status status;
        struct core_member member;

        core_status(core, &status);
        if (goal->kind == GOAL_PEERS) {
                snprintf(ret_text, GOAL_TEXT_MAX, "%llu of %llu peers live",
                                (unsigned long long)count_live(core, now),
                                (unsigned long long)goal->n_wanted);
        } else if (status.state != CORE_LIVE) {
                snprintf(ret_text, GOAL_TEXT_MAX, "this node is %s: %s",
                                core_state_text(status.state), status.reason);
        } else if (find_laggard(goal, core, now, &member)) {
                snprintf(ret_text, GOAL_TEXT_MAX,
                                "peer \"%s\" is %s; %llu of our operations are missing there, %llu "
                                "of its operations here",
                                member.name, core_member_state_text(member.state),
                                (unsigned long long)(status.newest.number - member.acknowledged),
                                (unsigned long long)(member.newest.number - member.applied));
        } else {
                snprintf(ret_text, GOAL_TEXT_MAX, "not %s in time", goal_text(goal));
        }
}
