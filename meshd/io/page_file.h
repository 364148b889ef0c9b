/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The shared page as memory that meshd alone can write: a memfd with mode 0400, sealed against
 * every change of its size and against new writable mappings, and a second, read-only descriptor
 * of it that is handed to apps. This file decides who can do what with the memory; wire/page.h
 * decides what is in it.
 */
#include "wire/page.h"

#include "meshd/io/fault.h"

struct page_file {
        int fd;       /* writable, never handed out */
        int shown_fd; /* read-only: for SCM_RIGHTS */
        size_t size;
        struct cmi_page *page; /* mapped writable */
};

/**
 * page_file_open() - make an empty page
 * @ret_file: filled; end with page_file_close()
 * @geometry: valid for cmi_page_size()
 * @lease_ns: L, for display in the page
 * @fault:    filled on failure
 *
 * Epoch and seed are random. Needs /proc, through which the read-only descriptor is made.
 *
 * Return: 0, or a negative errno with @fault.
 */
int page_file_open(struct page_file *ret_file, const struct cmi_page_geometry *geometry,
                uint64_t lease_ns, struct fault *fault);

/* Unmap and close; apps that mapped the page keep it. NULL-safe for a file
 * that was never opened. */
void page_file_close(struct page_file *file);
