/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Flights of four guests, a to d, at a time that the test sets. What is said is written down as
 * words like "b2:wait", of guest b and its request 2, and compared with what the test expects.
 */
#include "meshd/local/flight.h"

#include <glib.h>

#define GUESTS 4
#define MS UINT64_C(1000000)
#define LEAD_MS 1000

struct flight_rig {
        struct flights *flights;
        struct flight_guest guests[GUESTS];
        GString *said;
        struct cmi_load_state last; /* that was said */
        uint64_t now_ns;
        bool is_passing; /* reminders are not what the test is about */
};

/* For g_test_add(). At the end all guests leave, and then there must be nothing. */
void rig_set_up(struct flight_rig *rig, gconstpointer unused);
void rig_tear_down(struct flight_rig *rig, gconstpointer unused);
void rig_renew(struct flight_rig *rig); /* one after the other */

/* What was said since the last look; or it does not matter. */
void rig_expect(struct flight_rig *rig, const char *said);
void rig_hush(struct flight_rig *rig);

struct load_name rig_name(const char *key);
int rig_ask(struct flight_rig *rig, char guest, unsigned request, const char *key);
int rig_ask_again(struct flight_rig *rig, char guest, unsigned request, const char *key,
                uint64_t arrival);
/* Request 1 of each for "k", without a word: the first one loads, the others wait. */
void rig_ask_all(struct flight_rig *rig, const char *guests);
struct seat *rig_seat(struct flight_rig *rig, char guest, unsigned request);
void rig_end(struct flight_rig *rig, char guest, unsigned request, int64_t outcome);
void rig_leave(struct flight_rig *rig, char guest);
/* Time passes, and is looked at. */
void rig_pass(struct flight_rig *rig, uint64_t ms);
