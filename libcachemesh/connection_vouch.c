/* SPDX-License-Identifier: MIT */
/*
 * Whether regions with CM_FRESH_TTL may be served without a lease. A page is good for them as long
 * as no other meshd has answered for the node, or ended in order: what that one applied does not
 * come to this page, and the others may not wait for the node any more. Until the lease in the page
 * is over there is none, and whoever takes the place of the page's meshd, also to speak for it as
 * an obituary, answers nobody and does not end in order for a lease after its start (meshd/core:
 * the start pause, which begins when its socket listens already). So it is enough that never more
 * than a lease lies between two looks of which each finds
 * 1. that the page's meshd holds its end of our socket, or
 * 2. that nobody listens on the path.
 * Who came in between is found by the next look, or has gone without having answered. When more
 * time has passed, 1 is as good as before, but 2 proves nothing any more: somebody may have come,
 * answered and gone, and whoever waited for him got nothing from this page.
 *
 * A look that finds somebody else, or cannot tell, proves nothing: these regions miss until there
 * is a new page. A meshd that ends in order closes its page, so nothing of this is asked about it.
 *
 * The path may lead to a file that has another name by now, or none: it was mounted alone, and its
 * meshd's successor made a new one. Then nothing is proven, either. What cannot be seen from here
 * is a path that leads elsewhere as a whole, by a chroot(), and a successor that was given another
 * path (docs/explanation/connection.md has it). And a relative one, so for that there is no 2.
 */
#include "libcachemesh/connection.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

/* A killed process gives up its locks a moment before its sockets, perhaps. */
static uint64_t proof_ns(const struct cmi_connection *connection)
{
        return connection->page->lease_ns - connection->page->lease_ns / 8;
}

/* What is still to be read does not hide the end. */
static bool is_held(const struct cmi_connection *connection)
{
        struct pollfd watched = {.events = POLLRDHUP};

        if (connection->state != CMI_CONNECTION_ATTACHED) {
                return false;
        }
        watched.fd = connection->channel.socket->fd;
        return poll(&watched, 1, 0) >= 0 && watched.revents == 0;
}

/* Is it where a successor would listen? Whoever makes a socket there removes the old one first. */
static bool is_present_path(const char *path)
{
        struct stat status;

        return path[0] == '/' && (stat(path, &status) == 0 ? status.st_nlink > 0 : errno == ENOENT);
}

/* Whoever was not there before is asked for again whatever the pause. */
static bool has_nobody(struct cmi_connection *connection)
{
        if (connection->is_absent) {
                connection->next_try_ns = 0;
        }
        return !cmi_connection_try(connection) && connection->is_absent &&
               is_present_path(connection->path);
}

/*
 * Until its node was LIVE once the page knows nothing of what the others did before they met it:
 * write intents that are open, operations that were done before it came.
 */
static bool was_live(struct cmi_connection *connection)
{
        if (atomic_load_explicit(&connection->page->state, memory_order_acquire) == CMI_PAGE_LIVE) {
                connection->was_live = true;
        }
        return connection->was_live;
}

static void look(struct cmi_connection *connection)
{
        uint64_t now_ns = cmi_connection_now_ns();
        uint64_t lease_end_ns = atomic_load_explicit(
                        &connection->page->lease_end_mono_ns, memory_order_acquire);
        bool has_gap = now_ns >= lease_end_ns && now_ns >= connection->vouched_ns;

        if (connection->state != CMI_CONNECTION_OFFLINE) {
                cmi_connection_step(connection);
        }
        if (!connection->page) {
                return;
        }
        if (!is_held(connection)) {
                if (has_gap) {
                        cmi_connection_try(connection);
                        return;
                }
                if (!has_nobody(connection)) {
                        return;
                }
        }
        if (!was_live(connection)) {
                return;
        }
        connection->vouched_ns = now_ns + proof_ns(connection);
        cmi_mapping_vouch(connection->cm, connection->vouched_ns);
}

void cmi_connection_vouch(struct cm *cm)
{
        struct cmi_connection *connection = cmi_connection(cm);
        uint64_t now_ns = cmi_connection_clock_ns(CLOCK_MONOTONIC_COARSE);

        if (now_ns < atomic_load_explicit(&connection->next_vouch_ns, memory_order_relaxed) ||
                        !cmi_connection_trylock(connection)) {
                return;
        }
        if (connection->page) {
                look(connection);
        }
        atomic_store_explicit(
                        &connection->next_vouch_ns, now_ns + CMI_NS_PER_MS, memory_order_relaxed);
        cmi_connection_unlock(connection);
}
