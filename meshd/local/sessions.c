/* SPDX-License-Identifier: MIT */
#include "meshd/local/sessions.h"

#include "base/cleanup.h"
#include "meshd/io/clock.h"
#include "meshd/io/logger.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_PLANE "this node has a temporary id, so it holds no sessions: give it a --state-dir"

/* A SESSION whose blob has not come whole. */
struct joined {
        struct joined *next;
        struct guest *guest;
        uint64_t id;
        struct cmi_session_request request; /* its tag is ours, its blob is not used */
        uint8_t tag[CMI_SESSION_TAG_MAX];
        uint64_t end_ns;
        size_t n_bytes;
        uint8_t bytes[]; /* request.blob_len */
};

struct sessions {
        struct service *service;
        struct bridge bridge;
        struct plane *plane; /* NULL: this node holds none */
        struct joined *joined;
        size_t joined_bytes;
        uint64_t n_parts_ignored;
};

/* Answers */

static void send_answer(struct sessions *sessions, struct guest *guest, uint64_t id,
                const struct cmi_session_answer *answer)
{
        size_t begin;
        struct cmi_writer writer =
                        service_begin(sessions->service, CMI_LOCAL_SESSION_ANSWER, id, &begin);

        cmi_session_answer_write(&writer, answer);
        service_send(guest->client, &writer, begin, id);
}

static void refuse(struct sessions *sessions, struct guest *guest, uint64_t id, int outcome,
                const char *text)
{
        struct cmi_session_answer answer = {.outcome = outcome};

        snprintf(answer.text, sizeof(answer.text), "%s", text);
        send_answer(sessions, guest, id, &answer);
}

/* To the plane a client is its guest, which is there until sessions_cancel(). */
static struct guest *guest_of(uint64_t client)
{
        return (struct guest *)(uintptr_t)client;
}

static void on_answer(void *context, const struct plane_caller *caller,
                const struct cmi_session_answer *answer)
{
        send_answer(context, guest_of(caller->client), caller->id, answer);
}

/* That, and one answer more, is far from LOCAL_OUT_MAX. */
static bool takes(void *context, uint64_t client)
{
        (void)context;
        return client_n_waiting(guest_of(client)->client) <= LOCAL_OUT_HOLD;
}

static void on_event(void *context, const struct plane_event *event)
{
        uint32_t uid = store_user(event->space);
        char space[SESSIONS_SPACE_TEXT_SIZE];

        (void)context;
        sessions_format_space(event->space, space);
        switch (event->kind) {
        case PLANE_EVENT_FULL:
                logger(LOGGER_WARNING, "session.full", L_UINT("uid", uid), L_TEXT("space", space),
                                L_TEXT("msg", event->text));
                return;
        case PLANE_EVENT_LARGE:
                logger(LOGGER_WARNING, "session.large", L_UINT("uid", uid), L_TEXT("space", space),
                                L_TEXT("msg", event->text));
                return;
        }
}

static uint64_t on_stamp(void *context, const struct cmi_id *key)
{
        struct sessions *sessions = context;

        return bridge_stamp(&sessions->bridge, key);
}

/* Life */

static void *take_memory(void *context, size_t size)
{
        (void)context;
        return malloc(size);
}

static void give_memory(void *context, void *memory, size_t size)
{
        (void)context;
        (void)size;
        free(memory);
}

static int make_plane(struct sessions *sessions)
{
        const struct config *config = sessions->service->config;
        struct plane_options options = {
                        .node_id = sessions->service->state->id,
                        .incarnation = sessions->service->state->incarnation,
                        .store = {.record_bytes = config->session_bytes,
                                        .key_bytes = config->session_key_bytes,
                                        .principal_sessions = (uint32_t)config->session_limit,
                                        .user_spaces = SESSIONS_USER_SPACES,
                                        .user_bytes = config->session_bytes / 2,
                                        .user_key_bytes = config->session_key_bytes / 2},
        };
        const struct store_memory memory = {.alloc = take_memory, .free = give_memory};
        const struct plane_sink sink = {
                        .context = sessions,
                        .answer = on_answer,
                        .stamp = on_stamp,
                        .event = on_event,
                        .takes = takes,
        };
        struct plane_view view = bridge_view(&sessions->bridge);

        randombytes_buf(&options.store.seed, sizeof(options.store.seed));
        return plane_new(&sessions->plane, &options, &memory, &sink, &view);
}

int sessions_new(struct sessions **ret_sessions, struct service *service)
{
        struct sessions *sessions = calloc(1, sizeof(*sessions));
        int r = 0;

        if (!sessions) {
                return -ENOMEM;
        }
        sessions->service = service;
        sessions->bridge.core = service->core;
        sessions->bridge.page = cmi_page_view(service->page->page);
        /* An obituary ends as soon as it was heard, and with it all that it had taken. */
        if (!service->state->is_temporary && !service->config->is_obituary) {
                r = make_plane(sessions);
        }
        if (r < 0) {
                free(sessions);
                return r;
        }
        *ret_sessions = sessions;
        return 0;
}

static void drop(struct sessions *sessions, struct joined *joined)
{
        struct joined **at = &sessions->joined;

        while (*at != joined) {
                at = &(*at)->next;
        }
        *at = joined->next;
        sessions->joined_bytes -= joined->request.blob_len;
        joined->guest->n_joined--;
        joined->guest->joined_bytes -= joined->request.blob_len;
        free(joined);
}

struct sessions *sessions_free(struct sessions *sessions)
{
        if (sessions) {
                while (sessions->joined) {
                        drop(sessions, sessions->joined);
                }
                plane_free(sessions->plane);
        }
        free(sessions);
        return NULL;
}

struct plane *sessions_plane(struct sessions *sessions, const char **ret_reason)
{
        if (!sessions->plane) {
                *ret_reason = NO_PLANE;
        }
        return sessions->plane;
}

/* Requests */

static void hand_over(struct sessions *sessions, struct guest *guest, uint64_t id,
                const struct cmi_session_request *request, struct cmi_slice blob)
{
        const struct plane_caller caller = {
                        .client = (uintptr_t)guest, .id = id, .user = guest->client->uid};

        plane_request(sessions->plane, clock_now(), &caller, request, blob);
}

/* The plane counts by principal alone: somebody's in another space, or of another user's, is
 * another one. */
static struct cmi_id make_principal(
                const struct cmi_id *principal, const struct cmi_id *space, uid_t uid)
{
        struct cmi_id mine = *principal;
        uint8_t whose[sizeof(space->bytes) + sizeof(uint32_t)];
        uint32_t user = uid;

        memcpy(whose, space->bytes, sizeof(space->bytes));
        memcpy(whose + sizeof(space->bytes), &user, sizeof(user));
        if (!cmi_id_is_zero(principal)) {
                crypto_generichash(mine.bytes, sizeof(mine.bytes), principal->bytes,
                                sizeof(principal->bytes), whose, sizeof(whose));
        }
        return mine;
}

void sessions_space_of_name(struct cmi_slice name, struct cmi_id *ret_space)
{
        static const unsigned char key[32] = CMI_SESSION_SPACE_KEY;

        crypto_generichash(ret_space->bytes, sizeof(ret_space->bytes), name.data, name.len, key,
                        sizeof(key));
}

void sessions_format_space(uint64_t space, char ret_text[SESSIONS_SPACE_TEXT_SIZE])
{
        snprintf(ret_text, SESSIONS_SPACE_TEXT_SIZE, "%08" PRIx32, (uint32_t)space);
}

static size_t joined_bytes_of(const struct sessions *sessions, uid_t uid)
{
        size_t n_bytes = 0;

        for (const struct joined *j = sessions->joined; j; j = j->next) {
                n_bytes += j->guest->client->uid == uid ? j->request.blob_len : 0;
        }
        return n_bytes;
}

/* Return: NULL: there is room for it; or what is full. */
static const char *find_full(
                const struct sessions *sessions, const struct guest *guest, uint64_t n_bytes)
{
        static_assert(SESSIONS_JOINED_MAX == 8 && SESSIONS_JOINED_BYTES_MAX >> 20 == 1 &&
                                        SESSIONS_JOINED_BYTES_ALL >> 20 == 32 &&
                                        SESSIONS_JOINED_BYTES_USER >> 20 == 16,
                        "what the texts say");

        if (guest->n_joined >= SESSIONS_JOINED_MAX ||
                        guest->joined_bytes + n_bytes > SESSIONS_JOINED_BYTES_MAX) {
                return "too many long sessions of this connection are on their way: up to 8, with "
                       "1 MiB";
        }
        if (sessions->joined_bytes + n_bytes > SESSIONS_JOINED_BYTES_ALL) {
                return "too many long sessions are on their way: up to 32 MiB";
        }
        if (joined_bytes_of(sessions, guest->client->uid) + n_bytes > SESSIONS_JOINED_BYTES_USER) {
                return "too many long sessions of this user are on their way: up to 16 MiB";
        }
        return NULL;
}

/* The first part has come with the request; what follows goes behind it. */
static void join(struct sessions *sessions, struct guest *guest, uint64_t id,
                const struct cmi_session_request *request)
{
        const char *full = find_full(sessions, guest, request->blob_len);
        struct joined *joined = full ? NULL : calloc(1, sizeof(*joined) + request->blob_len);

        if (!joined) {
                refuse(sessions, guest, id, CMI_E_BUSY,
                                full ? full : "there is no memory for a long session");
                return;
        }
        joined->guest = guest;
        joined->id = id;
        joined->request = *request;
        memcpy(joined->tag, request->tag.data, request->tag.len);
        joined->request.tag.data = joined->tag;
        joined->request.blob = (struct cmi_slice){0};
        joined->end_ns = clock_read_ns(CLOCK_MONOTONIC) + cmi_ms(plane_patience_ms(request));
        memcpy(joined->bytes, request->blob.data, request->blob.len);
        joined->n_bytes = request->blob.len;
        joined->next = sessions->joined;
        sessions->joined = joined;
        sessions->joined_bytes += request->blob_len;
        guest->n_joined++;
        guest->joined_bytes += request->blob_len;
}

static const char *find_fault(const struct cmi_session_request *request, int *ret_outcome)
{
        *ret_outcome = cmi_session_request_check(request);
        if (*ret_outcome == CMI_E_TOO_BIG) {
                return "the session is too long";
        }
        if (*ret_outcome < 0) {
                return "a field of the request is missing or senseless";
        }
        if (request->level == CMI_SESSION_DISK) {
                *ret_outcome = -EOPNOTSUPP;
                return "this node keeps no sessions on disk";
        }
        return NULL;
}

int sessions_ask(struct sessions *sessions, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_session_request request;
        const char *why;
        int outcome;
        int r = cmi_session_request_decode(head->fields, &request);

        if (r < 0) {
                return r;
        }
        if (!sessions->plane) {
                refuse(sessions, guest, head->id, -EOPNOTSUPP, NO_PLANE);
                return 0;
        }
        why = find_fault(&request, &outcome);
        if (why) {
                refuse(sessions, guest, head->id, outcome, why);
                return 0;
        }
        request.principal = make_principal(&request.principal, &request.space, guest->client->uid);
        if (cmi_session_has_blob(request.verb) && request.blob.len < request.blob_len) {
                join(sessions, guest, head->id, &request);
        } else {
                hand_over(sessions, guest, head->id, &request, request.blob);
        }
        return 0;
}

static struct joined *find_joined(
                const struct sessions *sessions, const struct guest *guest, uint64_t id)
{
        struct joined *joined = guest->n_joined > 0 ? sessions->joined : NULL;

        while (joined && (joined->guest != guest || joined->id != id)) {
                joined = joined->next;
        }
        return joined;
}

/* All of it has come. What the parts have taken of its time is gone. */
static void complete(struct sessions *sessions, struct joined *joined)
{
        uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);

        if (now_ns >= joined->end_ns) {
                return; /* sessions_turn() says so */
        }
        joined->request.timeout_ms = (joined->end_ns - now_ns + CMI_NS_PER_MS - 1) / CMI_NS_PER_MS;
        hand_over(sessions, joined->guest, joined->id, &joined->request,
                        cmi_slice(joined->bytes, joined->n_bytes));
        drop(sessions, joined);
}

int sessions_part(struct sessions *sessions, struct guest *guest, const struct cmi_local_head *head)
{
        struct cmi_session_part part;
        struct joined *joined;
        int r = cmi_session_part_decode(head->fields, &part);

        if (r < 0) {
                return r;
        }
        joined = find_joined(sessions, guest, part.id);
        if (!joined) {
                sessions->n_parts_ignored++;
                return 0;
        }
        if (part.offset != joined->n_bytes ||
                        part.bytes.len > joined->request.blob_len - joined->n_bytes) {
                return -EBADMSG;
        }
        memcpy(joined->bytes + joined->n_bytes, part.bytes.data, part.bytes.len);
        joined->n_bytes += part.bytes.len;
        if (joined->n_bytes == joined->request.blob_len) {
                complete(sessions, joined);
        }
        return 0;
}

void sessions_cancel(struct sessions *sessions, struct guest *guest)
{
        struct joined *joined = guest->n_joined > 0 ? sessions->joined : NULL;

        while (joined) {
                struct joined *next = joined->next;

                if (joined->guest == guest) {
                        drop(sessions, joined);
                }
                joined = next;
        }
        if (sessions->plane) {
                plane_cancel(sessions->plane, (uintptr_t)guest);
        }
}

/* Looking on */

/* Other than done; of all verbs. */
static void write_outcomes(const struct plane_counters *counters, struct document *document)
{
        document_uint(document, "sessions_conflict", counters->n_conflict);
        document_uint(document, "sessions_gone", counters->n_gone);
        document_uint(document, "sessions_stale", counters->n_stale);
        document_uint(document, "sessions_full", counters->n_full);
        document_uint(document, "sessions_read_only", counters->n_read_only);
        document_uint(document, "sessions_unconfirmed", counters->n_unconfirmed);
        document_uint(document, "sessions_busy", counters->n_busy);
        document_uint(document, "sessions_invalid", counters->n_invalid);
        document_uint(document, "sessions_large", counters->n_large);
        document_uint(document, "sessions_ended_idle", counters->n_idle);
        document_uint(document, "sessions_ended", counters->n_ended);
}

static void write_held(const struct plane_status *status, struct document *document)
{
        document_uint(document, "sessions_held", status->store.n_records);
        document_uint(document, "sessions_keys", status->store.n_keys);
        document_uint(document, "sessions_principals", status->store.n_principals);
        document_uint(document, "sessions_blind", status->store.n_blind);
        document_uint(document, "sessions_blind_bytes", status->store.blind_bytes);
        document_uint(document, "sessions_refused", status->store.n_refused);
        document_uint(document, "sessions_conflicts", status->store.n_conflicts);
        document_uint(document, "sessions_bytes", status->store.record_bytes);
        document_uint(document, "sessions_key_bytes", status->store.key_bytes);
        document_uint(document, "sessions_blocked", status->store.is_blocked);
        document_uint(document, "sessions_graces", status->n_graces);
        document_uint(document, "sessions_waiting", status->n_waiting);
        document_uint(document, "sessions_waiting_bytes", status->waiting_bytes);
}

void sessions_write_counters(
                const struct sessions *sessions, struct cmi_time now, struct document *document)
{
        struct plane_status status = {0};
        const struct plane_counters *counters = &status.counters;
        static const char *const verbs[] = {[CMI_SESSION_CREATE] = "create",
                        [CMI_SESSION_GET] = "get",
                        [CMI_SESSION_SAVE] = "save",
                        [CMI_SESSION_TOUCH] = "touch",
                        [CMI_SESSION_DESTROY] = "destroy",
                        [CMI_SESSION_DESTROY_PRINCIPAL] = "destroy_principal",
                        [CMI_SESSION_ROTATE] = "rotate"};

        if (sessions->plane) {
                plane_status(sessions->plane, now, &status);
        }
        for (int i = CMI_SESSION_CREATE; i <= CMI_SESSION_ROTATE; i++) {
                char name[64];

                snprintf(name, sizeof(name), "sessions_asked_%s", verbs[i]);
                document_uint(document, name, counters->n_asked[i]);
                snprintf(name, sizeof(name), "sessions_done_%s", verbs[i]);
                document_uint(document, name, counters->n_done[i]);
        }
        write_outcomes(counters, document);
        write_held(&status, document);
        document_uint(document, "sessions_joining_bytes", sessions->joined_bytes);
        document_uint(document, "sessions_parts_ignored", sessions->n_parts_ignored);
}

/* The turn */

static void end_late(struct sessions *sessions, uint64_t now_ns)
{
        struct joined *joined = sessions->joined;

        while (joined) {
                struct joined *next = joined->next;

                if (now_ns >= joined->end_ns) {
                        refuse(sessions, joined->guest, joined->id, CMI_E_TIMEOUT,
                                        "the session did not come whole in time");
                        drop(sessions, joined);
                }
                joined = next;
        }
}

void sessions_turn(struct sessions *sessions, struct cmi_time now)
{
        end_late(sessions, now.mono_ns);
        if (sessions->plane) {
                plane_tick(sessions->plane, now);
        }
}

static uint64_t find_due_ns(const struct sessions *sessions)
{
        uint64_t due_ns = sessions->plane ? plane_timeout_ns(sessions->plane) : UINT64_MAX;

        for (const struct joined *j = sessions->joined; j; j = j->next) {
                due_ns = j->end_ns < due_ns ? j->end_ns : due_ns;
        }
        return due_ns;
}

int sessions_timeout_ms(const struct sessions *sessions, uint64_t now_ns)
{
        uint64_t due_ns = find_due_ns(sessions);

        if (due_ns == UINT64_MAX || due_ns > now_ns + cmi_ms(INT_MAX / 2)) {
                return -1;
        }
        return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns + CMI_NS_PER_MS - 1) / CMI_NS_PER_MS);
}
