/* SPDX-License-Identifier: MIT */
/*
 * What is said: answers, their texts and counters, and what an operator is told of room. What the
 * outcome is was decided before.
 */
#include "meshd/session/plane_state.h"

#include <errno.h>

/* Texts */

struct text {
        char *at;
        size_t room; /* with the final NUL */
};

static void add(struct text *text, const char *string)
{
        size_t len = strlen(string);

        len = len < text->room ? len : text->room - 1;
        memcpy(text->at, string, len);
        text->at += len;
        text->room -= len;
        *text->at = '\0';
}

static void add_number(struct text *text, uint64_t number)
{
        char digits[21] = "";
        size_t at = sizeof(digits) - 1;

        do {
                digits[--at] = (char)('0' + number % 10);
                number /= 10;
        } while (number > 0);
        add(text, digits + at);
}

/* Which limit, and how large it is: "what limit unit". */
static void write_limit(struct text *text, const char *what, uint64_t limit, const char *unit)
{
        add(text, what);
        add_number(text, limit);
        add(text, unit);
}

static void write_full(const struct plane *plane, int r, struct text *text)
{
        const struct store_options *options = &plane->options.store;

        switch (r) {
        case STORE_FULL_RECORDS:
                write_limit(text, "the memory for sessions is full: ", options->record_bytes,
                                " bytes");
                break;
        case STORE_FULL_KEYS:
                write_limit(text, "the memory for keys of sessions is full: ", options->key_bytes,
                                " bytes");
                break;
        case STORE_FULL_BLIND:
                write_limit(text, "too many sessions were ended that are not known here: ",
                                options->key_bytes / STORE_BLIND_PART, " bytes");
                break;
        case STORE_FULL_PRINCIPAL:
                write_limit(text, "one principal has as many sessions as it may: ",
                                options->principal_sessions, "");
                break;
        case STORE_FULL_NODES:
                write_limit(text, "too many nodes have ended the sessions of one principal: ",
                                STORE_RAISERS_MAX, "");
                break;
        case STORE_FULL_SPACE:
                write_limit(text, "too many sessions in this space, or too many spaces: ",
                                STORE_SPACES_MAX, " spaces");
                break;
        case STORE_FULL_USER_SPACES:
                write_limit(text, "this user has sessions in as many spaces as it may: ",
                                options->user_spaces, "");
                break;
        case STORE_FULL_USER_BYTES:
                write_limit(text, "the sessions of this user take what they may: ",
                                options->user_bytes, " bytes");
                break;
        case STORE_FULL_USER_KEYS:
                write_limit(text,
                                "the keys of sessions of this user, with those that have ended, "
                                "take what they may: ",
                                options->user_key_bytes, " bytes");
                break;
        case STORE_FULL_BLOCKED:
                add(text, "a session that ended found no room, so no new one is taken");
                break;
        default:
                add(text, "there is no memory");
        }
}

/* Events */

static void emit(struct plane *plane, const struct plane_event *event)
{
        if (plane->sink.event) {
                plane->sink.event(plane->sink.context, event);
        }
}

static void tell_full(struct plane *plane, const struct asked *asked, int r, const char *text)
{
        struct full *full = &plane->fulls[r - STORE_FULL_RECORDS];
        struct plane_event event = {
                        .kind = PLANE_EVENT_FULL,
                        .space = asked_space(asked),
        };

        if (full->is_told) {
                return;
        }
        *full = (struct full){true, asked->now.mono_ns};
        memcpy(event.text, text, strlen(text) + 1);
        emit(plane, &event);
}

/* Return: NULL: it was told of this space within the hour. */
static struct large *large_of(struct plane *plane, const struct asked *asked)
{
        struct large *oldest = &plane->larges[0];

        for (uint32_t i = 0; i < STORE_SPACES_MAX; i++) {
                struct large *large = &plane->larges[i];

                if (large->told_ns != 0 && large->space == asked_space(asked)) {
                        return asked->now.mono_ns - large->told_ns < cmi_ms(PLANE_LARGE_AGAIN_MS)
                                               ? NULL
                                               : large;
                }
                oldest = large->told_ns < oldest->told_ns ? large : oldest;
        }
        return oldest;
}

static void tell_large(struct plane *plane, const struct asked *asked)
{
        struct large *large = large_of(plane, asked);
        struct plane_event event = {
                        .kind = PLANE_EVENT_LARGE,
                        .space = asked_space(asked),
        };
        struct text text = {event.text, sizeof(event.text)};

        plane->counters.n_large++;
        if (!large) {
                return;
        }
        *large = (struct large){asked_space(asked), asked->now.mono_ns};
        write_limit(&text, "a session of ", asked->blob.len, " bytes was saved, over ");
        write_limit(&text, "", PLANE_LARGE_BYTES, " bytes");
        emit(plane, &event);
}

void reply_found_room(struct plane *plane, const struct asked *asked)
{
        for (uint32_t i = 0; i < PLANE_FULLS; i++) {
                struct full *full = &plane->fulls[i];

                if (asked->now.mono_ns - full->told_ns >= cmi_ms(PLANE_FULL_AGAIN_MS)) {
                        full->is_told = false;
                }
        }
        if (asked->blob.len > PLANE_LARGE_BYTES) {
                tell_large(plane, asked);
        }
}

/* Answers */

void reply_count(struct plane *plane, uint64_t verb, int64_t outcome)
{
        struct plane_counters *counters = &plane->counters;

        switch (outcome) {
        case 0:
                counters->n_done[verb]++;
                break;
        case CMI_CONFLICT:
                counters->n_conflict++;
                break;
        case CMI_GONE:
                counters->n_gone++;
                break;
        case CMI_E_STALE:
                counters->n_stale++;
                break;
        case CMI_E_FULL:
                counters->n_full++;
                break;
        case CMI_E_READ_ONLY:
                counters->n_read_only++;
                break;
        case CMI_E_UNCONFIRMED:
                counters->n_unconfirmed++;
                break;
        case CMI_E_BUSY:
                counters->n_busy++;
                break;
        case -EINVAL:
                counters->n_invalid++;
                break;
        }
}

static void give(struct plane *plane, const struct asked *asked,
                const struct cmi_session_answer *answer, bool is_done)
{
        if (is_done && held_take(plane, asked, answer)) {
                return;
        }
        reply_count(plane, asked->request->verb, answer->outcome);
        plane->sink.answer(plane->sink.context, asked->caller, answer);
}

void reply(struct plane *plane, const struct asked *asked, const struct cmi_session_answer *answer)
{
        give(plane, asked, answer, answer->outcome == 0);
}

void reply_outcome(
                struct plane *plane, const struct asked *asked, int64_t outcome, const char *text)
{
        struct cmi_session_answer answer = {.outcome = outcome};
        struct text writing = {answer.text, sizeof(answer.text)};

        add(&writing, text);
        reply(plane, asked, &answer);
}

/* Of what changes something, how many owners have it: this one. */
static uint64_t copies_of(const struct asked *asked)
{
        return asked->request->verb == CMI_SESSION_GET || asked->request->verb == CMI_SESSION_TOUCH
                               ? 0
                               : 1;
}

void reply_done(struct plane *plane, const struct asked *asked)
{
        const struct cmi_session_answer answer = {.n_copies = copies_of(asked)};

        reply(plane, asked, &answer);
}

void reply_ended_here(struct plane *plane, const struct asked *asked)
{
        struct cmi_session_answer answer = {.outcome = CMI_E_UNCONFIRMED};
        struct text text = {answer.text, sizeof(answer.text)};

        add(&text, "ended on this node; this version does not tell the others");
        give(plane, asked, &answer, true);
}

void reply_refused(struct plane *plane, const struct asked *asked, int r)
{
        char buffer[CMI_LOCAL_TEXT_MAX + 1];
        struct text text = {buffer, sizeof(buffer)};

        if (store_is_full(r)) {
                write_full(plane, r, &text);
                tell_full(plane, asked, r, buffer);
                reply_outcome(plane, asked, CMI_E_FULL, buffer);
        } else if (r == STORE_BEHIND || r == STORE_FENCED) {
                reply_outcome(plane, asked, CMI_E_UNCONFIRMED, "a newer version is elsewhere");
        } else {
                reply_outcome(plane, asked, -EINVAL, "a time or a length cannot be");
        }
}

void reply_busy(struct plane *plane, const struct asked *asked, const char *whose, uint64_t n_max,
                uint64_t bytes_max)
{
        char buffer[CMI_LOCAL_TEXT_MAX + 1];
        struct text text = {buffer, sizeof(buffer)};

        add(&text, "too many requests of sessions");
        add(&text, whose);
        write_limit(&text, " wait: up to ", n_max, ", with ");
        write_limit(&text, "", bytes_max, " bytes");
        reply_outcome(plane, asked, CMI_E_BUSY, buffer);
}

void reply_stale(struct plane *plane, const struct asked *asked)
{
        reply_outcome(plane, asked, CMI_E_STALE, "another node has taken it over");
}

void reply_missing(struct plane *plane, const struct asked *asked)
{
        if (grace_find(plane, asked, &asked->request->key)) {
                reply_outcome(plane, asked, CMI_E_READ_ONLY, "the session has another id now");
        } else {
                reply_outcome(plane, asked, CMI_GONE, "");
        }
}

static struct cmi_session_answer answer_of(const struct asked *asked, int64_t outcome,
                const struct cmi_session *session, struct cmi_slice blob)
{
        uint64_t now_ms = plane_utc_ms(asked->now);

        return (struct cmi_session_answer){
                        .outcome = outcome,
                        .n_copies = outcome == 0 ? copies_of(asked) : 0,
                        .version = session->version,
                        .holder = session->holder,
                        .created_ms = session->created_ms,
                        .max_end_ms = session->max_end_ms,
                        .idle_ttl_ms = session->idle_ttl_ms,
                        .idle_ms = now_ms > session->last_touch_ms ? now_ms - session->last_touch_ms
                                                                   : 0,
                        .tag = session->tag,
                        .sealed_base = session->sealed_base,
                        .save_id = session->save_id,
                        .blob = blob,
        };
}

void reply_record(struct plane *plane, const struct asked *asked, int64_t outcome,
                const struct store_view *view, uint64_t token)
{
        struct cmi_session_answer answer = answer_of(asked, outcome, &view->session, view->blob);

        answer.token = token;
        reply(plane, asked, &answer);
}

void reply_made(struct plane *plane, const struct asked *asked, const struct cmi_id *key,
                uint64_t token)
{
        struct store_view view;
        struct cmi_session_answer answer;

        if (plane_look(plane, asked, key, &view) != STORE_STORED ||
                        (view.session.requests[0] != asked->request->request &&
                                        !PLANE_MUTANT(AGAIN_AS_NEWEST))) {
                reply_done(plane, asked);
                return;
        }
        answer = answer_of(asked, 0, &view.session, cmi_slice(NULL, 0));
        answer.token = token;
        reply(plane, asked, &answer);
}

void reply_conflict(struct plane *plane, const struct asked *asked, const struct cmi_id *key)
{
        uint64_t token = plane_token(plane);
        struct store_view view;

        if (plane_look(plane, asked, key, &view) == STORE_STORED) {
                reply_record(plane, asked, CMI_CONFLICT, &view, token);
        } else {
                reply_missing(plane, asked);
        }
}

void reply_grace(struct plane *plane, const struct asked *asked, const struct grace *grace)
{
        struct cmi_session_answer answer;

        if (!grace) {
                reply_outcome(plane, asked, CMI_GONE, "");
                return;
        }
        answer = answer_of(asked, 0, &grace->session,
                        cmi_slice(grace->bytes + grace->session.tag.len,
                                        (size_t)grace->session.blob_len));
        answer.flags = CMI_SESSION_READ_ONLY;
        reply(plane, asked, &answer);
}
