/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The table of verbs and the functions behind them, one a verb. Each asks meshd, prints data to
 * call->output and returns the exit status, with call->problem set if people should be told more.
 */
#include "meshctl/call.h"

/* Ended by a NULL name. */
extern const struct verb verbs[];

int verb_peers(struct call *call);
int verb_peer(struct call *call);
int verb_status(struct call *call);
int verb_stats(struct call *call);
int verb_regions(struct call *call);
int verb_clients(struct call *call);
int verb_intents(struct call *call);
int verb_sessions(struct call *call);
int verb_version(struct call *call);
int verb_links(struct call *call);
int verb_ping(struct call *call);
int verb_invalidate(struct call *call);
int verb_monitor(struct call *call);
int verb_wait(struct call *call);
int verb_doctor(struct call *call);
int verb_trace(struct call *call);
int verb_why(struct call *call);
int verb_spool(struct call *call);
int verb_forget(struct call *call);
int verb_key(struct call *call);
