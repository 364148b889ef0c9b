/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A meshd of one thread that speaks wire/local.h, obeys, and can be told to misbehave. It applies
 * nothing unless it is told to: what it was told to publish is kept as text for the test to
 * compare.
 */
#include "wire/local.h"
#include "wire/page.h"

#include <glib.h>

#define FAKE_STREAM 42

struct fake_meshd_script {
        uint64_t version;      /* answered at ATTACH; 0: the newest */
        int64_t mono_shift_ns; /* of the clock in the answer */
        int64_t real_shift_ns;
        unsigned n_descriptors; /* 0 to 3 come with ATTACHED */
        bool is_size_wrong;     /* a size without a descriptor, or the reverse */
        bool is_unsealed;
        bool is_page_of_other_epoch;
        uint64_t page_size_off; /* announced too large by this much */
        int64_t attach_error;   /* answer ATTACH by ERROR */
        int64_t region_error;
        bool holds_regions; /* requests wait for fake_meshd_refuse_regions() */
        int64_t publish_error;
        bool errs_once;
        bool is_babbling;  /* answer ATTACH by bytes that are no message */
        bool answers_mesh; /* false: CMI_WAIT_MESH waits for fake_meshd_answer() */
        int64_t mesh_outcome;
        unsigned n_members;    /* in the list of one that is not 0; 0: one */
        bool is_silent;        /* reads, answers nothing */
        bool confirms_nothing; /* no RESULT for CMI_WAIT_NONE */
        bool applies;          /* stamps its page, and a region has one index for all clients */
        /* Of a message that it does not know, in its thread; may write into the socket. */
        void (*other)(void *context, int fd, const struct cmi_local_head *head);
        void *context;
};

struct fake_meshd;

/* Path for a socket in a new directory; fake_path_free() removes both. */
char *fake_path_new(void);
void fake_path_free(char *path);

/* Well-behaved: one sealed page, no error, MESH answered at once by 0. */
struct fake_meshd_script fake_meshd_script(void);

struct fake_meshd *fake_meshd_start(const char *path, const struct fake_meshd_script *script);

/* As kill -9 does: all its sockets close, and the path stays. */
struct fake_meshd *fake_meshd_kill(struct fake_meshd *meshd);

/* As SIGSTOP and SIGCONT: sockets stay open, nothing is read or accepted. Returns
 * when it has stopped. */
void fake_meshd_pause(struct fake_meshd *meshd);
void fake_meshd_resume(struct fake_meshd *meshd);

/* Close the connections only. */
void fake_meshd_hang_up(struct fake_meshd *meshd);

void fake_meshd_set_script(struct fake_meshd *meshd, const struct fake_meshd_script *script);

/* Answer the oldest unanswered CMI_WAIT_MESH publication; waits for one. False after 10 s. */
bool fake_meshd_answer(struct fake_meshd *meshd, int64_t outcome);

/* Wait until this many requests wait for an answer. False after 10 s. */
bool fake_meshd_await_held(struct fake_meshd *meshd, unsigned n);

/* Refuse all held requests, which are of one connection, by "no room for NAME" in one write. */
void fake_meshd_refuse_regions(struct fake_meshd *meshd, int64_t code);

/* Wait until this many publications have come in since the start. False after 10 s. */
bool fake_meshd_await_published(struct fake_meshd *meshd, unsigned n);

/* The same for accepted connections. */
bool fake_meshd_await_accepted(struct fake_meshd *meshd, unsigned n);

/* The same for connections that their client has closed. */
bool fake_meshd_await_closed(struct fake_meshd *meshd, unsigned n);

unsigned fake_meshd_n_published(struct fake_meshd *meshd);
unsigned fake_meshd_n_accepted(struct fake_meshd *meshd);

/* "region:key" or "region:*" of publication @i, to be freed; after "begin " or "end " for an
 * intent. */
char *fake_meshd_published(struct fake_meshd *meshd, unsigned i);

/* Writable view of its page. */
struct cmi_page *fake_meshd_page(struct fake_meshd *meshd);
