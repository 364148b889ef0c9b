/* SPDX-License-Identifier: MIT */
#include "tests/lab/path.h"

#include <string.h>

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(struct path *path)
{
        uint64_t z = path->random += 0x9e3779b97f4a7c15u;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

void path_init(struct path *path, uint64_t seed, uint32_t from, uint32_t to)
{
        memset(path, 0, sizeof(*path));
        path->random = seed;
        path->random = draw(path) ^ ((uint64_t)from << 32 | to);
        path->random = draw(path);
}

static bool draw_share(struct path *path, uint32_t ppm)
{
        return draw(path) % PATH_PPM < ppm;
}

int path_pass(struct path *path, bool is_drawn, uint64_t now_ns, uint64_t ret_due_ns[2])
{
        const struct path_rules *rules = &path->rules;
        uint64_t due_ns = now_ns + (uint64_t)rules->delay_us * 1000;
        bool is_lost = is_drawn && draw_share(path, rules->loss_ppm);
        bool is_twice = is_drawn && draw_share(path, rules->twice_ppm);
        bool is_reordered = is_drawn && draw_share(path, rules->reorder_ppm);

        if (is_drawn) {
                due_ns += draw(path) % ((uint64_t)rules->jitter_us * 1000 + 1);
        }
        if (path->is_cut) {
                path->n_cut++;
                return 0;
        }
        if (is_lost) {
                path->n_lost++;
                return 0;
        }
        path->n_passed++;
        if (is_reordered) {
                path->n_reordered++;
                due_ns += (uint64_t)rules->reorder_us * 1000;
        } else {
                due_ns = due_ns > path->last_due_ns ? due_ns : path->last_due_ns;
                path->last_due_ns = due_ns;
        }
        path->n_twice += is_twice;
        ret_due_ns[0] = ret_due_ns[1] = due_ns;
        return 1 + is_twice;
}
