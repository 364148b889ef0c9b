/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of the store share. */
#include "meshd/session/mutant.h"
#include "meshd/session/store.h"

/* In the heap of what is due next. */
struct due {
        uint64_t at_ns; /* mono */
        uint32_t index; /* its place, or DUE_NONE */
        bool is_principal;
};

#define DUE_NONE UINT32_MAX

/*
 * What is known of a key. While it is a record it has a body; then it becomes a tombstone in
 * place, so that ending a session needs no room.
 */
struct entry {
        struct due due; /* first: an entry is found by it */
        struct entry *next;
        struct body *body; /* NULL: a tombstone */
        struct cmi_hash key;
        uint64_t space;
        struct cmi_session_version version; /* of a final tombstone: the highest ever seen */
        uint64_t holder_no;
        uint64_t last_touch_ms;
        struct cmi_id holder;
        uint64_t holder_incarnation;
        uint64_t max_end_ms; /* of the record */
        uint64_t keep_ms;    /* the highest max_end ever seen of this key */
        uint64_t reason;     /* 0: a record */
        uint64_t forget_ns;  /* mono: no tombstone goes before, whatever the other clock says */
};

/* The part that only a record has. */
struct body {
        struct body *next, *prev; /* of its principal */
        struct entry *entry;
        struct principal *principal; /* NULL: nobody's */
        uint64_t sum;                /* of the head below: what a version's content is */
        uint64_t idle_ttl_ms;
        uint32_t head_len;
        uint32_t blob_len;
        uint8_t bytes[]; /* the encoded head without what changes within a version; the blob */
};

struct count {
        struct cmi_principal_count count;
        uint64_t forget_ns; /* as that of an entry */
};

/* Is there while it has sessions or counts. */
struct principal {
        struct due due; /* first */
        struct principal *next;
        struct cmi_hash hash;
        struct body *sessions;
        uint32_t n_sessions;
        uint32_t n_counts;
        uint32_t n_room;      /* for counts */
        struct count *counts; /* by node id */
        /* Counts have come that found no room: 0, or until when no session of it is taken. */
        uint64_t blocked_until_ms;
        uint64_t blocked_until_ns;
};

struct space {
        uint64_t space;
        uint64_t n_sessions; /* 0: free */
        uint64_t bytes;
};

struct store {
        struct store_options options;
        struct store_status status;
        /* Chains in the order of keys, chosen by a key's first bits: keys are evenly spread, being
         * hashes, so walking the buckets is walking the keys. */
        struct entry **entries;
        struct principal **principals;
        uint32_t entry_bits; /* log2 of the numbers of buckets */
        uint32_t principal_bits;
        struct due **heap;
        uint32_t n_heap;
        uint32_t heap_size;
        struct space spaces[STORE_SPACES_MAX];
        uint64_t blocked_until_ms; /* and mono: either keeps unknown keys out */
        uint64_t blocked_until_ns;
};

static inline uint64_t utc_ms(struct cmi_time now)
{
        return now.real_ns / CMI_NS_PER_MS;
}

/* room.c: memory within the budgets. */
enum room {
        ROOM_RECORDS,
        ROOM_TOMBSTONES,
};

/* Return: NULL, and *ret_full says why. @credit: bytes that will be given back for it. */
void *room_take(struct store *store, enum room room, size_t size, size_t credit, int *ret_full);
void room_give(struct store *store, enum room room, void *memory, size_t size);

/* table.c */
struct entry **table_slot(struct store *store, const struct cmi_hash *key); /* it, or its place */
struct entry *table_find(struct store *store, const struct cmi_hash *key);
struct principal **table_principal_slot(struct store *store, const struct cmi_hash *hash);
struct principal *table_find_principal(struct store *store, const struct cmi_hash *hash);

/* entry.c: entries and bodies, and what they are counted by. */
/* A new one, unlinked to any record; @is_create leaves the reserve. Return: NULL: *ret_full. */
struct entry *entry_new(
                struct store *store, const struct cmi_hash *key, bool is_create, int *ret_full);
/* It goes, with its body, and nothing is known of its key. */
void entry_drop(struct store *store, struct entry *entry);
/* Make it this record; with @is_conflict the one that is there is told of as the loser. Return: 0,
 * or what is full, and nothing changed. */
int entry_fill(struct store *store, struct cmi_time now, struct entry *entry,
                const struct store_change *change, const struct cmi_session *session,
                bool is_conflict);
void entry_tell_conflict(struct store *store, const struct cmi_session *winner,
                const struct cmi_session *loser, struct cmi_slice loser_blob);
/* Make it a tombstone that was a record, or stay one. */
void entry_empty(struct store *store, struct entry *entry, uint64_t reason, enum store_gone why);
void entry_view(const struct entry *entry, struct store_view *ret_view);
/* The digest of a record's content: all but what changes within a version. */
uint64_t entry_content_sum(const struct cmi_session *session);
/* A record is past its end. Return: whether the entry is still there, as a tombstone: copies of
 * other versions may live a little longer. */
bool entry_end(struct store *store, struct cmi_time now, struct entry *entry);
/* Past its end, or as a tombstone past the margin. */
bool entry_is_over(const struct entry *entry, struct cmi_time now);

/* place.c: where what is said of a key stands; a final tombstone has none. */
enum {
        PLACE_RECORD = 0,
        PLACE_PRINCIPAL = 1,
        PLACE_IDLE = 2,
};

struct place {
        struct cmi_session_version version;
        uint64_t holder_no;
        uint64_t last_touch_ms;
        int kind;
        struct cmi_id holder; /* of records; the rest only makes the order total */
        uint64_t holder_incarnation;
        uint64_t sum;
};

int place_compare(const struct place *a, const struct place *b);
struct place place_of_entry(const struct entry *entry);
struct place place_of_session(const struct cmi_session *session, bool is_allowed);
struct place place_of_tombstone(const struct cmi_tombstone *tombstone);

/* principal.c */
int principal_merge(struct store *store, struct cmi_time now, const struct cmi_principal *counts);
bool principal_allows(struct store *store, const struct cmi_session *session);
bool principal_is_blocked(
                struct store *store, struct cmi_time now, const struct cmi_session *session);
struct principal *principal_take(struct store *store, const struct cmi_hash *hash, int *ret_full);
/* Gone if it has neither sessions nor counts, and is not blocked. */
void principal_settle(struct store *store, struct principal *principal);
/* Its counts go, whatever they say. */
void principal_forget(struct store *store, struct principal *principal);
/* Drops counts that are over. Return: were there any? */
bool principal_expire(struct store *store, struct cmi_time now, struct principal *principal);

/* due.c */
void due_set(struct store *store, struct due *due, uint64_t at_ns);
void due_remove(struct store *store, struct due *due);
/* When this time of UTC is, on the other clock; never later than in a year. */
uint64_t due_at_ns(struct cmi_time now, uint64_t utc);
void due_entry(struct store *store, struct cmi_time now, struct entry *entry);
/* Something dead found no room. */
void due_block(struct store *store, struct cmi_time now, uint64_t until_ms);
bool due_is_blocked(const struct store *store, struct cmi_time now);
