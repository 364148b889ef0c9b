/* SPDX-License-Identifier: MIT */
/* The shared library in a program that loads it late, as a plugin does, and closes it early. */
#include "libcachemesh/cachemesh.h"

#include <dlfcn.h>
#include <glib.h>
#include <string.h>

#define FUNCTION(library, name) ((__typeof__(&(name)))dlsym(library, #name))

struct plugin {
        void *library;
        GMutex lock; /* held while the thread must not go on */
        _Atomic int has_used;
};

static void *use(void *data)
{
        struct plugin *plugin = data;
        struct cm_options options = {.size = sizeof(options), .flags = CM_OPEN_STANDALONE};
        struct cm_value value = {0};
        struct cm_region *region;
        struct cm *cm;
        int r = FUNCTION(plugin->library, cm_open)(&cm, &options);

        r |= FUNCTION(plugin->library, cm_region_open)(&region, cm, "r", NULL);
        r |= FUNCTION(plugin->library, cm_put)(
                        region, "k", 1, "value", 5, FUNCTION(plugin->library, cm_token)(cm), NULL);
        r |= FUNCTION(plugin->library, cm_get)(region, "k", 1, &value);
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpmem(value.data, value.len, "value", 5);
        FUNCTION(plugin->library, cm_release)(&value);
        FUNCTION(plugin->library, cm_close)(cm);
        plugin->has_used = 1;
        g_mutex_lock(&plugin->lock);
        g_mutex_unlock(&plugin->lock);
        return NULL; /* into the destructor of the thread's record, which is the library's code */
}

static void a_thread_ends_in_order_after_the_library_was_closed(void)
{
        struct plugin plugin = {.library = dlopen(g_getenv("LIBCACHEMESH"), RTLD_NOW)};
        gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
        GThread *thread;

        g_assert_nonnull(plugin.library);
        g_mutex_lock(&plugin.lock);
        thread = g_thread_new("plugin", use, &plugin);
        while (!plugin.has_used && g_get_monotonic_time() < end_us) {
                g_thread_yield();
        }
        g_assert_cmpint(dlclose(plugin.library), ==, 0);
        g_assert_nonnull(dlopen(g_getenv("LIBCACHEMESH"), RTLD_NOW | RTLD_NOLOAD));
        g_mutex_unlock(&plugin.lock);
        g_thread_join(thread);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_test_add_func("/dlopen/thread", a_thread_ends_in_order_after_the_library_was_closed);
        return g_test_run();
}
