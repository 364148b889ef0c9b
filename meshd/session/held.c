/* SPDX-License-Identifier: MIT */
/*
 * Answers that wait for the disk. What ends a session is told when no restart can undo it: its
 * tombstone, or the counts, are committed; so is what is told as unconfirmed only because other
 * nodes may know the session. Likewise a new id, for which the old one has to be dead, and what was
 * to be saved on the disk. While all is written anew, or when the disk is broken, nobody knows what
 * is on it: who waits is told that it was done, and may not last.
 */
#include "meshd/session/plane_state.h"

#define HELD_MAX 4096

static bool is_to_be_safe(const struct cmi_session_request *request)
{
        bool is_saving = request->verb == CMI_SESSION_CREATE || request->verb == CMI_SESSION_SAVE;
        bool is_ending = request->verb == CMI_SESSION_DESTROY ||
                         request->verb == CMI_SESSION_DESTROY_PRINCIPAL;
        bool is_rotating = request->verb == CMI_SESSION_ROTATE;

        return (is_ending && !JOURNAL_MUTANT(LOGOUT_UNCOMMITTED)) ||
               (is_rotating && !JOURNAL_MUTANT(ROTATE_UNCOMMITTED)) ||
               (is_saving && request->level == CMI_SESSION_DISK &&
                               !JOURNAL_MUTANT(SAVE_UNCOMMITTED));
}

/* Repeated requests, too: what they find done may not be on the disk. */
static uint64_t mark_all(struct plane *plane, const struct cmi_session_request *request)
{
        if (request->verb == CMI_SESSION_DESTROY_PRINCIPAL) {
                return journal_mark(plane, &request->principal, true);
        }
        if (request->verb == CMI_SESSION_ROTATE) {
                journal_mark(plane, &request->new_key, false);
        }
        return journal_mark(plane, &request->key, false);
}

static const char unwritten[] = "it is done, but not on the disk: a restart of meshd may undo it";

static void tell_unwritten(struct plane *plane, const struct plane_caller *caller, uint64_t verb)
{
        struct cmi_session_answer answer = {.outcome = CMI_E_UNCONFIRMED};

        memcpy(answer.text, unwritten, sizeof(unwritten));
        plane->journal.counters.n_unwritten++;
        reply_count(plane, verb, answer.outcome);
        plane->sink.answer(plane->sink.context, caller, &answer);
}

static void append(struct journal *journal, struct held *held)
{
        *(journal->last ? &journal->last->next : &journal->first) = held;
        journal->last = held;
        journal->counters.n_held++;
}

bool held_take(struct plane *plane, const struct asked *asked,
                const struct cmi_session_answer *answer)
{
        struct journal *journal = &plane->journal;
        const struct cmi_session_request *request = asked->request;
        uint64_t left_ms = plane_patience_ms(request);
        struct held *held;

        if (journal->state == PLANE_DISK_NONE || !is_to_be_safe(request)) {
                return false;
        }
        held = journal->state == PLANE_DISK_BROKEN || journal->counters.n_held >= HELD_MAX
                               ? NULL
                               : plane_alloc(plane, sizeof(*held));
        if (!held) {
                tell_unwritten(plane, asked->caller, request->verb);
                return true;
        }
        left_ms -= asked->waited_ms < left_ms ? asked->waited_ms : left_ms;
        *held = (struct held){.caller = *asked->caller,
                        .verb = request->verb,
                        .serial = mark_all(plane, request),
                        .deadline_ns = asked->now.mono_ns + cmi_ms(left_ms),
                        .answer = *answer};
        if (answer->tag.len > 0) {
                memcpy(held->tag, answer->tag.data, answer->tag.len);
        }
        held->answer.tag.data = held->tag;
        held->answer.blob = cmi_slice(NULL, 0);
        append(journal, held);
        return true;
}

/* Return: the next one. */
static struct held *drop(struct plane *plane, struct held *before, struct held *held)
{
        struct journal *journal = &plane->journal;
        struct held *next = held->next;

        *(before ? &before->next : &journal->first) = next;
        if (journal->last == held) {
                journal->last = before;
        }
        journal->counters.n_held--;
        plane_release(plane, held, sizeof(*held));
        return next;
}

static void tell_done(struct plane *plane, const struct held *held)
{
        reply_count(plane, held->verb, held->answer.outcome);
        plane->sink.answer(plane->sink.context, &held->caller, &held->answer);
}

void held_run(struct plane *plane, struct cmi_time now)
{
        struct journal *journal = &plane->journal;
        struct held *before = NULL;
        struct held *held = journal->first;

        while (held) {
                bool is_safe = journal->state == PLANE_DISK_WORKS &&
                               held->serial <= journal->committed;
                bool is_lost = journal->state == PLANE_DISK_BROKEN ||
                               now.mono_ns >= held->deadline_ns;

                if (is_lost && JOURNAL_MUTANT(BROKEN_IS_DONE)) {
                        is_safe = true;
                }
                if (is_safe) {
                        tell_done(plane, held);
                } else if (is_lost) {
                        tell_unwritten(plane, &held->caller, held->verb);
                } else {
                        before = held;
                        held = held->next;
                        continue;
                }
                held = drop(plane, before, held);
        }
}

void held_cancel(struct plane *plane, uint64_t client)
{
        struct held *before = NULL;
        struct held *held = plane->journal.first;

        while (held) {
                if (held->caller.client == client) {
                        held = drop(plane, before, held);
                } else {
                        before = held;
                        held = held->next;
                }
        }
}

uint64_t held_due_ns(const struct plane *plane)
{
        uint64_t due_ns = UINT64_MAX;

        for (const struct held *held = plane->journal.first; held; held = held->next) {
                due_ns = held->deadline_ns < due_ns ? held->deadline_ns : due_ns;
        }
        return due_ns;
}
