/* SPDX-License-Identifier: MIT */
#include "tests/libcachemesh/fake_meshd.h"

#include <unistd.h>

char *fake_path_new(void)
{
        g_autofree char *directory = g_dir_make_tmp("cachemesh-XXXXXX", NULL);

        return g_build_filename(directory, "meshd.sock", NULL);
}

void fake_path_free(char *path)
{
        g_autofree char *directory = g_path_get_dirname(path);

        unlink(path);
        g_assert_cmpint(rmdir(directory), ==, 0);
        g_free(path);
}
