/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One direction between two ports of the lab's hub: what becomes of the next frame. All of it is
 * drawn from a seed, always the same number of draws a frame, so that one seed gives one schedule
 * whatever the rules are. It knows no clock and no frame; the hub has both.
 */
#include <stdbool.h>
#include <stdint.h>

#define PATH_PPM 1000000u /* shares are given in millionths */

struct path_rules {
        uint32_t delay_us;
        uint32_t jitter_us; /* 0 to this is added; frames stay in order */
        uint32_t loss_ppm;
        uint32_t twice_ppm;   /* sent a second time, at once */
        uint32_t reorder_ppm; /* held back by reorder_us, so that later ones overtake it */
        uint32_t reorder_us;
};

struct path {
        struct path_rules rules;
        uint64_t random;
        uint64_t last_due_ns;
        bool is_cut;
        uint64_t n_passed;
        uint64_t n_lost;
        uint64_t n_twice;
        uint64_t n_reordered;
        uint64_t n_cut;
        uint64_t n_full; /* the hub's queue took no more, or the port was away */
};

/**
 * path_init() - a path without delay that loses nothing
 * @path: to be filled
 * @seed: of the whole hub
 * @from: number of the port that frames come in by
 * @to:   and of the one that they leave by
 */
void path_init(struct path *path, uint64_t seed, uint32_t from, uint32_t to);

/**
 * path_pass() - decide about one frame, and count it
 * @path:       it goes this way
 * @is_drawn:   subject to loss and the like; else it is only delayed, without a draw
 * @now_ns:     when it came
 * @ret_due_ns: room for two; when each copy is to leave
 *
 * Return: how many copies leave, 0 to 2.
 */
int path_pass(struct path *path, bool is_drawn, uint64_t now_ns, uint64_t ret_due_ns[2]);
