/* SPDX-License-Identifier: MIT */
/*
 * Versions of sessions, what a record, a tombstone and a principal's counts may be, and blobs in
 * chunks. Their bytes are in wire/session_codec.c.
 */
#include "wire/session.h"

#include <errno.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static int compare_number(uint64_t a, uint64_t b)
{
        return (a > b) - (a < b);
}

int cmi_session_epoch_compare(const struct cmi_session_epoch *a, const struct cmi_session_epoch *b)
{
        int r = compare_number(a->counter, b->counter);

        if (r == 0) {
                r = cmi_id_compare(&a->opener, &b->opener);
        }
        return r != 0 ? r : compare_number(a->incarnation, b->incarnation);
}

int cmi_session_version_compare(
                const struct cmi_session_version *a, const struct cmi_session_version *b)
{
        int r = cmi_session_epoch_compare(&a->epoch, &b->epoch);

        if (r == 0) {
                r = compare_number(a->seq, b->seq);
        }
        return r != 0 ? r : cmi_id_compare(&a->writer, &b->writer);
}

bool cmi_session_holder_equal(
                const struct cmi_session_holder *a, const struct cmi_session_holder *b)
{
        return cmi_id_equal(&a->node, &b->node) && a->incarnation == b->incarnation &&
               a->no == b->no;
}

bool cmi_session_version_is_none(const struct cmi_session_version *version)
{
        static const struct cmi_session_version none;

        return cmi_session_version_compare(version, &none) == 0;
}

static bool is_not_later(
                const struct cmi_session_version *version, const struct cmi_session_version *than)
{
        return cmi_session_epoch_compare(&version->epoch, &than->epoch) == 0 &&
               (version->seq < than->seq || cmi_session_version_compare(version, than) == 0);
}

bool cmi_session_has_ancestor(
                const struct cmi_session *session, const struct cmi_session_version *version)
{
        bool is_found = is_not_later(version, &session->version);

        for (uint32_t i = 0; i < session->n_lineage && !is_found; i++) {
                is_found = is_not_later(version, &session->lineage[i]);
        }
        return is_found;
}

void cmi_session_advance(struct cmi_session *session, const struct cmi_session_version *version)
{
        if (cmi_session_epoch_compare(&session->version.epoch, &version->epoch) != 0) {
                if (session->n_lineage < CMI_SESSION_LINEAGE_MAX) {
                        session->n_lineage++;
                }
                memmove(&session->lineage[1], &session->lineage[0],
                                (session->n_lineage - 1) * sizeof(session->lineage[0]));
                session->lineage[0] = session->version;
        }
        session->version = *version;
}

/* Into the lineage, at its place; the oldest falls out. */
static bool adopt_version(struct cmi_session *session, const struct cmi_session_version *version)
{
        struct cmi_session_version *lineage = session->lineage;
        uint32_t n = session->n_lineage;
        uint32_t i = 0;

        while (i < n && cmi_session_epoch_compare(&lineage[i].epoch, &version->epoch) > 0) {
                i++;
        }
        if (i == CMI_SESSION_LINEAGE_MAX ||
                        cmi_session_epoch_compare(&session->version.epoch, &version->epoch) <= 0) {
                return false;
        }
        if (i < n && cmi_session_epoch_compare(&lineage[i].epoch, &version->epoch) == 0) {
                if (cmi_session_version_compare(&lineage[i], version) >= 0) {
                        return false;
                }
        } else {
                n = n < CMI_SESSION_LINEAGE_MAX ? n + 1 : n;
                memmove(&lineage[i + 1], &lineage[i], (n - 1 - i) * sizeof(lineage[0]));
                session->n_lineage = n;
        }
        lineage[i] = *version;
        return true;
}

bool cmi_session_adopt(struct cmi_session *session, const struct cmi_session *other)
{
        bool is_news = adopt_version(session, &other->version);

        for (uint32_t i = 0; i < other->n_lineage; i++) {
                is_news |= adopt_version(session, &other->lineage[i]);
        }
        return is_news;
}

uint64_t cmi_session_idle_end_ms(uint64_t last_touch_ms, uint64_t idle_ttl_ms)
{
        if (idle_ttl_ms == 0) {
                return UINT64_MAX;
        }
        return last_touch_ms + idle_ttl_ms + cmi_session_touch_interval_ms(idle_ttl_ms);
}

uint64_t cmi_session_touch_interval_ms(uint64_t idle_ttl_ms)
{
        return idle_ttl_ms / 20 < 60000 ? idle_ttl_ms / 20 : 60000;
}

uint64_t cmi_session_sum(struct cmi_slice bytes)
{
        return XXH3_64bits(bytes.data, bytes.len);
}

/* What may be */

bool cmi_session_epoch_is_whole(const struct cmi_session_epoch *epoch)
{
        return epoch->counter > 0 && !cmi_id_is_zero(&epoch->opener);
}

bool cmi_session_version_is_whole(const struct cmi_session_version *version)
{
        return cmi_session_epoch_is_whole(&version->epoch) && version->seq > 0 &&
               !cmi_id_is_zero(&version->writer);
}

/* Each epoch once, and each older than the one before. */
static bool is_lineage(const struct cmi_session *session)
{
        const struct cmi_session_version *later = &session->version;

        for (uint32_t i = 0; i < session->n_lineage; i++) {
                const struct cmi_session_version *earlier = &session->lineage[i];

                if (!cmi_session_version_is_whole(earlier) ||
                                cmi_session_epoch_compare(&earlier->epoch, &later->epoch) >= 0) {
                        return false;
                }
                later = earlier;
        }
        return true;
}

static bool is_vector(const struct cmi_session *session)
{
        if (cmi_id_is_zero(&session->principal) && session->n_vector > 0) {
                return false;
        }
        for (uint32_t i = 0; i < session->n_vector; i++) {
                if (session->vector[i].count == 0 ||
                                (i > 0 && cmi_id_compare(&session->vector[i - 1].node,
                                                          &session->vector[i].node) >= 0)) {
                        return false;
                }
        }
        return true;
}

static bool is_sealed_as(const struct cmi_session *session)
{
        return cmi_session_version_is_none(&session->sealed_base) ||
               (cmi_session_version_is_whole(&session->sealed_base) &&
                               cmi_session_version_compare(
                                               &session->sealed_base, &session->version) < 0);
}

static bool is_holder(const struct cmi_session *session)
{
        return !cmi_id_is_zero(&session->holder.node) ||
               (session->holder.incarnation == 0 && session->holder.no == 0);
}

static bool is_life(const struct cmi_session *session)
{
        return session->created_ms < session->max_end_ms &&
               session->max_end_ms - session->created_ms <= CMI_SESSION_LIFE_MAX_MS &&
               session->idle_ttl_ms <= CMI_SESSION_LIFE_MAX_MS &&
               session->last_touch_ms <= session->max_end_ms;
}

static bool has_requests(const struct cmi_session *session)
{
        for (uint32_t i = 0; i < session->n_requests; i++) {
                if (session->requests[i] == 0) {
                        return false;
                }
        }
        return true;
}

int cmi_session_check(const struct cmi_session *session)
{
        if (session->n_lineage > CMI_SESSION_LINEAGE_MAX ||
                        session->n_vector > CMI_SESSION_VECTOR_MAX ||
                        session->n_requests > CMI_SESSION_REQUESTS_MAX ||
                        session->tag.len > CMI_SESSION_TAG_MAX ||
                        session->blob_len > CMI_SESSION_BLOB_MAX ||
                        session->max_end_ms > CMI_SESSION_TIME_MAX_MS) {
                return -EMSGSIZE;
        }
        return !cmi_id_is_zero(&session->key) && cmi_session_version_is_whole(&session->version) &&
                                               is_lineage(session) && is_life(session) &&
                                               is_vector(session) && has_requests(session) &&
                                               is_sealed_as(session) && is_holder(session)
                               ? 0
                               : -EBADMSG;
}

int cmi_tombstone_check(const struct cmi_tombstone *tombstone)
{
        bool is_final = cmi_tombstone_is_final(tombstone->reason);

        if (tombstone->max_end_ms > CMI_SESSION_TIME_MAX_MS) {
                return -EMSGSIZE;
        }
        if (!(is_final && cmi_session_version_is_none(&tombstone->version)) &&
                        !cmi_session_version_is_whole(&tombstone->version)) {
                return -EBADMSG;
        }
        return !cmi_id_is_zero(&tombstone->key) && tombstone->max_end_ms > 0 &&
                                               tombstone->reason >= CMI_TOMBSTONE_PRINCIPAL &&
                                               tombstone->last_touch_ms <= tombstone->max_end_ms &&
                                               (!is_final || (tombstone->last_touch_ms == 0 &&
                                                                             tombstone->holder_no ==
                                                                                             0))
                               ? 0
                               : -EBADMSG;
}

int cmi_principal_check(const struct cmi_principal *principal)
{
        if (principal->n_counts > CMI_SESSION_VECTOR_MAX) {
                return -EMSGSIZE;
        }
        for (uint32_t i = 0; i < principal->n_counts; i++) {
                const struct cmi_principal_count *count = &principal->counts[i];

                if (count->until_ms > CMI_SESSION_TIME_MAX_MS) {
                        return -EMSGSIZE;
                }
                if (count->count == 0 || count->until_ms == 0 ||
                                (i > 0 && cmi_id_compare(&count[-1].node, &count->node) >= 0)) {
                        return -EBADMSG;
                }
        }
        return principal->n_counts > 0 && !cmi_id_is_zero(&principal->principal) ? 0 : -EBADMSG;
}

/* Chunks */

void cmi_session_cut(const struct cmi_session *session, struct cmi_slice blob, uint64_t offset,
                struct cmi_session_chunk *ret_chunk)
{
        uint64_t left = blob.len - offset;

        *ret_chunk = (struct cmi_session_chunk){
                        .key = session->key,
                        .version = session->version,
                        .offset = offset,
                        .bytes = cmi_slice((const uint8_t *)blob.data + offset,
                                        left < CMI_SESSION_CHUNK_MAX ? left
                                                                     : CMI_SESSION_CHUNK_MAX),
        };
}

int cmi_session_join(const struct cmi_session *session, const struct cmi_session_chunk *chunk,
                void *blob, uint64_t *have)
{
        if (!cmi_id_equal(&session->key, &chunk->key) ||
                        cmi_session_version_compare(&session->version, &chunk->version) != 0 ||
                        chunk->offset != *have || chunk->bytes.len == 0 ||
                        chunk->bytes.len > session->blob_len - *have) {
                return -EBADMSG;
        }
        memcpy((uint8_t *)blob + *have, chunk->bytes.data, chunk->bytes.len);
        if (*have + chunk->bytes.len == session->blob_len &&
                        cmi_session_sum(cmi_slice(blob, session->blob_len)) != session->blob_sum) {
                return -EBADMSG;
        }
        *have += chunk->bytes.len;
        return 0;
}
