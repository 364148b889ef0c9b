/* SPDX-License-Identifier: MIT */
/*
 * Reading and ending sessions by their ids.
 *
 * An id is looked up under the key that each index key makes of it, the used one first: all of them
 * in this process, then all of them at meshd. A get that finds a copy costs neither a request nor a
 * lock. What ends a session is asked under all of them.
 */
#include "libcachemesh/session/space.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#define DETAIL_SIZE 256 /* of a failure's text */

/* Return: 0; CM_GONE: it is no id. */
static int make_keys(struct cm_session_space *space, const char *id, struct cmi_lookup *ret_keys)
{
        uint8_t bytes[CMI_SESSION_ID_BYTES];
        struct cmi_memo_mark mark;

        if (!cmi_session_id_has_form(id)) {
                return CM_GONE;
        }
        mark = cmi_memo_mark(space->memo_secret, id);
        if (cmi_memo_find(&space->memo, &mark, ret_keys)) {
                return 0;
        }
        if (cmi_session_id_parse(id, bytes) < 0) {
                return CM_GONE;
        }
        *ret_keys = (struct cmi_lookup){0};
        for (uint32_t i = 0; i < space->n_index; i++) {
                cmi_session_key(space->ring, i, &space->key, bytes, &ret_keys->keys[i]);
        }
        sodium_memzero(bytes, sizeof(bytes));
        cmi_memo_set(&space->memo, &mark, ret_keys);
        return 0;
}

/* cmi_ext_enter() is still to be called. */
static int check_call(struct cm_session_space *space, const char *id, const void *options,
                struct cm_session_call_options *ret_options)
{
        int r;

        if (!space || !id) {
                return cmi_ext_fail(-EINVAL, "there is no namespace, or no id");
        }
        if (!options) {
                return 0;
        }
        r = cmi_session_options_copy(ret_options, sizeof(*ret_options), options);
        return r == 0 ? cmi_session_check_call(ret_options, CM_SESSION_PEEK) : r;
}

static int enter(struct cm_session_space *space, const char *id, const void *options,
                struct cm_session_call_options *ret_options)
{
        int r = check_call(space, id, options, ret_options);

        return r == 0 ? cmi_ext_enter(space->cm) : r;
}

/* What is past its end is not served, though meshd has not stamped it yet. Return: 0, CM_MISS, or a
 * failure, also one of cmi_ext_enter(). */
static int get_copy(struct cm_session_space *space, const struct cmi_lookup *keys, unsigned flags,
                struct cm_session *ret_session)
{
        struct cm_value value = {0};
        uint64_t now_ms;
        int r = CM_MISS;

        for (uint32_t i = 0; i < space->n_index && r == CM_MISS; i++) {
                const struct cmi_id *key = &keys->keys[i];

                r = cm_get(space->copies, key->bytes, sizeof(key->bytes), &value);
        }
        if (r != 0) {
                return r;
        }
        now_ms = cmi_session_clock_ms(CLOCK_REALTIME_COARSE);
        if (now_ms >= ((const struct cmi_copy_head *)value.data)->max_end_ms) {
                cm_release(&value);
                return CM_MISS;
        }
        if (!(flags & CM_SESSION_PEEK)) {
                cmi_session_tell_used(space, (struct cmi_copy_head *)(uintptr_t)value.data, now_ms);
        }
        cmi_session_show(ret_session, space, &value, 0);
        return 0;
}

static int fetch(struct cm_session_space *space, const struct cmi_id *key, unsigned flags,
                uint64_t deadline_ns, struct cm_session *ret_session)
{
        struct cmi_session_request request = cmi_session_request(space, CMI_SESSION_GET);
        struct cmi_reply reply;
        int r;

        request.key = *key;
        request.flags = flags & CM_SESSION_PEEK ? CMI_SESSION_PEEK : 0;
        r = cmi_session_ask(space, &request, cmi_slice(NULL, 0), deadline_ns, &reply);
        if (r < 0) {
                return r;
        }
        if (r == 0) {
                r = cmi_session_take(space, key, &reply, ret_session);
        } else if (r != CM_GONE) {
                r = cmi_ext_fail(-EPROTO, "meshd answered a GET with %d", r);
        }
        cmi_reply_clear(&reply);
        if (r == 0 && !(flags & CM_SESSION_PEEK)) {
                cmi_session_set_told(cmi_session_head(ret_session));
        }
        return r;
}

int cm_session_get(struct cm_session_space *space, const char *id,
                const struct cm_session_call_options *options, struct cm_session *ret_session)
{
        struct cm_session_call_options copy = {0};
        struct cmi_lookup keys = {0};
        uint64_t deadline_ns;
        int r = cmi_session_check_empty(ret_session);

        if (r == 0) {
                r = check_call(space, id, options, &copy);
        }
        if (r < 0) {
                return r;
        }
        if (make_keys(space, id, &keys) != 0) {
                r = cmi_ext_enter(space->cm);
                return r < 0 ? r : CM_GONE;
        }
        r = get_copy(space, &keys, copy.flags, ret_session);
        if (r != CM_MISS) {
                return r;
        }
        deadline_ns = cmi_ext_deadline_ns(space->cm, copy.timeout_ms);
        r = CM_GONE;
        for (uint32_t i = 0; i < space->n_index && r == CM_GONE; i++) {
                r = fetch(space, &keys.keys[i], copy.flags, deadline_ns, ret_session);
        }
        return r;
}

/* DESTROY or DESTROY_PRINCIPAL, filled but for the level. */
static int ask_to_end(struct cm_session_space *space, struct cmi_session_request *request,
                const struct cm_session_call_options *options, uint64_t deadline_ns)
{
        struct cmi_reply reply;
        int r;

        if (options->level != CM_SESSION_DEFAULT) {
                request->level = options->level;
        }
        r = cmi_session_ask(space, request, cmi_slice(NULL, 0), deadline_ns, &reply);
        if (r >= 0) {
                cmi_reply_clear(&reply);
        }
        if (r > 0 && r != CM_PENDING) {
                return r == CM_GONE ? 0 : cmi_ext_fail(-EPROTO, "meshd answered with %d", r);
        }
        return r;
}

/* How late anything of it could come, as far as it is known here. */
static uint64_t known_end_ms(struct cm_session_space *space, const struct cmi_id *key)
{
        struct cm_value value = {0};
        uint64_t end_ms = 0;

        if (cm_get(space->copies, key->bytes, sizeof(key->bytes), &value) == 0) {
                end_ms = ((const struct cmi_copy_head *)value.data)->max_end_ms;
        }
        cm_release(&value);
        return end_ms;
}

static int destroy(struct cm_session_space *space, const struct cmi_id *key, uint64_t end_ms,
                const struct cm_session_call_options *options, uint64_t deadline_ns)
{
        struct cmi_session_request request = cmi_session_request(space, CMI_SESSION_DESTROY);

        request.key = *key;
        request.max_end_ms = end_ms;
        return ask_to_end(space, &request, options, deadline_ns);
}

/* What the requests under all index keys came to: each is asked, whatever another one says, since
 * any of them may be the one that counts. The worst outcome is told, with its words. */
struct verdict {
        int worst;
        char detail[DETAIL_SIZE];
};

/* What may be done goes before what is not: "nothing has happened" is to be believed. An end that
 * is unconfirmed may be done on this node. */
static int rank(int r)
{
        if (r >= 0) {
                return r > 0 ? 1 : 0;
        }
        return r == CM_E_TIMEOUT || r == CM_E_UNCONFIRMED ? 3 : 2;
}

static void add_outcome(struct verdict *verdict, int r)
{
        if (rank(r) > rank(verdict->worst)) {
                verdict->worst = r;
                snprintf(verdict->detail, sizeof(verdict->detail), "%s", cm_error_detail(NULL));
        }
}

static int tell(const struct verdict *verdict)
{
        return verdict->worst < 0 ? cmi_ext_fail(verdict->worst, "%s", verdict->detail)
                                  : verdict->worst;
}

int cm_session_destroy(struct cm_session_space *space, const char *id,
                const struct cm_session_call_options *options)
{
        struct cm_session_call_options copy = {0};
        struct verdict verdict = {0};
        struct cmi_lookup keys = {0};
        uint64_t deadline_ns;
        int r = enter(space, id, options, &copy);

        if (r < 0) {
                return r;
        }
        if (make_keys(space, id, &keys) != 0) {
                return 0;
        }
        deadline_ns = cmi_ext_deadline_ns(space->cm, copy.timeout_ms);
        for (uint32_t i = 0; i < space->n_index; i++) {
                uint64_t end_ms = known_end_ms(space, &keys.keys[i]);

                if (end_ms != 0) { /* made under this index key, so there is none under others */
                        return destroy(space, &keys.keys[i], end_ms, &copy, deadline_ns);
                }
        }
        for (uint32_t i = 0; i < space->n_index; i++) {
                add_outcome(&verdict, destroy(space, &keys.keys[i], 0, &copy, deadline_ns));
        }
        return tell(&verdict);
}

int cm_session_destroy_principal(struct cm_session_space *space, const void *principal,
                size_t principal_len, const struct cm_session_call_options *options)
{
        struct cm_session_call_options copy = {0};
        struct verdict verdict = {0};
        uint64_t deadline_ns;
        int r;

        if (!principal || principal_len == 0 || principal_len > CM_SESSION_PRINCIPAL_MAX) {
                return cmi_ext_fail(
                                -EINVAL, "a principal has 1 to %d bytes", CM_SESSION_PRINCIPAL_MAX);
        }
        r = enter(space, "", options, &copy);
        if (r < 0) {
                return r;
        }
        deadline_ns = cmi_ext_deadline_ns(space->cm, copy.timeout_ms);
        for (uint32_t i = 0; i < space->n_index; i++) {
                struct cmi_session_request request =
                                cmi_session_request(space, CMI_SESSION_DESTROY_PRINCIPAL);

                cmi_principal_key(space->ring, i, &space->key, cmi_slice(principal, principal_len),
                                &request.principal);
                add_outcome(&verdict, ask_to_end(space, &request, &copy, deadline_ns));
        }
        return tell(&verdict);
}
