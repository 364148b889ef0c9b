/* SPDX-License-Identifier: MIT */
/* The order of which merge.c keeps the highest. */
#include "meshd/session/state.h"

static int compare_number(uint64_t a, uint64_t b)
{
        return (a > b) - (a < b);
}

int place_compare(const struct place *a, const struct place *b)
{
        int r = cmi_session_version_compare(&a->version, &b->version);

        if (r == 0) {
                r = compare_number(a->holder_no, b->holder_no);
        }
        if (r == 0) {
                r = compare_number(a->last_touch_ms, b->last_touch_ms);
        }
        if (r == 0) {
                r = a->kind - b->kind;
        }
        if (r == 0 && a->kind == PLACE_RECORD) {
                r = cmi_id_compare(&a->holder, &b->holder);
                if (r == 0) {
                        r = compare_number(a->holder_incarnation, b->holder_incarnation);
                }
                if (r == 0) {
                        r = compare_number(a->sum, b->sum);
                }
        }
        return r;
}

static int kind_of(uint64_t reason)
{
        return reason == CMI_TOMBSTONE_IDLE ? PLACE_IDLE : PLACE_PRINCIPAL;
}

struct place place_of_entry(const struct entry *entry)
{
        return (struct place){
                        .version = entry->version,
                        .holder_no = entry->holder_no,
                        .last_touch_ms = entry->last_touch_ms,
                        .kind = entry->body ? PLACE_RECORD : kind_of(entry->reason),
                        .holder = entry->holder,
                        .holder_incarnation = entry->holder_incarnation,
                        .sum = entry->body ? entry->body->sum : 0,
        };
}

struct place place_of_session(const struct cmi_session *session, bool is_allowed)
{
        return (struct place){
                        .version = session->version,
                        .holder_no = session->holder_no,
                        .last_touch_ms = session->last_touch_ms,
                        .kind = is_allowed ? PLACE_RECORD : PLACE_PRINCIPAL,
                        .holder = session->holder,
                        .holder_incarnation = session->holder_incarnation,
                        .sum = entry_content_sum(session),
        };
}

struct place place_of_tombstone(const struct cmi_tombstone *tombstone)
{
        return (struct place){
                        .version = tombstone->version,
                        .holder_no = tombstone->holder_no,
                        .last_touch_ms = tombstone->last_touch_ms,
                        .kind = kind_of(tombstone->reason),
        };
}
