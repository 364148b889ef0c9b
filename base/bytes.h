/* SPDX-License-Identifier: MIT */
#pragma once
/* A borrowed run of bytes. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cmi_slice {
        const void *data;
        size_t len;
};

static inline struct cmi_slice cmi_slice(const void *data, size_t len)
{
        return (struct cmi_slice){data, len};
}

static inline struct cmi_slice cmi_slice_str(const char *text)
{
        return (struct cmi_slice){text, strlen(text)};
}

static inline bool cmi_slice_equal(struct cmi_slice a, struct cmi_slice b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
