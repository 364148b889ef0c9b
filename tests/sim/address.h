/* SPDX-License-Identifier: MIT */
#pragma once
#include "base/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define ADDRESSES_MAX 2

struct act;
struct event;
struct options;
struct world;

uint32_t address_count(const struct options *options); /* of each node */
struct cmi_endpoint address_endpoint(uint32_t node, uint32_t address);
bool address_find(const struct world *world, const struct cmi_endpoint *endpoint,
                uint32_t *ret_node, uint32_t *ret_address);
void address_die(struct world *world, const struct act *act);
void address_revive(struct world *world, uint32_t node, uint32_t address);
/* b = 0: one dies; else address b - 1 of node a lives again. */
void address_event(struct world *world, const struct event *event);
