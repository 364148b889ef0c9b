/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What one seed is made of. Each seed draws other rates, another mix of faults and other timers
 * ("swarm testing": Groce et al., ISSTA 2012): a mix of everything finds less than many runs that
 * each leave something out.
 */
#include "base/time.h"
#include "tests/sim/random.h"

#include <stdio.h>

enum fault {
        FAULT_CUT = 0, /* both ways between two nodes */
        FAULT_CUT_ONE_WAY,
        FAULT_ISOLATE,    /* one node from all others */
        FAULT_BREAK,      /* a connection */
        FAULT_STOP,       /* a meshd: SIGSTOP */
        FAULT_FREEZE,     /* a host with all its processes; its clocks go on */
        FAULT_SUSPEND,    /* a host; only its real-time clock goes on */
        FAULT_KILL,       /* a meshd, its log stays */
        FAULT_DROP_KILL,  /* a meshd, when a cut that was long enough to be declared gone ends */
        FAULT_KILL_LOG,   /* a meshd, and its log with it */
        FAULT_CRASH,      /* a host, with its apps and its log */
        FAULT_CLEAN_STOP, /* a meshd */
        FAULT_CLOCK_STEP, /* of a real-time clock */
        FAULT_KINDS,
};

struct options {
        uint32_t n_nodes;
        uint32_t n_apps;    /* of each node */
        uint32_t n_readers; /* of each app */
        uint32_t n_keys;
        uint32_t n_tags;
        uint32_t has_shared_loads; /* readers wait for another's load of the key */
        uint32_t n_ttl;         /* of the keys, the last: of a region that is served by its TTL */
        uint32_t uneven_gone;   /* gone_ns of a node is up to so many times more; 0: equal */
        uint32_t uneven_starts; /* it is drawn anew for each start */
        uint32_t uneven_lease;  /* all nodes restart with a lease that is this part; 0: never */
        uint32_t uneven_room;   /* nodes restart with room for too few members */
        uint32_t late_joiner;   /* the last node comes later, and is told of one by others only */
        uint32_t n_users;       /* of sessions; 0: there are none */
        uint32_t n_addresses;   /* of each node; 0: one */
        uint32_t holds_max;     /* keys and tags that are held at a time; 0: more than there are */
        uint32_t has_spool;     /* apps keep what no meshd takes beyond their own life */

        uint64_t lease_ns;
        uint64_t gone_ns;
        uint64_t margin_ns;
        uint64_t drift_ppm;
        uint64_t start_ns;
        uint64_t alone_ns;
        uint64_t tick_ns; /* of the coarse clocks */
        uint32_t log_size;

        uint64_t latency_ns;
        uint64_t jitter_ns;
        uint32_t spike_ppm; /* share of frames that are late by up to spike_ns */
        uint64_t spike_ns;
        uint32_t break_ppm; /* share of frames with which their connection breaks */
        uint32_t queue_max; /* frames that a connection holds */
        uint64_t retry_ns;  /* longest pause of ZeroMQ between two attempts to connect */
        uint64_t discover_ns;

        uint64_t read_ns;   /* mean pause of a reader */
        uint64_t load_ns;   /* longest load */
        uint32_t pause_ppm; /* share of reader's steps after which it is paused */
        uint64_t pause_ns;
        uint64_t write_ns;
        uint64_t ttl_ns;
        uint64_t hold_ns; /* of each region; whole milliseconds */
        uint64_t lag_ns;  /* after which the database shows a version to loads */
        uint64_t deaf_ns; /* longest time in which an app does not notice that its meshd ended */
        uint64_t announce_ns; /* longest time from commit to publication */
        uint32_t wait_mesh_ppm;
        uint32_t wide_ppm;    /* share of invalidations by tag, region or all */
        uint32_t unknown_ppm; /* and by an operation of a newer version */
        uint32_t fat_ppm;     /* operations that fill the log */
        uint32_t intent_ppm;  /* writes that begin with an intent */
        uint32_t dying_ppm;   /* whose owner dies before it ends it */

        uint64_t session_life_ns;   /* longest, from the login */
        uint64_t session_idle_ns;   /* 0: as long as it likes */
        uint64_t session_margin_ns; /* 0: the usual one */
        uint32_t session_limit;     /* of one principal at one node; 0: none */
        uint32_t session_blob;      /* bytes, at most */
        uint32_t session_bytes;     /* budget of a node */
        uint32_t session_key_bytes; /* likewise */
        uint64_t click_ns;          /* mean pause of a user */
        uint32_t ahead_ppm;        /* share of clicks before which a clock goes wrong for a while */
        uint32_t sticky_ppm;       /* clicks that go to the node of the session */
        uint32_t click_weights[9]; /* by enum click */

        uint64_t quit_ns;       /* mean time between deaths of apps; 0: none dies by itself */
        uint32_t obituary_ppm;  /* share of killed meshds for which another one speaks */
        uint64_t post_ns;       /* mean time between acts of posting; 0: nobody posts */
        uint64_t ask_ns;        /* mean time between what operators want */
        uint32_t drop_ppm;      /* share of it that ends connections and takes regions */
        uint32_t interrupt_ppm; /* share of the core's calls that are paused or killed half-way */
        uint32_t tear_ppm;      /* share of publications that kill their meshd inside of the log */
        uint64_t turn_ns;       /* longest turn of a loop, usually */
        uint64_t chaos_ns;
        uint64_t fault_ns; /* mean time between faults */
        uint64_t fault_max_ns;
        uint32_t weights[FAULT_KINDS];
};

void options_draw(struct options *options, struct random *random);

/* What came later, from another chance: a seed without any of it is the one that it always was. */
void options_draw_more(struct options *options, struct random *random);

/* What came later still. */
void options_draw_uneven(struct options *options, struct random *random);

/* And later than that. */
void options_draw_posts(struct options *options, struct random *random);

/* The latest of all. */
void options_draw_joiner(struct options *options, struct random *random);

/* Those that matter when acts are not drawn, one a line: "NAME VALUE". */
void options_write(FILE *file, const struct options *options);
int options_read(struct options *options, const char *name, const char *value);
bool options_are_whole(const struct options *options); /* could a mesh be made of them? */

/* Seconds, with as many decimals as it takes. */
void options_write_time(FILE *file, int64_t ns);
int options_read_time(const char *text, int64_t *ret_ns);
