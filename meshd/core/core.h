/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The core of meshd: membership, streams, leases and waits, as one state machine. Events and the
 * time go in; frames and outcomes come out through a sink; the shared page and the log are memory
 * that it is given. It opens no socket, reads no clock, starts no thread and allocates nothing:
 * meshd/daemon.h ties it to its shell, tests/sim in the simulator.
 *
 * Time: every event carries the time at which it happened, read after a receipt and before what is
 * sent because of it. mono_ns must not go back. If more than half a lease passes between two calls
 * the core takes it that the process was stopped, and stops serving until it has heard everybody
 * again.
 *
 * The sink is called from inside core functions and must not call back into the core; send() may
 * refuse with -EAGAIN, and the core goes on when told that the link is writable.
 */
#include "base/endpoint.h"
#include "base/id.h"
#include "base/time.h"
#include "wire/frame.h"
#include "wire/local.h"
#include "wire/page.h"

#include "meshd/core/intent.h"
#include "meshd/core/log.h"

#define CORE_PEERS_MAX 512
#define CORE_PEERS_DEFAULT 256
#define CORE_WAITS_MAX 4096
#define CORE_QUERIES_MAX 64
#define CORE_HOLDS_MAX 65536
#define CORE_LINKS_SPARE 16 /* links that are dialled but not yet a member's */
#define CORE_LEASE_MAX_MS 60000
#define CORE_GONE_MAX_MS 3600000
#define CORE_TEXT_MAX 128
#define CORE_GONE_LEASES 2 /* nobody declares a member gone after a shorter silence than this */
#define CORE_TRANSITIONS 8 /* changes of a member's state that are remembered */

enum core_state {
        CORE_JOINING = 0, /* serves nothing, answers no wait */
        CORE_LIVE = 1,
        CORE_STOPPING = 2, /* lease ended for good; flushing */
};

/*
 * SEEN -> JOINING -> LIVE <-> SILENT -> GONE -> (forgotten); a goodbye leads to LEFT from anywhere.
 * A HELLO leads from SEEN and GONE to JOINING, from LEFT that of a new incarnation. JOINING, LIVE
 * and SILENT members count: nothing bounded is served without their grant.
 */
enum member_state {
        MEMBER_SEEN = 0,    /* named by others or by the disk; not met */
        MEMBER_JOINING = 1, /* met; not yet heard in both directions, or not LIVE itself */
        MEMBER_LIVE = 2,
        MEMBER_SILENT = 3, /* no beat for a lease length */
        MEMBER_GONE = 4,   /* silent for gone_ns: everything was forgotten, and it does not count */
        MEMBER_LEFT = 5,   /* said goodbye */
};

struct core_options {
        struct cmi_id node_id;
        uint64_t incarnation;
        uint64_t random;  /* seed of tokens and jitter; unpredictable in the daemon */
        const char *name; /* borrowed for the call; up to CMI_NAME_MAX bytes */
        const char *mesh;
        const char *software;
        struct cmi_endpoint endpoints[CMI_ENDPOINTS_MAX]; /* advertised */
        uint32_t n_endpoints;
        uint32_t max_peers; /* 1 to CORE_PEERS_MAX */
        uint64_t lease_ns;  /* L */
        uint64_t gone_ns;   /* silence after which a member is declared gone; at least
                             * CORE_GONE_LEASES times L */
        uint64_t margin_ns;
        uint64_t drift_ppm;      /* rho: clocks differ in rate by at most this */
        uint64_t start_ns;       /* shortest time from start to LIVE */
        uint64_t alone_ns;       /* the same for a node that met nobody */
        uint64_t before_ns;      /* longest lease of a page of before, if the log may not know; 0 */
        uint64_t before_gone_ns; /* longest gone_ns that a process before told; likewise */
        uint32_t holds_max;      /* keys and tags held at a time; up to CORE_HOLDS_MAX */
        bool is_clean; /* the predecessor on this node ended its lease in order: no start pause */
        bool is_obituary; /* serves no apps: what those of the predecessor may hold is still kept */
        /* Where open write intents outlive the process; borrowed for the core's life. NULL: in the
         * core's own memory, where they do not. */
        struct intent_memory *intents;
};

/* Defaults for everything but identity, name and endpoints. */
struct core_options core_options_default(void);

enum core_event_kind {
        CORE_EVENT_STATE = 1,   /* own state; text says why */
        CORE_EVENT_MEMBER,      /* a member changed its state; text says why */
        CORE_EVENT_FORGOT,      /* everything cached before is dead; text says why */
        CORE_EVENT_GAP,         /* frames of a member were lost; asked again */
        CORE_EVENT_RESET_SENT,  /* a member was too far behind for the log */
        CORE_EVENT_LAPSED,      /* a member gets no grant until it has caught up */
        CORE_EVENT_REFUSED,     /* a peer refused us; text is its reason */
        CORE_EVENT_REFUSING,    /* we refused a peer */
        CORE_EVENT_AWAY,        /* this process was not running for a while */
        CORE_EVENT_INCARNATION, /* ours was raised to number: store it */
        CORE_EVENT_MET, /* a link turned out to lead to a member (id, endpoint): stop dialling it */
        CORE_EVENT_LINK_FAILED, /* a dialled endpoint gave no HELLO in time and was hung up */
        CORE_EVENT_SELF,        /* a dialled endpoint is our own */
        CORE_EVENT_REGION,      /* a member has region number open with other options */
        CORE_EVENT_EXPIRED,     /* a write intent ended by its deadline; of a member, or own */
        CORE_EVENT_PATIENCE, /* a member gives others up after number milliseconds, not as we do */
        CORE_EVENT_WIDENED,  /* a region is held as a whole, since so much of it was held */
        CORE_EVENT_RELIED,   /* nobody relies on more than our gone_ns any more: store it */
};

struct core_event {
        enum core_event_kind kind;
        struct cmi_id id;             /* zero if not about a member */
        const char *name;             /* "" likewise */
        enum member_state from, to;   /* MEMBER */
        struct cmi_endpoint endpoint; /* MET, LINK_FAILED, SELF */
        uint64_t number;
        struct cmi_region theirs, ours; /* REGION */
        struct cmi_slice region;        /* WIDENED: its name */
        const struct cmi_op *op;        /* EXPIRED: its INTENT_BEGIN, which was operation number */
        char text[CORE_TEXT_MAX];
};

struct core_outcome {
        int outcome; /* 0, or an enum cmi_code */
        uint64_t position;
        uint32_t n_applied;
        uint32_t n_lapsed;
        uint32_t n_unconfirmed;
        uint32_t n_members; /* those that did not simply apply it */
        const struct cmi_result_member *members;
};

enum core_publish_outcome {
        CORE_PUBLISHED = 0,
        CORE_EXPIRED = 1, /* an INTENT_END of an intent that is over: it invalidates all the same */
};

struct core_sink {
        void *context;
        /* Open outgoing link number @link (below max_peers + CORE_LINKS_SPARE). Return 0 or a
         * negative errno. */
        int (*dial)(void *context, uint32_t link, const struct cmi_endpoint *endpoint);
        void (*hangup)(void *context, uint32_t link);
        /*
         * Send one frame. Frames of equal, non-zero @body_id have equal bodies, so the sink may
         * keep the last one and share it. Return 0, or -EAGAIN: not taken, tell
         * core_link_writable() when it may be tried again.
         */
        int (*send)(void *context, uint32_t link, struct cmi_slice header, struct cmi_slice body,
                        uint64_t body_id);
        /* A wait is over. */
        void (*done)(void *context, uint64_t cookie, const struct core_outcome *outcome);
        void (*event)(void *context, const struct core_event *event);
        /* May be NULL. An operation was applied here; @source is the origin's name. Those of
         * sessions come this way, too: whoever a SESSION_TAKEN names is to know of it. */
        void (*applied)(void *context, const char *source, uint64_t number,
                        const struct cmi_op *op);
        /* Answer to core_query(): NULL if the peer is not reachable any more. */
        void (*answered)(void *context, uint64_t cookie, const struct cmi_answer *answer);
        /* May be NULL. When was operation @number of @source applied here, mono? 0: not known. */
        uint64_t (*applied_ns)(void *context, const char *source, uint64_t number);
        /* May be NULL. The fingerprints of the mesh keys that this node holds. Return: how many. */
        uint32_t (*keys)(void *context, uint64_t ret_fingerprints[CMI_ANSWER_KEYS_MAX]);
        /* A message came of this member's process, see core_post(). NULL: this node takes none, and
         * tells the others so. */
        void (*message)(void *context, const struct cmi_id *id, uint64_t incarnation,
                        struct cmi_slice message);
        /* May be NULL. A core_post() to this member that failed may be tried again, once this call
         * of the core is over. */
        void (*postable)(void *context, const struct cmi_id *id);
};

struct core;

/**
 * core_size() - bytes of memory that a core with these options needs
 */
size_t core_size(const struct core_options *options);

/**
 * core_init() - make a core in zeroed memory
 * @memory:  core_size() zeroed bytes, aligned to 64; becomes the core
 * @options: borrowed for the call
 * @sink:    copied
 * @page:    view of a fresh page; the core is its only writer
 * @log:     opened log; its stream becomes this node's
 * @now:     time of the start
 *
 * Return: the core, living in @memory until that is freed; there is nothing to release.
 */
struct core *core_init(void *memory, const struct core_options *options,
                const struct core_sink *sink, const struct cmi_page_view *page, struct log *log,
                struct cmi_time now);

/* Links */

/**
 * core_connect() - dial a candidate
 *
 * Return: 0, -EALREADY (a link to it exists), -ENOSPC (too many handshakes or members), or the
 *         sink's error.
 */
int core_connect(struct core *core, struct cmi_time now, const struct cmi_endpoint *endpoint);

/**
 * core_remember() - a member of earlier times, from the disk: to be met before this node is LIVE
 */
int core_remember(struct core *core, struct cmi_time now, const struct cmi_id *id, const char *name,
                const struct cmi_endpoint *endpoint);

/**
 * core_receive() - a frame came in
 * @connection: identifies the inbound connection (a hash of its routing id)
 *
 * Anything may be in it. Bad frames are counted and change nothing.
 */
void core_receive(struct core *core, struct cmi_time now, uint64_t connection,
                struct cmi_slice header, struct cmi_slice body);

void core_link_writable(struct core *core, struct cmi_time now, uint32_t link);

/* Does this link hold something back because send() said -EAGAIN? Then poll it for writing. */
bool core_link_is_blocked(const struct core *core, uint32_t link);

/* Time */

/**
 * core_tick() - do what is due, and send what this turn has brought
 *
 * Call it at the end of each turn of the loop, and at the latest when core_timeout_ns() has passed.
 */
void core_tick(struct core *core, struct cmi_time now);

/* Nanoseconds until core_tick() is due; 0: now. */
uint64_t core_timeout_ns(const struct core *core, struct cmi_time now);

/* Publishing */

/* May more be published now? False while a live member is half a log behind: stop reading from apps
 * meanwhile. */
bool core_is_writable(const struct core *core);

/**
 * core_publish() - put one operation into this node's stream
 * @op:         encoded, borrowed; checked here
 * @wait:       if core_defers() it, done() will be called with @cookie, unless cancelled, also
 *             from inside this call
 * @timeout_ns: of that wait; 0: its own bound while LIVE
 * @ret_number: position of the operation; may be NULL
 *
 * On return it is in the log and applied to the own page.
 *
 * An INTENT_BEGIN has an owner with core_publish_for(): any number but 0 that core_intents_of()
 * counts by. A wait for one ends with CMI_PARTIAL unless each member has applied it: one
 * that has only lapsed could declare this node gone and serve again before the write is committed.
 *
 * An operation of sessions is not published while a member counts that does not know its kind, and
 * would forget everything at each.
 *
 * Return: an enum core_publish_outcome (it is in the stream; done() follows if it is deferred),
 *         -EBADMSG, -EMSGSIZE, -EOPNOTSUPP (of sessions, see above), -EBUSY (CORE_WAITS_MAX waits),
 *         -ENOSPC (so many intents are open), -ESHUTDOWN after core_stop().
 */
int core_publish(struct core *core, struct cmi_time now, struct cmi_slice op, enum cmi_wait wait,
                uint64_t timeout_ns, uint64_t cookie, uint64_t *ret_number);

int core_publish_for(struct core *core, struct cmi_time now, struct cmi_slice op, uint64_t owner,
                enum cmi_wait wait, uint64_t timeout_ns, uint64_t cookie, uint64_t *ret_number);

/*
 * Does a publication with this wait end with done()? With CMI_WAIT_MESH it does. With CMI_WAIT_NODE
 * only in the start pause, when processes of this node may still be served by the page of a meshd
 * before this one: it ends with the pause.
 */
bool core_defers(const struct core *core, struct cmi_time now, enum cmi_wait wait);

/* The client of this wait is gone: done() is not called. */
void core_cancel(struct core *core, uint64_t cookie);

/**
 * core_region() - index of a region in the page, assigned at the first call
 *
 * It is the region's until somebody needs an index for another one and nobody holds it.
 *
 * Return: 0, -EINVAL (name), -ENOSPC (CMI_PAGE_REGIONS are held).
 */
int core_region(struct core *core, struct cmi_slice name, uint32_t *ret_index);

/* The same for a region that has an index already; none is given. Return: 0, -ENOENT. */
int core_region_find(const struct core *core, struct cmi_slice name, uint32_t *ret_index);

/* The stamp that the region's slot got with its index: no operation put it there. */
uint64_t core_region_given(const struct core *core, uint32_t index);

/* Hold an index that core_region() gave, as long as somebody may rely on it; each is dropped once.
 */
void core_region_hold(struct core *core, uint32_t index);
void core_region_drop(struct core *core, uint32_t index);

/* Do these two have a region open with the same options? An untold hold_ms is like any other. */
bool core_region_is_alike(const struct cmi_region *a, const struct cmi_region *b);

/**
 * core_region_describe() - with which options the apps here have a held region open
 * @options: borrowed for the call; its name is not looked at
 *
 * Other nodes are told, and differences are told as CORE_EVENT_REGION, also from inside this call.
 * Forgotten when the last holder drops it; but its hold_ms, the longest of all counts, as long as
 * the region has its index: when something may have been missed it is held for so long.
 */
void core_region_describe(struct core *core, uint32_t index, const struct cmi_region *options);

/* A region with other options on another node. */
struct core_region_difference {
        const char *node; /* name, borrowed */
        struct cmi_region options;
};

/* The next node that has it open with other options than here; *cursor begins with 0. False: no
 * more. */
bool core_region_differs(const struct core *core, uint32_t index, uint32_t *cursor,
                struct core_region_difference *ret_region);

/* What the page says at that index, see cmi_page_owner(). */
uint64_t core_region_owner(const struct core *core, uint32_t index);

/* Queries between nodes */

/**
 * core_query() - ask one member; answered() follows, at the latest after @timeout_ns
 * @number: for CMI_QUERY_TRACE: of this node's stream
 *
 * Return: 0, -ENOENT (no such member), -EHOSTUNREACH (no link to it), -EBUSY (CORE_QUERIES_MAX).
 */
int core_query(struct core *core, struct cmi_time now, const struct cmi_id *id,
                enum cmi_query_kind kind, uint64_t number, uint64_t timeout_ns, uint64_t cookie);

/* Messages between nodes. The meshd of this version posts none and takes none: tests and the
 * simulator do. */

#define CORE_POST_WINDOW (256 << 10) /* bytes that a beat may find before it on its link */
#define CORE_POST_COST 8192          /* a message counts as no less */

/**
 * core_post() - send a message to a member, now or not at all
 * @id:      of the member; its present process is meant
 * @message: 1 to CMI_POST_MAX bytes, borrowed for the call
 *
 * What else there is for the member goes first: nothing is taken while its link is blocked,
 * operations are not sent, a beat is due, or CORE_POST_WINDOW is under way, of which it is not
 * known that it was taken there. Nothing is kept and nothing sent again: what a link loses is
 * lost. What arrives does so once, in the order of the posts, and only at the process that was
 * meant.
 *
 * Call it after core_tick() of a turn, so that it finds beats and operations of that turn sent.
 *
 * Return: 0 (it is under way), -EAGAIN or -EHOSTUNREACH (postable() follows, unless the process at
 *         the other end is another one by then: the plane learns that from CORE_EVENT_MEMBER.
 *         -EHOSTUNREACH: no member, and then nothing follows; or one that does not count or to
 *         which no frames get yet),
 *         -EOPNOTSUPP (it takes no messages), -EMSGSIZE, -ESHUTDOWN after core_stop().
 */
int core_post(struct core *core, struct cmi_time now, const struct cmi_id *id,
                struct cmi_slice message);

/* Membership by hand: forget a member that is SEEN, GONE or LEFT, or a stranger that is not LIVE.
 * Return: 0, -ENOENT, -EBUSY (it is none of these). */
int core_forget(struct core *core, struct cmi_time now, const struct cmi_id *id);

/* Ending */

/* Stop serving for good: lease_end 0 and state CLOSED first. Waits go on until the goodbye. */
void core_stop(struct core *core, struct cmi_time now);

/* Has each live member acknowledged everything? */
bool core_is_flushed(const struct core *core);

/**
 * core_goodbye() - tell everybody the final position, and end all waits; only after core_stop()
 *
 * Return: true; false in the start pause, when apps may still be served by the page of a
 * predecessor that ended in no order: then nothing is said, and the log must not be
 * closed in order either.
 */
bool core_goodbye(struct core *core, struct cmi_time now);

/* Looking in */

struct core_counters {
        uint64_t published, published_keys;
        uint64_t applied, applied_keys; /* of other nodes */
        uint64_t gaps, nacks_sent, nacks_received, resets_sent, resets_received;
        uint64_t forgot, lapses, away;
        uint64_t frames_received, frames_sent, frames_blocked, bytes_received, bytes_sent;
        uint64_t dropped_malformed, dropped_mesh, dropped_version, dropped_incarnation,
                        dropped_unknown_source, dropped_unknown_type, dropped_stream;
        uint64_t unknown_operations, unknown_regions, unknown_fields;
        uint64_t posts_sent, posts_received;
        uint64_t posts_refused; /* here, by core_post(): tried too soon */
        uint64_t dropped_posts; /* that came: overtaken by later ones, or none are taken here */
        uint64_t intents_begun, intents_expired; /* of all nodes, here */
        uint64_t intents_refused; /* that found no room: nothing was served until they were over */
        uint64_t holds;           /* operations that carried one */
        uint64_t holds_widened;   /* to a whole region, since so many were running */
};

struct core_status {
        enum core_state state;
        char reason[CORE_TEXT_MAX]; /* why it is not LIVE, or "" */
        uint64_t incarnation;
        struct cmi_position newest;
        uint64_t oldest;
        uint64_t started_ns;    /* mono */
        uint64_t live_since_ns; /* 0 if not LIVE */
        uint64_t lease_end_ns;  /* mono; 0: none */
        uint64_t apply_seq;
        uint32_t n_members; /* not counting this node */
        uint32_t n_regions;
        uint32_t n_waits;
        uint32_t n_intents; /* open */
        uint32_t n_holds;   /* slots that are held */
        struct core_counters counters;
};

void core_status(const struct core *core, struct core_status *ret_status);

/* Of the status, for who asks at every request. */
bool core_is_live(const struct core *core);
uint32_t core_n_members(const struct core *core);

struct core_transition {
        uint64_t at_ns; /* mono */
        enum member_state from, to;
        const char *why; /* static */
};

/* "joining" and so on, for people and documents. */
const char *core_state_text(enum core_state state);
const char *core_member_state_text(enum member_state state);

struct core_member {
        struct cmi_id id;
        uint64_t incarnation;
        char name[CMI_NAME_MAX + 1];
        char software[33];
        enum member_state state;
        uint64_t state_since_ns;
        struct cmi_endpoint endpoint; /* of the link, or the first advertised one */
        bool has_link;                /* the peer has confirmed that our frames arrive */
        bool is_heard;                /* a frame of it came within the last L */
        bool hears_me; /* it echoed a beat that we sent within the last L and a beat's length */
        bool is_lapsed;
        bool counts_me;        /* and it says so */
        bool takes_messages;   /* core_post() */
        uint64_t heard_ns;     /* mono of the newest frame; 0: never */
        uint64_t rtt_ns;       /* 0: not measured */
        uint64_t gone_ms;      /* silence after which it gives others up; 0: not told */
        uint64_t grant_end_ns; /* mono; until when its newest grant lets us serve; 0: none */
        /*
         * Mono; from then on it serves nothing on a grant of ours, if it gets no other. 0: none was
         * given. UINT64_MAX: for L(1+rho) + margin from the start, since grants of a process before
         * may still run. Each beat may give one, so look when you decide, and keep it over no turn.
         */
        uint64_t given_end_ns;
        struct cmi_position newest; /* of its stream, as far as it told us */
        uint64_t applied;           /* here, of its stream */
        uint64_t acknowledged;      /* there, of ours */
        uint64_t sent;              /* of ours: newest operation that the link has taken */
        int64_t clock_ahead_ns; /* its wall clock's newest reading minus ours; 0: also not known */
        uint64_t peer_lag_ns;   /* its loop's longest turn */
        uint64_t gaps, resets, lapses, restarts;
        uint64_t frames_received, frames_sent;
        uint32_t n_transitions;
        struct core_transition transitions[CORE_TRANSITIONS]; /* the newest first */
};

/* Operations of its stream that are not applied here yet. */
static inline uint64_t core_member_lag(const struct core_member *member)
{
        return member->newest.number > member->applied ? member->newest.number - member->applied
                                                       : 0;
}

/**
 * core_member() - look at one member
 * @index: 0, 1, 2 ... until -ENOENT; the order is that of the names
 */
int core_member(const struct core *core, struct cmi_time now, uint32_t index,
                struct core_member *ret_member);

/* A node for which there is no place: its id, incarnation and name, and as state LIVE if that was
 * heard a moment ago, else SEEN or GONE. Return: 0, -ENOENT: no more. */
int core_stranger(const struct core *core, struct cmi_time now, uint32_t index,
                struct core_member *ret_member);

struct core_intent {
        struct cmi_id origin;
        struct cmi_position place; /* of its INTENT_BEGIN */
        uint64_t owner;            /* 0: of another node, or of a process before */
        uint64_t begun_ns;         /* mono; its receipt here */
        uint64_t deadline_ns;      /* mono */
        struct cmi_op op;          /* borrowed until the next call of the core */
};

/* Did the memory of the intents hold what cannot be read? Some that were open may be gone then. */
bool core_intents_are_damaged(const struct core *core);

/**
 * core_intent() - look at the open write intents, one after the other
 * @at: 0 before the first call; grows
 *
 * Return: true with the next one, false at the end.
 */
bool core_intent(const struct core *core, uint32_t *at, struct core_intent *ret_intent);

/* How many of this owner are open? */
uint32_t core_intents_of(const struct core *core, uint64_t owner);

/* Name of the region that has this index now, borrowed; empty past the last one. */
struct cmi_slice core_region_name(const struct core *core, uint32_t index);
