/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Users of sessions: in about a third of the seeds each node has the real plane, store and bridge,
 * as the daemon has, and people click through what apps keep in sessions.
 *
 * session.c        the shell of each node around its plane
 * session_click.c  who clicks on what
 * session_user.c   what a process does for him
 * session_copy.c   what processes keep
 * session_judge.c  what may be answered, by the promises and not by the code
 * session_oracle.c what is known of each id, and what an answer makes of it
 * session_audit.c  what has to be so whatever is asked
 * session_options.c what a seed draws
 *
 * Other nodes do not know a node's sessions in this version: there a session is gone, and a logout
 * of it, or of all of somebody's, is unconfirmed. What is promised holds for as long as the meshd
 * lives that made a session.
 */
#include "meshd/bridge/bridge.h"
#include "tests/sim/world.h"

#define USERS_MAX 6
#define VISITS_MAX 24     /* at the same time */
#define COPIES_MAX 8      /* of one process */
#define SESSIONS_MAX 2048 /* in one seed; who comes later stays away */
#define ASKED_MAX 8192    /* requests that change something, in one seed */
#define SESSION_NONE UINT32_MAX
#define SESSION_SPACE 1 /* of everybody but strangers */
#define SESSION_STRANGERS 2

/* What a visit is for. */
enum click {
        CLICK_LOOK = 0,
        CLICK_SAVE,
        CLICK_TOUCH,
        CLICK_ROTATE,
        CLICK_LOGOUT,
        CLICK_LOGOUT_ALL,
        CLICK_AGAIN,    /* an older request, with its number */
        CLICK_STRANGER, /* somebody of another space has the key */
        CLICK_UNKNOWN,  /* a logout of what never was */
        CLICK_KINDS,
};

/* Something that is to be done once, however often it is sent; its number names it. */
struct sim_asked {
        struct cmi_session_request request; /* without tag and blob */
        uint32_t session, new_session;
        uint32_t node;
        uint64_t life;                   /* of the meshd that has done it */
        bool is_done;                    /* by that one */
        uint64_t raise;                  /* DESTROY_PRINCIPAL: how many were done before it */
        struct cmi_session_version made; /* CREATE, SAVE, ROTATE */
};

enum session_state {
        SIM_SESSION_NONE = 0, /* nobody has made it, or who did is gone */
        SIM_SESSION_ALIVE,
        SIM_SESSION_DEAD,
};

/* One id, as it is at its node. */
struct sim_session {
        struct cmi_id key;
        uint8_t principal; /* 0: nobody's */
        uint32_t node;
        uint64_t life; /* of the meshd that has made it */
        enum session_state state;
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        uint32_t asked[CMI_SESSION_REQUESTS_MAX]; /* that made it, newest first */
        uint32_t n_asked;
        uint64_t max_end_ms, idle_ttl_ms;
        uint64_t end_mono_ns;                /* its end, by the clock that nobody sets */
        uint64_t used_real_ms, used_mono_ns; /* newest use, by each clock */
        bool may_be_over;                    /* both clocks have been past its end */
        bool may_be_idle;                    /* likewise of its idle time; not used since */
        bool may_be_forgotten;               /* likewise of its end and the margin */
        uint64_t idle_since_ns;              /* mono, of may_be_idle */
        int64_t real_step_ns;                /* of its node's clock when it was last used */
        bool is_stepped;                     /* that clock was set since */
        /* Rotated: what the old id reads as, until when by mono. */
        bool is_rotated;
        uint32_t rotated_by; /* asked */
        uint32_t grace;      /* asked that made what it had; SESSION_NONE: nothing */
        uint64_t grace_ns;
        bool may_lack_grace; /* by its node's clock it was past its end meanwhile */
        uint32_t successor;
        /* A stranger has ended it before it was there: his tombstone keeps the key. */
        uint32_t taken_node;
        uint64_t taken_life;
};

/* What a process keeps of a session. */
struct sim_copy {
        bool is_kept;
        uint32_t session;
        struct cmi_session_version version;
        struct cmi_session_holder holder;
        uint32_t asked; /* its content */
        uint64_t max_end_ms, idle_ttl_ms;
        struct sim_page *page;
        uint64_t token;
        uint32_t region;
        uint64_t told_ns; /* mono */
};

/* A process that does something for a user: at most one request at a time. */
struct visit {
        bool is_used;
        uint32_t serial;
        uint32_t user; /* SESSION_NONE: the process tells that a session is used */
        enum click click;
        struct app *app;
        uint64_t app_life;
        uint32_t session;
        struct random random;
        uint64_t timeout_ns, pause_ns;
        uint32_t n_sent; /* of the present request */
        enum {
                VISIT_BEGINS,
                VISIT_SENDS,
                VISIT_WAITS,
                VISIT_TOLD,
                VISIT_CHANGES,
        } step;
        bool is_last; /* no request follows */
        struct cmi_session_request request;
        uint32_t asked; /* number - 1; SESSION_NONE: it has none */
        uint32_t new_session;
        uint64_t blob_len;
        struct cmi_session_version seen; /* by the user, before he asked */
        uint64_t seen_life;
        /* With the plane */
        uint64_t client;
        uint64_t sent_mono_ns;
        uint64_t life; /* of the meshd that has it */
        /* What it was told */
        struct cmi_session_answer answer;
        uint32_t told; /* asked that made the content */
};

struct user {
        uint32_t session; /* his cookie; SESSION_NONE: he is not logged in */
        uint8_t principal;
        struct cmi_session_version seen; /* newest, of that session */
        uint64_t seen_life;              /* of its node's meshd */
        uint32_t home;
};

struct session_node {
        struct node *node;
        struct bridge bridge;
        struct plane *plane; /* NULL: none */
        bool is_changed;     /* its core; the plane is to be called */
        uint64_t life;
        uint64_t due_serial;
        uint32_t n_busy;
        uint32_t n_waiting;
        uint64_t n_raises;
        uint64_t clients[APPS_MAX];
        struct sim_copy copies[APPS_MAX][COPIES_MAX];
        uint64_t app_lives[APPS_MAX]; /* of whose processes they are */
        int64_t real_step_ns;
};

struct sim_sessions {
        struct world *world;
        struct random plan; /* of clicks */
        struct user users[USERS_MAX];
        struct visit visits[VISITS_MAX];
        struct session_node nodes[NODES_MAX];
        struct sim_session sessions[SESSIONS_MAX];
        uint32_t n_sessions;
        struct sim_asked asked[ASKED_MAX];
        uint32_t n_asked;
        uint64_t n_clients;
};

enum session_event {
        SESSION_CLICK = 0, /* of a user */
        SESSION_TICK,      /* of a node's plane */
        SESSION_STEP,      /* of a visit */
        SESSION_SWEEP,
        SESSION_BACK, /* the clock of a node is set back */
};

/* session.c: hooks of the world */
void sessions_begin(struct world *world);
void sessions_free(struct world *world);
void sessions_chaos(struct world *world); /* from now on users click */
void sessions_due(struct world *world, const struct event *event);
void sessions_started(struct node *node); /* a meshd, with its core and its page */
void sessions_ended(struct node *node);   /* a meshd */
void sessions_event(struct node *node, const struct core_event *event);
void sessions_attached(struct app *app); /* to its meshd; region indexes are to be held */
void sessions_dropped(struct app *app);  /* by its meshd */

/* session.c: for the others */
static inline struct session_node *session_node(struct node *node)
{
        return &node->world->sessions->nodes[node->index];
}
void session_add(struct world *world, uint64_t delay_ns, enum session_event kind, uint32_t index,
                uint64_t serial);
/* Hand the visit's request to its meshd. Return: could it be? */
bool session_send(struct visit *visit);
void session_tick_later(struct session_node *at);
struct cmi_id session_id(uint8_t space, uint8_t kind, uint64_t number);
static inline uint64_t session_real_ms(struct cmi_time now)
{
        return now.real_ns / CMI_NS_PER_MS;
}

/* session_click.c */
void session_click_event(struct world *world, uint32_t user);
void session_back_event(struct node *node, int64_t by_ns);

/* session_user.c */
void session_click(struct world *world, const struct act *act);
void session_step_event(struct visit *visit);
void session_told(struct visit *visit); /* the answer is on its way, or will never come */
const char *session_verb(uint64_t verb);

/* session_copy.c */
void session_keep(struct visit *visit);
/* NULL, or what the process keeps and may serve. */
struct sim_copy *session_hit(struct app *app, uint32_t session);
/* By the page alone, whatever the process itself would look at. */
bool session_copy_is_good(const struct node *node, const struct sim_copy *copy);

/* session_oracle.c */
/* Its plane is about to be called: what may be over by now? */
void session_oracle_time(struct session_node *at, struct cmi_time now);
/* Does this meshd know it, alive or dead? */
bool session_is_here(const struct session_node *at, const struct sim_session *session);
/* May it be gone, though nobody has ended it? */
bool session_may_be_gone(const struct sim_session *session, struct cmi_time now);
bool session_is_asked(const struct sim_session *session, uint32_t asked); /* lately, by that */
void session_used(struct sim_session *session, struct cmi_time now, uint64_t age_ns);
void session_made(struct session_node *at, struct visit *visit, uint32_t session,
                const struct cmi_session_answer *answer);
void session_saved(struct session_node *at, struct visit *visit,
                const struct cmi_session_answer *answer);
void session_rotated(struct session_node *at, struct visit *visit,
                const struct cmi_session_answer *answer);
void session_destroyed(struct session_node *at, struct visit *visit);
void session_all_ended(struct session_node *at, struct visit *visit);

/* session_judge.c */
/* The plane says so, to whoever hears it. */
void session_judge_answer(struct session_node *at, struct visit *visit,
                const struct cmi_session_answer *answer);
/* He is told. */
void session_judge_told(struct visit *visit);
void session_judge_hit(struct visit *visit, const struct sim_copy *copy);

/* session_audit.c */
/* A call of the plane ended; was it a tick? */
void session_audit_call(struct session_node *at, struct cmi_time now, bool is_tick);
void session_audit_copies(struct session_node *at, struct cmi_time now);
void session_audit_sweep(struct session_node *at, struct cmi_time now);

/* session_options.c */
void session_options_draw(struct options *options, struct random *random);
