/* SPDX-License-Identifier: MIT */
#include "meshd/io/share.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct share **find(struct share **shares, uid_t uid)
{
        while (*shares && (*shares)->uid != uid) {
                shares = &(*shares)->next;
        }
        return shares;
}

int share_take(struct share **shares, uid_t uid, uint32_t index)
{
        struct share *share = *find(shares, uid);

        if (!share) {
                share = calloc(1, sizeof(*share));
                if (!share) {
                        return -ENOMEM;
                }
                share->uid = uid;
                share->next = *shares;
                *shares = share;
        }
        if (share->n_clients[index] == 0) {
                if (share->n_regions == SHARE_REGIONS_MAX) {
                        return -ENOSPC;
                }
                share->n_regions++;
        }
        share->n_clients[index]++;
        return 0;
}

void share_return(struct share **shares, uid_t uid, uint32_t index)
{
        struct share **place = find(shares, uid);
        struct share *share = *place;

        assert(share);
        if (--share->n_clients[index] == 0 && --share->n_regions == 0) {
                *place = share->next;
                free(share);
        }
}
