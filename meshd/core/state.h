/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the core's files share: its structures, and the functions by which one file calls another.
 * Nobody outside meshd/core includes it.
 *
 *   core.c    entry points, the turn (tick), own state
 *   start.c   making it, and its start pause
 *   receive.c frames taken apart and handed on
 *   member.c  the member table, its states, member lists
 *   link.c    outgoing links, HELLO, sending a frame
 *   room.c    nodes for which the member table has no place
 *   refusal.c REFUSE: who is refused, and being refused
 *   detour.c  other addresses of a member whose link is not answered
 *   stream.c  operations from and to other nodes: NACK, RESET, GOODBYE
 *   lease.c   beats, grants, the lease end in the page
 *   wait.c    who waits for which operation, and when that is over
 *   apply.c   operations on the page
 *   intent.c  open write intents, and the slots that they flag
 *   hold.c    slots that stay flagged for a while after an invalidation
 *   hold_ends.c  when the latest hold of each region ends
 *   flag.c    how many reasons there are for the flag of a slot
 *   region.c  which region has which index in the page
 *   region_options.c  options of regions, compared between nodes
 *   query.c   questions between nodes
 *   post.c    messages between nodes; post.h
 */
#include "meshd/core/core.h"
#include "meshd/core/mutant.h"
#include "meshd/core/post.h"

#define NONE UINT32_MAX
#define NEVER UINT64_MAX
#define HELLO_PAUSE_NS                                                                             \
        (20 * CMI_NS_PER_MS) /* between two HELLOs to one member, whatever asks for them */
#define REGION_BUCKETS 2048  /* twice CMI_PAGE_REGIONS, a power of two */

struct link {
        bool is_used;
        bool is_blocked;    /* send() said -EAGAIN */
        bool is_advertised; /* its address is one that the member tells: gone with that */
        uint32_t member;    /* NONE until a HELLO echoes the token */
        uint32_t detour_of; /* member to which it may be another way; NONE: to none */
        uint64_t token;
        uint64_t opened_ns;
        uint64_t next_hello_ns; /* until confirmed */
        struct cmi_endpoint endpoint;
        struct cmi_refuse refusal; /* code 0: none; else all that this link is for */
};

/* Another node, as known here. */
struct member {
        bool is_used;
        struct cmi_id id;
        uint64_t incarnation; /* 0: never met */
        char name[CMI_NAME_MAX + 1];
        char software[33];
        struct cmi_endpoint endpoints[CMI_ENDPOINTS_MAX];
        uint32_t n_endpoints;
        enum member_state state;
        uint64_t state_since_ns;
        uint64_t gone_ms;    /* silence after which it declares others gone; 0: it tells none */
        uint64_t protocol;   /* newest version that it speaks; 0: never met */
        bool takes_messages; /* its session plane does */
        struct posts posts;

        uint32_t link;       /* NONE if none leads to it */
        bool is_confirmed;   /* this incarnation has echoed our link's token: our frames arrive */
        bool was_live;       /* in this incarnation */
        uint64_t peer_token; /* of its newest HELLO */
        uint64_t peer_hello; /* that HELLO's generation */
        uint64_t hello_sent_ns;
        bool is_hello_due;   /* it asked for ours, or does not know us yet */
        bool wants_hello;    /* we need its */
        uint64_t connection; /* inbound, of its newest frame */

        uint32_t detour;    /* link beside its own; NONE: none is tried */
        uint32_t n_detours; /* begun since the link was last answered */
        uint64_t detour_ns; /* when the next one may begin */

        uint64_t copy_incarnation; /* of a later process of its id, not to replace it; 0: none */
        uint64_t copy_seen_ns;     /* when that one first said HELLO */

        uint64_t heard_ns;       /* newest frame; 0: never */
        uint64_t silent_from_ns; /* silence is counted from here, in own awake time */
        struct cmi_time clock;   /* of its newest beat */
        uint64_t clock_heard_ns; /* and when that came */
        uint64_t digest;
        uint64_t list_asked_ns;
        bool is_list_due; /* asked for, and not told to the end since */
        uint64_t rtt_ns;
        uint64_t lag_ns;

        /* Its stream, here. */
        /* A RESET of it is to come, and there is no lease before. */
        enum {
                NEED_NONE = 0,
                NEED_TOLD, /* its intents */
                NEED_JOIN, /* and its stream is to be joined: everything is forgotten */
        } needs_reset;
        uint32_t reset_part; /* that comes next, of a RESET in parts */
        uint64_t reset_at;   /* where that RESET leads */
        uint64_t reset_mark; /* of the intents that it told */
        bool was_gone_unmet; /* declared gone before any stream of it was known */
        uint64_t stream;     /* 0: unknown */
        uint64_t newest;     /* as it told us */
        uint64_t applied;
        uint64_t nack_sent_ns;
        uint64_t nack_after;
        uint64_t bytes_since_beat;
        struct cmi_time grant;         /* own clocks; counts from here for one lease */
        struct cmi_time waiting_grant; /* takes effect once waiting_position is applied */
        uint64_t waiting_position;

        /* Our stream, there. */
        uint64_t acknowledged;
        uint64_t cursor;       /* newest operation sent on the link */
        bool owes_reset;       /* it asked for one */
        bool is_lapsed;        /* no grants until it has acknowledged lapse_target */
        uint64_t lapse_target; /* newest operation when it lapsed */
        uint64_t granted_ns;   /* receipt of the newest beat that a granting beat of ours echoed; 0:
                                  none */
        uint64_t echoed_ns;    /* own clock in the newest echo; 0: none */
        struct cmi_time counted; /* own clocks in the newest echo with "I count you"; 0: none */
        bool counts_me;
        bool is_beat_due;
        uint64_t beat_sent_ns;
        uint64_t next_beat_ns;

        uint32_t n_regions;       /* in its newest list of options */
        bool has_ttl;             /* one of them is served by its TTL */
        uint64_t regions_digest;  /* of that list; 0: none came of its present process */
        uint64_t regions_told_ns; /* when ours was sent to it; 0: never */

        uint64_t gaps, resets, lapses, restarts;
        uint64_t frames_received, frames_sent;
        uint32_t n_transitions; /* all there were; the last CORE_TRANSITIONS are in the ring */
        struct core_transition transitions[CORE_TRANSITIONS];
};

enum wait_result {
        WAIT_OPEN = 0,
        WAIT_APPLIED,
        WAIT_LAPSED,
        WAIT_EXCLUDED, /* not a member when it was numbered */
};

struct wait {
        bool is_used;
        uint64_t cookie;
        uint64_t number;
        uint64_t since_ns;    /* numbered, or LIVE since then */
        uint64_t deadline_ns; /* NEVER: only its own bound */
        bool is_snapshot_taken;
        bool is_node;   /* for nobody but this node, until its start pause is over */
        bool is_late;   /* an INTENT_END of an intent that is over */
        bool is_intent; /* that a member lapsed is not enough */
        bool is_ttl;    /* nor here: its apps serve such a region without a lease */
};

struct query {
        bool is_used;
        uint64_t id;
        uint64_t cookie;
        uint64_t deadline_ns;
        uint32_t member;
        enum cmi_query_kind kind;
};

struct region {
        uint64_t hash;   /* of the name */
        uint64_t owner;  /* in the page, never given twice */
        uint64_t given;  /* apply_seq when it got its index */
        uint64_t unheld; /* order in which regions were held by nobody any more */
        uint32_t n_holders;
        bool is_described;
        uint64_t hold_ms;                   /* the longest that apps or operations have named */
        struct cmi_region options;          /* of the apps that have it open */
        uint64_t told[CORE_PEERS_MAX / 64]; /* members that were said to differ */
        uint8_t len;
        char name[CMI_REGION_NAME_MAX];
};

#define FLAG_BITS 18
#define FLAG_BUCKETS (1u << FLAG_BITS)

struct flag {
        uint32_t name; /* of apply_target() */
        uint32_t n;    /* reasons for it: intents, and one for a hold */
        uint32_t hold; /* number of that in the table of holds, from 1; 0: none */
};

/* The slots of keys and tags that are held at a time, and as many regions as there are. */
#define HOLDS_MAX (CORE_HOLDS_MAX + CMI_PAGE_REGIONS)

struct hold {
        uint32_t name;
        uint32_t region; /* whose key or tag it is; NONE: of several regions, or it is a region */
        uint64_t end_ns; /* mono */
};

struct hold_table {
        uint32_t n;
        uint64_t next_ns;                /* nothing ends before; 0: there is none */
        uint32_t n_of[CMI_PAGE_REGIONS]; /* keys and tags of each */
        struct hold holds[HOLDS_MAX];
};

struct intent_table {
        struct intent_memory *memory;
        bool is_damaged; /* some of the process before could not be read */
        uint32_t n_open;
        uint32_t n_own;
        uint32_t limit;                     /* those that are open lie below it */
        uint32_t regions[CORE_INTENTS_MAX]; /* whose index is held; NONE: it had none */
        bool is_own[CORE_INTENTS_MAX];
        uint64_t owners[CORE_INTENTS_MAX];
        uint64_t marks[CORE_INTENTS_MAX]; /* of the RESET that told it last */
};

#define STRANGERS_MAX 16 /* told apart */
/* The last one stands for all others that the disk names; its id is zero. */
#define STRANGERS_SIZE (STRANGERS_MAX + 1)

enum stranger_kind {
        STRANGER_NONE = 0,
        STRANGER_LIVE,   /* as it says, or a member: this node is not */
        STRANGER_NAMED,  /* by the disk, not heard yet: nor is it while that may be */
        STRANGER_ABSENT, /* not heard for gone_ns since: waits name it */
        STRANGER_ENDED,  /* this incarnation, whatever others tell of it */
};

/* A node that has no place in the table. */
struct stranger {
        enum stranger_kind kind;
        struct cmi_id id;
        char name[CMI_NAME_MAX + 1];
        uint64_t incarnation; /* newest that is known to have been live; 0: none */
        uint64_t generation;  /* of its frame that said so; UINT64_MAX: others did */
        uint64_t since_ns;    /* newest word of it, or since when it is waited for */
};

struct core {
        struct core_options options;
        char name[CMI_NAME_MAX + 1];
        char software[33];
        uint64_t mesh;
        struct core_sink sink;
        struct cmi_page_view page;
        struct log *log;

        enum core_state state;
        char reason[CORE_TEXT_MAX];
        uint64_t started_ns;
        uint64_t pause_end_ns; /* nothing is acknowledged before: B1 */
        /* Nobody is given up before: others rely on what a process before has told them. */
        uint64_t patience_end_ns;
        uint64_t given_before_ns; /* nobody serves on a grant of a process before from then on */
        uint64_t since_ns; /* everybody must have been heard in both directions since: start, or the
                              end of being away */
        uint64_t live_since_ns;
        uint64_t alone_until_ns;
        uint64_t refused_ns; /* the newest refusal; 0: none */
        struct cmi_id refused_by;
        struct stranger strangers[STRANGERS_SIZE];
        uint64_t strangers_ns;                  /* newest one that is not among them; 0: all are */
        char room_reason[CORE_TEXT_MAX];        /* who was missed last */
        uint64_t own_tokens[CMI_ENDPOINTS_MAX]; /* of our newest links to ourselves */
        uint32_t n_own_tokens;
        struct cmi_time last_call;
        uint64_t tick_due_ns;      /* when the last turn asked for the next one */
        uint64_t longest_delay_ns; /* past that, since the last beats */
        bool is_pause_over;
        bool was_live;
        bool has_predecessor; /* that did not end in order, and whose page apps may look at */
        struct cmi_time lease_end;
        uint64_t random;
        uint64_t n_hellos;
        uint64_t n_queries;
        uint32_t n_queries_open;
        uint64_t n_bodies;
        uint64_t n_marks;
        uint64_t n_posts;
        bool has_said_goodbye;
        bool has_unsent; /* a budget ran out: another turn at once */

        uint32_t max_links;
        struct link *links;     /* max_links */
        uint32_t link_limit;    /* links in use lie below it */
        struct member *members; /* max_peers */
        uint32_t *order;        /* members by name */
        uint32_t n_members;
        uint32_t member_limit; /* members in use lie below it */

        uint32_t n_waits;
        struct wait *waits; /* CORE_WAITS_MAX */
        uint64_t *wait_due; /* CORE_WAITS_MAX x max_peers: mono, when a grant that ran at numbering
                               has ended */
        uint8_t *wait_results;                  /* CORE_WAITS_MAX x max_peers: enum wait_result */
        struct cmi_result_member *wait_members; /* max_peers and strangers, for one outcome */

        struct intent_table *intents;
        struct flag *flags; /* FLAG_BUCKETS */
        struct hold_table *holds;
        struct cmi_time missed; /* when it was last forgotten what is held; 0: never */
        struct query queries[CORE_QUERIES_MAX];
        uint64_t n_owners;
        uint64_t n_unheld;
        uint64_t options_digest;           /* of all that are described; 0: none */
        struct cmi_region *member_regions; /* max_peers x CMI_REGIONS_MAX */
        uint32_t n_regions;                /* indexes given so far */
        struct region *regions;            /* CMI_PAGE_REGIONS */
        uint16_t *region_buckets;          /* REGION_BUCKETS: index + 1 */
        struct core_counters counters;

        /* The newest body of operations, shared by all links that are at the same position. */
        uint64_t body_id;
        uint64_t body_first;
        uint64_t body_newest; /* log position when it was made: a longer run may exist now */
        uint32_t body_count;
        bool body_wants_ack;
        size_t body_len;
        uint8_t body[CMI_FRAME_BODY_MAX];
        uint8_t run[CMI_FRAME_BODY_MAX];
        union {
                struct cmi_hello hello;
                struct cmi_members members;
                struct cmi_answer answer;
                struct cmi_regions regions;
        } decoded; /* too large for the stack; valid during one core_receive() */
};

/* core.c */
/* Each entry point that gets the time begins with this: was the process away since the last one? */
void core_enter(struct core *core, struct cmi_time now);
void core_step_down(struct core *core, struct cmi_time now);
uint64_t core_random(struct core *core);
void core_text(char ret_text[CORE_TEXT_MAX], const char *first, const char *second,
                const char *third);
void core_emit(struct core *core, enum core_event_kind kind, const struct member *member,
                const char *text);
static inline uint64_t core_drift_ns(const struct core *core, uint64_t ns)
{
        return ns / 1000000 * core->options.drift_ppm;
}
/* How long a lease of this length may be used, on this node's clock: L(1+rho) + margin. */
static inline uint64_t core_use_ns(const struct core *core, uint64_t lease_ns)
{
        if (MUTANT(NO_DRIFT_MARGIN)) {
                return lease_ns;
        }
        return lease_ns + core_drift_ns(core, lease_ns) + core->options.margin_ns;
}
/* The longest time that a grant given now may be used. */
static inline uint64_t core_grant_ns(const struct core *core)
{
        return core_use_ns(core, core->options.lease_ns);
}

/* member.c */
struct member *member_find(struct core *core, const struct cmi_id *id);
struct member *member_add(
                struct core *core, struct cmi_time now, const struct cmi_id *id, const char *name);
void member_remove(struct core *core, struct member *member);
void member_sort(struct core *core);
/* @why: for people; static */
void member_set_state(struct core *core, struct cmi_time now, struct member *member,
                enum member_state state, const char *why);
void member_heard(
                struct core *core, struct cmi_time now, struct member *member, uint64_t connection);
void member_tick(struct core *core, struct cmi_time now, struct member *member);
uint64_t member_digest(const struct core *core);
void member_list_ask(struct core *core, struct cmi_time now, struct member *member);
void member_list_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_members *list);
static inline uint32_t member_index(const struct core *core, const struct member *member)
{
        return (uint32_t)(member - core->members);
}
/* Counts: nothing bounded is served here without its grant. */
static inline bool member_counts(const struct member *member)
{
        return member->state == MEMBER_JOINING || member->state == MEMBER_LIVE ||
               member->state == MEMBER_SILENT;
}

/*
 * Has it been LIVE, or published? Only then is it counted for gone_ns of silence; one that crashes
 * again and again before that must not keep all caches off. It is told "I count you" only when this
 * is so, since it relies on the full gone_ns then.
 */
static inline bool member_is_kept(const struct member *member)
{
        return member->was_live || member->newest > 0;
}

/* link.c */
int link_open(struct core *core, struct cmi_time now, const struct cmi_endpoint *endpoint,
                struct member *member, struct link **ret_link);
void link_close(struct core *core, struct link *link);
int link_send(struct core *core, struct link *link, struct member *member, enum cmi_frame_type type,
                struct cmi_slice body, uint64_t body_id);
/* Is there a link to this address that is there for more than a refusal? */
bool link_is_open(struct core *core, const struct cmi_endpoint *endpoint);
/* The member's link, if the peer has confirmed it and it is not blocked. */
struct link *link_ready(struct core *core, const struct member *member);
void link_tick(struct core *core, struct cmi_time now, struct link *link);
void hello_send(struct core *core, struct cmi_time now, struct link *link, struct member *member,
                bool wants_answer);
void hello_receive(struct core *core, struct cmi_time now, uint64_t connection,
                const struct cmi_frame_header *header, const struct cmi_hello *hello);

/* refusal.c */
/* Is this HELLO to be answered by a refusal? Then it has been. */
bool refusal_is_due(struct core *core, struct cmi_time now, const struct cmi_frame_header *header,
                const struct cmi_hello *hello, const struct member *member);
void refusal_tell(struct core *core, struct cmi_time now, const struct cmi_frame_header *header,
                const struct cmi_hello *hello, enum cmi_refusal code, uint64_t incarnation,
                const char *reason);
void refusal_send(struct core *core, struct link *link);
void refusal_receive(struct core *core, struct cmi_time now, const struct cmi_frame_header *header,
                const struct cmi_refuse *refusal);
/* A beat echoes one that was sent at @echo_ns: whoever refused us before that has taken us in. */
void refusal_answered(struct core *core, const struct member *member, uint64_t echo_ns);
bool refusal_is_far_ahead(struct cmi_time now, uint64_t incarnation);

/* room.c */
#define ROOM_REASON "a live node finds no room here: raise --max-peers, equal on all nodes; it is "
/* A node is live, and has no place in the table: this node steps down. @live: id, name, incarnation
 * and generation; copied. */
void room_missed(struct core *core, struct cmi_time now, const struct stranger *live);
/* The disk names one. */
void room_named(struct core *core, struct cmi_time now, const struct cmi_id *id, const char *name);
/* It has a place now. Return: had it none before? */
bool room_found(struct core *core, const struct cmi_id *id);
/* It says so itself. @said: its id, incarnation and generation. */
void room_not_live(struct core *core, struct cmi_time now, const struct stranger *said);
/* Of a node that is no member. */
void room_goodbye(struct core *core, struct cmi_time now, const struct cmi_frame_header *header);
/* Return: 0, -ENOENT, -EBUSY (it was heard a moment ago). */
int room_forget(struct core *core, struct cmi_time now, const struct cmi_id *id);
/* This process did not run for a while. */
void room_come_back(struct core *core, struct cmi_time now);
void room_tick(struct core *core, struct cmi_time now);
/* Why this node may not be LIVE; NULL if it may. */
const char *room_obstacle(const struct core *core);
/* The next one that a wait has to name. Return: where to go on; 0: there is none. */
uint32_t room_absent(const struct core *core, uint32_t from, struct cmi_result_member *ret_member);
bool room_is_left(const struct core *core);
/* May apps here be served anything, by this page or one of before? */
bool room_is_served(const struct core *core, struct cmi_time now);

/* detour.c */
void detour_tick(struct core *core, struct cmi_time now, struct member *member);
void detour_end(struct core *core, struct member *member);
/* The next one begins at once, if one is needed. */
void detour_hasten(struct member *member);

/* stream.c */
void stream_adopt(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_hello *hello);
void stream_beat(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_beat *beat);
void ops_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_ops *ops);
void nack_send(struct core *core, struct cmi_time now, struct member *member);
void nack_receive(struct core *core, struct member *member, const struct cmi_nack *nack);
void reset_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_reset *reset);
void goodbye_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_goodbye *goodbye);
void stream_flush(struct core *core, struct cmi_time now);

/* lease.c */
void beat_send(struct core *core, struct cmi_time now, struct member *member);
void beat_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_beat *beat);
void lease_applied(struct core *core, struct member *member);
void lease_update(struct core *core, struct cmi_time now);
void lease_end_now(struct core *core);
/* See core_member.given_end_ns. */
uint64_t lease_given_end_ns(
                const struct core *core, struct cmi_time now, const struct member *member);

/* wait.c */
/* @wait: its cookie, number, is_node and is_late; copied. Return: 0, -EBUSY. */
int wait_add(struct core *core, struct cmi_time now, const struct wait *wait, uint64_t timeout_ns,
                const struct cmi_op *op);
void wait_check(struct core *core, struct cmi_time now);
void wait_forget_member(struct core *core, const struct member *member);
void wait_end_all(struct core *core, struct cmi_time now);
uint64_t wait_next_ns(const struct core *core, struct cmi_time now);

/* apply.c */
/* One operation on the page. A kind that is not understood is applied as "forget everything". */
void apply_own(struct core *core, const struct cmi_op *op, struct cmi_slice bytes, uint64_t number);
void apply_foreign(struct core *core, struct cmi_slice bytes, const struct member *source,
                uint64_t number);
void apply_forget(struct core *core, const struct member *member, const char *reason);
/* An index was given to a region. */
void apply_region(struct core *core, uint32_t index);

struct apply_target {
        _Atomic uint64_t *slot;
        uint32_t name; /* no two slots of the page have the same */
};

struct apply_target apply_target(const struct core *core, enum cmi_page_kind kind, uint32_t region,
                struct cmi_slice key);

struct apply_target apply_region_target(const struct core *core, uint32_t index);
_Atomic uint64_t *apply_named(const struct core *core, uint32_t name);

/* flag.c */
/* Its count, or a free place for it: n is 0 then. */
struct flag *flag_find(struct core *core, uint32_t name);
/* One reason more, or less; the slot is stamped with @seq in any case. */
void flag_raise(struct core *core, struct apply_target target, uint64_t seq);
void flag_lower(struct core *core, struct apply_target target, uint64_t seq);

/* hold.c */
/* Of the process before; the page has no regions yet. */
void hold_open(struct core *core, struct cmi_time now);
/* Holds what an operation with hold_ms names, from now on. @region: NONE if it has no index here.
 */
void hold_apply(struct core *core, uint32_t region, const struct cmi_op *op);
/* The same for regions as a whole, since it is not known what was missed. */
void hold_told(struct core *core, struct cmi_time now, const struct cmi_reset *reset);
/* Something may have been missed, and nobody can tell what it held. */
void hold_missed(struct core *core, struct cmi_time now);
/* Apps here hold for so long what they invalidate in the region. */
void hold_named(struct core *core, uint32_t region, uint64_t hold_ms);
/* This region has got an index. */
void hold_region_opened(struct core *core, uint32_t region);
void hold_tick(struct core *core, struct cmi_time now);
uint64_t hold_next_ns(const struct core *core);

/* hold_ends.c */
/* Those of the process before: not later than @limit_ns. */
void hold_ends_open(struct core *core, uint64_t limit_ns);
/* @region: hash of its name; 0: all regions. Also for the process that comes after this one. */
void hold_ends_note(struct core *core, uint64_t region, uint64_t end_ns);
/* Both mono; 0: there is none. */
uint64_t hold_ends_of(const struct core *core, uint64_t region);
uint64_t hold_ends_latest(const struct core *core);
void hold_ends_write(const struct core *core, struct cmi_time now, struct cmi_reset *ret_reset);

/* intent.c */
/* What the process before has left in @memory is open again. */
void intent_open(struct core *core, struct intent_memory *memory, struct cmi_time now);
/* Before an INTENT_BEGIN is logged: keeps it. Return: 0, -ENOSPC. */
int intent_prepare(struct core *core, struct cmi_time now, const struct cmi_op *op,
                struct cmi_slice bytes, uint64_t owner);
void intent_begin(struct core *core, const struct member *source, uint64_t number,
                const struct cmi_op *op, struct cmi_slice bytes);
bool intent_is_open(const struct core *core, const struct cmi_op *op);
/* The flags only: that it is an invalidation too is the caller's business. */
void intent_end(struct core *core, const struct cmi_op *op);
void intent_tick(struct core *core, struct cmi_time now);
uint64_t intent_next_ns(const struct core *core);
bool intent_has_overflown(const struct core *core);
/* This region has got an index. */
void intent_region(struct core *core, uint32_t region);
/* A planted bug only: the death of its node ends an intent. */
void intent_death(struct core *core, uint64_t stream);
uint32_t intent_count(const struct core *core);
/* The first open one from index @from on, for another node. Return: where to go on; 0: none. */
uint32_t intent_write(const struct core *core, struct cmi_time now, uint32_t from,
                struct cmi_intent *ret_intent);
void intent_told(struct core *core, struct cmi_time now, const struct cmi_intent *intent,
                uint64_t mark);
void intent_settle(struct core *core, uint64_t stream, uint64_t number, uint64_t mark);

/* region.c */
uint32_t region_find(const struct core *core, struct cmi_slice name); /* NONE: it has no index */

/* region_options.c */
uint64_t region_options_digest_had(const struct member *member); /* for a beat to it */
void region_options_tell(
                struct core *core, struct cmi_time now, struct member *member, uint64_t has);
/* The name's hash, or 0 for an operation on all regions: what the next one takes. */
uint64_t region_options_name(const struct cmi_op *op);
/* Do apps of any node serve the region by its TTL, without a lease? */
bool region_options_is_ttl(const struct core *core, uint64_t region);
/* Another process of the member came, or the present one left in order. */
void region_options_restarted(struct member *member);
void region_options_left(struct member *member);
void region_options_receive(
                struct core *core, struct member *member, const struct cmi_regions *list);
/* The region is nobody's any more; the member is another one. */
void region_options_forget(struct core *core, uint32_t index);
void region_options_forget_member(struct core *core, struct member *member);

/* query.c */
void query_receive(struct core *core, struct cmi_time now, struct member *member,
                const struct cmi_query *query);
void answer_receive(
                struct core *core, const struct member *member, const struct cmi_answer *answer);
void query_tick(struct core *core, struct cmi_time now);
