/* SPDX-License-Identifier: MIT */
#include "discovery/candidate.h"

#include "base/time.h"

#include <string.h>

bool candidate_is_unknown(const struct candidate *candidate)
{
        return (candidate->origins & ~(CANDIDATE_BEACON | CANDIDATE_DNS)) == 0 &&
               !candidate->was_connected;
}

bool candidate_has_proven_id(const struct candidate *candidate)
{
        return candidate->was_connected ||
               (candidate->origins & (CANDIDATE_DISK | CANDIDATE_PEER)) != 0;
}

bool candidate_has_endpoint(const struct candidate *candidate, const struct cmi_endpoint *endpoint)
{
        for (int i = 0; i < candidate->n_endpoints; i++) {
                if (cmi_endpoint_equal(&candidate->endpoints[i], endpoint)) {
                        return true;
                }
        }
        return false;
}

void candidate_append_endpoint(struct candidate *candidate, const struct cmi_endpoint *endpoint)
{
        if (candidate_has_endpoint(candidate, endpoint) ||
                        candidate->n_fixed == CANDIDATE_ENDPOINTS_MAX) {
                return;
        }
        if (candidate->n_endpoints == CANDIDATE_ENDPOINTS_MAX) {
                candidate->n_endpoints--;
        }
        candidate->endpoints[candidate->n_endpoints++] = *endpoint;
}

bool candidate_is_news(const struct candidate *candidate, const struct beacon *beacon)
{
        if (beacon->incarnation != candidate->incarnation) {
                return beacon->incarnation > candidate->incarnation;
        }
        return beacon->counter > candidate->counter;
}

static bool has_same_endpoints(const struct candidate *a, const struct candidate *b)
{
        for (int i = 0; i < a->n_endpoints; i++) {
                if (!cmi_endpoint_equal(&a->endpoints[i], &b->endpoints[i])) {
                        return false;
                }
        }
        return a->n_endpoints == b->n_endpoints;
}

static void take_endpoints(
                struct candidate *candidate, const struct cmi_endpoint *endpoints, uint8_t n)
{
        struct candidate before = *candidate;

        candidate->n_endpoints = candidate->n_fixed;
        for (uint8_t i = 0; i < n && candidate->n_endpoints < CANDIDATE_ENDPOINTS_MAX; i++) {
                candidate_append_endpoint(candidate, &endpoints[i]);
        }
        if (!has_same_endpoints(candidate, &before)) {
                candidate->next_endpoint = 0;
        }
}

static uint64_t soonest(const struct candidate *candidate)
{
        return candidate->dialled_ns == 0 ? 0 : candidate->dialled_ns + cmi_ms(CANDIDATE_GAP_MS);
}

/* Leaves CANDIDATE_GAP_MS between two dials. */
static void end_pause(struct candidate *candidate, uint64_t now_ns)
{
        uint64_t due_ns = now_ns > soonest(candidate) ? now_ns : soonest(candidate);

        candidate->n_failures = 0;
        candidate->is_refused = false;
        if (candidate->due_ns > due_ns) {
                candidate->due_ns = due_ns;
        }
}

bool candidate_refresh(struct candidate *candidate, const struct beacon *beacon,
                const struct cmi_endpoint *endpoints, uint8_t n, uint64_t now_ns)
{
        bool is_restarted =
                        candidate->incarnation != 0 && beacon->incarnation > candidate->incarnation;

        candidate->origins |= CANDIDATE_BEACON;
        candidate->is_withdrawn = false;
        candidate->incarnation = beacon->incarnation;
        candidate->counter = beacon->counter;
        candidate->heard_ns = now_ns;
        take_endpoints(candidate, endpoints, n);
        /* A node that refused us, or that we refused, changes its mind by a restart at most. */
        if (candidate->state == CANDIDATE_PAUSED && (!candidate->is_refused || is_restarted)) {
                end_pause(candidate, now_ns);
        }
        return is_restarted;
}

static uint64_t longest_pause_ms(const struct candidate *candidate)
{
        uint64_t longest_ms = CANDIDATE_PAUSE_FIRST_MS;

        for (uint32_t i = 1; i < candidate->n_failures && longest_ms < CANDIDATE_PAUSE_MAX_MS;
                        i++) {
                longest_ms *= 2;
        }
        return longest_ms < CANDIDATE_PAUSE_MAX_MS ? longest_ms : CANDIDATE_PAUSE_MAX_MS;
}

void candidate_begin_pause(struct candidate *candidate, enum candidate_failure failure,
                uint64_t *random, uint64_t now_ns)
{
        const struct cmi_endpoint *tried = &candidate->endpoints[candidate->next_endpoint];

        /* A beacon may have brought other endpoints during the dial. */
        if (cmi_endpoint_equal(tried, &candidate->dialled)) {
                candidate->next_endpoint++;
                candidate->next_endpoint %= candidate->n_endpoints;
        }
        if (candidate->n_failures < UINT32_MAX) {
                candidate->n_failures++;
        }
        candidate->is_refused = failure != CANDIDATE_UNREACHABLE;
        if (candidate->is_refused) {
                candidate->due_ns = now_ns + cmi_ms(CANDIDATE_PAUSE_MAX_MS / 2) +
                                    cmi_random_up_to(random, cmi_ms(CANDIDATE_PAUSE_MAX_MS / 2));
                return;
        }
        candidate->due_ns = now_ns + cmi_random_up_to(random, cmi_ms(longest_pause_ms(candidate)));
        if (candidate->due_ns < soonest(candidate)) {
                candidate->due_ns = soonest(candidate);
        }
}

void candidate_prove(struct candidate *candidate, const struct cmi_id *id)
{
        if (cmi_id_equal(&candidate->id, id)) {
                return;
        }
        candidate->id = *id;
        candidate->incarnation = 0;
        candidate->counter = 0;
        /* The endpoint that answered stays; the others were said to be those of somebody else. */
        candidate->n_endpoints = candidate->n_fixed;
        candidate_append_endpoint(candidate, &candidate->dialled);
        candidate->next_endpoint = 0;
        while (!cmi_endpoint_equal(&candidate->endpoints[candidate->next_endpoint],
                               &candidate->dialled) &&
                        candidate->next_endpoint + 1 < candidate->n_endpoints) {
                candidate->next_endpoint++;
        }
}

void candidate_rest(struct candidate *candidate)
{
        candidate->state = CANDIDATE_CONNECTED;
        candidate->was_connected = true;
        candidate->is_met = false;
        candidate->is_withdrawn = false;
        candidate->is_refused = false;
        candidate->n_failures = 0;
}

void candidate_absorb(struct candidate *candidate, const struct candidate *from)
{
        candidate->origins |= from->origins;
        candidate->was_connected |= from->was_connected;
        if (from->incarnation > candidate->incarnation ||
                        (from->incarnation == candidate->incarnation &&
                                        from->counter > candidate->counter)) {
                candidate->incarnation = from->incarnation;
                candidate->counter = from->counter;
        }
        for (int i = 0; i < from->n_endpoints; i++) {
                if (candidate->n_endpoints < CANDIDATE_ENDPOINTS_MAX) {
                        candidate_append_endpoint(candidate, &from->endpoints[i]);
                }
        }
}
