/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One simulated mesh: what its parts share. True time starts at 0 and is read by the simulator
 * only; nodes see their own clocks.
 *
 * network.c   links and connections, as ZeroMQ gives them
 * address.c   where they lead, and which addresses are dead
 * node.c      hosts: clocks, and meshd processes around real cores
 * call.c      calls of a core, some of them interrupted half-way
 * app.c       processes with a cache on the node's page, and their writers
 * attachment.c their connections to meshd
 * spool.c     what they keep on disk while there is no meshd
 * obituary.c  meshds that speak for dead ones
 * read.c      their readers
 * intent.c    writers that announce a write before they commit it
 * operation.c what writers publish
 * judge.c     the database, and what reads may return
 * audit.c     what cores and pages must look like
 * budget.c    how much of memory, links and frames they may use
 * act.c       what is done to the mesh: drawn and noted, or from a script
 * operator.c  questions and wishes of others
 * post.c      messages between nodes
 * nemesis.c   faults
 * simulation.c one seed from start to verdict
 */
#include "meshd/core/core.h"
#include "tests/sim/address.h"
#include "tests/sim/agenda.h"
#include "tests/sim/options.h"
#include "tests/sim/post.h"
#include "tests/sim/reader.h"
#include "tests/sim/script.h"
#include "tests/sim/uneven.h"

#include <ucontext.h>

#define NODES_MAX 9
#define APPS_MAX 2
#define READERS_MAX 3
#define KEYS_MAX READER_KEYS_MAX
#define LINKS_MAX 64
#define PEERS_MAX 12
#define WRITES_MAX 4 /* of one app, at the same time */
#define REQUESTS_MAX (APPS_MAX * WRITES_MAX + 1)
#define NEVER UINT64_MAX
#define OP_SIZE 24000
#define PAGE_SLOTS 256 /* of keys, and of tags */
#define TRACE_LINES 200
#define TRACE_LINE_SIZE 200

struct frame {
        struct frame *next;
        uint64_t arrives_ns;
        uint32_t header_len;
        uint32_t body_len;
        uint8_t bytes[];
};

/*
 * One TCP connection: from a DEALER to a ROUTER. It outlives its sender while frames are on the
 * way.
 */
struct connection {
        struct connection *next; /* of all that were ever made */
        uint64_t id;
        uint32_t from, to;
        uint32_t address;            /* of to */
        uint64_t from_life, to_life; /* processes */
        uint32_t link;
        bool is_attached; /* the sender still has it */
        bool is_scheduled;
        struct frame *first, *last;
        uint32_t n_frames;
        uint32_t n_unconfirmed; /* arrived, but TCP's acknowledgement is cut off */
        uint64_t last_arrival_ns;
};

struct dealer {
        bool is_open;
        uint32_t to;
        uint32_t address;
        uint32_t serial;               /* of the dialling: stale attempts are ignored */
        struct connection *connection; /* NULL: not connected */
        uint64_t retry_ns;
        bool is_refused;   /* a send was refused since the last writable */
        bool is_announced; /* EVENT_WRITABLE is under way */
};

/* A page lives until the end of the seed: apps may look at it for ever. */
struct sim_page {
        struct sim_page *next;
        struct cmi_page *memory;
        size_t size;
        struct cmi_page_view view;
        uint32_t node;
        uint64_t life;
        uint64_t incarnation;
        uint64_t closed_ns; /* its meshd said goodbye; NEVER: it did not */
        /* Since when each node is declared gone or left here; NEVER: it is not. */
        uint64_t gone_ns[NODES_MAX];
        uint64_t met_ns[NODES_MAX]; /* when it last began to count each; 0: never */
        uint32_t parted; /* bits of those that were declared gone, and not LIVE here since */
        uint32_t left;   /* bits of those that left */
        /* As the audit saw them last. */
        uint64_t apply_seq;
        uint64_t floor;
        uint64_t slots[2 * PAGE_SLOTS + 1];
};

struct sim_write;

struct call {
        enum call_kind {
                CALL_NONE,
                CALL_RECEIVE,
                CALL_TICK,
                CALL_WRITABLE,
                CALL_CONNECT,
                CALL_PUBLISH,
                CALL_STOP,
                CALL_GOODBYE,
                CALL_OPERATE,
                CALL_SPOOL,
        } kind;
        struct cmi_time now;
        uint64_t connection;
        struct frame *frame;
        uint32_t link;
        uint32_t peer;
        uint32_t address;
        struct sim_write *write;
};

struct node {
        struct world *world;
        uint32_t index;
        char name[8];
        struct cmi_id id;

        /* The host */
        int64_t drift_ppm;
        uint64_t mono_base_ns;
        uint64_t real_base_ns;
        int64_t real_step_ns;
        uint64_t suspended_ns; /* in total */
        uint64_t suspended_since_ns;
        bool is_suspended;
        uint32_t n_freezes; /* reasons why nothing on the host runs */
        uint64_t host_life;

        /* The meshd process */
        bool is_up;
        enum {
                STOP_NO,
                STOP_FLUSHING,
                STOP_GOODBYE,
        } stopping;
        uint64_t stop_deadline_ns;
        bool is_goodbye;  /* was it said? */
        bool is_closed;   /* its log, in order */
        bool is_obituary; /* it speaks for its predecessor, and ends by itself */
        uint32_t n_stops; /* SIGSTOP */
        uint64_t life;
        uint64_t incarnation;
        uint32_t discovered;
        uint64_t core_size;
        void *core_memory;
        struct core *core;
        struct sim_page *page;
        void *log_memory;
        struct intent_memory *intents;
        bool is_log_lost;
        uint64_t lost_ns; /* newest start without the log and the intents of before */
        struct log log;
        struct spooled *spool;   /* of its apps */
        bool is_taking;          /* it is being published */
        uint64_t kept[KEYS_MAX]; /* newest versions that were ever in it */
        uint64_t owed[KEYS_MAX]; /* and were when this meshd began */
        uint64_t obituary_ns;    /* when it began */
        bool has_met[NODES_MAX]; /* on its disk */
        uint64_t disk_lease_ns;  /* kept beyond the log */
        uint64_t disk_gone_ns;
        uint32_t lease_part; /* of options.lease_ns; 0: all of it */
        uint32_t room;       /* for so many members; 0: for all */
        uint64_t tick_ns;    /* EVENT_TICK that counts */
        uint64_t tick_serial;
        bool is_turn_open;
        uint32_t n_busy;            /* ticks that were due at once, one after the other */
        struct cmi_time turn_clock; /* of the newest call */
        struct dealer dealers[LINKS_MAX];
        struct sim_write *requests[REQUESTS_MAX];
        uint32_t n_requests;
        uint32_t n_questions;          /* without an answer */
        struct cmi_time called;        /* newest call of the core, as that saw it */
        uint64_t began_ns;             /* newest call */
        uint64_t forgot_ns[NODES_MAX]; /* newest "forget everything" because of each node */
        uint64_t met_ns[NODES_MAX];    /* when this meshd first heard of each; NEVER: not yet */
        uint64_t awake_ns;             /* since when there was no long gap between two */
        uint64_t undisturbed_ns;       /* LIVE, and running without a pause, since */

        /* A call of the core that is interrupted */
        struct call call;
        struct act wish; /* of an operator */
        bool is_in_call;
        uint32_t interrupt_at; /* sink calls until it happens; 0: never */
        uint64_t interrupt_ns; /* for how long; 0: it is killed there */
        bool is_tearing;       /* its next publication is cut off in the log */
        bool is_call_over;
        ucontext_t context, return_context;
        void *stack;
        void *saved_stack; /* ASan's */

        /* Audit */
        uint64_t counted_ns; /* since when frames are counted: for a lease */
        uint64_t n_counted;
        uint64_t seen_number[NODES_MAX];
        uint64_t seen_floor[NODES_MAX];
};

enum write_stage {
        WRITE_FREE = 0,
        WRITE_COMMITTED, /* in the database; will be announced */
        WRITE_PENDING,   /* the app could not hand it over */
        WRITE_HANDED,    /* in the socket, or in meshd's hands */
        WRITE_WAITING,   /* in the stream */
};

enum write_intent {
        INTENT_NONE = 0, /* committed, then announced */
        INTENT_BEGINS,
        INTENT_ENDS,
};

struct sim_write {
        struct app *app;
        enum write_intent intent;
        uint32_t key; /* the intent's; keys may be those of its tag */
        bool is_by_tag;
        uint64_t begun_ns;
        uint64_t deadline_ns; /* from begun_ns */
        struct random random; /* of what becomes of the intent */
        struct cmi_position place;
        uint64_t node_life; /* of the meshd that has it */
        bool is_dropped;    /* by that, with the app's connection */
        bool is_spooled;
        enum write_stage stage;
        enum cmi_wait wait;
        uint64_t timeout_ns;
        uint64_t cookie;
        uint32_t keys;                /* bits of the keys that it covers */
        uint64_t announced[KEYS_MAX]; /* versions when it was announced */
        uint64_t versions[KEYS_MAX];  /* committed when it was numbered */
        uint32_t left;                /* bits of nodes that had left then */
        uint64_t published_ns;
        uint8_t op[OP_SIZE];
        uint32_t op_len;
};

enum reader_step {
        STEP_IDLE,
        STEP_CHECK,
        STEP_END,
        STEP_TOKEN,
        STEP_LOAD,
        STEP_PUT,
        STEP_WAIT, /* for another reader's load */
};

struct sim_reader {
        struct app *app;
        enum reader_step step;
        uint32_t key;
        uint64_t pause_ns[STEP_WAIT + 1]; /* before each step */
        uint64_t started_ns;
        uint64_t least; /* oldest version that it may return */
        struct reader_get get;
        struct cmi_time lease_end; /* of the page, when it began */
        struct sim_page *page;
        uint64_t gone_ns[NODES_MAX]; /* of the page, when it began */
        uint32_t parted;             /* the same */
        struct reader_token token;
        uint64_t version;
};

struct app {
        struct node *node;
        uint32_t index;
        uint64_t life;
        bool is_attached;   /* to a running meshd, as far as it knows */
        bool is_dropped;    /* as far as meshd knows */
        uint64_t halted_ns; /* stopped until then */
        uint64_t next_look_ns;
        bool was_live;      /* its node, since the page was mapped */
        uint64_t held_life; /* of the meshd that keeps the region's index for it */
        struct sim_page *page;
        struct reader_cache cache;
        struct sim_reader readers[READERS_MAX];
        struct sim_write writes[WRITES_MAX];
        uint64_t seen[KEYS_MAX]; /* newest version that was hit, stored or announced here */
        uint64_t n_hits, n_misses;
};

/* What became of one version of one key. */
struct version {
        uint64_t committed_ns;
        uint64_t published_ns; /* NEVER: not yet */
        uint32_t origin;
        uint32_t left_out; /* bits of nodes that had no place for it then */
};

struct acknowledged {
        uint64_t at_ns;
        uint64_t version;
        uint64_t held_ns; /* since when its intent was known; NEVER: it had none */
        uint32_t origin;
        uint32_t left; /* bits of nodes that had left, as far as the origin knew */
};

/* While it is open the key is never served. */
struct held {
        uint64_t known_ns; /* since when others may know it */
        uint64_t from_ns;
        uint64_t until_ns;
        struct cmi_position place;
        uint32_t origin;
        uint32_t left;
};

#define HELD_MAX 32 /* the newest intents on one key */

struct key {
        struct held held[HELD_MAX];
        uint64_t n_held;
        struct version *versions; /* [0] is the first, of before the start */
        uint64_t newest;
        uint64_t capacity;
        uint64_t n_published; /* versions below are all published */
        struct acknowledged *acknowledged;
        uint64_t n_acknowledged, acknowledged_capacity;
};

enum stage {
        STAGE_START,
        STAGE_CHAOS,
        STAGE_HEAL,
        STAGE_WHOLE, /* a last write on each node */
        STAGE_OVER,
};

struct tally {
        uint64_t n_events, n_calls, n_frames, n_hits, n_misses, n_writes, n_acknowledged, n_partial,
                        n_pending, n_timeouts, n_faults, n_forgot, n_resets, n_starts, n_interrupts,
                        n_torn, n_intents, n_late_ends, n_questions, n_answers, n_drops, n_awaited,
                        n_looks, n_quits, n_spooled, n_obituaries, n_posts, n_messages, n_clicks,
                        n_told, n_session_hits,
                        n_frames_lease; /* the last: most of one node in a lease, to each peer */
        uint64_t virtual_ns;
        uint64_t n_changes[MEMBER_LEFT + 1][MEMBER_LEFT + 1]; /* of a member's state: from, to */
};

/* Everybody has a chance of his own, so that what one draws is the same when another draws less. */
struct chances {
        struct random nodes[NODES_MAX];
        struct random apps[NODES_MAX][APPS_MAX];
        struct random rest;
};

struct sim_sessions;

struct world {
        uint64_t seed;
        struct random random; /* of whoever has the present event */
        struct random plan;   /* of acts */
        struct random more;   /* of what came later: seeds without it stay what they are */
        struct chances chances;
        const struct script *script;             /* what is done; NULL: it is drawn */
        size_t n_played;                         /* of its acts */
        struct script *notes;                    /* what was done is added here; NULL: it is not */
        bool is_acting;                          /* an act is under way */
        void (*adjust)(struct options *options); /* after they are drawn; NULL: as drawn */
        struct options options;
        struct agenda agenda;
        uint64_t now_ns;
        enum stage stage;
        uint64_t stage_deadline_ns;
        uint64_t beat_deadline_ns;
        struct node nodes[NODES_MAX];
        struct app apps[NODES_MAX][APPS_MAX];
        struct key keys[KEYS_MAX];
        struct posting posting;
        struct sim_sessions *sessions; /* NULL: nobody uses any; see session.h */
        struct connection *connections;
        struct sim_page *pages;
        uint32_t cuts[NODES_MAX][NODES_MAX]; /* reasons why nothing gets from one to the other */
        uint32_t dead[NODES_MAX][ADDRESSES_MAX]; /* reasons why an address is */
        uint64_t n_cookies;
        uint64_t digest; /* of all events */
        uint64_t story;  /* of what became of them: the same when acts are drawn or played */
        struct tally tally;

        bool is_tracing;   /* to standard output, up to until_ns */
        bool is_recording; /* into lines */
        uint64_t until_ns;
        char (*lines)[TRACE_LINE_SIZE];
        uint64_t n_lines;

        bool is_violated;
        char violation[300];
};

/* trace.c */
#define trace(world, ...)                                                                          \
        do {                                                                                       \
                if (trace_is_on(world)) {                                                          \
                        trace_line(world, __VA_ARGS__);                                            \
                }                                                                                  \
        } while (0)
static inline bool trace_is_on(const struct world *world)
{
        return __builtin_expect(world->is_tracing || world->is_recording, false);
}
void trace_frame(struct world *world, const char *verb, uint32_t from, uint32_t to,
                struct cmi_slice header, struct cmi_slice body);
void trace_line(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace_digest(struct world *world, uint64_t value);
void trace_story(struct world *world, uint64_t value);
/* The first one counts, and ends the run. */
void violation(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *sim_allocate(size_t size); /* zeroed, or the program ends */

static inline void world_add(struct world *world, uint64_t delay_ns, enum event_kind kind,
                uint32_t a, uint64_t b, void *object)
{
        agenda_add(&world->agenda, (struct event){.at_ns = world->now_ns + delay_ns,
                                                   .kind = kind,
                                                   .a = a,
                                                   .b = b,
                                                   .object = object});
}

/* network.c */
#define NETWORK_BREAK_ANYWAY                                                                       \
        1 /* else only if the path is still cut, or the process at its end gone */
int network_dial(void *context, uint32_t link, const struct cmi_endpoint *endpoint);
void network_hangup(void *context, uint32_t link);
int network_send(void *context, uint32_t link, struct cmi_slice header, struct cmi_slice body,
                uint64_t body_id);
bool network_is_whole(const struct world *world, uint32_t from, uint32_t to);
bool network_has_connection(const struct world *world, uint32_t from, uint32_t to);
void network_connect_event(struct world *world, const struct event *event);
void network_writable_event(struct world *world, const struct event *event);
void network_frame_event(struct world *world, struct connection *connection);
void network_break_event(struct world *world, const struct event *event);
/* Whatever waited for this node or path goes on. */
void network_kick(struct world *world, uint32_t to);
void network_cut(struct world *world, uint32_t from, uint32_t to, uint64_t duration_ns);
void network_heal(struct world *world, uint32_t from, uint32_t to);
void network_break(struct world *world, struct connection *connection);
/* The process of this node ended; with its host, or alone. */
void network_process_ended(struct node *node, bool is_host);
void network_free(struct world *world);

/* node.c */
void node_init(struct world *world, uint32_t index);
struct cmi_time node_clock(const struct node *node);
bool node_is_running(const struct node *node); /* its meshd would take an event now */
bool node_is_serving(const struct node *node); /* and an app */
void node_start(struct node *node);
void node_start_for_dead(struct node *node); /* as an obituary */
void node_start_later(struct node *node);
void node_kill(struct node *node, bool is_log_lost);
void node_crash(struct node *node);
void node_clean_stop(struct node *node);
void node_stopping_event(struct node *node, uint64_t life);
void node_pause(struct node *node, uint64_t duration_ns); /* meshd only */
void node_freeze(struct node *node, uint64_t duration_ns, bool is_suspend);
void node_continue_event(struct node *node, const struct event *event);
void node_tick_event(struct node *node, uint64_t serial);
void node_request(struct node *node, struct sim_write *write);
void node_withdraw(struct node *node, const struct app *app); /* its requests */
void node_request_event(struct node *node, uint64_t life);
void node_discover_event(struct node *node);
void node_wake(struct node *node);  /* whatever waited goes on */
void node_timer(struct node *node); /* EVENT_TICK when the core wants it */
void node_turn_ends(struct node *node, uint64_t delay_ns);
void node_free(struct node *node);

/* call.c */
void node_call(struct node *node, const struct call *call);
void node_return_event(struct node *node, uint64_t life);
/* Called by the sinks: stop here for a while, or for ever, if this call was chosen for that. */
void node_interruption(struct node *node);

/* app.c */
void app_start(struct app *app);
void app_write_event(struct app *app, const struct event *event);
void app_publish(struct node *node, struct sim_write *write, struct cmi_time now);
void app_done(struct node *node, uint64_t cookie, const struct core_outcome *outcome);
void app_write(struct app *app, const struct act *act);
void app_last_write(struct app *app);
/* For as long as it lives. */
void app_add(struct app *app, uint64_t delay_ns, enum event_kind kind, uint32_t a, void *object);
void app_saw(struct app *app, uint32_t key, uint64_t version);
bool app_has_pending(const struct app *app);
bool app_is_idle(const struct app *app);

/* attachment.c */
bool app_is_connected(const struct app *app);
const char *app_region(const struct world *world, uint32_t key); /* its name */
void app_hand_over(struct app *app, struct sim_write *write);
void app_attach_event(struct app *app, uint64_t life);
void app_meshd_ended(struct app *app);
void app_drop(struct app *app);
void app_look(struct app *app);
void app_quit(struct app *app);
void app_halt(struct app *app, uint64_t duration_ns);
bool app_is_halted(const struct app *app);

/* spool.c */
void spool_append(struct sim_write *write);
void spool_drop(const struct sim_write *write); /* it was handed over */
void spool_take(struct node *node, struct cmi_time now);
void spool_begin(struct node *node);
void spool_orphaned(struct node *node); /* an app died */
void spool_event(struct node *node, uint64_t life);
void spool_lose(struct node *node);
void spool_check(struct node *node); /* was all of it published? */

/* obituary.c */
void obituary_begin(struct node *node);
bool obituary_is_over(const struct node *node);

/* read.c */
void app_read_event(struct sim_reader *reader, uint64_t life);
void app_read(struct app *app, const struct act *act);
bool app_read_all(struct app *app);

/* intent.c */
/* Make of a write one that begins with an intent. */
void intent_draw(struct sim_write *write, uint32_t key);
void intent_begun(struct sim_write *write, const struct core_outcome *outcome);

/* operation.c */
/* One that covers @key, or more, or none if it is fat. */
void operation_make(struct sim_write *write, enum write_op op, uint32_t key);
/* The begin, or the end, of the write's intent. */
void operation_intent(struct sim_write *write);

/* judge.c */
/* It was begun everywhere: from now on nobody serves its keys. */
void judge_intent(struct world *world, const struct sim_write *write);
void judge_intent_ended(struct world *world, const struct sim_write *write);
/* The write of an intent takes effect. */
void judge_intent_committed(struct world *world, const struct event *event);
void judge_init(struct world *world);
uint64_t judge_commit(struct world *world, uint32_t key);
uint64_t judge_newest(const struct world *world, uint32_t key); /* that a load can see */
void judge_published(struct world *world, const struct sim_write *write, uint32_t origin);
void judge_acknowledged(struct world *world, const struct sim_write *write);
void judge_hit(struct world *world, const struct sim_reader *reader, struct cmi_time precise);
void judge_free(struct world *world);

/* audit.c */
void audit_event(void *context, const struct core_event *event);
void audit_applied(void *context, const char *source, uint64_t number, const struct cmi_op *op);
void audit_page(struct node *node);
void audit_outcome(struct node *node, const struct sim_write *write,
                const struct core_outcome *outcome);
bool audit_is_live(const struct node *node);
void audit_started(struct node *node);
bool audit_is_whole(struct world *world, char *ret_reason, size_t size);

/* budget.c */
void *budget_allocate(size_t size); /* zeroed, with a guard behind it; or the program ends */
void budget_check(struct node *node);
void budget_dialled(struct node *node, uint32_t link);
void budget_sent(struct node *node, struct cmi_slice header, struct cmi_slice body);

/* act.c */
/* Do it now, and note it if that is wanted. Acts that make no sense (any more) do nothing. */
void act_do(struct world *world, const struct act *act);

/* operator.c */
void operator_event(struct world *world);
void operator_call(struct node *node, const struct act *act); /* inside of a call */
void operator_answered(void *context, uint64_t cookie, const struct cmi_answer *answer);
uint64_t operator_applied_ns(void *context, const char *source, uint64_t number);

/* nemesis.c */
void nemesis_fault_event(struct world *world);
void nemesis_heal_all(struct world *world);
void nemesis_start_event(struct node *node, uint64_t host_life);
void nemesis_break_event(struct world *world, struct connection *connection);
void nemesis_sent(struct world *world, struct connection *connection);
void nemesis_calls(struct node *node, const struct call *call); /* is to be interrupted? */
void nemesis_kill_event(struct node *node, uint64_t life);
void nemesis_leave_event(struct node *node, uint64_t life);
void nemesis_obituary_event(struct node *node, uint64_t life);
void nemesis_app_event(struct world *world);
