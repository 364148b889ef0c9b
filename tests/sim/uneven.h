/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct act;
struct node;
struct options;
struct world;

/* With what a node starts next. */
uint64_t uneven_gone_ns(const struct node *node);
uint64_t uneven_lease_ns(const struct node *node);
uint32_t uneven_max_peers(const struct node *node);
uint64_t uneven_gone_most_ns(const struct options *options); /* of all */
void uneven_configure(struct node *node, const struct act *act);
void uneven_keep_lease(struct node *node, uint64_t lease_ns); /* on the disk */
void uneven_keep_gone(struct node *node);
void uneven_event(struct world *world);
/* Is @other a member of @node, or itself? */
bool uneven_has_place(const struct node *node, const struct node *other);
/* Bits of nodes that have no place for this one, which is not LIVE. */
uint32_t uneven_left_out(const struct world *world, uint32_t index);
void uneven_heal(struct node *node);
