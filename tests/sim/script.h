/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is done to a mesh, as a list: each read, each write and each fault is one act, with all that
 * was drawn for it. A seed makes its acts while it runs and can note them; a script is such a list,
 * whole or shortened, and is played without drawing any.
 *
 * As text a script is one line for each act, "TIME nodeN VERB name=value ...", behind lines that
 * say from which seed it comes, with which options, and which planted bug it finds. Times are
 * seconds. One with a seed and nothing else stands for what that seed draws.
 */
#include "tests/sim/options.h"

#include <stddef.h>

#define ACT_VALUES 8
#define SCRIPT_CODE_MAX 8
#define SCRIPT_MUTANT_MAX 40
#define SCRIPT_ACTS_MAX (1u << 20)

enum act_kind {
        ACT_READ = 0,
        ACT_WRITE,
        ACT_CUT, /* one way */
        ACT_BREAK,
        ACT_STOP,
        ACT_FREEZE,
        ACT_SUSPEND,
        ACT_KILL,
        ACT_CRASH,
        ACT_LEAVE,
        ACT_START,
        ACT_STEP,      /* of the real-time clock */
        ACT_INTERRUPT, /* of the node's next call that uses its sink */
        ACT_TEAR,      /* of the node's next publication */
        ACT_ASK,       /* another node */
        ACT_REGIONS,   /* opened by another app */
        ACT_DESCRIBE,  /* the region's options, as an app has them */
        ACT_FORGET,    /* a member that left */
        ACT_DROP,      /* meshd takes the connection of an app for ended */
        ACT_QUIT,      /* an app dies and is started again */
        ACT_HALT,      /* an app: SIGSTOP */
        ACT_OBITUARY,  /* for a meshd that was killed */
        ACT_CONFIGURE, /* what a node starts with from now on */
        ACT_POST,      /* messages to another node */
        ACT_CLICK,     /* of a user of sessions */
        ACT_ADDRESS,   /* of the node dies */
        ACT_KINDS,
};

enum write_op {
        OP_KEY = 0,
        OP_TAG,
        OP_REGION,
        OP_ALL,
        OP_UNKNOWN, /* of a newer version */
        OP_FAT,     /* fills the log, and covers no key */
        OP_INTENT,
        OP_KINDS,
};

struct act {
        uint64_t at_ns;
        enum act_kind kind;
        uint32_t node;
        union {
                int64_t values[ACT_VALUES];
                struct {
                        int64_t app, reader, key;
                        int64_t pause_ns[5]; /* before check, end, token, load, put */
                } read;
                struct {
                        int64_t app, key, op, wait, timeout_ns, after_ns; /* commit to announce */
                } write;
                struct {
                        int64_t to, for_ns;
                } cut;
                struct {
                        int64_t to, link;
                } broken;
                struct {
                        int64_t for_ns;
                } pause; /* stop, freeze, suspend */
                struct {
                        int64_t is_log_lost;
                } kill;
                struct {
                        int64_t by_ns;
                } step;
                struct {
                        int64_t at_sink, for_ns; /* 0: killed there */
                } interrupt;
                struct {
                        int64_t to, what;
                } ask;
                struct {
                        int64_t first, n;
                } regions;
                struct {
                        int64_t ttl;
                } describe;
                struct {
                        int64_t whom;
                } forget;
                struct {
                        int64_t app;
                } drop; /* quit */
                struct {
                        int64_t app, for_ns;
                } halt;
                struct {
                        int64_t lease, room; /* see uneven.c */
                } configure;
                struct {
                        int64_t to, n, size;
                } post;
                struct {
                        int64_t user, app, what, timeout_ns, pause_ns, chance;
                } click;
                struct {
                        int64_t which, for_ns;
                } address;
        };
};

struct script {
        uint64_t seed;
        struct options options;
        char code[SCRIPT_CODE_MAX];     /* of the invariant that it violates; "": none */
        char mutant[SCRIPT_MUTANT_MAX]; /* with this bug planted; "": with none */
        struct act *acts;
        size_t n_acts;
        size_t capacity;
};

void script_add(struct script *script, const struct act *act);

/* @remark: lines for people; NULL: none. Return: 0, or -errno. */
int script_save(const struct script *script, const char *path, const char *remark);

/* Return: 0, or -errno; then @ret_line is the line that is wrong, 0: the file cannot be read. */
int script_load(const char *path, struct script *ret_script, unsigned *ret_line);

void script_copy(struct script *to, const struct script *from);
void script_deinit(struct script *script);
