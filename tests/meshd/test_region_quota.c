/* SPDX-License-Identifier: MIT */
#include "meshd/local/region_quota.h"

#include <errno.h>
#include <glib.h>

static void one_user_cannot_take_all_regions(void)
{
        struct region_quota *quotas = NULL;

        for (uint32_t i = 0; i < REGION_QUOTA_MAX; i++) {
                g_assert_cmpint(region_quota_take(&quotas, 1000, i), ==, 0);
        }
        g_assert_cmpint(region_quota_take(&quotas, 1000, REGION_QUOTA_MAX), ==, -ENOSPC);
        /* Another of its clients may open what is open, and another user what is left. */
        g_assert_cmpint(region_quota_take(&quotas, 1000, 0), ==, 0);
        for (uint32_t i = REGION_QUOTA_MAX; i < CMI_PAGE_REGIONS; i++) {
                g_assert_cmpint(region_quota_take(&quotas, 1001, i), ==, 0);
        }
        region_quota_return(&quotas, 1000, 0);
        g_assert_cmpint(region_quota_take(&quotas, 1000, REGION_QUOTA_MAX), ==, -ENOSPC);
        region_quota_return(&quotas, 1000, 0);
        g_assert_cmpint(region_quota_take(&quotas, 1000, REGION_QUOTA_MAX), ==, 0);
        for (uint32_t i = 1; i <= REGION_QUOTA_MAX; i++) {
                region_quota_return(&quotas, 1000, i);
        }
        for (uint32_t i = REGION_QUOTA_MAX; i < CMI_PAGE_REGIONS; i++) {
                region_quota_return(&quotas, 1001, i);
        }
        g_assert_null(quotas);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/region_quota/limit", one_user_cannot_take_all_regions);
        return g_test_run();
}
