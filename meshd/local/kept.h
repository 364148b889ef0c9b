/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What processes have loaded lately, for those of the same node that miss it a little later: after
 * a lapse each of them needs each key, and not all in the same moment. A value is given with its
 * token, so who gets it judges it by the page as if it had loaded it itself; what the page already
 * refuses by key, region or floor is not given at all. Bounded by KEPT_BYTES_MAX; what came first
 * goes first.
 *
 * One thread.
 */
#include "meshd/local/load_name.h"
#include "wire/page.h"

#define KEPT_BYTES_MAX (16u << 20) /* keys, values and what each costs */

struct kept;

/**
 * kept_new() - nothing is kept yet
 * @page: of this meshd; borrowed
 *
 * Return: 0, -ENOMEM.
 */
int kept_new(struct kept **ret_kept, struct cmi_page *page);
/* Takes NULL, returns NULL. */
struct kept *kept_free(struct kept *kept);

/* Keep a record (copied) that was loaded under a token; the one before it goes. No memory: nothing
 * is kept. */
void kept_put(struct kept *kept, const struct load_name *name, uint64_t token,
                struct cmi_slice record);

/* The record, borrowed until the next call here; empty if there is none that the page allows. */
struct cmi_slice kept_find(struct kept *kept, const struct load_name *name);

/* Who got it could not use it. */
void kept_drop(struct kept *kept, const struct load_name *name);

uint64_t kept_bytes(const struct kept *kept);
