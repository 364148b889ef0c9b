/* SPDX-License-Identifier: MIT */
#pragma once
/* A page as meshd shares it: small, live, and with a lease of an hour. */
#include "base/bytes.h"
#include "wire/page.h"

#include <glib.h>

#define FAKE_INDEX_BASE 40 /* indices look unlike numbers */

struct fake_page {
        int fd;
        struct cmi_page *words; /* writable */
        size_t size;
        GPtrArray *regions; /* names, in the order of their indices */
};

/* Each one has another epoch. */
void fake_page_open(struct fake_page *page, bool is_sealed);
void fake_page_close(struct fake_page *page);

/* The index of a region, made at the first question. */
uint32_t fake_page_index(struct fake_page *page, struct cmi_slice name);

/* Stamp what an operation names. */
void fake_page_apply(struct fake_page *page, struct cmi_slice op);
