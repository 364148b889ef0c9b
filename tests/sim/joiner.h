/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

struct world;

/* Cut its link. */
void joiner_begin(struct world *world);
/* By how much this node starts later than the others; 0: it is another one. */
uint64_t joiner_late_ns(const struct world *world, uint32_t node);
