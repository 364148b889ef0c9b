/* SPDX-License-Identifier: MIT */
#pragma once
/* What fake sessions are, and what requests do to them; fake_sessions.c has the way they come and
 * how they are answered. Not for other files. */
#include "tests/libcachemesh/fake_sessions.h"

#include <pthread.h>

struct fake_content {
        uint8_t *blob;
        size_t len;
        struct cmi_session_version base;
        struct cmi_id save_id;
};

struct fake_record {
        struct cmi_id key;
        struct cmi_id space;
        struct cmi_id principal;
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        uint64_t created_ms, max_end_ms, idle_ttl_ms;
        uint8_t tag[CMI_SESSION_TAG_MAX];
        size_t tag_len;
        struct fake_content now;
        struct fake_content before;
        uint64_t request; /* that made it what it is */
        bool is_dead;
        bool is_grace;      /* dead, but for being read */
        struct cmi_id heir; /* of a ROTATE, by the request `request` */
};

/* A SESSION whose parts are coming. */
struct fake_waiting {
        int fd;
        uint64_t id;
        struct cmi_session_request request; /* its slices are not to be used */
        uint8_t tag[CMI_SESSION_TAG_MAX];
        uint8_t *blob;
        size_t have;
};

struct fake_sessions {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct fake_meshd *meshd;
        const char *path; /* of its socket; the test's */
        enum fake_sessions_fault fault;
        struct {
                int64_t outcome;
                char text[64];
        } next[2];
        unsigned n_next;
        GHashTable *records;
        GPtrArray *waiting;
        unsigned n_asked[CMI_SESSION_ROTATE + 1];
        struct cmi_session_request last;
        GByteArray *seen;
};

void fake_record_free(void *record);

/* The stamp's number; NULL: of all keys. */
uint64_t fake_sessions_stamp(struct fake_sessions *sessions, const struct cmi_id *key);
struct cmi_session_version fake_version_next(const struct cmi_session_version *version);
void fake_sessions_perform(struct fake_sessions *sessions, const struct fake_waiting *waiting,
                struct cmi_session_answer *answer);
