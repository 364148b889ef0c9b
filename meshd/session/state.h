/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of the store share. */
#include "meshd/session/mutant.h"
#include "meshd/session/store.h"

/* What keys and principals have in common: a place in a tree, and one among what is due. */
struct item {
        struct item *left, *right;
        struct cmi_id key;      /* of a principal: its hash */
        uint64_t due_ns;        /* mono */
        uint32_t due_index;     /* in the heap, or DUE_NONE */
        uint32_t priority : 31; /* in the tree: drawn, and told to nobody */
        uint32_t is_principal : 1;
};

#define DUE_NONE UINT32_MAX
#define STORE_HEAD_USUAL 512 /* what a record takes besides its blob, for who asks beforehand */

/*
 * How long something has to be known: until then and the margin, on both clocks. A clock that was
 * set forward by mistake makes nothing go, since the other one has to say so too.
 */
struct life {
        uint64_t until_ms; /* UTC; 0: nothing is to be known */
        uint64_t until_ns; /* mono: the same, as the clocks were when it was learned */
};

/*
 * What is known of a key. While it is a record it has a body; then it becomes a tombstone in
 * place, so that ending a session needs no room. Without a body or a reason only a fence is known.
 */
struct entry {
        struct item item;  /* first: an entry is found by it */
        struct body *body; /* NULL: a tombstone */
        uint64_t space;
        struct cmi_session_version version; /* of a final tombstone: the highest ever seen */
        struct cmi_session_epoch fence;     /* the latest epoch seen */
        uint64_t holder_no;
        uint64_t last_touch_ms; /* the latest of any record of this key */
        uint64_t touched_ns;    /* mono: when it was last used */
        uint64_t dead_touch_ms; /* of a tombstone that yields: that of the record that it ended */
        uint64_t reason;        /* 0: no tombstone */
        struct life life;       /* to the latest max_end ever seen of this key */
        uint64_t note;
        bool is_behind; /* a newer version found no room */
        bool is_blind;  /* nothing but an END for good was ever heard of this key */
        uint8_t place;  /* by which it is counted; 0: no user is known yet, as of a mere fence */
};

/* The part that only a record has. */
struct body {
        struct body *next, *prev; /* of its principal */
        struct entry *entry;
        struct principal *principal; /* NULL: nobody's */
        uint64_t checked_no;         /* the principal's counts by which it was last allowed */
        struct cmi_session_holder holder;
        struct cmi_id save_id; /* with the blob: what a version's content is */
        uint64_t blob_sum;
        uint64_t idle_ttl_ms;
        uint64_t max_end_ms;
        uint32_t head_len;
        uint32_t blob_len;
        uint8_t bytes[]; /* the encoded head without what changes within a version; the blob */
};

struct count {
        struct cmi_principal_count count;
        struct life life;
};

/* Is there while it has sessions or counts. */
struct principal {
        struct item item; /* first */
        struct body *sessions;
        struct body *unchecked; /* from here on they were allowed by earlier counts; or NULL */
        uint64_t counts_no;     /* grows when a count does */
        uint64_t lost_no;       /* what was allowed before this one is dead: a count was lost */
        uint32_t n_sessions;
        uint32_t n_counts;
        uint32_t n_room;      /* for counts */
        bool is_blind;        /* counted by this node though no session of it was ever here */
        uint8_t place;        /* of the user of its first session here; 0: there was none */
        struct count *counts; /* by node id */
        struct life blocked;  /* a count was lost: till then no session of it is taken */
};

struct space {
        uint64_t space;
        uint64_t n_sessions; /* 0: free */
        uint64_t bytes;
};

struct user {
        uint32_t user;
        uint64_t key_bytes; /* 0: free */
};

struct store {
        struct store_options options;
        struct store_status status;
        /* Trees, chosen by a key's first bits, so walking the buckets is walking the keys. Honest
         * keys are hashes, and spread: the trees have a few items each. Others, which clients may
         * choose as they like, make one tree that is large, and no deeper for that. */
        struct item **entries;
        struct item **principals;
        uint32_t entry_bits; /* log2 of the numbers of buckets */
        uint32_t principal_bits;
        uint64_t random; /* where priorities come from */
        struct item **heap;
        uint32_t n_heap;
        uint32_t heap_size;
        struct space spaces[STORE_SPACES_MAX];
        struct user users[STORE_USERS_MAX];
        struct life blocked; /* something dead found no room: till then unknown keys stay out */
};

static inline uint64_t utc_ms(struct cmi_time now)
{
        return now.real_ns / CMI_NS_PER_MS;
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

static inline void store_tell_changed(
                struct store *store, const struct cmi_id *key, bool is_principal)
{
        if (store->options.sink.changed) {
                store->options.sink.changed(store->options.sink.context, key, is_principal);
        }
}

/* room.c: memory within the budgets. */
enum room {
        ROOM_RECORDS,
        ROOM_KEYS,
};

/* Of ROOM_KEYS: who leaves which part to others. */
enum reserve {
        RESERVE_NONE = 0,
        RESERVE_COPY = STORE_RESERVE_COPY,
        RESERVE_NEW = STORE_RESERVE_NEW,
};

/* Is there room for so much more of keys? */
bool room_has_keys(const struct store *store, size_t size, enum reserve reserve);
/* Is there room for so much more of what is not known, but ended here? Return: 0, STORE_FULL_... */
int room_for_blind(const struct store *store, size_t size);
/* Return: NULL, and *ret_full says why. @credit: bytes that will be given back for it. */
void *room_take(struct store *store, enum room room, size_t size, size_t credit, int *ret_full);
void room_give(struct store *store, enum room room, void *memory, size_t size);
/* Something dead found no room, and is not over yet. */
bool room_is_blocked(const struct store *store, struct cmi_time now);

/* user.c: who takes how much of ROOM_KEYS. A place is 1 to STORE_USERS_MAX. */
/* Count @size for whose space this is. Return: the place, to be kept. */
uint8_t user_join(struct store *store, uint64_t space, size_t size);
/* More, or less, where it was counted; nothing for place 0. */
void user_grow(struct store *store, uint8_t place, size_t size);
void user_shrink(struct store *store, uint8_t place, size_t size);
/* May the user of this space take so much more? */
bool user_has_keys(const struct store *store, uint64_t space, size_t size);
/* Is anything counted for anybody? */
bool user_is_any(const struct store *store);

/* tree.c: takes no more than twice the logarithm of the number of items, usually. */
/* The first one that is not before @key; NULL: there is none. */
struct item *tree_from(struct item *root, const struct cmi_id *key);
/* No item has its key. */
void tree_add(struct item **root, struct item *item);
void tree_remove(struct item **root, struct item *item); /* it is there */

/* table.c */
/* A key that is not there yet, or a principal. */
void table_add(struct store *store, struct item *item);
void table_remove(struct store *store, struct item *item);
/* As it is now: ended, if its end or its principal's counts say so; NULL: there is none. */
struct entry *table_find(struct store *store, struct cmi_time now, const struct cmi_id *key);
struct principal *table_find_principal(struct store *store, const struct cmi_id *hash);
struct store_state table_state(const struct entry *entry, struct cmi_time now); /* of NULL too */

/* entry.c: entries and bodies, and what they are counted by. */
/* A new one of which nothing is known. Return: NULL: *ret_full. */
struct entry *entry_new(
                struct store *store, const struct cmi_id *key, enum reserve reserve, int *ret_full);
/* It is new, and is to be a tombstone until then, whatever the margin. */
void entry_blind(struct store *store, struct cmi_time now, struct entry *entry, uint64_t until_ms);
/* Something has come of its key: it is kept as any other one. */
void entry_unblind(struct store *store, struct entry *entry);
/* It is of this space now, and counted for its user. */
void entry_set_space(struct store *store, struct entry *entry, uint64_t space);
/* It goes, with its body, and nothing is known of its key. */
void entry_drop(struct store *store, struct entry *entry);
/* Make it this record, told of by @way; with @is_conflict the one that is there is told of as the
 * loser. Return: 0, or what is full, and nothing changed. */
int entry_fill(struct store *store, struct cmi_time now, struct entry *entry, enum store_way way,
                const struct cmi_session *session, struct cmi_slice blob, bool is_conflict);
void entry_tell_conflict(struct store *store, const struct cmi_session *winner,
                const struct cmi_session *loser, struct cmi_slice loser_blob);
/* Make it a tombstone that was a record or nothing, or stay one. */
void entry_empty(struct store *store, struct cmi_time now, struct entry *entry, uint64_t reason,
                enum store_gone why);
void entry_view(const struct entry *entry, struct store_view *ret_view);
/* Used at this time of UTC, and of the other clock; never lowers either. Return: was it news? */
bool entry_touch(struct store *store, struct cmi_time now, struct entry *entry,
                uint64_t last_touch_ms, uint64_t touched_ns);
/* What @way is refused for, when the record is to take @size bytes. Return: 0, STORE_FULL_... */
int entry_limit(struct store *store, enum store_way way, const struct cmi_session *session,
                const struct entry *entry, size_t size);

static inline bool entry_is_unknown(const struct entry *entry)
{
        return !entry || (!entry->body && entry->reason == 0);
}

static inline bool entry_is_final(const struct entry *entry)
{
        return !entry->body && cmi_tombstone_is_final(entry->reason);
}

/* A record past its end: nobody may be given it. */
static inline bool entry_is_expired(const struct entry *entry, struct cmi_time now)
{
        return entry->body && utc_ms(now) >= entry->body->max_end_ms;
}

static inline void entry_fence(struct entry *entry, const struct cmi_session_epoch *epoch)
{
        if (cmi_session_epoch_compare(&entry->fence, epoch) < 0) {
                entry->fence = *epoch;
        }
}

static inline bool entry_is_fenced(const struct entry *entry, const struct cmi_session_epoch *epoch)
{
        return entry && cmi_session_epoch_compare(epoch, &entry->fence) < 0 &&
               !SESSION_MUTANT(FENCE_IGNORED);
}

/* decide.c: CREATE, SAVE, HOLD, END */
int decide(struct store *store, struct cmi_time now, const struct store_change *change);
/* Something dead has found no room: what is not alive here may be that. */
bool decide_is_blocked(struct store *store, struct cmi_time now, const struct cmi_id *principal);

/* copy.c: ORDERED, COPY */
int copy_merge(struct store *store, struct cmi_time now, const struct store_change *change);

/* tombstone.c */
int tombstone_merge(
                struct store *store, struct cmi_time now, const struct cmi_tombstone *tombstone);
/* It is above what is here. */
void tombstone_set(struct store *store, struct cmi_time now, struct entry *entry,
                const struct cmi_tombstone *tombstone);

/* principal.c */
int principal_merge(struct store *store, struct cmi_time now, const struct cmi_principal *counts);
bool principal_allows(struct store *store, const struct cmi_session *session);
bool principal_is_blocked(struct store *store, struct cmi_time now, const struct cmi_id *hash);
/* Give a new session what is known of its principal. */
void principal_give_vector(struct store *store, struct cmi_session *session);
/* A record whose principal has counted since it was last looked at. Return: does it live on? */
bool principal_check(struct store *store, struct cmi_time now, struct entry *entry);
struct principal *principal_take(struct store *store, const struct cmi_id *hash, int *ret_full);
/* It has a session here now. */
void principal_unblind(struct store *store, struct principal *principal);
/* It is counted for the user of the first session that it has here. */
void principal_count(struct store *store, struct principal *principal, uint64_t space);
/* Gone if it has neither sessions nor counts, and is not blocked. */
void principal_settle(struct store *store, struct principal *principal);
/* Its counts go, whatever they say. */
void principal_forget(struct store *store, struct principal *principal);
/* What is due of it. Return: an enum store_due. */
int principal_expire(struct store *store, struct cmi_time now, struct principal *principal);

/* due.c */
void due_set(struct store *store, struct item *item, uint64_t at_ns);
void due_remove(struct store *store, struct item *item);
/* When this time of UTC is, on the other clock; never later than in a year. */
uint64_t due_at_ns(struct cmi_time now, uint64_t utc);
void due_entry(struct store *store, struct cmi_time now, struct entry *entry);
/* Is it a record that is past its end by both clocks? */
bool due_is_ended(const struct entry *entry, struct cmi_time now);
/* Then a tombstone is left of it. */
void due_end(struct store *store, struct cmi_time now, struct entry *entry);

/* life.c */
void life_extend(struct life *life, struct cmi_time now, uint64_t until_ms);
/* Is it over, with the margin, by both clocks? */
bool life_is_over(const struct store *store, const struct life *life, struct cmi_time now);
/* Is it to be passed on? Not what came when it was over by this clock: it would never end. */
bool life_is_told(const struct store *store, const struct life *life, struct cmi_time now);
/* When it will be over, mono. */
uint64_t life_due_ns(const struct store *store, const struct life *life, struct cmi_time now);
/* The latest that anything may end which is known now; @n_margins: how far clocks may differ. */
uint64_t life_end_max_ms(const struct store *store, struct cmi_time now, uint64_t n_margins);
