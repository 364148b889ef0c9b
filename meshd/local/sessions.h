/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sessions for local clients: joins the parts of a blob, says for whom a request is, hands it to
 * the plane, and sends the answer. What a request does is decided in meshd/session/plane.h.
 *
 * For whom: the plane is told as which user the client runs, so a session of one user does not
 * exist for another. Level: what a node that is alone cannot reach (ONE, ALL) is what it has; DISK
 * is refused with -EOPNOTSUPP, since there is no disk.
 *
 * A node with a temporary id holds no sessions: there is no plane, and each SESSION is answered
 * with outcome -EOPNOTSUPP and the reason.
 *
 * Bounds: blobs that are being joined, of one client, of one user and of all (more: CMI_E_BUSY,
 * their parts are ignored); one whose request's time is over is dropped, with CMI_E_TIMEOUT. A
 * request that waits in the plane is dropped with its client. A client that has LOCAL_OUT_HOLD
 * unread is not read from, and of what waits of it nothing is done, so answers cannot pile up. A
 * user has a share of the spaces and bytes of the store.
 *
 * One thread.
 */
#include "meshd/bridge/bridge.h"
#include "meshd/io/document.h"
#include "meshd/local/service.h"

#define SESSIONS_JOINED_MAX 8                 /* blobs of one client */
#define SESSIONS_JOINED_BYTES_MAX (1u << 20)  /* of these */
#define SESSIONS_JOINED_BYTES_ALL (32u << 20) /* of all clients */
#define SESSIONS_JOINED_BYTES_USER (SESSIONS_JOINED_BYTES_ALL / 2)
#define SESSIONS_USER_SPACES (STORE_SPACES_MAX / 4) /* with sessions; and half of the bytes */
#define SESSIONS_SPACE_TEXT_SIZE 9

struct sessions;

/**
 * sessions_new() - make the plane, and be ready for requests
 * @service: its core, config and state are set; borrowed
 *
 * Budgets and limits are those of the configuration.
 *
 * Return: 0, -ENOMEM.
 */
int sessions_new(struct sessions **ret_sessions, struct service *service);
/* After the last client is gone. Takes NULL, returns NULL. */
struct sessions *sessions_free(struct sessions *sessions);

/* SESSION and SESSION_PART. Return: 0, or a negative errno if the message is malformed (which ends
 * the connection); what is senseless is answered with -EINVAL. */
int sessions_ask(struct sessions *sessions, struct guest *guest, const struct cmi_local_head *head);
int sessions_part(
                struct sessions *sessions, struct guest *guest, const struct cmi_local_head *head);

/* The client is gone. */
void sessions_cancel(struct sessions *sessions, struct guest *guest);

/* Each turn, after core_tick(); and milliseconds until there is work, -1 if there is none. */
void sessions_turn(struct sessions *sessions, struct cmi_time now);
int sessions_timeout_ms(const struct sessions *sessions, uint64_t now_ns);

/* For verbs and tests. NULL: this node holds none, and *ret_reason says why. */
struct plane *sessions_plane(struct sessions *sessions, const char **ret_reason);

/* What apps call a space of this name; see docs/reference/session-keys.md. */
void sessions_space_of_name(struct cmi_slice name, struct cmi_id *ret_space);

/* For people: hexadecimal; without whose it is. */
void sessions_format_space(uint64_t space, char ret_text[SESSIONS_SPACE_TEXT_SIZE]);

void sessions_write_counters(
                const struct sessions *sessions, struct cmi_time now, struct document *document);
