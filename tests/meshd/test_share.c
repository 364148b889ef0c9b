/* SPDX-License-Identifier: MIT */
#include "meshd/io/share.h"

#include <errno.h>
#include <glib.h>

static void one_user_cannot_take_all_regions(void)
{
        struct share *shares = NULL;

        for (uint32_t i = 0; i < SHARE_REGIONS_MAX; i++) {
                g_assert_cmpint(share_take(&shares, 1000, i), ==, 0);
        }
        g_assert_cmpint(share_take(&shares, 1000, SHARE_REGIONS_MAX), ==, -ENOSPC);
        /* Another of its clients may open what is open, and another user what is left. */
        g_assert_cmpint(share_take(&shares, 1000, 0), ==, 0);
        for (uint32_t i = SHARE_REGIONS_MAX; i < CMI_PAGE_REGIONS; i++) {
                g_assert_cmpint(share_take(&shares, 1001, i), ==, 0);
        }
        share_return(&shares, 1000, 0);
        g_assert_cmpint(share_take(&shares, 1000, SHARE_REGIONS_MAX), ==, -ENOSPC);
        share_return(&shares, 1000, 0);
        g_assert_cmpint(share_take(&shares, 1000, SHARE_REGIONS_MAX), ==, 0);
        for (uint32_t i = 1; i <= SHARE_REGIONS_MAX; i++) {
                share_return(&shares, 1000, i);
        }
        for (uint32_t i = SHARE_REGIONS_MAX; i < CMI_PAGE_REGIONS; i++) {
                share_return(&shares, 1001, i);
        }
        g_assert_null(shares);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/share/limit", one_user_cannot_take_all_regions);
        return g_test_run();
}
