/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Each user's share of the regions of a node: there are CMI_PAGE_REGIONS, and one user's processes
 * together may have SHARE_REGIONS_MAX of them open, so that something is left for the others.
 *
 * One thread.
 */
#include "wire/page.h"

#include <sys/types.h>

#define SHARE_REGIONS_MAX (CMI_PAGE_REGIONS / 4 * 3)

struct share {
        uid_t uid;
        uint32_t n_regions;                   /* open by this user's clients */
        uint32_t n_clients[CMI_PAGE_REGIONS]; /* by the region's index */
        struct share *next;
};

/**
 * share_take() - a client of this user opens a region
 * @shares: list of all users that have any open
 * @index:  of the region; each client takes it once
 *
 * Return: 0, -ENOSPC (the user has SHARE_REGIONS_MAX others open), -ENOMEM; then nothing changed.
 */
int share_take(struct share **shares, uid_t uid, uint32_t index);

/* The client is gone: what one share_take() took is given back. */
void share_return(struct share **shares, uid_t uid, uint32_t index);
