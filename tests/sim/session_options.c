/* SPDX-License-Identifier: MIT */
/* How a seed uses sessions, if it does. Times are short, so that a run sees their ends. */
#include "tests/sim/session.h"

#define PICK(random, ...)                                                                          \
        ((const uint64_t[]){__VA_ARGS__}[random_below(                                             \
                        random, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))])

static void draw_clicks(struct options *options, struct random *random)
{
        static const uint32_t usual[CLICK_KINDS] = {[CLICK_LOOK] = 20,
                        [CLICK_SAVE] = 40,
                        [CLICK_TOUCH] = 10,
                        [CLICK_ROTATE] = 8,
                        [CLICK_LOGOUT] = 6,
                        [CLICK_LOGOUT_ALL] = 3,
                        [CLICK_AGAIN] = 10,
                        [CLICK_STRANGER] = 3,
                        [CLICK_UNKNOWN] = 2};

        for (uint32_t i = 0; i < CLICK_KINDS; i++) {
                options->click_weights[i] = usual[i] * (uint32_t)PICK(random, 0, 1, 1, 3);
        }
        options->click_weights[CLICK_LOOK] += 1;
        options->click_ns = options->lease_ns * PICK(random, 1, 2, 6) / 4;
        /* A clock that is set back hides that its host was suspended. */
        options->ahead_ppm = options->weights[FAULT_SUSPEND] > 0
                                             ? 0
                                             : (uint32_t)PICK(random, 0, 20000, 60000);
        options->sticky_ppm = (uint32_t)PICK(random, 500000, 900000, 990000);
}

void session_options_draw(struct options *options, struct random *random)
{
        uint64_t lease_ns = options->lease_ns;

        options->n_users = (uint32_t)PICK(random, 0, 0, 0, 0, 0, 0, 1, 2, 4);
        if (options->n_users == 0) {
                return;
        }
        options->session_life_ns = lease_ns * PICK(random, 8, 20, 100);
        options->session_idle_ns = lease_ns * PICK(random, 0, 3, 3, 8);
        options->session_margin_ns = lease_ns * PICK(random, 0, 3, 12);
        options->session_limit = (uint32_t)PICK(random, 0, 0, 3);
        options->session_blob = (uint32_t)PICK(random, 1, 200, 12000);
        options->session_bytes = (uint32_t)PICK(random, 1u << 16, 1u << 20);
        options->session_key_bytes = (uint32_t)PICK(random, 1u << 16, 1u << 18);
        draw_clicks(options, random);
}
