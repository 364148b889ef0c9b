/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The key file on disk: read at start, and replaced whole when the ring changes, so that after a
 * crash it is either the old or the new one. This file decides who may own the file and who may
 * read it: a key that others can read is no secret, and meshd does not start with one.
 */
#include "meshd/io/fault.h"
#include "wire/key_file.h"

/**
 * key_store_read() - read a key file
 * @path:     of the file; a symbolic link is followed
 * @ret_file: secret, the caller wipes it
 * @fault:    filled on failure: what is wrong, and what to do
 *
 * Return: 0; a negative errno with @fault (FAULT_CONFIG).
 */
int key_store_read(const char *path, struct cmi_key_file *ret_file, struct fault *fault);

/**
 * key_store_write() - replace it
 * @path: of the file, which exists; a symbolic link is kept, what it points to is replaced
 * @file: borrowed
 *
 * Return: as cmi_file_replace(), an enum cmi_file_outcome or a negative errno.
 */
int key_store_write(const char *path, const struct cmi_key_file *file);
