/* SPDX-License-Identifier: MIT */
#pragma once
/* A page as meshd shares it: small, live, and with a lease of an hour. */
#include "wire/page.h"

struct fake_page {
        int fd;
        struct cmi_page *words; /* writable */
        size_t size;
};

/* Each one has another epoch. */
void fake_page_open(struct fake_page *page, bool is_sealed);
void fake_page_close(struct fake_page *page);
