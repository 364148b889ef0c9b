/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Loads of the local protocol: of several processes that miss one key one loads it, and meshd hands
 * what it found to the others. LOAD asks who shall load, LOAD_STATE answers it, once or several
 * times, and LOADED tells how a load that was granted has ended. What was found, the record, is
 * made and read by the apps; meshd passes it on as it is. Conventions are those of wire/local.h;
 * docs/reference/local-protocol.md describes it byte by byte.
 */
#include "wire/local.h"

#define CMI_LOAD_VALUE_MAX 32768  /* bytes of a value that is handed on */
#define CMI_LOAD_RECORD_MAX 40000 /* with its tags */
#define CMI_LOAD_TAGS_MAX 16

struct cmi_load {
        uint64_t index;       /* of the region */
        uint64_t version;     /* of the values' format: others get no such value */
        struct cmi_slice key; /* borrowed */
        uint64_t arrival;     /* as an earlier LOAD_STATE gave it, for who asks again; 0: none */
        uint64_t lead_ms;     /* if granted: so much later somebody else may load as well */
        uint64_t n_busy;      /* calls of this app since its last LOAD that got no turn */
        uint64_t n_stale;     /* and those that were answered by an old value; both for people */
        uint64_t patience_ms; /* if it waits: so long for one that loads; 0: as lead_ms */
};

enum cmi_load_outcome {
        CMI_LOAD_GRANTED = 0, /* load, then say LOADED */
        CMI_LOAD_WAIT = 1,    /* somebody loads: another LOAD_STATE follows */
        CMI_LOAD_VALUE = 2,   /* here it is */
        CMI_LOAD_ALONE = 3,   /* load, and say nothing */
        CMI_LOAD_FAILED = 4,  /* the load has failed, with error */
};

struct cmi_load_state {
        uint64_t outcome; /* enum cmi_load_outcome; treat an unknown one as ALONE */
        uint64_t arrival;
        bool is_new;             /* VALUE: the load began after this arrival */
        int64_t error;           /* FAILED */
        struct cmi_slice record; /* VALUE; borrowed */
};

enum cmi_loaded_outcome {
        CMI_LOADED_VALUE = 0,
        CMI_LOADED_NOTHING = 1, /* given up, also while waiting: somebody else shall load */
        CMI_LOADED_APART = 2,   /* done, but it is not handed on: each shall load for itself */
};

struct cmi_loaded {
        uint64_t load;           /* id of the LOAD */
        int64_t outcome;         /* enum cmi_loaded_outcome, or the negative error of the load */
        struct cmi_slice record; /* VALUE; borrowed */
};

/* What was found. */
struct cmi_load_record {
        uint64_t epoch;     /* of the page to which the token belongs */
        uint64_t token;     /* apply_seq from before the load */
        uint64_t loaded_ds; /* when it began: tenths of a second of CLOCK_BOOTTIME */
        uint64_t ttl_ms;    /* given by the loader; 0: the region's */
        bool is_negative;
        struct cmi_slice value; /* borrowed */
        uint32_t n_tags;
        struct cmi_slice tags[CMI_LOAD_TAGS_MAX]; /* borrowed */
};

void cmi_load_write(struct cmi_writer *writer, const struct cmi_load *load);
int cmi_load_decode(struct cmi_slice fields, struct cmi_load *ret_load);
void cmi_load_state_write(struct cmi_writer *writer, const struct cmi_load_state *state);
int cmi_load_state_decode(struct cmi_slice fields, struct cmi_load_state *ret_state);
void cmi_loaded_write(struct cmi_writer *writer, const struct cmi_loaded *loaded);
int cmi_loaded_decode(struct cmi_slice fields, struct cmi_loaded *ret_loaded);
void cmi_load_record_write(struct cmi_writer *writer, const struct cmi_load_record *record);
int cmi_load_record_decode(struct cmi_slice bytes, struct cmi_load_record *ret_record);
