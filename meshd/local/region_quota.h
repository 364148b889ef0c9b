/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Each user's share of the regions of a node: there are CMI_PAGE_REGIONS, and one user's processes
 * together may have REGION_QUOTA_MAX of them open, so that something is left for the others.
 *
 * One thread.
 */
#include "wire/page.h"

#include <sys/types.h>

#define REGION_QUOTA_MAX (CMI_PAGE_REGIONS / 4 * 3)

struct region_quota {
        uid_t uid;
        uint32_t n_regions;                   /* open by this user's clients */
        uint32_t n_clients[CMI_PAGE_REGIONS]; /* by the region's index */
        struct region_quota *next;
};

/**
 * region_quota_take() - a client of this user opens a region
 * @quotas: list of all users that have any open
 * @index:  of the region; each client takes it once
 *
 * Return: 0, -ENOSPC (the user has REGION_QUOTA_MAX others open), -ENOMEM; then nothing changed.
 */
int region_quota_take(struct region_quota **quotas, uid_t uid, uint32_t index);

/* The client is gone: what one region_quota_take() took is given back. */
void region_quota_return(struct region_quota **quotas, uid_t uid, uint32_t index);
