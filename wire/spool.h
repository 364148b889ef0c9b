/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The spool: what apps wanted to publish while no meshd took it, in files that outlive them. Beside
 * the socket PATH meshd makes the directory PATH.spool; each handle that has something to keep
 * makes a file of its own there, appends to it, and removes it when meshd has confirmed
 * everything. meshd publishes what it finds at its start, and later what dead apps left behind.
 * This file decides the bytes of such a file; who makes, takes and trusts it is decided by
 * libcachemesh/spool.h and meshd/local/spool.h.
 *
 *     header   8 bytes "cmspool" NUL, version and process id, 32 bits each
 *     records  length, its complement, 32 bits each; XXH3 of the operation, 64 bits; the operation
 *
 * In the host's byte order, since a spool never leaves the host. A record is written whole and at
 * the end, so a file whose writer was killed ends in a part of one: that one was never promised to
 * anybody. Everything else that cannot be read is damage, and something is missing.
 */
#include "base/bytes.h"

#include <stdint.h>

#define CMI_SPOOL_SUFFIX ".spool"
#define CMI_SPOOL_TAKEN ".taken" /* at the end of the name of a file that meshd publishes */
#define CMI_SPOOL_VERSION 1
#define CMI_SPOOL_HEADER_SIZE 16
#define CMI_SPOOL_RECORD_SIZE 16     /* before the operation */
#define CMI_SPOOL_OPS_MAX (1u << 20) /* bytes of a file; beyond it only whole regions are added */
#define CMI_SPOOL_FILE_MAX (2u << 20)

/* The beginning of a file. */
void cmi_spool_header(uint32_t pid, uint8_t ret_header[CMI_SPOOL_HEADER_SIZE]);

/* What stands before an operation of 1 to CMI_OP_SIZE_MAX bytes. */
void cmi_spool_record(struct cmi_slice op, uint8_t ret_record[CMI_SPOOL_RECORD_SIZE]);

/**
 * cmi_spool_open() - take the header off a file
 * @file:    the whole file; shortened by the header, untouched on failure
 * @ret_pid: of the process that wrote it
 *
 * Return: 0, -ENODATA (its writer was killed before the header was complete), -EBADMSG (no spool
 *         file), -EPROTO (of another version).
 */
int cmi_spool_open(struct cmi_slice *file, uint32_t *ret_pid);

/**
 * cmi_spool_next() - take one record off
 * @file:   shortened by the record; untouched on failure
 * @ret_op: borrowed from @file; not decoded
 *
 * Return: 1 with an operation, 0 at the end or in the last record's unwritten rest, -EBADMSG for
 *         damage: what follows cannot be read.
 */
int cmi_spool_next(struct cmi_slice *file, struct cmi_slice *ret_op);
