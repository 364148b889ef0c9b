/* SPDX-License-Identifier: MIT */
/*
 * Sessions that begin, change, and get another id.
 */
#include "base/cleanup.h"
#include "libcachemesh/session/space.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#define WARN_PAUSE_MS 3600000
#define EARLY_END_MS                                                                               \
        1000 /* meshd's clock was read a little earlier: it shall not see over 7 days */

/* A sealed session on its way, and memory to show it in: once it is written nothing may fail. */
struct sealed {
        struct cm_session_space *space;
        uint8_t *blob;
        size_t len;
        struct cmi_ext_room room;
};

static void clear_sealed(struct sealed *sealed)
{
        if (sealed->blob) {
                cmi_ext_deallocate(sealed->space->cm, sealed->blob, sealed->len);
        }
        cmi_ext_room_clear(&sealed->room);
}

static void warn_of_size(struct cm_session_space *space, size_t len)
{
        uint64_t now_ms = cmi_session_clock_ms(CLOCK_MONOTONIC);
        uint64_t next_ms = atomic_load(&space->next_warning_ms);

        if (len >= CMI_SESSION_WARN_SIZE && now_ms >= next_ms &&
                        atomic_compare_exchange_strong(&space->next_warning_ms, &next_ms,
                                        now_ms + WARN_PAUSE_MS)) {
                cmi_ext_log(space->cm, CM_LOG_WARNING,
                                "a session of %zu bytes: each save sends all of it to other nodes",
                                len);
        }
}

static int check_data(const void *data, size_t len)
{
        if (!data && len > 0) {
                return cmi_ext_fail(-EINVAL, "there is no data");
        }
        if (len > CM_SESSION_DATA_MAX) {
                return cmi_ext_fail(
                                CM_E_TOO_BIG, "a session has up to %d bytes", CM_SESSION_DATA_MAX);
        }
        return 0;
}

/* Seal for a key over a version; sets the request's save id. */
static int seal(struct cm_session_space *space, const struct cmi_id *key,
                const struct cmi_session_version *base, struct cmi_slice data,
                struct cmi_session_request *request, struct sealed *ret_sealed)
{
        struct cmi_seal bound = {.key = *key, .base = *base};
        uint8_t *blob = cmi_ext_allocate(space->cm, 16, data.len + CMI_SEAL_OVERHEAD);

        if (!blob) {
                return cmi_ext_fail(-ENOMEM, "no memory to seal a session");
        }
        cmi_seal(space->ring, &bound, data, blob);
        request->save_id = bound.save_id;
        *ret_sealed = (struct sealed){space, blob, data.len + CMI_SEAL_OVERHEAD, {0}};
        warn_of_size(space, data.len);
        return 0;
}

static int check_create(const struct cm_session_create_options *options)
{
        int r = cmi_session_check_level(options->level);

        if (r == 0) {
                r = cmi_session_check_times(options->life_ms, options->idle_ms);
        }
        if (r < 0) {
                return r;
        }
        if (options->principal_len > CM_SESSION_PRINCIPAL_MAX ||
                        (options->principal_len > 0 && !options->principal)) {
                return cmi_ext_fail(-EINVAL, "a principal has up to %d bytes",
                                CM_SESSION_PRINCIPAL_MAX);
        }
        if (options->tag_len > CM_SESSION_TAG_MAX || (options->tag_len > 0 && !options->tag)) {
                return cmi_ext_fail(-EINVAL, "a tag has up to %d bytes", CM_SESSION_TAG_MAX);
        }
        if (options->grace_ms > CM_SESSION_GRACE_MS_MAX) {
                return cmi_ext_fail(-EINVAL, "a grace is %d ms at most", CM_SESSION_GRACE_MS_MAX);
        }
        return 0;
}

/* With what is to be in the session. Return: 0 or an error, with a detail. */
static int take_options(const struct cm_session_create_options *options, const void *data,
                size_t len, struct cm_session_create_options *ret_options)
{
        int r = cmi_session_options_copy(ret_options, sizeof(*ret_options), options);

        if (r == 0) {
                r = check_create(ret_options);
        }
        return r == 0 ? check_data(data, len) : r;
}

static uint64_t end_ms(uint64_t life_ms)
{
        uint64_t longest_ms = CM_SESSION_LIFE_MS_MAX - EARLY_END_MS;

        return cmi_session_clock_ms(CLOCK_REALTIME) + (life_ms < longest_ms ? life_ms : longest_ms);
}

/* What a create and a rotate ask for alike; zero stays zero. */
static void set_options(struct cm_session_space *space,
                const struct cm_session_create_options *options,
                struct cmi_session_request *request)
{
        if (options->level != CM_SESSION_DEFAULT) {
                request->level = options->level;
        }
        if (options->life_ms > 0) {
                request->max_end_ms = end_ms(options->life_ms);
        }
        request->idle_ttl_ms = options->idle_ms;
        request->tag = cmi_slice(options->tag, options->tag_len);
        if (options->principal_len > 0) {
                cmi_principal_key(space->ring, 0, &space->key,
                                cmi_slice(options->principal, options->principal_len),
                                &request->principal);
        }
}

static void make_id(struct cm_session_space *space, char ret_id[CM_SESSION_ID_SIZE],
                struct cmi_id *ret_key)
{
        uint8_t bytes[CMI_SESSION_ID_BYTES];

        cmi_session_id_make(ret_id);
        ret_id[CMI_SESSION_ID_CHARS] = '\0';
        (void)cmi_session_id_parse(ret_id, bytes);
        cmi_session_key(space->ring, 0, &space->key, bytes, ret_key);
        sodium_memzero(bytes, sizeof(bytes));
        if (space->route[0]) {
                snprintf(ret_id + CMI_SESSION_ID_CHARS, CM_SESSION_ID_SIZE - CMI_SESSION_ID_CHARS,
                                ".%s", space->route);
        }
}

/* It was saved over since, so that the answer does not say what was written: what was asked for. */
static struct cmi_copy_head head_of_request(const struct cmi_session_request *request,
                const struct cmi_id *key, const struct cmi_copy_head *old)
{
        struct cmi_copy_head head = *old;

        head.key = *key;
        head.version = (struct cmi_session_version){0};
        if (request->verb == CMI_SESSION_ROTATE) {
                head.created_ms = cmi_session_clock_ms(CLOCK_REALTIME);
        }
        if (request->max_end_ms > 0) {
                head.max_end_ms = request->max_end_ms;
        }
        if (request->idle_ttl_ms > 0) {
                head.idle_ttl_ms = request->idle_ttl_ms;
        }
        if (request->tag.len > 0) {
                head.tag_len = request->tag.len;
                memcpy(head.tag, request->tag.data, request->tag.len);
        }
        return head;
}

/* What was written is what is there: show it. */
static int keep_written(struct sealed *sealed, struct cmi_copy_head *head,
                const struct cmi_reply *reply, struct cmi_slice data, struct cm_session *session)
{
        if (head->max_end_ms == 0) {
                return cmi_ext_fail(-EPROTO, "meshd answered without a session");
        }
        cmi_session_set_told(head);
        return cmi_session_keep(sealed->space, head, cmi_session_token_of(reply), data,
                        reply->answer.n_copies, &sealed->room, session);
}

static int unexpected(int r)
{
        return cmi_ext_fail(-EPROTO, "meshd answered a change with %d", r);
}

static int create(struct cm_session_space *space, struct cmi_slice data,
                const struct cm_session_create_options *options, uint64_t deadline_ns,
                char ret_id[CM_SESSION_ID_SIZE], struct cm_session *ret_session)
{
        static const struct cmi_session_version none;
        struct cmi_session_request request = cmi_session_request(space, CMI_SESSION_CREATE);
        CM_CLEANUP(clear_sealed) struct sealed sealed = {0};
        struct cmi_copy_head head;
        char id[CM_SESSION_ID_SIZE];
        struct cmi_reply reply;
        int r;

        request.max_end_ms = end_ms(space->life_ms);
        set_options(space, options, &request);
        if (options->idle_ms == 0) {
                request.idle_ttl_ms = space->idle_ms;
        }
        make_id(space, id, &request.key);
        r = seal(space, &request.key, &none, data, &request, &sealed);
        if (r == 0 && ret_session) {
                r = cmi_session_reserve(space, data.len, &sealed.room);
        }
        if (r == 0) {
                r = cmi_session_ask(space, &request, cmi_slice(sealed.blob, sealed.len),
                                deadline_ns, &reply);
        }
        if (r >= 0) {
                head = cmi_session_head_of(&request.key, &reply.answer);
                r = r > 0 ? unexpected(r) : keep_written(&sealed, &head, &reply, data, ret_session);
                cmi_reply_clear(&reply);
        }
        if (r == 0) {
                memcpy(ret_id, id, sizeof(id));
        }
        sodium_memzero(id, sizeof(id));
        return r;
}

int cm_session_create(struct cm_session_space *space, const void *data, size_t len,
                const struct cm_session_create_options *options, char *ret_id,
                struct cm_session *ret_session)
{
        struct cm_session_create_options copy = {0};
        uint64_t deadline_ns;
        int r;

        if (!space || !ret_id) {
                return cmi_ext_fail(-EINVAL, "there is no namespace, or no place for the id");
        }
        r = cmi_ext_enter(space->cm);
        if (r == 0 && ret_session) {
                r = cmi_session_check_empty(ret_session);
        }
        if (r == 0) {
                r = take_options(options, data, len, &copy);
        }
        if (r < 0) {
                return r;
        }
        deadline_ns = cmi_ext_deadline_ns(space->cm, copy.timeout_ms);
        r = create(space, cmi_slice(data, len), &copy, deadline_ns, ret_id, ret_session);
        if (r == -EEXIST) { /* the key is one of another session: another id, once */
                r = create(space, cmi_slice(data, len), &copy, deadline_ns, ret_id, ret_session);
        }
        return r;
}

/* May what is held be written over? */
static int check_writable(const struct cm_session *session)
{
        const struct cmi_copy_head *head;
        int r = cmi_session_check_held(session);

        if (r == 0) {
                r = cmi_ext_enter(cmi_session_space(session)->cm);
        }
        if (r < 0) {
                return r;
        }
        head = cmi_session_head(session);
        if (head->flags & CMI_SESSION_READ_ONLY) {
                return cmi_ext_fail(CM_E_READ_ONLY, "%s", cm_strerror(CM_E_READ_ONLY));
        }
        if (cmi_session_version_is_none(&head->version)) {
                return cmi_ext_fail(CM_E_STALE, "it was saved over since: get it anew");
        }
        return 0;
}

/* SAVE or ROTATE over what @session shows. */
static int change(struct cm_session *session, struct cmi_session_request *request,
                const struct cmi_id *key, struct cmi_slice data, uint64_t deadline_ns)
{
        struct cm_session_space *space = cmi_session_space(session);
        struct cmi_copy_head old = cmi_session_head_copy(session);
        CM_CLEANUP(clear_sealed) struct sealed sealed = {0};
        static const struct cmi_session_version none;
        struct cmi_copy_head head;
        struct cmi_reply reply;
        int r;

        request->key = old.key;
        request->expected = old.version;
        request->holder = old.holder;
        r = seal(space, key, request->verb == CMI_SESSION_SAVE ? &old.version : &none, data,
                        request, &sealed);
        if (r == 0) {
                r = cmi_session_reserve(space, data.len, &sealed.room);
        }
        if (r == 0) {
                r = cmi_session_ask(space, request, cmi_slice(sealed.blob, sealed.len), deadline_ns,
                                &reply);
        }
        if (r < 0 || r == CM_GONE) {
                if (r == CM_GONE) {
                        cmi_reply_clear(&reply);
                }
                return r;
        }
        if (r == 0) {
                head = cmi_session_head_of(key, &reply.answer);
                if (head.max_end_ms == 0) {
                        head = head_of_request(request, key, &old);
                }
                r = keep_written(&sealed, &head, &reply, data, session);
        } else if (r == CM_CONFLICT) {
                r = cmi_session_take(space, &old.key, &reply, session);
                r = r < 0 ? r : CM_CONFLICT;
        } else {
                r = unexpected(r);
        }
        cmi_reply_clear(&reply);
        return r;
}

int cm_session_save(struct cm_session *session, const void *data, size_t len,
                const struct cm_session_call_options *options)
{
        struct cm_session_call_options copy = {0};
        struct cmi_session_request request;
        struct cm_session_space *space;
        struct cmi_id key;
        int r = check_writable(session);

        if (r == 0) {
                r = cmi_session_options_copy(&copy, sizeof(copy), options);
        }
        if (r == 0) {
                r = cmi_session_check_call(&copy, 0);
        }
        if (r == 0) {
                r = check_data(data, len);
        }
        if (r < 0) {
                return r;
        }
        space = cmi_session_space(session);
        key = cmi_session_head(session)->key;
        request = cmi_session_request(space, CMI_SESSION_SAVE);
        if (copy.level != CM_SESSION_DEFAULT) {
                request.level = copy.level;
        }
        return change(session, &request, &key, cmi_slice(data, len),
                        cmi_ext_deadline_ns(space->cm, copy.timeout_ms));
}

static int rotate(struct cm_session *session, struct cmi_slice data,
                const struct cm_session_create_options *options, uint64_t deadline_ns,
                char ret_id[CM_SESSION_ID_SIZE])
{
        struct cm_session_space *space = cmi_session_space(session);
        struct cmi_session_request request = cmi_session_request(space, CMI_SESSION_ROTATE);
        char id[CM_SESSION_ID_SIZE];
        int r;

        set_options(space, options, &request);
        request.grace_ms = options->grace_ms;
        make_id(space, id, &request.new_key);
        r = change(session, &request, &request.new_key, data, deadline_ns);
        if (r == 0) {
                memcpy(ret_id, id, sizeof(id));
        }
        sodium_memzero(id, sizeof(id));
        return r;
}

int cm_session_rotate(struct cm_session *session, const void *data, size_t len,
                const struct cm_session_create_options *options, char *ret_id)
{
        struct cm_session_create_options copy = {0};
        struct cmi_slice content = cmi_slice(data, len);
        uint64_t deadline_ns;
        int r = check_writable(session);

        if (r < 0) {
                return r;
        }
        if (!ret_id) {
                return cmi_ext_fail(-EINVAL, "there is no place for the id");
        }
        r = take_options(options, data, len, &copy);
        if (r < 0) {
                return r;
        }
        if (!data) {
                content = cmi_slice(session->data, session->len);
        }
        deadline_ns = cmi_ext_deadline_ns(cmi_session_space(session)->cm, copy.timeout_ms);
        r = rotate(session, content, &copy, deadline_ns, ret_id);
        return r == -EEXIST ? rotate(session, content, &copy, deadline_ns, ret_id) : r;
}
