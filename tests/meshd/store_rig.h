/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A store with a clock, an allocator that counts and can fail, and sinks that remember; and the
 * sessions, tombstones and counts that tests put into it.
 */
#include "meshd/session/store.h"
#include "tests/meshd/counted.h"

#define RIG_START_MS UINT64_C(1700000000000)
#define RIG_HOUR_MS UINT64_C(3600000)
#define RIG_MINUTE_MS UINT64_C(60000)
#define RIG_LOSERS_MAX 64

struct store_rig {
        struct store *store;
        struct cmi_time now;
        struct counted memory;
        struct store_result result; /* of the last change */
        uint32_t n_gone;
        enum store_gone gone_why;
        struct cmi_id gone_key;
        uint32_t n_losers;
        struct cmi_session losers[RIG_LOSERS_MAX];
        struct cmi_session winner;
        uint64_t loser_len;
};

/* With budgets of 4 MiB for records and 1 MiB for keys. */
struct store_options rig_options(struct store_rig *rig);
void rig_open(struct store_rig *rig);
int rig_open_with(struct store_rig *rig, const struct store_options *options);
void rig_close(struct store_rig *rig);             /* asserts that all memory came back */
void rig_pass(struct store_rig *rig, uint64_t ms); /* both clocks */

struct cmi_id rig_key(uint32_t number);
struct cmi_session_version rig_version(uint64_t counter, uint8_t opener, uint64_t seq);
struct cmi_session_holder rig_holder(uint8_t node, uint64_t no);
/* 12 hours, half an hour idle, 100 bytes of blob; touched when it was made. */
struct cmi_session rig_session(uint32_t key, uint64_t counter, uint64_t seq);
struct cmi_tombstone rig_tombstone(
                const struct cmi_session *session, enum cmi_tombstone_reason reason);
struct cmi_principal rig_counts(uint8_t principal, uint8_t node, uint64_t count);
void rig_belong(struct cmi_session *session, uint8_t principal);
/* What it was given out with: the counts known then. */
void rig_carry(struct cmi_session *session, uint8_t node, uint64_t count);

/* As if a client had asked for it: only what it may say is taken from the record. */
int rig_create(struct store_rig *rig, const struct cmi_session *session);
int rig_save(struct store_rig *rig, const struct cmi_session *session,
                struct cmi_session_version expected);
int rig_hold(struct store_rig *rig, uint32_t key, uint64_t expected_no, uint8_t node,
                struct cmi_session_epoch epoch);
int rig_touch(struct store_rig *rig, uint32_t key, uint64_t at_ms,
                struct cmi_session_holder holder);
/* If it is the expected version, and was not touched since. */
int rig_stop(struct store_rig *rig, const struct cmi_session *session,
                enum cmi_tombstone_reason reason);
/* Whatever is there, and blindly where nothing is. */
int rig_logout(struct store_rig *rig, const struct cmi_id *key, uint64_t blind_ms);
int rig_copy(struct store_rig *rig, const struct cmi_session *session);
int rig_bare(struct store_rig *rig, const struct cmi_session *session);
int rig_order(struct store_rig *rig, const struct cmi_session *session, bool is_new);
int rig_bury(struct store_rig *rig, const struct cmi_tombstone *tombstone);
int rig_end(struct store_rig *rig, const struct cmi_session *session,
                enum cmi_tombstone_reason reason);
int rig_count(struct store_rig *rig, struct cmi_principal principal);
int rig_fence(struct store_rig *rig, uint32_t key, struct cmi_session_epoch epoch);
/* An enum store_outcome, and what is there. */
int rig_find(struct store_rig *rig, uint32_t key, struct store_view *ret_view);
int rig_state(struct store_rig *rig, uint32_t key);
/* What is there is a record, and this is it. */
struct cmi_session rig_get(struct store_rig *rig, uint32_t key);
/* All that is due. Return: how many of @what there were. */
uint32_t rig_expire(struct store_rig *rig, enum store_due what);
struct store_cursor rig_cursor(void); /* over all, with steps enough */
/* One of those that have their first eight bytes in common, in the order of their numbers. */
struct cmi_id rig_chosen_key(uint32_t number);
/* How many keys, and principals, have to be compared with for the one that is furthest away; a
 * number above 1,000: so many at least. */
uint32_t rig_depth(const struct store_rig *rig);
struct store_digest rig_digest(struct store_rig *rig);
uint64_t rig_now_ms(const struct store_rig *rig);
