/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sessions: what a record of one is, how it is written, and how two versions compare. A record is a
 * head (struct cmi_session) and a sealed blob, which nobody but the app's library can read; since
 * both together may be longer than a frame, the blob travels in chunks. A tombstone says that a
 * session is dead, a struct cmi_principal that all older sessions of somebody are. What becomes of
 * two that meet is decided in meshd/session.
 *
 * Times are milliseconds of UTC since 1970, so that a copy never gets younger by being copied. Keys
 * and principals are keyed hashes that others have made; nobody here knows what of. Zero: none.
 */
#include "base/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define CMI_SESSION_BLOB_MAX (256u << 10)
#define CMI_SESSION_CHUNK_MAX 60000 /* bytes of the blob in one chunk; it fits one frame */
#define CMI_SESSION_HEAD_MAX 4096   /* no head is longer when written */
#define CMI_SESSION_LINEAGE_MAX 8
#define CMI_SESSION_VECTOR_MAX 32
#define CMI_SESSION_REQUESTS_MAX 4
#define CMI_SESSION_TAG_MAX 32
#define CMI_SESSION_LIFE_MAX_MS UINT64_C(604800000)      /* max_end - created: 7 d */
#define CMI_SESSION_TIME_MAX_MS UINT64_C(0xffffffffffff) /* so that sums never overflow */
#define CMI_SESSION_MARGIN_MS UINT64_C(900000) /* 15 min: three times what clocks may differ */

/* The reign of one primary. One process opened it, so within it all versions are in one order. */
struct cmi_session_epoch {
        uint64_t counter; /* from 1; one more than that of the version found at the opening */
        struct cmi_id opener;
        uint64_t incarnation; /* of the opener */
};

/* All zero is "none": what a CREATE is based on, and a tombstone of who knows no version. */
struct cmi_session_version {
        struct cmi_session_epoch epoch;
        uint64_t seq; /* from 1 in each epoch */
        struct cmi_id writer;
};

/* The node whose app uses a session; all zero: none. */
struct cmi_session_holder {
        struct cmi_id node;
        uint64_t incarnation;
        uint64_t no; /* of the takeover; grows with each */
};

struct cmi_session_count {
        struct cmi_id node;
        uint64_t count; /* above 0 */
};

struct cmi_session {
        struct cmi_id key; /* of the id, which itself is nowhere */
        uint64_t space;    /* its namespace: a hash of the name, made by the app's library */
        struct cmi_session_version version;
        /*
         * The newest version of each earlier epoch on which this one is built, newest first. The
         * oldest falls out when there is no room: what has fallen out is taken for a conflict when
         * it turns up again, which loses nothing: somebody is asked who need not have been.
         */
        uint32_t n_lineage;
        struct cmi_session_version lineage[CMI_SESSION_LINEAGE_MAX];
        uint64_t created_ms;
        uint64_t idle_ttl_ms; /* 0: idle as long as it likes */
        uint64_t max_end_ms;  /* set once, with the id: a repeated CREATE has the same */
        uint64_t last_touch_ms;
        struct cmi_id principal; /* zero: nobody's */
        uint32_t n_vector;       /* what was known of the principal at the CREATE, by node id */
        struct cmi_session_count vector[CMI_SESSION_VECTOR_MAX];
        uint32_t n_requests; /* random ids of the requests that made it, newest first */
        uint64_t requests[CMI_SESSION_REQUESTS_MAX];
        struct cmi_slice tag;                   /* of the app, borrowed */
        struct cmi_session_version sealed_base; /* associated data of the seal: what it was made */
        struct cmi_id save_id;                  /* over, and a random id of the save */
        struct cmi_session_holder holder;
        uint64_t blob_len;
        uint64_t blob_sum; /* cmi_session_sum() of the blob */
};

struct cmi_session_chunk {
        struct cmi_id key;
        struct cmi_session_version version;
        uint64_t offset;
        struct cmi_slice bytes; /* 1 to CMI_SESSION_CHUNK_MAX, borrowed */
};

/*
 * Larger is more final. The first two are final: nothing brings such a session back. So are those
 * of a newer version, which may mean anything.
 */
enum cmi_tombstone_reason {
        CMI_TOMBSTONE_DESTROY = 4,
        CMI_TOMBSTONE_ROTATE = 3,    /* the id was changed for another one */
        CMI_TOMBSTONE_IDLE = 2,      /* yields, see meshd/session/copy.c */
        CMI_TOMBSTONE_PRINCIPAL = 1, /* the record had an older vector than its principal */
};

struct cmi_tombstone {
        struct cmi_id key;
        uint64_t space;
        struct cmi_session_version version; /* none, of a final one: whatever it was */
        uint64_t max_end_ms;                /* the latest of any copy of the session */
        uint64_t reason;                    /* enum cmi_tombstone_reason */
        uint64_t last_touch_ms; /* of the record that it ended; a final one has 0, and no number */
        uint64_t holder_no;     /* likewise */
};

struct cmi_principal_count {
        struct cmi_id node;
        uint64_t count;
        uint64_t until_ms; /* when no session with a lower count can live any more */
};

/* How often each node has ended all sessions of this principal. */
struct cmi_principal {
        struct cmi_id principal;
        uint32_t n_counts; /* at least 1; by node id */
        struct cmi_principal_count counts[CMI_SESSION_VECTOR_MAX];
};

/**
 * cmi_session_version_compare() - the order of versions
 *
 * By epoch (counter, opener's id, opener's incarnation), then seq, then writer. It is total, so
 * each node finds the same winner; it says nothing of which one was built on which:
 * cmi_session_has_ancestor() does.
 *
 * Return: below, equal to or above 0, as memcmp().
 */
int cmi_session_version_compare(
                const struct cmi_session_version *a, const struct cmi_session_version *b);
int cmi_session_epoch_compare(const struct cmi_session_epoch *a, const struct cmi_session_epoch *b);

bool cmi_session_holder_equal(
                const struct cmi_session_holder *a, const struct cmi_session_holder *b);

bool cmi_session_version_is_none(const struct cmi_session_version *version);

/* Is it one that a primary can have opened, or given to a record? None is not. */
bool cmi_session_epoch_is_whole(const struct cmi_session_epoch *epoch);
bool cmi_session_version_is_whole(const struct cmi_session_version *version);

/**
 * cmi_session_has_ancestor() - is the record this version, or built on it, as far as it can tell?
 *
 * A version of the same epoch that is not later, or one that is not later than the lineage says of
 * its epoch. False for an epoch that the lineage does not know (any more).
 */
bool cmi_session_has_ancestor(
                const struct cmi_session *session, const struct cmi_session_version *version);

/**
 * cmi_session_advance() - give a record its next version
 * @session: with the version that the new one is built on; its lineage becomes the new one's
 * @version: above that one; in the same epoch, or in a later one
 */
void cmi_session_advance(struct cmi_session *session, const struct cmi_session_version *version);

/**
 * cmi_session_adopt() - write down that somebody was told of @other, and of what it is built on
 * @session: with a version not below that of @other
 *
 * From then on all of it counts as its ancestor: what was once told as a conflict is none again.
 *
 * Return: was there anything that it did not know? What finds no room in the lineage does not
 *         count.
 */
bool cmi_session_adopt(struct cmi_session *session, const struct cmi_session *other);

/* When its idle time is over, later than any sum could be if it has none; a touch moves it. */
uint64_t cmi_session_idle_end_ms(uint64_t last_touch_ms, uint64_t idle_ttl_ms);

/* How far touches may be collected before they are told: a twentieth of the ttl, at most 60 s. */
uint64_t cmi_session_touch_interval_ms(uint64_t idle_ttl_ms);

/* XXH3, 64 bits: against damage, not against people. */
uint64_t cmi_session_sum(struct cmi_slice bytes);

/* Is it destroyed or rotated? Then no record of its key is ever alive again. */
static inline bool cmi_tombstone_is_final(uint64_t reason)
{
        return reason >= CMI_TOMBSTONE_ROTATE;
}

/*
 * Is it one that the decoder would accept? Return: 0, -EBADMSG (what the fields say cannot be),
 * -EMSGSIZE (a limit above).
 */
int cmi_session_check(const struct cmi_session *session);
int cmi_tombstone_check(const struct cmi_tombstone *tombstone);
int cmi_principal_check(const struct cmi_principal *principal);

/*
 * Codecs, as those of wire/frame.h. write: a sticky error in the writer. decode: the number of
 * unknown fields that were skipped, -EBADMSG or -EMSGSIZE; nothing is promised of ret_ after a
 * failure.
 */
void cmi_session_write(struct cmi_writer *writer, const struct cmi_session *session);
int cmi_session_decode(struct cmi_slice bytes, struct cmi_session *ret_session);
void cmi_session_chunk_write(struct cmi_writer *writer, const struct cmi_session_chunk *chunk);
int cmi_session_chunk_decode(struct cmi_slice bytes, struct cmi_session_chunk *ret_chunk);
void cmi_tombstone_write(struct cmi_writer *writer, const struct cmi_tombstone *tombstone);
int cmi_tombstone_decode(struct cmi_slice bytes, struct cmi_tombstone *ret_tombstone);
void cmi_principal_write(struct cmi_writer *writer, const struct cmi_principal *principal);
int cmi_principal_decode(struct cmi_slice bytes, struct cmi_principal *ret_principal);

/**
 * cmi_session_cut() - the chunk of a blob at @offset
 * @session:   whose blob it is; of @session->blob_len bytes
 * @offset:    below blob_len; the next one is at @offset + ret_chunk->bytes.len
 * @ret_chunk: borrows from @blob
 */
void cmi_session_cut(const struct cmi_session *session, struct cmi_slice blob, uint64_t offset,
                struct cmi_session_chunk *ret_chunk);

/**
 * cmi_session_join() - take the next chunk of a blob
 * @session: the head, which came before
 * @chunk:   in order: it begins where the one before ended
 * @blob:    room for session->blob_len bytes
 * @have:    how many bytes are there; raised. When it is blob_len the blob is complete, and right
 *
 * Return: 0, -EBADMSG (of another key or version, at another place, too long, or complete and
 *         not what blob_sum says); nothing was taken then. In the last case an earlier chunk may be
 *         the wrong one, so all of them have to come again.
 */
int cmi_session_join(const struct cmi_session *session, const struct cmi_session_chunk *chunk,
                void *blob, uint64_t *have);
