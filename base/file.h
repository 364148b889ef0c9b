/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Small files that must survive a crash whole. This file decides in which order they are written,
 * synced and renamed; what is in them, and who may read them beyond their owner, is the caller's.
 * All functions block on the disk.
 */
#include "base/bytes.h"

#include <sys/types.h>

#define CMI_FILE_NAME_MAX 250 /* bytes; ".new" is put behind it */

enum cmi_file_outcome {
        CMI_FILE_SYNCED = 0,
        CMI_FILE_UNSYNCED = 1,
};

/**
 * cmi_file_create() - make a file that does not exist yet
 * @directory: descriptor, or AT_FDCWD
 * @path:      relative to @directory
 * @content:   borrowed
 *
 * Only its owner may read and write it, whatever the umask is. Any thread.
 *
 * Return: 0: its content is on the disk; -EEXIST; or the negative errno of what failed, as -ENOSPC,
 *         in which case there is no such file.
 */
int cmi_file_create(int directory, const char *path, struct cmi_slice content);

/**
 * cmi_file_replace() - replace a file, or make it, so that a crash leaves either the old or the new
 * @directory: descriptor, readable
 * @name:      in @directory; up to CMI_FILE_NAME_MAX bytes
 * @content:   borrowed
 *
 * The new file is written as "NAME.new", which is nobody else's. One call for one name at a time.
 *
 * Return: CMI_FILE_SYNCED: it is on the disk; CMI_FILE_UNSYNCED: it is there, but the directory
 *         could not be synced, and a crash of the host may bring the old file back; -ENAMETOOLONG,
 *         or the negative errno of what failed: the old file is there.
 */
int cmi_file_replace(int directory, const char *name, struct cmi_slice content);

/**
 * cmi_file_read() - read on until the buffer is full or the file ends
 * @fd:         open for reading
 * @ret_buffer: room for @size bytes
 *
 * Return: how many bytes, or a negative errno.
 */
ssize_t cmi_file_read(int fd, void *ret_buffer, size_t size);
