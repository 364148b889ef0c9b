/* SPDX-License-Identifier: MIT */
/* A program in C++ that uses the library as any other would; it prints its own TAP. */
#include "libcachemesh/cachemesh.h"

#include <cstdio>
#include <cstring>
#include <string>

static int load(void *userdata, struct cm_load *load, const void *key, size_t key_len)
{
        const std::string value = *static_cast<std::string *>(userdata) +
                                  std::string(static_cast<const char *>(key), key_len);

        return cm_load_set_value(load, value.data(), value.size());
}

static bool use(struct cm *cm)
{
        struct cm_region_options options = {};
        struct cm_region *region = nullptr;
        struct cm_value value = {};
        std::string prefix = "value of ";
        bool is_good;

        options.size = sizeof(options);
        options.fresh = CM_FRESH_BOUNDED;
        if (cm_region_open(&region, cm, "people", &options) != 0 ||
                        cm_get_or_load(region, "ada", 3, load, &prefix, &value) != 0) {
                return false;
        }
        is_good = std::string(static_cast<const char *>(value.data), value.len) == "value of ada";
        cm_release(&value);
        return is_good && cm_invalidate(region, "ada", 3, CM_WAIT_NODE, nullptr) == 0 &&
               cm_get(region, "ada", 3, &value) == CM_MISS;
}

int main()
{
        struct cm_options options = {};
        struct cm *cm = nullptr;
        bool is_good;

        std::printf("1..1\n");
        options.size = sizeof(options);
        options.flags = CM_OPEN_STANDALONE;
        is_good = cm_open(&cm, &options) == 0 && use(cm);
        cm_close(cm);
        std::printf("%s 1 a_cpp_program_links_and_works\n", is_good ? "ok" : "not ok");
        return is_good ? 0 : 1;
}
