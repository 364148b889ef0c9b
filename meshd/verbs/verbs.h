/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The verbs of QUERY: one table of names and functions, verbs.c. Each looks at the core and at the
 * shell and writes one document (docs/reference/local-verbs.md); those that must ask other nodes or
 * wait go on in inquiry.h. Whatever is wrong with a question is told to its client.
 */
#include "meshd/verbs/question.h"

/* Answer a query, or begin to. */
void verbs_answer(struct service *service, struct guest *guest, uint64_t id,
                const struct cmi_local_query *query);

/* verb_status.c */
void verb_version(const struct question *question);
void verb_status(const struct question *question);
void verb_stats(const struct question *question);
void verb_facts(const struct question *question);

/* verb_peers.c */
void verb_peers(const struct question *question);
void verb_peer(const struct question *question);
void verb_forget(const struct question *question);

/* verb_apps.c */
void verb_regions(const struct question *question);
void verb_clients(const struct question *question);

/* verb_intents.c */
void verb_intents(const struct question *question);

/* verb_keys.c. A key comes in by key_install and never goes out: answers name keys by their
 * fingerprints. The answer to a change is the list as it is then, once it is on the disk. */
void verb_keys(const struct question *question);
void verb_key_install(const struct question *question);
void verb_key_use(const struct question *question);
/* The same, when the others have said that they hold it. */
void verb_key_use_now(const struct question *question, struct cmi_slice fingerprint);
void verb_key_remove(const struct question *question);

/* The guest is gone: the change that it asked for goes on, and is told to nobody. */
void verb_keys_cancel(struct service *service, const struct guest *guest);

/* verb_sessions.c: what sessions this node holds. */
void verb_sessions(const struct question *question);
void verb_session(const struct question *question);
void verb_session_destroy(const struct question *question);

/* verb_why.c: would a cached entry of this key be served on this node, and if not, what stands in
 * the way. What is in the apps' caches it does not know, but which token an entry would need. */
void verb_why(const struct question *question);
