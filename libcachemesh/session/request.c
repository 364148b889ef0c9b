/* SPDX-License-Identifier: MIT */
/*
 * Requests: how one is written, how often it is asked, and what its answer says.
 */
#include "libcachemesh/session/space.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>

#define FIELDS_MAX 1024 /* of a request without its blob */
#define EARLY_MS 50     /* meshd's answer shall come before the caller's own deadline */

struct cmi_session_request cmi_session_request(
                const struct cm_session_space *space, enum cmi_session_verb verb)
{
        struct cmi_session_request request = {
                        .verb = verb,
                        .space = space->key,
                        .level = space->level,
        };

        do {
                randombytes_buf(&request.request, sizeof(request.request));
        } while (request.request == 0);
        return request;
}

static uint64_t left_ms(uint64_t deadline_ns)
{
        uint64_t now = cmi_ext_clock_ns(CLOCK_MONOTONIC);
        uint64_t ms = deadline_ns > now ? (deadline_ns - now) / CMI_NS_PER_MS : 0;

        ms -= ms / 8 < EARLY_MS ? ms / 8 : EARLY_MS;
        if (ms > CMI_SESSION_TIMEOUT_MAX_MS) {
                ms = CMI_SESSION_TIMEOUT_MAX_MS;
        }
        return ms > 0 ? ms : 1;
}

/* What an outcome says beyond "nothing has happened" is not known if an earlier attempt may have
 * been done. */
static bool says_nothing_happened(int r)
{
        return r == -ENOTCONN || r == -EOPNOTSUPP || r == -ENOMEM || r == CM_E_BUSY ||
               r == CM_E_UNCONFIRMED;
}

static int decode(struct cmi_reply *reply)
{
        const struct cmi_session_answer *answer = &reply->answer;
        int r;

        if (cmi_session_answer_decode(reply->raw.fields, &reply->answer) < 0 ||
                        answer->outcome < INT_MIN || answer->outcome > CM_GONE ||
                        (answer->outcome > 0 && answer->outcome < CM_CONFLICT &&
                                        answer->outcome != CM_PENDING)) {
                return cmi_ext_fail(-EPROTO, "meshd's answer makes no sense");
        }
        r = (int)answer->outcome;
        if (r < 0) {
                return cmi_ext_fail(r, "%s", answer->text[0] ? answer->text : cm_strerror(r));
        }
        return r;
}

static int attempt(struct cm_session_space *space, struct cmi_session_request *request,
                struct cmi_ext_call *call, struct cmi_slice room, struct cmi_reply *reply)
{
        struct cmi_writer writer = cmi_writer((void *)(uintptr_t)room.data, room.len);
        int r;

        request->timeout_ms = left_ms(call->deadline_ns);
        cmi_session_request_write(&writer, request);
        if (writer.error < 0) {
                return cmi_ext_fail(writer.error, "a request that cannot be written");
        }
        call->fields = cmi_slice(writer.data, writer.len);
        r = cmi_ext_call(space->cm, call, &reply->raw);
        return r < 0 ? r : decode(reply);
}

/* One request number for all attempts: what was done is not done twice. */
static int repeat(struct cm_session_space *space, struct cmi_session_request *request,
                struct cmi_ext_call *call, struct cmi_slice room, struct cmi_reply *reply)
{
        bool may_be_done = false;
        int r;

        do {
                cmi_ext_answer_clear(&reply->raw);
                r = attempt(space, request, call, room, reply);
                if (may_be_done && says_nothing_happened(r)) {
                        r = -ECONNRESET;
                        break;
                }
                may_be_done |= r == -ECONNRESET && request->verb != CMI_SESSION_GET;
        } while (r == -ECONNRESET && cmi_ext_clock_ns(CLOCK_MONOTONIC) < call->deadline_ns);
        if (r == -ECONNRESET) {
                return cmi_ext_fail(CM_E_TIMEOUT, "the connection to meshd ended, and it was not "
                                                  "back in time");
        }
        return r;
}

int cmi_session_ask(struct cm_session_space *space, struct cmi_session_request *request,
                struct cmi_slice blob, uint64_t deadline_ns, struct cmi_reply *ret_reply)
{
        size_t n = blob.len < CMI_SESSION_PART_MAX ? blob.len : CMI_SESSION_PART_MAX;
        struct cmi_ext_call call = {
                        .deadline_ns = deadline_ns,
                        .room = ret_reply->room,
                        .room_size = sizeof(ret_reply->room),
        };
        uint8_t few[FIELDS_MAX];
        void *many = NULL;
        int r;

        ret_reply->raw = (struct cmi_ext_answer){0};
        request->blob_len = blob.len;
        request->blob = cmi_slice(blob.data, n);
        call.rest = cmi_slice((const uint8_t *)blob.data + n, blob.len - n);
        if (n > 0) {
                many = cmi_ext_allocate(space->cm, 16, FIELDS_MAX + n);
                if (!many) {
                        return cmi_ext_fail(-ENOMEM, "no memory for a request");
                }
        }
        r = repeat(space, request, &call,
                        many ? cmi_slice(many, FIELDS_MAX + n) : cmi_slice(few, sizeof(few)),
                        ret_reply);
        if (many) {
                cmi_ext_deallocate(space->cm, many, FIELDS_MAX + n);
        }
        if (r < 0) {
                cmi_reply_clear(ret_reply);
        }
        return r;
}

void cmi_reply_clear(struct cmi_reply *reply)
{
        cmi_ext_answer_clear(&reply->raw);
}

int cmi_session_tell(struct cm_session_space *space, const struct cmi_copy_head *head)
{
        struct cmi_session_request request = {
                        .verb = CMI_SESSION_TOUCH,
                        .space = space->key,
                        .key = head->key,
                        .holder = head->holder,
        };
        uint8_t fields[FIELDS_MAX];
        struct cmi_writer writer = cmi_writer(fields, sizeof(fields));

        cmi_session_request_write(&writer, &request);
        return writer.error < 0 ? writer.error
                                : cmi_ext_tell(space->cm, cmi_slice(fields, writer.len));
}

struct cmi_copy_head cmi_session_head_of(
                const struct cmi_id *key, const struct cmi_session_answer *answer)
{
        struct cmi_copy_head head = {
                        .key = *key,
                        .version = answer->version,
                        .holder = answer->holder,
                        .created_ms = answer->created_ms,
                        .max_end_ms = answer->max_end_ms,
                        .idle_ttl_ms = answer->idle_ttl_ms,
                        .flags = answer->flags,
                        .tag_len = answer->tag.len,
        };

        if (answer->tag.len > 0) {
                memcpy(head.tag, answer->tag.data, answer->tag.len);
        }
        return head;
}

struct cm_token cmi_session_token_of(const struct cmi_reply *reply)
{
        const struct cmi_session_answer *answer = &reply->answer;

        if (answer->token == 0 || (answer->flags & CMI_SESSION_READ_ONLY) ||
                        cmi_session_version_is_none(&answer->version)) {
                return (struct cm_token){{0, 0, 0}};
        }
        return cmi_ext_token(&reply->raw, answer->token);
}

static int unseal(struct cm_session_space *space, const struct cmi_id *key,
                const struct cmi_session_answer *answer, uint8_t *ret_data)
{
        const struct cmi_seal seal = {
                        .key = *key,
                        .base = answer->sealed_base,
                        .save_id = answer->save_id,
        };

        if (cmi_unseal(space->ring, &seal, &answer->version, answer->blob, ret_data) < 0) {
                return cmi_ext_fail(CM_E_SEALED,
                                "no key of the ring opens the session, or it was tampered with");
        }
        return 0;
}

int cmi_session_take(struct cm_session_space *space, const struct cmi_id *key,
                const struct cmi_reply *reply, struct cm_session *ret_session)
{
        const struct cmi_session_answer *answer = &reply->answer;
        struct cmi_copy_head head = cmi_session_head_of(key, answer);
        size_t len = answer->blob.len - CMI_SEAL_OVERHEAD;
        uint8_t *data;
        int r;

        if (answer->blob.len < CMI_SEAL_OVERHEAD || answer->max_end_ms == 0 ||
                        cmi_session_version_is_none(&answer->version)) {
                return cmi_ext_fail(-EPROTO, "meshd answered without a session");
        }
        data = cmi_ext_allocate(space->cm, 16, len + 1);
        if (!data) {
                return cmi_ext_fail(-ENOMEM, "no memory for a session");
        }
        r = unseal(space, key, answer, data);
        if (r == 0) {
                r = cmi_session_keep(space, &head, cmi_session_token_of(reply),
                                cmi_slice(data, len), 0, NULL, ret_session);
        }
        sodium_memzero(data, len);
        cmi_ext_deallocate(space->cm, data, len + 1);
        return r;
}
