/* SPDX-License-Identifier: MIT */
#include "meshd/local/region_quota.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct region_quota **find(struct region_quota **quotas, uid_t uid)
{
        while (*quotas && (*quotas)->uid != uid) {
                quotas = &(*quotas)->next;
        }
        return quotas;
}

int region_quota_take(struct region_quota **quotas, uid_t uid, uint32_t index)
{
        struct region_quota *quota = *find(quotas, uid);

        if (!quota) {
                quota = calloc(1, sizeof(*quota));
                if (!quota) {
                        return -ENOMEM;
                }
                quota->uid = uid;
                quota->next = *quotas;
                *quotas = quota;
        }
        if (quota->n_clients[index] == 0) {
                if (quota->n_regions == REGION_QUOTA_MAX) {
                        return -ENOSPC;
                }
                quota->n_regions++;
        }
        quota->n_clients[index]++;
        return 0;
}

void region_quota_return(struct region_quota **quotas, uid_t uid, uint32_t index)
{
        struct region_quota **place = find(quotas, uid);
        struct region_quota *quota = *place;

        assert(quota);
        if (--quota->n_clients[index] == 0 && --quota->n_regions == 0) {
                *place = quota->next;
                free(quota);
        }
}
