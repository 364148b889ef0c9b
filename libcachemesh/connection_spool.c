/* SPDX-License-Identifier: MIT */
/*
 * What is kept of an invalidation beyond this process: each late one is in the spool, until none is
 * late any more. When the spool's file has its size, or the queue has overflowed, whole regions are
 * written instead: those that the handle has opened. Without a spool they wait in memory only,
 * which is said once.
 */
#include "libcachemesh/connection.h"

#include "wire/spool.h"

#include <errno.h>

#define RETRY_NS CMI_NS_PER_S

static int keep_region(struct cmi_connection *connection, uint32_t number)
{
        uint8_t bytes[CMI_REGION_NAME_MAX + 32];
        struct cmi_writer writer = cmi_writer(bytes, sizeof(bytes));
        struct cmi_slice op = cmi_connection_encode_region(
                        &writer, cmi_handle_region(connection->cm, number));

        return writer.error ? writer.error
                            : cmi_spool_append(&connection->spool, connection->path, op,
                                              CMI_SPOOL_FILE_MAX);
}

/* All regions in one file: meshd may take it in the middle of this. */
static int keep_regions(struct cmi_connection *connection)
{
        struct cmi_spool *spool = &connection->spool;
        uint32_t n_regions = cmi_handle_n_regions(connection->cm);

        if (!cmi_spool_is_kept(spool) || connection->regions_serial != spool->serial) {
                connection->n_spooled = 0;
        }
        while (connection->n_spooled < n_regions) {
                int r = keep_region(connection, connection->n_spooled);

                if (r < 0) {
                        return r;
                }
                if (connection->regions_serial == spool->serial || connection->n_spooled == 0) {
                        connection->n_spooled++;
                } else {
                        connection->n_spooled = 0;
                }
                connection->regions_serial = spool->serial;
        }
        return 0;
}

static int keep(struct cmi_connection *connection, const struct cmi_publication *publication)
{
        int r = cmi_spool_append(&connection->spool, connection->path,
                        cmi_slice(publication->op, publication->op_len), CMI_SPOOL_OPS_MAX);

        return r == -EFBIG ? keep_regions(connection) : r;
}

static int keep_all(struct cmi_connection *connection)
{
        struct cmi_pending *pending = &connection->pending;
        struct cmi_publication *publication = cmi_pending_first_unspooled(pending);

        for (; publication && pending->n_unspooled > 0; publication = publication->next) {
                int r = 0;

                if (publication->is_late && !publication->is_spooled) {
                        r = keep(connection, publication);
                }
                if (r < 0) {
                        return r;
                }
                if (publication->is_late) {
                        cmi_pending_set_spooled(pending, publication);
                }
        }
        return connection->is_spool_due && connection->is_overflowed ? keep_regions(connection) : 0;
}

static const char *error_text(int error)
{
        switch (error) {
        case -ENOENT:
        case -ENOTDIR:
                return "meshd has made no spool beside its socket";
        case -EACCES:
        case -EROFS:
                return "this user may not write to meshd's spool";
        case -EPERM:
        case -ELOOP:
                return "the spool beside the socket is not meshd's";
        case -ENOSPC:
        case -EDQUOT:
                return "there is no room for the spool";
        default:
                return strerrordesc_np(-error);
        }
}

void cmi_connection_spool(struct cmi_connection *connection)
{
        bool is_due = connection->pending.n_unspooled > 0 || connection->is_spool_due;
        uint64_t now_ns;

        if (!is_due) {
                return;
        }
        now_ns = cmi_connection_now_ns();
        if (connection->spool_error < 0 && now_ns < connection->next_spool_ns) {
                return;
        }
        connection->spool_error = keep_all(connection);
        if (connection->spool_error == 0) {
                connection->is_spool_due = false;
                return;
        }
        connection->next_spool_ns = now_ns + RETRY_NS;
        if (!connection->is_spool_error_told) {
                connection->is_spool_error_told = true;
                cmi_connection_note(connection, CM_LOG_WARNING,
                                "invalidations wait in memory only and would be lost with this "
                                "process: %s",
                                error_text(connection->spool_error));
        }
}

void cmi_connection_unspool(struct cmi_connection *connection)
{
        cmi_spool_drop(&connection->spool);
        connection->is_spool_due = connection->is_spool_error_told = false;
        connection->spool_error = 0;
}
